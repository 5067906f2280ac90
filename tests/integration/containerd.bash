# SPDX-License-Identifier: Apache-2.0
# A private containerd for bats files (compat/cases.py has its own way): its own root, state and socket below $CTRD, nothing of
# the host's touched. Sourced by them; they define `theirs`, ctr on it. Needs root and Debian's package containerd.

# ctrd_start DIR: starts it there and waits until it answers.
ctrd_start() {
	CTRD=$1
	mkdir -p "$CTRD/root" "$CTRD/state"
	cat >"$CTRD/config.toml" <<-EOF
		version = 2
		root = "$CTRD/root"
		state = "$CTRD/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
		[grpc]
		  address = "$CTRD/c.sock"
		[ttrpc]
		  address = "$CTRD/t.sock"
	EOF
	# bats waits for whoever holds its descriptor 3.
	containerd --config "$CTRD/config.toml" >"$CTRD/log" 2>&1 3>&- &
	echo $! >"$CTRD/pid"
	for _ in $(seq 100); do
		theirs version >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "containerd did not start:" >&2
	tail -5 "$CTRD/log" >&2
	return 1
}

# Ends it and takes away what it left.
ctrd_stop() {
	[ -n "${CTRD:-}" ] && [ -f "$CTRD/pid" ] || return 0
	local pid
	pid=$(cat "$CTRD/pid")
	kill "$pid" 2>/dev/null || true
	for _ in $(seq 50); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$pid" 2>/dev/null || true
	grep -o " $CTRD/[^ ]*" /proc/self/mountinfo | sort -ru | while read -r m; do umount -l "$m"; done
	rm -rf "$CTRD"
}
