/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about the container as a whole: Kill, Pids, Pause, Resume, Update, Connect, Shutdown; and what is not there. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/process.h"
#include "base/str.h"
#include "rpc/message.h"
#include "runc_options.pb-c.h"
#include "shim/events.h"
#include "shim/methods.h"
#include "task_v2.pb-c.h"

static void on_answer(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_call *call = data;
	struct cor_shim *s = call->shim;
	if (result->r < 0)
		cor_call_fail(call, result->err);
	else
		cor_call_reply_empty(call);
	cor_shim_trim(s);
}

static void on_thawed(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_call *call = data;
	/* A kill that worked before the thaw has ended the container: then there is nothing to resume. */
	if (result->r == 0 && call->shim->init)
		call->shim->paused = false;
	cor_call_reply_empty(call);
}

/* A frozen process dies when it is thawed. */
static void thaw_and_reply(struct cor_shim *s, struct cor_shim_call *call)
{
	if (s->runtime->driver->resume(s->runtime, on_thawed, call, NULL) < 0)
		cor_call_reply_empty(call);
}

static void on_killed_all(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_call *call = data;
	struct cor_shim *s = call->shim;
	if (result->r == 0 && s->paused && call->data)
		thaw_and_reply(s, call);
	else
		on_answer(result, call);
}

/* Through the runtime: all processes, or an init that has not been started. */
static void kill_by_runtime(struct cor_shim *s, struct cor_shim_call *call, int sig, bool all)
{
	struct cor_error err;
	cor_error_clear(&err);
	call->data = sig == SIGKILL ? call : NULL;
	if (s->runtime->driver->kill(s->runtime, sig, all, on_killed_all, call, &err) < 0)
		cor_call_fail(call, &err);
}

static int kill_by_pidfd(struct cor_shim_process *p, int sig, struct cor_error *err)
{
	int r = p->pidfd >= 0 ? cor_pidfd_kill(p->pidfd, sig) : -ESRCH;
	if (r == -ESRCH)
		return cor_error_set(err, COR_NOT_FOUND, "process already finished: not found");
	return r < 0 ? cor_error_errno(err, r, "kill %d", (int)p->pid) : 0;
}

static void kill_process(struct cor_shim_process *p, struct cor_shim_call *call, int sig, bool all)
{
	struct cor_shim *s = p->shim;
	struct cor_error err;
	int r = 0;
	cor_error_clear(&err);
	if (p->state == COR_PROC_MAKING && sig == SIGKILL) {
		/* A runtime that hangs is got rid of like this. The call first: the abort may end the process at once. */
		cor_call_reply_empty(call);
		cor_prepare_abort(p);
		return;
	}
	if (p->state == COR_PROC_NEW || p->state == COR_PROC_MAKING)
		r = cor_error_set(&err, COR_FAILED_PRECONDITION, "process not created: failed precondition");
	else if (all && cor_process_is_init(p))
		return kill_by_runtime(s, call, sig, true);
	else if (p->state >= COR_PROC_STOPPED)
		r = cor_error_set(&err, COR_NOT_FOUND, "process already finished: not found");
	else if (p->state != COR_PROC_RUNNING)
		return kill_by_runtime(s, call, sig, false);
	else
		r = kill_by_pidfd(p, sig, &err);
	if (r < 0)
		cor_call_fail(call, &err);
	else if (s->paused && sig == SIGKILL)
		thaw_and_reply(s, call);
	else
		cor_call_reply_empty(call);
}

COR_METHOD(kill)
{
	const Containerd__Task__V2__KillRequest *x = (const Containerd__Task__V2__KillRequest *)m;
	struct cor_shim_process *p;
	struct cor_error err;
	cor_error_clear(&err);
	int r = cor_process_find(s, x->id, x->exec_id, &p, &err);
	if (r == 0 && (x->signal < 1 || x->signal > 64))
		r = cor_error_set(&err, COR_INVALID_ARGUMENT, "signal %u: invalid argument", x->signal);
	if (r < 0)
		cor_call_fail(req->call, &err);
	else
		kill_process(p, req->call, (int)x->signal, x->all);
}

/* Init must be running; the runtime is asked then. */
static bool check_running(struct cor_shim *s, struct cor_shim_call *call, const char *id, const char *what)
{
	struct cor_shim_process *p;
	struct cor_error err;
	cor_error_clear(&err);
	int r = cor_process_find(s, id, "", &p, &err);
	if (r == 0 && p->state != COR_PROC_RUNNING && (p->state != COR_PROC_CREATED || *what == 'p'))
		r = cor_error_set(&err, COR_FAILED_PRECONDITION,
				  "cannot %s a %s process: failed precondition", what,
				  cor_process_state_name(p));
	if (r < 0)
		cor_call_fail(call, &err);
	return r == 0;
}

static const char *exec_of(const struct cor_shim *s, pid_t pid)
{
	for (const struct cor_shim_process *p = s->execs; p; p = p->next)
		if (p->pid == pid && !p->exited_ns)
			return p->exec_id;
	return NULL;
}

/* One entry of the answer; an exec's has its name in an Any. */
struct entry {
	Containerd__V1__Types__ProcessInfo info;
	Google__Protobuf__Any any;
	uint8_t details[96];
};

static void fill_entry(struct entry *e, const struct cor_shim *s, pid_t pid)
{
	const char *exec_id = exec_of(s, pid);
	containerd__v1__types__process_info__init(&e->info);
	e->info.pid = (uint32_t)pid;
	if (!exec_id)
		return;
	Containerd__Runc__V1__ProcessDetails d = CONTAINERD__RUNC__V1__PROCESS_DETAILS__INIT;
	d.exec_id = (char *)(uintptr_t)exec_id;
	if (protobuf_c_message_get_packed_size(&d.base) > sizeof(e->details))
		return;
	google__protobuf__any__init(&e->any);
	e->any.type_url = (char *)(uintptr_t) "containerd.runc.v1.ProcessDetails";
	e->any.value.len = protobuf_c_message_pack(&d.base, e->details);
	e->any.value.data = e->details;
	e->info.info = &e->any;
}

static void on_pids(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_call *call = data;
	if (result->r < 0) {
		cor_call_fail(call, result->err);
		return;
	}
	_cleanup_free_ struct entry *entries = cor_new0(struct entry, result->npids + 1);
	_cleanup_free_ Containerd__V1__Types__ProcessInfo **list =
		cor_new0(Containerd__V1__Types__ProcessInfo *, result->npids + 1);
	struct cor_error err;
	cor_error_clear(&err);
	if (!entries || !list) {
		(void)cor_error_oom(&err);
		cor_call_fail(call, &err);
		return;
	}
	for (size_t i = 0; i < result->npids; i++) {
		fill_entry(&entries[i], call->shim, result->pids[i]);
		list[i] = &entries[i].info;
	}
	Containerd__Task__V2__PidsResponse m = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	m.n_processes = result->npids;
	m.processes = list;
	cor_call_reply(call, &m.base, -1);
}

COR_METHOD(pids)
{
	struct cor_error err;
	cor_error_clear(&err);
	if (check_running(s, req->call, ((const Containerd__Task__V2__PidsRequest *)m)->id, "list") &&
	    s->runtime->driver->pids(s->runtime, on_pids, req->call, &err) < 0)
		cor_call_fail(req->call, &err);
}

static void on_thawed_again(const struct cor_runtime_result *result, void *data)
{
	(void)result;
	(void)data;
}

static void on_paused(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_call *call = data;
	struct cor_shim *s = call->shim;
	s->pausing = false;
	if (result->r < 0) /* a runtime that was killed half-way leaves them frozen */
		(void)s->runtime->driver->resume(s->runtime, on_thawed_again, s, NULL);
	s->paused = result->r == 0 && s->init && s->init->state == COR_PROC_RUNNING;
	if (s->paused)
		cor_events_paused(s);
	on_answer(result, call);
}

COR_METHOD(pause)
{
	struct cor_error err;
	cor_error_clear(&err);
	if (!check_running(s, req->call, ((const Containerd__Task__V2__PauseRequest *)m)->id, "pause"))
		return;
	int r = 0;
	if (s->paused || s->pausing)
		r = cor_error_set(&err, COR_FAILED_PRECONDITION,
				  "cannot pause a paused process: failed precondition");
	if (r == 0)
		r = s->runtime->driver->pause(s->runtime, on_paused, req->call, &err);
	if (r < 0)
		cor_call_fail(req->call, &err);
	else
		s->pausing = true;
}

static void on_resumed(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_call *call = data;
	if (result->r == 0) {
		call->shim->paused = false;
		cor_events_resumed(call->shim);
	}
	on_answer(result, call);
}

COR_METHOD(resume)
{
	struct cor_error err;
	cor_error_clear(&err);
	if (!check_running(s, req->call, ((const Containerd__Task__V2__ResumeRequest *)m)->id, "resume"))
		return;
	int r = 0;
	if (!s->paused)
		r = cor_error_set(&err, COR_FAILED_PRECONDITION,
				  "cannot resume a %s process: failed precondition",
				  cor_process_state_name(s->init));
	if (r == 0)
		r = s->runtime->driver->resume(s->runtime, on_resumed, req->call, &err);
	if (r < 0)
		cor_call_fail(req->call, &err);
}

COR_METHOD(update)
{
	const Containerd__Task__V2__UpdateTaskRequest *x = (const Containerd__Task__V2__UpdateTaskRequest *)m;
	_cleanup_free_ char *json = NULL;
	struct cor_error err;
	cor_error_clear(&err);
	if (!check_running(s, req->call, x->id, "update"))
		return;
	int r = 0;
	if (!x->resources || x->resources->value.len == 0)
		r = cor_error_set(&err, COR_INVALID_ARGUMENT, "update: no resources given: invalid argument");
	if (r == 0) {
		json = strndup((const char *)x->resources->value.data, x->resources->value.len);
		r = json ? s->runtime->driver->update(s->runtime, json, on_answer, req->call, &err)
			 : cor_error_oom(&err);
	}
	if (r < 0)
		cor_call_fail(req->call, &err);
}

COR_METHOD(connect)
{
	const Containerd__Task__V2__ConnectRequest *x = (const Containerd__Task__V2__ConnectRequest *)m;
	Containerd__Task__V2__ConnectResponse r = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;
	(void)x;
	r.shim_pid = (uint32_t)getpid();
	r.task_pid = s->init ? (uint32_t)s->init->pid : 0;
	r.version = (char *)(uintptr_t)COR_VERSION;
	cor_call_reply(req->call, &r.base, -1);
}

/* Without `now` a shim with a task stays, as containerd's does; with it the task goes first. */
COR_METHOD(shutdown)
{
	const Containerd__Task__V2__ShutdownRequest *x = (const Containerd__Task__V2__ShutdownRequest *)m;
	if (!s->init || x->now)
		s->stopping = true;
	cor_call_reply_empty(req->call);
	if (s->init && x->now) {
		if (s->init->state == COR_PROC_MAKING)
			cor_prepare_abort(s->init);
		else if (!s->init->call && s->init->state != COR_PROC_DELETING)
			cor_removal_force(s->init);
	}
	cor_shim_check_idle(s);
}
