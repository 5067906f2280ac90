/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories for the files that criu writes and reads: <root>/checkpoints/<random>/, on disk rather than in the state
 * directory, because they hold the memory of whole containers. Each is locked by the process that uses it and goes with it;
 * what a killed one leaves is taken by the next collection.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "engine/checkpoint.h"

#define LOCK      "checkpoints"
#define NAME_SIZE 17

static int open_all(struct cor_engine *e, struct cor_error *err)
{
	return cor_open_or_mkdir_at(e->root_fd, COR_CHECKPOINTS_DIR, 0700, err);
}

int cor_checkpoint_dir_make(struct cor_engine *e, struct cor_checkpoint_dir *ret, struct cor_error *err)
{
	char name[NAME_SIZE];
	_cleanup_close_ int all = open_all(e, err);
	if (all < 0)
		return all;
	/* The sweeper has it exclusively: no directory is ever seen before it is locked. */
	_cleanup_close_ int lock = cor_engine_lock(e, LOCK, COR_LOCK_SHARED, true, err);
	if (lock < 0)
		return lock;
	cor_random_hex(name, NAME_SIZE - 1);
	_cleanup_free_ char *path = cor_asprintf("%s/" COR_CHECKPOINTS_DIR "/%s", e->root, name);
	if (!path)
		return cor_error_oom(err);
	/* criu reads as a user namespace's root, who is nobody here, through a descriptor of this directory. Nobody else comes by:
	 * the one above is 0700. */
	_cleanup_close_ int fd = cor_open_or_mkdir_at(all, name, 0755, err);
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return cor_error_errno(err, errno, "lock %s", path);
	*ret = (struct cor_checkpoint_dir){.path = TAKE_PTR(path), .fd = TAKE_FD(fd)};
	return 0;
}

void cor_checkpoint_dir_drop(struct cor_engine *e, struct cor_checkpoint_dir *d)
{
	struct cor_error err = {0};
	if (!d->path)
		return;
	_cleanup_close_ int all = open_all(e, &err);
	if (all < 0 || cor_remove_tree_at(all, cor_path_base(d->path), &err) < 0)
		cor_warn("remove %s: %s", d->path, err.message);
	d->fd = cor_close(d->fd);
	free(d->path);
	d->path = NULL;
}

static int sweep_one(int all, const char *name, struct cor_error *err)
{
	_cleanup_close_ int fd = openat(all, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	return cor_remove_tree_at(all, name, err);
}

int cor_checkpoint_dirs_sweep(struct cor_engine *e, struct cor_error *err)
{
	int fd = openat(e->root_fd, COR_CHECKPOINTS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : cor_error_errno(err, errno, "open checkpoints");
	_cleanup_close_ int lock = cor_engine_lock(e, LOCK, COR_LOCK_EXCLUSIVE, false, err);
	DIR *dir = lock < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		cor_close(fd);
		return lock == -EWOULDBLOCK ? 0
		       : lock < 0           ? lock
					    : cor_error_errno(err, errno, "list checkpoints");
	}
	int r = 0;
	struct dirent *d;
	while (r == 0 && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			r = sweep_one(fd, d->d_name, err);
	closedir(dir);
	return r;
}
