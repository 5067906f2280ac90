/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What apply's files share. Rules that hold throughout:
 *  1. A path is a cleaned, rooted name without its leading slash ("" is the root): no ".", "..", or empty component.
 *     It is lexical; symlinks in it are resolved inside the root, the last component's never.
 *  2. A node is made, changed or removed only as (descriptor of its resolved parent, one name), without following.
 *  3. A descriptor from dircache_get is borrowed until the next call of dircache_get or dircache_flush.
 *  4. Before a directory or symlink is removed the cache is flushed, so that no cached descriptor was resolved through
 *     something that is no longer there. (Making a node cannot redirect a path that resolved before.)
 */
#ifndef COR_LAYER_APPLY_INTERNAL_H
#define COR_LAYER_APPLY_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "base/str.h"
#include "layer/layer.h"
#include "layer/tar.h"

#define APPLY_MAX_DEPTH   512
#define APPLY_MAX_ENTRIES (10 * 1000 * 1000)
#define DIRCACHE_SLOTS    16

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_META   ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/* A directory opened by its path. Its times are put back when it leaves the cache, if something was done in it. */
struct dir_slot {
	char *path; /* NULL: free slot */
	size_t len;
	int fd;
	ino_t ino;
	struct timespec times[2];
	uint64_t used;
	bool touched;
};

/* Names placed by this layer, as hashes of (parent's inode, name). Kept for COR_WHITEOUT_REMOVE only: an overlay's
 * upper directory holds nothing else. */
struct placed_set {
	uint64_t *slots; /* 0: free */
	size_t n, cap;
};

struct apply {
	int root;
	const struct cor_apply_options *opts;
	struct cor_tar_reader *tar;
	struct dir_slot cache[DIRCACHE_SLOTS];
	uint64_t clock;
	struct placed_set placed;
	uint64_t bytes, entries, max_bytes, max_entries;
	struct cor_buf path; /* of the current entry */
	struct cor_buf link; /* of a hardlink's target */
};

/* A path cut into its parent directory's path and the last component. */
struct place {
	const char *path, *base;
	size_t dir_len;
};

static inline bool apply_is_overlay(const struct apply *a)
{
	return a->opts->whiteouts == COR_WHITEOUT_OVERLAY;
}
/* char 0:0, as overlayfs marks a removed name. */
static inline bool apply_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}
static inline const char *apply_opaque_name(const struct apply *a)
{
	return a->opts->userxattr ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

/* path.c: the rooted, cleaned form of a name into *out. 0, -ENOMEM, -ENAMETOOLONG (deeper than APPLY_MAX_DEPTH). */
int apply_clean(struct cor_buf *out, const char *name);
struct place apply_split(const char *path);

/* dircache.c: a directory (read-only descriptor, borrowed). make: missing ones are made, like the lower layers' ones
 * where there are such, else 0755 root:root. touch: something will be made or removed in it. fd or -errno. */
int dircache_get(struct apply *a, const char *path, size_t len, bool make, bool touch);
/* Hands over a directory that was just made (path as for get); its times are what it has now. */
int dircache_add(struct apply *a, const char *path, size_t len, int fd);
/* The inode number of the directory of a borrowed descriptor. */
ino_t dircache_ino(const struct apply *a, int fd);
/* New times for a cached directory whose metadata an entry has set. */
void dircache_set_times(struct apply *a, ino_t ino, const struct timespec times[2]);
/* Puts times back and closes everything. 0 or the first -errno. */
int dircache_flush(struct apply *a);

/* meta.c: owner, xattrs, mode and times of an entry on an open file or directory. */
int meta_apply_fd(int fd, const struct cor_tar_entry *e, struct cor_error *err);
/* The same on a symlink, device or fifo that was just made. */
int meta_apply_at(int dirfd, const char *base, const struct cor_tar_entry *e, struct cor_error *err);
/* Removes the xattrs a layer could have set from a directory that an entry describes anew. */
int meta_clear_xattrs(int fd);
/* Copies owner, xattrs, mode and times between open files, directories included. 0 or -errno. */
int meta_copy_fd(int from, int to);
/* Between nodes that cannot be opened (symlinks, devices, fifos). 0 or -errno. */
int meta_copy_at(int from_dir, const char *from, int to_dir, const char *to);
void meta_times(const struct cor_tar_entry *e, struct timespec ret[2]);
/* An overlayfs attribute: never taken from a layer, never copied. */
bool meta_is_overlay_xattr(const char *name);

/* place.c: makes the entry at its place. */
int place_entry(struct apply *a, const struct cor_tar_entry *e, struct cor_error *err);
/* Removes what is at a place (a tree too). 0 or -errno; the borrowed descriptors are stale afterwards. */
int place_clear(struct apply *a, const struct place *p, struct cor_error *err);

/* lower.c: finds path in the lower layers: an O_PATH|O_DIRECTORY descriptor (the caller's) of its parent in the layer that shows it,
 * and the node's stat. -ENOENT when no layer has it or a nearer one hides it. */
int lower_lookup(struct apply *a, const char *path, struct stat *ret_st);
/* Copies a lower file (not a directory) to the same path in the root. 0 or -errno. */
int lower_copy_up(struct apply *a, const char *path);

/* whiteout.c: an entry named .wh.*: 1 it was one and is done, 0 it is an ordinary entry. */
int whiteout_entry(struct apply *a, struct cor_error *err);
int whiteout_make_opaque(struct apply *a, int dirfd);

/* placed.c */
int placed_add(struct apply *a, ino_t parent, const char *name, size_t len);
bool placed_has(const struct apply *a, ino_t parent, const char *name, size_t len);

#endif
