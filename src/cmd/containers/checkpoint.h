/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of src/cmd/containers: the verbs of containers/checkpoint.c. */
#ifndef COR_CMD_CONTAINERS_CHECKPOINT_H
#define COR_CMD_CONTAINERS_CHECKPOINT_H

#include "cmd/command.h"

extern const struct cor_command cor_cmd_containers_checkpoint, cor_cmd_containers_restore;

#endif
