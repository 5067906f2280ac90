/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots as overlayfs layers: <id>/fs holds the difference to the parents, <id>/work is overlayfs' own. The mounts are the
 * ones that containerd's overlayfs snapshotter returns, option for option.
 */
#include "snapshot/internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"

/* The root directory of what will be seen is the topmost fs: it looks as the parent's does. */
static int inherit_root(struct snapshot_dir *d, int fsfd, uint64_t parent, struct cor_error *err)
{
	char name[SNAPSHOT_NAME_MAX + 4];
	struct stat st;
	(void)snprintf(name, sizeof(name), "%llu/fs", (unsigned long long)parent);
	if (fstatat(d->snapshots_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_error_errno(err, errno, "stat %s/snapshots/%s", d->path, name);
	if (fchown(fsfd, st.st_uid, st.st_gid) < 0 || fchmod(fsfd, st.st_mode & 07777) < 0)
		return cor_error_errno(err, errno, "set owner and mode of the snapshot's root");
	return 0;
}

static int fill_directory(struct snapshot_dir *d, int dirfd, const uint64_t *parents, size_t n, bool readonly,
			  struct cor_error *err)
{
	if (!readonly && mkdirat(dirfd, "work", 0711) < 0)
		return cor_error_errno(err, errno, "make work directory");
	_cleanup_close_ int fs = cor_open_or_mkdir_at(dirfd, "fs", 0755, err);
	if (fs < 0)
		return fs;
	return n ? inherit_root(d, fs, parents[0], err) : 0;
}

static int overlay_create(struct cor_snapshot_backend *b, uint64_t id, const uint64_t *parents, size_t n,
			  bool readonly, struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	char name[SNAPSHOT_NAME_MAX];
	if (mkdirat(d->snapshots_fd, snapshot_name(id, name), 0700) < 0) {
		if (errno == EEXIST)
			return -EEXIST;
		return cor_error_errno(err, errno, "make snapshot directory %s/snapshots/%s", d->path, name);
	}
	_cleanup_close_ int fd = snapshot_open(d, id, err);
	int r = fd < 0 ? fd : fill_directory(d, fd, parents, n, readonly, err);
	if (r < 0) {
		(void)cor_remove_tree_at(d->snapshots_fd, name, NULL);
		return cor_error_wrap(err, r, "make snapshot directory %s/snapshots/%s", d->path, name);
	}
	return 0;
}

static char *fs_path(const struct snapshot_dir *d, uint64_t id, const char *sub)
{
	return cor_asprintf("%s/snapshots/%llu/%s", d->path, (unsigned long long)id, sub);
}

static int bind_mount(const struct snapshot_dir *d, uint64_t id, bool readonly, struct cor_mounts *ret)
{
	_cleanup_free_ char *source = fs_path(d, id, "fs");
	char flag[3] = {'r', readonly ? 'o' : 'w', 0}, rbind[] = "rbind";
	char *options[] = {flag, rbind, NULL};
	return source ? cor_mounts_add(ret, "bind", source, NULL, options) : -ENOMEM;
}

static int push_option(char ***options, const char *key, char *value_take)
{
	_cleanup_free_ char *value = value_take;
	return value ? cor_strv_push_take(options, cor_asprintf("%s=%s", key, value)) : -ENOMEM;
}

static char *lower_paths(const struct snapshot_dir *d, const uint64_t *parents, size_t n)
{
	_cleanup_buf_ struct cor_buf b = {0};
	for (size_t i = 0; i < n; i++)
		(void)cor_buf_printf(&b, "%s%s/snapshots/%llu/fs", i ? ":" : "", d->path,
				     (unsigned long long)parents[i]);
	return cor_buf_take(&b);
}

static int overlay_mount(const struct snapshot_dir *d, uint64_t id, const uint64_t *parents, size_t n,
			 bool readonly, struct cor_mounts *ret)
{
	_cleanup_strv_ char **options = NULL;
	int r = 0;
	if (!readonly) {
		r = push_option(&options, "workdir", fs_path(d, id, "work"));
		if (r >= 0)
			r = push_option(&options, "upperdir", fs_path(d, id, "fs"));
	}
	if (r >= 0)
		r = push_option(&options, "lowerdir", lower_paths(d, parents, n));
	if (r >= 0 && d->userxattr)
		r = cor_strv_push(&options, "userxattr");
	if (r >= 0 && d->index_off)
		r = cor_strv_push(&options, "index=off");
	return r < 0 ? r : cor_mounts_add(ret, "overlay", "overlay", NULL, options);
}

static int overlay_mounts(struct cor_snapshot_backend *b, uint64_t id, const uint64_t *parents, size_t n,
			  bool readonly, struct cor_mounts *ret, struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	int r;
	if (n == 0)
		r = bind_mount(d, id, readonly, ret);
	else if (n == 1 && readonly)
		r = bind_mount(d, parents[0], true, ret);
	else
		r = overlay_mount(d, id, parents, n, readonly, ret);
	return r < 0 ? cor_error_oom(err) : 0;
}

static int overlay_usage(struct cor_snapshot_backend *b, uint64_t id, int64_t *ret_size, int64_t *ret_inodes,
			 struct cor_error *err)
{
	_cleanup_close_ int fd = snapshot_open(snapshot_dir_of(b), id, err);
	return fd < 0 ? fd : cor_disk_usage_at(fd, "fs", ret_size, ret_inodes, err);
}

static int overlay_set_owner(struct cor_snapshot_backend *b, uint64_t id, uint32_t uid, uint32_t gid,
			     struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	char name[SNAPSHOT_NAME_MAX + 4];
	(void)snprintf(name, sizeof(name), "%llu/fs", (unsigned long long)id);
	if (fchownat(d->snapshots_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_error_errno(err, errno, "set owner of %s/snapshots/%s", d->path, name);
	return 0;
}

static const struct cor_snapshot_backend_ops overlay_ops = {
	.name = "overlayfs",
	.create = overlay_create,
	.mounts = overlay_mounts,
	.sync = snapshot_sync,
	.persist = snapshot_persist,
	.usage = overlay_usage,
	.remove = snapshot_remove,
	.detach = snapshot_detach,
	.purge = snapshot_purge,
	.walk = snapshot_walk,
	.probe = snapshot_overlay_probe,
	.set_owner = overlay_set_owner,
	.can_map_ids = snapshot_overlay_can_map_ids,
	.free = snapshot_dir_free,
};

int cor_overlayfs_open(const char *path, struct cor_snapshot_backend **ret, struct cor_error *err)
{
	struct snapshot_dir *d;
	int r = snapshot_dir_open(path, &overlay_ops, &d, err);
	if (r < 0)
		return r;
	d->index_off = faccessat(AT_FDCWD, "/sys/module/overlay/parameters/index", F_OK, 0) == 0;
	d->userxattr = snapshot_in_userns();
	*ret = &d->backend;
	return 0;
}
