#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# kill -9 at every step of an import, a delete and a run, by fault injection: the next command works, nothing that a command
# had reported is gone, and `gc` brings the store back to what it was.

load lib
setup_file() {
	rig_up
	"$MKIMAGE" tree-tar "$BATS_FILE_TMPDIR/small.tar" opaque-late
	tar_dir "$RIG/rootfs" "$RIG/base.tar"
	"$MKIMAGE" layout "$RIG/victim.tar" --layer "$BATS_FILE_TMPDIR/small.tar" --name victim --config '{"Cmd":["/bin/true"]}' >/dev/null
}
teardown_file() { rig_down; }
setup() {
	id=$(id_for)
	need strace
	traced_env
}
teardown() { rig_clear; }

# The calls that change something outside the process.
CHANGING=openat,mkdirat,renameat,renameat2,unlinkat,linkat,symlinkat,pwrite64,write,writev,fsync,fdatasync,syncfs,ftruncate,flock,fcntl,mount,umount2,sendmsg,fchmodat,fchownat,utimensat

# How many of them a command makes when nothing goes wrong. Only the client is traced: a shim that outlives it would keep
# strace waiting.
count_calls() {
	strace -o "$RIG/trace" -e trace=$CHANGING "$@" >/dev/null 2>&1 </dev/null || true
	grep -cE '^[a-z]' "$RIG/trace"
}

killed_at() { # N COMMAND...
	local n=$1
	shift
	timeout 60 strace -o /dev/null -e trace=$CHANGING -e inject=$CHANGING:signal=KILL:when="$n" "$@" >/dev/null 2>&1 </dev/null || true
}

# The numbers at which a sweep over N calls kills: all of the first hundred, then spread out, some 150 in all.
sweep() {
	local total=$1 step
	step=$(((total - 100) / 50 + 1))
	[ "$step" -ge 1 ] || step=1
	{
		seq 1 1 "$((total < 100 ? total : 100))"
		seq 101 "$step" "$total"
	} | if [ -n "${CORACLE_SANITIZED:-}" ]; then awk 'NR % 5 == 1'; else cat; fi
}

# A partial write is kept for a day, to be resumed; then gc takes it. A day passes:
gc_next_day() {
	find "$CORACLE_ROOT/content/ingest" -mindepth 1 -exec touch -h -d '25 hours ago' {} +
	coracle gc >/dev/null
}

# Store, import, delete and run still do their work.
assert_works() { # WHERE
	coracle images list >/dev/null || fail "$1: images list" || return
	coracle images import "$RIG/victim.tar" >/dev/null || fail "$1: the import again" || return
	coracle images check | grep -q '^victim .*complete' || fail "$1: the image is not complete" || return
}

@test "an import killed at every step: the next import works, and gc brings back the baseline" {
	coracle images import "$RIG/victim.tar" >/dev/null
	coracle images delete --sync victim
	coracle gc
	take_baseline
	total=$(count_calls coracle images import "$RIG/victim.tar")
	[ "$total" -gt 30 ] || fail "only $total calls"
	coracle images delete --sync victim
	for n in $(sweep "$total"); do
		killed_at "$n" coracle images import "$RIG/victim.tar"
		assert_works "killed at call $n of $total" || return
		coracle images delete --sync victim
		if [ $((n % 10)) -eq 0 ]; then
			gc_next_day
			assert_baseline || fail "killed at call $n of $total" || return
		fi
	done
	gc_next_day
	assert_baseline
}

@test "an import killed at every step, and then gc alone: the baseline" {
	coracle gc
	take_baseline
	total=$(count_calls coracle images import "$RIG/victim.tar")
	coracle images delete --sync victim
	coracle gc
	for n in $(sweep "$total" | awk 'NR % 4 == 0'); do
		killed_at "$n" coracle images import "$RIG/victim.tar"
		coracle images delete --sync victim >/dev/null 2>&1 || true
		gc_next_day || fail "gc after a kill at call $n" || return
		assert_baseline || fail "killed at call $n of $total" || return
	done
}

@test "the import of a root file system killed at every step" {
	coracle gc
	take_baseline
	mkdir -p "$RIG/tiny/etc"
	echo x >"$RIG/tiny/etc/x"
	total=$(count_calls coracle images import --rootfs "$RIG/tiny" tiny)
	coracle images delete --sync tiny
	for n in $(sweep "$total" | awk 'NR % 2 == 0'); do
		killed_at "$n" coracle images import --rootfs "$RIG/tiny" tiny
		coracle images import --rootfs "$RIG/tiny" tiny >/dev/null || fail "the import again, after a kill at call $n" || return
		coracle images delete --sync tiny
	done
	gc_next_day
	assert_baseline
}

@test "a delete killed at every step: either still there and whole, or gone; the store works" {
	coracle gc
	take_baseline
	coracle images import "$RIG/victim.tar" >/dev/null
	total=$(count_calls coracle images delete --sync victim)
	for n in $(sweep "$total"); do
		coracle images import "$RIG/victim.tar" >/dev/null || fail "import before a kill at $n" || return
		killed_at "$n" coracle images delete --sync victim
		if coracle images list -q | grep -qx victim; then
			coracle images check | grep -q '^victim .*complete' || fail "listed but not whole after a kill at $n" || return
		fi
		assert_works "killed at call $n of $total" || return
	done
	coracle images delete --sync victim
	gc_next_day
	assert_baseline
}

@test "a run killed at every step: the container can be deleted, the name used again" {
	coracle gc
	run coracle run --rm busybox "$id" true
	take_baseline
	total=$(count_calls coracle run --rm busybox "$id" true)
	for n in $(sweep "$total"); do
		killed_at "$n" coracle run --rm busybox "$id" true
		coracle tasks delete --force "$id" >/dev/null 2>&1 || true
		coracle containers delete "$id" >/dev/null 2>&1 || true
		run timeout 60 coracle run --rm busybox "$id" probe exit 5
		if [ "$status" -ne 5 ]; then
			# A snapshot without a container is garbage: gc takes it.
			coracle gc >/dev/null
			run timeout 60 coracle run --rm busybox "$id" probe exit 5
		fi
		[ "$status" -eq 5 ] || fail "after a kill at call $n of $total: $output" || return
	done
	gc_next_day
	assert_baseline
}

@test "what import reported survives: killed right after its last line, the image is whole" {
	coracle images import "$RIG/victim.tar" | {
		read -r line
		[ -n "$line" ]
	}
	coracle images check | grep -q '^victim .*complete.*true'
	coracle images delete --sync victim
}

@test "a detached run killed while its container is made: deleted, nothing of it stays, control groups neither" {
	coracle gc
	coracle run --rm busybox "$id" true
	take_baseline
	for delay in 0.01 0.02 0.03 0.04 0.05 0.06 0.08 0.1 0.15; do
		coracle run -d busybox "$id" sleep 1000 >/dev/null 2>&1 3>&- &
		client=$!
		sleep "$delay"
		kill -KILL $client 2>/dev/null || true
		wait $client || true
		wait_for 20 is_deleted
		gc_next_day
		assert_baseline || fail "killed after $delay s" || return
	done
}

is_deleted() {
	coracle tasks delete --force "$id" >/dev/null 2>&1 || true
	coracle containers delete "$id" >/dev/null 2>&1 || true
	[ -z "$(coracle containers list -q)" ]
}
