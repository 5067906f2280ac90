/* SPDX-License-Identifier: Apache-2.0 */
/* `tasks`: what runs in containers. */
#include "cmd/tasks/tasks.h"

#include "cmd/commands.h"

static const struct cor_command *const verbs[] = {
	&cor_cmd_tasks_attach,
	&cor_cmd_tasks_delete,
	&cor_cmd_tasks_exec,
	&cor_cmd_tasks_kill,
	&cor_cmd_tasks_list,
	&cor_cmd_tasks_pause,
	&cor_cmd_tasks_ps,
	&cor_cmd_tasks_resume,
	&cor_cmd_tasks_start,
	&cor_cmd_tasks_checkpoint,
	NULL,
};

const struct cor_command cor_cmd_tasks = {
	.name = "tasks",
	.aliases = "t,task",
	.usage = "manage tasks",
	.subcommands = verbs,
};
