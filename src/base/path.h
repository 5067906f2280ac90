/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths inside a root. The one module that turns untrusted path strings into descriptors.
 *
 * Invariants:
 *  1. in_root functions never leave the tree below rootfd, whatever symbolic links, ".." or races are in the way
 *     (openat2 RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS; absolute links and ".." are taken relative to the root).
 *  2. Nothing here follows a final symlink unless the function says so.
 */
#ifndef COR_BASE_PATH_H
#define COR_BASE_PATH_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

/* Lexical only, Go's filepath.Clean: "" -> ".", collapses //, . and .. . Caller frees; NULL on ENOMEM. */
char *cor_path_clean(const char *path);
/* Joined with one slash, then cleaned. */
char *cor_path_join(const char *a, const char *b);
/* Absolute form of path against the working directory, cleaned. */
char *cor_path_abs(const char *path);
/* Borrowed pointer to the last component ("a/b" -> "b"). */
const char *cor_path_base(const char *path);

/* openat2 inside rootfd. flags as openat (O_CLOEXEC is added); mode only with O_CREAT. Follows a final symlink
 * (inside the root) unless O_NOFOLLOW. EAGAIN is retried within a bound. fd or -errno. */
int cor_open_in_root(int rootfd, const char *path, int flags, mode_t mode);

/* Makes path and its parents as directories inside rootfd, following symlinks in the root; returns an O_PATH or
 * O_RDONLY|O_DIRECTORY descriptor of the last one. Existing directories keep their mode. fd or -errno. */
int cor_mkdir_p_in_root(int rootfd, const char *path, mode_t mode);

/* Opens the directory that will hold the last component of path (parents must exist; made when make is true), and
 * gives the last component's name (pointer into path). -EINVAL for "", "/", or a last component "..". */
int cor_open_parent_in_root(int rootfd, const char *path, bool make, const char **ret_name);

/* For trusted paths (options, store root): opens or makes a directory by absolute or cwd-relative path. fd or
 * -errno with err set. */
int cor_open_dir(const char *path, struct cor_error *err);
int cor_mkdir_p(const char *path, mode_t mode, struct cor_error *err);
/* mkdirat (existing directory is fine) + open; makes sure the mode is exactly mode. fd or -errno. */
int cor_open_or_mkdir_at(int dirfd, const char *name, mode_t mode, struct cor_error *err);

/* Removes name below dirfd recursively; does not follow symlinks, does not cross mounts; missing is fine. */
int cor_remove_tree_at(int dirfd, const char *name, struct cor_error *err);
/* Sum of st_blocks*512 and number of inodes below dirfd/name, hardlinks once. */
int cor_disk_usage_at(int dirfd, const char *name, int64_t *ret_size, int64_t *ret_inodes,
		      struct cor_error *err);

#endif
