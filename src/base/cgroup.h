/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups by their path, in every hierarchy that is mounted below /sys/fs/cgroup: v2, v1, and both at once.
 * A path is absolute, from a hierarchy's root; it is resolved inside that root.
 */
#ifndef COR_BASE_CGROUP_H
#define COR_BASE_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

/* True for a path that names a group of one's own: absolute, not the root, not systemd's "slice:prefix:name". */
bool cor_cgroup_path_is_own(const char *path);
/* Kills the processes in these groups, whoever's they are, frozen ones too. */
void cor_cgroup_kill(const char *path);
void cor_cgroup_thaw(const char *path);
/* Moves a process into these groups, where they exist. Their number, or the first -errno of one that does not take it. */
int cor_cgroup_join(const char *path, pid_t pid);
/* True where there is nothing but v2. */
bool cor_cgroup_is_unified(void);
/* The group of a process: of a v1 controller ("memory"), or with "" of v2. An O_PATH descriptor; -ENOENT: no such hierarchy. */
int cor_cgroup_open_of(pid_t pid, const char *controller);
/* The same by the group's path. */
int cor_cgroup_open(const char *path, const char *controller);
/* Removes these groups where they are empty. The number of those that are gone, or the first -errno of one that stays
 * (-EBUSY: processes or groups in it); the others are removed all the same. */
int cor_cgroup_remove(const char *path);
/*
 * Tells the kernel that processes are about to be moved between groups, and does not wait.
 *
 * The first move in a while waits for an RCU grace period (some 10 ms: rcu_sync of cgroup_threadgroup_rwsem); those soon
 * after it do not. So a child is made that "moves" to the group it is in: the wait runs beside whatever else comes before
 * a container's processes are moved, and ends where it would have begun. Nothing is changed by it, and if it fails nothing
 * is lost. Returns the child, for cor_cgroup_moves_done, or 0.
 */
pid_t cor_cgroup_expect_moves(void);
/* The moves are over: reaps the child, which has ended by then. 0 is fine. */
void cor_cgroup_moves_done(pid_t child);

#endif
