/* SPDX-License-Identifier: Apache-2.0 */
/* Every command of the root, by noun. */
#ifndef COR_CMD_COMMANDS_H
#define COR_CMD_COMMANDS_H

#include "cmd/command.h"

extern const struct cor_command cor_cmd_completion, cor_cmd_containers, cor_cmd_content, cor_cmd_gc,
	cor_cmd_gendoc, cor_cmd_images, cor_cmd_leases, cor_cmd_logs, cor_cmd_namespaces, cor_cmd_oci,
	cor_cmd_oci_hook, cor_cmd_run, cor_cmd_snapshots, cor_cmd_tasks, cor_cmd_version;

#endif
