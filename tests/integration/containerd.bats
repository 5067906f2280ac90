#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The shim under a real containerd (Debian's, a private one): `ctr run --runtime io.containerd.coracle.v2`. Where that can be said
# in one line, the same is done with containerd's own shim, and output, exit codes and events have to be the same.

load lib
load containerd

setup_file() {
	command -v containerd >/dev/null 2>&1 || skip "no containerd (tools/install-deps test)"
	rig_up noimage
	make_rootfs "$RIG/rootfs"
	mkdir "$RIG/bin"
	ln -s "$(command -v coracle-shim)" "$RIG/bin/containerd-shim-coracle-v2"
	PATH=$RIG/bin:$PATH
	OURS=io.containerd.coracle.v2 THEIRS=io.containerd.runc.v2
	export PATH OURS THEIRS
	ctrd_start "$RIG/ctrd"
	export CTRD
	tar_dir "$RIG/rootfs" "$RIG/base.tar"
	"$MKIMAGE" layout "$RIG/image.tar" --layer "$RIG/base.tar" --name docker.io/test/busybox:1 >/dev/null
	theirs images import "$RIG/image.tar" >/dev/null
	export IMAGE=docker.io/test/busybox:1
	STATE=$CTRD/state/io.containerd.runtime.v2.task/$NS
	export STATE
}
teardown_file() {
	[ -n "${RIG:-}" ] || return 0
	ctrd_stop
	rig_down
}
setup() { id=$(id_for); }
teardown() {
	local one
	for one in $(theirs tasks list -q 2>/dev/null); do
		theirs tasks delete --force "$one" >/dev/null 2>&1
	done
	for one in $(theirs containers list -q 2>/dev/null); do
		theirs containers delete "$one" >/dev/null 2>&1
	done
	return 0
}

# Nothing here hangs for longer than this.
theirs() {
	timeout -s KILL 30 ctr --address "$CTRD/c.sock" "$@"
}

# As input for ctr, which loses an end that comes before it has started the process (whichever shim it is).
slowly() {
	# shellcheck disable=SC2059
	printf "$1"
	sleep 0.7
}

run_ours() { # FLAGS... IMAGE ID COMMAND...
	theirs run --runtime "$OURS" "$@"
}

status_of() {
	theirs tasks list | awk -v id="$1" '$1 == id { print $3 }'
}

is_status() {
	[ "$(status_of "$1")" = "$2" ]
}

pid_of() {
	theirs tasks list | awk -v id="$1" '$1 == id { print $2 }'
}

shim_of() { # ID: the parent of its init
	awk '$1 == "PPid:" { print $2 }' "/proc/$(pid_of "$1")/status"
}

# Follows containerd's events into $BATS_TEST_TMPDIR/events, from now on.
events_on() {
	local n=0
	ctr --address "$CTRD/c.sock" events >"$BATS_TEST_TMPDIR/events" 3>&- &
	EVENTS=$!
	until grep -q . "$BATS_TEST_TMPDIR/events"; do
		theirs namespaces label "$NS" n=$((n++)) # until one of these arrives
		[ $n -lt 100 ] || fail "no events" || return
		sleep 0.05
	done
}

events_off() {
	kill "$EVENTS"
	wait "$EVENTS" 2>/dev/null || true
}

# The task events of a container, without what differs each time.
events_of() { # ID
	grep -oE '/tasks/.*' "$BATS_TEST_TMPDIR/events" | grep -F "\"$1\"" |
		sed -E "s/$1/ID/g; s/\"pid\":[0-9]+/\"pid\":N/; s/\"exited_at\":\"[^\"]*\"/AT/; s/snapshots\/[0-9]+/snapshots\/N/g; s/fifo\/[0-9]+/fifo\/N/g"
}

has_event() { # ID TOPIC
	events_of "$1" | grep -q "^/tasks/$2 "
}

# both FUNCTION: called with RUNTIME and ID, for each of the two shims; what it prints has to be the same. ctr ends with the
# process, and now and then loses what that printed last, whichever the shim; so a difference is looked at three times.
both() {
	local try
	for try in 1 2 3; do
		print_both "$@"
		cmp -s "$BATS_TEST_TMPDIR/theirs" "$BATS_TEST_TMPDIR/ours" && break
	done
	diff "$BATS_TEST_TMPDIR/theirs" "$BATS_TEST_TMPDIR/ours" || fail "not the same in $try tries (theirs, ours)"
	[ -s "$BATS_TEST_TMPDIR/ours" ] || fail "nothing was printed"
}

print_both() {
	local name
	for name in theirs ours; do
		RUNTIME=$THEIRS ID=$id-$name
		[ $name = theirs ] || RUNTIME=$OURS
		(
			set +e
			"$@"
		) 2>&1 | sed -E "s/$ID/ID/g; s/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]+Z/AT/" >"$BATS_TEST_TMPDIR/$name"
	done
}

@test "output, input and exit codes as with containerd's own shim" {
	# shellcheck disable=SC2317,SC2016
	act() {
		theirs run --rm --runtime "$RUNTIME" "$IMAGE" "$ID" sh -c 'echo out; echo error >&2; exit 7' 2>"$BATS_TEST_TMPDIR/err"
		echo "code $? error $(cat "$BATS_TEST_TMPDIR/err")"
		theirs run --rm --runtime "$RUNTIME" "$IMAGE" "$ID" sh -c 'sh -c "kill -TERM \$\$"'
		echo "code $?"
		slowly 'one\ntwo\n' | theirs run --rm --runtime "$RUNTIME" "$IMAGE" "$ID" cat
		echo "code $?"
		theirs run --rm --runtime "$RUNTIME" "$IMAGE" "$ID" /no/such/program
		echo "code $?"
		theirs run --rm --runtime "$RUNTIME" --cwd /tmp --env A=b "$IMAGE" "$ID" sh -c 'pwd; echo $A; head -c 300000 /dev/zero | wc -c'
		echo "code $?"
		theirs run --rm --runtime "$RUNTIME" "$IMAGE" "$ID" head -c 3000000 /dev/zero | md5sum
	}
	both act
	grep -qx "code 7 error error" "$BATS_TEST_TMPDIR/ours"
	grep -qx "two" "$BATS_TEST_TMPDIR/ours"
}

@test "exec, pause, resume, kill and their events as with containerd's own shim" {
	# shellcheck disable=SC2317
	act() {
		theirs run -d --runtime "$RUNTIME" "$IMAGE" "$ID" sleep 1000
		theirs tasks exec --exec-id one "$ID" sh -c 'echo in; exit 5'
		echo "code $?"
		slowly 'text\n' | theirs tasks exec --exec-id two "$ID" cat
		theirs tasks exec --exec-id three "$ID" /no/such/program
		echo "code $?"
		theirs tasks pause "$ID"
		status_of "$ID"
		theirs tasks exec --exec-id four "$ID" true
		echo "code $?"
		theirs tasks resume "$ID"
		status_of "$ID"
		theirs tasks delete "$ID"
		echo "code $?"
		theirs tasks kill -s KILL "$ID"
		wait_for 10 is_status "$ID" STOPPED
		theirs tasks kill -s KILL "$ID"
		echo "code $?"
		theirs tasks metrics "$ID" | awk '$1 == "pids.current"'
		theirs tasks delete "$ID"
		echo "code $?"
	}
	events_on
	both act
	grep -qx PAUSED "$BATS_TEST_TMPDIR/ours"
	wait_for 10 has_event "$id-theirs" delete
	wait_for 10 has_event "$id-ours" delete
	events_off
	events_of "$id-theirs" >"$BATS_TEST_TMPDIR/events.theirs"
	events_of "$id-ours" >"$BATS_TEST_TMPDIR/events.ours"
	diff "$BATS_TEST_TMPDIR/events.theirs" "$BATS_TEST_TMPDIR/events.ours"
	grep -q '^/tasks/exec-started .*"exec_id":"two"' "$BATS_TEST_TMPDIR/events.ours"
}

@test "a terminal, for the process and for an exec" {
	# shellcheck disable=SC2317
	act() {
		with_terminal "ctr --address $CTRD/c.sock run -t --rm --runtime $RUNTIME $IMAGE $ID sh -c 'test -t 0 && test -t 1 && echo terminal; sleep 0.3; exit 3'"
		echo "code $?"
		theirs run -d --runtime "$RUNTIME" "$IMAGE" "$ID" sleep 1000
		with_terminal "ctr --address $CTRD/c.sock tasks exec -t --exec-id e $ID sh -c 'sleep 0.2; test -t 0 && echo terminal; sleep 0.3; exit 4'"
		echo "code $?"
		theirs tasks delete --force "$ID"
	}
	both act
	grep -qx "code 4" "$BATS_TEST_TMPDIR/ours"
	assert_equal "$(grep -c terminal "$BATS_TEST_TMPDIR/ours")" 2
}

@test "a terminal's size follows, and a detached terminal is attached to" {
	need tmux
	tmux_start "ctr --address $CTRD/c.sock run -t --rm --runtime $OURS $IMAGE $id sh"
	wait_for 10 screen_has '/ #'
	tmux_do resize-window -x 90 -y 33
	wait_for 10 eval 'tmux_do send-keys "stty size" Enter; screen_has "33 90"'
	tmux_do send-keys "exit 0" Enter
	wait_for 10 eval '[ -z "$(status_of "$id")" ]'
	tmux_stop
	# Detached: ctr wants a terminal to say so.
	with_terminal "ctr --address $CTRD/c.sock run -d -t --runtime $OURS $IMAGE $id-d sh"
	tmux_start "ctr --address $CTRD/c.sock tasks attach $id-d"
	wait_for 10 eval 'tmux_do send-keys "echo att""ached" Enter; screen_has "^attached"'
	tmux_stop
}

@test "metrics name what containerd's own shim names" {
	# shellcheck disable=SC2317
	act() {
		theirs run -d --runtime "$RUNTIME" --memory-limit 67108864 "$IMAGE" "$ID" sleep 1000
		theirs tasks metrics "$ID" | awk 'NR > 2 { print $1 } $1 == "memory.limit_in_bytes" || /pids/ { print $2 }'
		# Which of them are 0, hence left out, differs each time.
		theirs tasks metrics --format json "$ID" | jq -c '[keys, (.memory.usage.limit, .memory.hierarchical_memory_limit), (.hugetlb | map(.pagesize) | sort), (.cpu | keys), (.memory | has("rss"))]'
		theirs tasks delete --force "$ID"
	}
	both act
	grep -q memory.usage_in_bytes "$BATS_TEST_TMPDIR/ours" || grep -q memory.usage "$BATS_TEST_TMPDIR/ours"
	run_ours -d --memory-limit 67108864 "$IMAGE" "$id" sh -c 'head -c 20000000 /dev/zero | tail -c 20000000 | sleep 1000'
	wait_for 10 eval '[ "$(theirs tasks metrics "$id" | awk "\$1 ~ /^memory.usage/ { print \$2 }")" -gt 10000000 ]'
	[ "$(theirs tasks metrics "$id" | awk '$1 == "pids.current" { print $2 }')" -ge 2 ]
}

@test "a kill for want of memory is told before the exit" {
	events_on
	run run_ours --rm --memory-limit 16777216 "$IMAGE" "$id" tail /dev/zero
	assert_equal "$status" 137
	wait_for 10 has_event "$id" delete
	events_off
	assert_equal "$(events_of "$id" | awk '{ print $1 }' | tr '\n' ' ')" "/tasks/create /tasks/start /tasks/oom /tasks/exit /tasks/delete "
}

@test "a killed shim: containerd calls delete, and nothing is left" {
	local pid shim socket
	events_on
	run_ours -d "$IMAGE" "$id" sleep 1000
	pid=$(pid_of "$id") shim=$(shim_of "$id") socket=$(cat "$STATE/$id/address")
	[ -S "${socket#unix://}" ]
	kill -KILL "$shim"
	wait_for 10 has_event "$id" delete
	events_off
	events_of "$id" | grep -q '^/tasks/exit .*"exit_status":137'
	wait_for 10 is_gone "$pid"
	wait_for 10 eval '[ ! -e "$STATE/$id" ]'
	[ ! -e "${socket#unix://}" ]
	[ ! -e "/run/containerd/runc/$NS/$id" ]
	lacks -F "$STATE/$id" /proc/self/mountinfo
	theirs containers delete "$id"
}

@test "containerd killed and started again: the container runs on, and is told of" {
	local pid shim
	run_ours -d "$IMAGE" "$id" sh -c 'while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 4'
	pid=$(pid_of "$id") shim=$(shim_of "$id")
	theirs tasks exec --exec-id before "$id" true
	kill -KILL "$(cat "$CTRD/pid")"
	wait_for 10 is_gone "$(cat "$CTRD/pid")"
	ctrd_start "$CTRD"
	is_status "$id" RUNNING
	assert_equal "$(pid_of "$id")" "$pid"
	events_on
	theirs tasks exec --exec-id go "$id" touch /tmp/go
	wait_for 10 is_status "$id" STOPPED
	# What it had no connection for: told in order once there is one again.
	wait_for 15 has_event "$id" exit
	events_off
	assert_equal "$(events_of "$id" | awk '{ print $1 }' | tr '\n' ' ')" "/tasks/exec-added /tasks/exec-started /tasks/exit /tasks/exit "
	theirs tasks delete "$id" 2>/dev/null || true
	theirs containers delete "$id"
	wait_for 10 is_gone "$shim"
}

@test "an exit while containerd is away is there when it is back" {
	local pid
	run_ours -d "$IMAGE" "$id" sleep 1000
	pid=$(pid_of "$id")
	kill -KILL "$(cat "$CTRD/pid")"
	wait_for 10 is_gone "$(cat "$CTRD/pid")"
	kill -KILL "$pid"
	wait_for 10 is_gone "$pid"
	ctrd_start "$CTRD"
	# 1.6 removes what has no process when it starts; what matters is that it comes up, and has it or not.
	case $(status_of "$id") in "" | STOPPED) ;; *) fail "$(status_of "$id")" ;; esac
	theirs tasks delete "$id" 2>/dev/null || true
	theirs containers delete "$id"
	lacks -F "$STATE/$id" /proc/self/mountinfo
}

@test "twenty at once" {
	local i pids=()
	for i in $(seq 20); do
		run_ours --rm "$IMAGE" "$id-$i" sh -c "echo $i; exit $i" >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
		pids+=($!)
	done
	for i in $(seq 20); do
		finish "${pids[i - 1]}"
		assert_equal "$status $(cat "$BATS_TEST_TMPDIR/out.$i")" "$i $i"
	done
	wait_for 10 eval '[ -z "$(ls "$STATE")" ]'
}

@test "an idle shim of a container holds at most 300 KiB of its own" {
	[ -z "${CORACLE_SANITIZED:-}" ] || skip "AddressSanitizer holds more"
	local shim
	run_ours -d "$IMAGE" "$id" sleep 1000
	theirs tasks exec --exec-id e "$id" true
	shim=$(shim_of "$id")
	wait_for 10 eval '[ "$(awk "/^Private/ { n += \$2 } END { print n }" "/proc/$shim/smaps_rollup")" -le 300 ]'
	# Nothing of containerd's is open in it, and it is in a session of its own.
	assert_equal "$(ps -o sess= -p "$shim" | tr -d ' ')" "$shim"
	lacks -E "$CTRD/(log|root)" <<<"$(ls -l "/proc/$shim/fd")"
}

@test "a logging binary and a log file" {
	cat >"$RIG/bin/logger" <<-'END'
		#!/bin/sh
		echo "$CONTAINER_NAMESPACE $CONTAINER_ID $*" >"$2"
		exec 5>&-
		cat <&3 >>"$2"
	END
	chmod +x "$RIG/bin/logger"
	run_ours -d --log-uri "binary://$RIG/bin/logger?log=$BATS_TEST_TMPDIR/logged" "$IMAGE" "$id" echo hello
	wait_for 10 grep -qx hello "$BATS_TEST_TMPDIR/logged"
	assert_equal "$(head -n 1 "$BATS_TEST_TMPDIR/logged")" "$NS $id log $BATS_TEST_TMPDIR/logged"
	run_ours -d --log-uri "file://$BATS_TEST_TMPDIR/file.log" "$IMAGE" "$id-f" sh -c 'echo out; echo error >&2'
	wait_for 10 grep -qx error "$BATS_TEST_TMPDIR/file.log"
	grep -qx out "$BATS_TEST_TMPDIR/file.log"
}

@test "ctr shim finds the socket; its answers" {
	run_ours -d "$IMAGE" "$id" sleep 1000
	run theirs shim --id "$id" state
	assert_equal "$status" 0
	assert_equal "$(jq -r '.id, .status, .bundle' <<<"$output" | tr '\n' ' ')" "$id 2 $STATE/$id "
}

@test "the commands by hand: start, delete, -v, -info and what they refuse" {
	local address shim="containerd-shim-coracle-v2 -namespace $NS -id $id -address $CTRD/c.sock" pid
	mkdir -p "$BATS_TEST_TMPDIR/$id"
	cd "$BATS_TEST_TMPDIR/$id"
	# A group that is not there: no shim, and nothing left of it.
	run bash -c "printf '\x0a\x1acontainerd.runc.v1.Options\x12\x07\x1a\x05/nosu' | $shim start"
	assert_equal "$status" 1
	[[ $output == *"failed to load cgroup /nosu: not found"* ]] || fail "$output"
	[ ! -e shim.pid ] || wait_for 10 is_gone "$(cut -d ' ' -f 1 shim.pid)"
	address=$(cat address)
	[ ! -e "${address#unix://}" ]
	run bash -c "MAX_SHIM_VERSION=3 TTRPC_ADDRESS= $shim start </dev/null"
	assert_equal "$status" 0
	assert_equal "$output" "{\"version\":3,\"address\":\"$address\",\"protocol\":\"ttrpc\"}"
	pid=$(cut -d ' ' -f 1 shim.pid)
	# The same again: it serves already.
	run bash -c "MAX_SHIM_VERSION=2 $shim start </dev/null"
	assert_equal "$output" "$address"
	kill -KILL "$pid"
	wait_for 10 is_gone "$pid"
	[ -S "${address#unix://}" ]
	$shim -bundle "$PWD" delete >"$BATS_TEST_TMPDIR/answer"
	[ ! -e "${address#unix://}" ]
	assert_equal "$(od -An -tx1 -N3 "$BATS_TEST_TMPDIR/answer")" " 10 89 01" # exit_status: 137
	containerd-shim-coracle-v2 -info </dev/null | grep -qa io.containerd.coracle.v2
	containerd-shim-coracle-v2 -v | grep -q Version
	run containerd-shim-coracle-v2 -namespace "$NS" start
	assert_equal "$status $output" "1 containerd-shim-coracle-v2: shim id cannot be empty"
	run containerd-shim-coracle-v2 -nonsense
	assert_equal "$status" 2
}
