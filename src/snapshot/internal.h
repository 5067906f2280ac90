/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the snapshot back ends: the directory with one numbered sub-directory per snapshot. */
#ifndef COR_SNAPSHOT_INTERNAL_H
#define COR_SNAPSHOT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "snapshot/backend.h"

#define SNAPSHOT_NAME_MAX 24
/* Directories that wait for their removal; under <path>, probes that a crash has left. */
#define SNAPSHOT_GONE     "gone-"
#define SNAPSHOT_PROBE    "probe-"

struct snapshot_dir {
	struct cor_snapshot_backend backend; /* first: the vtable's functions get this back */
	char *path;                          /* absolute, without a slash at the end */
	int fd;                              /* <path> */
	int snapshots_fd;                    /* <path>/snapshots */
	bool userxattr, index_off;           /* overlayfs only */
};

static inline struct snapshot_dir *snapshot_dir_of(struct cor_snapshot_backend *b)
{
	return container_of(b, struct snapshot_dir, backend);
}

int snapshot_dir_open(const char *path, const struct cor_snapshot_backend_ops *ops, struct snapshot_dir **ret,
		      struct cor_error *err);
void snapshot_dir_free(struct cor_snapshot_backend *b);
/* "<id>"; returns buf. */
const char *snapshot_name(uint64_t id, char buf[SNAPSHOT_NAME_MAX]);
/* O_PATH descriptor of a snapshot's directory. */
int snapshot_open(struct snapshot_dir *d, uint64_t id, struct cor_error *err);

/* Vtable entries that are the same for all. */
int snapshot_sync(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err);
int snapshot_persist(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err);
int snapshot_remove(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err);
int snapshot_detach(struct cor_snapshot_backend *b, uint64_t id, struct cor_error *err);
int snapshot_purge(struct cor_snapshot_backend *b, struct cor_error *err);
int snapshot_walk(struct cor_snapshot_backend *b, int (*fn)(uint64_t id, void *data), void *data,
		  struct cor_error *err);

/* overlay_probe.c */
int snapshot_overlay_probe(struct cor_snapshot_backend *b, bool *ret_fresh, struct cor_error *err);
/* overlay_idmap.c */
int snapshot_overlay_can_map_ids(struct cor_snapshot_backend *b, bool *ret, struct cor_error *err);
/* In a user namespace that is not the initial one. */
bool snapshot_in_userns(void);

/* copy.c: everything of the directory srcfd into the empty directory dstfd, with the directory's own owner, mode, times
 * and xattrs. */
int snapshot_copy_tree(int srcfd, int dstfd, struct cor_error *err);

#endif
