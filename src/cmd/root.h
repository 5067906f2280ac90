/* SPDX-License-Identifier: Apache-2.0 */
/* The command tree. Each noun's table is in <noun>/<noun>.c (or <verb>.c for a verb of its own). */
#ifndef COR_CMD_ROOT_H
#define COR_CMD_ROOT_H

#include "cmd/command.h"

extern const struct cor_command cor_root_command;

#endif
