/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers below an overlay's upper directory. The upper holds only what this layer brings, so a hardlink to a file
 * of a lower layer needs that file copied up first, and a directory made only to hold an entry takes after the one it
 * will be merged with.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "layer/apply_internal.h"

static int open_dir(int root, const char *path, size_t len)
{
	char copy[PATH_MAX];

	if (len >= sizeof(copy))
		return -ENAMETOOLONG;
	memcpy(copy, path, len);
	copy[len] = 0;
	return cor_open_in_root(root, copy, O_RDONLY | O_DIRECTORY, 0);
}

static bool is_opaque(const struct apply *a, int fd)
{
	char value[2];

	return fgetxattr(fd, apply_opaque_name(a), value, sizeof(value)) == 1 && value[0] == 'y';
}

/* Does a directory on the way to path hide the layers further down? */
static bool hides(const struct apply *a, int root, const char *path, size_t len)
{
	for (size_t n = 1; n <= len; n++) {
		_cleanup_close_ int fd = -1;

		if (n < len && path[n] != '/')
			continue;
		fd = open_dir(root, path, n);
		if (fd < 0)
			return false;
		if (is_opaque(a, fd))
			return true;
	}
	return false;
}

int lower_lookup(struct apply *a, const char *path, struct stat *ret_st)
{
	struct place p = apply_split(path);

	for (size_t i = 0; i < a->opts->n_lower; i++) {
		int root = a->opts->lower_fds[i];
		_cleanup_close_ int dir = open_dir(root, path, p.dir_len);

		if (dir >= 0 && fstatat(dir, p.base, ret_st, AT_SYMLINK_NOFOLLOW) == 0)
			return apply_is_whiteout(ret_st) ? -ENOENT : TAKE_FD(dir);
		if (dir >= 0 && errno != ENOENT)
			return -errno;
		if (dir == -ENOTDIR)
			return -ENOENT;
		if (dir < 0 && dir != -ENOENT)
			return dir;
		if (hides(a, root, path, p.dir_len))
			return -ENOENT;
	}
	return -ENOENT;
}

static int copy_file(int from_dir, int to_dir, const char *base)
{
	_cleanup_close_ int from = openat(from_dir, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_close_ int to = -1;
	int64_t n;

	if (from < 0)
		return -errno;
	to = openat(to_dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	n = cor_copy_fd(from, to);
	return n < 0 ? (int)n : meta_copy_fd(from, to);
}

static int copy_node(int from_dir, int to_dir, const char *base, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n;

	if (S_ISREG(st->st_mode))
		return copy_file(from_dir, to_dir, base);
	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(from_dir, base, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = 0;
		if (symlinkat(target, to_dir, base) < 0)
			return -errno;
	} else if (mknodat(to_dir, base, st->st_mode, st->st_rdev) < 0) {
		return -errno;
	}
	return meta_copy_at(from_dir, base, to_dir, base);
}

int lower_copy_up(struct apply *a, const char *path)
{
	struct place p = apply_split(path);
	_cleanup_close_ int from = -1;
	struct stat st;
	int to, r;

	from = lower_lookup(a, path, &st);
	if (from < 0)
		return from;
	if (S_ISDIR(st.st_mode))
		return -EPERM;
	to = dircache_get(a, path, p.dir_len, true, true);
	if (to < 0)
		return to;
	if (is_opaque(a, to))
		return -ENOENT;
	r = copy_node(from, to, p.base, &st);
	return r < 0 ? r : placed_add(a, dircache_ino(a, to), p.base, strlen(p.base));
}
