#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --with-ns: each kind of namespace, joined for real; --net-host. What becomes of the spec is compared with ctr in tests/compat.

load lib

setup_file() {
	rig_up
}

teardown_file() {
	rig_down
}

teardown() {
	rig_clear
	[ -z "${HELPER:-}" ] || { kill -KILL "$HELPER" && wait "$HELPER"; } 2>/dev/null || true
}

# A process in new namespaces, as HELPER.
helper() { # unshare's flags
	unshare "$@" sleep 1000 3>&- &
	HELPER=$!
	wait_for 5 sh -c "[ \"\$(cat /proc/$HELPER/comm)\" = sleep ]"
}

need_runtimes() {
	need runc crun
}

@test "--with-ns: pid, network, ipc, uts and cgroup of another container" {
	local pid kind file runtime
	need_runtimes
	coracle run -d --hostname other busybox other sleep 1000
	pid=$(task_pid other)
	for runtime in runc crun; do
		for kind in pid network:net ipc uts cgroup; do
			file=${kind#*:}
			kind=${kind%:*}
			run -0 coracle run --rm --runc-binary "$runtime" --with-ns "$kind:/proc/$pid/ns/$file" busybox "$kind" readlink "/proc/self/ns/$file"
			assert_equal "$output" "$(readlink "/proc/$pid/ns/$file")"
		done
	done
	# In its effects, too: the host name, and the other one's processes.
	run -0 coracle run --rm --with-ns "uts:/proc/$pid/ns/uts" --with-ns "pid:/proc/$pid/ns/pid" busybox both sh -c 'hostname; ps'
	[ "${lines[0]}" = other ]
	[[ $output == *"sleep 1000"* ]]
	has_status other RUNNING
}

@test "--with-ns: a mount namespace" {
	local runtime
	need_runtimes
	helper -m
	for runtime in runc crun; do
		# The root file system must be visible there, which a snapshot's mount is not.
		run -0 coracle run --rm --runc-binary "$runtime" --with-ns "mount:/proc/$HELPER/ns/mnt" --rootfs "$RIG/rootfs" "m-$runtime" /bin/readlink /proc/self/ns/mnt
		assert_equal "$output" "$(readlink "/proc/$HELPER/ns/mnt")"
		kill -KILL "$HELPER"
		helper -m
	done
}

@test "--with-ns: a user namespace" {
	need_runtimes
	helper -U
	echo '0 100000 65536' >"/proc/$HELPER/uid_map"
	echo '0 100000 65536' >"/proc/$HELPER/gid_map"
	# By crun: runc before 1.2 wants mappings in the spec, too.
	run -0 coracle run --rm --runc-binary crun --with-ns "user:/proc/$HELPER/ns/user" --rootfs "$RIG/rootfs" u /bin/sh -c '/bin/busybox readlink /proc/self/ns/user; /bin/busybox cat /proc/self/uid_map'
	assert_equal "${lines[0]}" "$(readlink "/proc/$HELPER/ns/user")"
	[[ ${lines[1]} =~ ^\ *0\ +100000\ +65536$ ]]
}

@test "--with-ns: time and nonsense are refused before anything is made" {
	local value
	take_baseline
	for value in time:/proc/1/ns/time net:/proc/1/ns/net :/x ""; do
		run --separate-stderr -1 coracle run --with-ns "$value" busybox bad true
		assert_error 1 "^coracle: (the Linux namespace type specified in --with-ns is not valid:|joining a Linux namespace using --with-ns requires the format 'nstype:path'$)"
	done
	# A namespace that is not there is the runtime's to find; nothing stays.
	run --separate-stderr -1 coracle run --with-ns network:/nonexistent/ns busybox bad true
	assert_error 1 '/nonexistent/ns'
	assert_baseline
}

@test "--net-host: network, hosts, resolv.conf and HOSTNAME of the host" {
	local runtime
	need_runtimes
	for runtime in runc crun; do
		run -0 coracle run --rm --runc-binary "$runtime" --net-host --env HOSTNAME=mine busybox "h-$runtime" \
			sh -c 'readlink /proc/self/ns/net; echo $HOSTNAME; md5sum </etc/hosts; md5sum </etc/resolv.conf'
		assert_equal "$output" "$(readlink /proc/self/ns/net)
$(uname -n)
$(md5sum </etc/hosts)
$(md5sum </etc/resolv.conf)"
	done
}
