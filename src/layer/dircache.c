/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parent directories, opened once and kept for the entries that follow.
 *
 * A path resolves from the root descriptor in one openat2(RESOLVE_IN_ROOT); what is missing is made one component at a
 * time, each in its (cached) parent. The cache is also what keeps directories' times right: placing a file in a
 * directory changes its mtime, so the times found on opening are put back on leaving. That needs no list of all
 * directories, whatever the order of a layer's entries.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "layer/apply_internal.h"

/* Missing parents and dangling symlinks on the way to one directory, together: what bounds the recursion. */
#define MAX_STEPS (2 * APPLY_MAX_DEPTH)

static int drop(struct dir_slot *s)
{
	int r = 0;

	if (!s->path)
		return 0;
	if (s->touched && futimens(s->fd, s->times) < 0)
		r = -errno;
	cor_close(s->fd);
	free(s->path);
	*s = (struct dir_slot){.fd = -1};
	return r;
}

int dircache_flush(struct apply *a)
{
	int first = 0;

	for (size_t i = 0; i < DIRCACHE_SLOTS; i++) {
		int r = drop(&a->cache[i]);
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

static struct dir_slot *find(struct apply *a, const char *path, size_t len)
{
	for (size_t i = 0; i < DIRCACHE_SLOTS; i++) {
		struct dir_slot *s = &a->cache[i];
		if (s->path && s->len == len && memcmp(s->path, path, len) == 0)
			return s;
	}
	return NULL;
}

static struct dir_slot *find_ino(struct apply *a, ino_t ino)
{
	for (size_t i = 0; i < DIRCACHE_SLOTS; i++)
		if (a->cache[i].path && a->cache[i].ino == ino)
			return &a->cache[i];
	return NULL;
}

/* A free slot, the least recently used one if need be. */
static int take_slot(struct apply *a, struct dir_slot **ret)
{
	struct dir_slot *oldest = &a->cache[0];

	for (size_t i = 0; i < DIRCACHE_SLOTS; i++) {
		struct dir_slot *s = &a->cache[i];
		if (!s->path) {
			*ret = s;
			return 0;
		}
		if (s->used < oldest->used)
			oldest = s;
	}
	*ret = oldest;
	return drop(oldest);
}

/* Consumes fd_take, also on failure. */
static int add(struct apply *a, const char *path, size_t len, int fd_take, struct dir_slot **ret)
{
	_cleanup_close_ int fd = fd_take;
	struct dir_slot *s;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	s = find_ino(a, st.st_ino);
	if (s) {
		/* The same directory by another path: put its times back first, then look again. */
		r = drop(s);
		if (r < 0)
			return r;
		if (fstat(fd, &st) < 0)
			return -errno;
	}
	r = take_slot(a, &s);
	if (r < 0)
		return r;
	s->path = strndup(path, len);
	if (!s->path)
		return -ENOMEM;
	s->len = len;
	s->fd = TAKE_FD(fd);
	s->ino = st.st_ino;
	s->times[0] = st.st_atim;
	s->times[1] = st.st_mtim;
	s->touched = false;
	s->used = ++a->clock;
	*ret = s;
	return 0;
}

int dircache_add(struct apply *a, const char *path, size_t len, int fd)
{
	struct dir_slot *s;

	return add(a, path, len, fd, &s);
}

static int open_path(struct apply *a, const char *path, size_t len)
{
	char copy[PATH_MAX];

	if (len >= sizeof(copy))
		return -ENAMETOOLONG;
	memcpy(copy, path, len);
	copy[len] = 0;
	return cor_open_in_root(a->root, copy, O_RDONLY | O_DIRECTORY, 0);
}

/* Makes one missing directory in its parent: what the lower layers show there, else 0755 root:root. */
static int make_dir(struct apply *a, int parent, const char *path, size_t len, const char *base, bool opaque)
{
	_cleanup_free_ char *copy = strndup(path, len);
	_cleanup_close_ int fd = -1, lower_parent = -1, lower = -1;
	struct stat st;
	int r;

	if (!copy)
		return -ENOMEM;
	if (mkdirat(parent, base, 0755) < 0)
		return -errno;
	fd = openat(parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0755) < 0)
		return -errno;
	r = placed_add(a, dircache_ino(a, parent), base, strlen(base));
	if (r >= 0 && opaque)
		r = whiteout_make_opaque(a, fd);
	if (r < 0)
		return r;
	if (!opaque && a->opts->n_lower > 0) {
		lower_parent = lower_lookup(a, copy, &st);
		if (lower_parent >= 0 && S_ISDIR(st.st_mode)) {
			lower = openat(lower_parent, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			r = lower < 0 ? -errno : meta_copy_fd(lower, fd);
		} else if (lower_parent < 0 && lower_parent != -ENOENT) {
			r = lower_parent;
		}
		if (r < 0)
			return r;
	}
	return TAKE_FD(fd);
}

static int get(struct apply *a, const char *path, size_t len, bool make, int steps, struct dir_slot **ret);

/* The path of what a dangling symlink at path points to, cleaned. */
static int link_target(int parent, const char *base, const char *path, size_t dir_len, struct cor_buf *out)
{
	_cleanup_buf_ struct cor_buf joined = {0};
	char target[PATH_MAX];
	ssize_t n = readlinkat(parent, base, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = 0;
	if (target[0] != '/') {
		cor_buf_append(&joined, path, dir_len);
		cor_buf_char(&joined, '/');
	}
	if (cor_buf_str(&joined, target) < 0)
		return -ENOMEM;
	return apply_clean(out, joined.data);
}

/* The last component of path is missing, a dangling symlink, a whiteout, or no directory at all. */
static int make_missing(struct apply *a, const char *path, size_t len, int steps, struct dir_slot **ret)
{
	_cleanup_free_ char *copy = strndup(path, len);
	_cleanup_buf_ struct cor_buf target = {0};
	struct dir_slot *parent;
	bool opaque = false;
	struct place p;
	struct stat st;
	int r, fd;

	if (!copy)
		return -ENOMEM;
	if (steps >= MAX_STEPS)
		return -ELOOP;
	p = apply_split(copy);
	r = get(a, copy, p.dir_len, true, steps + 1, &parent);
	if (r < 0)
		return r;
	if (fstatat(parent->fd, p.base, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISLNK(st.st_mode)) {
			r = link_target(parent->fd, p.base, copy, p.dir_len, &target);
			return r < 0 ? r : get(a, target.data, target.len, true, steps + 1, ret);
		}
		if (S_ISDIR(st.st_mode)) /* a parent that was missing above has just been made */
			return -EAGAIN;
		if (!apply_is_overlay(a) || !apply_is_whiteout(&st))
			return -ENOTDIR;
		parent->touched = true;
		if (unlinkat(parent->fd, p.base, 0) < 0)
			return -errno;
		opaque = true;
	} else if (errno != ENOENT) {
		return -errno;
	}
	parent->touched = true;
	fd = make_dir(a, parent->fd, copy, len, p.base, opaque);
	return fd < 0 ? fd : add(a, path, len, fd, ret);
}

static int get(struct apply *a, const char *path, size_t len, bool make, int steps, struct dir_slot **ret)
{
	struct dir_slot *s = find(a, path, len);
	int fd, r;

	if (s) {
		s->used = ++a->clock;
		*ret = s;
		return 0;
	}
	fd = open_path(a, path, len);
	if (make && len > 0 && (fd == -ENOENT || fd == -ENOTDIR)) {
		r = make_missing(a, path, len, steps, ret);
		if (r != -EAGAIN)
			return r;
		fd = open_path(a, path, len);
	}
	return fd < 0 ? fd : add(a, path, len, fd, ret);
}

int dircache_get(struct apply *a, const char *path, size_t len, bool make, bool touch)
{
	struct dir_slot *s;
	int r = get(a, path, len, make, 0, &s);

	if (r < 0)
		return r;
	s->touched |= touch;
	return s->fd;
}

ino_t dircache_ino(const struct apply *a, int fd)
{
	for (size_t i = 0; i < DIRCACHE_SLOTS; i++)
		if (a->cache[i].path && a->cache[i].fd == fd)
			return a->cache[i].ino;
	return 0;
}

void dircache_set_times(struct apply *a, ino_t ino, const struct timespec times[2])
{
	struct dir_slot *s = find_ino(a, ino);

	if (s) {
		s->times[0] = times[0];
		s->times[1] = times[1];
	}
}
