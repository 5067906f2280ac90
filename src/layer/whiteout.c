/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whiteouts (image-spec layer.md): ".wh.NAME" hides NAME of the layers below, ".wh..wh..opq" hides everything that the
 * layers below have in its directory. They never hide what this layer has itself, wherever in the layer they stand.
 *
 * In an overlay's upper directory they become what overlayfs understands. In a full tree what is hidden is removed:
 * everything there that this layer has not placed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "layer/apply_internal.h"

/* Layers are at most APPLY_MAX_DEPTH deep, but symlinks can lead deeper. */
#define MAX_PRUNE_DEPTH 2048

int whiteout_make_opaque(struct apply *a, int dirfd)
{
	return fsetxattr(dirfd, apply_opaque_name(a), "y", 1, 0) < 0 ? -errno : 0;
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* Consumes fd_take, also on failure; -errno in it is passed on. */
static int open_stream(int fd_take, DIR **ret)
{
	_cleanup_close_ int fd = fd_take;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		return fd < 0 ? fd : -errno;
	TAKE_FD(fd);
	*ret = d;
	return 0;
}

/* dir's sub-directory (or itself, ".") for reading: a descriptor or -errno. */
static int open_sub(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool is_dot(const char *name)
{
	return streq(name, ".") || streq(name, "..");
}

static int prune(struct apply *a, int fd_take, ino_t ino, unsigned depth);

/* Removes one name unless this layer placed it; of a directory, everything in it that this layer did not place.
 * 1: it is gone, 0: it stays. */
static int prune_name(struct apply *a, int dirfd, ino_t ino, const char *name, unsigned depth)
{
	bool placed = placed_has(a, ino, name, strlen(name));
	struct timespec times[2];
	struct stat st;
	int r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : -errno;
	if (!S_ISDIR(st.st_mode)) {
		if (placed)
			return 0;
		return unlinkat(dirfd, name, 0) < 0 ? -errno : 1;
	}
	r = prune(a, open_sub(dirfd, name), st.st_ino, depth + 1);
	if (r < 0)
		return r;
	if (!placed && unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 1;
	if (!placed && errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Consumes fd_take, so that a level costs one descriptor. */
static int prune(struct apply *a, int fd_take, ino_t ino, unsigned depth)
{
	_cleanup_(close_dir) DIR *d = NULL;
	bool removed;
	int r = open_stream(fd_take, &d);

	if (r < 0)
		return r;
	if (depth > MAX_PRUNE_DEPTH)
		return -ELOOP;
	do { /* until a whole pass finds nothing: names may be missed while others are removed */
		struct dirent *de;

		removed = false;
		rewinddir(d);
		while (errno = 0, (de = readdir(d))) {
			if (is_dot(de->d_name))
				continue;
			r = prune_name(a, dirfd(d), ino, de->d_name, depth);
			if (r < 0)
				return r;
			removed |= r > 0;
		}
		if (errno)
			return -errno;
	} while (removed);
	return 0;
}

/* Opens the directory a whiteout stands in, with nothing else cached: what is below it may go. */
static int open_to_prune(struct apply *a, const struct place *p)
{
	int r = dircache_flush(a);

	return r < 0 ? r : dircache_get(a, p->path, p->dir_len, false, true);
}

static int opaque_remove(struct apply *a, const struct place *p)
{
	int fd = open_to_prune(a, p);

	return fd < 0 ? fd : prune(a, open_sub(fd, "."), dircache_ino(a, fd), 0);
}

static int name_remove(struct apply *a, const struct place *p, const char *name)
{
	int fd = open_to_prune(a, p);

	return fd < 0 ? fd : prune_name(a, fd, dircache_ino(a, fd), name, 0);
}

/* Hides name of the lower layers in the upper directory dirfd. */
static int name_overlay(struct apply *a, int dirfd, const char *name)
{
	_cleanup_close_ int fd = -1;

	if (mknodat(dirfd, name, S_IFCHR, 0) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) /* this layer's own directory: it stays, but nothing shines through */
		return whiteout_make_opaque(a, fd);
	return errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
}

/* overlayfs does not look for the attribute on the root: each name below is hidden by itself. */
static int opaque_root(struct apply *a, int dirfd)
{
	for (size_t i = 0; i < a->opts->n_lower; i++) {
		_cleanup_(close_dir) DIR *d = NULL;
		struct dirent *de;
		int r = open_stream(open_sub(a->opts->lower_fds[i], "."), &d);

		while (r >= 0 && (errno = 0, (de = readdir(d))))
			if (!is_dot(de->d_name))
				r = name_overlay(a, dirfd, de->d_name);
		if (r < 0 || errno)
			return r < 0 ? r : -errno;
	}
	return 0;
}

static int opaque_overlay(struct apply *a, const struct place *p)
{
	int fd = dircache_get(a, p->path, p->dir_len, true, p->dir_len == 0), r;

	if (fd < 0)
		return fd;
	r = whiteout_make_opaque(a, fd);
	return r < 0 || p->dir_len > 0 ? r : opaque_root(a, fd);
}

static int apply_whiteout(struct apply *a, const struct place *p)
{
	const char *name = p->base + strlen(WHITEOUT_PREFIX);
	bool opaque = streq(p->base, WHITEOUT_OPAQUE);
	int r;

	if (apply_is_overlay(a)) {
		if (opaque)
			return opaque_overlay(a, p);
		r = dircache_get(a, p->path, p->dir_len, true, true);
		return r < 0 ? r : name_overlay(a, r, name);
	}
	r = opaque ? opaque_remove(a, p) : name_remove(a, p, name);
	return r == -ENOENT || r == -ENOTDIR ? 0 : r; /* nothing there to hide */
}

int whiteout_entry(struct apply *a, struct cor_error *err)
{
	const char *path = a->path.data;
	struct place p = apply_split(path);
	bool opaque = streq(p.base, WHITEOUT_OPAQUE);
	int r;

	/* aufs's own files (.wh..wh.plnk/…, .wh..wh.aufs): nothing of the image. */
	if (cor_startswith(path, WHITEOUT_META) && !streq(path, WHITEOUT_OPAQUE))
		return 1;
	if (!cor_startswith(p.base, WHITEOUT_PREFIX))
		return 0;
	if (!opaque && cor_startswith(p.base, WHITEOUT_META))
		return 1;
	if (!opaque && (p.base[strlen(WHITEOUT_PREFIX)] == 0 || is_dot(p.base + strlen(WHITEOUT_PREFIX))))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid whiteout name \"%s\"", path);
	r = apply_whiteout(a, &p);
	return r < 0 ? cor_error_errno(err, r, "whiteout") : 1;
}
