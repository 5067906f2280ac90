/* SPDX-License-Identifier: Apache-2.0 */
/* `snapshots`: the noun's table. */
#include "cmd/commands.h"
#include "cmd/flags.h"
#include "cmd/snapshots/snapshots.h"

static const struct cor_option options[] = {
	COR_FLAG_SNAPSHOTTER(struct cor_snapshots_group, snapshotter),
	COR_OPT_END,
};

static const struct cor_command *const commands[] = {
	&cor_snapshots_commit,
	&cor_snapshots_diff,
	&cor_snapshots_info,
	&cor_snapshots_list,
	&cor_snapshots_mounts,
	&cor_snapshots_prepare,
	&cor_snapshots_delete,
	&cor_snapshots_label,
	&cor_snapshots_tree,
	&cor_snapshots_unpack,
	&cor_snapshots_usage,
	&cor_snapshots_view,
	NULL,
};

const struct cor_command cor_cmd_snapshots = {
	.name = "snapshots",
	.aliases = "snapshot",
	.usage = "manage snapshots",
	.options = options,
	.options_size = sizeof(struct cor_snapshots_group),
	.subcommands = commands,
};
