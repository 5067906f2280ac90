/* SPDX-License-Identifier: Apache-2.0 */
/* The container's root file system: the mounts of a create request, made on DIR/rootfs and undone with the task. */
#ifndef COR_SHIM_ROOTFS_H
#define COR_SHIM_ROOTFS_H

#include "base/error.h"
#include "mount.pb-c.h"

#define COR_SHIM_ROOTFS "rootfs"

/* n 0: nothing to do (the spec's root.path is used as it is). On failure nothing stays mounted. */
int cor_rootfs_mount(int bundle_fd, Containerd__Types__Mount *const *mounts, size_t n, struct cor_error *err);
int cor_rootfs_unmount(int bundle_fd, struct cor_error *err);

#endif
