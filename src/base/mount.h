/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount descriptions as containerd has them ({type, source, target, options}) and performing them.
 * Used by snapshot back ends (who make them), the shim and the client (who mount them).
 */
#ifndef COR_BASE_MOUNT_H
#define COR_BASE_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct cor_mount {
	char *type; /* "overlay", "bind", … */
	char *source;
	char *target; /* inside the mount point given to cor_mount_all; NULL or "": the mount point itself */
	char **options; /* strv: "ro", "rbind", "lowerdir=…", … */
};
struct cor_mounts {
	struct cor_mount *items;
	size_t n, cap;
};
void cor_mounts_done(struct cor_mounts *m);
#define _cleanup_mounts_ _cleanup_(cor_mounts_done)
/* Appends a copy; options may be NULL. 0 or -ENOMEM. */
int cor_mounts_add(struct cor_mounts *m, const char *type, const char *source, const char *target,
		   char *const *options);
/* Value of an option "key=value" (borrowed), or NULL. */
const char *cor_mount_option(const struct cor_mount *m, const char *key);

/* Mounts all in order on the directory targetfd (an O_PATH descriptor). An overlay with more lower directories than
 * one page of options holds is mounted through fsconfig, or relative to their common parent. On failure what was
 * mounted is unmounted. */
int cor_mount_all(const struct cor_mounts *m, int targetfd, struct cor_error *err);
/* An overlay that is mounted nowhere: its descriptor, which it goes with. Takes any number of lower directories; -EINVAL
 * and the like where the kernel has no "lowerdir+" (before 6.7). */
int cor_mount_overlay_detached(const struct cor_mount *m);
/* A mount with the options "uidmap=" and "gidmap=" (base/mount_idmap.c), as a descriptor and mounted nowhere. -EINVAL,
 * -EOPNOTSUPP and the like where kernel or file system cannot map IDs. */
int cor_mount_open_idmapped(const struct cor_mount *m);
/* The tree that the mounts show, for reading and writing: as the next one, and what is written goes where it would go in the
 * mounts. Directory descriptor or -errno. */
int cor_mounts_open_tree(const struct cor_mounts *m, struct cor_error *err);
/* The tree that the mounts would show, opened for reading and without a mount that anybody sees or that outlives the
 * descriptor: a directory that stands alone is opened itself, an overlay is mounted read-only and detached. skip_upper: an
 * overlay's upper directory is known to be empty. Directory descriptor or -errno. */
int cor_mounts_open_view(const struct cor_mounts *m, bool skip_upper, struct cor_error *err);
/* Binds the namespace that nsfd (of /proc/<pid>/ns/…) is on the new file dirfd/name (0600), which keeps it; cor_unmount_at and
 * unlinkat let it go. */
int cor_pin_namespace_at(int nsfd, int dirfd, const char *name, struct cor_error *err);
/* Is dirfd/name such a file? */
bool cor_namespace_pinned_at(int dirfd, const char *name);
/* Unmounts everything stacked on dirfd/name (not what is below it in other trees), MNT_DETACH as the last resort;
 * nothing mounted or missing is fine. */
int cor_unmount_at(int dirfd, const char *name, struct cor_error *err);

#endif
