/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling whether a node has changed, as containerd's double walk does: type, mode, owner, device number, xattrs; of
 * what is not a directory also size, mtime and link target. A directory's mtime changes with every file in it and
 * says nothing about the directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "layer/apply_internal.h"
#include "layer/diff_internal.h"

#define CHUNK (64 * 1024)

void diff_xattrs_done(struct diff_xattrs *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->items[i].name);
		free(x->items[i].value);
	}
	free(x->items);
	*x = (struct diff_xattrs){0};
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct cor_tar_xattr *)a)->name, ((const struct cor_tar_xattr *)b)->name);
}

/* 0 also when it has gone meanwhile. */
static int read_one(struct diff_xattrs *x, const char *path, const char *name, char *buf)
{
	_cleanup_free_ char *copy = NULL;
	_cleanup_free_ void *value = NULL;
	ssize_t n = lgetxattr(path, name, buf, XATTR_SIZE_MAX);

	if (n < 0)
		return errno == ENODATA || errno == ENOTSUP ? 0 : -errno;
	copy = strdup(name);
	value = malloc((size_t)n + 1);
	if (!copy || !value || cor_grow(&x->items, &x->cap, x->n + 1, sizeof(*x->items)) < 0)
		return -ENOMEM;
	memcpy(value, buf, (size_t)n);
	x->items[x->n++] = (struct cor_tar_xattr){TAKE_PTR(copy), TAKE_PTR(value), (size_t)n};
	return 0;
}

int diff_xattrs_read(const struct diff_node *node, struct diff_xattrs *ret)
{
	_cleanup_(diff_xattrs_done) struct diff_xattrs x = {0};
	_cleanup_free_ char *names = NULL, *buf = NULL;
	char path[NAME_MAX + 40];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", node->dir, node->name);
	n = llistxattr(path, NULL, 0);
	if (n <= 0)
		return n == 0 || errno == ENOTSUP ? 0 : -errno;
	names = malloc(XATTR_LIST_MAX);
	buf = malloc(XATTR_SIZE_MAX);
	if (!names || !buf)
		return -ENOMEM;
	n = llistxattr(path, names, XATTR_LIST_MAX);
	if (n < 0)
		return -errno;
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
		int r;

		if (meta_is_overlay_xattr(names + i) || streq(names + i, "security.selinux"))
			continue;
		r = read_one(&x, path, names + i, buf);
		if (r < 0)
			return r;
	}
	if (x.n > 1)
		qsort(x.items, x.n, sizeof(*x.items), by_name);
	*ret = x;
	x = (struct diff_xattrs){0};
	return 0;
}

static int same_xattrs(const struct diff_node *a, const struct diff_node *b)
{
	_cleanup_(diff_xattrs_done) struct diff_xattrs x = {0}, y = {0};
	int r = diff_xattrs_read(a, &x);

	if (r >= 0)
		r = diff_xattrs_read(b, &y);
	if (r < 0)
		return r;
	if (x.n != y.n)
		return 0;
	for (size_t i = 0; i < x.n; i++)
		if (!streq(x.items[i].name, y.items[i].name) || x.items[i].len != y.items[i].len ||
		    memcmp(x.items[i].value, y.items[i].value, x.items[i].len) != 0)
			return 0;
	return 1;
}

static int same_contents(const struct diff_node *a, const struct diff_node *b)
{
	_cleanup_close_ int x = openat(a->dir, a->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_close_ int y = openat(b->dir, b->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ char *buf = malloc(2 * CHUNK);

	if (x < 0 || y < 0)
		return -errno;
	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = cor_read_full(x, buf, CHUNK), m = cor_read_full(y, buf + CHUNK, CHUNK);

		if (n < 0 || m < 0)
			return (int)(n < 0 ? n : m);
		if (n != m || memcmp(buf, buf + CHUNK, (size_t)n) != 0)
			return 0;
		if (n < CHUNK)
			return 1;
	}
}

static int same_target(const struct diff_node *a, const struct diff_node *b)
{
	char x[PATH_MAX], y[PATH_MAX];
	ssize_t n = readlinkat(a->dir, a->name, x, sizeof(x)), m = readlinkat(b->dir, b->name, y, sizeof(y));

	if (n < 0 || m < 0)
		return -errno;
	return n == m && memcmp(x, y, (size_t)n) == 0;
}

int diff_same(const struct diff_node *lower, const struct diff_node *upper)
{
	const struct stat *x = &lower->st, *y = &upper->st;
	int r;

	if (x->st_dev == y->st_dev && x->st_ino == y->st_ino)
		return 1;
	if (x->st_mode != y->st_mode || x->st_uid != y->st_uid || x->st_gid != y->st_gid)
		return 0;
	if ((S_ISCHR(x->st_mode) || S_ISBLK(x->st_mode)) && x->st_rdev != y->st_rdev)
		return 0;
	if (!S_ISDIR(x->st_mode) && (x->st_size != y->st_size || x->st_mtim.tv_sec != y->st_mtim.tv_sec ||
				     x->st_mtim.tv_nsec != y->st_mtim.tv_nsec))
		return 0;
	r = same_xattrs(lower, upper);
	if (r <= 0)
		return r;
	if (S_ISLNK(x->st_mode))
		return same_target(lower, upper);
	if (S_ISREG(x->st_mode) && x->st_mtim.tv_nsec == 0 && x->st_size > 0)
		return same_contents(lower, upper);
	return 1;
}
