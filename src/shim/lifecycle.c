/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and starting init. Each function is one step; the runtime's answer leads to the next one. Whatever fails after the
 * first step leads to cor_removal_rollback, which leaves nothing behind and answers the request.
 */
#include <string.h>

#include "shim/command.h"
#include "shim/events.h"
#include "shim/guard.h"
#include "shim/oom.h"
#include "shim/process.h"
#include "task_v2.pb-c.h"

static void fail_with(struct cor_shim_process *init, const struct cor_error *err)
{
	cor_process_set_failure(init, err);
	cor_removal_rollback(init);
}

static void on_made(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_process *init = data;
	struct cor_error err;
	cor_error_clear(&err);
	cor_checkpoint_restored(init);
	if (result->r < 0) {
		fail_with(init, result->err);
		return;
	}
	if (cor_prepare_finish(init, &err) < 0) {
		fail_with(init, &err);
		return;
	}
	Containerd__Task__V2__CreateTaskResponse m = CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;
	m.pid = (uint32_t)result->pid;
	struct cor_shim_call *call = init->call;
	init->call = NULL;
	cor_events_created(init, result->pid);
	if (init->start)
		cor_events_started(init, result->pid);
	cor_process_made(init, result->pid, init->start ? COR_PROC_RUNNING : COR_PROC_CREATED);
	cor_call_reply(call, &m.base, init->io.console ? init->io.master : -1);
	cor_oom_watch(init);
	if (!init->shim->runtime_root) /* containerd looks after its shims itself */
		cor_guard_start(init);
	cor_shim_trim(init->shim);
}

static void launch(struct cor_shim_process *init)
{
	struct cor_shim *s = init->shim;
	struct cor_runtime *rt = s->runtime;
	struct cor_error err;
	struct cor_runtime_stdio io = {.console_socket = init->terminal ? init->console.name : NULL};
	memcpy(io.fds, init->io.child, sizeof(io.fds));
	cor_error_clear(&err);
	if (init->failure) {
		cor_removal_rollback(init);
		return;
	}
	if (rt->driver->exists(rt)) {
		(void)cor_error_set(&err, COR_ALREADY_EXISTS,
				    "the runtime knows a container \"%s\" already: already exists", s->id);
		fail_with(init, &err);
		return;
	}
	if (!init->checkpoint && cor_io_is_direct(&init->io) &&
	    cor_command_check_init(s->bundle_fd, &err) < 0) {
		(void)cor_error_wrap(&err, 0, "OCI runtime create failed: %s create failed", rt->name);
		fail_with(init, &err);
		return;
	}
	init->launched = true;
	if (init->checkpoint) {
		if (cor_checkpoint_restore(init, &io, on_made, &err) < 0)
			fail_with(init, &err);
		return;
	}
	if ((init->start ? rt->driver->run : rt->driver->create)(rt, &io, on_made, init, &err) < 0)
		fail_with(init, &err);
}

void cor_lifecycle_create(struct cor_shim_process *init)
{
	if (init->checkpoint && !init->start) {
		cor_checkpoint_created(init);
		return;
	}
	init->state = COR_PROC_MAKING;
	cor_prepare(init, launch);
}

static void on_started(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_process *init = data;
	struct cor_shim_call *call = init->call;
	Containerd__Task__V2__StartResponse m = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	init->call = NULL;
	init->starting = false;
	if (result->r < 0) {
		if (init->state == COR_PROC_STARTING)
			init->state = COR_PROC_CREATED;
		if (init->exit_untold)
			cor_events_exited(init);
		cor_call_fail(call, result->err);
		return;
	}
	/* It may have run to its end already: then it is STOPPED, and was started all the same. */
	if (init->state == COR_PROC_STARTING)
		init->state = COR_PROC_RUNNING;
	m.pid = (uint32_t)init->pid;
	cor_events_started(init, init->pid);
	cor_call_reply(call, &m.base, -1);
	cor_shim_trim(init->shim);
}

void cor_lifecycle_start(struct cor_shim_process *init, struct cor_shim_call *call)
{
	struct cor_runtime *rt = init->shim->runtime;
	struct cor_error err;
	cor_error_clear(&err);
	int r = 0;
	if (init->state != COR_PROC_CREATED)
		r = cor_error_set(&err, COR_FAILED_PRECONDITION,
				  "cannot start a %s process: failed precondition",
				  cor_process_state_name(init));
	if (r == 0 && init->checkpoint) {
		cor_checkpoint_start(init, call);
		return;
	}
	if (r == 0)
		r = rt->driver->start(rt, on_started, init, &err);
	if (r < 0) {
		cor_call_fail(call, &err);
		return;
	}
	init->state = COR_PROC_STARTING;
	init->starting = true;
	init->call = call;
}
