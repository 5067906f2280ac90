/* SPDX-License-Identifier: Apache-2.0 */
/* Whole trees: removing them and measuring them, relative to a directory descriptor, without following links. */
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/inodes.h"
#include "base/str.h"

/*
 * Depth-first with an explicit stack of names instead of recursion or one descriptor per level: a hostile tree may
 * be deeper than the descriptor limit or the C stack. Going up is by "..", checked to be the directory we came from.
 */
struct level {
	dev_t dev;
	ino_t ino;
	char *name;
};
struct walk {
	struct level *levels;
	size_t n, cap;
	int fd; /* the current directory */
};

static void walk_done(struct walk *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->levels[i].name);
	free(w->levels);
	cor_close(w->fd);
}

static int walk_down(struct walk *w, const char *name)
{
	struct stat st;
	if (cor_grow(&w->levels, &w->cap, w->n + 1, sizeof(*w->levels)) < 0)
		return -ENOMEM;
	if (fstat(w->fd, &st) < 0)
		return -errno;
	_cleanup_close_ int fd =
		openat(w->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
	if (fd < 0)
		return -errno;
	char *copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	w->levels[w->n++] = (struct level){.dev = st.st_dev, .ino = st.st_ino, .name = copy};
	cor_close(w->fd);
	w->fd = TAKE_FD(fd);
	return 0;
}

/* Back to the parent; the name left is handed over. -ESTALE when somebody moved the directory meanwhile. */
static int walk_up(struct walk *w, char **ret_name)
{
	struct stat st;
	_cleanup_close_ int fd = openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	struct level *l = &w->levels[w->n - 1];
	if (st.st_dev != l->dev || st.st_ino != l->ino)
		return -ESTALE;
	*ret_name = l->name;
	w->n--;
	cor_close(w->fd);
	w->fd = TAKE_FD(fd);
	return 0;
}

static bool dot(const char *n)
{
	return n[0] == '.' && (!n[1] || (n[1] == '.' && !n[2]));
}

/* Removes what can be unlinked in the current directory; the name of a sub-directory that is in the way in *ret. */
static int clear_directory(struct walk *w, char **ret_sub)
{
	int fd = dup(w->fd);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		int r = -errno;
		cor_close(fd);
		return r;
	}
	DIR *d = fdopendir(fd);
	if (!d) {
		int r = -errno;
		cor_close(fd);
		return r;
	}
	int r = 0;
	for (;;) {
		errno = 0;
		struct dirent *e = readdir(d);
		if (!e) {
			r = -errno;
			break;
		}
		if (dot(e->d_name))
			continue;
		if (e->d_type != DT_DIR && unlinkat(w->fd, e->d_name, 0) == 0)
			continue;
		if (e->d_type != DT_DIR && errno != EISDIR && errno != EPERM && errno != ENOENT) {
			r = -errno;
			break;
		}
		if (unlinkat(w->fd, e->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			continue;
		if (errno != ENOTEMPTY && errno != EEXIST) {
			r = -errno;
			break;
		}
		*ret_sub = strdup(e->d_name);
		r = *ret_sub ? 0 : -ENOMEM;
		break;
	}
	closedir(d);
	return r;
}

static int remove_contents(struct walk *w)
{
	for (;;) {
		_cleanup_free_ char *sub = NULL;
		int r = clear_directory(w, &sub);
		if (r < 0)
			return r;
		if (sub) {
			r = walk_down(w, sub);
			if (r < 0 && r != -ENOENT)
				return r;
			continue;
		}
		if (w->n == 0)
			return 0;
		_cleanup_free_ char *name = NULL;
		r = walk_up(w, &name);
		if (r < 0)
			return r;
		if (unlinkat(w->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY)
			return -errno;
	}
}

int cor_remove_tree_at(int dirfd, const char *name, struct cor_error *err)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return cor_error_errno(err, errno, "remove %s", name);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return cor_error_errno(err, errno, "remove %s", name);
	struct walk w = {.fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
	if (w.fd < 0)
		return errno == ENOENT ? 0 : cor_error_errno(err, errno, "remove %s", name);
	int r = remove_contents(&w);
	walk_done(&w);
	if (r < 0)
		return cor_error_errno(err, r, "remove %s", name);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return cor_error_errno(err, errno, "remove %s", name);
	return 0;
}

struct usage {
	struct cor_inodes seen;
	int64_t size, inodes;
};

static int count(struct usage *u, const struct stat *st)
{
	bool fresh = true;
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1) {
		struct cor_inode *x;
		int r = cor_inodes_add(&u->seen, st, &x, &fresh);
		if (r < 0)
			return r;
	}
	if (fresh) {
		u->size += (int64_t)st->st_blocks * 512;
		u->inodes++;
	}
	return 0;
}

/* Descriptors: one per level; trees measured are our own snapshots, whose depth apply has bounded. */
static int usage_directory(struct usage *u, int fd_take)
{
	DIR *d = fdopendir(fd_take);
	if (!d) {
		int r = -errno;
		cor_close(fd_take);
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
		if (dot(e->d_name))
			continue;
		struct stat st;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			r = errno == ENOENT ? 0 : -errno;
			continue;
		}
		r = count(u, &st);
		if (r == 0 && S_ISDIR(st.st_mode)) {
			int sub =
				openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (sub >= 0)
				r = usage_directory(u, sub);
			else if (errno != ENOENT)
				r = -errno;
		}
	}
	closedir(d);
	return r;
}

int cor_disk_usage_at(int dirfd, const char *name, int64_t *ret_size, int64_t *ret_inodes,
		      struct cor_error *err)
{
	struct usage u = {0};
	struct stat st;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return cor_error_errno(err, errno, "open %s", name);
	int r = fstat(fd, &st) < 0 ? -errno : count(&u, &st);
	if (r == 0)
		r = usage_directory(&u, fd);
	else
		cor_close(fd);
	cor_inodes_done(&u.seen);
	if (r < 0)
		return cor_error_errno(err, r, "measure %s", name);
	*ret_size = u.size;
	*ret_inodes = u.inodes;
	return 0;
}
