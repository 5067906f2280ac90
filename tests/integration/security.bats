#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What attackers supply: layers, names, passwd files, the shim's socket, directory modes. Each row of the threat table that
# the code can meet is a named test; the CVE in the name is where the row comes from.

load lib
setup_file() {
	rig_up
	tar_dir "$RIG/rootfs" "$RIG/base.tar"
}
teardown_file() { rig_down; }

# The canary: a tree beside the store that no layer may change in any way.
setup() {
	id=$(id_for)
	CANARY=$RIG/canary
	mkdir -p "$CANARY/dir"
	echo canary >"$CANARY/file"
	echo 'evil:x:0:0::/:/bin/sh' >"$CANARY/passwd"
	chmod 0640 "$CANARY/file"
	setfattr -n user.mark -v x "$CANARY/file" 2>/dev/null || true
	"$MKIMAGE" tree "$CANARY" >"$RIG/canary.before"
}
teardown() {
	rig_clear
	coracle images delete --sync hostile users >/dev/null 2>&1 || true
}

canary_is_well() {
	"$MKIMAGE" tree "$CANARY" >"$RIG/canary.now"
	diff "$RIG/canary.before" "$RIG/canary.now" || fail "the canary was touched"
}

# hostile KIND... : an image with these layers over our root file system; imports it (status, output as of run)
hostile() {
	local kind args=()
	for kind in "$@"; do
		"$MKIMAGE" tree-tar "$RIG/layer-$kind.tar" "$kind" --canary "$CANARY" || return
		args+=(--layer "$RIG/layer-$kind.tar")
	done
	"$MKIMAGE" layout "$RIG/hostile.tar" --layer "$RIG/base.tar" "${args[@]}" --name hostile --config '{"Cmd":["/bin/true"]}' >/dev/null
	run --separate-stderr timeout 120 coracle images import "$RIG/hostile.tar"
	[ "$status" -lt 124 ] || fail "hangs or dies by a signal ($status): $stderr"
}

# After an import that may succeed or fail: the canary is well, and a failure left nothing.
contained() { # KIND...
	hostile "$@" || return
	canary_is_well || return
	if [ "$status" -ne 0 ]; then
		assert_error 1 . || return
		coracle images list -q | lacks -x hostile || return
	fi
	coracle images delete --sync hostile >/dev/null 2>&1 || true
	coracle gc >/dev/null
}

inside() { # COMMAND... in a container of the hostile image
	run --separate-stderr coracle run --rm hostile "$id-$RANDOM" "$@"
}

# ---- layers: escapes -------------------------------------------------------------------------------------------------------

@test "layer: a parent becomes a symlink (CVE-2025-47290)" {
	contained parent-symlink
	contained parent-symlink-relative
	contained parent-replaced
	contained lower parent-symlink
}

@test "layer: an outward symlink stays inside the root for what comes below it" {
	hostile parent-symlink-relative
	canary_is_well
	[ ! -e "$CANARY/owned" ]
}

@test "layer: the root replaced by a symlink (CVE-2021-29136)" {
	contained root-symlink
	contained root-symlink-dot
	contained root-file
	contained root-symlink lower
}

@test "layer: names with .. and absolute names stay inside" {
	contained dot-dot
	contained absolute
	[ ! -e "$CANARY/owned" ]
}

@test "layer: hardlinks outward, and link then chmod (CVE-2021-32760)" {
	contained hardlink-outward
	contained hardlink-absolute
	contained hardlink-through-symlink
	contained link-then-chmod
	contained symlink-then-file
	contained symlink-then-dir
}

@test "layer: whiteouts of . and .. and nothing, and through symlinks" {
	contained whiteout-dot
	contained whiteout-dot-dot
	contained whiteout-empty
	contained whiteout-through-symlink
	contained opaque-through-symlink
}

@test "layer: an opaque marker hides what is below only, in any order" {
	for kind in opaque-first opaque-late; do
		hostile lower $kind
		assert_equal "$status" 0
		inside sh -c 'cat /d/high; cat /d/sub/x; ls /d/low 2>&1'
		[[ $output == hx*"No such file"* ]] || fail "$kind: $output" || return
		coracle images delete --sync hostile
	done
}

@test "layer: overlay's own xattrs never take effect (umoci)" {
	for kind in overlay-redirect overlay-opaque overlay-metacopy; do
		hostile lower $kind
		if [ "$status" -eq 0 ]; then
			inside sh -c 'cat /d/low; ls /d'
			[[ $output == low* && $output != *s$'\n'* ]] || fail "$kind: $output" || return
			coracle images delete --sync hostile
		fi
	done
}

@test "layer: a character device 0:0 is no whiteout of a lower file for free" {
	hostile lower device-whiteout
	canary_is_well
	# Refused, or a device node as it says: containerd's overlay cannot tell it from a whiteout, so both are right; a crash is not.
	[ "$status" -le 1 ]
}

@test "layer: tar desync (CVE-2025-62518): PAX size and ustar size differ" {
	hostile pax-size-mismatch
	if [ "$status" -eq 0 ]; then
		inside sh -c 'ls /smuggled 2>/dev/null; wc -c </outer; cat /after'
		assert_equal "$output" $'1024\na'
	fi
}

@test "layer: malformed and hostile numbers are errors, with bounded memory (CVE-2025-58183)" {
	for kind in negative-size huge-size long-name-bomb sparse-bomb bad-pax bad-checksum huge-device not-a-tar; do
		"$MKIMAGE" tree-tar "$RIG/layer.tar" $kind
		"$MKIMAGE" layout "$RIG/hostile.tar" --layer "$RIG/layer.tar" --name hostile >/dev/null
		if [ -n "${CORACLE_SANITIZED:-}" ]; then
			run --separate-stderr timeout 60 coracle images import "$RIG/hostile.tar"
		else
			# 512 MiB of address space for everything, libraries included.
			run --separate-stderr bash -c "ulimit -v 524288; timeout 60 coracle images import $RIG/hostile.tar"
		fi
		[ "$status" -eq 1 ] || [ $kind = huge-device ] || fail "$kind: exit $status $stderr" || return
		[ "$status" -le 1 ] || fail "$kind: exit $status" || return
		coracle images delete --sync hostile >/dev/null 2>&1 || true
	done
	coracle gc
}

@test "layer: a bomb of 3 GiB of zeros on a small disk is a clean error, and nothing stays" {
	need_losetup
	loop_fs 64 "$RIG/small"
	python3 - "$RIG/bomb.tar.gz" <<'END'
import gzip, sys, tarfile
info = tarfile.TarInfo("bomb")
info.size = 3 << 30
with gzip.open(sys.argv[1], "wb", 1) as out:
    out.write(info.tobuf())
    for _ in range(info.size >> 20):
        out.write(bytes(1 << 20))
    out.write(bytes(1024))
END
	run --separate-stderr timeout 120 coracle --root "$RIG/small/root" images import --rootfs - bomb <"$RIG/bomb.tar.gz"
	assert_error 1 'no space left on device'
	coracle --root "$RIG/small/root" gc
	assert_equal "$(coracle --root "$RIG/small/root" content list -q)" ""
	used=$(df -k --output=used "$RIG/small" | tail -n 1)
	[ "$used" -lt 8000 ] || fail "$used KiB still used"
	loop_fs_down "$RIG/small"
}

@test "layer: a path three thousand directories deep is handled or refused" {
	contained deep-path
}

# ---- names and digests -------------------------------------------------------------------------------------------------------

@test "digest syntax is checked before any path is made of it (CVE-2024-3727)" {
	for bad in 'sha256:../../x' 'sha256:abc' "sha256:$(printf 'A%.0s' $(seq 64))" 'md5:00' '../../etc/passwd' "sha256:$(printf 'a%.0s' $(seq 65))"; do
		run --separate-stderr coracle content get "$bad"
		assert_error 1 . || fail "$bad" || return
	done
}

@test "IDs: no path, not too long (crun)" {
	for bad in '../../x' 'a/../b' '..' '.' "$(printf 'x%.0s' $(seq 200))"; do
		run --separate-stderr coracle containers create busybox "$bad" true
		[ "$status" -eq 1 ] || fail "$bad" || return
		run --separate-stderr coracle snapshots prepare "$bad" ''
		[ ! -e "$CORACLE_ROOT/../x" ]
		run --separate-stderr coracle --namespace "$bad" images list
		[ "$status" -eq 1 ] || fail "namespace $bad" || return
	done
	coracle gc
}

@test "image names with slashes, dots and control characters are names, not paths or terminal commands" {
	coracle images tag --skip-reference-check busybox '../../x/y:z'
	coracle images delete '../../x/y:z'
	coracle images tag --skip-reference-check busybox $'red\e[31mname' || true
	run coracle images list
	[[ $output != *$'\e'* ]] || fail "a control character reaches the terminal"
	coracle images delete $'red\e[31mname' || true
}

@test "reserved labels of an image are stripped (CVE-2026-53488), large ones left out" {
	big=$(printf 'v%.0s' $(seq 5000))
	make_image reserved --config "{\"Cmd\":[\"/bin/true\"],\"Labels\":{\"containerd.io/restart.status\":\"running\",\"io.cri-containerd.x\":\"y\",\"big\":\"$big\",\"ok\":\"1\"}}"
	coracle containers create reserved "$id"
	run coracle containers info "$id"
	assert_equal "$(jq -r '.Labels | keys | join(" ")' <<<"$output" | tr ' ' '\n' | grep -cE 'restart.status|io.cri-containerd')" 0
	assert_equal "$(jq -r .Labels.ok <<<"$output")" 1
	coracle containers delete "$id"
	coracle images delete --sync reserved
}

# ---- users -------------------------------------------------------------------------------------------------------------------

user_image() { # USER [KIND]
	local layers=()
	[ -z "${2:-}" ] || {
		"$MKIMAGE" tree-tar "$RIG/u.tar" "$2" --canary "$CANARY"
		layers=(--layer "$RIG/u.tar")
	}
	make_image users "${layers[@]}" --config "{\"Cmd\":[\"/bin/id\"],\"User\":\"$1\"}"
}

@test "USER out of range is an error, never a name (CVE-2024-40635)" {
	for user in 2147483648 4294967296 99999999999999999999 -1000 1000:99999999999 1000:-1; do
		user_image "$user" passwd-numeric-name
		run --separate-stderr coracle run --rm users "$id"
		[ "$status" -ne 0 ] || fail "user $user ran: $output" || return
		coracle images delete --sync users
	done
}

@test "USER that is a number is a number, though a passwd entry has that name (CVE-2026-30892)" {
	user_image 1000 passwd-numeric-name
	run coracle run --rm users "$id"
	[[ $output == uid=1000* ]] || fail "$output"
	coracle images delete --sync users
}

@test "supplementary groups are set (CVE-2023-25173)" {
	user_image user
	run coracle run --rm users "$id" id -G
	assert_equal "$(tr ' ' '\n' <<<"$output" | sort -n | tr '\n' ' ')" "6 29 1000 "
	coracle images delete --sync users
}

@test "passwd: a FIFO, a device, an outward link, a link loop, 13 MB: an error or no user, never a hang (CVE-2026-47262)" {
	for kind in passwd-fifo passwd-device passwd-loop passwd-huge; do
		user_image user $kind
		run --separate-stderr timeout 30 coracle run --rm users "$id"
		[ "$status" -eq 1 ] || fail "$kind: exit $status $output" || return
		coracle images delete --sync users
	done
	user_image evil passwd-outward
	run --separate-stderr timeout 30 coracle run --rm users "$id"
	[ "$status" -eq 1 ] || fail "the host's passwd was read: $output"
	coracle images delete --sync users
	canary_is_well
}

@test "passwd: an absolute link is followed inside the root" {
	user_image inner passwd-absolute-in-root
	run coracle run --rm users "$id"
	[[ $output == uid=4242*gid=4243* ]] || fail "$output"
	coracle images delete --sync users
}

# ---- paths of the image --------------------------------------------------------------------------------------------------------

@test "WORKDIR and /etc through outward symlinks stay inside (CVE-2022-23648, CVE-2024-5154)" {
	hostile workdir-outward
	run --separate-stderr coracle run --rm --cwd /work hostile "$id" sh -c 'touch /work/owned'
	[ ! -e "$CANARY/owned" ]
	canary_is_well
	coracle images delete --sync hostile
	hostile etc-outward
	run --separate-stderr coracle run --rm --net-host hostile "$id-2" true
	canary_is_well
	coracle images delete --sync hostile
}

@test "a working directory in /proc/self/fd does not leave the container (CVE-2024-21626)" {
	for n in 3 4 5 6 7 8 9 10 11 12; do
		run --separate-stderr coracle run --rm --cwd "/proc/self/fd/$n" busybox "$id-$n" cat ../../../../../etc/hostname
		[ "$status" -ne 0 ] || assert_equal "$output" "" || return
	done
}

# ---- the host's side -----------------------------------------------------------------------------------------------------------

@test "directory modes (CVE-2021-41103): root 0700, state 0711, bundle 0700" {
	detached "$id" sleep 100
	assert_equal "$(stat -c %a "$CORACLE_ROOT")" 700
	assert_equal "$(stat -c %a "$CORACLE_STATE")" 711
	assert_equal "$(stat -c %a "$CORACLE_STATE/$NS/$id")" 700
	assert_equal "$(stat -c %a "$CORACLE_STATE/$NS/$id/shim.sock")" 600
}

@test "as uid 1000: nothing of the store or of a container can be read or entered" {
	need setpriv
	detached "$id" sleep 100
	run setpriv --reuid 1000 --regid 1000 --clear-groups find "$CORACLE_ROOT" "$CORACLE_STATE/$NS/$id" -mindepth 1
	[[ $output != *"$CORACLE_ROOT/"[a-z]* ]] || fail "$output"
	run setpriv --reuid 1000 --regid 1000 --clear-groups cat "$CORACLE_STATE/$NS/$id/config.json"
	[ "$status" -ne 0 ]
	run setpriv --reuid 1000 --regid 1000 --clear-groups ls "$CORACLE_ROOT"
	[ "$status" -ne 0 ]
}

@test "modes that are too open are mended at the next command" {
	chmod 0755 "$CORACLE_ROOT"
	coracle images list >/dev/null
	assert_equal "$(stat -c %a "$CORACLE_ROOT")" 700
}

@test "shim socket: none abstract, and uid 1000 cannot connect (CVE-2020-15257)" {
	need setpriv
	detached "$id" sleep 100
	socket=$CORACLE_STATE/$NS/$id/shim.sock
	grep -F 'shim' /proc/net/unix | lacks '@'
	run setpriv --reuid 1000 --regid 1000 --clear-groups "$RIG/rootfs/bin/probe" connect "$socket"
	[[ $output == connect:*"ermission denied"* ]] || fail "$output"
}

@test "shim socket: a peer of another uid is turned away even when it can reach the socket" {
	need setpriv
	detached "$id" sleep 100
	bundle=$CORACLE_STATE/$NS/$id
	chmod 0755 "$CORACLE_STATE/$NS" "$bundle"
	chmod 0666 "$bundle/shim.sock"
	run timeout 20 setpriv --reuid 1000 --regid 1000 --clear-groups "$RIG/rootfs/bin/probe" connect "$bundle/shim.sock"
	chmod 0600 "$bundle/shim.sock"
	chmod 0700 "$bundle"
	[[ $output == "read 0" || $output == "read: "*reset* ]] || fail "$output"
	assert_equal "$(task_status "$id")" RUNNING
}

@test "shim socket: a frame of 4 GiB is refused before memory is taken" {
	detached "$id" sleep 100
	before=$(awk '/^VmHWM/ { print $2 }' "/proc/$(shim_pid "$id")/status")
	for length in 0xffffffff 0x7fffffff 0x500000; do
		run timeout 20 "$RIG/rootfs/bin/probe" connect "$CORACLE_STATE/$NS/$id/shim.sock" $length
		[ "$status" -ne 124 ] || fail "hangs at $length" || return
	done
	after=$(awk '/^VmHWM/ { print $2 }' "/proc/$(shim_pid "$id")/status")
	[ $((after - before)) -lt 2048 ] || [ -n "${CORACLE_SANITIZED:-}" ] || fail "from $before to $after KiB"
	assert_equal "$(task_status "$id")" RUNNING
}

@test "shim socket: connections that say nothing do not keep others out" {
	detached "$id" sleep 100
	pids=()
	for n in $(seq 20); do
		timeout 30 "$RIG/rootfs/bin/probe" connect "$CORACLE_STATE/$NS/$id/shim.sock" >/dev/null 3>&- &
		pids+=($!)
	done
	sleep 0.3
	run timeout 20 coracle tasks exec --exec-id e "$id" probe exit 3
	assert_equal "$status" 3
	kill "${pids[@]}" 2>/dev/null || true
}

@test "the container cannot overwrite the shim or the runtime (CVE-2019-5736)" {
	shim=$(command -v coracle-shim)
	before=$(sha256sum "$shim" "$(command -v runc)" "$CORACLE")
	run coracle run --rm busybox "$id" sh -c 'for p in /proc/[0-9]*; do echo x >$p/exe; done; echo x >/proc/self/exe' 2>/dev/null
	detached "$id-2" sh -c 'sleep 100'
	run coracle tasks exec --exec-id e "$id-2" sh -c 'for p in /proc/[0-9]*; do echo x >>$p/exe; done'
	assert_equal "$(sha256sum "$shim" "$(command -v runc)" "$CORACLE")" "$before"
}

@test "capabilities: inheritable empty (CVE-2022-24769); no cgroup can be written" {
	run coracle run --rm busybox "$id" sh -c 'grep CapInh /proc/self/status; mkdir /sys/fs/cgroup/x 2>&1; mount | grep cgroup'
	assert_equal "${lines[0]}" $'CapInh:\t0000000000000000'
	[[ $output == *"Read-only"* || $output == *"No such"* || $output == *"not permitted"* || $output == *"Permission denied"* ]] || fail "$output"
}

@test "masked and read-only paths" {
	run coracle run --rm busybox "$id" sh -c 'for f in kcore keys latency_stats timer_list sched_debug; do
		[ ! -e /proc/$f ] || [ -z "$(head -c 1 /proc/$f)" ] || echo "$f shows something"
	done
	for d in acpi scsi; do [ -z "$(ls /proc/$d 2>/dev/null)" ] || echo "$d shows something"; done
	for f in bus fs irq sys sysrq-trigger; do
		[ ! -e /proc/$f ] || grep -q " /proc/$f proc ro," /proc/mounts || echo "$f can be written"
	done
	echo x >/proc/sys/kernel/hostname'
	assert_equal "${#lines[@]}" 1
	[[ $output == *"Read-only file system"* ]] || fail "$output"
}
