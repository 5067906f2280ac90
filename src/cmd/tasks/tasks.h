/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of src/cmd/tasks: the verbs. */
#ifndef COR_CMD_TASKS_TASKS_H
#define COR_CMD_TASKS_TASKS_H

#include "cmd/command.h"

extern const struct cor_command cor_cmd_tasks_attach, cor_cmd_tasks_delete, cor_cmd_tasks_exec,
	cor_cmd_tasks_kill, cor_cmd_tasks_list, cor_cmd_tasks_pause, cor_cmd_tasks_ps, cor_cmd_tasks_resume,
	cor_cmd_tasks_start, cor_cmd_tasks_checkpoint;

#endif
