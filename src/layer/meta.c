/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata, in the only order that works: owner (which clears setuid bits and file capabilities), xattrs
 * (capabilities among them), mode, times. Owners are numbers; nothing is looked up.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "layer/apply_internal.h"

/* A node that cannot be opened, as a path: our own descriptor's magic link and one name, never followed (l*xattr). */
struct node_path {
	char text[NAME_MAX + 40];
};

static int node_path(struct node_path *p, int dirfd, const char *base)
{
	int n = snprintf(p->text, sizeof(p->text), "/proc/self/fd/%d/%s", dirfd, base);

	return n < 0 || (size_t)n >= sizeof(p->text) ? -ENAMETOOLONG : 0;
}

bool meta_is_overlay_xattr(const char *name)
{
	return cor_startswith(name, "trusted.overlay.") || cor_startswith(name, "user.overlay.");
}

/* Overlay's attributes would make overlayfs show what the image hides, or the other way round; an SELinux label is the
 * host's to give. */
static bool is_ignored(const char *name)
{
	return meta_is_overlay_xattr(name) || streq(name, "security.selinux");
}

void meta_times(const struct cor_tar_entry *e, struct timespec ret[2])
{
	ret[1] = (struct timespec){.tv_sec = e->mtime_sec, .tv_nsec = e->mtime_nsec};
	ret[0] = e->has_atime ? (struct timespec){.tv_sec = e->atime_sec, .tv_nsec = e->atime_nsec} : ret[1];
}

/* An xattr on fd, or, with fd -1, on the node at path. A file system that has no such namespace is no error, as in
 * containerd. */
static int set_xattr(int fd, const char *path, const struct cor_tar_xattr *x, const struct cor_tar_entry *e,
		     struct cor_error *err)
{
	int r;

	if (is_ignored(x->name))
		return 0;
	r = fd >= 0 ? fsetxattr(fd, x->name, x->value, x->len, 0)
		    : lsetxattr(path, x->name, x->value, x->len, 0);
	if (r == 0)
		return 0;
	if (errno == ENOTSUP) {
		cor_debug("xattr %s of %s ignored: not supported here", x->name, e->name);
		return 0;
	}
	return cor_error_errno(err, errno, "set xattr %s", x->name);
}

int meta_apply_fd(int fd, const struct cor_tar_entry *e, struct cor_error *err)
{
	struct timespec times[2];

	if (fchown(fd, e->uid, e->gid) < 0)
		return cor_error_errno(err, errno, "set owner");
	for (size_t i = 0; i < e->n_xattrs; i++) {
		int r = set_xattr(fd, NULL, &e->xattrs[i], e, err);
		if (r < 0)
			return r;
	}
	if (fchmod(fd, e->mode) < 0)
		return cor_error_errno(err, errno, "set mode");
	meta_times(e, times);
	if (futimens(fd, times) < 0)
		return cor_error_errno(err, errno, "set times");
	return 0;
}

int meta_apply_at(int dirfd, const char *base, const struct cor_tar_entry *e, struct cor_error *err)
{
	struct timespec times[2];
	struct node_path path;
	int r = node_path(&path, dirfd, base);

	if (r < 0)
		return cor_error_errno(err, r, "set owner");
	if (fchownat(dirfd, base, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_error_errno(err, errno, "set owner");
	for (size_t i = 0; i < e->n_xattrs; i++) {
		r = set_xattr(-1, path.text, &e->xattrs[i], e, err);
		if (r < 0)
			return r;
	}
	if (e->type != COR_TAR_SYMLINK && fchmodat(dirfd, base, e->mode, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_error_errno(err, errno, "set mode");
	meta_times(e, times);
	if (utimensat(dirfd, base, times, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_error_errno(err, errno, "set times");
	return 0;
}

static ssize_t list_names(int fd, const char *path, char **ret)
{
	for (;;) {
		ssize_t n = fd >= 0 ? flistxattr(fd, NULL, 0) : llistxattr(path, NULL, 0);
		_cleanup_free_ char *names = NULL;

		if (n <= 0)
			return n == 0 || errno == ENOTSUP ? 0 : -errno;
		names = malloc((size_t)n);
		if (!names)
			return -ENOMEM;
		n = fd >= 0 ? flistxattr(fd, names, (size_t)n) : llistxattr(path, names, (size_t)n);
		if (n < 0 && errno == ERANGE)
			continue;
		if (n < 0)
			return -errno;
		*ret = TAKE_PTR(names);
		return n;
	}
}

int meta_clear_xattrs(int fd)
{
	_cleanup_free_ char *names = NULL;
	ssize_t n = list_names(fd, NULL, &names);

	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1)
		if (!is_ignored(names + i) && fremovexattr(fd, names + i) < 0 && errno != ENODATA &&
		    errno != ENOTSUP)
			return -errno;
	return n < 0 ? (int)n : 0;
}

/* From a descriptor or path to a descriptor or path (fd -1: the path). */
static int copy_xattrs(int from, const char *from_path, int to, const char *to_path)
{
	_cleanup_free_ char *names = NULL, *value = NULL;
	ssize_t n = list_names(from, from_path, &names);

	if (n <= 0)
		return (int)n;
	value = malloc(XATTR_SIZE_MAX);
	if (!value)
		return -ENOMEM;
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
		const char *name = names + i;
		ssize_t len;
		int r;

		if (is_ignored(name))
			continue;
		len = from >= 0 ? fgetxattr(from, name, value, XATTR_SIZE_MAX)
				: lgetxattr(from_path, name, value, XATTR_SIZE_MAX);
		if (len < 0 && errno == ENODATA)
			continue;
		if (len < 0)
			return -errno;
		r = to >= 0 ? fsetxattr(to, name, value, (size_t)len, 0)
			    : lsetxattr(to_path, name, value, (size_t)len, 0);
		if (r < 0 && errno != ENOTSUP)
			return -errno;
	}
	return 0;
}

int meta_copy_fd(int from, int to)
{
	struct timespec times[2];
	struct stat st;
	int r;

	if (fstat(from, &st) < 0)
		return -errno;
	if (fchown(to, st.st_uid, st.st_gid) < 0)
		return -errno;
	r = copy_xattrs(from, NULL, to, NULL);
	if (r < 0)
		return r;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (fchmod(to, st.st_mode & 07777) < 0 || futimens(to, times) < 0)
		return -errno;
	return 0;
}

int meta_copy_at(int from_dir, const char *from, int to_dir, const char *to)
{
	struct node_path from_path, to_path;
	struct timespec times[2];
	struct stat st;
	int r = node_path(&from_path, from_dir, from);

	if (r >= 0)
		r = node_path(&to_path, to_dir, to);
	if (r < 0)
		return r;
	if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchownat(to_dir, to, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = copy_xattrs(-1, from_path.text, -1, to_path.text);
	if (r < 0)
		return r;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (!S_ISLNK(st.st_mode) && fchmodat(to_dir, to, st.st_mode & 07777, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return utimensat(to_dir, to, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}
