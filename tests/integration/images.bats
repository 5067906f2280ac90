#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images that others made, in every format, import and run; unpacked trees are what umoci makes of them.

load lib
setup_file() { rig_up; }
teardown_file() { rig_down; }
setup() { id=$(id_for); }
teardown() {
	mountpoint -q "$RIG/mnt" && umount "$RIG/mnt"
	rig_clear
}

# ---- other people's archives, made once per machine and kept in the cache --------------------------------------------------

# foreign SUITE FORMAT: prints the path. umoci: an OCI layout directory; skopeo: docker-archive of it; podman-*: podman save.
foreign() {
	local suite=$1 format=$2 tar out=$CACHE/$1.$2
	need umoci skopeo podman debootstrap
	tar=$(debian_tar "$suite") || return
	(
		flock 9
		[ -e "$out" ] && exit 0
		"make_$format" "$suite" "$tar" "$out.part" >"$out.log" 2>&1 || {
			cat "$out.log" >&2
			exit 1
		}
		mv "$out.part" "$out"
	) 9>"$CACHE/$suite.$format.lock" || return
	echo "$out"
}

make_umoci() { # SUITE TAR OUT
	local work=$RIG/umoci
	rm -rf "$work" "$3"
	mkdir -p "$work"
	umoci init --layout "$3" && umoci new --image "$3:$1" && umoci unpack --image "$3:$1" "$work/bundle" &&
		tar -C "$work/bundle/rootfs" --xattrs --xattrs-include='*' -xf "$2" && umoci repack --image "$3:$1" "$work/bundle" &&
		umoci config --image "$3:$1" --config.cmd /bin/bash --config.env PATH=/usr/sbin:/usr/bin:/sbin:/bin &&
		umoci gc --layout "$3" && rm -rf "$work"
}

make_skopeo() {
	rm -f "$3"
	skopeo --insecure-policy copy "oci:$(foreign "$1" umoci):$1" "docker-archive:$3:debian:$1"
}

podman_private() {
	podman --root "$RIG/podman" --runroot "$RIG/podman-run" --storage-driver vfs "$@"
}

make_podman() { # SUITE TAR OUT FORMAT
	rm -f "$3"
	podman_private import "$2" "localhost/debian:$1" && podman_private save --format "$4" -o "$3" "localhost/debian:$1"
	local result=$?
	podman_private rmi -af >/dev/null 2>&1
	rm -rf "$RIG/podman" "$RIG/podman-run"
	return $result
}

make_podman-docker() { make_podman "$@" docker-archive; }
make_podman-oci() { make_podman "$@" oci-archive; }

# A Debian image is really there: its own shell, its own release, package database, and setuid programs.
assert_debian() { # IMAGE SUITE
	run coracle run --rm "$1" "$id" /bin/bash -c '. /etc/os-release; echo $ID; dpkg-query -W -f "\${Status}\n" dpkg; stat -c %a /bin/su /usr/bin/passwd | sort -u'
	[ "$status" -eq 0 ] || fail "$output" || return
	assert_equal "${lines[0]}" debian || return
	assert_equal "${lines[1]}" "install ok installed" || return
	[[ $output == *4755* ]] || fail "$output" || return
	run coracle run --rm "$1" "$id-2" /bin/cat /etc/debian_version
	case $2 in bookworm) [[ $output == 12.* ]] ;; sid) [[ $output == */sid ]] ;; esac || fail "debian_version: $output"
}

@test "Debian 12 packed with umoci (OCI layout directory)" {
	layout=$(foreign bookworm umoci)
	run coracle images import --base-name umoci.test/debian "$layout"
	[ "$status" -eq 0 ] || fail "$output"
	assert_debian umoci.test/debian:bookworm bookworm
}

@test "Debian sid packed with umoci (OCI layout as a tar on standard input)" {
	layout=$(foreign sid umoci)
	tar -C "$layout" -c . | coracle images import --base-name umoci.test/debian -
	assert_debian umoci.test/debian:sid sid
}

@test "Debian 12 copied by skopeo to docker-archive" {
	coracle images import "$(foreign bookworm skopeo)"
	assert_debian docker.io/library/debian:bookworm bookworm
}

@test "Debian sid copied by skopeo to docker-archive" {
	coracle images import "$(foreign sid skopeo)"
	assert_debian docker.io/library/debian:sid sid
}

@test "Debian 12 saved by podman as docker-archive" {
	coracle images import "$(foreign bookworm podman-docker)"
	assert_debian localhost/debian:bookworm bookworm
}

@test "Debian 12 saved by podman as oci-archive" {
	coracle images import "$(foreign bookworm podman-oci)"
	assert_debian localhost/debian:bookworm bookworm
}

# ---- the unpacked tree ---------------------------------------------------------------------------------------------------

# our_tree IMAGE [SNAPSHOTTER]: a read-only view of what a container of the image stands on
our_tree() {
	local key=$id-tree parent
	coracle containers create ${2:+--snapshotter "$2"} "$1" "$key" /bin/true >/dev/null || return
	mkdir -p "$RIG/mnt"
	parent=$(coracle snapshots ${2:+--snapshotter "$2"} info "$key" | jq -r .Parent)
	coracle snapshots ${2:+--snapshotter "$2"} view "$key-view" "$parent" >/dev/null || return
	coracle snapshots ${2:+--snapshotter "$2"} mounts "$RIG/mnt" "$key-view" >"$RIG/mount-command" || return
	bash -e "$RIG/mount-command" || return
	"$MKIMAGE" tree "$RIG/mnt"
	umount "$RIG/mnt"
	coracle snapshots ${2:+--snapshotter "$2"} delete "$key-view"
	coracle containers delete "$key" >/dev/null
}

umoci_tree() { # LAYOUT-DIR TAG
	need umoci
	rm -rf "$RIG/bundle"
	umoci unpack --image "$1:$2" "$RIG/bundle" >/dev/null || return
	"$MKIMAGE" tree "$RIG/bundle/rootfs"
	rm -rf "$RIG/bundle"
}

# Directories that the last layer does not name (the root is one) have the time of unpacking.
named() {
	sed -E '/^(deep|\. )/s/@[0-9]+//' "$1"
}

every_kind_layout() { # OUT/ [options]
	"$MKIMAGE" tree-tar "$RIG/lower.tar" every-kind
	"$MKIMAGE" tree-tar "$RIG/upper.tar" every-kind-upper
	"$MKIMAGE" layout "$@" --ref-name t --name every-kind:1 --layer "$RIG/lower.tar" --layer "$RIG/upper.tar" >/dev/null
}

@test "layers with every kind of entry: the tree is umoci's, entry by entry (overlayfs)" {
	every_kind_layout "$RIG/kinds/"
	coracle images import "$RIG/kinds" >/dev/null
	umoci_tree "$RIG/kinds" t >"$RIG/theirs"
	our_tree every-kind:1 >"$RIG/ours"
	[ "$(wc -l <"$RIG/theirs")" -gt 40 ]
	diff <(named "$RIG/theirs") <(named "$RIG/ours")
}

@test "layers with every kind of entry: the tree is umoci's, entry by entry (native)" {
	every_kind_layout "$RIG/kinds/"
	coracle images import --snapshotter native "$RIG/kinds" >/dev/null
	umoci_tree "$RIG/kinds" t >"$RIG/theirs"
	our_tree every-kind:1 native >"$RIG/ours"
	diff <(named "$RIG/theirs") <(named "$RIG/ours")
}

@test "a Debian tree is umoci's, entry by entry" {
	layout=$(foreign bookworm umoci)
	coracle images import --base-name umoci.test/debian "$layout" >/dev/null
	umoci_tree "$layout" bookworm >"$RIG/theirs"
	our_tree umoci.test/debian:bookworm >"$RIG/ours"
	[ "$(wc -l <"$RIG/theirs")" -gt 3000 ]
	diff "$RIG/theirs" "$RIG/ours"
}

@test "sparse files, old GNU and PAX: the same bytes, and they stay sparse" {
	"$MKIMAGE" tree-tar "$RIG/sparse.tar" sparse
	"$MKIMAGE" layout "$RIG/sparse-image.tar" --layer "$RIG/sparse.tar" --name sparse
	coracle images import "$RIG/sparse-image.tar" >/dev/null
	mkdir -p "$RIG/reference"
	tar -C "$RIG/reference" -xf "$RIG/sparse.tar"
	our_tree sparse >"$RIG/ours"
	"$MKIMAGE" tree "$RIG/reference" >"$RIG/theirs"
	diff <(grep -v '^\. ' "$RIG/theirs") <(grep -v '^\. ' "$RIG/ours")
	# In blocks of 512 bytes: of 9 MiB some dozen KiB are data.
	run bash -c "find $CORACLE_ROOT/overlayfs -name 'sparse-*' -printf '%b\n' | awk '\$1 < 200' | wc -l"
	assert_equal "$output" 2
}

@test "gzip, zstd and uncompressed layers give the same tree" {
	for how in none gzip zstd; do
		every_kind_layout "$RIG/$how.tar" --compress $how
		coracle images import "$RIG/$how.tar" >/dev/null
		our_tree every-kind:1 >"$RIG/tree-$how"
		coracle images delete --sync every-kind:1
	done
	for how in gzip zstd; do
		diff <(named "$RIG/tree-none") <(named "$RIG/tree-$how")
	done
}

# ---- names, indexes, platforms -------------------------------------------------------------------------------------------

@test "the name annotation names the image" {
	make_image registry.test/app:1
	coracle images list -q | grep -qx registry.test/app:1
}

@test "a bare ref name needs a base name; a whole one stands by itself" {
	[ -f "$RIG/base.tar" ] || tar_dir "$RIG/rootfs" "$RIG/base.tar"
	"$MKIMAGE" layout "$RIG/i.tar" --layer "$RIG/base.tar" --ref-name v2
	coracle images import --base-name registry.test/named "$RIG/i.tar"
	coracle images list -q | grep -qx registry.test/named:v2
	"$MKIMAGE" layout "$RIG/i.tar" --layer "$RIG/base.tar" --ref-name other.test/whole:v3
	coracle images import "$RIG/i.tar"
	coracle images list -q | grep -qx other.test/whole:v3
}

@test "docker save: every tag becomes a name" {
	[ -f "$RIG/base.tar" ] || tar_dir "$RIG/rootfs" "$RIG/base.tar"
	"$MKIMAGE" docker "$RIG/d.tar" --layer "$RIG/base.tar" --name two:1 --name example.test/two:2 --config '{"Cmd":["/bin/echo","docker"]}'
	coracle images import "$RIG/d.tar"
	run coracle run --rm docker.io/library/two:1 "$id"
	assert_equal "$output" docker
	run coracle run --rm example.test/two:2 "$id-2"
	assert_equal "$output" docker
}

@test "an index of several platforms: only the wanted one has to be there" {
	make_image multi --extra-platform linux/arm64 --extra-platform linux/s390x
	run coracle run --rm multi "$id" probe exit 4
	assert_equal "$status" 4
}

@test "nested indexes" {
	make_image nested --nested --extra-platform linux/arm64
	run coracle run --rm nested "$id" probe exit 4
	assert_equal "$status" 4
}

@test "a gzip- or zstd-compressed archive is read as well" {
	[ -f "$RIG/base.tar" ] || tar_dir "$RIG/rootfs" "$RIG/base.tar"
	"$MKIMAGE" layout "$RIG/c.tar" --layer "$RIG/base.tar" --name packed
	gzip -k "$RIG/c.tar"
	coracle images import "$RIG/c.tar.gz"
	coracle images delete --sync packed
	zstd -q "$RIG/c.tar" -o "$RIG/c.tar.zst"
	coracle images import - <"$RIG/c.tar.zst"
	run coracle run --rm packed "$id" probe exit 3
	assert_equal "$status" 3
}

@test "import --rootfs takes a tar as well as a directory" {
	tar_dir "$RIG/rootfs" "$RIG/root.tar"
	coracle images import --rootfs "$RIG/root.tar" from-tar
	run coracle run --rm from-tar "$id" cat /etc/passwd
	assert_equal "$output" "$(cat "$RIG/rootfs/etc/passwd")"
	gzip -c "$RIG/root.tar" | coracle images import --rootfs - from-stream
	run coracle run --rm from-stream "$id-2" probe exit 8
	assert_equal "$status" 8
}

@test "importing twice changes nothing" {
	make_image again
	take_baseline
	make_image again
	assert_baseline
}

@test "--no-unpack: unpacked at the first run" {
	[ -f "$RIG/base.tar" ] || tar_dir "$RIG/rootfs" "$RIG/base.tar"
	"$MKIMAGE" layout "$RIG/later.tar" --layer "$RIG/base.tar" --layer <("$MKIMAGE" tree-tar /dev/stdout opaque-late) --name later
	coracle images import --no-unpack "$RIG/later.tar"
	run coracle images check
	[[ $output == *later* ]]
	run coracle run --rm later "$id" cat /d/high
	assert_equal "$output" h
}

@test "an image of no layers and one of a hundred" {
	"$MKIMAGE" layout "$RIG/none.tar" --name layerless >/dev/null
	run --separate-stderr coracle images import "$RIG/none.tar"
	[ "$status" -eq 0 ] || fail "$stderr"
	[ -f "$RIG/base.tar" ] || tar_dir "$RIG/rootfs" "$RIG/base.tar"
	args=()
	for n in $(seq 100); do
		mkdir -p "$RIG/layers/$n"
		echo "$n" >"$RIG/layers/$n/file-$n"
		tar -C "$RIG/layers/$n" -cf "$RIG/layers/$n.tar" .
		args+=(--layer "$RIG/layers/$n.tar")
	done
	"$MKIMAGE" layout "$RIG/hundred.tar" --layer "$RIG/base.tar" "${args[@]}" --name hundred >/dev/null
	coracle images import "$RIG/hundred.tar"
	run coracle run --rm hundred "$id" sh -c 'ls /file-* | wc -l; cat /file-1 /file-100'
	assert_equal "$output" $'100\n1\n100'
}
