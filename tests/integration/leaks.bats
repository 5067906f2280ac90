#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Nothing is left behind: mounts, control groups, processes, sockets, files, snapshots and records are at the baseline after
# hundreds of rounds, half of which fail on purpose at different steps.

load lib
setup_file() {
	rig_up
	make_image broken-user --config '{"User":"nobody-here","Cmd":["/bin/true"]}'
	make_image no-command
}
teardown_file() { rig_down; }
setup() { id=$(id_for); }
teardown() { rig_clear; }

ROUNDS=${CORACLE_SANITIZED:+40}
ROUNDS=${ROUNDS:-200}

# Each fails at another step: must exit non-zero.
failing_round() { # N
	case $(($1 % 12)) in
	0) coracle run --rm no-such-image "$id" true ;;
	1) coracle run --rm busybox "bad/id" true ;;
	2) coracle run --rm --env-file "$RIG/none" busybox "$id" true ;;
	3) coracle run --rm broken-user "$id" ;;
	4) coracle run --rm no-command "$id" ;;
	5) coracle run --rm busybox "$id" /no/such/command ;;
	6) coracle run --rm --runc-binary "$RIG/no-runtime" busybox "$id" true ;;
	7) coracle run --rm --runc-binary /bin/false busybox "$id" true ;;
	8) coracle run --rm --mount "type=bind,src=$RIG/none,dst=/mnt,options=rbind" busybox "$id" true ;;
	9) coracle run --rm --cwd /etc/passwd busybox "$id" true ;;
	10) coracle run --rm --with-ns network:/no/such/ns busybox "$id" true ;;
	11) coracle run --rm --log-uri "file:///proc/no/such" busybox "$id" true ;;
	esac >/dev/null 2>&1
}

# Run, exec, kill, delete.
good_round() { # N
	case $(($1 % 4)) in
	0) coracle run --rm busybox "$id" true ;;
	1)
		coracle run -d busybox "$id" sleep 1000 &&
			coracle tasks exec --exec-id e "$id" true &&
			! coracle tasks exec --exec-id f "$id" /no/such 2>/dev/null &&
			coracle tasks kill -s KILL "$id" && wait_for 10 has_status "$id" STOPPED &&
			coracle tasks delete "$id" && coracle containers delete "$id"
		;;
	2)
		coracle run -d busybox "$id" sleep 1000 && coracle tasks delete --force "$id" && coracle containers delete "$id"
		;;
	3)
		coracle containers create busybox "$id" sh -c 'exit 0' && coracle tasks start "$id" && coracle containers delete "$id"
		;;
	esac >/dev/null
}

@test "rounds of run, exec, kill, delete, half of them failing at twelve different steps: back at the baseline" {
	good_round 0
	good_round 1
	take_baseline
	for n in $(seq "$ROUNDS"); do
		if [ $((n % 2)) -eq 0 ]; then
			good_round $((n / 2)) || fail "round $n failed" || return
		else
			! failing_round $((n / 2)) || fail "round $n succeeded: case $((n / 2 % 12))" || return
		fi
	done
	assert_baseline
}

@test "each way to fail leaves nothing behind by itself" {
	take_baseline
	for n in $(seq 0 11); do
		! failing_round $n || fail "case $n succeeded" || return
		assert_baseline || fail "after case $n" || return
	done
}

@test "40 run --rm at once: all right, and back at the baseline" {
	take_baseline
	pids=()
	for n in $(seq 40); do
		coracle run --rm busybox "$id-$n" sh -c "echo $n; exit $n" >"$RIG/out-$n" 2>&1 3>&- &
		pids+=($!)
	done
	for n in $(seq 40); do
		finish "${pids[n - 1]}"
		[ "$status" -eq "$n" ] || fail "container $n: exit $status: $(cat "$RIG/out-$n")" || return
		assert_equal "$(cat "$RIG/out-$n")" "$n" || return
	done
	assert_baseline
}

@test "failpoints of the environment: every mount, clone and write of the run may fail" {
	# The client's own system calls, one kind at a time, each of the first occurrences: an error, never a left-over.
	need strace
	traced_env
	take_baseline
	for call in mount openat unlinkat mkdirat fsync fdatasync socketpair sendmsg recvmsg pipe2 dup3 fcntl statx pwrite64 renameat; do
		for n in 1 2 3 5 8 13; do
			code=0
			timeout 60 strace -f -o /dev/null -e trace=$call -e inject=$call:error=EIO:when=$n \
				coracle run --rm busybox "$id" true >"$RIG/out" 2>&1 </dev/null || code=$?
			[ $code -ne 124 ] || fail "hangs when $call number $n fails" || return
			[ $code -lt 128 ] || fail "dies by a signal when $call number $n fails: $(cat "$RIG/out")" || return
		done
	done
	rig_clear
	coracle gc
	assert_baseline
	run coracle run --rm busybox "$id" probe exit 3
	assert_equal "$status" 3
}

@test "the shim's memory and descriptors do not grow over 100 execs" {
	detached "$id" sleep 1000
	shim=$(shim_pid "$id")
	for n in $(seq 10); do coracle tasks exec --exec-id "w$n" "$id" true; done
	fds=$(ls "/proc/$shim/fd" | wc -l)
	memory=$(awk '/^Private_Dirty/ { print $2 }' "/proc/$shim/smaps_rollup")
	for n in $(seq 100); do coracle tasks exec --exec-id "e$n" "$id" true; done
	wait_for 5 bash -c "[ \$(ls /proc/$shim/fd | wc -l) -le $fds ]"
	if [ -z "${CORACLE_SANITIZED:-}" ]; then
		after=$(awk '/^Private_Dirty/ { print $2 }' "/proc/$shim/smaps_rollup")
		[ "$after" -le $((memory + 64)) ] || fail "private memory went from $memory to $after KiB"
	fi
	run bash -c "ps -o stat= --ppid $shim | grep -c Z"
	assert_equal "$output" 0
}
