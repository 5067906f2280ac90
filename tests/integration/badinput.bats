#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Bad input: each gets a clear line, the right exit code, and leaves nothing behind.

load lib
setup_file() {
	rig_up
	tar_dir "$RIG/rootfs" "$RIG/base.tar"
}
teardown_file() { rig_down; }
setup() {
	id=$(id_for)
	coracle gc >/dev/null
	take_baseline
}
teardown() { rig_clear; }

nothing_left() {
	coracle gc >/dev/null
	assert_baseline
}

# broken WHAT [options] : imports an image damaged in that way
broken() {
	local what=$1
	shift
	"$MKIMAGE" layout "$RIG/broken.tar" --layer "$RIG/base.tar" --name broken --break "$what" "$@" >/dev/null
	run --separate-stderr coracle images import "$RIG/broken.tar"
}

# ---- images ----------------------------------------------------------------------------------------------------------------

@test "run of an image that is not there" {
	run --separate-stderr coracle run --rm no-such-image "$id" true
	assert_error 1 '^coracle: image "no-such-image": not found'
	nothing_left
}

@test "import of a file that is not there" {
	run --separate-stderr coracle images import "$RIG/no-such-file"
	assert_error 1 'no-such-file: no such file or directory'
	nothing_left
}

@test "import of something that is no archive, of an empty file, of a cut archive, of a directory without a layout" {
	head -c 100000 /dev/urandom >"$RIG/noise"
	run --separate-stderr coracle images import "$RIG/noise"
	assert_error 1 .
	: >"$RIG/empty"
	run --separate-stderr coracle images import "$RIG/empty"
	assert_error 1 .
	"$MKIMAGE" layout "$RIG/whole.tar" --layer "$RIG/base.tar" --name whole >/dev/null
	head -c 300000 "$RIG/whole.tar" >"$RIG/cut.tar"
	run --separate-stderr coracle images import "$RIG/cut.tar"
	assert_error 1 .
	mkdir -p "$RIG/no-layout"
	run --separate-stderr coracle images import "$RIG/no-layout"
	assert_error 1 .
	nothing_left
}

@test "corrupt documents: index, config, duplicate keys, a manifest that is an index too" {
	for what in index-json config-json duplicate-keys hybrid no-layout-file; do
		broken $what
		assert_error 1 . || fail "with $what" || return
		nothing_left || fail "with $what" || return
	done
}

@test "missing blobs: manifest, config, layer" {
	for what in missing-manifest missing-config missing-layer; do
		broken $what
		assert_error 1 'not found|missing' || fail "with $what" || return
		nothing_left || fail "with $what" || return
	done
}

@test "wrong digest: a blob whose bytes are others" {
	broken changed-blob
	assert_error 1 'digest'
	nothing_left
	broken cut-blob
	assert_error 1 'size|digest'
	nothing_left
}

@test "a digest that is no digest never becomes a path" {
	broken layer-digest-syntax
	assert_error 1 'digest'
	nothing_left
}

@test "a size that is not the blob's" {
	broken layer-size
	assert_error 1 'has [0-9]+ bytes, but its descriptor says [0-9]+'
	nothing_left
}

@test "a layer whose diffID is another, and a number of diffIDs that is not that of the layers" {
	broken diff-id
	assert_error 1 'diff ?id|diffID|DiffID|wrong diff|digest'
	nothing_left
	broken diff-id-count
	assert_error 1 .
	nothing_left
}

@test "a truncated layer, gzip and zstd" {
	for how in gzip zstd; do
		broken truncated-layer --compress $how
		assert_error 1 'unexpected end|truncated|corrupt|EOF' || fail "with $how" || return
		nothing_left || fail "with $how" || return
	done
}

@test "unknown compression: xz and bzip2 are named" {
	broken none --compress xz
	assert_error 1 'xz'
	nothing_left
	broken none --compress bzip2
	assert_error 1 'bzip2'
	nothing_left
}

@test "wrong platform: an index without ours, and --platform that nothing matches" {
	"$MKIMAGE" layout "$RIG/arm.tar" --layer "$RIG/base.tar" --platform linux/arm64 --extra-platform linux/s390x --name arm >/dev/null
	run --separate-stderr coracle images import --no-unpack "$RIG/arm.tar"
	if [ "$status" -eq 0 ]; then
		run --separate-stderr coracle run --rm arm "$id" true
		assert_error 1 'no match for platform|platform'
		coracle images delete --sync arm
	else
		assert_error 1 'platform'
	fi
	nothing_left
}

# ---- identifiers and flags ---------------------------------------------------------------------------------------------------

@test "bad container IDs" {
	long=$(printf 'a%.0s' $(seq 77))
	for bad in 'a/b' '../x' '.hidden' 'a..b' 'a b' '-' "$long" 'ä'; do
		run --separate-stderr coracle run --rm busybox "$bad" true
		[ "$status" -eq 1 ] || fail "'$bad': exit $status $stderr" || return
		[ "${#stderr_lines[@]}" -eq 1 ] || fail "'$bad': $stderr" || return
	done
	run --separate-stderr coracle run --rm busybox 'a/b' true
	assert_error 1 'container.ID: identifier "a/b" must match \^\[A-Za-z0-9\]'
	[[ $stderr == *'invalid argument' ]]
	nothing_left
}

@test "an empty ID, and no ID" {
	run --separate-stderr coracle run --rm busybox '' true
	[ "$status" -eq 1 ]
	run --separate-stderr coracle run --rm busybox
	[ "$status" -eq 1 ]
	[[ $stderr == *"container id must be provided"* ]] || fail "$stderr"
	run --separate-stderr coracle run
	[ "$status" -eq 1 ]
	nothing_left
}

@test "bad namespaces" {
	run --separate-stderr coracle --namespace '../x' images list
	assert_error 1 'invalid argument'
}

@test "unknown flag, missing value, wrong kind of value" {
	run --separate-stderr coracle run --nonsense busybox "$id" true
	[ "$status" -eq 1 ]
	[[ $stderr == *"flag provided but not defined: -nonsense"* ]] || fail "$stderr"
	run --separate-stderr coracle run --memory-limit
	[ "$status" -eq 1 ]
	[[ $stderr == *"flag needs an argument: -memory-limit"* ]] || fail "$stderr"
	run --separate-stderr coracle run --memory-limit lots busybox "$id" true
	[ "$status" -eq 1 ]
	[[ $stderr == *'invalid value "lots" for flag -memory-limit'* ]] || fail "$stderr"
	run --separate-stderr coracle run --rm=perhaps busybox "$id" true
	[ "$status" -eq 1 ]
	nothing_left
}

@test "unknown command: exit 3" {
	run coracle no-such-command
	assert_equal "$status" 3
	[[ $output == *"No help topic for 'no-such-command'"* ]]
	run coracle images no-such-verb
	assert_equal "$status" 3
}

@test "a containerd that is not there, and one that is: neither is mistaken for our own store" {
	run --separate-stderr coracle --address /no/such.sock images list
	assert_error 1 "cannot access socket /no/such.sock: stat /no/such.sock: no such file or directory"
	CONTAINERD_ADDRESS=/dev/null run --separate-stderr coracle images list
	assert_error 1 "not built in yet"
}

@test "conflicting flags" {
	run --separate-stderr coracle run -d --rm busybox "$id" true
	assert_error 1 'flags --detach and --rm cannot be specified together'
	run --separate-stderr coracle run --cpus 1 --cpu-period 1000 busybox "$id" true
	assert_error 1 .
	run --separate-stderr coracle run --runtime io.containerd.other.v1 --runc-binary runc busybox "$id" true
	assert_error 1 'specifying runc-binary and runc-systemd-cgroup is only supported for "io.containerd.runc.v2" runtime'
	run --separate-stderr coracle run --privileged-without-host-devices busybox "$id" true
	[ "$status" -eq 1 ]
	nothing_left
}

@test "a flag after a positional is an error, not a name" {
	run --separate-stderr coracle images delete no-such --sync
	assert_error 1 "[-]-sync"
}

@test "bad values: cpus, rlimit, propagation, capability, annotation, label, device" {
	expect() { # PATTERN flags...
		local pattern=$1
		shift
		run --separate-stderr coracle run --rm "$@" busybox "$id" true
		assert_error 1 "$pattern" || fail "with $*" || return
	}
	expect . --rlimit-nofile many
	expect . --rlimit-nofile 200:100
	expect . --rootfs-propagation sideways
	expect 'CAP_' --cap-add NET_ADMIN
	expect 'invalid key=value format annotation: x' --annotation x
	expect . --device /no/such/device
	expect . --snapshotter no-such-snapshotter
	expect . --log-uri nonsense://x
	nothing_left
}

# ---- the run itself ------------------------------------------------------------------------------------------------------------

@test "no such command in the image" {
	run --separate-stderr coracle run --rm busybox "$id" /no/such/command
	assert_error 1 '/no/such/command.*no such file or directory'
	run --separate-stderr coracle run --rm busybox "$id" not-in-path
	assert_error 1 'not-in-path'
	nothing_left
}

@test "an image without a command, and none given" {
	make_image commandless
	run --separate-stderr coracle run --rm commandless "$id"
	assert_error 1 .
	coracle images delete --sync commandless
	nothing_left
}

@test "an env file that cannot be read: missing, a directory, too large" {
	run --separate-stderr coracle run --rm --env-file "$RIG/none" busybox "$id" true
	assert_error 1 'none: no such file or directory'
	run --separate-stderr coracle run --rm --env-file "$RIG" busybox "$id" true
	assert_error 1 'is a directory'
	nothing_left
}

@test "a spec file that is missing, no JSON, or no spec" {
	run --separate-stderr coracle run --rm --config "$RIG/none.json" "$id"
	assert_error 1 'none.json'
	echo '{"ociVersion": ' >"$RIG/bad.json"
	run --separate-stderr coracle run --rm --config "$RIG/bad.json" "$id"
	assert_error 1 .
	echo '{"ociVersion": "1.0.2"}' >"$RIG/hollow.json"
	run --separate-stderr coracle run --rm --config "$RIG/hollow.json" "$id"
	assert_error 1 .
	nothing_left
}

@test "a root file system directory that is not there" {
	run --separate-stderr coracle run --rm --rootfs "$RIG/none" "$id" true
	assert_error 1 .
	nothing_left
}

@test "no runtime: what was looked for is named" {
	run --separate-stderr coracle run --rm --runc-binary no-such-runtime busybox "$id" true
	assert_error 1 'no-such-runtime'
	# Where both are only files that may not be executed.
	run --separate-stderr unshare -m bash -c ': >"$RIG/not-executable"; for r in runc crun; do mount --bind "$RIG/not-executable" "$(command -v $r)"; done; coracle run --rm busybox '"$id"' true'
	assert_error 1 'runc.*crun'
	nothing_left
}

@test "a runtime that fails, that says nothing, that is killed" {
	printf '#!/bin/sh\necho "it is broken" >&2; exit 1\n' >"$RIG/runtime-fails"
	printf '#!/bin/sh\nexit 1\n' >"$RIG/runtime-silent"
	printf '#!/bin/sh\nkill -9 $$\n' >"$RIG/runtime-killed"
	chmod +x "$RIG"/runtime-*
	run --separate-stderr coracle run --rm --runc-binary "$RIG/runtime-fails" busybox "$id" true
	# What the runtime writes to its standard error is where the container's goes.
	assert_equal "${stderr_lines[0]}" "it is broken"
	[[ ${stderr_lines[1]} == "coracle: "*"runtime-fails"* ]] || fail "$stderr"
	for kind in silent killed; do
		run --separate-stderr timeout 60 coracle run --rm --runc-binary "$RIG/runtime-$kind" busybox "$id" true
		assert_error 1 .
	done
	rm "$RIG"/runtime-*
	nothing_left
}

@test "not root: says what is needed" {
	need setpriv
	run --separate-stderr setpriv --reuid 1000 --regid 1000 --clear-groups "$CORACLE" run --rm busybox "$id" true
	assert_error 1 'root|permission'
	run --separate-stderr setpriv --reuid 1000 --regid 1000 --clear-groups "$CORACLE" images list
	assert_error 1 'root|permission'
	nothing_left
}

@test "a root directory that cannot hold overlay's upper layers: native, with a note" {
	mkdir -p "$RIG/ov/lower" "$RIG/ov/upper" "$RIG/ov/work" "$RIG/ov/merged"
	mount -t overlay overlay -o "lowerdir=$RIG/ov/lower,upperdir=$RIG/ov/upper,workdir=$RIG/ov/work" "$RIG/ov/merged"
	run --separate-stderr coracle --root "$RIG/ov/merged/root" images import --rootfs "$RIG/rootfs" busybox
	[ "$status" -eq 0 ] || fail "$stderr"
	note=$stderr
	run --separate-stderr coracle --root "$RIG/ov/merged/root" run --rm busybox "$id" probe exit 7
	[ "$status" -eq 7 ] || fail "$stderr"
	[[ $note$stderr == *native* ]] || fail "no note that native is used: '$note' '$stderr'"
	umount "$RIG/ov/merged"
	rm -rf "$RIG/ov"
}

@test "an explicit snapshotter that cannot work is an error, not another one" {
	mkdir -p "$RIG/ov/lower" "$RIG/ov/upper" "$RIG/ov/work" "$RIG/ov/merged"
	mount -t overlay overlay -o "lowerdir=$RIG/ov/lower,upperdir=$RIG/ov/upper,workdir=$RIG/ov/work" "$RIG/ov/merged"
	coracle --root "$RIG/ov/merged/root" images import --rootfs "$RIG/rootfs" busybox
	run --separate-stderr coracle --root "$RIG/ov/merged/root" run --rm --snapshotter overlayfs busybox "$id" true
	assert_error 1 'overlay'
	umount "$RIG/ov/merged"
	rm -rf "$RIG/ov"
}

@test "a root directory that cannot be made, a store that is not ours" {
	: >"$RIG/a-file"
	run --separate-stderr coracle --root "$RIG/a-file/root" images list
	assert_error 1 .
	mkdir -p "$RIG/strange"
	echo 'this is no database' >"$RIG/strange/metadata.db"
	run --separate-stderr coracle --root "$RIG/strange" images list
	assert_error 1 .
}

@test "standard output that cannot be written" {
	run --separate-stderr bash -c 'coracle images list >/dev/full'
	assert_error 1 'no space left on device'
	run bash -c 'coracle images list >&-'
	[ "$status" -eq 1 ]
}
