/* SPDX-License-Identifier: Apache-2.0 */
/* Every command of the root, by noun. */
#ifndef COR_CMD_COMMANDS_H
#define COR_CMD_COMMANDS_H

#include "cmd/command.h"

extern const struct cor_command cor_cmd_version;

#endif
