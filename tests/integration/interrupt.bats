#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What interrupts a run or gets in its way: a kill between its steps, a stop while it starts, readers and writers that do not
# keep up, somebody else's deletions.

load lib
setup_file() { rig_up; }
teardown_file() { rig_down; }
setup() { id=$(id_for); }
teardown() { rig_clear; }

@test "the name of a run that was killed half-way is free again" {
	need strace
	traced_env
	for n in 8 10 12 14 16 18 20; do
		timeout 60 strace -o /dev/null -e trace=pwrite64 -e inject=pwrite64:signal=KILL:when=$n \
			coracle run --rm busybox "$id" probe exit 0 >/dev/null 2>&1 </dev/null || true
		# The record may be there already: then the container is, too.
		coracle tasks delete --force "$id" >/dev/null 2>&1 || true
		coracle containers delete "$id" >/dev/null 2>&1 || true
		run coracle run --rm busybox "$id" probe exit 5
		[ "$status" -eq 5 ] || fail "after a kill at write $n: $output" || return
	done
}

@test "a snapshot that somebody wants is not taken for a killed run's" {
	coracle snapshots prepare "$id" >/dev/null
	run -1 --separate-stderr coracle run --rm busybox "$id" probe exit 0
	assert_error 1 "snapshot \"$id\": already exists"
	coracle snapshots info "$id" >/dev/null
	coracle snapshots rm "$id"
}

@test "run -d that is told to stop while it starts: nothing is left" {
	printf '#!/bin/sh\ncase "$*" in *" run "*|*" create "*) sleep 2;; esac\nexec "%s" "$@"\n' "$(command -v runc)" >"$RIG/slowrunc"
	chmod 755 "$RIG/slowrunc"
	coracle run -d --runc-binary "$RIG/slowrunc" busybox "$id" probe sleep 1000 >/dev/null 2>&1 3>&- &
	client=$!
	sleep 1
	kill -TERM $client
	finish $client
	assert_equal "$status" 143
	assert_equal "$(coracle containers list -q)" ""
	assert_equal "$(coracle tasks list -q)" ""
	coracle snapshots list | lacks -w "$id"
}

@test "terminal input that nobody reads holds up neither output nor the end" {
	run timeout 60 python3 - coracle run --rm -t busybox "$id" sh -c 'stty raw -echo; for i in 1 2 3; do echo "line $i"; sleep 1; done; exit 4' <<-'EOF'
		import os, pty, sys, time
		pid, fd = pty.fork()
		if pid == 0:
		    os.execvp(sys.argv[1], sys.argv[1:])
		time.sleep(0.7)
		os.set_blocking(fd, False)
		sent, got, end = 0, b"", time.time() + 40
		while time.time() < end:
		    try:
		        sent += os.write(fd, b"x" * 4096) if sent < 200000 else 0
		    except BlockingIOError:
		        pass
		    try:
		        got += os.read(fd, 65536)
		    except OSError:
		        pass
		    done, status = os.waitpid(pid, os.WNOHANG)
		    if done:
		        print(sent > 20000, got.count(b"line"), status >> 8)
		        break
		    time.sleep(0.02)
		else:
		    os.kill(pid, 9)
		    print("stuck")
	EOF
	assert_equal "$output" "True 3 4"
}

@test "attach into a pipe that is non-blocking and read late: every byte" {
	detached "$id" sh -c 'read x; seq 1 20000'
	run timeout 60 python3 - "$id" <<-'EOF'
		import os, subprocess, sys, time
		r, w = os.pipe()
		os.set_blocking(w, False)
		p = subprocess.Popen(["coracle", "tasks", "attach", sys.argv[1]], stdin=subprocess.PIPE, stdout=w)
		os.close(w)
		time.sleep(0.5)
		p.stdin.write(b"go\n")
		p.stdin.flush()
		time.sleep(1)
		n = 0
		while data := os.read(r, 65536):
		    n += len(data)
		print(n, p.wait())
	EOF
	assert_equal "$output" "108894 0"
}

@test "a container that outlived its run --rm can be started again" {
	coracle run --rm busybox "$id" probe sleep 1000 </dev/null >/dev/null 2>&1 3>&- &
	client=$!
	wait_for 10 has_status "$id" RUNNING
	kill -KILL $client
	wait $client || true
	coracle tasks delete --force "$id" 2>/dev/null
	run coracle tasks start -d "$id"
	[ "$status" -eq 0 ] || fail "$output" || return
	wait_for 10 has_status "$id" RUNNING
}

@test "run --rm keeps the exit code when somebody else has deleted the record" {
	coracle run --rm busybox "$id" sh -c 'sleep 1; exit 7' </dev/null >/dev/null 2>"$RIG/err" 3>&- &
	client=$!
	wait_for 10 has_status "$id" RUNNING
	python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
db.execute("DELETE FROM containers WHERE id = ?", (sys.argv[2],))
db.commit()' "$CORACLE_ROOT/metadata.db" "$id"
	finish $client
	assert_equal "$status" 7
	coracle snapshots list | lacks -w "$id"
}

@test "looking a user up in an image of several layers leaves no mount, killed or not" {
	need strace
	traced_env
	"$MKIMAGE" tree-tar "$BATS_TEST_TMPDIR/upper.tar" opaque-late
	make_image layered --layer "$BATS_TEST_TMPDIR/upper.tar"
	for n in 1 2 3; do
		timeout 60 strace -f -o /dev/null -e trace=fsmount,umount2,openat2 -e inject=fsmount,umount2,openat2:signal=KILL:when=$n \
			coracle run --rm --user user layered "$id" probe exit 0 >/dev/null 2>&1 </dev/null || true
		grep -q coracle-view /proc/self/mountinfo && fail "a view is still mounted after a kill at call $n" && return 1
		coracle tasks delete --force "$id" >/dev/null 2>&1 || true
		coracle containers delete "$id" >/dev/null 2>&1 || true
	done
}

@test "containers delete --keep-snapshot: garbage collection lets it be" {
	coracle containers create busybox "$id" probe exit 0
	coracle containers delete --keep-snapshot "$id"
	coracle gc >/dev/null
	coracle snapshots info "$id" >/dev/null
	coracle snapshots rm "$id"
}

@test "containers create has no flags that only mean something to a run" {
	for flag in --pid-file=/dev/null --no-pivot --rm --detach; do
		run -1 --separate-stderr coracle containers create $flag busybox "$id" probe exit 0
		[[ $stderr == *"flag provided but not defined"* ]] || fail "$flag: $stderr" || return
	done
}
