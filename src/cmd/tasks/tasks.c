/* SPDX-License-Identifier: Apache-2.0 */
/* `tasks`: what runs in containers. */
#include "cmd/tasks/tasks.h"

#include <errno.h>

#include "cmd/commands.h"
#include "services/services.h"

int cor_tasks_result(struct cor_services *s, const char *id, int r, struct cor_error *err)
{
	struct cor_container c = {0};
	struct cor_error e = {0};

	if (r != -ENOENT || !err || !cor_startswith(err->message, "no running task found"))
		return r;
	if (s->containers->get(s, id, &c, &e) >= 0)
		cor_container_done(&c);
	else if (e.code == COR_NOT_FOUND)
		*err = e;
	return r;
}

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
