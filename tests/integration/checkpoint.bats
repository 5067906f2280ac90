#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Checkpoint and restore, with a real criu. The process (`probe count`) prints numbers and the hash of its memory: that it goes
# on shows in the next number, that nothing was lost in the hash. Both ways with containerd: tests/compat/checkpoint.bats.

load lib

setup_file() {
	rig_up
	if CRIU=$("$TOP/tools/sid-criu" 2>"$RIG/criu.err"); then
		PATH=$CRIU:$PATH
	fi
	export CRIU PATH
	# What takes snapshots apart and the like has made its directories before a baseline is taken.
	coracle images import --rootfs "$RIG/rootfs" other >/dev/null
	mkdir -m 0700 "$CORACLE_ROOT/checkpoints" "$CORACLE_ROOT/mnt"
}
teardown_file() { rig_down; }
teardown() {
	tmux_stop
	rig_clear
	local image
	for image in $(coracle images list -q | grep -v -x -e busybox -e other); do
		coracle images delete --sync "$image" >/dev/null
	done
}

setup() {
	[ -n "$CRIU" ] || skip "$(cat "$RIG/criu.err")"
}

# The last number and hash in the log of a container; with a number, the n-th line.
last() { coracle logs "$1" | tail -n 1; }
line() { coracle logs "$1" | sed -n "$2p"; }
counted() { # ID N: it has printed at least N lines
	[ "$(coracle logs "$1" | wc -l)" -ge "$2" ]
}

# A counting container ID, at least at 3.
counting() { # ID [RUN-FLAGS...]
	local id=$1
	shift
	coracle run -d "$@" busybox "$id" probe count 8 "$BATS_TEST_NUMBER"
	wait_for 20 counted "$id" 3
}

checkpoint() { # [FLAGS] ID: the image's name in $image
	image=$(coracle tasks checkpoint "$@")
}

# The first line of ID is what comes after the line $2 ("N HASH"): same hash, next number.
assert_goes_on() { # ID LINE
	local first n hash
	wait_for 20 counted "$1" 2
	first=$(line "$1" 1)
	read -r n hash <<<"$2"
	assert_equal "$first" "$((n + 1)) $hash"
}

@test "a container goes on where its checkpoint was made, with its memory" {
	local id
	id=$(id_for a)
	counting "$id"
	checkpoint --exit "$id"
	[[ $image =~ ^containerd\.io/checkpoint/$id:[0-9]{2}-[0-9]{2}-[0-9]{4}-[0-9]{2}:[0-9]{2}:[0-9]{2}$ ]] || fail "$image"
	has_status "$id" STOPPED
	coracle images list "name==$image" | grep -q 'containerd.io/checkpoint=true'
	coracle run -d --checkpoint "$image" busybox "$(id_for b)"
	assert_goes_on "$(id_for b)" "$(last "$id")"
	# From the same checkpoint once more: the past is not used up.
	coracle run -d --checkpoint "$image" busybox "$(id_for c)"
	assert_goes_on "$(id_for c)" "$(last "$id")"
}

@test "without --exit the container goes on, paused or running as it was" {
	local id n
	id=$(id_for)
	counting "$id"
	checkpoint "$id"
	has_status "$id" RUNNING
	n=$(coracle logs "$id" | wc -l)
	wait_for 10 counted "$id" $((n + 2))
	coracle images delete --sync "$image" >/dev/null
	coracle tasks pause "$id"
	sleep 1.1 # the name has seconds
	checkpoint "$id"
	has_status "$id" PAUSED
	coracle tasks resume "$id"
	wait_for 10 counted "$id" $((n + 4))
	coracle run -d --checkpoint "$image" busybox "$(id_for b)"
	wait_for 20 counted "$(id_for b)" 2
	assert_equal "$(line "$(id_for b)" 1 | cut -d ' ' -f 2)" "$(line "$id" 1 | cut -d ' ' -f 2)"
}

@test "a restored container takes exec, kill and attach, and its exit code is its own" {
	local id=r1 pid
	counting orig
	checkpoint --exit orig
	coracle run -d --checkpoint "$image" busybox $id
	run coracle tasks exec --exec-id e1 $id cat /proc/1/cmdline
	[[ $output == *count* ]] || fail "$output"
	pid=$(task_pid $id)
	[ -d "/proc/$pid" ]
	# Its control groups are its own, so that it and the first one cannot be taken for each other.
	grep -q "/$NS/$id$" "/proc/$pid/cgroup"
	lacks "/$NS/orig" "/proc/$pid/cgroup"
	wait_for 10 counted $id 2
	coracle tasks pause $id
	has_status $id PAUSED
	coracle tasks resume $id
	timeout 20 coracle tasks attach $id >"$RIG/attached" </dev/null &
	local attach=$!
	wait_for 10 grep -q ' ' "$RIG/attached"
	coracle tasks kill -s TERM $id
	finish $attach
	[ "$status" -eq 42 ]
}

@test "a foreground run of a checkpoint has the caller's descriptors and exit code" {
	counting orig
	checkpoint --exit orig
	(exec coracle run --rm --checkpoint "$image" busybox fg) >"$RIG/out" 2>"$RIG/err" </dev/null &
	local pid=$!
	wait_for 20 grep -q ' ' "$RIG/out"
	kill -TERM $pid # forwarded
	finish $pid
	[ "$status" -eq 42 ]
	assert_equal "$(head -n 1 "$RIG/out")" "$(last orig | awk '{ print $1 + 1, $2 }')"
	run coracle containers list -q
	assert_equal "$output" orig
}

@test "a terminal is restored with the process" {
	need tmux script
	coracle run -d -t busybox orig probe count 4 7
	wait_for 20 counted orig 3
	checkpoint --exit orig
	coracle run -d --checkpoint "$image" busybox tty
	wait_for 20 counted tty 3
	assert_equal "$(line tty 1 | tr -d '\r' | awk '{ print $2 }')" "$(last orig | tr -d '\r' | awk '{ print $2 }')"
	coracle tasks list | grep -q 'tty *[0-9]* *RUNNING'
	tmux_start "exec coracle tasks attach tty"
	wait_for 10 screen_has '^[0-9]+ [0-9a-f]{16}'
	tmux_stop
	coracle tasks kill -s KILL tty
	# And in the foreground, with a window of its own.
	tmux_start "coracle run --rm --checkpoint '$image' busybox fg; echo rc=\$?; sleep 100"
	wait_for 20 screen_has '^[0-9]+ [0-9a-f]{16}'
	coracle tasks kill -s TERM fg
	wait_for 20 screen_has '^rc=42'
}

@test "changed files come along, and only with their checkpoint" {
	coracle run -d busybox orig sh -c 'echo mine >/made; rm /etc/group; i=0; while :; do echo $((i += 1)); sleep 0.1; done'
	wait_for 10 counted orig 3
	checkpoint --exit orig
	coracle run -d --checkpoint "$image" busybox copy
	run coracle tasks exec --exec-id e1 copy sh -c 'cat /made; ls /etc/group 2>/dev/null; echo end'
	assert_equal "$output" "$(printf 'mine\nend')"
	wait_for 10 counted copy 2
	assert_equal "$(line copy 1)" "$(($(last orig) + 1))"
	run coracle run --rm busybox fresh ls /made
	[ "$status" -ne 0 ]
}

@test "with a user namespace" {
	local id=orig
	coracle run -d --uidmap 0:200000:65536 --gidmap 0:200000:65536 busybox $id \
		sh -c 'echo mine >/made; chown 1000:1000 /made; exec probe count 4 5'
	wait_for 20 counted $id 3
	checkpoint --exit $id
	coracle run -d --checkpoint "$image" busybox copy
	assert_goes_on copy "$(last $id)"
	run coracle tasks exec --exec-id e1 copy sh -c 'stat -c "%u %g" /made /bin/busybox; cat /made'
	assert_equal "$output" "$(printf '1000 1000\n0 0\nmine')"
	assert_equal "$(stat -c %u "/proc/$(task_pid copy)")" 200000
}

@test "the loopback is up again, and sockets on it go on" {
	# A server that was listening before the checkpoint answers after it.
	coracle run -d busybox orig sh -c 'echo hello >/tmp/f; httpd -p 127.0.0.1:80 -h /tmp; exec probe count 1 1'
	wait_for 20 counted orig 2
	wait_for 20 coracle tasks exec --exec-id e$RANDOM orig sh -c 'wget -q -O - http://127.0.0.1/f | grep hello'
	checkpoint --exit orig
	coracle run -d --checkpoint "$image" busybox copy
	wait_for 20 coracle tasks exec --exec-id e$RANDOM copy sh -c 'wget -q -O - http://127.0.0.1/f | grep hello'
	assert_equal "$(ip -o link show lo | grep -c UP)" 1 # ours is ours
}

@test "through an archive into another store" {
	local first
	counting orig
	checkpoint --exit orig
	first=$(last orig)
	coracle images export "$RIG/cp.tar" "$image" busybox
	coracle images export - "$image" >"$RIG/cp2.tar"
	tar -tf "$RIG/cp2.tar" | grep -qx oci-layout
	(
		export CORACLE_ROOT=$RIG/other-root CORACLE_STATE=$RIG/other-state
		coracle images import "$RIG/cp.tar" >/dev/null
		coracle gc >/dev/null
		coracle run -d --checkpoint "$image" busybox there
		assert_goes_on there "$first"
		coracle tasks delete --force there 2>/dev/null
		coracle containers delete there
	)
	rm -rf "$RIG/other-root" "$RIG/other-state" "$RIG"/cp*.tar
}

@test "containers checkpoint and restore, live and anew" {
	local hash
	counting orig --label my.label=kept
	coracle containers checkpoint --rw --image --task orig example.com/cp:one
	has_status orig RUNNING
	hash=$(line orig 1 | cut -d ' ' -f 2)
	coracle containers restore --rw --live live example.com/cp:one
	wait_for 20 counted live 2
	[ "$(line live 1 | cut -d ' ' -f 1)" -gt 3 ]
	assert_equal "$(line live 1 | cut -d ' ' -f 2)" "$hash"
	coracle containers info live | jq -e '.Labels["my.label"] == "kept" and .Image == "busybox"'
	coracle containers restore anew example.com/cp:one
	wait_for 20 counted anew 2
	assert_equal "$(line anew 1)" "1 $hash"
	coracle containers info --spec anew | jq -e --arg p "/$NS/anew" '.linux.cgroupsPath == $p'
	# What it lacks, it says.
	coracle containers checkpoint orig example.com/cp:bare
	run --separate-stderr coracle containers restore nope example.com/cp:bare
	assert_error 1 'spec of checkpoint example.com/cp:bare: media type not found'
	run --separate-stderr coracle containers checkpoint --task orig example.com/cp:one
	assert_error 1 'image "example.com/cp:one": already exists'
	run coracle containers list -q
	assert_equal "$output" "$(printf 'anew\nlive\norig')"
}

@test "--image-path and --work-path keep criu's files, and make no image" {
	counting orig
	mkdir "$RIG/work"
	coracle tasks checkpoint --image-path "$RIG/first" orig # runc notes in its state that there was one
	take_baseline
	(cd "$RIG" && coracle tasks checkpoint --image-path images --work-path work orig >"$RIG/said")
	[ ! -s "$RIG/said" ]
	[ -f "$RIG/images/inventory.img" ]
	[ -f "$RIG/work/dump.log" ]
	has_status orig RUNNING
	assert_baseline
	(cd "$RIG" && coracle tasks checkpoint --exit --image-path images2 orig)
	wait_for 10 has_status orig STOPPED
	[ -f "$RIG/images2/inventory.img" ]
	rm -rf "$RIG/images" "$RIG/images2" "$RIG/work" "$RIG/first"
}

@test "a checkpoint's blobs stay as long as its image" {
	local before
	counting orig
	before=$(coracle content list -q | sort)
	checkpoint --exit orig
	coracle gc
	coracle run -d --checkpoint "$image" busybox again
	wait_for 20 counted again 1
	coracle tasks delete --force again 2>/dev/null
	coracle containers delete again
	coracle images delete --sync "$image"
	assert_equal "$(coracle content list -q | sort)" "$before"
}

@test "what cannot be checkpointed is a clear error, and nothing is left of it" {
	coracle run -d busybox ended true
	wait_for 10 has_status ended STOPPED
	coracle containers create busybox made sh
	counting bad
	take_baseline
	run --separate-stderr coracle tasks checkpoint ended
	assert_error 1 'cannot checkpoint a stopped container: failed precondition'
	run --separate-stderr coracle tasks checkpoint made
	assert_error 1 'no running task found: task made not found'
	run --separate-stderr coracle tasks checkpoint nobody
	assert_error 1 "container \"nobody\" in namespace \"$NS\": not found"
	run --separate-stderr coracle tasks checkpoint
	assert_error 1 'container id must be provided'
	run --separate-stderr coracle containers checkpoint made
	assert_error 1 'ref must be provided'
	run --separate-stderr coracle containers checkpoint --task made r:1
	assert_error 1 'no running task found: task made not found'
	run --separate-stderr coracle containers restore x nobody:1
	assert_error 1 'image "nobody:1": not found'
	run --separate-stderr coracle containers restore x busybox
	assert_error 1 'image "busybox" is no checkpoint'
	assert_baseline
}

@test "a failed dump says why, and leaves the container running" {
	# A file of the host's as standard output is nothing that criu could find in the container.
	(exec coracle run --rm busybox bad probe count 1 1) >"$RIG/out" 2>&1 </dev/null &
	local child=$!
	wait_for 20 grep -q ' ' "$RIG/out"
	take_baseline
	run --separate-stderr coracle tasks checkpoint bad
	assert_error 1 "OCI runtime checkpoint failed: .*Can't lookup mount=.*/out"
	has_status bad RUNNING
	assert_baseline
	coracle tasks kill -s TERM bad
	finish $child
	[ "$status" -eq 42 ]
}

@test "without criu it says so" {
	local path=${PATH#"$CRIU:"}
	PATH=$path coracle run -d busybox nocriu probe count 1 1
	wait_for 20 counted nocriu 1
	run --separate-stderr coracle tasks checkpoint nocriu
	assert_error 1 'checkpoint: criu is needed, and is not in the PATH that the container was started with'
	has_status nocriu RUNNING
	counting orig
	checkpoint --exit orig
	coracle containers delete orig
	coracle tasks delete --force nocriu 2>/dev/null
	coracle containers delete nocriu
	take_baseline
	export PATH=$path
	run --separate-stderr coracle run -d --checkpoint "$image" busybox new
	assert_error 1 'restore: criu is needed'
	assert_baseline
}

@test "crun without criu in it says so" {
	need crun
	! crun --version | grep -q CRIU || skip "this crun has it"
	counting orig --runc-binary crun
	take_baseline
	run --separate-stderr coracle tasks checkpoint orig
	assert_error 1 'OCI runtime checkpoint failed: .*(unknown command checkpoint|compiled without CRIU support)'
	has_status orig RUNNING
	assert_baseline
}

@test "run --checkpoint takes what it can use, and the right image" {
	local flags
	counting orig
	checkpoint --exit orig
	coracle containers delete orig
	printf 'x' >"$RIG/rootfs/x"
	coracle images import --rootfs "$RIG/rootfs" different >/dev/null
	rm "$RIG/rootfs/x"
	take_baseline
	for flags in "--env A=b" "--cpus 1" "--privileged" "--rootfs" "--mount type=bind,src=/,dst=/x" "-t" "--cgroup /x" "--memory-limit 5"; do
		# shellcheck disable=SC2086
		run --separate-stderr coracle run $flags --checkpoint "$image" busybox new
		assert_error 1 "flag --${flags//[- =]*/}.* cannot be given with --checkpoint"
	done
	run --separate-stderr coracle run --checkpoint "$image" busybox new sh
	assert_error 1 'a command cannot be given with --checkpoint'
	run --separate-stderr coracle run --checkpoint "$image" different new
	assert_error 1 "checkpoint $image was made of image sha256:.*, which is not different"
	run --separate-stderr coracle run --checkpoint nobody busybox new
	assert_error 1 'image "nobody": not found'
	run --separate-stderr coracle run --checkpoint busybox busybox new
	assert_error 1 'image "busybox" is no checkpoint'
	assert_baseline
	coracle run -d --label a=b --checkpoint "$image" other new # the same root file system under another name
	coracle containers info new | jq -e '.Labels.a == "b" and .Image == "other"'
}

# hostile NAME PYTHON: the checkpoint image $image with the python's changes to the members of its tar
hostile() {
	"$BATS_TEST_DIRNAME/recheckpoint.py" "$RIG/cp.tar" "$RIG/$1.tar" "evil/$1:1" "$1"
	coracle images import "$RIG/$1.tar" >/dev/null
	rm "$RIG/$1.tar"
}

@test "a hostile checkpoint is refused, and writes nowhere" {
	local kind
	counting orig
	checkpoint --exit orig
	coracle containers delete orig
	coracle images export "$RIG/cp.tar" "$image"
	echo untouched >"$RIG/canary"
	for kind in symlink hardlink traversal absolute device subdirectory twice truncated; do
		hostile $kind
	done
	take_baseline
	for kind in symlink hardlink device traversal absolute subdirectory; do
		run --separate-stderr coracle run -d --checkpoint "evil/$kind:1" busybox new
		assert_error 1 'read checkpoint sha256:.*: not a plain file of one directory'
	done
	run --separate-stderr coracle run -d --checkpoint evil/twice:1 busybox new
	assert_error 1 'is there twice'
	run --separate-stderr coracle run -d --checkpoint evil/truncated:1 busybox new
	assert_error 1 'read checkpoint sha256:'
	assert_equal "$(cat "$RIG/canary")" untouched
	assert_baseline
	rm "$RIG/canary" "$RIG/cp.tar"
}

@test "criu's images that make no sense are its error in one line, and nothing is left" {
	counting orig
	checkpoint --exit orig
	coracle containers delete orig
	coracle images export "$RIG/cp.tar" "$image"
	hostile garbage
	take_baseline
	run --separate-stderr coracle run -d --checkpoint evil/garbage:1 busybox new
	assert_error 1 'failed to create shim task: OCI runtime restore failed: '
	assert_baseline
	rm "$RIG/cp.tar"
}

@test "an interrupted checkpoint leaves the container running, a killed one nothing that stays" {
	local child
	# criu, but it takes its time.
	mkdir -p "$RIG/slow"
	printf '#!/bin/sh\necho x >>"%s"\nwhile [ ! -e "%s" ]; do sleep 0.1; done\nexec "%s/criu" "$@"\n' \
		"$RIG/slow/at" "$RIG/slow/go" "$CRIU" >"$RIG/slow/criu"
	chmod +x "$RIG/slow/criu"
	PATH=$RIG/slow:$PATH counting orig
	touch "$RIG/slow/go"
	coracle tasks checkpoint --image-path "$RIG/first" orig # runc notes in its state that there was one
	rm -rf "$RIG/slow/go" "$RIG/slow/at" "$RIG/first"
	take_baseline
	(exec coracle tasks checkpoint orig) >"$RIG/said" 2>&1 &
	child=$!
	wait_for 10 test -s "$RIG/slow/at"
	kill -TERM $child
	touch "$RIG/slow/go"
	finish $child
	[ "$status" -eq 143 ] || [ "$status" -eq 1 ]
	has_status orig RUNNING
	assert_baseline
	rm "$RIG/slow/go" "$RIG/slow/at"
	(exec coracle tasks checkpoint orig) >"$RIG/said" 2>&1 &
	child=$!
	wait_for 10 test -s "$RIG/slow/at"
	kill -KILL $child
	finish $child
	[ -n "$(ls "$CORACLE_ROOT/checkpoints")" ]
	touch "$RIG/slow/go"
	# The runtime goes on to its end; what it wrote, nobody wants.
	wait_for 20 test ! -e "$CORACLE_STATE/$NS/orig/criu"
	coracle tasks resume orig
	coracle gc
	assert_equal "$(ls "$CORACLE_ROOT/checkpoints")" ""
	has_status orig RUNNING
	assert_baseline
	rm -rf "$RIG/slow"
}
