/* SPDX-License-Identifier: Apache-2.0 */
/* The root of the command tree: global options and one line per noun. */
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/root.h"

static const struct cor_command *const commands[] = {
	&cor_cmd_version,    &cor_cmd_containers, &cor_cmd_content,   &cor_cmd_gc,
	&cor_cmd_images,     &cor_cmd_leases,     &cor_cmd_logs,      &cor_cmd_namespaces,
	&cor_cmd_oci,        &cor_cmd_run,        &cor_cmd_snapshots, &cor_cmd_tasks,
	&cor_cmd_completion, &cor_cmd_gendoc,     &cor_cmd_oci_hook,  NULL,
};

const struct cor_command cor_root_command = {
	.name = "coracle",
	.usage = "run OCI images as containers",
	.description = "Runs images as containers, with the engine built in: no daemon has to be there. The "
		       "commands, flags\n"
		       "and texts are those of ctr, containerd's client.",
	.options = cor_global_options,
	.options_size = sizeof(struct cor_globals),
	.subcommands = commands,
};
