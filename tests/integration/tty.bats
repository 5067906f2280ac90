#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Terminals: under script(1) and tmux.

load lib
setup_file() { rig_up; }
teardown_file() { rig_down; }
setup() {
	id=$(id_for)
	need script tmux
}
teardown() {
	tmux_stop
	rig_clear
}

@test "run -t: a terminal of its own, a session leader in the foreground" {
	run with_terminal "coracle run --rm -t busybox $id probe terminal" </dev/null
	for fd in 0 1 2; do
		[[ $output == *"isatty $fd 1"* ]] || fail "$output"
	done
	[[ $output == *"leader 1"* && $output == *"foreground 1"* ]] || fail "$output"
}

@test "run -t: exit code and output" {
	run with_terminal "coracle run --rm -t busybox $id sh -c 'echo over the terminal; exit 11'" </dev/null
	assert_equal "$status" 11
	[[ $output == *"over the terminal"* ]]
}

@test "run -t sets TERM to xterm, over --env" {
	run with_terminal "coracle run --rm -t --env TERM=dumb busybox $id sh -c 'echo TERM=\$TERM'" </dev/null
	[[ $output == *"TERM=xterm"* ]] || fail "$output"
}

@test "run -t without a terminal: one line, exit 1, nothing left" {
	take_baseline
	run --separate-stderr coracle run -t busybox "$id" true </dev/null
	assert_error 1 'provided file is not a console'
	assert_baseline
}

@test "much output through a terminal arrives whole, and in order" {
	run bash -c "script -qefc 'coracle run --rm -t busybox $id seq 1 20000' /dev/null < <(sleep 30 3>&-) | tr -d '\r' | md5sum"
	assert_equal "$output" "$(seq 1 20000 | md5sum)"
}

@test "an interactive shell under tmux: prompt, echo, line editing, exit code" {
	tmux_start "coracle run --rm -t busybox $id sh; echo code=\$?; sleep 100"
	wait_for 10 screen_has '/ #'
	tmux_do send-keys 'echo $((40+2))' Enter
	wait_for 10 screen_has '^42$'
	tmux_do send-keys 'exit 13' Enter
	wait_for 10 screen_has 'code=13'
}

@test "the window size is there from the start and follows" {
	tmux_start "coracle run --rm -t busybox $id probe size"
	wait_for 10 screen_has '^size 30 100'
	tmux_do resize-window -x 70 -y 20
	wait_for 10 screen_has '^size 20 70'
}

@test "Ctrl-C reaches the process, not the client" {
	tmux_start "coracle run --rm -t busybox $id sh -c 'trap \"echo caught\" INT; echo ready; sleep 1; sleep 1; sleep 1; exit 4'; echo code=\$?; sleep 100"
	wait_for 10 screen_has '^ready'
	tmux_do send-keys C-c
	wait_for 10 screen_has 'caught'
	wait_for 10 screen_has 'code=4'
}

@test "the caller's terminal is restored: at exit, at an error, at a signal to the client" {
	cat >"$RIG/restore.sh" <<END
before=\$(stty -g)
coracle run --rm -t busybox $id-a probe exit 3
[ "\$(stty -g)" = "\$before" ] && echo restored-exit
coracle run --rm -t busybox $id-b /no/such/command
[ "\$(stty -g)" = "\$before" ] && echo restored-error
coracle run --rm -t busybox $id-c sleep 1000 & client=\$!
wait_running() { for _ in \$(seq 100); do coracle tasks list | grep -q "$id-c.*RUNNING" && return; sleep 0.1; done; }
wait_running
coracle tasks kill -s KILL $id-c
wait \$client
[ "\$(stty -g)" = "\$before" ] && echo restored-kill
END
	run with_terminal "bash -m $RIG/restore.sh" </dev/null
	[[ $output == *restored-exit* && $output == *restored-error* ]] || fail "$output"
}

@test "terminated by SIGTERM, SIGHUP or SIGQUIT to the client: the terminal is sane afterwards" {
	for signal in TERM HUP QUIT; do
		tmux_start "bash"
		tmux_do send-keys "stty -a | md5sum | sed 's/^/before-/'; coracle run --rm -t busybox $id-$signal probe sleep 1000; stty sane-check 2>/dev/null; stty -a | md5sum | sed 's/^/after-/'" Enter
		wait_for 10 has_status "$id-$signal" RUNNING
		pkill_client=$(pgrep -f "^[^ ]*coracle run --rm -t busybox $id-$signal " | head -n 1)
		kill -$signal "$pkill_client"
		sleep 0.5
		coracle tasks kill -s KILL "$id-$signal" 2>/dev/null || true
		wait_for 10 screen_has '^after-'
		screen=$(tmux_screen)
		assert_equal "$(sed -n 's/^after-//p' <<<"$screen")" "$(sed -n 's/^before-//p' <<<"$screen")"
		tmux_stop
	done
}

@test "tasks exec -t: a terminal of its own, window size, exit code" {
	detached "$id" sleep 1000
	tmux_start "coracle tasks exec --exec-id e -t $id sh; echo code=\$?; sleep 100"
	wait_for 10 screen_has '/ #'
	tmux_do send-keys 'stty size; tty >/dev/null && echo is-a-tty' Enter
	wait_for 10 screen_has '^30 100'
	wait_for 10 screen_has '^is-a-tty'
	tmux_do send-keys 'exit 21' Enter
	wait_for 10 screen_has 'code=21'
}

@test "run -d -t: the terminal is kept by the shim; attach and its logs show it" {
	coracle run -d -t busybox "$id" sh -c 'stty size; echo started; read line; echo "got $line"; exit 5'
	tmux_start "coracle tasks attach $id; echo code=\$?; sleep 100"
	sleep 1
	tmux_do send-keys 'word' Enter
	wait_for 10 screen_has 'got word'
	wait_for 10 screen_has 'code=5'
	coracle logs "$id" | tr -d '\r' | grep -q started
}

@test "repeated exec -t that fails leaves nothing in the shim" {
	detached "$id" sleep 1000
	shim=$(shim_pid "$id")
	with_terminal "coracle tasks exec --exec-id warm -t $id true" </dev/null
	before=$(ls "/proc/$shim/fd" | wc -l)
	for n in $(seq 20); do
		run with_terminal "coracle tasks exec --exec-id e$n -t $id /no/such" </dev/null
		[ "$status" -ne 0 ]
	done
	wait_for 10 bash -c "[ \$(ls /proc/$shim/fd | wc -l) -le $before ]"
}
