#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `coracle run` in the foreground: exit codes, signals, standard streams, and that each flag shows inside the container.

load lib
setup_file() { rig_up; }
teardown_file() { rig_down; }
setup() { id=$(id_for); }
teardown() { rig_clear; }

in_fresh() { # COMMAND...: in a fresh container that goes away again
	coracle run --rm busybox "$id" "$@"
}

# ---- exit codes --------------------------------------------------------------------------------------------------------

@test "exit codes are the process's: 0, 1, 42, 255" {
	for code in 0 1 42 255; do
		run in_fresh probe exit $code
		assert_equal "$status" "$code"
		assert_equal "$output" ""
	done
}

@test "a process killed by a signal gives 128 + n" {
	detached "$id" sleep 100
	for signal in 9 15 6; do
		run coracle tasks exec --exec-id "e$signal" "$id" probe die $signal
		assert_equal "$status" $((128 + signal))
	done
}

@test "the first process itself killed by SIGKILL gives 137" {
	coracle run --rm busybox "$id" sleep 100 3>&- &
	client=$!
	wait_for 10 has_status "$id" RUNNING
	coracle tasks kill --signal SIGKILL "$id"
	finish $client
	assert_equal "$status" 137
}

@test "a command that is not in the image: one line, exit 1, nothing left" {
	take_baseline
	run --separate-stderr coracle run busybox "$id" /no/such/command
	assert_error 1 '/no/such/command'
	assert_baseline
}

@test "a command that may not be executed: one line, exit 1, nothing left" {
	take_baseline
	run --separate-stderr coracle run busybox "$id" /etc/passwd
	assert_error 1 'permission denied'
	assert_baseline
}

@test "run without --rm keeps the container until it is deleted" {
	run coracle run busybox "$id" true
	assert_equal "$status" 0
	coracle containers list -q | grep -qx "$id"
	coracle containers delete "$id"
	run coracle containers list -q
	assert_equal "$output" ""
}

@test "run --rm removes the container even when the process fails" {
	take_baseline
	run in_fresh false
	assert_equal "$status" 1
	assert_baseline
}

@test "crun and runc both run it" {
	for binary in runc crun; do
		run coracle run --rm --runc-binary $binary busybox "$id-$binary" probe exit 7
		assert_equal "$status" 7
	done
}

# ---- signals -----------------------------------------------------------------------------------------------------------

@test "signals to the client reach the process: HUP INT QUIT USR1 USR2 TERM WINCH CONT" {
	coracle run --rm busybox "$id" probe signals 8 >"$RIG/signals" 3>&- &
	client=$!
	wait_for 10 grep -q ready "$RIG/signals"
	for signal in 1 2 3 10 12 28 18 15; do
		kill -$signal $client
		wait_for 10 grep -qx "signal $signal" "$RIG/signals"
	done
	wait $client
}

@test "a process that ignores every signal survives them, and SIGKILL by tasks kill ends it" {
	coracle run --rm busybox "$id" probe ignore >"$RIG/ignore" 3>&- &
	client=$!
	wait_for 10 grep -q ready "$RIG/ignore"
	kill -TERM $client
	kill -INT $client
	sleep 0.3
	kill -0 $client
	coracle tasks kill -s KILL "$id"
	finish $client
	assert_equal "$status" 137
}

@test "the container starts with no signal blocked and none ignored" {
	run in_fresh grep -E '^Sig(Blk|Ign)' /proc/self/status
	assert_equal "${lines[0]}" $'SigBlk:\t0000000000000000'
	assert_equal "${lines[1]}" $'SigIgn:\t0000000000000000'
}

# ---- standard streams --------------------------------------------------------------------------------------------------

@test "the process has the caller's own descriptors: the same files, without a copy in between" {
	echo input >"$RIG/in"
	coracle run --rm busybox "$id" stat -L -c '%i' /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 <"$RIG/in" >"$RIG/out" 2>"$RIG/err"
	assert_equal "$(cat "$RIG/out")" "$(stat -c %i "$RIG/in" "$RIG/out" "$RIG/err")"
}

@test "no descriptor but the three leaks into the container" {
	exec 20</etc/passwd
	run in_fresh probe fds
	exec 20<&-
	[ "${#lines[@]}" -eq 3 ] || fail "$output"
}

@test "stdout and stderr stay apart" {
	run --separate-stderr in_fresh sh -c 'echo out; echo err >&2'
	assert_equal "$output" out
	assert_equal "$stderr" err
}

@test "end of file on standard input arrives" {
	run in_fresh cat </dev/null
	assert_equal "$output" ""
	run bash -c "printf 'no newline' | coracle run --rm busybox $id cat"
	assert_equal "$output" "no newline"
}

@test "the process may close its streams and go on" {
	run in_fresh sh -c 'exec <&- >&- 2>&-; sleep 0.2; exit 5'
	assert_equal "$status" 5
}

@test "run ends when the process does, though a child holds the pipe" {
	start=$SECONDS
	run bash -c "coracle run --rm busybox $id probe leave 30 | head -n 1"
	assert_equal "$output" left
	[ $((SECONDS - start)) -lt 15 ]
}

@test "a reader that goes away gives the process a broken pipe, not a hang" {
	run timeout 20 bash -c "coracle run --rm busybox $id yes 2>/dev/null | head -n 2"
	assert_equal "$status" 0
	assert_equal "$output" $'y\ny'
}

@test "1 GiB through standard input and output arrives whole" {
	size=$((1 << 30))
	[ -z "${CORACLE_SANITIZED:-}" ] || size=$((1 << 26))
	produce() { openssl enc -aes-128-ctr -nosalt -K 00112233445566778899aabbccddeeff -iv 0 -in /dev/zero 2>/dev/null | head -c "$size"; }
	want=$(produce | sha256sum)
	have=$(produce | coracle run --rm busybox "$id" probe echo 2>"$RIG/echo.err" | sha256sum)
	assert_equal "$have" "$want"
	assert_equal "$(cat "$RIG/echo.err")" "copied $size"
}

@test "--null-io: no streams" {
	run coracle run --rm --null-io busybox "$id" sh -c 'echo lost; echo lost >&2; readlink /proc/self/fd/0; exit 3'
	assert_equal "$status" 3
	assert_equal "$output" ""
}

@test "--log-uri file:// gets both streams, the client none" {
	run coracle run --rm --log-uri "file://$RIG/made/by/us.log" busybox "$id" sh -c 'echo out; echo err >&2'
	assert_equal "$status" 0
	assert_equal "$output" ""
	assert_equal "$(sort "$RIG/made/by/us.log")" $'err\nout'
}

@test "--log-uri binary:// hands the streams and the container's name to the logger" {
	cat >"$RIG/logger" <<'END'
#!/bin/bash
exec 5>&-
{ echo "$CONTAINER_NAMESPACE/$CONTAINER_ID $*"; cat <&3; cat <&4; } >"$(dirname "$0")/logged.part"
mv "$(dirname "$0")/logged.part" "$(dirname "$0")/logged"
END
	chmod +x "$RIG/logger"
	coracle run --rm --log-uri "binary://$RIG/logger?key=value" busybox "$id" sh -c 'echo out; echo err >&2'
	wait_for 10 test -f "$RIG/logged"
	assert_equal "$(cat "$RIG/logged")" "$NS/$id key value"$'\nout\nerr'
}

@test "--pid-file holds the first process's id on the host" {
	coracle run -d --pid-file "$RIG/pid" busybox "$id" sleep 100
	assert_equal "$(cat "$RIG/pid")" "$(task_pid "$id")"
	grep -q sleep "/proc/$(cat "$RIG/pid")/cmdline"
}

# ---- what the flags do inside --------------------------------------------------------------------------------------------

@test "defaults: 14 capabilities, no new privileges, 1024 descriptors, own namespaces" {
	run in_fresh probe caps
	assert_equal "${lines[0]}" $'CapInh:\t0000000000000000'
	assert_equal "${lines[1]}" $'CapPrm:\t00000000a80425fb'
	assert_equal "${lines[2]}" $'CapEff:\t00000000a80425fb'
	assert_equal "${lines[3]}" $'CapBnd:\t00000000a80425fb'
	assert_equal "${lines[5]}" $'NoNewPrivs:\t1'
	run coracle run --rm busybox "$id-2" probe limits
	assert_equal "$output" "nofile 1024 1024"
	run coracle run --rm busybox "$id-3" sh -c 'for n in pid ipc uts mnt net; do readlink /proc/self/ns/$n; done'
	for n in pid ipc uts mnt net; do
		[[ $output != *"$(readlink /proc/self/ns/$n)"* ]] || fail "the host's $n namespace"
	done
}

@test "the first process is process 1 and sees only the container's processes" {
	run in_fresh sh -c 'echo $$; ls /proc | grep -c "^[0-9]"'
	assert_equal "${lines[0]}" 1
	[ "${lines[1]}" -le 4 ]
}

@test "--cap-add and --cap-drop" {
	run coracle run --rm --cap-add CAP_SYS_TIME --cap-drop CAP_CHOWN busybox "$id" probe caps
	assert_equal "${lines[2]}" $'CapEff:\t00000000aa0425fa'
	run --separate-stderr coracle run --rm --cap-add SYS_TIME busybox "$id-2" true
	assert_error 1 "capabilities must be specified with 'CAP_' prefix"
}

@test "--allow-new-privs counts by presence" {
	run coracle run --rm --allow-new-privs busybox "$id" probe caps
	assert_equal "${lines[5]}" $'NoNewPrivs:\t0'
	run coracle run --rm --allow-new-privs=false busybox "$id-2" probe caps
	assert_equal "${lines[5]}" $'NoNewPrivs:\t0'
}

@test "--privileged: the caller's capabilities, nothing masked, all devices" {
	run coracle run --rm --privileged busybox "$id" sh -c 'grep CapEff /proc/self/status; mount | grep -c " on /proc/k"; ls /dev/kmsg'
	assert_equal "${lines[0]}" "$(grep CapEff /proc/self/status)"
	assert_equal "${lines[1]}" 0
	assert_equal "${lines[2]}" /dev/kmsg
}

@test "--env, --env-file and their order" {
	printf 'A=file\nB=file\nC=file\n' >"$RIG/env"
	run coracle run --rm --env-file "$RIG/env" --env B=flag --env C --env D=x=y busybox "$id" env
	[[ $output == *"A=file"* && $output == *"B=flag"* && $output == *"D=x=y"* && $output != *"C="* ]] || fail "$output"
}

@test "--env-file that cannot be read: one line, nothing left" {
	take_baseline
	run --separate-stderr coracle run --env-file "$RIG/none" busybox "$id" true
	assert_error 1 "$RIG/none.*no such file or directory"
	assert_baseline
}

@test "--cwd, --hostname" {
	run coracle run --rm --cwd /home/user --hostname boat busybox "$id" sh -c 'pwd; hostname'
	assert_equal "$output" $'/home/user\nboat'
}

@test "--cwd that does not exist is made or refused, never the host's" {
	run coracle run --rm --cwd /new/place busybox "$id" pwd
	[ "$status" -ne 0 ] || assert_equal "$output" /new/place
}

@test "--user by name, by number, with a group" {
	run coracle run --rm --user user busybox "$id" sh -c 'id -u; id -g'
	assert_equal "$output" $'1000\n1000'
	run coracle run --rm --user 1234 busybox "$id-2" sh -c 'id -u; id -g'
	assert_equal "$output" $'1234\n0'
	run coracle run --rm --user 7:8 busybox "$id-3" sh -c 'id -u; id -g; id -G'
	assert_equal "$output" $'7\n8\n8'
	run --separate-stderr coracle run --rm --user nobody-here busybox "$id-4" true
	assert_error 1 'no users found'
}

@test "without a user: root with root's supplementary groups" {
	run in_fresh id -G
	assert_equal "$output" "0 6"
}

@test "--mount: bind, read-only, tmpfs; replaces a mount with the same destination" {
	mkdir -p "$RIG/share"
	echo shared >"$RIG/share/file"
	run coracle run --rm --mount "type=bind,src=$RIG/share,dst=/mnt,options=rbind:ro" busybox "$id" sh -c 'cat /mnt/file; touch /mnt/x'
	assert_equal "${lines[0]}" shared
	[[ ${lines[1]} == *"Read-only file system"* ]]
	run coracle run --rm --mount type=tmpfs,src=tmpfs,dst=/scratch,options=size=1m busybox "$id-2" sh -c 'df -k /scratch | tail -n 1'
	[[ $output == tmpfs*1024* ]]
	run coracle run --rm --mount type=tmpfs,src=tmpfs,dst=/dev/shm,options=size=2m busybox "$id-3" sh -c 'grep -c " /dev/shm " /proc/mounts; df -k /dev/shm'
	assert_equal "${lines[0]}" 1
	[[ $output == *" 2048 "* ]]
}

@test "--mount in the wrong form" {
	run --separate-stderr coracle run --rm --mount type=bind,nonsense busybox "$id" true
	assert_error 1 'invalid mount specification: expected key=val'
	run --separate-stderr coracle run --rm --mount type=bind,colour=red busybox "$id" true
	assert_error 1 'mount option "colour" not supported'
}

@test "--read-only: the root file system, not the mounts" {
	run coracle run --rm --read-only busybox "$id" sh -c 'touch /x; touch /run/x && echo run works'
	[[ ${lines[0]} == *"Read-only file system"* ]]
	assert_equal "${lines[1]}" "run works"
}

@test "--net-host: the host's network and its resolv.conf" {
	run coracle run --rm --net-host busybox "$id" sh -c 'readlink /proc/self/ns/net; cat /etc/resolv.conf'
	assert_equal "${lines[0]}" "$(readlink /proc/self/ns/net)"
	[ "$(printf '%s\n' "${lines[@]:1}")" = "$(grep -v '^$' /etc/resolv.conf)" ] || [ ! -s /etc/resolv.conf ]
}

@test "--memory-limit, --cpus, --cpu-shares reach the control group" {
	coracle run -d --memory-limit 67108864 --cpus 0.5 --cpu-shares 512 busybox "$id" sleep 100
	dir() { find /sys/fs/cgroup -path "*/$NS/$id" -type d; }
	value() { dir | while read -r d; do cat "$d/$1" 2>/dev/null; done | head -n 1; }
	if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
		assert_equal "$(value memory.max)" 67108864
		assert_equal "$(value cpu.max)" "50000 100000"
	else
		assert_equal "$(value memory.limit_in_bytes)" 67108864
		assert_equal "$(value cpu.cfs_quota_us)" 50000
		assert_equal "$(value cpu.cfs_period_us)" 100000
		assert_equal "$(value cpu.shares)" 512
	fi
}

@test "a container over its memory limit is killed, and only it" {
	run coracle run --rm --memory-limit 33554432 busybox "$id" probe alloc 200
	assert_equal "$status" 137
	run coracle run --rm --memory-limit 33554432 busybox "$id-2" probe alloc 8
	assert_equal "$output" "allocated 8 MiB"
}

@test "--cpus conflicts with --cpu-quota" {
	run --separate-stderr coracle run --rm --cpus 1 --cpu-quota 1000 busybox "$id" true
	assert_error 1 'cpus'
}

@test "--device: a node with its numbers, usable; others are not" {
	run coracle run --rm --device /dev/kmsg busybox "$id" stat -c '%t,%T' /dev/kmsg
	assert_equal "$output" "1,b"
	run coracle run --rm busybox "$id-2" probe mknod /tmp/full
	[[ $output == *"open: Operation not permitted"* ]] || assert_equal "$output" opened # 1:7 is among the default ones
	run --separate-stderr coracle run --rm --device /etc/passwd busybox "$id-3" true
	assert_error 1 'not a device node'
}

@test "--with-ns joins a namespace" {
	coracle run -d busybox "$id-first" sleep 100
	pid=$(task_pid "$id-first")
	run coracle run --rm --with-ns "uts:/proc/$pid/ns/uts" --with-ns "network:/proc/$pid/ns/net" busybox "$id" sh -c 'readlink /proc/self/ns/uts; readlink /proc/self/ns/net'
	assert_equal "${lines[0]}" "$(readlink "/proc/$pid/ns/uts")"
	run --separate-stderr coracle run --rm --with-ns uts busybox "$id-2" true
	assert_error 1 "joining a Linux namespace using --with-ns requires the format 'nstype:path'"
	run --separate-stderr coracle run --rm --with-ns time:/proc/self/ns/time busybox "$id-3" true
	assert_error 1 'the Linux namespace type specified in --with-ns is not valid: time'
}

@test "--cgroup: another path, and none" {
	coracle run -d --cgroup "/$NS/elsewhere" busybox "$id" sleep 100
	grep -q "/$NS/elsewhere" "/proc/$(task_pid "$id")/cgroup"
}

@test "--rlimit-nofile" {
	run coracle run --rm --rlimit-nofile 100:200 busybox "$id" probe limits
	assert_equal "$output" "nofile 100 200"
	run coracle run --rm --rlimit-nofile 64 busybox "$id-2" probe limits
	assert_equal "$output" "nofile 64 64"
}

@test "--rootfs: a directory instead of an image" {
	run coracle run --rm --rootfs "$RIG/rootfs" "$id" /bin/probe exit 9
	assert_equal "$status" 9
}

@test "--config: the spec from a file" {
	coracle run --dump-config - --rootfs "$RIG/rootfs" "$id" /bin/sh -c 'echo from config; exit 6' >"$RIG/config.json"
	jq -e .ociVersion "$RIG/config.json"
	run coracle run --rm --config "$RIG/config.json" "$id"
	assert_equal "$status" 6
	assert_equal "$output" "from config"
	run --separate-stderr coracle run --rm --config "$RIG/config.json" busybox "$id"
	assert_error 1 'with spec config file, only container id should be provided'
}

@test "--label and --annotation: labels become annotations, and win" {
	coracle run -d --label a=label --annotation a=annotation --annotation b=x busybox "$id" sleep 100
	run coracle containers info "$id"
	assert_equal "$(jq -r .Labels.a <<<"$output")" label
	assert_equal "$(coracle containers info --spec "$id" | jq -r '.annotations.a + "," + .annotations.b')" label,x
}

@test "entrypoint, command, environment, user and working directory come from the image" {
	make_image app --config '{"Entrypoint":["/bin/sh","-c"],"Cmd":["echo $GREETING; id -u; pwd"],"Env":["PATH=/bin","GREETING=hi"],"User":"user","WorkingDir":"/opt"}'
	run coracle run --rm app "$id"
	assert_equal "$output" $'hi\n1000\n/opt'
	run coracle run --rm app "$id-2" /bin/echo replaced
	assert_equal "$output" replaced
}

@test "the image's labels go to the container, but not the reserved ones" {
	make_image labelled --config '{"Cmd":["/bin/sleep","100"],"Labels":{"own":"x","containerd.io/restart.loguri":"binary:///bin/evil","io.cri-containerd.kind":"sandbox"}}'
	coracle run -d labelled "$id"
	run coracle containers info "$id"
	assert_equal "$(jq -r .Labels.own <<<"$output")" x
	[[ $output != *loguri* && $output != *io.cri-containerd* ]]
	assert_equal "$(jq -r '.Labels["io.containerd.image.config.stop-signal"]' <<<"$output")" SIGTERM
}

@test "a duplicate ID: already exists, and the first goes on" {
	detached "$id" sleep 100
	run --separate-stderr coracle run -d busybox "$id" true
	assert_error 1 "snapshot \"$id\": already exists"
	assert_equal "$(task_status "$id")" RUNNING
}

@test "--detach and --rm together" {
	run --separate-stderr coracle run -d --rm busybox "$id" true
	assert_error 1 'flags --detach and --rm cannot be specified together'
}

@test "--snapshotter native" {
	run coracle run --rm --snapshotter native busybox "$id" sh -c 'echo x >/new; cat /new; mount | grep -c overlay'
	assert_equal "$output" $'x\n0'
}

# ---- exec --------------------------------------------------------------------------------------------------------------

@test "tasks exec: exit code, streams, user, cwd" {
	detached "$id" sleep 100
	run coracle tasks exec --exec-id e1 "$id" probe exit 33
	assert_equal "$status" 33
	run bash -c "echo through | coracle tasks exec --exec-id e2 $id cat"
	assert_equal "$output" through
	run coracle tasks exec --exec-id e3 --user user --cwd /opt "$id" sh -c 'id -u; pwd'
	assert_equal "$output" $'1000\n/opt'
}

@test "tasks exec of a command that does not exist: one line, the container goes on" {
	detached "$id" sleep 100
	run --separate-stderr coracle tasks exec --exec-id e1 "$id" /no/such
	assert_error 1 '/no/such'
	assert_equal "$(task_status "$id")" RUNNING
	run coracle tasks exec --exec-id e1 "$id" true # the exec ID is free again
	assert_equal "$status" 0
}

@test "tasks exec without an exec ID" {
	detached "$id" sleep 100
	run --separate-stderr coracle tasks exec "$id" true
	[ "$status" -eq 1 ]
	[[ $stderr == *'Required flag "exec-id" not set'* ]]
}

@test "no descriptor leaks into an exec" {
	detached "$id" sleep 100
	run coracle tasks exec --exec-id e1 "$id" probe fds
	[ "${#lines[@]}" -eq 3 ] || fail "$output"
}
