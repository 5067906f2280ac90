/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Task events that containerd is told (api/events/task.proto). No effect where nobody is (the embedded engine).
 *
 * Invariant: a process's exit comes after its start. An exit that overtakes the answer of Start waits for it.
 */
#ifndef COR_SHIM_EVENTS_H
#define COR_SHIM_EVENTS_H

#include "shim/process.h"
#include "task_v2.pb-c.h"

/* What TaskCreate tells of the request is kept in init->event until it is created. */
void cor_events_prepare(struct cor_shim_process *init, const Containerd__Task__V2__CreateTaskRequest *m);
void cor_events_created(struct cor_shim_process *init, pid_t pid);
/* pid: the process's, which may not be in p yet. */
void cor_events_started(struct cor_shim_process *p, pid_t pid);
void cor_events_exited(struct cor_shim_process *p);
void cor_events_deleted(const struct cor_shim_process *init);
void cor_events_exec_added(const struct cor_shim_process *p);
void cor_events_paused(const struct cor_shim *s);
void cor_events_resumed(const struct cor_shim *s);
void cor_events_oom(const struct cor_shim *s);
void cor_events_checkpointed(const struct cor_shim *s, const char *path);

#endif
