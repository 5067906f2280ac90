/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying a tree so that nobody can tell it from the original: content (reflinked where possible, holes kept), owners, modes,
 * times, xattrs, hard links within the tree, devices, fifos. Everything is relative to directory descriptors and no link is
 * followed. Metadata is set in the order in which one thing would otherwise undo another: owner, mode, xattrs, times.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/inodes.h"
#include "base/str.h"
#include "snapshot/internal.h"

/* One descriptor pair per level. Layers cannot make deeper trees. */
#define DEPTH_MAX       400
#define XATTR_LIST_MAX  65536
#define XATTR_VALUE_MAX 65536

struct copy {
	int root;                /* of the copy */
	struct cor_buf path;     /* of the directory being copied, with a slash at the end */
	struct cor_inodes links; /* files with several names: where the copy is, from the root of the copy */
	char *names, *value;     /* xattr buffers */
	struct cor_error *err;
};

/* 1: linked to an earlier copy; 0: this is the first, remembered. */
static int link_or_remember(struct copy *c, int dst, const char *name, const struct stat *st)
{
	struct cor_inode *l;
	bool fresh;
	if (cor_inodes_add(&c->links, st, &l, &fresh) < 0)
		return -ENOMEM;
	if (!fresh)
		return linkat(c->root, l->path, dst, name, 0) < 0 ? -errno : 1;
	l->path = cor_asprintf("%s%s", c->path.data ? c->path.data : "", name);
	return l->path ? 0 : -ENOMEM;
}

static int copy_range(int in, int out, off_t at, off_t end)
{
	while (at < end) {
		off_t from = at, to = at;
		ssize_t n = copy_file_range(in, &from, out, &to, (size_t)(end - at), 0);
		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
			char buf[65536];
			n = pread(in, buf, MIN(sizeof(buf), (size_t)(end - at)), at);
			if (n > 0 && cor_pwrite_full(out, buf, (size_t)n, at) < 0)
				return -errno;
		}
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		at += n;
	}
	return 0;
}

static int copy_data(int in, int out, off_t size)
{
	if (size == 0 || ioctl(out, FICLONE, in) == 0)
		return 0;
	for (off_t at = 0; at < size;) {
		off_t data = lseek(in, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		off_t end = data < 0 ? -1 : lseek(in, data, SEEK_HOLE);
		if (data < 0 || end < 0) {
			data = at;
			end = size;
		}
		int r = copy_range(in, out, data, end);
		if (r < 0)
			return r;
		at = end;
	}
	return ftruncate(out, size) < 0 ? -errno : 0;
}

/* There is no descriptor form of these for links and devices before Linux 6.13; an O_PATH descriptor's entry in /proc stands
 * for exactly that file. */
static long xattr_call(long number, int fd, const char *name, void *value, size_t size)
{
	char path[40];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (number == SYS_listxattr)
		return syscall(number, path, value, size);
	return syscall(number, path, name, value, size, 0);
}

static int copy_xattrs(struct copy *c, int srcfd, int dstfd)
{
	long n = xattr_call(SYS_listxattr, srcfd, NULL, c->names, XATTR_LIST_MAX);
	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (const char *name = c->names; name < c->names + n; name += strlen(name) + 1) {
		long size = xattr_call(SYS_getxattr, srcfd, name, c->value, XATTR_VALUE_MAX);
		if (size < 0 && errno == ENODATA)
			continue;
		if (size < 0 || xattr_call(SYS_setxattr, dstfd, name, c->value, (size_t)size) < 0)
			return -errno;
	}
	return 0;
}

static int copy_metadata(struct copy *c, int src, int dst, const char *name, const struct stat *st)
{
	_cleanup_close_ int from = openat(src, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int to = openat(dst, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return -errno;
	if (fchownat(to, "", st->st_uid, st->st_gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(dst, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	int r = copy_xattrs(c, from, to);
	if (r < 0)
		return r;
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	return utimensat(dst, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Neither of the two below is inlined: their buffers would lie in every frame of the recursion. */
__attribute__((noinline)) static int copy_regular(int src, int dst, const char *name, const struct stat *st)
{
	_cleanup_close_ int in =
		openat(src, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
	if (in < 0)
		return -errno;
	_cleanup_close_ int out =
		openat(dst, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	return copy_data(in, out, st->st_size);
}

__attribute__((noinline)) static int copy_symlink(int src, int dst, const char *name)
{
	char target[4097];
	ssize_t n = readlinkat(src, name, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = 0;
	return symlinkat(target, dst, name) < 0 ? -errno : 0;
}

static int copy_directory(struct copy *c, int srcfd, int dstfd, unsigned int depth);

static int copy_subdirectory(struct copy *c, int src, int dst, const char *name, unsigned int depth)
{
	if (depth == DEPTH_MAX)
		return -ELOOP;
	if (mkdirat(dst, name, 0700) < 0)
		return -errno;
	_cleanup_close_ int from =
		openat(src, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
	_cleanup_close_ int to = openat(dst, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || to < 0)
		return -errno;
	size_t len = c->path.len;
	if (cor_buf_str(&c->path, name) < 0 || cor_buf_char(&c->path, '/') < 0)
		return -ENOMEM;
	int r = copy_directory(c, from, to, depth + 1);
	if (r >= 0) {
		c->path.len = len;
		c->path.data[len] = 0;
	}
	return r;
}

static int copy_entry(struct copy *c, int src, int dst, const char *name, unsigned int depth)
{
	struct stat st;
	if (fstatat(src, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	int r = 0;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
		r = link_or_remember(c, dst, name, &st);
	if (r != 0)
		return r < 0 ? r : 0;
	if (S_ISDIR(st.st_mode))
		r = copy_subdirectory(c, src, dst, name, depth);
	else if (S_ISREG(st.st_mode))
		r = copy_regular(src, dst, name, &st);
	else if (S_ISLNK(st.st_mode))
		r = copy_symlink(src, dst, name);
	else if (S_ISSOCK(st.st_mode))
		return 0; /* belongs to a process that listened; meaningless in a copy */
	else
		r = mknodat(dst, name, st.st_mode, st.st_rdev) < 0 ? -errno : 0;
	return r < 0 ? r : copy_metadata(c, src, dst, name, &st);
}

static int copy_directory(struct copy *c, int srcfd, int dstfd, unsigned int depth)
{
	int fd = openat(srcfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		int r = -errno;
		cor_close(fd);
		return r;
	}
	int r = 0;
	while (r == 0) {
		errno = 0;
		struct dirent *e = readdir(d);
		if (!e) {
			r = -errno;
			break;
		}
		if (streq(e->d_name, ".") || streq(e->d_name, ".."))
			continue;
		r = copy_entry(c, srcfd, dstfd, e->d_name, depth);
		/* Named once, by the innermost level. */
		if (r < 0 && c->err && c->err->code == COR_OK)
			(void)cor_error_errno(c->err, r, "copy %s%s", c->path.data ? c->path.data : "",
					      e->d_name);
	}
	closedir(d);
	return r;
}

int snapshot_copy_tree(int srcfd, int dstfd, struct cor_error *err)
{
	struct cor_error local = {0};
	struct copy c = {.root = dstfd, .err = err ? err : &local};
	struct stat st;
	c.names = malloc(XATTR_LIST_MAX);
	c.value = malloc(XATTR_VALUE_MAX);
	int r = c.names && c.value ? 0 : -ENOMEM;
	if (r >= 0 && fstat(srcfd, &st) < 0)
		r = -errno;
	if (r >= 0)
		r = copy_directory(&c, srcfd, dstfd, 0);
	if (r >= 0)
		r = copy_metadata(&c, srcfd, dstfd, ".", &st);
	cor_inodes_done(&c.links);
	free(c.names);
	free(c.value);
	cor_buf_done(&c.path);
	if (r < 0 && c.err->code == COR_OK)
		(void)cor_error_errno(c.err, r, "copy snapshot");
	return r;
}
