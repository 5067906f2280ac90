/* SPDX-License-Identifier: Apache-2.0 */
/* Acting on running tasks: signals, pause, terminal size, stdin, attaching. */
#include "engine/task_internal.h"

#include <errno.h>

#include "coracle_shim.pb-c.h"
#include "rpc/message.h"

static int simple(struct cor_services *s, const char *id, const char *method, const ProtobufCMessage *m,
		  struct cor_error *err)
{
	struct cor_ttrpc_call call = {.service = COR_TASK_SERVICE, .method = method, .request = m};
	return cor_task_call(cor_engine_of(s), id, &call, NULL, NULL, err);
}

/* What can only be done to something that runs. */
static int stopped(struct cor_error *err, const char *verb)
{
	return cor_error_set(err, COR_FAILED_PRECONDITION,
			     "cannot %s a stopped container: failed precondition", verb);
}

int cor_task_kill_op(struct cor_services *s, const char *id, const char *exec_id, int sig, bool all,
		     struct cor_error *err)
{
	Containerd__Task__V2__KillRequest m = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;
	m.id = cor_task_text(id);
	m.exec_id = cor_task_text(exec_id);
	m.signal = (uint32_t)sig;
	m.all = all;
	int r = simple(s, id, "Kill", &m.base, err);
	return r == COR_TASK_DEAD ? cor_error_set(err, COR_NOT_FOUND, "process already finished: not found")
				  : r;
}

int cor_task_pause_op(struct cor_services *s, const char *id, struct cor_error *err)
{
	Containerd__Task__V2__PauseRequest m = CONTAINERD__TASK__V2__PAUSE_REQUEST__INIT;
	m.id = cor_task_text(id);
	int r = simple(s, id, "Pause", &m.base, err);
	return r == COR_TASK_DEAD ? stopped(err, "pause") : r;
}

int cor_task_resume_op(struct cor_services *s, const char *id, struct cor_error *err)
{
	Containerd__Task__V2__ResumeRequest m = CONTAINERD__TASK__V2__RESUME_REQUEST__INIT;
	m.id = cor_task_text(id);
	int r = simple(s, id, "Resume", &m.base, err);
	return r == COR_TASK_DEAD ? stopped(err, "resume") : r;
}

int cor_task_resize_op(struct cor_services *s, const char *id, const char *exec_id, uint16_t rows,
		       uint16_t columns, struct cor_error *err)
{
	Containerd__Task__V2__ResizePtyRequest m = CONTAINERD__TASK__V2__RESIZE_PTY_REQUEST__INIT;
	m.id = cor_task_text(id);
	m.exec_id = cor_task_text(exec_id);
	m.height = rows;
	m.width = columns;
	int r = simple(s, id, "ResizePty", &m.base, err);
	return r == COR_TASK_DEAD ? stopped(err, "resize") : r;
}

int cor_task_close_stdin_op(struct cor_services *s, const char *id, const char *exec_id,
			    struct cor_error *err)
{
	Containerd__Task__V2__CloseIORequest m = CONTAINERD__TASK__V2__CLOSE_IOREQUEST__INIT;
	m.id = cor_task_text(id);
	m.exec_id = cor_task_text(exec_id);
	m.stdin = true;
	int r = simple(s, id, "CloseIO", &m.base, err);
	return r == COR_TASK_DEAD ? 0 : r;
}

int cor_task_attach_op(struct cor_services *s, const char *id, const char *exec_id, int *ret_sock,
		       bool *ret_terminal, struct cor_error *err)
{
	Coracle__Shim__V1__AttachRequest m = CORACLE__SHIM__V1__ATTACH_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	int fd = -1;
	m.id = cor_task_text(id);
	m.exec_id = cor_task_text(exec_id);
	struct cor_ttrpc_call call = {
		.service = COR_SHIM_SERVICE,
		.method = "Attach",
		.request = &m.base,
		.response_type = &coracle__shim__v1__attach_response__descriptor,
	};
	int r = cor_task_call(cor_engine_of(s), id, &call, &(struct cor_task_reply){&reply, &fd}, NULL, err);
	if (r == COR_TASK_DEAD)
		return stopped(err, "attach to");
	if (r < 0)
		return r;
	if (ret_terminal)
		*ret_terminal = ((Coracle__Shim__V1__AttachResponse *)(void *)reply)->terminal;
	cor_message_free(reply);
	if (fd < 0)
		return cor_error_set(err, COR_INTERNAL, "attach to task %s: no stream came along", id);
	*ret_sock = fd;
	return 0;
}
