/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placing one entry. Making a node exclusively is tried first, because nearly always nothing is in its place; what is
 * there is removed only then, except that a directory stays under a directory and takes the new metadata.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "layer/apply_internal.h"

int place_clear(struct apply *a, const struct place *p, struct cor_error *err)
{
	int dir = dircache_get(a, p->path, p->dir_len, false, true);
	struct stat st;

	if (dir < 0)
		return cor_error_errno(err, dir, "open parent directory");
	if (fstatat(dir, p->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : cor_error_errno(err, errno, "inspect what is in its place");
	if (S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)) {
		/* Paths in the cache may lead through it. */
		int r = dircache_flush(a);
		if (r >= 0)
			r = dir = dircache_get(a, p->path, p->dir_len, false, true);
		if (r < 0)
			return cor_error_errno(err, r, "open parent directory");
	}
	if (S_ISDIR(st.st_mode))
		return cor_remove_tree_at(dir, p->base, err);
	if (unlinkat(dir, p->base, 0) < 0)
		return cor_error_errno(err, errno, "remove what is in its place");
	return 0;
}

/* Makes a node in its parent: a descriptor, 0, or -errno (-EEXIST: something is in its place). */
typedef int (*make_fn)(struct apply *a, int dir, const char *base, const struct cor_tar_entry *e);

static int make_at(struct apply *a, const struct place *p, const struct cor_tar_entry *e, make_fn make,
		   int *ret_dir, struct cor_error *err)
{
	int r;

	for (int tries = 0;; tries++) {
		int dir = dircache_get(a, p->path, p->dir_len, true, true);

		if (dir < 0)
			return cor_error_errno(err, dir, "open parent directory");
		r = make(a, dir, p->base, e);
		if (r >= 0) {
			int added = placed_add(a, dircache_ino(a, dir), p->base, strlen(p->base));
			*ret_dir = dir;
			return added < 0 ? cor_error_oom(err) : r;
		}
		if (r != -EEXIST || tries > 0)
			return cor_error_errno(err, r, "create");
		r = place_clear(a, p, err);
		if (r < 0)
			return r;
	}
}

static int make_file(struct apply *a, int dir, const char *base, const struct cor_tar_entry *e)
{
	int fd = openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

static int write_data(struct apply *a, int fd, const struct cor_tar_entry *e, struct cor_error *err)
{
	uint64_t end = 0, offset;
	const void *data;
	size_t n;
	int r;

	while ((r = cor_tar_read_data(a->tar, &data, &n, &offset, err)) > 0) {
		a->bytes += n;
		if (a->max_bytes && a->bytes > a->max_bytes)
			return cor_error_set(err, COR_RESOURCE_EXHAUSTED,
					     "layer has more than %llu bytes of data",
					     (unsigned long long)a->max_bytes);
		r = offset == end ? cor_write_full(fd, data, n) : cor_pwrite_full(fd, data, n, (off_t)offset);
		if (r >= 0 && offset != end)
			r = lseek(fd, (off_t)(offset + n), SEEK_SET) < 0 ? -errno : 0;
		if (r < 0)
			return cor_error_errno(err, r, "write");
		end = offset + n;
	}
	if (r < 0)
		return r;
	if (end < e->size && ftruncate(fd, (off_t)e->size) < 0)
		return cor_error_errno(err, errno, "write");
	return 0;
}

static int place_file(struct apply *a, const struct place *p, const struct cor_tar_entry *e,
		      struct cor_error *err)
{
	_cleanup_close_ int fd = -1;
	int dir, r;

	fd = make_at(a, p, e, make_file, &dir, err);
	if (fd < 0)
		return fd;
	r = write_data(a, fd, e, err);
	return r < 0 ? r : meta_apply_fd(fd, e, err);
}

static int make_symlink(struct apply *a, int dir, const char *base, const struct cor_tar_entry *e)
{
	return symlinkat(e->linkname, dir, base) < 0 ? -errno : 0;
}

static int make_special(struct apply *a, int dir, const char *base, const struct cor_tar_entry *e)
{
	mode_t type = e->type == COR_TAR_FIFO ? S_IFIFO : e->type == COR_TAR_CHAR ? S_IFCHR : S_IFBLK;
	dev_t dev = e->type == COR_TAR_FIFO ? 0 : makedev(e->devmajor, e->devminor);

	return mknodat(dir, base, type | 0600, dev) < 0 ? -errno : 0;
}

static int place_special(struct apply *a, const struct place *p, const struct cor_tar_entry *e,
			 struct cor_error *err)
{
	int dir, r = make_at(a, p, e, e->type == COR_TAR_SYMLINK ? make_symlink : make_special, &dir, err);

	return r < 0 ? r : meta_apply_at(dir, p->base, e, err);
}

/* The entry describes a directory that is there. */
static int merge_directory(struct apply *a, int fd, const struct cor_tar_entry *e, struct cor_error *err)
{
	struct timespec times[2];
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return cor_error_errno(err, errno, "inspect");
	r = meta_clear_xattrs(fd);
	if (r < 0)
		return cor_error_errno(err, r, "remove old xattrs");
	r = meta_apply_fd(fd, e, err);
	meta_times(e, times);
	dircache_set_times(a, st.st_ino, times);
	return r;
}

static int make_directory(struct apply *a, int dir, const char *base, const struct cor_tar_entry *e)
{
	return mkdirat(dir, base, 0700) < 0 ? -errno : 0;
}

static int open_directory(int dir, const char *base)
{
	int fd = openat(dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* When the directory is there already: its descriptor; -ENOENT when nothing is; -ENOTDIR when something else is. */
static int find_directory(struct apply *a, const struct place *p)
{
	int dir = dircache_get(a, p->path, p->dir_len, true, false), fd, r;

	if (dir < 0)
		return dir;
	fd = open_directory(dir, p->base);
	if (fd == -ELOOP)
		return -ENOTDIR;
	if (fd < 0)
		return fd;
	r = placed_add(a, dircache_ino(a, dir), p->base, strlen(p->base));
	if (r < 0) {
		cor_close(fd);
		return r;
	}
	return fd;
}

static int place_directory(struct apply *a, const struct place *p, const struct cor_tar_entry *e,
			   struct cor_error *err)
{
	_cleanup_close_ int fd = find_directory(a, p);
	bool replaces = fd == -ENOTDIR;
	int dir, r;

	if (fd >= 0)
		return merge_directory(a, fd, e, err);
	if (fd != -ENOENT && fd != -ENOTDIR)
		return cor_error_errno(err, fd, "open parent directory");
	r = make_at(a, p, e, make_directory, &dir, err);
	if (r < 0)
		return r;
	fd = open_directory(dir, p->base);
	if (fd < 0)
		return cor_error_errno(err, fd, "open");
	/* In place of a whiteout or another file of this layer, it must not be merged with what is below. */
	r = replaces && apply_is_overlay(a) ? whiteout_make_opaque(a, fd) : 0;
	if (r < 0)
		return cor_error_errno(err, r, "make opaque");
	r = meta_apply_fd(fd, e, err);
	if (r < 0)
		return r;
	r = dircache_add(a, p->path, strlen(p->path), TAKE_FD(fd)); /* its files most likely come next */
	return r < 0 ? cor_error_errno(err, r, "keep open") : 0;
}

static int place_root(struct apply *a, const struct cor_tar_entry *e, struct cor_error *err)
{
	int fd;

	if (e->type != COR_TAR_DIRECTORY)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "entry would replace the root directory");
	fd = dircache_get(a, "", 0, false, false);
	return fd < 0 ? cor_error_errno(err, fd, "open the root directory") : merge_directory(a, fd, e, err);
}

/* The parent of a hardlink's target, with the target in it: an owned descriptor or -errno. */
static int open_target(struct apply *a, const char *path)
{
	struct place t = apply_split(path);
	struct stat st;
	int dir = dircache_get(a, path, t.dir_len, false, false), r = dir;

	if (dir >= 0)
		r = fstatat(dir, t.base, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
	if (r == 0 && S_ISDIR(st.st_mode))
		return -EPERM;
	if (r == 0 && apply_is_overlay(a) && apply_is_whiteout(&st))
		return -ENOENT;
	if (r == -ENOENT && a->opts->n_lower > 0) {
		r = lower_copy_up(a, path);
		dir = r < 0 ? r : dircache_get(a, path, t.dir_len, false, false);
	}
	if (r < 0 || dir < 0)
		return r < 0 ? r : dir;
	dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	return dir < 0 ? -errno : dir;
}

static bool same_inode(int dir_a, const char *a, int dir_b, const char *b)
{
	struct stat x, y;

	return fstatat(dir_a, a, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(dir_b, b, &y, AT_SYMLINK_NOFOLLOW) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* A hardlink shares the metadata of its target, which the target's own entry has set: nothing is applied here, so
 * that no chown takes away the target's capabilities and no chmod goes where a link points. */
static int place_hardlink(struct apply *a, const struct place *p, const struct cor_tar_entry *e,
			  struct cor_error *err)
{
	_cleanup_close_ int target_dir = -1;
	const char *target;
	int r = apply_clean(&a->link, e->linkname);

	if (r == -ENOMEM)
		return cor_error_oom(err);
	if (r < 0 || a->link.len == 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid hardlink target");
	target_dir = open_target(a, a->link.data);
	if (target_dir < 0)
		return cor_error_errno(err, target_dir, "hardlink target \"%s\"", a->link.data);
	target = apply_split(a->link.data).base;
	for (int tries = 0;; tries++) {
		int dir = dircache_get(a, p->path, p->dir_len, true, true);

		if (dir < 0)
			return cor_error_errno(err, dir, "open parent directory");
		if (linkat(target_dir, target, dir, p->base, 0) == 0 ||
		    (errno == EEXIST && same_inode(target_dir, target, dir, p->base))) {
			r = placed_add(a, dircache_ino(a, dir), p->base, strlen(p->base));
			return r < 0 ? cor_error_oom(err) : 0;
		}
		if (errno != EEXIST || tries > 0)
			return cor_error_errno(err, errno, "link to \"%s\"", a->link.data);
		r = place_clear(a, p, err);
		if (r < 0)
			return r;
	}
}

int place_entry(struct apply *a, const struct cor_tar_entry *e, struct cor_error *err)
{
	struct place p = apply_split(a->path.data);

	if (a->path.len == 0)
		return place_root(a, e, err);
	switch (e->type) {
	case COR_TAR_FILE:
		return place_file(a, &p, e, err);
	case COR_TAR_DIRECTORY:
		return place_directory(a, &p, e, err);
	case COR_TAR_HARDLINK:
		return place_hardlink(a, &p, e, err);
	default:
		return place_special(a, &p, e, err);
	}
}
