#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Checkpoints from a real containerd restored here, and ours restored there. The process counts in a file and holds memory
# whose hash it prints beside the number (tests/integration/probe.c, count).
#
# ctr 1.6 loses a second checkpoint of the same container without a word (its spec "already exists"), so each is made once; and
# its export wants --skip-manifest-json for images that have more than layers.

load ../integration/containerd

theirs() {
	ctr --address "$CTRD/c.sock" "$@"
}

# ctrd_rootfs DIR: busybox.
ctrd_rootfs() {
	mkdir -p "$1"/{bin,etc,proc,sys,dev,tmp,run,root}
	cp "$(command -v busybox)" "$1/bin/busybox"
	ln -s busybox "$1/bin/sh"
	echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
	echo 'root:x:0:' >"$1/etc/group"
}

# ctrd_image LAYOUT TAG ROOTFS [umoci config arguments]: one layer.
ctrd_image() {
	local layout=$1 tag=$2 rootfs=$3 bundle
	shift 3
	bundle=$(mktemp -d)
	[ -d "$layout" ] || umoci init --layout "$layout"
	umoci new --image "$layout:$tag"
	umoci unpack --image "$layout:$tag" "$bundle/b" >/dev/null 2>&1
	cp -a "$rootfs/." "$bundle/b/rootfs/"
	umoci repack --image "$layout:$tag" "$bundle/b" >/dev/null 2>&1
	umoci config --image "$layout:$tag" --no-history "$@"
	rm -rf "$bundle"
}

setup_file() {
	TOP=$(dirname "$(dirname "$BATS_TEST_DIRNAME")")
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/cp.XXXX")
	export WORK
	local build=${CORACLE_BUILD:-$TOP/build/gcc} dirs
	dirs=$(find "$build/src" -maxdepth 2 -type f -name 'coracle*' -perm -u+x -printf '%h\n' | sort -u | tr '\n' ':')
	CRIU=$("$TOP/tools/sid-criu" 2>"$WORK/criu.err") || CRIU=
	PATH=$dirs${CRIU:+$CRIU:}$PATH
	NS=ct-${CORACLE_TEST_ID:-$$}
	export CRIU PATH NS CORACLE_ROOT=$WORK/store CORACLE_STATE=$WORK/run CONTAINERD_NAMESPACE=$NS
	unset CONTAINERD_SNAPSHOTTER CONTAINERD_ADDRESS
	"$TOP/tools/hybrid-cgroups" up >/dev/null
	[ -n "$CRIU" ] || return 0
	ctrd_start "$WORK/ctrd" # with our PATH, so with criu in it
	export CTRD
	ctrd_rootfs "$WORK/rootfs"
	cc -O1 -static -D_GNU_SOURCE -o "$WORK/rootfs/bin/probe" "$TOP/tests/integration/probe.c"
	ctrd_image "$WORK/layout" plain "$WORK/rootfs" --config.cmd /bin/sh --config.label from.image=yes
	tar -C "$WORK/layout" -cf "$WORK/layout.tar" .
	theirs images import --base-name example.com/t "$WORK/layout.tar" >/dev/null
	coracle images import --base-name example.com/t "$WORK/layout.tar" >/dev/null
}

teardown_file() {
	ctrd_stop
	find /sys/fs/cgroup -depth -type d -path "*/$NS*" -exec rmdir {} \; 2>/dev/null || true
	rm -rf "$WORK"
}

setup() {
	[ -n "$CRIU" ] || skip "$(cat "$WORK/criu.err")"
}

teardown() {
	[ -n "$CRIU" ] || return 0
	local id
	for id in $(coracle tasks list -q); do coracle tasks delete --force "$id" >/dev/null 2>&1 || true; done
	for id in $(coracle containers list -q); do coracle containers delete "$id" >/dev/null 2>&1 || true; done
	for id in $(theirs tasks list -q); do
		theirs tasks kill -s KILL "$id" >/dev/null 2>&1 || true
		theirs tasks delete --force "$id" >/dev/null 2>&1 || true
	done
	for id in $(theirs containers list -q); do theirs containers delete "$id" >/dev/null 2>&1 || true; done
}

image=example.com/t:plain
script='probe count 8 99 >/log'

eventually() { # COMMAND...: within 20 seconds
	local i
	for i in $(seq 200); do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	echo "not in time ($i): $*" >&2
	return 1
}

# log theirs|coracle ID: /log of the container
log() {
	"$1" tasks exec --exec-id "e$RANDOM$RANDOM" "$2" busybox cat /log
}
logged() { # theirs|coracle ID N: it has at least N lines
	[ "$(log "$1" "$2" | wc -l)" -ge "$3" ]
}

# The log of a restored container: numbers without a gap, through the checkpoint, and one hash.
assert_unbroken() { # FILE
	awk '{ if ($1 != NR || (NR > 1 && $2 != hash)) { print "line " NR ": " $0; exit 1 } hash = $2 }' "$1"
}

@test "a checkpoint made by ctr is restored by coracle" {
	theirs run -d "$image" t1 sh -c "exec $script"
	eventually logged theirs t1 5
	theirs containers checkpoint --rw --image --task t1 example.com/cp/theirs:1
	theirs tasks kill -s KILL t1
	theirs images export --skip-manifest-json "$WORK/theirs.tar" example.com/cp/theirs:1
	coracle images import "$WORK/theirs.tar"
	coracle gc
	coracle containers restore --rw --live o1 example.com/cp/theirs:1
	eventually logged coracle o1 10
	log coracle o1 >"$WORK/log"
	assert_unbroken "$WORK/log"
	# The record is as ctr's own restore would have it (which loses labels: we take the image's).
	coracle containers info o1 | jq -e --arg i "$image" \
		'.Image == $i and .Runtime.Name == "io.containerd.runc.v2" and .Snapshotter == "overlayfs" and .Labels["from.image"] == "yes"'
	theirs containers info t1 | jq -S '.Spec | del(.linux.cgroupsPath)' >"$WORK/spec.theirs"
	coracle containers info o1 | jq -S '.Spec | del(.linux.cgroupsPath)' >"$WORK/spec.ours"
	diff "$WORK/spec.theirs" "$WORK/spec.ours"
	# Its exit code is its own.
	coracle tasks kill -s TERM o1
	eventually eval "coracle tasks list | grep -q 'o1 .*STOPPED'"
	run coracle tasks delete o1
	[[ $output == *"non-zero exit code 42"* ]]
}

@test "a task's checkpoint made by ctr goes on by run --checkpoint" {
	theirs run -d "$image" t2 sh -c "exec $script"
	eventually logged theirs t2 5
	name=$(theirs tasks checkpoint t2)
	[[ $name == containerd.io/checkpoint/t2:* ]]
	theirs tasks kill -s KILL t2
	theirs images export --skip-manifest-json "$WORK/theirs2.tar" "$name"
	coracle images import "$WORK/theirs2.tar"
	coracle run -d --checkpoint "$name" "$image" o2
	eventually logged coracle o2 10
	log coracle o2 >"$WORK/log"
	assert_unbroken "$WORK/log"
}

@test "a checkpoint made by coracle is restored by ctr" {
	coracle run -d "$image" o3 sh -c "exec $script"
	eventually logged coracle o3 5
	coracle containers checkpoint --rw --image --task o3 example.com/cp/ours:1
	coracle tasks kill -s KILL o3
	coracle images export "$WORK/ours.tar" example.com/cp/ours:1
	theirs images import --no-unpack "$WORK/ours.tar"
	# It stays until its FIFOs are read to their ends: until the container has ended.
	theirs containers restore --rw --live t3 example.com/cp/ours:1 3>&- &
	eventually logged theirs t3 10
	log theirs t3 >"$WORK/log"
	assert_unbroken "$WORK/log"
	theirs containers info t3 | jq -S '.Spec' >"$WORK/spec.theirs"
	coracle containers info o3 | jq -S '.Spec' >"$WORK/spec.ours"
	diff "$WORK/spec.theirs" "$WORK/spec.ours"
}

@test "both say the same of the parts of a checkpoint" {
	theirs run -d "$image" t4 sh -c "exec $script"
	coracle run -d "$image" o4 sh -c "exec $script"
	eventually logged theirs t4 3
	eventually logged coracle o4 3
	theirs containers checkpoint --rw --image --task t4 example.com/cp/parts:1
	coracle containers checkpoint --rw --image --task o4 example.com/cp/parts:1
	# Sizes and digests of what was dumped differ; everything else is compared.
	parts='del(.annotations["io.coracle.checkpoint.labels"]) | .manifests |= sort_by(.mediaType) |
		.manifests |= map(if .mediaType | test("manifest|options") then . else del(.digest, .size) end)'
	digest_of theirs | xargs "$(command -v ctr)" --address "$CTRD/c.sock" content get | jq -S "$parts" >"$WORK/parts.theirs"
	digest_of coracle | xargs coracle content get | jq -S "$parts" >"$WORK/parts.ours"
	diff "$WORK/parts.theirs" "$WORK/parts.ours"
	# What both refuse.
	local args
	for args in "containers checkpoint" "containers checkpoint t4" "containers restore" "containers restore x" "tasks checkpoint" \
		"tasks checkpoint nobody" "containers checkpoint --task nobody a:b" "containers restore x $image"; do
		# shellcheck disable=SC2086
		theirs $args >"$WORK/said.theirs" 2>&1 && false
		# shellcheck disable=SC2086
		coracle $args >"$WORK/said.ours" 2>&1 && false
		[[ $args == *"$image" ]] || diff <(sed 's/^ctr: //' "$WORK/said.theirs") <(sed 's/^coracle: //' "$WORK/said.ours")
	done
}

digest_of() {
	"$1" images list | awk '$1 == "example.com/cp/parts:1" { print $3 }'
}
