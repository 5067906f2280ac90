#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The store's commands: images, content, snapshots, namespaces, leases, gc.

load lib
setup_file() { rig_up; }
teardown_file() { rig_down; }
setup() { id=$(id_for); }
teardown() { rig_clear; }

busybox_target() {
	coracle images list | awk '$1 == "busybox" { print $3 }'
}

@test "images list: ctr's columns" {
	run coracle images list
	[[ ${lines[0]} =~ ^REF\ +TYPE\ +DIGEST\ +SIZE\ +PLATFORMS\ +LABELS ]]
	[[ ${lines[1]} =~ ^busybox\ +application/vnd\.oci\.image\.(manifest|index)\.v1\+json\ +sha256:[0-9a-f]{64}\ +[0-9.]+\ [KM]iB\ +linux/amd64 ]]
}

@test "images tag, label, delete" {
	coracle images tag busybox busybox:copy
	coracle images label busybox:copy colour=blue
	coracle images list 'name==busybox:copy' | grep -q colour=blue
	coracle images label busybox:copy colour=
	coracle images list | lacks colour=blue
	coracle images delete busybox:copy
	coracle images list -q | lacks -x busybox:copy
	run coracle run --rm busybox "$id" true
	assert_equal "$status" 0
}

@test "deleting an image that is not there warns and exits 0, as ctr does" {
	run coracle images delete no-such-image
	assert_equal "$status" 0
	[[ $output == *no-such-image* ]]
}

@test "images check and usage" {
	run coracle images check
	[[ ${lines[0]} =~ ^REF\ +TYPE\ +DIGEST\ +STATUS\ +SIZE\ +UNPACKED ]]
	[[ ${lines[1]} =~ ^busybox.*complete.*true ]]
	run coracle images usage busybox
	[[ $output =~ KEY\ +SIZE\ +INODES ]]
}

@test "images inspect shows the tree of descriptors" {
	run coracle images inspect busybox
	assert_equal "$status" 0
	[[ $output == *"$(busybox_target)"* ]]
}

@test "content list, get, label; what get prints is what the digest says" {
	target=$(busybox_target)
	coracle content list -q | grep -qx "$target"
	assert_equal "sha256:$(coracle content get "$target" | sha256sum | cut -d ' ' -f 1)" "$target"
	coracle content label "$target" note=here
	coracle content list | grep "$target" | grep -q note=here
}

@test "content ingest: verified, then readable; a wrong digest leaves nothing" {
	digest=sha256:$(printf 'some bytes' | sha256sum | cut -d ' ' -f 1)
	printf 'some bytes' | coracle content ingest --expected-digest "$digest" --expected-size 10 "$id"
	assert_equal "$(coracle content get "$digest")" "some bytes"
	run --separate-stderr bash -c "printf 'other bytes' | coracle content ingest --expected-digest $digest $id-2"
	[ "$status" -eq 1 ]
	run coracle content active
	[ "${#lines[@]}" -le 1 ] || fail "$output"
	coracle content delete "$digest"
	coracle content list -q | lacks -x "$digest"
}

@test "snapshots: prepare, mounts, commit, view, tree, info, label, usage, diff, delete" {
	parent=$(coracle snapshots list | awk '$NF == "Committed" { print $1; exit }')
	coracle snapshots prepare "$id" "$parent"
	mkdir -p "$RIG/m"
	coracle snapshots mounts "$RIG/m" "$id" >"$RIG/command"
	grep -q '^mount -t overlay ' "$RIG/command"
	bash -e "$RIG/command"
	echo new >"$RIG/m/new-file"
	rm "$RIG/m/etc/group"
	umount "$RIG/m"
	coracle snapshots commit "$id-done" "$id"
	run coracle snapshots info "$id-done"
	assert_equal "$(jq -r .Kind <<<"$output")" Committed
	assert_equal "$(jq -r .Parent <<<"$output")" "$parent"
	coracle snapshots label "$id-done" a=b
	assert_equal "$(coracle snapshots info "$id-done" | jq -r .Labels.a)" b
	coracle snapshots usage "$id-done" | grep -q "$id-done"
	coracle snapshots tree | grep -q "$id-done"
	coracle snapshots diff "$parent" "$id-done" >"$RIG/diff.tar.gz"
	run bash -c "gzip -dc $RIG/diff.tar.gz | tar -t | sort"
	[[ $output == *etc/.wh.group* && $output == *new-file* ]]
	coracle snapshots view "$id-view" "$id-done"
	run --separate-stderr coracle snapshots delete "$id-done"
	[ "$status" -eq 1 ] # a child is there
	coracle snapshots delete "$id-view"
	coracle snapshots delete "$id-done"
	coracle snapshots list | lacks "$id"
}

@test "a layer that diff made applies again to the same tree" {
	parent=$(coracle snapshots list | awk '$NF == "Committed" { print $1; exit }')
	mkdir -p "$RIG/m"
	coracle snapshots prepare "$id" "$parent"
	coracle snapshots mounts "$RIG/m" "$id" | bash -e
	mknod "$RIG/m/dev-node" c 1 3
	mkfifo "$RIG/m/fifo"
	ln "$RIG/m/etc/passwd" "$RIG/m/hard"
	ln -s nowhere "$RIG/m/soft"
	setfattr -n user.x -v y "$RIG/m/etc/passwd"
	touch -d @1500000000.123456789 "$RIG/m/etc/passwd"
	chmod 4755 "$RIG/m/bin/probe"
	rm -r "$RIG/m/home" && mkdir "$RIG/m/home"
	"$MKIMAGE" tree "$RIG/m" >"$RIG/before"
	umount "$RIG/m"
	coracle snapshots diff "$parent" "$id" | gzip -dc >"$RIG/again.tar"
	[ -f "$RIG/base.tar" ] || tar_dir "$RIG/rootfs" "$RIG/base.tar"
	"$MKIMAGE" layout "$RIG/again-image.tar" --layer "$RIG/base.tar" --layer "$RIG/again.tar" --name again
	coracle images import "$RIG/again-image.tar"
	coracle containers create again "$id-c" true
	coracle snapshots mounts "$RIG/m" "$id-c" | bash -e
	"$MKIMAGE" tree "$RIG/m" >"$RIG/after"
	umount "$RIG/m"
	coracle snapshots delete "$id"
	# The root directory is in neither layer by name, and has the time of unpacking.
	diff <(grep -v '^\. ' "$RIG/before") <(grep -v '^\. ' "$RIG/after")
}

@test "namespaces: create, list, label, remove; what is in one is not in another" {
	coracle namespaces create "$NS-other" owner=me
	coracle namespaces list | grep "$NS-other" | grep -q owner=me
	run coracle --namespace "$NS-other" images list -q
	assert_equal "$output" ""
	coracle namespaces label "$NS-other" owner=you
	coracle --namespace "$NS-other" images import --rootfs "$RIG/rootfs" elsewhere
	run --separate-stderr coracle namespaces remove "$NS-other"
	[ "$status" -eq 1 ] # not empty
	coracle --namespace "$NS-other" images delete --sync elsewhere
	coracle namespaces remove "$NS-other"
	coracle namespaces list -q | lacks -x "$NS-other"
}

@test "leases: create, list, delete; a lease keeps what it holds" {
	run coracle leases create --id "$id" --expires 1h
	assert_equal "$output" "$id"
	coracle leases list -q | grep -qx "$id"
	coracle leases delete "$id"
	coracle leases list -q | lacks -x "$id"
}

@test "gc: what an image, a container or a live snapshot needs stays; the rest goes" {
	[ -f "$RIG/base.tar" ] || tar_dir "$RIG/rootfs" "$RIG/base.tar"
	coracle gc
	take_baseline
	make_image doomed --config '{"Labels":{"only":"here"}}' --layer <("$MKIMAGE" tree-tar /dev/stdout opaque-late)
	coracle run -d doomed "$id" sleep 100
	coracle images delete --sync doomed
	# The container's snapshot still stands on the image's.
	coracle gc
	assert_equal "$(task_status "$id")" RUNNING
	run coracle tasks exec --exec-id e "$id" cat /d/high
	assert_equal "$output" h
	coracle tasks delete --force "$id"
	coracle containers delete "$id"
	coracle gc
	assert_baseline
	run coracle run --rm busybox "$id-2" true
	assert_equal "$status" 0
}

@test "gc --dry-run says what would go, and takes nothing" {
	printf 'kept by nothing: %s' "$id" | coracle content ingest "$id"
	digest=sha256:$(printf 'kept by nothing: %s' "$id" | sha256sum | cut -d ' ' -f 1)
	run coracle gc --dry-run
	[[ $output == *"$digest"* ]] || fail "$output"
	coracle content list -q | grep -qx "$digest"
	coracle gc
	coracle content list -q | lacks -x "$digest"
}

@test "gc --why explains what keeps a thing" {
	target=$(busybox_target)
	run coracle gc --why "$target"
	assert_equal "$status" 0
	[[ $output == *busybox* ]] || fail "$output"
	run --separate-stderr coracle gc --why sha256:0000000000000000000000000000000000000000000000000000000000000000
	assert_error 1 'not found'
}

@test "what was deleted is collected without being asked" {
	make_image unasked --config '{"Labels":{"unasked":"x"}}'
	target=$(coracle images list | awk '$1 == "unasked" { print $3 }')
	coracle images delete unasked
	wait_for 15 bash -c "coracle containers list >/dev/null; ! coracle content list -q | grep -qx $target"
}

@test "containers: create, list, info, label, delete" {
	coracle containers create busybox "$id" sleep 100
	run coracle containers list
	[[ ${lines[0]} =~ ^CONTAINER\ +IMAGE\ +RUNTIME ]]
	[[ $output =~ $id\ +busybox\ +io\.containerd\.runc\.v2 ]]
	coracle containers label "$id" a=b
	assert_equal "$(coracle containers info "$id" | jq -r .Labels.a)" b
	coracle containers label "$id" a=
	assert_equal "$(coracle containers info "$id" | jq -r .Labels.a)" null
	run --separate-stderr coracle containers info "$id-none"
	assert_error 1 "container \"$id-none\" in namespace \"$NS\": not found"
	coracle tasks start -d "$id"
	run --separate-stderr coracle containers delete "$id"
	assert_error 1 'cannot delete a non stopped container'
	coracle tasks kill -s KILL "$id"
	wait_for 10 has_status "$id" STOPPED
	coracle tasks delete "$id"
	coracle containers delete "$id"
}

@test "an old store opens: the version is in the database, and a newer one is refused" {
	version=$(python3 -c "import sqlite3; print(sqlite3.connect('$CORACLE_ROOT/metadata.db').execute('pragma user_version').fetchone()[0])")
	[ "$version" -ge 1 ]
	mkdir -p "$RIG/newer"
	python3 -c "import sqlite3; c = sqlite3.connect('$RIG/newer/metadata.db'); c.execute('pragma user_version=9999'); c.commit()"
	run --separate-stderr coracle --root "$RIG/newer" images list
	assert_error 1 'newer|version'
}
