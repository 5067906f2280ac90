# SPDX-License-Identifier: Apache-2.0
# A private containerd for side-by-side tests: its own root, state and socket below $CTRD, nothing of the host's touched.
# Sourced by bats files. Needs root and Debian's packages containerd, runc, busybox-static, umoci, jq.

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

theirs() {
	ctr --address "$CTRD/c.sock" "$@"
}

# ctrd_rootfs DIR: busybox with a user database that has the cases of the USER matrix.
ctrd_rootfs() {
	mkdir -p "$1"/{bin,etc,proc,sys,dev,tmp,run,root}
	cp "$(command -v busybox)" "$1/bin/busybox"
	ln -s busybox "$1/bin/sh"
	ln -s busybox "$1/bin/true"
	ln -s busybox "$1/bin/sleep"
	cat >"$1/etc/passwd" <<-EOF
		root:x:0:0:root:/root:/bin/sh
		daemon:x:1:1:daemon:/:/bin/false

		alice:x:1000:1000:Alice:/home/alice:/bin/sh
		bob:x:1001:100::/:/bin/sh
		1234:x:77:78:numeric name:/:/bin/sh
		twin:x:1000:2000:same uid as alice:/:/bin/sh
	EOF
	cat >"$1/etc/group" <<-EOF
		root:x:0:
		# a comment: root:x:666:root
		daemon:x:1:
		disk:x:6:root,alice
		wheel:x:10:root,alice
		users:x:100:alice
		alice:x:1000:alice
		staff:x:50:bob, alice
		bobs:x:101:bob,root
		4321:x:55:
	EOF
}

# ctrd_image LAYOUT TAG ROOTFS [umoci config arguments]: one layer.
ctrd_image() {
	local layout=$1 tag=$2 rootfs=$3 bundle
	shift 3
	bundle=$(mktemp -d)
	[ -d "$layout" ] || umoci init --layout "$layout"
	umoci new --image "$layout:$tag"
	umoci unpack --image "$layout:$tag" "$bundle/b" >/dev/null 2>&1
	cp -a "$rootfs/." "$bundle/b/rootfs/"
	umoci repack --image "$layout:$tag" "$bundle/b" >/dev/null 2>&1
	umoci config --image "$layout:$tag" --no-history "$@"
	rm -rf "$bundle"
}
