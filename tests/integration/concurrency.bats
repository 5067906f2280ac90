#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many processes on one store.

load lib
setup_file() {
	rig_up
	tar_dir "$RIG/rootfs" "$RIG/base.tar"
}
teardown_file() { rig_down; }
setup() { id=$(id_for); }
teardown() { rig_clear; }

# image_file OUT NAME EXTRA: base layer (shared) and a layer of its own
image_file() {
	mkdir -p "$RIG/extra"
	printf '%s' "$3" >"$RIG/extra/which"
	tar -C "$RIG/extra" -cf "$RIG/extra-$2.tar" .
	"$MKIMAGE" layout "$1" --layer "$RIG/base.tar" --layer "$RIG/extra-$2.tar" --name "$2" >/dev/null
}

all_good() { # PID...
	local pid bad=0
	for pid in "$@"; do
		wait "$pid" || bad=$((bad + 1))
	done
	[ $bad -eq 0 ] || fail "$bad of $# failed: $(cat "$RIG"/log-* 2>/dev/null | sort | uniq -c | head -n 20)"
}

@test "two imports of the same image at once: both succeed, one copy" {
	for round in 1 2 3 4 5; do
		image_file "$RIG/same.tar" same "round $round"
		pids=()
		for n in 1 2; do
			coracle images import "$RIG/same.tar" >"$RIG/log-$n" 2>&1 3>&- &
			pids+=($!)
		done
		all_good "${pids[@]}"
		run coracle run --rm same "$id" cat /which
		assert_equal "$output" "round $round"
		assert_equal "$(coracle snapshots list | grep -c Committed)" "$(coracle snapshots list | awk '$NF == "Committed" { print $1 }' | sort -u | wc -l)"
		coracle images delete --sync same
	done
}

@test "eight imports of images that share a layer" {
	pids=()
	for n in $(seq 8); do image_file "$RIG/share-$n.tar" "share-$n" "$n"; done
	for n in $(seq 8); do
		coracle images import "$RIG/share-$n.tar" >"$RIG/log-$n" 2>&1 3>&- &
		pids+=($!)
	done
	all_good "${pids[@]}"
	for n in $(seq 8); do
		run coracle run --rm "share-$n" "$id" cat /which
		assert_equal "$output" "$n"
		coracle images delete "share-$n"
	done
}

@test "gc all the time during imports takes nothing that they need" {
	image_file "$RIG/gc.tar" during-gc "gc"
	(while [ ! -e "$RIG/stop" ]; do coracle gc >/dev/null 2>>"$RIG/log-gc" || echo "gc failed" >>"$RIG/log-gc"; done) 3>&- &
	collector=$!
	for round in $(seq 10); do
		coracle images import "$RIG/gc.tar" >/dev/null || { touch "$RIG/stop"; fail "import $round"; }
		run coracle run --rm during-gc "$id" cat /which
		assert_equal "$output" gc || { touch "$RIG/stop"; return 1; }
		coracle images delete --sync during-gc
	done
	touch "$RIG/stop"
	wait $collector
	[ ! -s "$RIG/log-gc" ] || fail "$(sort "$RIG/log-gc" | uniq -c)"
	rm -f "$RIG/stop"
}

@test "the same ID sixteen times at once: one wins, the others say so, nothing is left" {
	take_baseline
	pids=()
	for n in $(seq 16); do
		coracle run -d busybox "$id" sleep 1000 >"$RIG/same-$n" 2>&1 3>&- &
		pids+=($!)
	done
	won=0
	for n in $(seq 16); do
		if wait "${pids[n - 1]}"; then
			won=$((won + 1))
		else
			grep -qE "already exists" "$RIG/same-$n" || fail "$(cat "$RIG/same-$n")" || return
		fi
	done
	assert_equal "$won" 1
	assert_equal "$(task_status "$id")" RUNNING
	coracle tasks delete --force "$id" || true
	coracle containers delete "$id"
	assert_baseline
}

@test "sixteen workers mix import, tag, run, list, delete and gc: no error, and back at the baseline" {
	image_file "$RIG/mix.tar" mix mixed
	coracle run --rm busybox "$id" true
	take_baseline
	worker() { # N
		local n=$1 round
		for round in 1 2 3 4; do
			coracle images import --base-name "w$n" "$RIG/mix.tar" || return
			coracle images tag mix "mix-$n:$round" || return
			coracle run --rm "mix-$n:$round" "$id-$n-$round" cat /which || return
			coracle images list || return
			coracle containers list || return
			coracle tasks list || return
			coracle snapshots list || return
			coracle content list || return
			coracle gc || return
			coracle images delete "mix-$n:$round" || return
		done
	}
	pids=()
	for n in $(seq 16); do
		worker "$n" >/dev/null 2>"$RIG/log-$n" 3>&- &
		pids+=($!)
	done
	all_good "${pids[@]}"
	for n in $(seq 16); do
		[ ! -s "$RIG/log-$n" ] || fail "worker $n said: $(head "$RIG/log-$n")" || return
	done
	coracle images delete --sync mix
	coracle gc
	assert_baseline
}

@test "exec, list and kill on one container from many sides" {
	detached "$id" sleep 1000
	pids=()
	for n in $(seq 16); do
		coracle tasks exec --exec-id "e$n" "$id" probe exit 0 2>"$RIG/log-e$n" 3>&- &
		pids+=($!)
		coracle tasks list >/dev/null 2>"$RIG/log-l$n" 3>&- &
		pids+=($!)
	done
	all_good "${pids[@]}"
	pids=()
	for n in $(seq 8); do
		coracle tasks kill -s KILL "$id" 2>/dev/null 3>&- &
		pids+=($!)
	done
	for n in "${pids[@]}"; do finish "$n"; done
	wait_for 10 has_status "$id" STOPPED
}

@test "deletions while lists run: no list fails" {
	for n in $(seq 20); do coracle images tag busybox "gone-$n"; done
	(for n in $(seq 20); do coracle images delete "gone-$n"; done) 3>&- &
	deleter=$!
	while kill -0 $deleter 2>/dev/null; do
		coracle images list >/dev/null || fail "images list failed" || return
		coracle images check >/dev/null || fail "images check failed" || return
	done
	wait $deleter
}
