/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a process that Exec has registered. A failure leaves it stopped, to be deleted, as containerd's is. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "shim/command.h"
#include "shim/events.h"
#include "shim/process.h"
#include "task_v2.pb-c.h"

static void end_spec_file(struct cor_shim_process *p)
{
	if (*p->spec_file)
		(void)unlinkat(p->shim->bundle_fd, p->spec_file, 0);
	p->spec_file[0] = '\0';
}

static void fail_with(struct cor_shim_process *p, const struct cor_error *err)
{
	struct cor_shim *s = p->shim;
	struct cor_shim_call *call = p->call;
	struct cor_error copy = *err;
	p->call = NULL;
	end_spec_file(p);
	cor_console_done(&p->console);
	cor_process_failed(p);
	if (p->retired) {
		cor_process_unlink(p);
		cor_process_free(p);
	}
	cor_call_fail(call, &copy);
	cor_shim_trim(s);
}

static void on_made(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_process *p = data;
	struct cor_shim *s = p->shim;
	struct cor_error err;
	cor_error_clear(&err);
	end_spec_file(p);
	if (result->r < 0) {
		fail_with(p, result->err);
		return;
	}
	int r = cor_prepare_finish(p, &err);
	Containerd__Task__V2__StartResponse m = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	m.pid = (uint32_t)result->pid;
	if (r < 0) {
		/* It runs, but nobody can talk to it. */
		(void)kill(result->pid, SIGKILL);
		fail_with(p, &err);
		return;
	}
	struct cor_shim_call *call = p->call;
	p->call = NULL;
	cor_call_reply(call, &m.base, p->io.console ? p->io.master : -1);
	cor_events_started(p, result->pid);
	cor_process_made(p, result->pid, COR_PROC_RUNNING); /* may free a retired one */
	cor_shim_trim(s);
}

static void launch(struct cor_shim_process *p)
{
	struct cor_shim *s = p->shim;
	struct cor_runtime *rt = s->runtime;
	struct cor_runtime_exec exec = {.id = p->exec_id,
					.process_file = p->spec_file,
					.stdio.console_socket = p->terminal ? p->console.name : NULL};
	struct cor_error err;
	cor_error_clear(&err);
	memcpy(exec.stdio.fds, p->io.child, sizeof(exec.stdio.fds));
	if (p->failure) {
		fail_with(p, p->failure);
		return;
	}
	if (cor_io_is_direct(&p->io) && cor_command_check_exec(s->init->pid, p->spec, &err) < 0) {
		(void)cor_error_wrap(&err, 0, "OCI runtime exec failed: exec failed");
		fail_with(p, &err);
		return;
	}
	(void)snprintf(p->spec_file, sizeof(p->spec_file), "exec-%u.json", s->sequence++);
	int r = cor_write_file_at(s->bundle_fd, p->spec_file, p->spec, strlen(p->spec), 0600, false, &err);
	if (r == 0)
		r = rt->driver->exec(rt, &exec, on_made, p, &err);
	if (r < 0)
		fail_with(p, &err);
}

void cor_exec_start(struct cor_shim_process *p, struct cor_shim_call *call)
{
	struct cor_shim *s = p->shim;
	struct cor_error err;
	int r = 0;
	cor_error_clear(&err);
	if (p->state != COR_PROC_NEW)
		r = cor_error_set(&err, COR_FAILED_PRECONDITION,
				  "cannot start a %s process: failed precondition",
				  cor_process_state_name(p));
	else if (s->init->state != COR_PROC_RUNNING || s->paused || s->pausing)
		r = cor_error_set(&err, COR_FAILED_PRECONDITION,
				  "cannot exec in a %s container: failed precondition",
				  cor_process_state_name(s->init));
	if (r < 0) {
		/* containerd's clients wait for the end of its FIFOs then. */
		if (s->runtime_root && p->state == COR_PROC_NEW)
			cor_process_failed(p);
		cor_call_fail(call, &err);
		return;
	}
	p->state = COR_PROC_MAKING;
	p->call = call;
	cor_prepare(p, launch);
}
