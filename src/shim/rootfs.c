/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting and unmounting DIR/rootfs. */
#include "shim/rootfs.h"

#include <errno.h>

#include "base/fd.h"
#include "base/mount.h"
#include "base/path.h"
#include "base/str.h"

static int add_mount(struct cor_mounts *all, const Containerd__Types__Mount *m)
{
	_cleanup_strv_ char **options = NULL;
	for (size_t i = 0; i < m->n_options; i++)
		if (cor_strv_push(&options, m->options[i]) < 0)
			return -ENOMEM;
	return cor_mounts_add(all, m->type, m->source, cor_empty(m->target) ? NULL : m->target, options);
}

int cor_rootfs_mount(int bundle_fd, Containerd__Types__Mount *const *mounts, size_t n, struct cor_error *err)
{
	_cleanup_mounts_ struct cor_mounts all = {0};
	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (add_mount(&all, mounts[i]) < 0)
			return cor_error_oom(err);
	_cleanup_close_ int made = cor_open_or_mkdir_at(bundle_fd, COR_SHIM_ROOTFS, 0711, err);
	if (made < 0)
		return cor_error_wrap(err, made, "root file system");
	_cleanup_close_ int target =
		openat(bundle_fd, COR_SHIM_ROOTFS, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0)
		return cor_error_errno(err, errno, "root file system");
	int r = cor_mount_all(&all, target, err);
	return r < 0 ? cor_error_wrap(err, r, "mount root file system") : 0;
}

int cor_rootfs_unmount(int bundle_fd, struct cor_error *err)
{
	return cor_unmount_at(bundle_fd, COR_SHIM_ROOTFS, err);
}
