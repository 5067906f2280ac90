#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What happens to a container when its client, its monitor or the machine goes away; detached output and its log; attach.

load lib
setup_file() { rig_up; }
teardown_file() { rig_down; }
setup() { id=$(id_for); }
teardown() { rig_clear; }

# ---- the client goes -------------------------------------------------------------------------------------------------------

@test "kill -9 of the client: the container lives; list, exec, kill, delete work" {
	coracle run --rm busybox "$id" probe sleep 1000 </dev/null >"$RIG/out" 2>&1 3>&- &
	client=$!
	wait_for 10 has_status "$id" RUNNING
	pid=$(task_pid "$id")
	kill -KILL $client
	wait $client || true
	sleep 0.3
	assert_equal "$(task_status "$id")" RUNNING
	kill -0 "$pid"
	run coracle tasks exec --exec-id e "$id" probe exit 5
	assert_equal "$status" 5
	coracle tasks kill -s TERM "$id"
	wait_for 10 has_status "$id" STOPPED
	coracle tasks delete "$id"
	coracle containers delete "$id"
	run coracle containers list -q
	assert_equal "$output" ""
}

@test "kill -9 of a client with a terminal: the container lives, and attach gets the terminal" {
	tmux_start "coracle run -t busybox $id sh"
	wait_for 10 has_status "$id" RUNNING
	client=$(pgrep -f "coracle run -t busybox $id sh\$" | tail -n 1)
	kill -KILL "$client"
	tmux_stop
	assert_equal "$(task_status "$id")" RUNNING
	run bash -c "(sleep 0.5; printf 'echo a\$((1+1))b\r'; sleep 0.5; printf 'exit 7\r'; sleep 1) | timeout 20 script -qefc 'coracle tasks attach $id' /dev/null"
	assert_equal "$status" 7
	[[ $output == *a2b* ]] || fail "$output"
}

@test "the shim is in a session of its own, with the null device for its streams" {
	detached "$id" sleep 100
	shim=$(shim_pid "$id")
	[ "$(ps -o sid= -p "$shim" | tr -d ' ')" = "$shim" ]
	for fd in 0 1 2; do
		assert_equal "$(readlink "/proc/$shim/fd/$fd")" /dev/null
	done
	assert_equal "$(ps -o ppid= -p "$(task_pid "$id")" | tr -d ' ')" "$shim"
}

# Removes the client's task while the client cannot look, and then gives it signals together with the exit.
remove_behind_client() { # COMMAND that comes between
	kill -STOP $client
	coracle tasks delete --force "$id" || true
	"$@"
	kill -TERM $client
	kill -CONT $client
}

@test "signals that come with the exit of a removed task: the exit code counts, and the container stays" {
	coracle run busybox "$id" sleep 1000 </dev/null >"$RIG/out" 2>&1 3>&- &
	client=$!
	wait_for 10 has_status "$id" RUNNING
	remove_behind_client true
	finish $client
	[ "$status" -eq 137 ] || fail "$status: $(cat "$RIG/out")"
	assert_equal "$(coracle containers list -q)" "$id"
	assert_equal "$(coracle snapshots list | awk -v id="$id" '$1 == id { print $3 }')" Active
	coracle containers delete "$id"
}

@test "a task that was started anew meanwhile gets neither the old client's signals nor its clean-up" {
	coracle run busybox "$id" sleep 1000 </dev/null >"$RIG/out" 2>&1 3>&- &
	client=$!
	wait_for 10 has_status "$id" RUNNING
	remove_behind_client coracle tasks start -d "$id"
	finish $client
	[ "$status" -eq 137 ] || fail "$status: $(cat "$RIG/out")"
	assert_equal "$(task_status "$id")" RUNNING
	# One that has ended already is not the old client's to remove, either.
	coracle tasks kill -s KILL "$id"
	wait_for 10 has_status "$id" STOPPED
	coracle tasks delete "$id" || true
	coracle tasks start "$id" </dev/null >"$RIG/out" 2>&1 3>&- &
	client=$!
	wait_for 10 has_status "$id" RUNNING
	remove_behind_client eval 'coracle tasks start -d "$id" && coracle tasks kill -s KILL "$id" && wait_for 10 has_status "$id" STOPPED'
	finish $client
	[ "$status" -eq 137 ] || fail "$status: $(cat "$RIG/out")"
	assert_equal "$(task_status "$id")" STOPPED
	coracle containers delete "$id"
}

# ---- the container goes -------------------------------------------------------------------------------------------------------

@test "a control group that something is left in: the runtime cleans it up, and nothing stays" {
	take_baseline
	detached "$id" sleep 1000
	# What an init system in the container may have made, and did not remove.
	for hierarchy in /sys/fs/cgroup/*/; do
		if [ -d "$hierarchy$NS/$id" ]; then mkdir "$hierarchy$NS/$id/left"; fi
	done
	coracle tasks kill -s KILL "$id"
	wait_for 10 has_status "$id" STOPPED
	coracle tasks delete "$id"
	coracle containers delete "$id"
	assert_baseline
}

@test "a runtime of another name does its deleting itself" {
	printf '#!/bin/sh\necho "$*" >>%s\nexec runc "$@"\n' "$RIG/calls" >"$RIG/other"
	chmod 755 "$RIG/other"
	coracle run --rm --runc-binary "$RIG/other" busybox "$id" true
	grep -q " delete " "$RIG/calls"
}

@test "a snapshot that is read while its container runs: what the container does to its files goes on working" {
	coracle run -d busybox "$id" sleep 1000
	coracle tasks exec --exec-id a "$id" sh -c 'echo new >/new'
	coracle snapshots diff "$id" | tar tz >"$RIG/names"
	grep -qx new "$RIG/names"
	coracle containers checkpoint --rw "$id" "kept:$id"
	coracle tasks exec --exec-id b "$id" sh -c 'echo x >>/etc/passwd && rm /etc/group && mkdir /etc/d && mv /new /etc/d/'
	coracle snapshots diff "$id" | tar tz >"$RIG/names"
	for name in etc/passwd etc/.wh.group etc/d/new; do grep -qx "$name" "$RIG/names" || fail "$name: $(cat "$RIG/names")" || return; done
	coracle images delete --sync "kept:$id"
	coracle run --rm busybox "$id-rm" sleep 1000 </dev/null >"$RIG/out" 2>&1 3>&- &
	wait_for 10 has_status "$id-rm" RUNNING
	coracle snapshots diff "$id-rm" | tar tz >/dev/null
	coracle tasks kill -s KILL "$id-rm"
	wait $! || true
}

# ---- the monitor goes --------------------------------------------------------------------------------------------------------

@test "kill -9 of the shim: the container is killed, the state is clear, delete works" {
	take_baseline
	detached "$id" probe ignore
	pid=$(task_pid "$id")
	kill -KILL "$(shim_pid "$id")"
	wait_for 10 is_gone "$pid" # although no daemon watches, and before any command looks
	run coracle tasks list
	[[ $output == *"$id"*STOPPED* ]] || fail "$output"
	run coracle tasks delete --force "$id"
	run coracle containers delete "$id"
	[ "$status" -eq 0 ] || fail "$output"
	assert_baseline
}

@test "kill -9 of the shim: so is a paused container, and one without a pid namespace of its own with all that it started" {
	take_baseline
	detached "$id-paused" probe ignore
	coracle tasks pause "$id-paused"
	coracle run -d --with-ns pid:/proc/self/ns/pid busybox "$id-shared" sh -c 'sleep 1001 & sleep 1002 & wait'
	wait_for 10 test "$(pgrep -cf '^sleep 100[12]$')" -ge 2
	pids="$(task_pid "$id-paused") $(task_pid "$id-shared") $(pgrep -P "$(task_pid "$id-shared")" | tr '\n' ' ')"
	kill -KILL "$(shim_pid "$id-paused")" "$(shim_pid "$id-shared")"
	for pid in $pids; do wait_for 10 is_gone "$pid"; done
	for name in paused shared; do
		coracle tasks delete --force "$id-$name" || true
		coracle containers delete "$id-$name"
	done
	assert_baseline
}

@test "kill -9 of the shim: others in a control group that both were given live on" {
	coracle run -d --cgroup "/$NS/shared" busybox "$id-a" sleep 1000
	coracle run -d --cgroup "/$NS/shared" busybox "$id-b" sleep 1000
	pid=$(task_pid "$id-a")
	kill -KILL "$(shim_pid "$id-a")"
	wait_for 10 is_gone "$pid"
	coracle tasks delete --force "$id-a" || true
	coracle containers delete "$id-a"
	assert_equal "$(task_status "$id-b")" RUNNING
}

@test "kill -9 of the shim and its guard: the first command that looks kills the container" {
	take_baseline
	detached "$id" probe ignore
	pid=$(task_pid "$id") shim=$(shim_pid "$id")
	guard=$(pgrep -P "$shim" -x coracle-guard)
	kill -STOP "$guard"
	kill -KILL "$shim" "$guard"
	kill -0 "$pid"
	run coracle tasks list
	[[ $output == *"$id"*STOPPED* ]] || fail "$output"
	wait_for 10 is_gone "$pid"
	coracle tasks delete --force "$id" || true
	coracle containers delete "$id"
	assert_baseline
}

@test "kill -9 of the shim while a client waits: the client ends with an error, not never" {
	coracle run busybox "$id" sleep 1000 </dev/null >"$RIG/out" 2>&1 3>&- &
	client=$!
	wait_for 10 has_status "$id" RUNNING
	kill -KILL "$(shim_pid "$id")"
	run timeout 20 tail --pid=$client -f /dev/null
	assert_equal "$status" 0
	finish $client
	[ "$status" -ne 0 ]
}

@test "a stopped shim does not hold up the others" {
	detached "$id" sleep 100
	detached "$id-other" sleep 100
	shim=$(shim_pid "$id")
	kill -STOP "$shim"
	start=$SECONDS
	run timeout 60 coracle --timeout 2s tasks list
	[[ $output == *"$id-other"*RUNNING* ]] || fail "$output"
	[ $((SECONDS - start)) -lt 30 ]
	run timeout 30 coracle tasks exec --exec-id e "$id-other" probe exit 3
	assert_equal "$status" 3
	kill -CONT "$shim"
	wait_for 10 has_status "$id" RUNNING
}

@test "two containers whose shims die at once can be made anew under the same names" {
	detached "$id-a" sleep 100
	detached "$id-b" sleep 100
	kill -KILL "$(shim_pid "$id-a")" "$(shim_pid "$id-b")"
	for name in a b; do
		coracle tasks delete --force "$id-$name" || true
		coracle containers delete "$id-$name"
		run coracle run --rm busybox "$id-$name" probe exit 6
		assert_equal "$status" 6
	done
}

# ---- the machine goes --------------------------------------------------------------------------------------------------------

# What a reboot leaves: the store, and nothing of the run directory, the processes, the mounts or the control groups.
reboot() {
	local point
	rig_kill
	sleep 0.3
	awk -v p="$CORACLE_STATE/" 'index($5, p) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r point; do
		umount -l "$point"
	done
	rm -rf "$CORACLE_STATE"
	remove_cgroups
}

@test "reboot: containers listed, tasks absent, everything deletable" {
	take_baseline
	detached "$id" sleep 100
	coracle containers create busybox "$id-made" sleep 100
	coracle run busybox "$id-done" true
	reboot
	run coracle tasks list -q
	assert_equal "$output" ""
	run coracle containers list -q
	assert_equal "$(sort <<<"$output")" "$(printf '%s\n' "$id" "$id-done" "$id-made" | sort)"
	for name in "$id" "$id-made" "$id-done"; do
		coracle containers delete "$name"
	done
	assert_baseline
}

@test "reboot: a container starts again with what it had written" {
	coracle run busybox "$id" sh -c 'echo kept >>/file; cat /file' >/dev/null
	reboot
	run coracle tasks start "$id"
	assert_equal "$output" $'kept\nkept'
}

# ---- logs ----------------------------------------------------------------------------------------------------------------------

@test "logs: both streams, --tail, -t" {
	detached "$id" sh -c 'for i in 1 2 3 4 5; do echo line $i; done; echo error line >&2'
	wait_for 10 has_status "$id" STOPPED
	run --separate-stderr coracle logs "$id"
	assert_equal "$output" "$(printf 'line %d\n' 1 2 3 4 5)"
	assert_equal "$stderr" "error line"
	run coracle logs --tail 2 "$id"
	[ "${#lines[@]}" -eq 2 ] || fail "$output"
	run coracle logs -t --tail 1 "$id"
	[[ $output =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+) ]] || fail "$output"
}

@test "logs -f follows until the container ends" {
	detached "$id" sh -c 'for i in 1 2 3 4 5 6; do echo tick $i; sleep 0.3; done'
	run timeout 30 coracle logs -f "$id"
	assert_equal "$status" 0
	assert_equal "$output" "$(printf 'tick %d\n' 1 2 3 4 5 6)"
}

@test "logs keep a last line without a newline, and bytes as they are" {
	detached "$id" sh -c 'printf "caf\351\0x\nno newline"'
	wait_for 10 has_status "$id" STOPPED
	coracle logs "$id" >"$RIG/bytes"
	printf 'caf\351\0x\nno newline' | cmp - <(head -c 19 "$RIG/bytes")
}

@test "logs of a line longer than any buffer" {
	detached "$id" sh -c 'head -c 100000 /dev/zero | tr "\0" x; echo; echo after'
	wait_for 10 has_status "$id" STOPPED
	run bash -c "coracle logs $id | wc -lc"
	assert_equal "$(tr -s ' ' <<<"$output" | sed 's/^ //')" "2 100007"
}

@test "logs are bounded: 100 MB written, two files of at most 16 MiB kept, the newest lines there" {
	detached "$id" probe spew 100000000 /done
	wait_for 120 has_status "$id" STOPPED
	size=$(du -sb "$CORACLE_ROOT/logs/$NS/$id" | cut -f 1)
	[ "$size" -le $(((2 << 24) + (2 << 20))) ] || fail "$size bytes of logs"
	coracle logs --tail 1 "$id" | grep -q "^00000000000001562499 "
}

@test "a detached container that writes much never stalls, though nobody reads" {
	detached "$id" sh -c 'probe spew 20000000 /done; sleep 100'
	wait_for 60 coracle tasks exec --exec-id "e$RANDOM" "$id" test -f /done
}

@test "an attached client that does not read does not stall the container" {
	detached "$id" sh -c 'sleep 1; probe spew 20000000 /done; sleep 100'
	coracle tasks attach "$id" </dev/null > >(sleep 100 3>&-) 3>&- &
	attach=$!
	wait_for 60 coracle tasks exec --exec-id "e$RANDOM" "$id" test -f /done
	kill -KILL $attach
}

@test "a full log disk does not stop the container" {
	need_losetup
	loop_fs 16 "$RIG/small"
	coracle --root "$RIG/small/root" images import --rootfs "$RIG/rootfs" busybox
	dd if=/dev/zero of="$RIG/small/fill" bs=64k 2>/dev/null || true
	rm -f "$RIG/small/fill-a-little"
	run timeout 60 coracle --root "$RIG/small/root" run -d busybox "$id" sh -c 'probe spew 5000000; sleep 100'
	if [ "$status" -eq 0 ]; then
		sleep 1
		assert_equal "$(coracle --root "$RIG/small/root" tasks list | awk -v id="$id" '$1 == id { print $3 }')" RUNNING
		coracle --root "$RIG/small/root" tasks delete --force "$id"
	fi
	coracle --root "$RIG/small/root" containers delete "$id" || true
	rm -f "$RIG/small/fill"
	loop_fs_down "$RIG/small"
}

@test "logs of a container that does not exist, and of one without a log" {
	run --separate-stderr coracle logs "$id"
	assert_error 1 "container \"$id\" in namespace \"$NS\": not found"
}

# ---- attach ----------------------------------------------------------------------------------------------------------------------

@test "attach: output from now on, standard input, exit code" {
	detached "$id" sh -c 'sleep 1; echo hello; exit 9'
	run timeout 20 coracle tasks attach "$id" </dev/null
	assert_equal "$status" 9
	[[ $output == *hello* ]] || fail "$output"
}

@test "several clients attach; each gets the output; the process outlives them" {
	detached "$id" sh -c 'while :; do echo tick; sleep 0.1; done'
	timeout -s KILL 1 coracle tasks attach "$id" >"$RIG/a" </dev/null 3>&- &
	first=$!
	timeout -s KILL 2 coracle tasks attach "$id" >"$RIG/b" </dev/null || true
	finish $first
	grep -q tick "$RIG/a"
	grep -q tick "$RIG/b"
	[ "$(wc -l <"$RIG/b")" -gt "$(wc -l <"$RIG/a")" ] || fail "$(wc -l "$RIG/a" "$RIG/b")"
	assert_equal "$(task_status "$id")" RUNNING
}

@test "attach again and again leaves nothing in the shim" {
	detached "$id" sh -c 'while :; do echo tick; sleep 0.05; done'
	shim=$(shim_pid "$id")
	coracle tasks attach "$id" </dev/null >/dev/null 3>&- &
	kill -KILL $!
	finish $!
	sleep 0.3
	before=$(ls "/proc/$shim/fd" | wc -l)
	for _ in $(seq 30); do
		coracle tasks attach "$id" </dev/null >/dev/null 3>&- &
		sleep 0.02
		kill -KILL $!
		wait $! || true
	done
	wait_for 10 bash -c "[ \$(ls /proc/$shim/fd | wc -l) -le $before ]"
	assert_equal "$(task_status "$id")" RUNNING
}

# ---- the task's life ---------------------------------------------------------------------------------------------------------------

@test "tasks: created, running, paused, stopped, deleted" {
	coracle containers create busybox "$id" sleep 100
	run coracle tasks list
	[[ ${lines[0]} =~ ^TASK\ +PID\ +STATUS ]]
	coracle tasks start -d "$id"
	assert_equal "$(task_status "$id")" RUNNING
	run --separate-stderr coracle tasks start -d "$id"
	assert_error 1 "already exists"
	coracle tasks pause "$id"
	assert_equal "$(task_status "$id")" PAUSED
	coracle tasks resume "$id"
	assert_equal "$(task_status "$id")" RUNNING
	run --separate-stderr coracle tasks delete "$id"
	assert_error 1 'task must be stopped before deletion: running: failed precondition'
	coracle tasks kill -s KILL "$id"
	wait_for 10 has_status "$id" STOPPED
	run --separate-stderr coracle tasks kill "$id"
	assert_error 1 'process already finished: not found'
	coracle tasks delete "$id"
	run --separate-stderr coracle tasks kill "$id"
	assert_error 1 'no running task found: task .* not found|not found'
}

@test "tasks ps lists the container's processes by their host ids" {
	detached "$id" sh -c 'sleep 100 & sleep 101'
	wait_for 10 bash -c "[ \$(coracle tasks ps $id | wc -l) -ge 3 ]"
	run coracle tasks ps "$id"
	[[ ${lines[0]} =~ ^PID\ +INFO ]]
	for line in "${lines[@]:1}"; do
		[ -d "/proc/${line%% *}" ]
	done
}

@test "tasks kill --all reaches every process" {
	detached "$id" sh -c 'trap "" TERM; sleep 1000 & wait; wait'
	wait_for 10 bash -c "[ \$(coracle tasks ps $id | wc -l) -ge 3 ]"
	coracle tasks kill -s KILL --all "$id"
	wait_for 10 has_status "$id" STOPPED
}

@test "the stop signal of the image is tasks kill's default" {
	make_image stopper --config '{"Cmd":["/bin/probe","signals","1"],"StopSignal":"SIGUSR1"}'
	coracle run -d stopper "$id"
	wait_for 10 bash -c "coracle logs $id | grep -q ready"
	coracle tasks kill "$id"
	wait_for 10 has_status "$id" STOPPED
	coracle logs "$id" | grep -qx "signal 10"
}

@test "5 x 20 short containers one after the other: no exit is lost" {
	for n in $(seq 100); do
		run timeout 30 coracle run --rm busybox "$id-$n" probe exit $((n % 100))
		assert_equal "$status" $((n % 100))
	done
}

@test "a state directory with a very long name still works (socket paths have 108 bytes)" {
	long=$RIG/$(printf 'd%.0s' $(seq 90))/$(printf 'e%.0s' $(seq 90))
	mkdir -p "$long"
	run coracle --state "$long" run --rm busybox "$id" probe exit 5
	[ "$status" -eq 5 ] || fail "$output"
}
