/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where snapshots' data lies: one small vtable per back end, keyed by the metadata's number for a snapshot (its
 * directory name, as in containerd's snapshotters). No names, labels or kinds here: those are the metadata's.
 *
 * overlayfs: <dir>/snapshots/<id>/{fs,work}; native: <dir>/snapshots/<id>/.
 * All directories are made with mode 0700 above and the root entry's own mode (0755) for fs.
 */
#ifndef COR_SNAPSHOT_BACKEND_H
#define COR_SNAPSHOT_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mount.h"

struct cor_snapshot_backend;

struct cor_snapshot_backend_ops {
	const char *name; /* "overlayfs", "native" */
	/* Makes the data directory of a new snapshot over parents[0..n) (nearest first). readonly: a view. native copies
	 * the parent (reflink where it can), a view of it has an empty directory. -EEXIST (err not set) when the number is
	 * in use or left over from a crash: take the next one. On other failures nothing is left. */
	int (*create)(struct cor_snapshot_backend *b, uint64_t id, const uint64_t *parents, size_t n,
		      bool readonly, struct cor_error *err);
	/* How to mount it. overlayfs gives what containerd gives: bind (ro/rw,rbind) when there is one directory only,
	 * else overlay with workdir/upperdir/lowerdir, "index=off" and "userxattr" as the kernel and user namespace ask. */
	int (*mounts)(struct cor_snapshot_backend *b, uint64_t id, const uint64_t *parents, size_t n,
		      bool readonly, struct cor_mounts *ret, struct cor_error *err);
	/* Makes the data durable (syncfs of the file system it is on) before it is committed. */
	int (*sync)(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err);
	/* Makes the directory itself durable, as create has left it; not what was written into it since. */
	int (*persist)(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err);
	int (*usage)(struct cor_snapshot_backend *b, uint64_t id, int64_t *ret_size, int64_t *ret_inodes,
		     struct cor_error *err);
	/* The number is free at once; then the data goes. Missing is fine. */
	int (*remove)(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err);
	/* Only frees the number; purge removes the data of all that were detached, and other leftovers of crashes. */
	int (*detach)(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err);
	int (*purge)(struct cor_snapshot_backend *b, struct cor_error *err);
	/* Each data directory on disk; fn returns non-zero to stop (returned). */
	int (*walk)(struct cor_snapshot_backend *b, int (*fn)(uint64_t id, void *data), void *data,
		    struct cor_error *err);
	/* Can this back end work on its directory's file system? FAILED_PRECONDITION with the reason otherwise. The answer is
	 * remembered in the directory, for its file system: a yes for good, a no until the next boot. *ret_fresh (may be NULL): was not remembered. */
	int (*probe)(struct cor_snapshot_backend *b, bool *ret_fresh, struct cor_error *err);
	/* Both NULL where mounts cannot map IDs. The root directory of a new snapshot gets another owner. */
	int (*set_owner)(struct cor_snapshot_backend *b, uint64_t id, uint32_t uid, uint32_t gid,
			 struct cor_error *err);
	/* Whether mounts with "uidmap=" and "gidmap=" (base/mount.h) work here: tried out. */
	int (*can_map_ids)(struct cor_snapshot_backend *b, bool *ret, struct cor_error *err);
	void (*free)(struct cor_snapshot_backend *b);
};
struct cor_snapshot_backend {
	const struct cor_snapshot_backend_ops *ops;
};

/* Does <dirfd>/<name>, a directory of overlayfs, remember a yes? Without opening it: two system calls. */
bool cor_overlayfs_remembered(int dirfd, const char *name);
/* path: absolute path of the back end's directory, made when missing (0700). */
int cor_overlayfs_open(const char *path, struct cor_snapshot_backend **ret, struct cor_error *err);
int cor_native_open(const char *path, struct cor_snapshot_backend **ret, struct cor_error *err);
/* By name; INVALID_ARGUMENT "snapshotter not loaded: X: invalid argument" like containerd. */
int cor_snapshot_backend_open(const char *name, const char *path, struct cor_snapshot_backend **ret,
			      struct cor_error *err);

#endif
