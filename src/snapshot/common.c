/* SPDX-License-Identifier: Apache-2.0 */
/* What the snapshot back ends have in common: numbered directories, durability, removal, choosing one by name. */
#include "snapshot/internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"

const char *snapshot_name(uint64_t id, char buf[SNAPSHOT_NAME_MAX])
{
	(void)snprintf(buf, SNAPSHOT_NAME_MAX, "%llu", (unsigned long long)id);
	return buf;
}

int snapshot_dir_open(const char *path, const struct cor_snapshot_backend_ops *ops, struct snapshot_dir **ret,
		      struct cor_error *err)
{
	struct snapshot_dir *d = cor_new0(struct snapshot_dir, 1);
	if (!d)
		return cor_error_oom(err);
	d->backend.ops = ops;
	d->fd = d->snapshots_fd = -1;
	d->path = cor_path_clean(path);
	int r = d->path ? cor_mkdir_p(path, 0700, err) : cor_error_oom(err);
	if (r >= 0) {
		d->fd = r;
		r = d->snapshots_fd = cor_open_or_mkdir_at(d->fd, "snapshots", 0700, err);
	}
	if (r < 0) {
		snapshot_dir_free(&d->backend);
		return cor_error_wrap(err, r, "snapshotter %s", ops->name);
	}
	*ret = d;
	return 0;
}

void snapshot_dir_free(struct cor_snapshot_backend *b)
{
	if (!b)
		return;
	struct snapshot_dir *d = snapshot_dir_of(b);
	cor_close(d->fd);
	cor_close(d->snapshots_fd);
	free(d->path);
	free(d);
}

int snapshot_open(struct snapshot_dir *d, uint64_t id, struct cor_error *err)
{
	char name[SNAPSHOT_NAME_MAX];
	int fd = openat(d->snapshots_fd, snapshot_name(id, name),
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? fd : cor_error_errno(err, errno, "open %s/snapshots/%s", d->path, name);
}

int snapshot_sync(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	if (syncfs(d->snapshots_fd) < 0)
		return cor_error_errno(err, errno, "sync %s", d->path);
	return 0;
}

int snapshot_persist(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	char name[SNAPSHOT_NAME_MAX];
	_cleanup_close_ int fd = openat(d->snapshots_fd, snapshot_name(id, name),
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0 || fsync(d->snapshots_fd) < 0)
		return cor_error_errno(err, errno, "sync %s/snapshots/%s", d->path, name);
	return 0;
}

/* The number becomes free in one step, under a name that is never used twice: whoever clears the tree cannot meet a
 * new snapshot of the same number. -ENOENT when there is nothing. */
static int set_aside(struct snapshot_dir *d, uint64_t id, char gone[SNAPSHOT_NAME_MAX], struct cor_error *err)
{
	char name[SNAPSHOT_NAME_MAX];
	(void)snprintf(gone, SNAPSHOT_NAME_MAX, SNAPSHOT_GONE);
	cor_random_hex(gone + strlen(gone), 16);
	if (renameat(d->snapshots_fd, snapshot_name(id, name), d->snapshots_fd, gone) == 0)
		return 0;
	return errno == ENOENT ? -ENOENT
			       : cor_error_errno(err, errno, "remove %s/snapshots/%s", d->path, name);
}

int snapshot_remove(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	char gone[SNAPSHOT_NAME_MAX];
	int r = set_aside(d, id, gone, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = cor_remove_tree_at(d->snapshots_fd, gone, err);
	return r < 0 ? cor_error_wrap(err, r, "remove snapshot data below %s/snapshots", d->path) : 0;
}

int snapshot_detach(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err)
{
	char gone[SNAPSHOT_NAME_MAX];
	int r = set_aside(snapshot_dir_of(b), id, gone, err);
	return r == -ENOENT ? 0 : r;
}

static DIR *open_list(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	if (!dir)
		cor_close(copy);
	return dir;
}

static int purge_in(int fd, const char *prefix, const char *path, struct cor_error *err)
{
	DIR *dir = open_list(fd);
	if (!dir)
		return cor_error_errno(err, errno, "list %s", path);
	int r = 0;
	struct dirent *e;
	while (r >= 0 && (e = readdir(dir)))
		if (cor_startswith(e->d_name, prefix))
			r = cor_remove_tree_at(fd, e->d_name, err);
	closedir(dir);
	return r < 0 ? cor_error_wrap(err, r, "clear %s", path) : 0;
}

int snapshot_purge(struct cor_snapshot_backend *b, struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	int r = purge_in(d->snapshots_fd, SNAPSHOT_GONE, d->path, err);
	return r < 0 ? r : purge_in(d->fd, SNAPSHOT_PROBE, d->path, err);
}

int snapshot_walk(struct cor_snapshot_backend *b, int (*fn)(uint64_t id, void *data), void *data,
		  struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	DIR *dir = open_list(d->snapshots_fd);
	if (!dir)
		return cor_error_errno(err, errno, "list %s/snapshots", d->path);
	int r = 0;
	while (r == 0) {
		errno = 0;
		struct dirent *e = readdir(dir);
		if (!e) {
			if (errno)
				r = cor_error_errno(err, errno, "list %s/snapshots", d->path);
			break;
		}
		uint64_t id;
		if (cor_parse_u64(e->d_name, &id) == 0 && id > 0)
			r = fn(id, data);
	}
	closedir(dir);
	return r;
}

int cor_snapshot_backend_open(const char *name, const char *path, struct cor_snapshot_backend **ret,
			      struct cor_error *err)
{
	if (streq(name, "overlayfs"))
		return cor_overlayfs_open(path, ret, err);
	if (streq(name, "native"))
		return cor_native_open(path, ret, err);
	return cor_error_set(err, COR_INVALID_ARGUMENT, "snapshotter not loaded: %s: invalid argument", name);
}
