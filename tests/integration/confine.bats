#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Confinement and resources: --seccomp, --apparmor-*, cpuset, CPU burst, blockio, RDT, systemd cgroups, by runc and by crun. What
# counts is what is in effect inside.

load lib
setup_file() { rig_up; }
teardown_file() { rig_down; }
setup() { id=$(id_for); }
teardown() { rig_clear; }

calls() { # FLAGS... -- NAME...: what the probe says of these system calls, on one line
	local flags=()
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	coracle run --rm "${flags[@]}" busybox "$id-$RANDOM" /bin/probe syscall "$@" | paste -sd ' '
}

# The cgroup of a running container for a v1 controller, or of v2.
cgroup_file() { # ID CONTROLLER V1-FILE V2-FILE
	local pid line
	pid=$(task_pid "$1")
	line=$(grep -E "^[0-9]+:([^:]*,)?$2(,[^:]*)?:" "/proc/$pid/cgroup" || true)
	if [ -n "$line" ]; then
		cat "/sys/fs/cgroup/$(cut -d : -f 2 <<<"$line")$(cut -d : -f 3- <<<"$line")/$3"
	else
		cat "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")/$4"
	fi
}

refused() { # PATTERN FLAGS...: one line, nothing left
	local pattern=$1
	shift
	run --separate-stderr coracle run --rm "$@" busybox "$id" /bin/true
	# crun's own line, as runc's, comes by the container's standard error
	stderr=$(grep -v '^writing file ' <<<"$stderr")
	assert_error 1 "$pattern" || return
	{
		coracle containers list -q
		coracle snapshots list | awk 'NR > 1 { print $1 }'
		ls "$CORACLE_STATE/$NS" 2>/dev/null
		find /sys/fs/cgroup -type d -path "*/$NS/$id"
	} | lacks -E "(^|/)$id$"
}

# ---- seccomp --------------------------------------------------------------------------------------------------------------

@test "seccomp: off without the flag, a filter with it" {
	local r
	for r in runc crun; do
		coracle run --rm --runc-binary $r busybox "$id-a" grep '^Seccomp:' /proc/self/status | grep -qx $'Seccomp:\t0'
		coracle run --rm --runc-binary $r --seccomp busybox "$id-b" grep '^Seccomp:' /proc/self/status | grep -qx $'Seccomp:\t2'
		coracle run --rm --runc-binary $r --seccomp=false busybox "$id-c" grep '^Seccomp:' /proc/self/status | grep -qx $'Seccomp:\t0'
	done
}

@test "seccomp: what the default profile denies and allows" {
	local r
	for r in runc crun; do
		assert_equal "$(calls --runc-binary $r --seccomp -- keyctl unshare clone-ns clone clone3 io_uring unix alg vsock personality no-randomize settime mkdir)" \
			"keyctl: EPERM unshare: EPERM clone-ns: EPERM clone: ok clone3: ENOSYS io_uring: EPERM unix: ok alg: EPERM vsock: EPERM personality: ok no-randomize: EPERM settime: EPERM mkdir: ok"
	done
}

@test "seccomp: a capability of the bounding set opens its calls" {
	local r
	for r in runc crun; do
		assert_equal "$(calls --runc-binary $r --seccomp --cap-add CAP_SYS_ADMIN --cap-add CAP_SYS_TIME -- unshare clone-ns clone3 settime keyctl)" \
			"unshare: ok clone-ns: ok clone3: EINVAL settime: ok keyctl: EPERM"
		assert_equal "$(calls --runc-binary $r --seccomp --cap-add CAP_SYS_ADMIN --cap-drop CAP_SYS_ADMIN -- unshare)" "unshare: EPERM"
		assert_equal "$(calls --runc-binary $r --cap-add CAP_SYS_ADMIN -- unshare no-randomize)" "unshare: ok no-randomize: ok"
	done
}

@test "seccomp: --privileged alone has no filter, with --seccomp the profile of all its capabilities" {
	coracle run --rm --privileged busybox "$id-a" grep '^Seccomp:' /proc/self/status | grep -qx $'Seccomp:\t0'
	assert_equal "$(calls --privileged --seccomp -- unshare clone3 keyctl)" "unshare: ok clone3: EINVAL keyctl: EPERM"
}

@test "privileged: the capabilities that the caller has, and no others" {
	local effective
	setpriv --bounding-set -sys_time,-sys_boot --inh-caps -all coracle run --rm --privileged busybox "$id-a" grep ^CapEff: /proc/self/status >"$RIG/effective"
	effective=$(cut -f 2 "$RIG/effective")
	# 25 is CAP_SYS_TIME, 22 CAP_SYS_BOOT, 21 CAP_SYS_ADMIN
	[ $((0x$effective >> 25 & 1)) = 0 ]
	[ $((0x$effective >> 22 & 1)) = 0 ]
	[ $((0x$effective >> 21 & 1)) = 1 ]
	coracle run --rm --privileged busybox "$id-b" grep ^CapEff: /proc/self/status >"$RIG/effective"
	assert_equal "$(cut -f 2 "$RIG/effective")" "$(sed -n 's/^CapEff:\t//p' /proc/self/status)"
}

@test "seccomp: an exec in the container is filtered, too" {
	coracle run -d --seccomp busybox "$id" sleep 1000
	coracle tasks exec --exec-id e1 "$id" grep '^Seccomp:' /proc/self/status | grep -qx $'Seccomp:\t2'
	assert_equal "$(coracle tasks exec --exec-id e2 "$id" /bin/probe syscall unshare)" "unshare: EPERM"
}

@test "containers create takes the flags, too" {
	coracle containers create --seccomp --cap-add CAP_SYS_ADMIN busybox "$id" /bin/probe syscall clone3 keyctl
	assert_equal "$(coracle tasks start "$id" | paste -sd ' ')" "clone3: EINVAL keyctl: EPERM"
	run --separate-stderr coracle containers create --seccomp-profile x busybox "$id-b"
	assert_error 1 '^coracle: seccomp must be set to true, if using a custom seccomp-profile$'
}

@test "seccomp: a profile from a file" {
	local r
	cat >"$RIG/deny.json" <<-'EOF'
		{"defaultAction": "SCMP_ACT_ALLOW", "comment": "not of the runtime spec",
		 "syscalls": [{"names": ["mkdir", "mkdirat", "a_call_of_the_future"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}
	EOF
	cat >"$RIG/kill.json" <<-'EOF'
		{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["keyctl"], "action": "SCMP_ACT_KILL"}]}
	EOF
	for r in runc crun; do
		assert_equal "$(calls --runc-binary $r --seccomp --seccomp-profile "$RIG/deny.json" -- mkdir keyctl)" "mkdir: EACCES keyctl: ok"
		assert_equal "$(calls --runc-binary $r --seccomp --seccomp-profile "$RIG/kill.json" -- mkdir keyctl)" "mkdir: ok keyctl: killed"
	done
	# through a pipe, as shells give one
	assert_equal "$(calls --seccomp --seccomp-profile <(cat "$RIG/deny.json") -- mkdir)" "mkdir: EACCES"
}

@test "seccomp: profiles that are refused" {
	echo '{"defaultAction": "SCMP_ACT_ALLOW"}' >"$RIG/good.json"
	refused '^coracle: seccomp must be set to true, if using a custom seccomp-profile$' --seccomp-profile "$RIG/good.json"
	refused "^coracle: cannot load seccomp profile \"$RIG/nope\": open $RIG/nope: no such file or directory$" --seccomp --seccomp-profile "$RIG/nope"
	refused "^coracle: cannot load seccomp profile \"$RIG\": read $RIG: " --seccomp --seccomp-profile "$RIG"
	head -c 2000000 /dev/zero | tr '\0' ' ' >"$RIG/large.json"
	refused "^coracle: cannot load seccomp profile \"$RIG/large.json\": read $RIG/large.json: .*larg" --seccomp --seccomp-profile "$RIG/large.json"
	echo '{' >"$RIG/bad.json"
	refused "^coracle: decoding seccomp profile failed \"$RIG/bad.json\": " --seccomp --seccomp-profile "$RIG/bad.json"
	echo '{"defaultAction": "a", "syscalls": [{"names": "mkdir", "action": "b"}]}' >"$RIG/bad.json"
	refused "^coracle: decoding seccomp profile failed \"$RIG/bad.json\": syscalls\[0\].names: expected array of strings$" \
		--seccomp --seccomp-profile "$RIG/bad.json"
	# An action that only the runtime can judge: its words, and nothing left.
	echo '{"defaultAction": "SCMP_ACT_SING"}' >"$RIG/bad.json"
	refused 'SCMP_ACT_SING' --seccomp --seccomp-profile "$RIG/bad.json"
}

# ---- AppArmor -------------------------------------------------------------------------------------------------------------

@test "AppArmor: conflicts and names" {
	refused '^coracle: apparmor-profile conflicts with apparmor-default-profile$' --apparmor-profile a --apparmor-default-profile b
	refused '^coracle: apparmor-default-profile: "a b" is not a name for a profile' --apparmor-default-profile 'a b'
}

@test "AppArmor: without it in the kernel an error, and nothing made" {
	[ ! -e /sys/kernel/security/apparmor/profiles ] || skip "the kernel has AppArmor"
	refused '^coracle: open /sys/kernel/security/apparmor/profiles: no such file or directory$' --apparmor-default-profile coracle-test
	refused '^coracle: failed to create shim task: .*apparmor' --apparmor-profile coracle-test
	# The document says it all the same.
	run coracle run --dump-config - --apparmor-default-profile coracle-test busybox "$id"
	assert_equal "$(jq -r .process.apparmorProfile <<<"$output")" coracle-test
}

@test "AppArmor: the default profile is loaded once and applied" {
	[ -e /sys/kernel/security/apparmor/profiles ] || skip "the kernel has no AppArmor"
	need apparmor_parser
	coracle run --rm --apparmor-default-profile coracle-test busybox "$id-a" cat /proc/self/attr/current | grep -qx 'coracle-test (enforce)'
	coracle run --rm --apparmor-default-profile coracle-test busybox "$id-b" sh -c 'mount -t tmpfs x /tmp 2>&1; echo $?' | grep -qx 1
	coracle run --rm --apparmor-profile coracle-test busybox "$id-c" cat /proc/self/attr/current | grep -qx 'coracle-test (enforce)'
	echo 'profile coracle-test {}' | apparmor_parser -R
}

# ---- CPU and memory ---------------------------------------------------------------------------------------------------------

@test "cpuset, quota, shares and memory are in effect" {
	local r
	for r in runc crun; do
		coracle run -d --runc-binary $r --cpuset-cpus 0 --cpuset-mems 0 --cpu-quota 20000 --cpu-period 50000 --cpu-shares 512 \
			--memory-limit 67108864 busybox "$id-$r" sleep 1000
		coracle tasks exec --exec-id e "$id-$r" grep _allowed_list /proc/self/status | paste -sd ' ' | grep -qx $'Cpus_allowed_list:\t0 Mems_allowed_list:\t0'
		assert_equal "$(cgroup_file "$id-$r" cpu cpu.cfs_quota_us cpu.max | cut -d ' ' -f 1)" 20000
		assert_equal "$(cgroup_file "$id-$r" memory memory.limit_in_bytes memory.max)" 67108864
		[ ! -d /sys/fs/cgroup/cpu ] || assert_equal "$(cgroup_file "$id-$r" cpu cpu.shares -)" 512
	done
}

@test "a CPU that the machine does not have" {
	local r
	for r in runc crun; do
		refused '^coracle: failed to create shim task: .*cpuset.cpus' --runc-binary $r --cpuset-cpus 9999
	done
}

@test "CPU burst is in effect, whether the runtime knows it or not" {
	local r
	[ -e /sys/fs/cgroup/cpu/cpu.cfs_burst_us ] || grep -qw cpu /sys/fs/cgroup/cgroup.controllers 2>/dev/null || skip "no CPU controller"
	for r in runc crun; do
		coracle run -d --runc-binary $r --cpu-quota 50000 --cpu-burst 12000 busybox "$id-$r" sleep 1000
		assert_equal "$(cgroup_file "$id-$r" cpu cpu.cfs_burst_us cpu.max.burst)" 12000
		# also of a task that is started later
		coracle containers info --spec "$id-$r" | grep -q '"burst": 12000'
		coracle tasks delete --force "$id-$r" 2>/dev/null
		coracle tasks start -d "$id-$r"
		assert_equal "$(cgroup_file "$id-$r" cpu cpu.cfs_burst_us cpu.max.burst)" 12000
		coracle run --rm --runc-binary $r --cpus 0.5 --cpu-burst 1000 busybox "$id-$r-fg" sh -c 'exit 7' || assert_equal $? 7
		refused '^coracle: cpu burst: write 60000 to cpu.*: invalid argument$' --runc-binary $r --cpu-quota 50000 --cpu-burst 60000
	done
}

# ---- block devices, RDT, systemd --------------------------------------------------------------------------------------------

# A whole disk, and its node.
disk() {
	local d
	for d in /sys/block/*; do
		d=${d##*/}
		[ ! -b "/dev/$d" ] || [[ $d == loop* || $d == ram* ]] || {
			echo "/dev/$d"
			return
		}
	done
}

@test "blockio: a class's limits are in effect" {
	local r dev number
	dev=$(disk)
	[ -n "$dev" ] || skip "no block device"
	[ -d /sys/fs/cgroup/blkio ] || grep -qw io /sys/fs/cgroup/cgroup.controllers 2>/dev/null || skip "no blkio controller"
	number=$((16#$(stat -c %t "$dev"))):$((16#$(stat -c %T "$dev")))
	cat >"$RIG/blockio.yaml" <<-EOF
		Classes:
		  slow:
		  - Devices:
		    - ${dev%?}[${dev: -1}]
		    ThrottleReadBps: 3Mi
		    ThrottleWriteIOPS: 1k
		  unused:
		  - Weight: 400
	EOF
	for r in runc crun; do
		coracle run -d --runc-binary $r --blockio-config-file "$RIG/blockio.yaml" --blockio-class slow busybox "$id-$r" sleep 1000
		cgroup_file "$id-$r" blkio blkio.throttle.read_bps_device io.max | grep -qE "^$number (3145728|rbps=3145728 )"
		cgroup_file "$id-$r" blkio blkio.throttle.write_iops_device io.max | grep -qE "^$number (1000|.*wiops=1000)"
	done
}

@test "blockio: what is refused" {
	printf 'Classes:\n  a:\n  - Weight: 5\n' >"$RIG/light.yaml"
	printf 'Classes:\n  a:\n  - Weight: 50\n' >"$RIG/good.yaml"
	refused '^coracle: blockio-class error: no OCI BlockIO parameters for class "a"$' --blockio-class a
	refused '^coracle: blockio-class error: no OCI BlockIO parameters for class "b"$' --blockio-config-file "$RIG/good.yaml" --blockio-class b
	refused "^coracle: blockio-config-file error: failed to read config file \"$RIG/nope\": open $RIG/nope: no such file or directory$" \
		--blockio-config-file "$RIG/nope"
	refused "^coracle: blockio-config-file error: failed to set configuration from file \"$RIG/light.yaml\": value of \"Weight\" \(5\) smaller than minimum \(10\)$" \
		--blockio-config-file "$RIG/light.yaml"
}

@test "rdt-class: refused where the kernel has no resctrl" {
	! grep -q ' - resctrl ' /proc/self/mountinfo || skip "resctrl is mounted"
	refused '^coracle: rdt-class "gold": RDT not supported: resctrl not found in /proc/self/mountinfo$' --rdt-class gold
	run coracle run --dump-config - --rdt-class gold busybox "$id"
	assert_equal "$(jq -c .linux.intelRdt <<<"$output")" '{"closID":"gold"}'
}

@test "systemd cgroups: --cgroup is needed, the option reaches the runtime, its error comes back" {
	refused '^coracle: option --runc-systemd-cgroup requires --cgroup to be set, e.g. "machine.slice:foo:deadbeef"$' --runc-systemd-cgroup
	refused '^coracle: option --runc-systemd-cgroup requires --cgroup to be set, e.g. "machine.slice:foo:deadbeef"$' --runc-systemd-cgroup --cgroup ''
	printf '#!/bin/sh\necho "$*" >>%s/arguments\nexec runc "$@"\n' "$RIG" >"$RIG/recorder"
	chmod +x "$RIG/recorder"
	coracle run --rm --runc-binary "$RIG/recorder" busybox "$id-a" true
	lacks -e --systemd-cgroup <"$RIG/arguments"
	[ ! -d /run/systemd/system ] || skip "systemd is there"
	refused '^coracle: failed to create shim task: .*systemd not running on this host, cannot use systemd cgroups manager' \
		--runc-binary "$RIG/recorder" --runc-systemd-cgroup --cgroup machine.slice:foo:deadbeef
	grep -q -e --systemd-cgroup "$RIG/arguments"
	refused 'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/x" instead' --runc-systemd-cgroup --cgroup /x
}
