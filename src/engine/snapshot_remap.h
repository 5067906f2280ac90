/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the snapshot service: what the labels of user namespaces do (snapshot_remap.c). labels may be NULL. */
#ifndef COR_ENGINE_SNAPSHOT_REMAP_H
#define COR_ENGINE_SNAPSHOT_REMAP_H

#include "engine/internal.h"

/* For a new snapshot: its root directory goes to the mapped root. */
int cor_engine_remap_own(struct cor_snapshot_backend *b, uint64_t id, const struct cor_map *labels,
			 struct cor_error *err);
/* parents: how many the snapshot has. */
int cor_engine_remap_mounts(struct cor_snapshot_backend *b, const struct cor_map *labels, size_t parents,
			    struct cor_mounts *mounts, struct cor_error *err);
int cor_engine_can_remap(struct cor_services *s, const char *sn, bool *ret, struct cor_error *err);

#endif
