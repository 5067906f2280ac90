/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking into a snapshot without leaving a mount behind: the view is either a plain directory or a mount that is
 * detached before its descriptor is returned, so the kernel drops it with the last descriptor.
 */
#include "base/mount_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

static int open_directory(const char *path, struct cor_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cor_error_errno(err, errno, "open %s", path) : fd;
}

/* A read-only overlay of the same layers: the upper directory, when wanted, as the first lower one. */
static int read_only_overlay(const struct cor_mount *m, const char *upper, struct cor_mounts *ret)
{
	_cleanup_strv_ char **options = NULL;
	const char *lower = cor_mount_option(m, "lowerdir");
	int r = cor_strv_push_take(&options, upper ? cor_asprintf("lowerdir=%s:%s", upper, lower)
						   : cor_asprintf("lowerdir=%s", lower));
	for (size_t i = 0; r == 0 && m->options[i]; i++)
		if (streq(m->options[i], "userxattr") || cor_startswith(m->options[i], "index="))
			r = cor_strv_push(&options, m->options[i]);
	if (r == 0)
		r = cor_strv_push(&options, "ro");
	return r < 0 ? r : cor_mounts_add(ret, m->type, m->source, NULL, options);
}

struct view_call {
	const struct cor_mounts *m;
	const char *dir;
	struct cor_error *err;
};

/* By path, after the namespace is made: the descriptors that we have lead into the old one. */
static int view_here(void *arg)
{
	const struct view_call *c = arg;
	struct mount_attr private = {.propagation = MS_PRIVATE};
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof(private)) < 0)
		return cor_error_errno(c->err, errno, "make mounts private");
	_cleanup_close_ int target = open_directory(c->dir, c->err);
	int r = target < 0 ? target : cor_mount_all(c->m, target, c->err);
	return r < 0 ? r : open_directory(c->dir, c->err);
}

/* For older kernels: mounted in a mount namespace of its own for as long as it takes to open it. Nobody else can look in, and
 * nothing is left when we are killed. */
static int open_detached(const struct cor_mounts *m, struct cor_error *err)
{
	char dir[] = "/tmp/coracle-view-XXXXXX";
	struct cor_error failure = {0};
	struct view_call call = {.m = m, .dir = dir, .err = &failure};
	if (!mkdtemp(dir))
		return cor_error_errno(err, errno, "make %s", dir);
	int fd = cor_call_in_child(CLONE_NEWNS, view_here, &call);
	(void)rmdir(dir);
	if (fd >= 0)
		return fd;
	if (failure.code == COR_OK)
		return cor_error_errno(err, fd, "new mount namespace");
	if (err)
		*err = failure;
	return fd;
}

int cor_mounts_open_tree(const struct cor_mounts *m, struct cor_error *err)
{
	if (m->n == 1 && streq(m->items[0].type, "bind") && cor_empty(m->items[0].target))
		return open_directory(m->items[0].source, err);
	if (m->n != 1 || !streq(m->items[0].type, "overlay"))
		return open_detached(m, err);
	_cleanup_close_ int mnt = cor_mount_overlay_detached(&m->items[0]);
	if (mnt < 0)
		return open_detached(m, err);
	int fd = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cor_error_errno(err, errno, "open snapshot") : fd;
}

int cor_mounts_open_view(const struct cor_mounts *m, bool skip_upper, struct cor_error *err)
{
	if (m->n == 1 && streq(m->items[0].type, "bind") && cor_empty(m->items[0].target))
		return open_directory(m->items[0].source, err);
	if (m->n != 1 || !streq(m->items[0].type, "overlay") || !cor_mount_option(&m->items[0], "lowerdir"))
		return open_detached(m, err);
	const char *lower = cor_mount_option(&m->items[0], "lowerdir");
	const char *upper = skip_upper ? NULL : cor_mount_option(&m->items[0], "upperdir");
	if (!upper && !strchr(lower, ':'))
		return open_directory(lower, err);
	_cleanup_mounts_ struct cor_mounts view = {0};
	if (read_only_overlay(&m->items[0], upper, &view) < 0)
		return cor_error_oom(err);
	_cleanup_close_ int mnt = cor_mount_overlay_detached(&view.items[0]);
	if (mnt < 0)
		return open_detached(&view, err);
	int fd = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cor_error_errno(err, errno, "open view") : fd;
}
