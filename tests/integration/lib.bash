# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the integration tests share. A bats file says
#
#     load lib
#     setup_file() { rig_up; }
#     teardown_file() { rig_down; }
#     teardown() { rig_clear; }
#
# and has then: a store and a state directory of its own ($CORACLE_ROOT, $CORACLE_STATE), a namespace of its own (so that its
# control groups can be told apart, and files can run side by side), `coracle` and the shim on the PATH, and the image
# `busybox` (Debian's busybox-static, our probe, a small passwd).

bats_require_minimum_version 1.5.0

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
TOP=$(dirname "$(dirname "$HERE")")
CACHE=${CORACLE_TEST_CACHE:-/var/tmp/coracle-test-cache}
MKIMAGE=$HERE/mkimage.py

# ---- set-up ------------------------------------------------------------------------------------------------------------

# rig_up [noimage]
rig_up() {
	local build=${CORACLE_BUILD:-$TOP/build/gcc} dirs
	# The short directory keeps socket paths below 108 bytes; lifecycle.bats tests longer ones.
	RIG=$(mktemp -d "${TMPDIR:-/tmp}/r.XXXX")
	chmod 0755 "$RIG"
	CORACLE_ROOT=$RIG/root
	CORACLE_STATE=$RIG/state
	CONTAINERD_NAMESPACE=ct-${CORACLE_TEST_ID:-$$}
	NS=$CONTAINERD_NAMESPACE
	# The programs under test, and nothing else, come from the build directory.
	dirs=$(find "$build/src" -maxdepth 2 -type f -name 'coracle*' -perm -u+x -printf '%h\n' | sort -u | tr '\n' ':')
	[ -n "$dirs" ] || {
		echo "no programs in $build/src" >&2
		return 1
	}
	PATH=$dirs$PATH
	CORACLE=$(command -v coracle)
	TMUX_TMPDIR=$RIG
	export RIG CORACLE_ROOT CORACLE_STATE CONTAINERD_NAMESPACE NS PATH CORACLE TMUX_TMPDIR
	unset CONTAINERD_SNAPSHOTTER CONTAINERD_ADDRESS SOURCE_DATE_EPOCH
	"$TOP/tools/hybrid-cgroups" up >/dev/null
	[ "${1:-}" = noimage ] || {
		make_rootfs "$RIG/rootfs"
		coracle images import --rootfs "$RIG/rootfs" busybox
	}
}

rig_down() {
	[ -n "${RIG:-}" ] || return 0
	rig_clear
	rig_kill
	awk -v p="$RIG/" 'index($5, p) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r point; do
		umount -l "$point"
	done
	remove_cgroups
	rm -rf "$RIG"
}

# After each test: no container of it goes on to the next.
rig_clear() {
	local id
	[ -n "${RIG:-}" ] || return 0
	for id in $(coracle tasks list -q 2>/dev/null); do
		coracle tasks delete --force "$id" >/dev/null 2>&1
	done
	for id in $(coracle containers list -q 2>/dev/null); do
		coracle containers delete "$id" >/dev/null 2>&1
	done
	# Nobody left: nothing to look for.
	[ -z "$(ls -A "$CORACLE_STATE/$NS" 2>/dev/null)" ] || rig_kill
	return 0
}

# Ends shims and containers of this rig, by process id.
rig_kill() {
	local pid
	for pid in $(rig_processes); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	return 0
}

remove_cgroups() {
	[[ ${NS:-} == ct-* ]] || return 0
	find /sys/fs/cgroup -depth -type d -path "*/$NS*" -exec rmdir {} \; 2>/dev/null || true
}

make_rootfs() { # DIR
	local dir=$1 probe=${TMPDIR:-/tmp}/probe
	mkdir -p "$dir"/{bin,etc,proc,sys,dev,tmp,root,home/user,run,var,opt}
	chmod 1777 "$dir/tmp"
	cp /bin/busybox "$dir/bin/busybox"
	/bin/busybox --list | while read -r applet; do
		[ "$applet" = busybox ] || ln -sf busybox "$dir/bin/$applet"
	done
	cc -O1 -static -D_GNU_SOURCE -o "$dir/bin/probe" "$HERE/probe.c"
	printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'user:x:1000:1000:a user:/home/user:/bin/sh' 'daemon:x:2:2::/:/bin/false' >"$dir/etc/passwd"
	printf '%s\n' 'root:x:0:root' 'user:x:1000:' 'daemon:x:2:' 'disk:x:6:root,user' 'audio:x:29:user' >"$dir/etc/group"
	chown 1000:1000 "$dir/home/user"
}

# tar of a directory, without the noise of who made it
tar_dir() { # DIR OUT
	tar -C "$1" --numeric-owner --xattrs --xattrs-include='*' -cf "$2" .
}

# make_image NAME [mkimage.py's layout options]: an image with our root file system as its first layer, imported.
make_image() {
	local name=$1
	shift
	[ -f "$RIG/base.tar" ] || tar_dir "$RIG/rootfs" "$RIG/base.tar"
	"$MKIMAGE" layout "$RIG/image.tar" --layer "$RIG/base.tar" --name "$name" "$@" >/dev/null
	coracle images import "$RIG/image.tar" >/dev/null
	rm -f "$RIG/image.tar"
}

# ---- small helpers -----------------------------------------------------------------------------------------------------

# A container ID that no other test has.
id_for() {
	echo "t$BATS_TEST_NUMBER${1:+-$1}"
}

fail() {
	printf '%s\n' "$@" >&2
	return 1
}

# wait_for SECONDS COMMAND... : until it succeeds
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "not within its time: $*" || return
		sleep 0.05
	done
}

task_status() {
	coracle tasks list | awk -v id="$1" '$1 == id { print $3 }'
}

task_pid() {
	coracle tasks list | awk -v id="$1" '$1 == id { print $2 }'
}

has_status() {
	[ "$(task_status "$1")" = "$2" ]
}

shim_pid() {
	cut -d ' ' -f 1 "$CORACLE_STATE/$NS/$1/shim.pid"
}

# The process is gone, or a zombie that somebody else will reap.
is_gone() {
	[ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null || [ ! -d "/proc/$1" ]
}

detached() { # ID COMMAND...
	coracle run -d busybox "$@" >/dev/null
}

# What a failed command said: one line on standard error, "coracle: …", exit code in $status. Use with run --separate-stderr.
# A runtime that fails writes its own line first: its standard error is the container's, so the caller's.
assert_error() { # CODE PATTERN
	stderr=$(grep -vE '^((runc (run|create|exec|start)|exec) failed: |.* level=error msg="(runc |exec failed))' <<<"$stderr")
	readarray -t stderr_lines <<<"$stderr"
	[ "$status" -eq "$1" ] || fail "exit code $status instead of $1" "stdout: $output" "stderr: $stderr" || return
	[ "${#stderr_lines[@]}" -eq 1 ] || fail "not one line: $stderr" || return
	[[ $stderr == coracle:* ]] || fail "does not begin with 'coracle:': $stderr" || return
	[[ $stderr =~ $2 ]] || fail "does not match '$2': $stderr"
}

# Waits for a background command of this test: its exit code in $status. (bats' `run` has no children of ours.)
finish() { # PID
	status=0
	wait "$1" || status=$?
}

# Standard input has no line that grep finds with these arguments.
lacks() {
	local found
	found=$(grep "$@") || return 0
	fail "should not be there: $found"
}

assert_equal() {
	[ "$1" = "$2" ] || fail "have: $1" "want: $2"
}

# ---- the baseline: what must be as it was --------------------------------------------------------------------------------

# Processes of this rig, and nobody else's: shims (our program, at work in our state directory) and what runs in our containers
# (mounts of ours, in a mount namespace that is not ours: the comparison is exact, since a wrong one would name every process).
rig_processes() {
	local own dir
	own=$(readlink /proc/self/ns/mnt)
	[[ -n ${RIG:-} && -n ${CORACLE_STATE:-} && $CORACLE_STATE == "$RIG"/* && $own == mnt:* ]] || return 0
	{
		find /proc -maxdepth 2 -regex '/proc/[0-9]+/cwd' -printf '%h %l\n' | awk -v p="$CORACLE_STATE/" 'index($2, p) == 1 { print $1 }' |
			while read -r dir; do
				case $(readlink "$dir/exe") in */coracle-shim | */runc | */crun) echo "$dir" ;; esac
			done
		find /proc -maxdepth 3 -regex '/proc/[0-9]+/ns/mnt' -printf '%h %l\n' | awk -v own="$own" '$2 != "" && $2 != own { print $1 }' |
			sed 's|/ns$|/mountinfo|' | xargs -r grep -lsF "$RIG/" | sed 's|/mountinfo$||'
	} 2>/dev/null | sed 's|^/proc/||' | sort -un
	return 0
}

# One line per thing; the store's own bookkeeping files are left out: SQLite's, lock files, and the logs of containers.
rig_state() {
	echo "mounts:"
	awk -v p="$RIG/" 'index($5, p) == 1 { print $5 }' /proc/self/mountinfo | sort
	echo "cgroups:"
	find /sys/fs/cgroup -mindepth 1 -type d -path "*/$NS/*" 2>/dev/null | sort
	echo "processes:"
	for pid in $(rig_processes); do
		is_gone "$pid" || tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline"
	done
	echo "sockets:"
	grep -F "$CORACLE_STATE" /proc/net/unix | awk '{ print $NF }' | sort
	echo "state:"
	find "$CORACLE_STATE" -mindepth 2 2>/dev/null | grep -vE "^$CORACLE_STATE/(locks|\.runc/[^/]*$)" | sort
	echo "store:"
	find "$CORACLE_ROOT" -mindepth 1 -maxdepth 4 2>/dev/null |
		grep -vE "^$CORACLE_ROOT/(metadata\.db.*|reserve|native(/snapshots)?|locks(/.*)?|.*\.lock|logs(/$NS)?)$" | sort
	echo "records:"
	coracle containers list -q | sort
	coracle snapshots list | awk 'NR > 1' | sort
	coracle snapshots --snapshotter native list 2>/dev/null | awk 'NR > 1' | sort
	coracle images list -q | sort
	coracle content list -q | sort
	coracle leases list -q | sort
}

# After a test has warmed up what it uses: how it should be again at its end.
take_baseline() {
	rig_state >"$RIG/baseline"
}

# Things end in their own time (a shim after its last answer): looks again for up to 10 seconds.
assert_baseline() {
	local i
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		rig_state >"$RIG/now"
		cmp -s "$RIG/baseline" "$RIG/now" && return 0
		sleep 0.5
	done
	fail "not back at the baseline ($i looks):" "$(diff "$RIG/baseline" "$RIG/now")"
}

# ---- terminals -----------------------------------------------------------------------------------------------------------

# Runs a command line with a terminal of its own, input from standard input; its output without carriage returns.
with_terminal() {
	script -qefc "$1" /dev/null | tr -d '\r'
	return "${PIPESTATUS[0]}"
}

# A tmux of this test: tmux_start COMMAND, tmux_keys KEYS..., tmux_screen
tmux_start() {
	# A server of its own each time: one that is just ending would be taken for it.
	TMUX_COUNT=$((${TMUX_COUNT:-0} + 1))
	tmux_do -f /dev/null new-session -d -x 100 -y 30 "$1"
}

tmux_do() {
	tmux -L "t$BATS_TEST_NUMBER-${TMUX_COUNT:-0}" "$@"
}

tmux_screen() {
	tmux_do capture-pane -p
}

screen_has() {
	tmux_screen | grep -qE -- "$1"
}

tmux_stop() {
	tmux_do kill-server 2>/dev/null || true
}

# ---- other people's tools --------------------------------------------------------------------------------------------------

need() { # PROGRAM...: skips the test where a package is missing
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null 2>&1 || skip "no $program (tools/install-deps test)"
	done
}

need_losetup() {
	losetup -f >/dev/null 2>&1 || skip "the kernel has no free loop device (CONFIG_BLK_DEV_LOOP)"
}

# A small file system of its own on a loop device: loop_fs MIB MOUNTPOINT [mkfs options]
loop_fs() {
	local size=$1 point=$2
	shift 2
	truncate -s "${size}M" "$point.img"
	mkfs.ext4 -q -F "$@" "$point.img"
	mkdir -p "$point"
	mount -o loop "$point.img" "$point"
}

loop_fs_down() {
	umount "$1" && rm -rf "$1" "$1.img"
}

# Under AddressSanitizer LeakSanitizer cannot work when the program is being traced.
traced_env() {
	if [ -n "${CORACLE_SANITIZED:-}" ]; then
		export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" LSAN_OPTIONS=detect_leaks=0
	fi
}

# A Debian root file system made by debootstrap, once per machine: prints the tar's path.
debian_tar() { # SUITE
	local suite=$1 tar=$CACHE/$1.tar
	mkdir -p "$CACHE"
	(
		flock 9
		[ -f "$tar" ] && exit 0
		work=$(mktemp -d "$CACHE/work.XXXXXX")
		mirror=$(sed -n 's/^URIs: *\(http[^ ]*\).*/\1/p; s/^deb *\(\[[^]]*\] *\)\?\(http[^ ]*\/debian\) .*/\2/p' \
			/etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null | grep -E '/debian/?$' | head -n 1)
		debootstrap --variant=minbase --no-merged-usr "$suite" "$work/tree" ${mirror:+"$mirror"} >"$CACHE/$suite.log" 2>&1 ||
			debootstrap --variant=minbase "$suite" "$work/tree" ${mirror:+"$mirror"} >"$CACHE/$suite.log" 2>&1 || {
			rm -rf "$work"
			exit 1
		}
		rm -rf "$work/tree/var/cache/apt/archives/"*.deb "$work/tree/var/lib/apt/lists/"*
		tar -C "$work/tree" --numeric-owner --xattrs --xattrs-include='*' -cf "$tar.part" . && mv "$tar.part" "$tar"
		rm -rf "$work"
	) 9>"$CACHE/$suite.lock" || fail "debootstrap $suite failed: $(tail -n 5 "$CACHE/$suite.log")" || return
	echo "$tar"
}
