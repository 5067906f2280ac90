#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# CDI devices and GPUs in real containers. The files lie where they lie in life, /etc/cdi and /var/run/cdi: each command runs in
# a mount namespace of its own that has these two from $RIG/cdi.

load lib
setup_file() {
	rig_up
	mkdir -p "$RIG/ns"
}
teardown_file() { rig_down; }
setup() {
	id=$(id_for)
	rm -rf "$RIG/cdi" "$RIG/out"
	mkdir -p "$RIG/cdi/etc" "$RIG/cdi/run" "$RIG/out"
	etc=$RIG/cdi/etc run=$RIG/cdi/run
}
teardown() { rig_clear; }

# COMMAND... where /etc/cdi and /var/run/cdi are ours
in_ns() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare -m bash -c '
		set -e
		mount -t tmpfs tmpfs "$RIG/ns"
		mkdir "$RIG/ns/upper" "$RIG/ns/work"
		mount -t overlay -o "lowerdir=/etc,upperdir=$RIG/ns/upper,workdir=$RIG/ns/work" overlay /etc
		mkdir -p /etc/cdi
		mount --bind "$RIG/cdi/etc" /etc/cdi
		mount -t tmpfs tmpfs /run
		mkdir /run/cdi
		mount --bind "$RIG/cdi/run" /run/cdi
		exec "$@"' in_ns "$@"
}

# spec FILE KIND [NAME EDITS]... : a file of version 0.7.0 with these devices; the edits of the whole from $whole
spec() {
	local file=$1 kind=$2 devices='' comma=''
	shift 2
	while [ $# -gt 0 ]; do
		devices+="$comma{\"name\": \"$1\", \"containerEdits\": $2}"
		comma=,
		shift 2
	done
	printf '{"cdiVersion": "0.7.0", "kind": "%s", "containerEdits": %s, "devices": [%s]}\n' "$kind" "${whole:-{\}}" "$devices" >"$file"
}

# config FLAGS... : the spec that they make
config() {
	in_ns coracle run --dump-config - "$@" busybox "$id" true
}

good() { # a file with one device that sets GOOD=yes
	spec "$etc/good.json" good.com/dev d '{"env": ["GOOD=yes"]}'
}

@test "device nodes, environment, mounts, groups and hooks of a CDI device arrive in the container" {
	echo from-host >"$RIG/out/file"
	whole='{"env": ["WHOLE=1", "PATH=/vendor:/bin"], "additionalGids": [44],
		"mounts": [{"hostPath": "'$RIG'/out", "containerPath": "/vendor/a", "options": ["rbind", "ro"]},
			{"hostPath": "tmpfs", "containerPath": "/vendor", "type": "tmpfs", "options": ["size=64k"]}],
		"hooks": [{"hookName": "createRuntime", "path": "/bin/sh", "args": ["sh", "-c", "cat >'"$RIG"'/out/state; echo $X >'"$RIG"'/out/env"], "env": ["X=hook"]},
			{"hookName": "poststop", "path": "/bin/sh", "args": ["sh", "-c", "touch '"$RIG"'/out/stopped"]}]}' \
		spec "$etc/v.json" vendor.com/device \
		one '{"env": ["ONE=1"], "deviceNodes": [{"path": "/dev/null2", "hostPath": "/dev/null", "fileMode": 432, "uid": 1000, "gid": 6},
			{"path": "/dev/sub/zero2", "type": "c", "major": 1, "minor": 5, "fileMode": 292}]}' \
		two '{"env": ["TWO=1"]}'
	run --separate-stderr in_ns coracle run --rm --device vendor.com/device=one busybox "$id" sh -c '
		stat -c "%n %F %t:%T %a %u:%g" /dev/null2 /dev/sub/zero2
		echo x >/dev/null2 && head -c 3 /dev/sub/zero2 | od -An -tx1
		echo "$WHOLE $ONE $TWO $PATH"; cat /vendor/a/file; id -G; touch /vendor/a/x 2>/dev/null || echo read-only
		touch /vendor/b && echo writable'
	echo "$output$stderr"
	[ "$status" = 0 ]
	[ "${lines[0]}" = "/dev/null2 character special file 1:3 660 1000:6" ]
	[ "${lines[1]}" = "/dev/sub/zero2 character special file 1:5 444 0:0" ]
	[ "${lines[2]}" = " 00 00 00" ]
	[ "${lines[3]}" = "1 1  /vendor:/bin" ]
	[ "${lines[4]}" = from-host ]
	[[ " ${lines[5]} " == *" 44 "* ]]
	[ "${lines[6]}" = read-only ]
	[ "${lines[7]}" = writable ]
	[ "$(jq -r .id "$RIG/out/state")" = "$id" ]
	[ "$(cat "$RIG/out/env")" = hook ]
	wait_for 10 test -e "$RIG/out/stopped"
}

@test "the device cgroup has what the file says, and no more" {
	spec "$etc/v.json" v.com/c all '{"deviceNodes": [{"path": "/dev/x", "type": "c", "major": 10, "minor": 237}]}' \
		none '{"deviceNodes": [{"path": "/dev/x", "type": "c", "major": 10, "minor": 237, "permissions": "none"}]}' \
		read '{"deviceNodes": [{"path": "/dev/x", "type": "c", "major": 10, "minor": 237, "permissions": "r"}]}'
	for name in all read; do
		run in_ns coracle run --rm --device v.com/c=$name busybox "$id" sh -c ': </dev/x'
		[[ "$output" != *"not permitted"* ]]
	done
	run in_ns coracle run --rm --device v.com/c=read busybox "$id" sh -c ': >>/dev/x'
	[ "$output" = "sh: can't create /dev/x: Operation not permitted" ]
	run in_ns coracle run --rm --device v.com/c=none busybox "$id" sh -c ': </dev/x'
	[ "$output" = "sh: can't open /dev/x: Operation not permitted" ]
}

@test "containers create takes CDI devices, and other devices go with them" {
	spec "$run/v.json" v.com/c 0 '{"deviceNodes": [{"path": "/dev/cdi", "hostPath": "/dev/full"}]}'
	in_ns coracle containers create --device v.com/c=0 --device /dev/zero busybox "$id" sh -c 'stat -c "%n %t:%T" /dev/cdi /dev/zero'
	coracle containers info --spec "$id" | jq -c '[.linux.devices[].path], [.linux.resources.devices[-2:][] | .minor]' >"$RIG/out/got"
	diff <(printf '%s\n' '["/dev/zero","/dev/cdi"]' '[5,7]') "$RIG/out/got"
	run coracle tasks start "$id"
	echo "$output"
	[ "$output" = "$(printf '/dev/cdi 1:7\n/dev/zero 1:5')" ]
}

@test "the specification's own example" {
	mkdir -p "$RIG/out"/{dev,bin}
	mknod "$RIG/out/dev/card1" c 1 3
	mknod "$RIG/out/dev/card2" c 1 5
	mknod "$RIG/out/dev/ctl" c 1 7
	printf '#!/bin/sh\ntouch %s/hooked\n' "$RIG/out" >"$RIG/out/bin/vendor-hook"
	chmod +x "$RIG/out/bin/vendor-hook"
	echo lib >"$RIG/out/lib"
	# schema/testdata/good/spec-example.json, with its paths moved to where there is something
	cat >"$etc/vendor.json" <<-EOF
		{"cdiVersion": "0.6.0", "kind": "vendor.com/device",
		 "devices": [{"name": "myDevice", "containerEdits": {"deviceNodes": [
		   {"hostPath": "$RIG/out/dev/card1", "path": "/dev/card1"}, {"hostPath": "$RIG/out/dev/card2", "path": "/dev/card2"}]}}],
		 "containerEdits": {"env": ["FOO=CDI_SPEC", "BAR=BARVALUE1"],
		  "deviceNodes": [{"hostPath": "$RIG/out/dev/ctl", "path": "/dev/vendorctl", "uid": 1000, "gid": 1000}],
		  "mounts": [{"hostPath": "$RIG/out/bin", "containerPath": "/usr/vendorBin"},
		   {"hostPath": "$RIG/out/lib", "containerPath": "/usr/lib/libVendor.so.0"}],
		  "hooks": [{"hookName": "createContainer", "path": "$RIG/out/bin/vendor-hook"},
		   {"hookName": "startContainer", "path": "/bin/busybox", "args": ["sh", "-c", "echo inside >/tmp/ldconfig"]}]}}
	EOF
	run --separate-stderr in_ns coracle run --rm --device vendor.com/device=myDevice busybox "$id" sh -c '
		echo $FOO $BAR; stat -c "%n %t:%T %u" /dev/card1 /dev/card2 /dev/vendorctl; cat /usr/lib/libVendor.so.0 /tmp/ldconfig; ls /usr/vendorBin'
	echo "$output$stderr"
	[ "$status" = 0 ]
	[ "$output" = "$(printf '%s\n' 'CDI_SPEC BARVALUE1' '/dev/card1 1:3 0' '/dev/card2 1:5 0' '/dev/vendorctl 1:7 1000' lib inside vendor-hook)" ]
	[ -e "$RIG/out/hooked" ]
}

@test "YAML, and what other programs write into it" {
	cat >"$run/nvidia.yaml" <<-'EOF'
		---
		cdiVersion: v0.5.0
		kind: vendor.com/gpu
		containerEdits:
		  env:
		  - VISIBLE=void
		  hooks:
		  - hookName: createContainer
		    path: /bin/true
		    args: [vendor-hook, --folder, /usr/lib]
		devices:
		- name: "0"
		  containerEdits: &gpu
		    deviceNodes:
		    - path: /dev/gpu0
		      hostPath: /dev/zero
		      fileMode: 0640
		- name: all
		  containerEdits: *gpu
	EOF
	config --device vendor.com/gpu=all >"$RIG/out/spec"
	[ "$(jq -c '.linux.devices' "$RIG/out/spec")" = '[{"path":"/dev/gpu0","type":"c","major":1,"minor":5,"fileMode":416}]' ]
	[ "$(jq -c '.hooks' "$RIG/out/spec")" = '{"createContainer":[{"path":"/bin/true","args":["vendor-hook","--folder","/usr/lib"]}]}' ]
	run in_ns coracle run --rm --device vendor.com/gpu=0 busybox "$id" sh -c 'echo $VISIBLE; stat -c %a /dev/gpu0'
	[ "$output" = "$(printf 'void\n640')" ]
}

@test "/var/run/cdi comes before /etc/cdi; two files of one directory conflict" {
	spec "$etc/a.json" v.com/c x '{"env": ["FROM=etc"]}' y '{"env": ["Y=etc"]}'
	spec "$run/z.json" v.com/c x '{"env": ["FROM=run"]}'
	[ "$(config --device v.com/c=x --device v.com/c=y | jq -c '.process.env | map(select(test("FROM|Y=")))')" = '["FROM=run","Y=etc"]' ]
	spec "$run/a.json" v.com/c x '{"env": ["FROM=other"]}' z '{"env": ["Z=run"]}'
	run --separate-stderr in_ns coracle run --rm --device v.com/c=x busybox "$id" true
	assert_error 1 '^coracle: CDI device injection failed: unresolvable CDI devices v.com/c=x: conflicting device "v.com/c=x" \(specs "/var/run/cdi/a.json", "/var/run/cdi/z.json"\)$'
	run in_ns coracle run --rm --device v.com/c=z busybox "$id" sh -c 'echo $Z'
	[ "$output" = run ]
}

@test "a device that is in no file, and a --device that is neither a name nor a path" {
	take_baseline
	run --separate-stderr in_ns coracle run --rm --device v.com/c=1 --device w.com/c=2 busybox "$id" true
	assert_error 1 '^coracle: CDI device injection failed: unresolvable CDI devices v.com/c=1, w.com/c=2$'
	good
	run --separate-stderr in_ns coracle run --rm --device good.com/dev=d --device good.com/dev=e busybox "$id" true
	assert_error 1 '^coracle: CDI device injection failed: unresolvable CDI devices good.com/dev=e$'
	run --separate-stderr in_ns coracle containers create --device good.com/dev=: busybox "$id" true
	assert_error 1 '^coracle: error stating device path: stat good.com/dev=:: no such file or directory$'
	assert_baseline
}

@test "edits that the host cannot meet fail in one line, and leave nothing behind" {
	ln -s /dev/null "$RIG/out/link"
	spec "$etc/v.json" v.com/c node '{"deviceNodes": [{"path": "/dev/no-such"}]}' \
		link '{"deviceNodes": [{"path": "/dev/x", "hostPath": "'"$RIG"'/out/link"}]}' \
		type '{"deviceNodes": [{"path": "/dev/x", "hostPath": "/dev/null", "type": "b"}]}' \
		mount '{"mounts": [{"hostPath": "'"$RIG"'/nope", "containerPath": "/x", "options": ["bind"]}]}' \
		hook '{"hooks": [{"hookName": "createRuntime", "path": "/bin/false"}]}'
	take_baseline
	run --separate-stderr in_ns coracle run --rm --device v.com/c=node busybox "$id" true
	assert_error 1 '^coracle: CDI device injection failed: failed to inject devices: failed to stat CDI host device "/dev/no-such": no such file or directory$'
	run --separate-stderr in_ns coracle run --rm --device v.com/c=link busybox "$id" true
	assert_error 1 'failed to stat CDI host device ".*/out/link": not a device node$'
	run --separate-stderr in_ns coracle run --rm --device v.com/c=type busybox "$id" true
	assert_error 1 'failed to inject devices: CDI device \("/dev/x", "/dev/null"\), host type mismatch \(b, c\)$'
	run --separate-stderr in_ns coracle run --rm --device v.com/c=mount busybox "$id" true
	[ "$status" = 1 ]
	[[ "$stderr" == *"/nope"*"no such file or directory"* || "$stderr" == *"/nope"*"No such file or directory"* ]]
	run --separate-stderr in_ns coracle run --rm --device v.com/c=hook busybox "$id" true
	[ "$status" = 1 ]
	[[ "$stderr" == *hook* ]]
	assert_baseline
}

@test "what a runtime would pass over in silence is refused; a runtime that knows it gets it" {
	printf '%s\n' '{"cdiVersion": "1.1.0", "kind": "v.com/c", "devices": [' \
		'{"name": "net", "containerEdits": {"netDevices": [{"hostInterfaceName": "cdi-no-such", "name": "eth7"}]}},' \
		'{"name": "rdt", "containerEdits": {"intelRdt": {"enableMonitoring": true}}}]}' >"$etc/v.json"
	take_baseline
	for runtime in runc crun; do
		$runtime features 2>/dev/null | jq -e '.linux.netDevices.enabled' >/dev/null && continue
		run --separate-stderr in_ns coracle run --rm --runc-binary $runtime --device v.com/c=net busybox "$id" true
		assert_error 1 "^coracle: OCI runtime /.*/$runtime does not know linux.netDevices of the spec \(its command features does not list it\)\$"
		run --separate-stderr in_ns coracle run --rm --runc-binary $runtime --device v.com/c=rdt busybox "$id" true
		assert_error 1 "^coracle: OCI runtime /.*/$runtime does not know linux.intelRdt.enableMonitoring of the spec"
	done
	# One that says it can; it shows what it was given.
	printf '%s\n' '#!/bin/sh' "[ \"\$1\" != features ] || { echo '{\"linux\": {\"netDevices\": {\"enabled\": true}}}'; exit; }" \
		"case \"\$*\" in *--bundle*) cp config.json $RIG/out/config || cp \"\$(echo \"\$*\" | sed 's/.*--bundle //; s/ .*//')/config.json\" $RIG/out/config;; esac" \
		'exec runc "$@"' >"$RIG/out/newer"
	chmod +x "$RIG/out/newer"
	run in_ns coracle run --rm --runc-binary "$RIG/out/newer" --device v.com/c=net busybox "$id" true
	echo "$output"
	[ "$(jq -c '[.ociVersion, .linux.netDevices]' "$RIG/out/config")" = '["1.3.0",{"cdi-no-such":{"name":"eth7"}}]' ]
	assert_baseline
}

# Every kind of file that should not be there, under names that sort before and after the good one's.
hostile_files() {
	printf '{' >"$1/a-cut.json"
	printf '{"cdiVersion": "0.7.0", "kind": "bad.com/dev", "kind": "good.com/dev", "devices": []}' >"$1/a-twice.json"
	printf '[%.0s' $(seq 1 20000) >"$1/a-deep.json"
	truncate -s 1T "$1/a-huge.yaml"
	mkfifo "$1/a-fifo.json"
	ln -s a-loop.json "$1/a-loop.json"
	ln -s /dev/zero "$1/a-zero.yaml"
	ln -s /nowhere "$1/a-nowhere.json"
	mkdir "$1/a-directory.json"
	: >"$1/a-empty.yaml"
	head -c 65536 /dev/urandom >"$1/a-noise.yaml"
	printf 'kind: bad.com/dev\ncdiVersion: "0.7.0"\ndevices: [{name: "\xff"}]\n' >"$1/a-latin.yaml"
	{
		echo 'a0: &a0 [x, x, x, x, x, x, x, x, x]'
		for i in 1 2 3 4 5 6 7 8 9; do
			echo "a$i: &a$i [$(printf "*a$((i - 1)), %.0s" 1 2 3 4 5 6 7 8 9)]"
		done
	} >"$1/z-bomb.yaml"
	printf '&a [*a]\n' >"$1/z-self.yaml"
	printf '{"cdiVersion": "0.7.0", "kind": "bad.com/dev", "devices": {"name": 1}}' >"$1/z-type.json"
	printf '{"cdiVersion": "0.2.0", "kind": "bad.com/dev", "devices": [{"name": "d", "containerEdits": {"env": ["A=b"]}}]}' >"$1/z-old.json"
	printf '{"cdiVersion": "0.7.0", "kind": "bad.com/dev", "devices": [{"name": "d", "containerEdits": {"hooks": [{"hookName": "poststop", "path": "../x"}]}}]}' >"$1/z-hook.json"
	printf '{"cdiVersion": "0.7.0", "kind": "bad.com/dev", "devices": [{"name": "d", "containerEdits": {"deviceNodes": [{"path": "dev/x"}]}}]}' >"$1/z-path.json"
	printf '{"cdiVersion": "0.7.0", "kind": "bad.com/dev", "devices": [{"name": "../../d", "containerEdits": {"env": ["A=b"]}}]}' >"$1/z-name.json"
	printf '{"cdiVersion": "0.7.0", "kind": "bad.com/dev", "devices": [{"name": "d", "containerEdits": {"env": ["A=b\\u0000c"]}}]}' >"$1/z-nul.json"
	printf '{"cdiVersion": "0.7.0", "kind": "bad.com/dev", "devices": [{"name": "d", "x\\ny": 1}]}' >"$1/z-field.json"
}

# What each says when the device that is asked for may be in it
reasons='a-cut.json line 2: did not find expected node content
a-twice.json line 1: key "kind" given twice
a-deep.json line 1: nested too deep
a-huge.yaml read \(limit 4194304 bytes\): file too large
a-fifo.json not a regular file
a-loop.json open: too many levels of symbolic links
a-zero.yaml not a regular file
a-nowhere.json open: no such file or directory
a-empty.yaml line 1: no document
a-noise.yaml byte [0-9]+: .*|a-noise.yaml: line [0-9]+: .*
a-latin.yaml byte [0-9]+: invalid leading UTF-8 octet
z-bomb.yaml line [67]: too many values
z-self.yaml line 1: alias without an anchor before it
z-type.json devices: expected array of objects
z-old.json the spec version must be at least v0.3.0
z-hook.json device "d": hooks\[0\]: path is not absolute
z-path.json device "d": deviceNodes\[0\]: path is not absolute
z-name.json device "../../d": invalid name "../../d", should start with a letter or digit
z-nul.json line 1: string with a NUL byte
z-field.json devices\[0\]: unknown field "x\\x0ay"'

@test "hostile files: other devices go on working, without a word" {
	hostile_files "$etc"
	hostile_files "$run"
	spec "$run/m.json" good.com/dev d '{"env": ["GOOD=yes"]}'
	run --separate-stderr in_ns coracle run --rm --device good.com/dev=d busybox "$id" sh -c 'echo $GOOD'
	echo "$stderr"
	[ "$status" = 0 ]
	[ "$output" = yes ]
	[ -z "$stderr" ]
	# --debug tells of each.
	run --separate-stderr in_ns coracle --debug run --rm --device good.com/dev=d busybox "$id" true
	while read -r file _; do
		grep -qF "debug: CDI: /etc/cdi/$file: " <<<"$stderr" || fail "$file: $stderr"
	done <<<"$reasons"
}

@test "hostile files: who asks for their devices is told the file and the reason, in one line" {
	mkdir "$RIG/out/hostile"
	hostile_files "$RIG/out/hostile"
	good
	take_baseline
	# One namespace for all: each file is there for one command.
	# shellcheck disable=SC2016
	in_ns bash -c '
		cd "$1"
		for f in *; do
			mv "$f" "$2/"
			coracle run --rm --device bad.com/dev=d busybox "$3" true 2>"$4/$f.err" || echo $? >>"$4/$f.err"
			rm -rf "${2:?}/$f"
		done' loop "$RIG/out/hostile" "$etc" "$id" "$RIG/out"
	while read -r file reason; do
		status=$(tail -n 1 "$RIG/out/$file.err") stderr=$(sed '$d' "$RIG/out/$file.err")
		assert_error 1 "^coracle: CDI device injection failed: unresolvable CDI devices bad.com/dev=d: /etc/cdi/($file: $reason)\$"
	done <<<"$reasons"
	assert_baseline
}

@test "--gpus: NVIDIA's devices before AMD's, after those of --device" {
	spec "$etc/amd.json" amd.com/gpu 0 '{"env": ["GPU=amd0"]}' 3 '{"env": ["GPU3=amd3"]}'
	good
	[ "$(config --gpus 3 --gpus 0 | jq -c '.process.env[-2:]')" = '["GPU3=amd3","GPU=amd0"]' ]
	whole='{"env": ["NVIDIA=1"]}' spec "$run/nvidia.yaml" nvidia.com/gpu 0 '{"env": ["GPU=nvidia0"]}'
	[ "$(config --gpus 0 --device good.com/dev=d | jq -c '.process.env[-3:]')" = '["GOOD=yes","NVIDIA=1","GPU=nvidia0"]' ]
	run --separate-stderr in_ns coracle run --rm --gpus 3 busybox "$id" true
	assert_error 1 '^coracle: CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=3$'
	run --separate-stderr in_ns coracle run --rm --gpus one busybox "$id" true
	assert_error 1 '^coracle: invalid value "one" for flag -gpus: parse error$'
}

@test "--gpus: a broken file is named, and hands nothing on to another vendor in silence" {
	no_vendor='no known GPU vendor detected in CDI specs, only AMD and NVIDIA are supported, and nvidia-container-cli is not in PATH either'
	gpu() { PATH=${1:+$1:}$PATH run --separate-stderr in_ns coracle run --rm --gpus 0 busybox "$id" sh -c 'echo $GPU'; }
	take_baseline
	# Of a vendor's own kind: an error, whoever else there is.
	broken='{"cdiVersion": "0.7.0", "kind": "%s", "devices": []}\n'
	mkdir "$RIG/out/bin"
	printf '#!/bin/sh\n' >"$RIG/out/bin/nvidia-container-cli"
	chmod +x "$RIG/out/bin/nvidia-container-cli"
	# shellcheck disable=SC2059 # a format
	printf "$broken" nvidia.com/gpu >"$etc/n.json"
	gpu
	assert_error 1 '^coracle: detect GPU vendor failed: /etc/cdi/n.json: .*devices?'
	spec "$etc/amd.json" amd.com/gpu 0 '{"env": ["GPU=amd0"]}'
	gpu "$RIG/out/bin"
	assert_error 1 '^coracle: detect GPU vendor failed: /etc/cdi/n.json: '
	# A good file of the vendor beside it serves; what comes after the vendor that serves is nobody's matter.
	spec "$run/nvidia.json" nvidia.com/gpu 0 '{"env": ["GPU=nvidia0"]}'
	# shellcheck disable=SC2059
	printf "$broken" amd.com/gpu >"$etc/amd.json"
	echo '{' >"$etc/x.json"
	gpu
	[ "$status" = 0 ] && [ "$output" = nvidia0 ] && [ -z "$stderr" ]
	# AMD's own is broken, and NVIDIA has none.
	rm "$etc/n.json" "$run/nvidia.json" "$etc/x.json"
	gpu "$RIG/out/bin"
	assert_error 1 '^coracle: detect GPU vendor failed: /etc/cdi/amd.json: '
	# Of no kind that could be read: another vendor, or the hook, is used with a warning; or it is the reason.
	rm "$etc/amd.json"
	echo '{' >"$etc/x.json"
	gpu
	assert_error 1 "^coracle: detect GPU vendor failed: $no_vendor: /etc/cdi/x.json: line 2: "
	gpu "$RIG/out/bin"
	[ "$status" = 0 ]
	[[ "$stderr" == 'coracle: warning: GPUs are taken from nvidia-container-cli, although a CDI file cannot be read: /etc/cdi/x.json: '* ]]
	echo '[' >"$run/y.yaml"
	spec "$etc/amd.json" amd.com/gpu 0 '{"env": ["GPU=amd0"]}'
	gpu
	[ "$status" = 0 ] && [ "$output" = amd0 ]
	[ "${#stderr_lines[@]}" = 2 ]
	[[ "${stderr_lines[0]}" == 'coracle: warning: GPUs are taken from amd.com/gpu, although a CDI file cannot be read: /etc/cdi/x.json: '* ]]
	[[ "${stderr_lines[1]}" == *': /var/run/cdi/y.yaml: '* ]]
	assert_baseline
}

@test "--gpus without CDI files: an error, or the hook of nvidia-container-cli where that is there" {
	take_baseline
	run --separate-stderr in_ns coracle run --rm --gpus 0 busybox "$id" true
	assert_error 1 '^coracle: detect GPU vendor failed: no known GPU vendor detected in CDI specs, only AMD and NVIDIA are supported, and nvidia-container-cli is not in PATH either$'
	assert_baseline
	# No GPU here: in the place of NVIDIA's program stands one that says how it was called, and by whom.
	mkdir "$RIG/out/bin"
	printf '%s\n' '#!/bin/sh' "printf '%s\\n' \"\$@\" >$RIG/out/args; echo \$NVIDIA_X \$SECRET >$RIG/out/env" \
		"for a in \"\$@\"; do case \$a in --pid=*) readlink /proc/\${a#--pid=}/ns/mnt >$RIG/out/ns;; esac; rootfs=\$a; done" \
		"[ -x \$rootfs/bin/busybox ]" >"$RIG/out/bin/nvidia-container-cli"
	chmod +x "$RIG/out/bin/nvidia-container-cli"
	PATH=$RIG/out/bin:$PATH NVIDIA_X=kept SECRET=not run --separate-stderr in_ns coracle run --rm --gpus 1 --gpus 0 busybox "$id" readlink /proc/self/ns/mnt
	echo "$output$stderr"
	[ "$status" = 0 ]
	[ "$(cat "$RIG/out/env")" = kept ]
	[ "$(head -n 9 "$RIG/out/args" | tr '\n' ' ')" = "--load-kmods configure --device=1,0 --compute --compat32 --graphics --utility --video --display " ]
	[[ "$(sed -n 10p "$RIG/out/args")" =~ ^--pid=[1-9][0-9]*$ ]]
	[ "$(sed -n 11p "$RIG/out/args")" = "$CORACLE_STATE/$NS/$id/rootfs" ]
	# It ran while the container's own mount namespace was there already.
	[ "$(cat "$RIG/out/ns")" = "$output" ]
	# A hook that fails ends the start, with nothing left.
	printf '#!/bin/sh\nexit 3\n' >"$RIG/out/bin/nvidia-container-cli"
	PATH=$RIG/out/bin:$PATH run --separate-stderr in_ns coracle run --rm --gpus 0 busybox "$id" true
	[ "$status" = 1 ]
	[[ "$stderr" == *hook* ]]
	assert_baseline
}
