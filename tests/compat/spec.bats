#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The spec of each of run's flags, and of combinations, held against ctr's on a real containerd: the same flags, the
# same image, documents compared member by member. Ours comes from `coracle run --dump-config` where coracle is built,
# else from src/spec alone (build/…/tests/unit/spec/dump_spec).
#
# Debian's ctr is 1.6.20; we follow the newest release. The differences between the two are the functions below called
# `newer_*`, which turn the older document into the newer one, and the tests at the end for flags that 1.6 lacks.

load containerd

# Every document: one more masked path (2.0.3, 1.7.26); and the runtime-spec version, where we follow neither (1.6.20 says
# 1.0.2-dev, the newest 1.3.0, which Debian's crun refuses: see src/spec/internal.h).
newer_base='.ociVersion = "1.0.2" |
	if .linux.maskedPaths then .linux.maskedPaths |= (.[:index("/sys/firmware") + 1] + ["/sys/devices/virtual/powercap"] + .[index("/sys/firmware") + 1:]) else . end'

setup_file() {
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/spec.XXXX")
	export WORK
	local build=${CORACLE_BUILD:-$BATS_TEST_DIRNAME/../../build/gcc} n=0 user
	: "${CORACLE:=$(find "$build/src" -maxdepth 2 -type f -name coracle -perm -u+x 2>/dev/null | head -n 1)}"
	: "${SPEC_DUMP:=$build/tests/unit/spec/dump_spec}"
	[ -n "$CORACLE" ] || [ -x "$SPEC_DUMP" ] || {
		echo "neither coracle nor dump_spec in $build" >&2
		return 1
	}
	export CORACLE SPEC_DUMP CORACLE_ROOT=$WORK/store CORACLE_STATE=$WORK/run
	unset CONTAINERD_SNAPSHOTTER CONTAINERD_ADDRESS CONTAINERD_NAMESPACE

	ctrd_start "$WORK/ctrd"
	export CTRD
	ctrd_rootfs "$WORK/rootfs"
	ctrd_image "$WORK/layout" plain "$WORK/rootfs" --config.cmd /bin/sh
	image_variant env --config.env PATH=/bin --config.env A=image --config.env B=image --config.env EMPTY= \
		--config.workingdir /tmp --config.entrypoint /bin/sh --config.entrypoint -c --config.cmd 'echo hi' --config.label in.image=yes
	# $users: what the USER matrix runs through; image u<n> has the n-th as its USER.
	for user in "${users[@]}"; do
		image_variant "u$n" --config.user "$user"
		n=$((n + 1))
	done
	tar -C "$WORK/layout" -cf "$WORK/layout.tar" .
	theirs images import --base-name t "$WORK/layout.tar" >/dev/null
	if [ -n "$CORACLE" ]; then "$CORACLE" images import --base-name t "$WORK/layout.tar" >/dev/null; fi
	printf '%s\n' 'FILE=1' 'A=file' 'NOEQ' '' 'B=x=y' 'A=file2' '#C=comment' >"$WORK/env"
	printf 'CR=1\r\nLAST=no newline' >"$WORK/env-crlf"
}

teardown_file() {
	ctrd_stop
	rm -rf "$WORK"
}

users=(0 1000 1001 4242 1234 alice bob root alice:users alice:50 1000:staff 5:6 1000: :5 alice: 0:0 +7 2147483647
	2147483648 99999999999999999999 -1 -1000 4321:4321 nobodyhere alice:nogroup a:b:c 1000:2147483648 007 0x10)

image_variant() { # TAG umoci-arguments
	local tag=$1
	shift
	umoci tag --image "$WORK/layout:plain" "$tag"
	umoci config --image "$WORK/layout:$tag" --no-history "$@"
}

# ---- the two sides: theirs_spec/ours_spec FLAGS... -- IMAGE [ARGS...] ---------------------------------------------------

# The container's record is what is looked at; its task is made to fail.
theirs_spec() {
	split_arguments "$@"
	# shellcheck disable=SC2154
	theirs run -d --runc-binary /bin/false "${flags[@]}" "$image" c1 "${args[@]}" >/dev/null 2>"$WORK/theirs.err" || true
	theirs containers info --spec c1 >"$WORK/theirs.json" 2>/dev/null || {
		sed -n 's/^ctr: //p' "$WORK/theirs.err" >"$WORK/theirs.message"
		theirs snapshots rm c1 >/dev/null 2>&1 || true # left behind by a failed spec build
		return 1
	}
	theirs containers rm c1
	jq -S . "$WORK/theirs.json"
}

ours_spec() {
	split_arguments "$@"
	if [ -n "$CORACLE" ]; then
		rm -f "$WORK/ours.json"
		"$CORACLE" run -d --runc-binary /bin/false --dump-config "$WORK/ours.json" "${flags[@]}" "$image" c1 "${args[@]}" \
			>/dev/null 2>"$WORK/ours.err" || true
	else
		dump_spec >"$WORK/ours.json" 2>"$WORK/ours.err" || true
	fi
	[ -s "$WORK/ours.json" ] || {
		sed -n 's/^[a-z_]*: //p' "$WORK/ours.err" >"$WORK/ours.message"
		return 1
	}
	jq -S . "$WORK/ours.json"
}

dump_spec() {
	local extra=(--cpu-shares 1024) blob
	if [[ $image == t:* ]]; then
		blob=$(jq -r --arg tag "${image#t:}" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $tag).digest' "$WORK/layout/index.json")
		blob=$(jq -r .config.digest "$WORK/layout/blobs/sha256/${blob#sha256:}")
		extra+=(--image-config "$WORK/layout/blobs/sha256/${blob#sha256:}" --image-root "$WORK/rootfs")
	fi
	"$SPEC_DUMP" "${extra[@]}" "${flags[@]}" "$image" c1 "${args[@]}"
}

split_arguments() {
	flags=()
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	image=$2
	shift 2
	args=("$@")
}

# same [-n NEWER] FLAGS... -- IMAGE ARGS...: both give the same document (theirs made newer by the jq program NEWER).
same() {
	local newer=.
	if [ "$1" = -n ]; then
		newer=$2
		shift 2
	fi
	theirs_spec "$@" >"$WORK/a" || {
		echo "ctr: $(cat "$WORK/theirs.message")"
		return 1
	}
	ours_spec "$@" >"$WORK/b" || {
		echo "ours: $(cat "$WORK/ours.message")"
		return 1
	}
	jq -S "$newer_base | $newer" "$WORK/a" | diff - "$WORK/b"
}

# refused TEXT FLAGS... -- IMAGE ARGS...: both refuse with this text.
refused() {
	local text=$1
	shift
	! theirs_spec "$@" >/dev/null
	! ours_spec "$@" >/dev/null
	echo "theirs: $(cat "$WORK/theirs.message")"
	echo "ours:   $(cat "$WORK/ours.message")"
	grep -qxF -- "$text" "$WORK/theirs.message"
	grep -qxF -- "$text" "$WORK/ours.message"
}

# only_ours TEXT FLAGS... -- IMAGE ARGS...: we refuse with this text what ctr takes or says otherwise.
only_ours() {
	local text=$1
	shift
	! ours_spec "$@" >/dev/null
	echo "ours: $(cat "$WORK/ours.message")"
	grep -qxF -- "$text" "$WORK/ours.message"
}

# ---- the base and the image -------------------------------------------------------------------------------------------

@test "no flags" {
	same -- t:plain
	same -- t:env
}

@test "arguments replace entrypoint and command" {
	same -- t:env /bin/true -x --flag ''
	same -- t:plain /bin/echo 'ä ö' '"q"' '<&>'
}

@test "--rootfs" {
	same --rootfs -- "$WORK/rootfs" /bin/true
	same --rootfs --env A=1 --read-only --cwd /tmp -- "$WORK//./rootfs/../rootfs" /bin/true
	cd "$WORK"
	same --rootfs -- rootfs /bin/true
}

@test "oci spec" {
	theirs oci spec | jq -S "$newer_base" >"$WORK/a"
	if [ -n "$CORACLE" ] && "$CORACLE" oci spec >"$WORK/b" 2>/dev/null; then
		jq -S . "$WORK/b" | diff "$WORK/a" -
	else
		[ -x "$SPEC_DUMP" ] || skip "neither coracle oci spec nor dump_spec"
		"$SPEC_DUMP" --oci | jq -S . | diff "$WORK/a" -
	fi
}

# What the older ctr says about a USER, as the newest says it: no temporary path, and a number that does not fit is an
# error of its own (1.6 looks it up as a name: CVE-2024-40635).
newer_user_message() { # USER
	case $1 in
	2147483648 | 99999999999999999999 | -1 | -1000) echo "invalid USER value \"$1\": uid out of range" ;;
	1000:2147483648) echo "invalid USER value \"$1\": gid out of range" ;;
	*) sed 's/^mount callback failed on [^:]*: //' "$WORK/theirs.message" ;;
	esac
}

@test "USER of the image" {
	local n=0 user bad=0
	for user in "${users[@]}"; do
		if theirs_spec -- "t:u$n" >"$WORK/a"; then
			jq -S "$newer_base" "$WORK/a" >"$WORK/want"
			ours_spec -- "t:u$n" >"$WORK/have" || cp "$WORK/ours.message" "$WORK/have"
		else
			newer_user_message "$user" >"$WORK/want"
			ours_spec -- "t:u$n" >"$WORK/have" || cp "$WORK/ours.message" "$WORK/have"
		fi
		diff "$WORK/want" "$WORK/have" >"$WORK/diff" || {
			echo "USER $user:" "$(cat "$WORK/diff")"
			bad=1
		}
		n=$((n + 1))
	done
	[ $bad = 0 ]
}

# ---- environment ------------------------------------------------------------------------------------------------------

@test "--env" {
	same --env A=1 -- t:plain
	same --env A=1 --env A=2 --env B= --env C=x=y -- t:env
	same --env A -- t:env
	same --env PATH=/x --env =novalue -- t:env
}

@test "--env-file" {
	same --env-file "$WORK/env" -- t:plain
	same --env-file "$WORK/env" -- t:env
	same --env-file "$WORK/env-crlf" -- t:env
	same --env-file "$WORK/env" --env A=cli --env FILE --env B=cli -- t:env
	refused "open $WORK/nope: no such file or directory" --env-file "$WORK/nope" -- t:env
}

@test "--cwd" {
	same --cwd /var -- t:env
	same --cwd '' -- t:env
}

@test "--tty" {
	theirs containers create --tty --env TERM=dumb t:env c1
	theirs containers info --spec c1 | jq -S "$newer_base | .linux.resources.cpu.shares = 1024 | .process.args = [\"/bin/true\"]" >"$WORK/a"
	theirs containers rm c1
	ours_spec --tty --env TERM=dumb -- t:env /bin/true >"$WORK/b"
	diff "$WORK/a" "$WORK/b"
}

# ---- mounts -----------------------------------------------------------------------------------------------------------

@test "--mount" {
	same --mount type=bind,src=/tmp,dst=/host,options=rbind:ro -- t:plain
	same --mount type=tmpfs,destination=/scratch,options=size=1m:nosuid --mount source=/a,dst=/b -- t:plain
	same --mount dst=/x,options= --mount 'type=bind,"src=/a,b ""c""",dst=/y' -- t:plain
	same --mount type=,src=,dst=/z=1 --mount src=/1,src=/2,dst=/z2 -- t:plain
	same --mount type=tmpfs,dst=/dev/shm/,src=shm -- t:plain
}

# 2.0 removes existing mounts with an equal destination, 1.6 adds a second one.
@test "--mount replaces one of the base" {
	same -n '.mounts |= (.[:(map(.destination == "/dev/shm") | index(true))] + .[(map(.destination == "/dev/shm") | index(true)) + 1:])' \
		--mount type=bind,src=/tmp,dst=/dev/shm,options=rbind -- t:plain
}

@test "--mount: what is wrong with it" {
	refused 'invalid mount specification: expected key=val' --mount type=bind,ro -- t:plain
	refused 'mount option "readonly" not supported' --mount readonly=1,dst=/x -- t:plain
	refused 'parse error on line 1, column 7: bare " in non-quoted-field' --mount 'src=/a"b",dst=/x' -- t:plain
	refused 'parse error on line 1, column 7: extraneous or missing " in quoted-field' --mount '"src=a"b,dst=/x' -- t:plain
	refused 'parse error on line 1, column 15: extraneous or missing " in quoted-field' --mount '"src=/a,dst=/x' -- t:plain
	refused 'record on line 1; parse error on line 2, column 8: extraneous or missing " in quoted-field' --mount $'"src=/a\n,dst=/x' -- t:plain
	only_ours 'invalid mount specification: it is empty' --mount '' -- t:plain
}

# ---- privileges -------------------------------------------------------------------------------------------------------

@test "--cap-add and --cap-drop" {
	same --cap-add CAP_SYS_ADMIN --cap-add CAP_CHOWN --cap-add CAP_NEWER_THAN_ALL -- t:plain
	same --cap-drop CAP_CHOWN --cap-drop CAP_SYS_ADMIN -- t:plain
	same --cap-add CAP_SYS_ADMIN --cap-drop CAP_SYS_ADMIN -- t:plain
	refused "capabilities must be specified with 'CAP_' prefix" --cap-add SYS_ADMIN -- t:plain
	refused "capabilities must be specified with 'CAP_' prefix" --cap-drop cap_chown -- t:plain
}

@test "--privileged" {
	same --privileged -- t:plain
	same --privileged --cap-drop CAP_SYS_ADMIN --cap-add CAP_X --mount type=sysfs,src=sysfs,dst=/s,options=ro:nosuid -- t:plain
}

@test "--allow-new-privs, --read-only" {
	same --allow-new-privs -- t:plain
	same --read-only -- t:plain
	same --allow-new-privs --privileged --read-only -- t:env /bin/sh
}

@test "all default capabilities dropped" {
	local drop=() c
	for c in CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE; do
		drop+=(--cap-drop "CAP_$c")
	done
	same "${drop[@]}" -- t:plain
}

# ---- namespaces, network ----------------------------------------------------------------------------------------------

@test "--net-host" {
	same --net-host -- t:plain
	same --net-host --env HOSTNAME=mine --mount type=bind,src=/dev/null,dst=/etc/hosts,options=bind -- t:env
}

@test "--with-ns" {
	same --with-ns network:/var/run/netns/x --with-ns user:/proc/1/ns/user --with-ns cgroup:/a -- t:plain
	same --with-ns pid: --with-ns pid:/proc/1/ns/pid --net-host -- t:plain
	refused "joining a Linux namespace using --with-ns requires the format 'nstype:path'" --with-ns network -- t:plain
	refused 'the Linux namespace type specified in --with-ns is not valid: time' --with-ns time:/proc/1/ns/time -- t:plain
	refused 'the Linux namespace type specified in --with-ns is not valid: net' --with-ns net:/x -- t:plain
}

# ---- resources --------------------------------------------------------------------------------------------------------

@test "--cpus, --cpu-shares, --cpu-quota, --cpu-period" {
	same --cpus 0.5 -- t:plain
	same --cpus 1.234567 --cpu-shares 10 -- t:plain
	same --cpus 0 -- t:plain
	same --cpu-shares 0 -- t:plain
	same --cpu-quota 5000 -- t:plain
	same --cpu-period 50000 -- t:plain
	same --cpu-quota 5000 --cpu-period 50000 -- t:plain
	refused 'cpus and quota/period should be used separately' --cpus 1 --cpu-period 1000 -- t:plain
}

@test "--memory-limit" {
	same --memory-limit 1048576 -- t:plain
	same --memory-limit 0 -- t:plain
	only_ours 'memory-limit: value 9223372036854775808 is out of range' --memory-limit 9223372036854775808 -- t:plain
}

@test "--cgroup" {
	same --cgroup /mine/here -- t:plain
	same --cgroup '' -- t:plain
}

@test "--rootfs-propagation" {
	same --rootfs-propagation shared -- t:plain
}

# ---- annotations ------------------------------------------------------------------------------------------------------

@test "--annotation and --label" {
	same --annotation a=1 --annotation b= --annotation c=x=y -- t:plain
	same --label a=1 --label flag --label c=x=y -- t:env
	same --annotation a=annotation --annotation z=1 --label a=label -- t:env
	refused 'invalid key=value format annotation: x' --annotation x -- t:plain
}

# ---- devices ----------------------------------------------------------------------------------------------------------

@test "--device" {
	local dir=$WORK/devices
	mkdir -p "$dir/sub/pts" "$dir/sub/deep"
	mknod -m 0640 "$dir/b" b 7 1000
	mknod "$dir/a" c 1 3
	chmod 4666 "$dir/a"
	mknod "$dir/console" c 5 1
	mknod "$dir/sub/deep/z" c 300 70000
	mknod "$dir/sub/pts/hidden" c 1 5
	mknod -m 600 "$dir/sub/fifo" p
	chown 12:34 "$dir/b"
	ln -s a "$dir/link"
	touch "$dir/plain"
	same --device /dev/null -- t:plain
	same --device /dev/null --device "$dir/b" --device /dev/null -- t:plain
	same --device "$dir" -- t:plain
	same --device "$dir/sub/fifo" -- t:plain
	same --privileged --device "$dir/a" -- t:plain
	ln -s devices "$WORK/tree"
	same --device "$WORK/tree" -- t:plain
	only_ours "get device path: \"$dir/link\" containerPath: \"\" error: not a device node" --device "$dir/link" -- t:plain
	only_ours "get device path: \"$dir/plain\" containerPath: \"\" error: not a device node" --device "$dir/plain" -- t:plain
	refused "error stating device path: stat $dir/nope: no such file or directory" --device "$dir/nope" -- t:plain
	only_ours 'CDI device injection failed: unresolvable CDI devices no.vendor/class=0' --device no.vendor/class=0 -- t:plain
}

# ---- combinations -----------------------------------------------------------------------------------------------------

@test "everything at once" {
	same --env-file "$WORK/env" --env A=cli --mount type=tmpfs,dst=/scratch --read-only --cwd /opt --net-host --annotation a=b \
		--cap-add CAP_SYS_TIME --cap-drop CAP_KILL --cpus 1.5 --cpu-shares 77 --with-ns ipc:/proc/1/ns/ipc --allow-new-privs \
		--cgroup /x/y --memory-limit 33554432 --device /dev/full --rootfs-propagation private --label l=1 -- t:env /bin/true a b
	same --privileged --net-host --cpu-quota 100 --cpu-period 1000 --label l --annotation l=x --rootfs -- "$WORK/rootfs" /bin/true
}

# `create` has fewer flags than `run`, and writes no cpu-shares of its own.
@test "containers create" {
	[ -n "$CORACLE" ] || skip "needs coracle"
	local flags=(--env A=1 --mount 'type=tmpfs,dst=/scratch' --cap-add CAP_SYS_TIME --label l=1 --memory-limit 33554432
		--cpu-quota 1000 --cpu-period 10000 --read-only --net-host --annotation a=b --device /dev/full)
	theirs containers create "${flags[@]}" t:env c1 /bin/true a
	theirs containers info --spec c1 | jq -S "$newer_base" >"$WORK/a"
	theirs containers info c1 | jq -S .Labels >"$WORK/labels"
	theirs containers rm c1
	"$CORACLE" containers create "${flags[@]}" t:env c1 /bin/true a
	"$CORACLE" containers info --spec c1 | jq -S . >"$WORK/b"
	"$CORACLE" containers info c1 | jq -S .Labels | diff "$WORK/labels" -
	"$CORACLE" containers delete c1
	diff "$WORK/a" "$WORK/b"
}

# ---- --config ---------------------------------------------------------------------------------------------------------

# ctr drops what its structures do not have; we keep it.
@test "--config" {
	theirs oci spec | jq '.process.args = ["/bin/true"] | .annotations = {"was": "there", "a": "0"} | .x_unknown = {"kept": [1]} | .process.rlimits = []' >"$WORK/config.json"
	theirs run -d --runc-binary /bin/false --config "$WORK/config.json" --label a=1 --label flag c1 >/dev/null 2>&1 || true
	theirs containers info --spec c1 | jq -S '.x_unknown = {"kept": [1]} | .process.rlimits = []' >"$WORK/a"
	theirs containers rm c1
	if [ -n "$CORACLE" ]; then
		"$CORACLE" run -d --runc-binary /bin/false --dump-config "$WORK/ours.json" --config "$WORK/config.json" --label a=1 --label flag c1 >/dev/null 2>&1 || true
		jq -S . "$WORK/ours.json" >"$WORK/b"
	else
		"$SPEC_DUMP" --config "$WORK/config.json" --label a=1 --label flag c1 | jq -S . >"$WORK/b"
	fi
	diff "$WORK/a" "$WORK/b"
}

@test "--config: what is wrong with it" {
	ours_config() {
		if [ -n "$CORACLE" ]; then
			"$CORACLE" run -d --config "$1" c1
		else
			"$SPEC_DUMP" --config "$1" c1
		fi
	}
	run ours_config "$WORK/nope.json"
	[ "$status" -eq 1 ]
	[[ $output == *": cannot load spec config file: open $WORK/nope.json: no such file or directory" ]]
	run theirs run --config "$WORK/nope.json" c1
	[ "$output" = "ctr: cannot load spec config file: open $WORK/nope.json: no such file or directory" ]
	echo '{"process": {"args": "x"}}' >"$WORK/bad.json"
	run ours_config "$WORK/bad.json"
	[ "$status" -eq 1 ]
	[[ $output == *": decoding spec config file failed, current supported OCI runtime-spec : v1.3.0: process.args: expected array of strings" ]]
	echo '{' >"$WORK/bad.json"
	run ours_config "$WORK/bad.json"
	[ "$status" -eq 1 ]
	[[ $output == *": decoding spec config file failed, current supported OCI runtime-spec : v1.3.0: "* ]]
}

# ---- flags that 1.6 lacks: theirs without the flag, plus what the newest release's sources say it does ------------------

# beyond JQ FLAGS... -- IMAGE: ours with the flags is theirs without any, changed by JQ.
beyond() {
	local jq=$1
	shift
	ours_spec "$@" >"$WORK/b" || {
		echo "ours: $(cat "$WORK/ours.message")"
		return 1
	}
	split_arguments "$@"
	theirs_spec -- "$image" "${args[@]}" >"$WORK/a"
	jq -S "$newer_base | $jq" "$WORK/a" | diff - "$WORK/b"
}

@test "beyond 1.6: --hostname" {
	beyond '.hostname = "h"' --hostname h -- t:plain
}

@test "beyond 1.6: --user" {
	beyond '.process.user = {uid: 1000, gid: 1000, additionalGids: [1000, 6, 10, 100]}' --user alice -- t:plain
	beyond '.process.user = {uid: 1001, gid: 100, additionalGids: [100, 50, 101]}' --user 1001 -- t:plain
	beyond '.process.user = {uid: 4242, gid: 0, additionalGids: [0]}' --user 4242 -- t:plain
	beyond '.process.user = {uid: 1000, gid: 50, additionalGids: [50]}' --user alice:staff -- t:plain
	beyond '.process.user = {uid: 3, gid: 4, additionalGids: [4]}' --user 3:4 -- t:plain
	only_ours 'no users found' --user nobodyhere -- t:plain
	only_ours 'no groups found' --user alice:nogroup -- t:plain
	only_ours 'invalid USER value "2147483648": uid out of range' --user 2147483648 -- t:plain
	only_ours 'invalid USER value "1:-2": gid out of range' --user 1:-2 -- t:plain
	only_ours 'invalid USER value a:b:c' --user a:b:c -- t:plain
}

# 1.6 refuses a second colon.
@test "beyond 1.6: --with-ns with a colon in the path" {
	beyond '.linux.namespaces += [{type: "cgroup", path: "/a:b"}]' --with-ns cgroup:/a:b -- t:plain
}

@test "beyond 1.6: --rlimit-nofile" {
	beyond '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 10, hard: 20}]' --rlimit-nofile 10:20 -- t:plain
	beyond '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 512, hard: 512}]' --rlimit-nofile 512 -- t:plain
	only_ours 'failed to parse rlimit-nofile "x:1": strconv.ParseUint: parsing "x": invalid syntax' --rlimit-nofile x:1 -- t:plain
	only_ours 'failed to parse rlimit-nofile "1:": strconv.ParseUint: parsing "": invalid syntax' --rlimit-nofile 1: -- t:plain
}

@test "beyond 1.6: --privileged-without-host-devices" {
	if [ -n "$CORACLE" ] && ! "$CORACLE" run --help | grep -q -- --privileged-without-host-devices; then
		skip "coracle run has no such flag yet"
	fi
	theirs_spec --privileged -- t:plain >"$WORK/a"
	ours_spec --privileged --privileged-without-host-devices -- t:plain >"$WORK/b"
	theirs_spec -- t:plain | jq -S '.linux.resources.devices' >"$WORK/rules"
	jq -S --slurpfile rules "$WORK/rules" "$newer_base"' | del(.linux.devices) | .linux.resources.devices = $rules[0]' "$WORK/a" | diff - "$WORK/b"
	only_ours "can't use 'privileged-without-host-devices' without 'privileged' specified" --privileged-without-host-devices -- t:plain
}
