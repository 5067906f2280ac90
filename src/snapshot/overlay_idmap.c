/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying out whether an overlay can show lower directories with mapped IDs here: the kernel has to (5.19), so has the file
 * system, and one has to be allowed to make a user namespace.
 */
#include <errno.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/str.h"
#include "snapshot/internal.h"

#define PROBE_ID 4242

static int add_mount(const char *path, struct cor_mounts *ret)
{
	_cleanup_strv_ char **options = NULL;
	/* Two lower directories: without an upper one overlay wants that. */
	if (cor_strv_push_take(&options, cor_asprintf("uidmap=0:%d:1", PROBE_ID)) < 0 ||
	    cor_strv_push_take(&options, cor_asprintf("gidmap=0:%d:1", PROBE_ID)) < 0 ||
	    cor_strv_push_take(&options, cor_asprintf("lowerdir=%s/a:%s/b", path, path)) < 0 ||
	    cor_strv_push(&options, "ro") < 0)
		return -ENOMEM;
	return cor_mounts_add(ret, "overlay", "overlay", NULL, options);
}

static int try_map(int dirfd, const char *path)
{
	_cleanup_mounts_ struct cor_mounts mounts = {0};
	struct stat st;
	if (mkdirat(dirfd, "a", 0700) < 0 || mkdirat(dirfd, "b", 0700) < 0 ||
	    mkdirat(dirfd, "b/dir", 0700) < 0)
		return -errno;
	if (add_mount(path, &mounts) < 0)
		return -ENOMEM;
	_cleanup_close_ int mnt = cor_mount_open_idmapped(&mounts.items[0]);
	if (mnt < 0)
		return mnt;
	if (fstatat(mnt, "dir", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return st.st_uid == PROBE_ID && st.st_gid == PROBE_ID ? 0 : -EOPNOTSUPP;
}

int snapshot_overlay_can_map_ids(struct cor_snapshot_backend *b, bool *ret, struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	char name[32] = SNAPSHOT_PROBE;
	cor_random_hex(name + strlen(name), 16);
	_cleanup_free_ char *path = cor_asprintf("%s/%s", d->path, name);
	if (!path)
		return cor_error_oom(err);
	_cleanup_close_ int fd = cor_open_or_mkdir_at(d->fd, name, 0700, err);
	if (fd < 0)
		return fd;
	int r = try_map(fd, path);
	(void)cor_remove_tree_at(d->fd, name, NULL);
	if (r == -ENOSPC || r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return cor_error_errno(err, r, "try mapped IDs in %s", d->path);
	*ret = r == 0;
	return 0;
}
