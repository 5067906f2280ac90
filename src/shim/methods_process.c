/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about one process: State, Start, Delete, Wait, ResizePty, CloseIO, Attach. */
#include "base/fd.h"
#include "base/str.h"
#include "coracle_shim.pb-c.h"
#include "rpc/message.h"
#include "shim/methods.h"
#include "task_v2.pb-c.h"

/* The process, or the call is failed. */
static struct cor_shim_process *find(struct cor_shim *s, const struct cor_shim_request *req, const char *id,
				     const char *exec_id)
{
	struct cor_shim_process *p;
	struct cor_error err;
	cor_error_clear(&err);
	if (cor_process_find(s, id, exec_id, &p, &err) == 0)
		return p;
	cor_call_fail(req->call, &err);
	return NULL;
}

static Containerd__V1__Types__Status status_of(const struct cor_shim_process *p)
{
	const struct cor_shim *s = p->shim;
	switch (p->state) {
	case COR_PROC_NEW:
	case COR_PROC_MAKING:
	case COR_PROC_CREATED:
	case COR_PROC_STARTING:
		return CONTAINERD__V1__TYPES__STATUS__CREATED;
	case COR_PROC_RUNNING:
		if (!cor_process_is_init(p))
			return CONTAINERD__V1__TYPES__STATUS__RUNNING;
		return s->paused    ? CONTAINERD__V1__TYPES__STATUS__PAUSED
		       : s->pausing ? CONTAINERD__V1__TYPES__STATUS__PAUSING
				    : CONTAINERD__V1__TYPES__STATUS__RUNNING;
	case COR_PROC_STOPPED:
	case COR_PROC_DELETING:
		break;
	}
	return CONTAINERD__V1__TYPES__STATUS__STOPPED;
}

COR_METHOD(state)
{
	const Containerd__Task__V2__StateRequest *x = (const Containerd__Task__V2__StateRequest *)m;
	struct cor_shim_process *p = find(s, req, x->id, x->exec_id);
	if (!p)
		return;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Containerd__Task__V2__StateResponse r = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	r.id = (char *)(uintptr_t)s->id;
	r.bundle = (char *)(uintptr_t)s->bundle;
	r.exec_id = p->exec_id;
	r.pid = (uint32_t)p->pid;
	r.status = status_of(p);
	r.stdin = p->in;
	r.stdout = p->out;
	r.stderr = p->err;
	r.terminal = p->terminal;
	r.exit_status = p->exit_status;
	if (p->exited_ns) {
		cor_timestamp_set(&at, p->exited_ns);
		r.exited_at = &at;
	}
	cor_call_reply(req->call, &r.base, -1);
}

COR_METHOD(start)
{
	const Containerd__Task__V2__StartRequest *x = (const Containerd__Task__V2__StartRequest *)m;
	struct cor_shim_process *p = find(s, req, x->id, x->exec_id);
	if (!p)
		return;
	if (cor_process_is_init(p))
		cor_lifecycle_start(p, req->call);
	else
		cor_exec_start(p, req->call);
}

COR_METHOD(remove)
{
	const Containerd__Task__V2__DeleteRequest *x = (const Containerd__Task__V2__DeleteRequest *)m;
	struct cor_shim_process *p = find(s, req, x->id, x->exec_id);
	if (!p)
		return;
	if (cor_process_is_init(p))
		cor_removal_init(p, req->call);
	else
		cor_removal_exec(p, req->call);
}

COR_METHOD(wait)
{
	const Containerd__Task__V2__WaitRequest *x = (const Containerd__Task__V2__WaitRequest *)m;
	struct cor_shim_process *p = find(s, req, x->id, x->exec_id);
	if (!p)
		return;
	if (!p->exited_ns) {
		cor_call_wait(req->call, &p->waiters);
		return;
	}
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Containerd__Task__V2__WaitResponse r = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	cor_timestamp_set(&at, p->exited_ns);
	r.exit_status = p->exit_status;
	r.exited_at = &at;
	cor_call_reply(req->call, &r.base, -1);
}

COR_METHOD(resize)
{
	const Containerd__Task__V2__ResizePtyRequest *x = (const Containerd__Task__V2__ResizePtyRequest *)m;
	struct cor_shim_process *p = find(s, req, x->id, x->exec_id);
	struct cor_error err;
	if (!p)
		return;
	int r = p->io.master >= 0 ? cor_console_resize(p->io.master, x->height, x->width) : 0;
	if (r < 0) {
		cor_error_clear(&err);
		(void)cor_error_errno(&err, r, "resize terminal");
		cor_call_fail(req->call, &err);
		return;
	}
	cor_call_reply_empty(req->call);
}

COR_METHOD(close_io)
{
	const Containerd__Task__V2__CloseIORequest *x = (const Containerd__Task__V2__CloseIORequest *)m;
	struct cor_shim_process *p = find(s, req, x->id, x->exec_id);
	if (!p)
		return;
	if (x->stdin)
		cor_io_close_stdin(&p->io);
	cor_call_reply_empty(req->call);
}

static int check_attach(const struct cor_shim_process *p, struct cor_error *err)
{
	if (p->exited_ns)
		return cor_error_set(err, COR_NOT_FOUND, "process already finished: not found");
	if (!p->io.attachable)
		return cor_error_set(
			err, COR_FAILED_PRECONDITION,
			"its stdio goes elsewhere, there is nothing to attach to: failed precondition");
	if (p->owner)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "its terminal is in use by another client: failed precondition");
	return 0;
}

COR_METHOD(attach)
{
	const Coracle__Shim__V1__AttachRequest *x = (const Coracle__Shim__V1__AttachRequest *)m;
	struct cor_shim_process *p = find(s, req, x->id, x->exec_id);
	struct cor_error err;
	_cleanup_close_ int sock = -1;
	if (!p)
		return;
	cor_error_clear(&err);
	int r = check_attach(p, &err);
	if (r == 0)
		r = cor_attach_new(&p->io, &sock, &err);
	if (r < 0) {
		cor_call_fail(req->call, &err);
		return;
	}
	Coracle__Shim__V1__AttachResponse answer = CORACLE__SHIM__V1__ATTACH_RESPONSE__INIT;
	answer.terminal = p->terminal;
	cor_call_reply(req->call, &answer.base, sock);
}
