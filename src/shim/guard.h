/* SPDX-License-Identifier: Apache-2.0 */
/* The guard: a child of the shim that kills the container when the shim dies before it. */
#ifndef COR_SHIM_GUARD_H
#define COR_SHIM_GUARD_H

#include "shim/process.h"

/* For a container whose init has just been made. Without one (no processes left) the container is killed only when
 * somebody asks about it after the shim's death (engine/shim_dead.c); so a failure is not told. */
void cor_guard_start(const struct cor_shim_process *init);

#endif
