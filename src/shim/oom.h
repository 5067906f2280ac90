/* SPDX-License-Identifier: Apache-2.0 */
/* Being told when the kernel killed for want of memory in the container's group: v1 by an eventfd, v2 by inotify. */
#ifndef COR_SHIM_OOM_H
#define COR_SHIM_OOM_H

#include "shim/process.h"

/* From now on a kill becomes a TaskOOM event. Nothing happens where nobody wants events, or the group cannot be watched. */
void cor_oom_watch(const struct cor_shim_process *init);
/* Tells what is known and was not told yet: before an exit is. */
void cor_oom_check(struct cor_shim *s);
void cor_oom_stop(struct cor_shim *s);

#endif
