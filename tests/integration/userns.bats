#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# run --uidmap --gidmap [--remap-labels]: who owns what inside and outside, by a shared copy and by mapped mounts.

load lib

setup_file() {
	local r
	rig_up
	r=$RIG/special
	make_rootfs "$r"
	cp "$r/bin/probe" "$r/bin/setuid-probe"
	cp "$r/bin/probe" "$r/bin/cap-probe"
	chmod 6755 "$r/bin/setuid-probe"
	ln "$r/bin/setuid-probe" "$r/opt/same"
	setcap cap_net_admin+ep "$r/bin/cap-probe"
	echo secret >"$r/opt/of-user"
	chown 1000:1000 "$r/opt/of-user"
	chmod 0600 "$r/opt/of-user"
	tar_dir "$r" "$RIG/special.tar"
	mkdir "$RIG/second"
	echo two >"$RIG/second/two"
	tar_dir "$RIG/second" "$RIG/second.tar"
	"$MKIMAGE" layout "$RIG/image.tar" --layer "$RIG/special.tar" --layer "$RIG/second.tar" --name special >/dev/null
	coracle images import "$RIG/image.tar" >/dev/null
	rm -rf "$RIG/image.tar" "$RIG/special" "$RIG/special.tar" "$RIG/second.tar"
	committed overlayfs >"$RIG/layers"
}
teardown_file() { rig_down; }

# Maps of this test alone: what another test has copied is not there yet.
setup() {
	id=$(id_for)
	U=$((1000000 * BATS_TEST_NUMBER))
	G=$((U + 500000))
	MAP=(--uidmap "0:$U:65536" --gidmap "0:$G:65536")
}
teardown() { rig_clear; }

# The remapped copies that there are: what is committed and no layer of an image.
copies() { # [SNAPSHOTTER]
	committed "${1:-overlayfs}" | comm -13 "$RIG/layers" -
}

committed() {
	coracle snapshots --snapshotter "$1" list | awk 'NR > 1 && $NF == "Committed" { print $1 }' | sort
}

# Everything about the inodes of the committed snapshots that a start might change.
inodes() {
	find "$CORACLE_ROOT/overlayfs/snapshots" -path '*/fs*' -printf '%p %i %u %g %m %n %b %C@ %T@\n' | sort
}

need_idmap() {
	local before
	before=$(copies)
	coracle run --rm "${MAP[@]}" --remap-labels special "$id-look" true
	[ "$(copies)" = "$before" ] || skip "kernel or file system cannot map IDs in mounts"
}

owners_are_right() { # FLAG... : as seen from inside, and from outside through a bind mount
	local out=$RIG/out-$id
	mkdir -p "$out"
	chmod 0777 "$out"
	run --separate-stderr coracle run --rm "${MAP[@]}" "$@" --mount "type=bind,src=$out,dst=/out,options=rbind:rw" special "$id" sh -c '
		cat /proc/self/uid_map /proc/self/gid_map | tr -s " "
		stat -c "%n %u:%g %a" / /bin/probe /two /opt/of-user /home/user /tmp /opt/same
		echo x >/out/by-root && echo y >/new && mkdir /new.d && chown 1000:1000 /new.d && stat -c "%n %u:%g" /new /new.d'
	[ "$status" -eq 0 ] || fail "$stderr" || return
	assert_equal "$output" " 0 $U 65536
 0 $G 65536
/ 0:0 755
/bin/probe 0:0 755
/two 0:0 644
/opt/of-user 1000:1000 600
/home/user 1000:1000 755
/tmp 0:0 1777
/opt/same 0:0 6755
/new 0:0
/new.d 1000:1000" || return
	assert_equal "$(stat -c '%u:%g' "$out/by-root")" "$U:$G"
}

privilege_works() { # FLAG... : set-user-ID, set-group-ID and file capabilities make a user root of the container
	run --separate-stderr coracle run --rm "${MAP[@]}" "$@" --user 1000:1000 --allow-new-privs special "$id" setuid-probe ids
	assert_equal "$output" "uid 1000 0 0
gid 1000 0 0" || return
	run --separate-stderr coracle run --rm "${MAP[@]}" "$@" --user 1000:1000 --allow-new-privs special "$id" /opt/same ids
	assert_equal "${lines[0]}" "uid 1000 0 0" || return
	run --separate-stderr coracle run --rm "${MAP[@]}" "$@" --user 1000:1000 --allow-new-privs --cap-add CAP_NET_ADMIN special "$id" cap-probe caps
	[[ $output == *CapEff:*0000000000001000* ]] || fail "file capabilities: $output"
}

@test "a remapped copy: owners are right inside and outside (runc)" {
	owners_are_right --runc-binary runc
}

@test "a remapped copy: owners are right inside and outside (crun)" {
	need crun
	owners_are_right --runc-binary crun
}

@test "mapped mounts: owners are right inside and outside (runc)" {
	need_idmap
	owners_are_right --runc-binary runc --remap-labels
}

@test "mapped mounts: owners are right inside and outside (crun)" {
	need crun
	need_idmap
	owners_are_right --runc-binary crun --remap-labels
}

@test "set-user-ID and file capabilities work, in a copy and through mapped mounts" {
	privilege_works
	privilege_works --remap-labels
}

@test "the copy's files belong to the mapped users, hard links are kept" {
	local before fs name
	before=$(copies)
	coracle run -d "${MAP[@]}" special "$id" sleep 100
	name=$(comm -13 <(echo "$before") <(copies))
	assert_equal "$(coracle snapshots info "$id" | jq -r .Parent)" "$name"
	# The lower directory nearest to the container's own is the copy's.
	fs=$(grep "$CORACLE_STATE/$NS/$id/rootfs" /proc/self/mountinfo | grep -o 'lowerdir=[^:,]*' | cut -d = -f 2)
	assert_equal "$(stat -c '%u:%g %a' "$fs/bin/probe")" "$U:$G 755"
	assert_equal "$(stat -c '%u:%g %a' "$fs/opt/of-user")" "$((U + 1000)):$((G + 1000)) 600"
	assert_equal "$(stat -c '%u:%g %a %h' "$fs/bin/setuid-probe")" "$U:$G 6755 2"
	assert_equal "$(stat -c %i "$fs/bin/setuid-probe")" "$(stat -c %i "$fs/opt/same")"
	assert_equal "$(find "$fs" -uid 0 -o -gid 0 | wc -l)" 0
}

@test "the second start copies nothing: same parent, not an inode or block more" {
	local first before
	coracle run -d "${MAP[@]}" special "$id" true
	first=$(coracle snapshots info "$id" | jq -r .Parent)
	wait_for 10 has_status "$id" STOPPED
	coracle tasks delete "$id"
	coracle containers delete "$id"
	coracle gc >/dev/null
	before=$(inodes)
	# Not one file is written: the copy would have to be.
	coracle run --rm "${MAP[@]}" special "$id-2" true
	assert_equal "$(inodes)" "$before"
	coracle run -d "${MAP[@]}" special "$id-3" sleep 100
	assert_equal "$(coracle snapshots info "$id-3" | jq -r .Parent)" "$first"
}

@test "mapped mounts leave the layers' inodes untouched, and make no copy" {
	local before known
	need_idmap
	before=$(inodes)
	known=$(copies)
	coracle run --rm "${MAP[@]}" --remap-labels special "$id" sh -c 'cat /bin/probe >/dev/null; chown 5:5 /opt/of-user; rm /two; echo new >/bin/probe'
	assert_equal "$(inodes)" "$before"
	coracle run -d "${MAP[@]}" --remap-labels special "$id" sleep 100
	assert_equal "$(coracle snapshots info "$id" | jq -r '.Labels."containerd.io/snapshot/uidmapping"')" "0:$U:65536"
	assert_equal "$(coracle snapshots info "$id" | jq -r '.Labels."containerd.io/snapshot/gidmapping"')" "0:$G:65536"
	[[ $(coracle snapshots mounts /mnt "$id") == *"uidmap=0:$U:65536,gidmap=0:$G:65536,workdir="* ]]
	assert_equal "$(copies)" "$known"
	# Nothing mapped is mounted anywhere but at the container.
	assert_equal "$(grep -c "$RIG/" /proc/self/mountinfo)" 1
}

@test "what is written through mapped mounts belongs to the mapped users outside" {
	need_idmap
	coracle run -d "${MAP[@]}" --remap-labels special "$id" sh -c 'echo x >/file; chown 1000:1000 /opt/same; sleep 100'
	upper=$(grep "$CORACLE_STATE/$NS/$id/rootfs" /proc/self/mountinfo | grep -o 'upperdir=[^,]*' | cut -d = -f 2)
	wait_for 10 test -s "$upper/file" -a -e "$upper/opt/same"
	assert_equal "$(stat -c '%u:%g' "$upper/file")" "$U:$G"
	assert_equal "$(stat -c '%u:%g' "$upper")" "$U:$G"
	wait_for 10 test "$(stat -c '%u' "$upper/opt/same")" = "$((U + 1000))"
}

@test "the native snapshotter copies, with --remap-labels too" {
	run --separate-stderr coracle run --rm --snapshotter native "${MAP[@]}" --remap-labels special "$id" stat -c '%n %u:%g %a %h' /opt/of-user /opt/same
	assert_equal "$output" "/opt/of-user 1000:1000 600 1
/opt/same 0:0 6755 2"
	assert_equal "$(copies native | grep -c .)" 1
	coracle snapshots --snapshotter native list | awk '$NF == "Active"' | lacks .
}

@test "several ranges; IDs without a place are an error and leave nothing" {
	run --separate-stderr coracle run --rm --uidmap "1:$U:1000" --uidmap "0:$((U + 70000)):1" --gidmap "0:$G:1001" special "$id" stat -c '%u:%g' / /opt/of-user
	assert_equal "$output" "0:0
1000:1000"
	take_baseline
	run --separate-stderr coracle run --rm --uidmap "0:$U:1000" --gidmap "0:$G:1001" special "$id" true
	assert_error 1 'container ID 1000 cannot be mapped to a host ID: owner of /(opt/of-user|home/user)$'
	assert_baseline
}

@test "--read-only, --user by name, exec, tty, attach and delete" {
	run --separate-stderr coracle run --rm "${MAP[@]}" --read-only --user user special "$id" sh -c 'id -u; cat /opt/of-user; touch /tmp/x'
	[ "$status" -ne 0 ]
	assert_equal "$output" "1000
secret"
	[[ $stderr == *"Read-only file system"* ]]
	coracle run -d "${MAP[@]}" special "$id" sh -c 'echo started; while read -r l; do echo "got $l" >/dev/stdout; done; sleep 100'
	run --separate-stderr coracle tasks exec --exec-id e --user user "$id" sh -c 'id -u; echo again >/proc/self/fd/1'
	assert_equal "$output" "1000
again"
	run with_terminal "coracle tasks exec --exec-id t -t $id sh -c 'stat -c %u:%g /dev/pts/0; tty >/dev/tty'"
	[[ $output == *"0:5"* && $output == */dev/pts/* ]] || fail "$output"
	echo hello | timeout 20 coracle tasks attach "$id" >"$RIG/attached" 2>&1 &
	local attached=$!
	wait_for 10 grep -q 'got hello' "$RIG/attached"
	coracle tasks kill -s KILL "$id"
	finish "$attached"
	coracle tasks delete --force "$id" >/dev/null 2>&1 || true
	coracle containers delete "$id"
	[ ! -e "$CORACLE_STATE/$NS/$id" ]
}

@test "standard output can be opened anew: pipe, file, log" {
	for rt in runc crun; do
		command -v $rt >/dev/null || continue
		assert_equal "$(echo in | coracle run --rm --runc-binary $rt "${MAP[@]}" special "$id" sh -c 'cat /dev/stdin; echo out >/dev/stdout' | cat)" "in
out"
		coracle run --rm --runc-binary $rt "${MAP[@]}" special "$id" sh -c 'echo out >>/proc/self/fd/1' >"$RIG/file"
		assert_equal "$(cat "$RIG/file")" out
		coracle run -d --runc-binary $rt "${MAP[@]}" special "$id" sh -c 'echo out >/proc/self/fd/1'
		wait_for 10 has_status "$id" STOPPED
		assert_equal "$(coracle logs "$id")" out
		coracle tasks delete "$id"
		coracle containers delete "$id"
	done
}

@test "nobody but the container's root group gets into the bundle" {
	coracle run -d "${MAP[@]}" special "$id" sleep 100
	assert_equal "$(stat -c '%u:%g %a' "$CORACLE_STATE/$NS/$id")" "0:$G 710"
	assert_equal "$(stat -c '%a' "$CORACLE_STATE/$NS/$id/config.json")" 600
	assert_equal "$(stat -c '%a' "$CORACLE_STATE")" 711
	run ! setpriv --reuid 1000 --regid 1000 --clear-groups ls "$CORACLE_STATE/$NS/$id/rootfs/"
	setpriv --reuid "$U" --regid "$G" --clear-groups ls "$CORACLE_STATE/$NS/$id/rootfs/" >/dev/null
	run ! setpriv --reuid "$U" --regid "$G" --clear-groups ls "$CORACLE_STATE/$NS/$id/"
	run ! setpriv --reuid "$U" --regid "$G" --clear-groups cat "$CORACLE_STATE/$NS/$id/config.json"
}

@test "kill -9 while it copies leaves no half remapped snapshot" {
	need strace
	local n before name
	traced_env
	coracle gc >/dev/null
	before=$(copies)
	# At the 3rd and the 60th change of an owner, and as it is to be committed.
	for n in fchownat:3 fchownat:60 syncfs:1; do
		run timeout 60 strace -o /dev/null -e trace="${n%:*}" -e inject="${n%:*}:signal=KILL:when=${n#*:}" coracle run --rm "${MAP[@]}" special "$id" true
		[ "$status" -eq 137 ] || fail "not killed at $n: $status $output"
		assert_equal "$(copies)" "$before"
	done
	coracle gc >/dev/null
	coracle snapshots list | awk '$NF == "Active"' | lacks .
	owners_are_right
	name=$(comm -13 <(echo "$before") <(copies))
	assert_equal "$(coracle snapshots info "$name" | jq -r .Kind)" Committed
}

@test "two at once share one copy" {
	local before pids=() i
	coracle gc >/dev/null
	before=$(copies | grep -c . || true)
	for i in 1 2 3 4; do
		coracle run -d "${MAP[@]}" special "$id-$i" sleep 100 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		finish "$i"
		assert_equal "$status" 0
	done
	assert_equal "$(copies | grep -c .)" $((before + 1))
	assert_equal "$(for i in 1 2 3 4; do coracle snapshots info "$id-$i" | jq -r .Parent; done | sort -u | wc -l)" 1
	coracle snapshots list | grep -c 'remap-' | grep -qx 0
}

@test "the copy stays with the image and goes with it" {
	local name
	coracle run -d "${MAP[@]}" busybox "$id-1" true
	name=$(coracle snapshots info "$id-1" | jq -r .Parent)
	wait_for 10 has_status "$id-1" STOPPED
	coracle tasks delete "$id-1"
	coracle containers delete "$id-1"
	assert_equal "$(coracle snapshots info "$name" | jq -r '.Labels."coracle/uidmapping"')" "0:$U:65536"
	coracle gc >/dev/null
	coracle snapshots info "$name" >/dev/null
	coracle gc --why "$name" | grep -q busybox
	coracle run -d "${MAP[@]}" busybox "$id" sleep 100
	coracle images delete --sync busybox
	coracle snapshots info "$name" >/dev/null
	coracle tasks delete --force "$id"
	coracle containers delete "$id"
	coracle gc >/dev/null
	run coracle snapshots info "$name"
	[ "$status" -ne 0 ]
	coracle images import --rootfs "$RIG/rootfs" busybox >/dev/null
}

@test "wrong maps are one clear error before anything is made" {
	take_baseline
	run --separate-stderr coracle run --uidmap 0:1:1 special "$id" true
	assert_error 1 'flags --uidmap and --gidmap must be given together: --gidmap is missing'
	run --separate-stderr coracle run --uidmap 0:1 --gidmap 0:1:1 special "$id" true
	assert_error 1 '^coracle: user namespace mappings require the format `container-id:host-id:size`$'
	run --separate-stderr coracle run --uidmap 0:x:1 --gidmap 0:1:1 special "$id" true
	assert_error 1 '^coracle: invalid host id for user namespace remapping: strconv.ParseUint: parsing "x": invalid syntax$'
	run --separate-stderr coracle run --remap-labels special "$id" true
	assert_error 1 'flag --remap-labels needs --uidmap and --gidmap'
	run --separate-stderr coracle run "${MAP[@]}" --rootfs "$RIG/rootfs" "$id" true
	assert_error 1 'need an image'
	echo '{}' >"$RIG/config.json"
	run --separate-stderr coracle run "${MAP[@]}" --config "$RIG/config.json" "$id"
	assert_error 1 'need an image: give the maps in the config file'
	assert_baseline
}

@test "a failed run in a user namespace leaves nothing behind but the copy" {
	coracle run --rm "${MAP[@]}" special "$id" true
	take_baseline
	run --separate-stderr coracle run "${MAP[@]}" special "$id" /no/such/command
	[ "$status" -eq 1 ]
	run --separate-stderr coracle run "${MAP[@]}" --remap-labels special "$id" /no/such/command
	[ "$status" -eq 1 ]
	assert_baseline
}
