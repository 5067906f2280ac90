/* SPDX-License-Identifier: Apache-2.0 */
/* Starting tasks, further processes in them, and the terminals that come with a start. */
#include "engine/task_internal.h"

#include <errno.h>

#include "oci/identifier.h"
#include "rpc/message.h"

/* The terminal of an exec waits here for console(). */
static int keep_console(struct cor_engine *e, const char *id, const char *exec_id, int fd_take,
			struct cor_error *err)
{
	_cleanup_close_ int fd = fd_take;
	struct cor_engine_task *t = cor_task_known(e, id);
	struct cor_task_console *c = t ? cor_new0(struct cor_task_console, 1) : NULL;
	if (!c || !(c->exec_id = strdup(exec_id ? exec_id : ""))) {
		free(c);
		return cor_error_oom(err);
	}
	c->fd = TAKE_FD(fd);
	c->next = t->consoles;
	t->consoles = c;
	return 0;
}

int cor_task_start_op(struct cor_services *s, const char *id, const char *exec_id, pid_t *ret_pid,
		      struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_engine_task *t = cor_task_known(e, id);
	Containerd__Task__V2__StartRequest m = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	int fd = -1;
	if (cor_empty(exec_id) && t && t->started) {
		if (ret_pid)
			*ret_pid = t->pid;
		return 0;
	}
	m.id = cor_task_text(id);
	m.exec_id = cor_task_text(exec_id);
	struct cor_ttrpc_call call = {
		.service = COR_TASK_SERVICE,
		.method = "Start",
		.request = &m.base,
		.response_type = &containerd__task__v2__start_response__descriptor,
		.timeout_ns = cor_task_timeout(e, COR_TASK_SLOW_NS),
	};
	int r = cor_task_call(e, id, &call, &(struct cor_task_reply){&reply, &fd}, NULL, err);
	if (r == COR_TASK_DEAD)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "cannot start a stopped process: failed precondition");
	if (r < 0)
		return r;
	if (ret_pid)
		*ret_pid = (pid_t)((Containerd__Task__V2__StartResponse *)(void *)reply)->pid;
	cor_message_free(reply);
	return fd >= 0 ? keep_console(e, id, exec_id, fd, err) : 0;
}

int cor_task_exec_op(struct cor_services *s, const struct cor_exec *req, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_task_stdio stdio = {0};
	Containerd__Task__V2__ExecProcessRequest m = CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any spec = GOOGLE__PROTOBUF__ANY__INIT;
	int r = cor_identifier_validate("process.ID", req->exec_id, err);
	if (r == 0)
		r = cor_task_stdio_make(e, req->id, &req->stdio, &stdio, err);
	if (r < 0)
		return r;
	if (req->stdio.kind == COR_STDIO_LOG) {
		r = cor_task_log_make(e, req->id, err);
		if (r < 0) {
			cor_task_stdio_done(&stdio);
			return r;
		}
	}
	m.id = cor_task_text(req->id);
	m.exec_id = cor_task_text(req->exec_id);
	m.terminal = stdio.terminal;
	m.stdin = cor_task_text(stdio.in);
	m.stdout = cor_task_text(stdio.out);
	m.stderr = cor_task_text(stdio.err);
	spec.type_url = cor_task_text(COR_PROCESS_TYPE);
	spec.value = (ProtobufCBinaryData){strlen(req->process), (uint8_t *)(uintptr_t)req->process};
	m.spec = &spec;
	struct cor_ttrpc_call call = {
		.service = COR_TASK_SERVICE,
		.method = "Exec",
		.request = &m.base,
		.fds = stdio.fds,
		.nfds = stdio.nfds,
	};
	r = cor_task_call(e, req->id, &call, NULL, NULL, err);
	cor_task_stdio_done(&stdio);
	if (r == COR_TASK_DEAD)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "cannot exec in a stopped state: failed precondition");
	return r;
}

int cor_task_console_op(struct cor_services *s, const char *id, const char *exec_id, int *ret_fd,
			struct cor_error *err)
{
	struct cor_engine_task *t = cor_task_known(cor_engine_of(s), id);
	for (struct cor_task_console **p = t ? &t->consoles : NULL; p && *p; p = &(*p)->next) {
		struct cor_task_console *c = *p;
		if (!streq(c->exec_id, exec_id ? exec_id : ""))
			continue;
		*p = c->next;
		*ret_fd = c->fd;
		free(c->exec_id);
		free(c);
		return 0;
	}
	return cor_error_set(err, COR_NOT_FOUND, "process %s of task %s has no terminal of ours: not found",
			     exec_id ? exec_id : "", id);
}
