#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# `run --explain`: that it is right, that every flag of run shows up in it, and that it makes nothing. And the other commands that
# only look: `oci spec`, `run --dump-config`; and flags of the runtime.

load lib

setup_file() {
	rig_up
	make_image app --config '{"Entrypoint":["/bin/echo"],"Cmd":["hello"],"Env":["PATH=/bin","A=image","KEEP=1"],"User":"user","WorkingDir":"/opt","StopSignal":"SIGINT","Labels":{"of.image":"x","containerd.io/reserved":"no"}}'
	mkdir -p "$RIG/cdi"
	printf 'FROM_FILE=1\nA=file\n' >"$RIG/env"
	printf '{"ociVersion":"1.0.2","process":{"args":["x"],"cwd":"/"},"root":{"path":"/nowhere"}}' >"$RIG/spec.json"
	printf '{"defaultAction":"SCMP_ACT_ALLOW"}' >"$RIG/seccomp.json"
}
teardown_file() { rig_down; }
teardown() {
	rig_clear
	! [ -f "$RIG/cni-made" ] || rm -f /etc/cni/net.d/99-coracle-explain.conflist "$RIG/cni-made"
}

# All that is in the store, with its content. SQLite's index of the log is memory of its readers, not data.
tree() {
	(cd "$RIG" && find root state \( -name mnt -o -name 'metadata.db-shm' \) -prune -o -printf '%p %y %m %s\n' | sort &&
		find root -type f ! -name 'metadata.db-shm' -exec sha256sum {} + | sort)
}

explain() {
	coracle run --explain "$@"
}

# says PATH VALUE SOURCE...: a line of $output has exactly these cells, whatever the blanks between them
says() {
	local want
	want=$(tr -s ' ' <<<"$*")
	tr -s ' ' <<<"$output" | grep -qxF -- "$want" || fail "no line: $want" "$(grep -F -- "$1" <<<"$output")"
}

@test "fields of the image, flags over them, defaults" {
	run explain --user root --env A=cli --env-file "$RIG/env" --label l=label --annotation l=annotation --cap-drop CAP_KILL --net-host \
		--mount type=tmpfs,dst=/run --cwd /tmp app one /bin/true x
	[ "$status" -eq 0 ]
	says 'process.user.uid 0 --user (overrides image User=user: 1000, default: 0)'
	says 'process.user.additionalGids [0,6] --user (overrides image User=user: [1000,6,29])'
	says 'process.env[A] cli --env (overrides --env-file: file, image Env: image)'
	says 'process.env[FROM_FILE] 1 --env-file'
	says 'process.env[KEEP] 1 image Env'
	says 'process.args ["/bin/true","x"] arguments (overrides image Entrypoint, Cmd: ["/bin/echo","hello"])'
	says 'process.cwd /tmp --cwd (overrides image WorkingDir: /opt, default: /)'
	says 'annotations[l] label --label (overrides --annotation: annotation)'
	says 'process.capabilities[CAP_KILL] - --cap-drop (overrides default: bounding effective permitted)'
	says 'process.capabilities[CAP_CHOWN] bounding effective permitted default'
	says 'linux.namespaces[network] - --net-host (overrides default: new)'
	says 'mounts[/run] type=tmpfs --mount (overrides default: type=tmpfs source=tmpfs options=nosuid,strictatime,mode=755,size=65536k)'
	says "linux.cgroupsPath /$NS/one default"
	says 'container.labels[l] label --label'
	says 'container.labels[of.image] x image Labels'
	says 'container.labels[io.containerd.image.config.stop-signal] SIGINT image StopSignal'
	says 'container.runtime io.containerd.runc.v2 default'
	says 'container.image app argument'
	[[ $output != *reserved* ]]
}

# The parts are those of the spec that the run has.
@test "what it says is what a run then makes" {
	local flags=(--user 7:8 --env TERM=x -t --privileged --seccomp --cpus 0.5 --hostname h --memory-limit 1000000000 --read-only)
	run explain "${flags[@]}" app one
	[ "$status" -eq 0 ]
	coracle run --dump-config - "${flags[@]}" app one >"$RIG/one.json"
	says "process.user.uid $(jq .process.user.uid "$RIG/one.json") --user (overrides image User=user: 1000, default: 0)"
	says 'process.env[TERM] xterm --tty (overrides --env: x)'
	says 'process.env[TERM] #1 x --env'
	says "linux.resources.cpu.quota $(jq .linux.resources.cpu.quota "$RIG/one.json") --cpus"
	says "linux.seccomp.syscalls $(jq '.linux.seccomp.syscalls | length' "$RIG/one.json") rules --seccomp"
	says 'hostname h --hostname'
	says 'root.readonly true --read-only'
	# Every environment variable, mount and namespace of the document, and no other.
	grep -v ' - ' <<<"$output" | sed -n 's/^mounts\[\(.*\)\] .*/\1/p' | sort >"$RIG/said"
	jq -r '.mounts[].destination' "$RIG/one.json" | sort >"$RIG/made"
	diff "$RIG/said" "$RIG/made"
	tr -s ' ' <<<"$output" | sed -n 's/^linux.namespaces\[\(.*\)\] new .*/\1/p' | sort >"$RIG/said"
	jq -r '.linux.namespaces[].type' "$RIG/one.json" | sort >"$RIG/made"
	diff "$RIG/said" "$RIG/made"
}

# What each flag of run is shown with; "-": it is not, for the reason given. A flag without a line here fails the test.
samples() {
	cat <<-END
		pid-file|--pid-file $RIG/pid
		no-pivot|--no-pivot
		rm|--rm
		publish|- needs a network configuration: below
		cni|- needs a network configuration: below
		null-io|--null-io
		log-uri|--log-uri file:///x
		fifo-dir|- is refused: below
		detach|-d
		cgroup|--cgroup /elsewhere
		platform|--platform linux/amd64
		dump-config|- is refused: below
		explain|- is it
		sync-fs|--sync-fs
		checkpoint|- is refused: below
		cpus|--cpus 0.5
		cpu-shares|--cpu-shares 7
		cpuset-cpus|--cpuset-cpus 0
		cpuset-mems|--cpuset-mems 0
		cpu-burst|--cpu-burst 10
		rlimit-nofile|--rlimit-nofile 5
		privileged-without-host-devices|--privileged --privileged-without-host-devices
		uidmap|--uidmap 0:100000:65536 --gidmap 0:100000:65536
		gidmap|--uidmap 0:100000:65536 --gidmap 0:100000:65536
		remap-labels|--uidmap 0:100000:65536 --gidmap 0:100000:65536 --remap-labels
		snapshotter|--snapshotter native
		snapshotter-label|--snapshotter-label a=b
		config|CONFIG
		cwd|--cwd /x
		env|--env X=1
		env-file|--env-file $RIG/env
		label|--label a=b
		annotation|--annotation a=b
		mount|--mount type=tmpfs,dst=/x
		net-host|--net-host
		privileged|--privileged
		read-only|--read-only
		runtime|--runtime io.containerd.coracle.v2
		runtime-config-path|--runtime io.containerd.coracle.v2 --runtime-config-path /x
		runc-binary|--runc-binary crun
		runc-root|--runc-root /x
		runc-systemd-cgroup|--runc-systemd-cgroup --cgroup machine.slice:foo:bar
		tty|-t
		with-ns|--with-ns ipc:/proc/1/ns/ipc
		allow-new-privs|--allow-new-privs
		memory-limit|--memory-limit 100000000
		cap-add|--cap-add CAP_SYS_ADMIN
		cap-drop|--cap-drop CAP_KILL
		seccomp|--seccomp
		seccomp-profile|--seccomp --seccomp-profile $RIG/seccomp.json
		apparmor-default-profile|--apparmor-default-profile x
		apparmor-profile|--apparmor-profile x
		blockio-config-file|- is read for --blockio-class alone, which it is tested with
		blockio-class|- needs a block device: see confine.bats
		rdt-class|--rdt-class x
		hostname|--hostname x
		user|--user 5
		rootfs|ROOTFS
		cpu-quota|--cpu-quota 5000
		cpu-period|--cpu-period 5000
		rootfs-propagation|--rootfs-propagation rshared
		device|--device /dev/null
		sandbox|--sandbox x
		gpus|- needs a GPU: see cdi.bats
	END
}

@test "every flag of run is the source of something" {
	local flag sample words missing=""
	coracle images tag app other 2>/dev/null || true
	coracle snapshots --snapshotter native unpack "$(coracle images list | awk '$1 == "app" { print $3 }')" >/dev/null
	for flag in $(coracle run --help | sed -n 's/^   --\([a-z-]*\).*/\1/p'); do
		[ "$flag" != help ] || continue
		sample=$(samples | grep "^$flag|") || {
			missing+=" $flag(no sample)"
			continue
		}
		sample=${sample#*|}
		case $sample in
		'- '*) continue ;;
		CONFIG) run explain --config "$RIG/spec.json" one ;;
		ROOTFS) run explain --rootfs "$RIG/rootfs" one /bin/true ;;
		*)
			read -ra words <<<"$sample"
			run explain "${words[@]}" app one
			;;
		esac
		[ "$status" -eq 0 ] || missing+=" $flag($output)"
		# In the third column, as what counts: not merely overridden.
		sed 's/ (overrides .*//' <<<"$output" | grep -qE -- "  ([^ ].*, )?--$flag( \(.*\))?(, --.*)?\$" || missing+=" $flag"
	done
	[ -z "$missing" ] || fail "not explained:$missing"
}

@test "--cni and --publish" {
	# The first configuration that there is, or one of ours.
	if ! compgen -G '/etc/cni/net.d/*.conf*' >/dev/null; then
		mkdir -p /etc/cni/net.d
		touch "$RIG/cni-made"
		printf '{"cniVersion":"1.0.0","name":"x","plugins":[{"type":"portmap","capabilities":{"portMappings":true}}]}' \
			>/etc/cni/net.d/99-coracle-explain.conflist
	elif ! grep -qs portMappings "$(printf '%s\n' /etc/cni/net.d/*.conf* | head -n 1)"; then
		skip 'the network configuration here publishes no ports'
	fi
	run explain --cni --publish 8080:80 app one
	[ "$status" -eq 0 ]
	says 'container.extensions[ctr.cni-containerd.metadata] {"EnableCni":true} --cni'
	grep -q '^container.extensions\[coracle.network\].*8080.* --publish$' <<<"$output"
}

@test "the snapshotter from the environment" {
	CONTAINERD_SNAPSHOTTER=overlayfs run explain app one
	says 'container.snapshotter overlayfs $CONTAINERD_SNAPSHOTTER (overrides default: overlayfs)'
	coracle snapshots --snapshotter native unpack "$(coracle images list | awk '$1 == "app" { print $3 }')" >/dev/null
	CONTAINERD_SNAPSHOTTER=native run explain app one
	says 'container.snapshotter native $CONTAINERD_SNAPSHOTTER (overrides default: overlayfs)'
	CONTAINERD_SNAPSHOTTER=native run explain --snapshotter overlayfs app one
	says 'container.snapshotter overlayfs --snapshotter (overrides $CONTAINERD_SNAPSHOTTER: native, default: overlayfs)'
	CONTAINERD_SNAPSHOTTER=native run explain --snapshotter native app one
	says 'container.snapshotter native --snapshotter (overrides $CONTAINERD_SNAPSHOTTER: native, default: overlayfs)'
	# Empty is as if it was not there.
	CONTAINERD_SNAPSHOTTER='' run explain app one
	says 'container.snapshotter overlayfs default'
	CONTAINERD_SNAPSHOTTER=native run explain --snapshotter '' app one
	says 'container.snapshotter overlayfs default'
	CONTAINERD_SNAPSHOTTER=native run explain --rootfs "$RIG/rootfs" one /bin/true
	[ "$status" -eq 0 ]
	[[ $output != *snapshotter* ]]
}

@test "a flag that gives the default is what has set it" {
	run explain --snapshotter overlayfs --runtime io.containerd.runc.v2 app one
	says 'container.snapshotter overlayfs --snapshotter (overrides default: overlayfs)'
	says 'container.runtime io.containerd.runc.v2 --runtime (overrides default: io.containerd.runc.v2)'
	run explain --runtime io.containerd.coracle.v2 app one
	says 'container.runtime io.containerd.coracle.v2 --runtime (overrides default: io.containerd.runc.v2)'
	says 'container.snapshotter overlayfs default'
}

@test "nothing is made" {
	local before
	before=$(tree)
	explain app one >/dev/null
	explain --user user --uidmap 0:100000:65536 --gidmap 0:100000:65536 --privileged -t --rm busybox two /bin/sh >/dev/null
	explain --rootfs "$RIG/rootfs" three /bin/true >/dev/null
	explain --config "$RIG/spec.json" four >/dev/null
	run explain --user nobodyhere app five
	[ "$status" -eq 1 ]
	explain -d --pid-file "$RIG/pid" --log-uri "file://$RIG/log" --snapshotter native busybox six 2>/dev/null || true
	assert_equal "$(tree)" "$before"
	[ ! -e "$RIG/pid" ] && [ ! -e "$RIG/log" ]
	[ -z "$(coracle containers list -q)$(coracle tasks list -q)$(coracle leases list -q)" ]
}

@test "what a run would refuse, it refuses" {
	run --separate-stderr explain app 'bad id!'
	assert_error 1 'identifier "bad id!" must match'
	run --separate-stderr explain none one
	assert_error 1 'image "none": not found'
	run --separate-stderr explain --cap-add SYS_ADMIN app one
	assert_error 1 "capabilities must be specified with 'CAP_' prefix"
	run --separate-stderr explain --user nobodyhere app one
	assert_error 1 'no users found'
	run --separate-stderr explain --dump-config x app one
	assert_error 1 'flags --explain and --dump-config cannot be specified together'
	run --separate-stderr explain --checkpoint x app one
	assert_error 1 'flag --explain cannot be given with --checkpoint'
	"$MKIMAGE" layout "$RIG/image.tar" --layer "$RIG/base.tar" --name packed >/dev/null
	coracle images import --no-unpack --snapshotter native "$RIG/image.tar"
	run --separate-stderr explain --snapshotter native packed one
	if [ "$status" -ne 0 ]; then assert_error 1 'is not unpacked'; fi
}

@test "names of an image cannot drive the terminal or forge lines" {
	make_image hostile --config '{"Cmd":["x"],"Env":["A=\u001b[2J\nprocess.user.uid  0  default"],"User":"0"}'
	run explain hostile one
	[ "$status" -eq 0 ]
	[[ $output != *$'\e'* ]]
	says 'process.env[A] \x1b[2J\nprocess.user.uid 0 default image Env'
}

# ---- the default spec and --dump-config ------------------------------------------------------------------------------------

@test "oci spec: the default, without a store" {
	CORACLE_ROOT=$RIG/no CORACLE_STATE=$RIG/no run coracle -n other oci spec
	[ "$status" -eq 0 ] && [ ! -e "$RIG/no" ]
	assert_equal "$(jq -r '.linux.cgroupsPath, .process.cwd, (.mounts | length)' <<<"$output" | xargs)" '/other / 7'
	assert_equal "$(coracle oci spec --platform linux/arm64)" "$(coracle oci spec)"
	assert_equal "$(coracle oci spec --platform windows/amd64 | jq -c '[.process.cwd, .windows]')" '["C:\\",{"layerFolders":null}]'
	assert_equal "$(coracle oci spec --platform macos/arm64 | jq -c 'keys')" '["ociVersion","process","root"]'
	run --separate-stderr coracle oci spec --platform 'a b'
	assert_error 1 'failed to generate spec: "a b" is an invalid OS component of "a b"'
	run --separate-stderr coracle oci spec x
	assert_error 1 'too many arguments'
}

@test "--dump-config: a file, and the run goes on; '-' only shows" {
	run coracle run --rm --dump-config "$RIG/dumped.json" app one /bin/echo it ran
	assert_equal "$output" 'it ran'
	assert_equal "$(jq -c .process.args "$RIG/dumped.json")" '["/bin/echo","it","ran"]'
	run --separate-stderr coracle run --dump-config /nonexistent/x app one
	assert_error 1 'open /nonexistent/x: no such file or directory'
	[ -z "$(coracle containers list -q)" ]
	run --separate-stderr coracle run --dump-config '' app one
	assert_error 1 'file name is required with --dump-config'
	coracle run --dump-config - app one | jq -e .process >/dev/null
	[ -z "$(coracle containers list -q)" ]
}

# ---- the runtime -----------------------------------------------------------------------------------------------------------

@test "options of one runtime with another, before anything is made" {
	local flags
	for flags in '--runc-binary crun' '--runc-root /x' '--runc-systemd-cgroup --cgroup a:b:c'; do
		# shellcheck disable=SC2086
		run --separate-stderr coracle run --runtime io.containerd.other.v1 $flags app one
		assert_error 1 'specifying runc-binary and runc-systemd-cgroup is only supported for "io.containerd.runc.v2" runtime'
	done
	run --separate-stderr coracle run --runtime-config-path /x app one
	assert_error 1 'specifying runtime-config-path is not supported for "io.containerd.runc.v2" runtime'
	run --separate-stderr coracle run --runc-systemd-cgroup app one
	assert_error 1 'option --runc-systemd-cgroup requires --cgroup to be set, e.g. "machine.slice:foo:deadbeef"'
	[ -z "$(coracle containers list -q)" ]
	coracle snapshots list | lacks '^one '
}

@test "a runtime that cannot be used is told before anything is made" {
	local before shim
	before=$(tree)
	run --separate-stderr coracle run --runtime io.containerd.none.v1 app one
	assert_error 1 'failed to resolve runtime path: runtime "io.containerd.none.v1" binary not installed "containerd-shim-none-v1": file does not exist'
	run --separate-stderr coracle run --runtime none app one
	assert_error 1 'invalid runtime name none, correct runtime name should be either format like `io.containerd.runc.v2` or a full path to the binary'
	run --separate-stderr coracle run --runtime ./none app one
	assert_error 1 'invalid runtime name ./none,'
	run --separate-stderr coracle run --runtime /none/shim app one
	assert_error 1 'invalid custom binary path: stat /none/shim: no such file or directory'
	run --separate-stderr coracle run --runtime /bin/true app one
	assert_error 1 "its shim is not coracle's own"
	run --separate-stderr coracle run --runtime io.containerd.coracle.v2 --runtime-config-path /x app one
	assert_error 1 'runtime options of type "runtimeoptions.v1.Options" are not for runtime'
	run --separate-stderr coracle run --runtime= app one
	assert_error 1 'container.Runtime.Name must be set'
	assert_equal "$(tree)" "$before"
	# Our own, by name and by path.
	shim=$(command -v coracle-shim)
	run coracle run --rm --runtime "$shim" app one /bin/echo by path
	assert_equal "$output" 'by path'
	run coracle run --rm --runtime io.containerd.coracle.v2 app one /bin/echo by name
	assert_equal "$output" 'by name'
}

@test "the record has the runtime's options as ctr makes them" {
	coracle containers create app one
	assert_equal "$(coracle containers info one | jq -c .Runtime)" '{"Name":"io.containerd.runc.v2","Options":{"type_url":"containerd.runc.v1.Options"}}'
	coracle containers create --runtime io.containerd.other.v1 --runtime-config-path /x app two
	assert_equal "$(coracle containers info two | jq -c .Runtime)" '{"Name":"io.containerd.other.v1","Options":{"type_url":"runtimeoptions.v1.Options","value":"EgIveA=="}}'
	coracle containers create --runc-binary runc --runc-root /tmp/rr app three
	assert_equal "$(coracle containers info three | jq -r .Runtime.Options.value)" "$(printf '2\004runc:\007/tmp/rr' | base64)"
}

@test "--fifo-dir: refused, and nothing made" {
	run --separate-stderr coracle run --fifo-dir /x app one
	assert_error 1 '--fifo-dir /x: there are no FIFOs to put there'
	[ -z "$(coracle containers list -q)" ]
	coracle containers create app one
	run --separate-stderr coracle tasks start --fifo-dir /x one
	assert_error 1 '--fifo-dir /x: there are no FIFOs to put there'
	detached two sleep 100
	run --separate-stderr coracle tasks exec --fifo-dir /x --exec-id e two true
	assert_error 1 '--fifo-dir /x: there are no FIFOs to put there'
}
