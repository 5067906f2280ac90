/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `snapshots`. All work on the snapshotter that the group's --snapshotter names. */
#ifndef COR_CMD_SNAPSHOTS_H
#define COR_CMD_SNAPSHOTS_H

#include "cmd/context.h"

extern const struct cor_command cor_snapshots_commit, cor_snapshots_delete, cor_snapshots_diff,
	cor_snapshots_info, cor_snapshots_label, cor_snapshots_list, cor_snapshots_mounts,
	cor_snapshots_prepare, cor_snapshots_tree, cor_snapshots_unpack, cor_snapshots_usage,
	cor_snapshots_view;

/* The group's options. */
struct cor_snapshots_group {
	const char *snapshotter;
};
static inline const char *cor_snapshots_snapshotter(const struct cor_context *ctx)
{
	const struct cor_snapshots_group *g = ctx->group;

	return g ? g->snapshotter : NULL;
}

#endif
