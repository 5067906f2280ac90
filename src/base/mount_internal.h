/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by base/mount*.c. */
#ifndef COR_BASE_MOUNT_INTERNAL_H
#define COR_BASE_MOUNT_INTERNAL_H

#include "base/mount.h"

/* One mount on a path, whatever is mounted there already. 0 or -errno. */
int cor_mount_one(const struct cor_mount *m, const char *target);
/* fn in a child that shares our memory and descriptors, but not the working directory, and what else the flags of clone(2)
 * say (CLONE_NEWNS: it has mounts of its own, which go with it). We wait for it. fn's result, or -errno. */
int cor_call_in_child(int flags, int (*fn)(void *arg), void *arg);

/* mount_idmap.c */
/* Has it the options "uidmap=" and "gidmap="? */
bool cor_mount_is_idmapped(const struct cor_mount *m);
/* cor_mount_one for such a mount. */
int cor_mount_idmapped(const struct cor_mount *m, const char *target);

#endif
