/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of src/cmd/tasks: the verbs. */
#ifndef COR_CMD_TASKS_TASKS_H
#define COR_CMD_TASKS_TASKS_H

#include "cmd/command.h"

extern const struct cor_command cor_cmd_tasks_attach, cor_cmd_tasks_delete, cor_cmd_tasks_exec,
	cor_cmd_tasks_kill, cor_cmd_tasks_list, cor_cmd_tasks_pause, cor_cmd_tasks_ps, cor_cmd_tasks_resume,
	cor_cmd_tasks_start, cor_cmd_tasks_checkpoint;

struct cor_services;

/* r, the result of a call on the task of container `id`: where there is no such container, err says that instead of there being
 * no task, in ctr's words. Returns r. */
int cor_tasks_result(struct cor_services *s, const char *id, int r, struct cor_error *err);

#endif
