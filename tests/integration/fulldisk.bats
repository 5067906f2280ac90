#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A full disk: a clear error, nothing half-recorded, and deletion still works.

load lib
setup_file() { rig_up; }
teardown_file() { rig_down; }
setup() {
	id=$(id_for)
	need mkfs.ext4
	need_losetup
	DISK=$RIG/disk
}
teardown() {
	rig_clear
	mountpoint -q "$DISK" && loop_fs_down "$DISK"
	unset CORACLE_ROOT_SAVED
}

on_disk() {
	CORACLE_ROOT=$DISK/root coracle "$@"
}

big_image() { # OUT MIB: one layer of random bytes
	mkdir -p "$RIG/big"
	head -c "$2M" /dev/urandom >"$RIG/big/random"
	tar -C "$RIG/big" -cf "$RIG/big.tar" .
	"$MKIMAGE" layout "$1" --layer "$RIG/big.tar" --name big --compress none >/dev/null
	rm -rf "$RIG/big" "$RIG/big.tar"
}

fill_disk() {
	dd if=/dev/zero of="$DISK/fill" bs=4k 2>/dev/null || true
}

@test "an import that does not fit: no space left on device, nothing recorded, the space comes back" {
	loop_fs 24 "$DISK"
	on_disk images list
	big_image "$RIG/big-image.tar" 40
	run --separate-stderr on_disk images import "$RIG/big-image.tar"
	assert_error 1 'no space left on device'
	assert_equal "$(on_disk images list -q)" ""
	on_disk gc
	assert_equal "$(on_disk content list -q)" ""
	assert_equal "$(on_disk snapshots list | awk 'NR > 1')" ""
	used=$(df -k --output=used "$DISK" | tail -n 1)
	[ "$used" -lt 4000 ] || fail "$used KiB still used: $(du -a "$DISK" | sort -n | tail)"
}

@test "an unpack that does not fit: the blobs are there, the snapshot is not" {
	loop_fs 32 "$DISK"
	big_image "$RIG/big-image.tar" 18
	run --separate-stderr on_disk images import "$RIG/big-image.tar"
	[ "$status" -eq 1 ]
	[[ $stderr == *"no space left on device"* ]] || fail "$stderr"
	assert_equal "$(on_disk snapshots list | awk 'NR > 1')" ""
	for image in $(on_disk images list -q); do
		on_disk images delete --sync "$image"
	done
	on_disk gc
	used=$(df -k --output=used "$DISK" | tail -n 1)
	[ "$used" -lt 4000 ] || fail "$used KiB still used"
}

@test "deletion works on a full disk, and frees it" {
	loop_fs 48 "$DISK"
	big_image "$RIG/big-image.tar" 10
	on_disk images import "$RIG/big-image.tar"
	on_disk images import --rootfs "$RIG/rootfs" small
	on_disk containers create small "$id" sleep 100
	fill_disk
	assert_equal "$(df -k --output=avail "$DISK" | tail -n 1 | tr -d ' ')" 0
	on_disk containers delete "$id"
	on_disk images delete --sync big
	on_disk images delete --sync small
	on_disk gc
	assert_equal "$(on_disk images list -q)" ""
	assert_equal "$(on_disk content list -q)" ""
	rm "$DISK/fill"
	run on_disk images import "$RIG/big-image.tar"
	[ "$status" -eq 0 ] || fail "$output"
}

@test "run on a full disk: a clear error, nothing left" {
	loop_fs 32 "$DISK"
	on_disk images import --rootfs "$RIG/rootfs" small
	on_disk run --rm small "$id" true
	fill_disk
	run --separate-stderr on_disk run --rm small "$id" true
	if [ "$status" -ne 0 ]; then
		assert_error 1 'no space left on device|full'
	fi
	rm "$DISK/fill"
	assert_equal "$(on_disk containers list -q)" ""
	run on_disk run --rm small "$id" probe exit 4
	assert_equal "$status" 4
}

@test "no inodes left: the same" {
	loop_fs 24 "$DISK" -N 64
	run --separate-stderr on_disk images import --rootfs "$RIG/rootfs" small
	assert_error 1 'no space left on device'
	on_disk gc
	assert_equal "$(on_disk images list -q)" ""
	assert_equal "$(on_disk snapshots list | awk 'NR > 1')" ""
}

@test "content ingest on a full disk leaves no blob, and the rest readable" {
	loop_fs 16 "$DISK"
	printf first | on_disk content ingest first
	run --separate-stderr bash -c "head -c 40M /dev/urandom | CORACLE_ROOT=$DISK/root coracle content ingest second"
	assert_error 1 'no space left on device'
	assert_equal "$(on_disk content get "sha256:$(printf first | sha256sum | cut -d ' ' -f 1)")" first
}
