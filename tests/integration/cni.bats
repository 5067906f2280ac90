#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Networks by CNI plugins: the real ones of Debian (bridge, host-local, portmap), and scripts that misbehave.
#
# Each test has a mount and a network namespace of its own, which are "the host": /etc/cni/net.d, /var/lib/cni and /opt are
# empty there, and bridges, addresses and rules are nobody else's. A process (HOLDER) keeps them.

load lib

setup_file() {
	need /usr/lib/cni/bridge /usr/lib/cni/portmap iptables nsenter
	rig_up
}

teardown_file() {
	rig_down
}

setup() {
	local ready=$BATS_TEST_TMPDIR/ready
	unshare -m -n sh -c "ip link set lo up && for d in /etc/cni /var/lib/cni /opt; do mkdir -p \$d && mount -t tmpfs cni \$d; done &&
		mkdir -p /etc/cni/net.d /opt/cni/bin && touch '$ready' && exec sleep 1000" 3>&- &
	HOLDER=$!
	wait_for 10 test -e "$ready"
	PLUGINS=$BATS_TEST_TMPDIR/plugins
	mkdir -p "$PLUGINS"
}

teardown() {
	rig_clear
	kill -KILL "$HOLDER" 2>/dev/null || true
	wait "$HOLDER" 2>/dev/null || true
}

on_host() {
	nsenter -m -n -t "$HOLDER" -- "$@"
}

coracle() {
	local program
	program=$(type -P coracle)
	if [ -n "${HOLDER:-}" ]; then
		on_host "$program" "$@"
	else
		"$program" "$@"
	fi
}

# For the background only: the program itself is the job, not a shell that waits for it.
coracle_job() {
	exec nsenter -m -n -t "$HOLDER" -- "$(type -P coracle)" "$@" 3>&-
}

# config NAME: a file of /etc/cni/net.d from standard input
config() {
	on_host sh -c "cat >/etc/cni/net.d/$1"
}

bridge_config() {
	config 10-net.conflist <<-'END'
		{ "cniVersion": "1.0.0", "name": "testnet", "plugins": [
		  { "type": "bridge", "bridge": "br-test", "isGateway": true, "ipMasq": true,
		    "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.211.3.0/24" }]], "routes": [{ "dst": "0.0.0.0/0" }] } },
		  { "type": "portmap", "capabilities": { "portMappings": true } } ] }
	END
}

# plugin NAME: a plugin of /opt/cni/bin from standard input (a shell script; $DIR is a directory of the test's)
plugin() {
	{ echo "#!/bin/sh"; echo "DIR=$PLUGINS"; cat; } | on_host sh -c "cat >/opt/cni/bin/$1 && chmod 755 /opt/cni/bin/$1"
}

# What a network leaves on the host: the plugins' shared chains and the bridge itself are meant to stay.
net_state() {
	echo "links:"
	on_host ip -br link show type veth
	echo "rules:"
	on_host iptables-save 2>/dev/null | grep -E '10\.211\.3\.|CNI-DN|CNI-[0-9a-f]{24}' || true
	echo "addresses:"
	on_host find /var/lib/cni -name '10.211.*'
	echo "pins:"
	on_host grep -c " $CORACLE_STATE/.netns" /proc/self/mountinfo || true
	find "$CORACLE_STATE/.netns" -mindepth 1 2>/dev/null || true
}

# [killed]: a plugin goes with its client, and one that was killed between making its chain of rules and using it leaves that
# chain, empty, where no DEL of the plugin looks for it.
assert_no_network() {
	net_state | if [ "${1:-}" = killed ]; then grep -vE '^:CNI-[0-9a-f]{24} - \[0:0\]$'; else cat; fi >"$BATS_TEST_TMPDIR/net"
	printf 'links:\nrules:\naddresses:\npins:\n0\n' | cmp -s - "$BATS_TEST_TMPDIR/net" || fail "network left behind: $(cat "$BATS_TEST_TMPDIR/net")"
}

address() { # ID
	coracle containers info "$1" | jq -r '.Extensions["coracle.network"].addresses[0] | split("/")[0]'
}

# A server that answers with a word, in the background.
serve() { # ID [flags of run]
	local id=$1
	shift
	coracle run -d --cni "$@" busybox "$id" sh -c "while :; do echo hello-$id | nc -l -p 80; done"
}

hears() { # ADDRESS PORT WORD
	[ "$(echo | on_host timeout 2 /bin/busybox nc "$1" "$2")" = "$3" ]
}

no_container() {
	[ -z "$(find "$CORACLE_ROOT/locks" -name 'netns-*')" ] || fail "lock left" || return
	[ -z "$(coracle containers list -q)" ] || fail "container left: $(coracle containers list)" || return
	[ -z "$(coracle snapshots list | awk 'NR > 1 && $3 == "Active"')" ] || fail "snapshot left" || return
	[ -z "$(coracle tasks list -q)" ] || fail "task left"
}

# ---- the real plugins ----------------------------------------------------------------------------------------------------

@test "a container reaches another one and the host over a bridge, and leaves nothing" {
	bridge_config
	serve web
	run -0 coracle run --rm --cni busybox c1 sh -c "ip -o addr; ip route; echo | nc $(address web) 80; ping -c 1 -W 2 10.211.3.1"
	[[ $output == *"lo    inet 127.0.0.1/8"* ]]
	[[ $output == *"eth0    inet 10.211.3.3/24"* ]]
	[[ $output == *"default via 10.211.3.1 dev eth0"* ]]
	[[ $output =~ hello-web ]]
	[[ $output == *"1 packets received"* ]]
	wait_for 5 hears "$(address web)" 80 hello-web
	coracle containers info web | jq -e '.Extensions["ctr.cni-containerd.metadata"] == {"EnableCni": true}'
	coracle containers info web | jq -e '.Extensions["coracle.network"].attachment.result.ips[0].gateway == "10.211.3.1"'
	coracle tasks kill -s KILL web
	coracle containers delete web
	no_container
	assert_no_network
}

@test "a published port is reachable from the host, on the address asked for" {
	bridge_config
	serve web -p 18080:80 --publish 127.0.0.1:18081:80/tcp
	wait_for 5 hears 127.0.0.1 18080 hello-web
	wait_for 5 hears 10.211.3.1 18080 hello-web
	wait_for 5 hears 127.0.0.1 18081 hello-web
	run ! hears 10.211.3.1 18081 hello-web
	coracle tasks kill -s KILL web
	assert_no_network
	run ! hears 127.0.0.1 18080 hello-web
	# The record still knows the ports: a second start publishes them again.
	coracle tasks delete web || true
	coracle tasks start -d web
	wait_for 5 hears 127.0.0.1 18080 hello-web
	coracle tasks delete --force web || true
	assert_no_network
	coracle containers delete web
	no_container
}

@test "the network goes with tasks kill, tasks delete or containers delete, not with any signal" {
	bridge_config
	coracle run -d --cni busybox c1 sh -c 'trap "echo >/hup" HUP; while :; do sleep 0.05; done'
	coracle tasks kill -s HUP c1
	on_host test -e "/proc/$(task_pid c1)/root"
	wait_for 5 test -e "/proc/$(task_pid c1)/root/hup"
	[ "$(address c1)" = 10.211.3.2 ]
	on_host test -e /var/lib/cni/networks/testnet/10.211.3.2
	coracle tasks kill -s KILL c1
	assert_no_network
	coracle containers delete c1
	# One that ends by itself keeps its address until somebody looks after it.
	coracle run -d --cni busybox c2 true
	wait_for 5 has_status c2 STOPPED
	run net_state
	[[ $output =~ /10.211.3.3 ]]
	coracle tasks delete c2
	assert_no_network
	coracle containers delete c2
	coracle run -d --cni busybox c3 true
	wait_for 5 has_status c3 STOPPED
	coracle containers delete c3
	assert_no_network
	no_container
}

@test "after kill -9 of the client the network works on, and deleting leaves nothing" {
	bridge_config
	coracle_job run --cni -p 18080:80 busybox c1 sh -c 'while :; do echo hello-c1 | nc -l -p 80; done' &
	local client=$!
	wait_for 10 hears 127.0.0.1 18080 hello-c1
	kill -KILL "$client"
	wait "$client" || true
	wait_for 5 hears 127.0.0.1 18080 hello-c1
	coracle tasks delete --force c1 || true
	coracle containers delete c1
	assert_no_network
	no_container
}

@test "kill -9 of the client while a plugin is at work: deleting leaves nothing" {
	bridge_config
	# Behind the real ones: what they did is there when the client dies.
	plugin slow <<-'END'
		[ "$CNI_COMMAND" = ADD ] || exit 0
		echo $$ >$DIR/pid
		exec sleep 1000
	END
	on_host sh -c 'jq ".plugins += [{type: \"slow\"}]" /etc/cni/net.d/10-net.conflist >/etc/cni/x && mv /etc/cni/x /etc/cni/net.d/10-net.conflist'
	coracle_job run --cni busybox c1 true &
	local client=$!
	wait_for 10 test -s "$PLUGINS/pid"
	run net_state
	[[ $output =~ 10.211.3.2 ]]
	kill -KILL "$client"
	wait "$client" || true
	# The plugin goes with it.
	wait_for 5 is_gone "$(cat "$PLUGINS/pid")"
	coracle containers delete c1
	assert_no_network
	no_container
}

@test "a failed ADD is taken back, plugins in reverse, and so is the container" {
	bridge_config
	plugin refuse <<-'END'
		[ "$CNI_COMMAND" = ADD ] || exit 0
		printf '%s\n' '{"cniVersion": "1.0.0", "code": 111, "msg": "no\nluck", "details": "today"}'
		exit 1
	END
	on_host sh -c 'jq ".plugins += [{type: \"refuse\"}]" /etc/cni/net.d/10-net.conflist >/etc/cni/x && mv /etc/cni/x /etc/cni/net.d/10-net.conflist'
	for flags in "" "-d" "--rm" "-p 18080:80"; do
		# shellcheck disable=SC2086
		run --separate-stderr -1 coracle run --cni $flags busybox c1 true
		assert_error 1 '^coracle: plugin type="refuse" failed \(add\): no luck; today$'
		assert_no_network
		no_container
	done
}

@test "after a reboot a container can be deleted, and its address is free again" {
	bridge_config
	serve web
	coracle containers info web | jq -e '.Extensions["coracle.network"].addresses == ["10.211.3.2/24"]'
	# Everything that runs ends, what is mounted is gone, the run directory is empty.
	kill -KILL "$(shim_pid web)" "$(task_pid web)"
	on_host sh -c "awk -v p='$CORACLE_STATE/' 'index(\$5, p) == 1 { print \$5 }' /proc/self/mountinfo | sort -r | xargs -r umount -l"
	on_host rm -rf "$CORACLE_STATE"
	on_host test -e /var/lib/cni/networks/testnet/10.211.3.2
	coracle containers delete web
	on_host test ! -e /var/lib/cni/networks/testnet/10.211.3.2
	no_container
}

@test "many at once get addresses of their own, and leave nothing" {
	local i pids=()
	bridge_config
	for i in 1 2 3 4 5 6; do
		coracle_job run --rm --cni busybox "c$i" sh -c 'ip -o -4 addr show eth0; sleep 0.2' >"$BATS_TEST_TMPDIR/out.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		finish "$i"
		[ "$status" -eq 0 ] || fail "$(cat "$BATS_TEST_TMPDIR"/out.*)"
	done
	[ "$(grep -ho '10\.211\.3\.[0-9]*/24' "$BATS_TEST_TMPDIR"/out.* | sort -u | wc -l)" = 6 ]
	no_container
	assert_no_network
}

@test "kill -9 of the client at any time: deleting leaves nothing" {
	local delay id
	bridge_config
	for delay in 0.01 0.03 0.05 0.07 0.09 0.12 0.15 0.2 0.3; do
		id=k${delay#0.}
		coracle_job run --cni -p 18080:80 busybox "$id" true >/dev/null 2>&1 &
		local client=$!
		sleep "$delay"
		kill -KILL "$client" 2>/dev/null || true
		finish "$client"
		# What it was in the middle of making (the monitor, the runtime) ends or is finished first.
		wait_for 20 delete_whatever_is_there "$id"
	done
	coracle gc >/dev/null
	no_container
	assert_no_network killed
}

delete_whatever_is_there() {
	coracle tasks delete --force "$1" >/dev/null 2>&1 || true
	coracle containers delete "$1" >/dev/null 2>&1 || true
	[ -z "$(coracle containers list -q)" ] && [ -z "$(coracle tasks list -q)" ]
}

# ---- what plugins get ----------------------------------------------------------------------------------------------------

@test "plugins get CNI's environment, and their configuration with result and ports" {
	plugin rec <<-'END'
		n=$(cat $DIR/n 2>/dev/null || echo 0); n=$((n + 1)); echo $n >$DIR/n
		env | grep ^CNI_ | sort >$DIR/$n.env
		cat >$DIR/$n.json
		[ "$CNI_COMMAND" != ADD ] || printf '{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.9.9.%s/24"}],"extra":%s}\n' $n $n
	END
	config 20-x.conflist <<-'END'
		{ "cniVersion": "0.4.0", "name": "x", "plugins": [ { "type": "rec", "who": 1 },
		  { "type": "rec", "who": 2, "capabilities": { "portMappings": true, "bandwidth": false } } ] }
	END
	config 30-later.conf </dev/null
	CNI_ARGS=bad CNI_IFNAME=bad coracle run --rm --cni -p 127.0.0.1:8080:80/udp busybox c1 true
	[ "$(cat "$PLUGINS/n")" = 4 ]
	[ "$(grep -v NETNS "$PLUGINS/1.env")" = "CNI_ARGS=
CNI_COMMAND=ADD
CNI_CONTAINERID=$NS-c1
CNI_IFNAME=eth0
CNI_PATH=/opt/cni/bin:/usr/lib/cni" ]
	grep -qx "CNI_NETNS=$CORACLE_STATE/.netns/$NS/c1" "$PLUGINS/1.env"
	# The namespace was there for DEL, too.
	grep -qx "CNI_NETNS=$CORACLE_STATE/.netns/$NS/c1" "$PLUGINS/4.env"
	grep -qx CNI_COMMAND=DEL "$PLUGINS/3.env"
	jq -e '. == {type: "rec", who: 1, name: "x", cniVersion: "0.4.0"}' "$PLUGINS/1.json"
	jq -e '.who == 2 and .prevResult.extra == 1 and
		.runtimeConfig == {portMappings: [{hostPort: 8080, containerPort: 80, protocol: "udp", hostIP: "127.0.0.1"}]}' "$PLUGINS/2.json"
	# DEL in reverse, each with the last result.
	jq -e '.who == 2 and .prevResult.extra == 2 and .runtimeConfig.portMappings[0].hostPort == 8080' "$PLUGINS/3.json"
	jq -e '.who == 1 and .prevResult.extra == 2 and .runtimeConfig == null' "$PLUGINS/4.json"
}

@test "DEL uses the configuration of ADD, whatever has become of the files" {
	bridge_config
	serve web
	on_host sh -c 'rm /etc/cni/net.d/*'
	coracle tasks kill -s KILL web
	assert_no_network
	coracle containers delete web
}

@test "a DEL that fails keeps the container; a plugin that is gone does not" {
	plugin moody <<-'END'
		[ "$CNI_COMMAND" = ADD ] && { echo '{"cniVersion":"1.0.0"}'; exit 0; }
		[ ! -e $DIR/bad ] || { echo "cannot do it" >&2; exit 3; }
	END
	echo '{"cniVersion":"1.0.0","name":"x","type":"moody"}' | config 1.conf
	touch "$PLUGINS/bad"
	run --separate-stderr -0 coracle run --cni busybox c1 true
	[[ $stderr == *'warning: network of container c1: plugin type="moody" failed (delete): netplugin failed: "cannot do it\n": exit status 3' ]]
	run --separate-stderr -1 coracle containers delete c1
	assert_error 1 '^coracle: network of container c1: plugin type="moody" failed \(delete\)'
	rm "$PLUGINS/bad"
	coracle containers delete c1
	assert_no_network
	coracle run -d --cni busybox c2 true
	wait_for 5 has_status c2 STOPPED
	on_host rm /opt/cni/bin/moody
	run --separate-stderr -0 coracle containers delete c2
	[[ $stderr == *'failed to find plugin "moody" in path [/opt/cni/bin /usr/lib/cni]' ]]
	assert_no_network
	no_container
}

# ---- hostile plugins and files -----------------------------------------------------------------------------------------------

fails_with() { # PATTERN [flags]
	local pattern=$1
	shift
	run --separate-stderr coracle run --cni "$@" busybox bad true
	assert_error 1 "$pattern" && no_container && assert_no_network
}

# bad_add: plugin "bad" that does as standard input says for ADD; DEL works
bad_add() {
	{ echo '[ "$CNI_COMMAND" = ADD ] || exit 0'; cat; } | plugin bad
}

@test "plugins that print garbage, nothing, too much, or fail without a word" {
	echo '{"cniVersion":"1.0.0","name":"x","plugins":[{"type":"bad"}]}' | config 1.conflist
	plugin bad <<<'echo "{not json"'
	fails_with 'plugin type="bad" failed \(add\): result: invalid JSON'
	plugin bad <<<'echo "[1]"'
	fails_with 'result: expected object$'
	plugin bad <<<'echo "{\"ips\": [{\"address\": 5}]}"'
	fails_with 'result: ips: address: expected string$'
	plugin bad <<<'exit 0'
	fails_with 'result: nothing was printed$'
	bad_add <<<'head -c 100000000 /dev/zero'
	fails_with 'plugin type="bad" failed \(add\): printed more than 1048576 bytes$'
	bad_add <<<'head -c 100000000 /dev/zero >&2; exit 1'
	fails_with 'plugin type="bad" failed \(add\): netplugin failed: "(\\x00)+…": exit status 1$'
	bad_add <<<'exit 1'
	fails_with 'netplugin failed with no error message: exit status 1$'
	bad_add <<<'kill -SEGV $$'
	fails_with 'netplugin failed with no error message: signal 11$'
	bad_add <<<'printf "\033[31mred\nline"; exit 1'
	fails_with 'error parsing its diagnostic message "\\x1b\[31mred\\nline": exit status 1$'
	on_host chmod 644 /opt/cni/bin/bad
	run --separate-stderr coracle run --cni busybox bad true
	[ "$status" -eq 1 ]
	[[ $stderr == *'permission denied' ]]
	on_host rm /opt/cni/bin/bad
	coracle containers delete bad # what could not be tried is kept for this
	fails_with 'plugin type="bad" failed \(add\): failed to find plugin "bad" in path \[/opt/cni/bin /usr/lib/cni\]$'
}

@test "a plugin that hangs is stopped with the run, and so are its children" {
	echo '{"cniVersion":"1.0.0","name":"x","plugins":[{"type":"hang"}]}' | config 1.conflist
	plugin hang <<-'END'
		[ "$CNI_COMMAND" = ADD ] || exit 0
		sleep 1000 &
		echo $! >$DIR/child
		wait
	END
	for flags in "" "-d"; do
		rm -f "$PLUGINS/child"
		# shellcheck disable=SC2086
		coracle_job run --cni $flags busybox c1 true &
		local client=$!
		wait_for 10 test -s "$PLUGINS/child"
		kill -TERM "$client"
		finish "$client"
		[ "$status" -eq 143 ]
		wait_for 5 is_gone "$(cat "$PLUGINS/child")"
		no_container
		assert_no_network
	done
}

@test "what a failed ADD has left and DEL does not take down is kept, for containers delete" {
	echo '{"cniVersion":"1.0.0","name":"x","plugins":[{"type":"moody"}]}' | config 1.conflist
	plugin moody <<-'END'
		[ "$CNI_COMMAND" = DEL ] || { touch $DIR/up; echo "no luck" >&2; exit 1; }
		[ ! -e $DIR/bad ] || { echo "cannot do it" >&2; exit 3; }
		[ ! -e "$CNI_NETNS" ] || touch $DIR/had-netns
		rm $DIR/up
	END
	for flags in "" "-d" "--rm"; do
		touch "$PLUGINS/bad"
		rm -f "$PLUGINS/had-netns"
		# shellcheck disable=SC2086
		run --separate-stderr -1 coracle run --cni $flags busybox c1 true
		[[ ${stderr_lines[0]} == *'warning: network of container c1: plugin type="moody" failed (delete): netplugin failed: "cannot do it\n": exit status 3' ]]
		[[ ${stderr_lines[1]} == *'warning: container c1 is kept until its network is taken down: delete it' ]]
		[[ ${stderr_lines[2]} == *'plugin type="moody" failed (add): '* ]]
		[ -e "$PLUGINS/up" ]
		[ -z "$(coracle tasks list -q)" ]
		run -1 coracle containers delete c1
		rm "$PLUGINS/bad"
		coracle containers delete c1
		[ ! -e "$PLUGINS/up" ]
		[ -e "$PLUGINS/had-netns" ]
		no_container
		assert_no_network
	done
}

@test "plugins that hang in ADD and in DEL: a second signal ends the run" {
	echo '{"cniVersion":"1.0.0","name":"x","plugins":[{"type":"hang"}]}' | config 1.conflist
	plugin hang <<-'END'
		echo $$ >$DIR/$CNI_COMMAND
		exec sleep 1000
	END
	coracle_job run --cni busybox c1 true >"$BATS_TEST_TMPDIR/out" 2>&1 &
	local client=$!
	wait_for 10 test -s "$PLUGINS/ADD"
	kill -TERM "$client"
	wait_for 10 test -s "$PLUGINS/DEL"
	kill -TERM "$client"
	wait_for 8 is_gone "$client"
	finish "$client"
	[ "$status" -eq 143 ]
	is_gone "$(cat "$PLUGINS/DEL")"
	grep -q 'warning: container c1 is kept' "$BATS_TEST_TMPDIR/out"
	plugin hang <<<'touch $DIR/down'
	coracle containers delete c1
	[ -e "$PLUGINS/down" ]
	no_container
	assert_no_network
}

@test "a daemon that a plugin leaves behind holds nothing up" {
	echo '{"cniVersion":"1.0.0","name":"x","plugins":[{"type":"daemon"}]}' | config 1.conflist
	plugin daemon <<-'END'
		[ "$CNI_COMMAND" = ADD ] || exit 0
		sleep 1000 >/dev/null 2>&1 &
		echo $! >$DIR/child
		echo '{"cniVersion":"1.0.0"}'
	END
	run --separate-stderr timeout 20 nsenter -m -n -t "$HOLDER" -- "$(type -P coracle)" run --rm --cni busybox c1 true
	is_gone "$(cat "$PLUGINS/child")" && fail "the test shows nothing"
	kill -KILL "$(cat "$PLUGINS/child")"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	no_container
	assert_no_network
}

@test "a client whose task was started anew meanwhile leaves the new one's network alone" {
	bridge_config
	coracle_job run --cni busybox c1 sleep 1000 &
	local client=$!
	wait_for 10 has_status c1 RUNNING
	kill -STOP "$client"
	coracle tasks delete --force c1 || true
	assert_no_network
	coracle tasks start -d c1
	kill -CONT "$client"
	finish "$client"
	[ "$status" -eq 137 ]
	has_status c1 RUNNING
	on_host test -e "/var/lib/cni/networks/testnet/$(address c1)"
	run net_state
	[[ $output == *veth* ]]
	coracle tasks delete --force c1 || true
	coracle containers delete c1
	no_container
	assert_no_network
}

@test "configurations that are missing, broken or hostile are told before anything is made" {
	fails_with '^coracle: no network config found in /etc/cni/net.d: cni plugin not initialized$'
	echo '{"name":"x","plugins":[' | config 1.conflist
	fails_with '^coracle: failed to load CNI config list file /etc/cni/net.d/1.conflist: error parsing configuration list: invalid JSON: .*: invalid cni config$'
	echo '{"name":"x","cniVersion":"1.0.0","plugins":[]}' | config 1.conflist
	fails_with 'no plugins in list: invalid cni config$'
	echo '{"name":"../x","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]}' | config 1.conflist
	fails_with 'name: invalid characters: invalid cni config$'
	echo '{"name":"x","cniVersion":"1.0.0","plugins":[{"type":"../../bin/sh"}]}' | config 1.conflist
	fails_with 'plugin 0: invalid plugin name: invalid cni config$'
	echo '{"name":"x","cniVersion":"9.9.9","plugins":[{"type":"bridge"}]}' | config 1.conflist
	fails_with 'cniVersion: none of the versions 0.1.0 to 1.1.0: invalid cni config$'
	head -c 3000000 /dev/zero | config 1.conflist
	fails_with 'exceeded max size of 2097152: invalid cni config$'
	on_host sh -c 'rm /etc/cni/net.d/*; mkfifo /etc/cni/net.d/0.conf; mkdir /etc/cni/net.d/00.conf'
	fails_with 'failed to load CNI config file /etc/cni/net.d/0.conf: not a regular file: invalid cni config$'
	on_host rm /etc/cni/net.d/0.conf
	echo '{"name":"x","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]}' | config 1.conf
	fails_with "missing 'type': invalid cni config$"
	lacks . < <(find /sys/fs/cgroup -type d -path "*/$NS/bad")
}

@test "flags that do not go together" {
	bridge_config
	fails_with '^coracle: flags --cni and --net-host cannot be specified together$' --net-host
	fails_with "is in the host's network namespace: --cni needs one of its own$" --with-ns "network:/proc/$HOLDER/ns/net"
	for value in 80 80:80:80:80 0:80 80:65536 a:80 80:80/icmp 1.2.3:80:80 :80 80: -1:80; do
		fails_with "^coracle: --publish \"$value\": .*: the format is " --publish="$value"
	done
	fails_with 'host port given twice' -p 80:80 -p 80:81
	run --separate-stderr coracle run -p 80:80 busybox bad true
	assert_error 1 '^coracle: --publish needs --cni$'
	echo '{"name":"x","cniVersion":"1.0.0","plugins":[{"type":"bridge"}]}' | config 1.conflist
	fails_with '^coracle: --publish: no plugin of network "x" in /etc/cni/net.d has the capability portMappings$' -p 80:80
	no_container
}

@test "a sandbox that is not there" {
	run --separate-stderr coracle run --sandbox sb1 busybox c1 true
	assert_error 1 "^coracle: can't find sandbox sb1$"
	no_container
	# As with containerd, the record can name one; a task cannot be started in it.
	coracle containers create --sandbox sb1 busybox c1 true
	[ "$(coracle containers info c1 | jq -r .SandboxID)" = sb1 ]
	run --separate-stderr coracle tasks start c1
	assert_error 1 "can't find sandbox sb1$"
	coracle containers delete c1
	no_container
}
