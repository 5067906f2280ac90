/* SPDX-License-Identifier: Apache-2.0 */
/* Flags that several commands share, one line each in their tables. */
#ifndef COR_CMD_FLAGS_H
#define COR_CMD_FLAGS_H

#include "cmd/command.h"

#define COR_FLAG_SNAPSHOTTER(T, field)                                         \
	COR_OPT(T, COR_OPT_STRING, field, "snapshotter", NULL,                 \
		"snapshotter name. Empty value stands for the default value.", \
		.env = "CONTAINERD_SNAPSHOTTER", .metavar = "SNAPSHOTTER")
#define COR_FLAG_LABEL(T, field, help_) \
	COR_OPT(T, COR_OPT_STRINGS, field, "label", NULL, help_, .metavar = "KEY=VALUE")

#endif
