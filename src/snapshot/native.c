/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots as whole copies: <id>/ is the complete tree. For file systems that overlayfs cannot write to. Copies share their
 * blocks where the file system can (reflinks).
 */
#include "snapshot/internal.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"

static int copy_parent(struct snapshot_dir *d, int fd, uint64_t parent, struct cor_error *err)
{
	char name[SNAPSHOT_NAME_MAX];
	_cleanup_close_ int src = openat(d->snapshots_fd, snapshot_name(parent, name),
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (src < 0)
		return cor_error_errno(err, errno, "open %s/snapshots/%s", d->path, name);
	return snapshot_copy_tree(src, fd, err);
}

static int native_create(struct cor_snapshot_backend *b, uint64_t id, const uint64_t *parents, size_t n,
			 bool readonly, struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	char name[SNAPSHOT_NAME_MAX];
	if (mkdirat(d->snapshots_fd, snapshot_name(id, name), 0755) < 0) {
		if (errno == EEXIST)
			return -EEXIST;
		return cor_error_errno(err, errno, "make snapshot directory %s/snapshots/%s", d->path, name);
	}
	_cleanup_close_ int fd =
		openat(d->snapshots_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = 0;
	if (fd < 0 || fchmod(fd, 0755) < 0)
		r = cor_error_errno(err, errno, "open %s/snapshots/%s", d->path, name);
	else if (n > 0 && !readonly)
		r = copy_parent(d, fd, parents[0], err);
	if (r < 0) {
		(void)cor_remove_tree_at(d->snapshots_fd, name, NULL);
		return cor_error_wrap(err, r, "make snapshot directory %s/snapshots/%s", d->path, name);
	}
	return 0;
}

static int native_mounts(struct cor_snapshot_backend *b, uint64_t id, const uint64_t *parents, size_t n,
			 bool readonly, struct cor_mounts *ret, struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	_cleanup_free_ char *source = cor_asprintf("%s/snapshots/%llu", d->path,
						   (unsigned long long)(readonly && n ? parents[0] : id));
	char rbind[] = "rbind", flag[3] = {'r', readonly ? 'o' : 'w', 0};
	char *options[] = {rbind, flag, NULL};
	if (!source || cor_mounts_add(ret, "bind", source, NULL, options) < 0)
		return cor_error_oom(err);
	return 0;
}

static int native_usage(struct cor_snapshot_backend *b, uint64_t id, int64_t *ret_size, int64_t *ret_inodes,
			struct cor_error *err)
{
	char name[SNAPSHOT_NAME_MAX];
	return cor_disk_usage_at(snapshot_dir_of(b)->snapshots_fd, snapshot_name(id, name), ret_size,
				 ret_inodes, err);
}

static int native_probe(struct cor_snapshot_backend *b, bool *ret_fresh, struct cor_error *err)
{
	if (ret_fresh)
		*ret_fresh = false;
	return 0;
}

static const struct cor_snapshot_backend_ops native_ops = {
	.name = "native",
	.create = native_create,
	.mounts = native_mounts,
	.sync = snapshot_sync,
	.persist = snapshot_persist,
	.usage = native_usage,
	.remove = snapshot_remove,
	.detach = snapshot_detach,
	.purge = snapshot_purge,
	.walk = snapshot_walk,
	.probe = native_probe,
	.free = snapshot_dir_free,
};

int cor_native_open(const char *path, struct cor_snapshot_backend **ret, struct cor_error *err)
{
	struct snapshot_dir *d;
	int r = snapshot_dir_open(path, &native_ops, &d, err);
	if (r < 0)
		return r;
	*ret = &d->backend;
	return 0;
}
