/* SPDX-License-Identifier: Apache-2.0 */
/* Removing: a process of exec, or the task with its shim and bundle. */
#include "engine/task_internal.h"

#include <errno.h>

#include "rpc/message.h"

#define SHIM_END_NS (INT64_C(5) * 1000000000)

static int delete_process(struct cor_engine *e, const char *id, const char *exec_id,
			  struct cor_task_exit *ret, struct cor_error *err)
{
	Containerd__Task__V2__DeleteRequest m = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	m.id = cor_task_text(id);
	m.exec_id = cor_task_text(exec_id);
	struct cor_ttrpc_call call = {
		.service = COR_TASK_SERVICE,
		.method = "Delete",
		.request = &m.base,
		.response_type = &containerd__task__v2__delete_response__descriptor,
		.timeout_ns = cor_task_timeout(e, COR_TASK_SLOW_NS),
	};
	int r = cor_task_call(e, id, &call, &(struct cor_task_reply){&reply, NULL}, ret, err);
	if (r)
		return r;
	const Containerd__Task__V2__DeleteResponse *d = (const void *)reply;
	*ret = (struct cor_task_exit){.status = d->exit_status, .exited_ns = cor_timestamp_ns(d->exited_at)};
	cor_message_free(reply);
	return 0;
}

/* Tells the shim that it is done; the answer is its end. */
static void shut_down(struct cor_engine_task *t)
{
	Containerd__Task__V2__ShutdownRequest m = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	struct cor_task_conn *c;
	uint32_t stream;
	m.id = t->id;
	m.now = true;
	struct cor_ttrpc_call call = {
		.service = COR_TASK_SERVICE,
		.method = "Shutdown",
		.request = &m.base,
		.timeout_ns = SHIM_END_NS,
	};
	cor_shim_find(t);
	if (cor_task_acquire(t, &c, NULL, NULL) != 0)
		return;
	(void)cor_ttrpc_client_begin(c->client, &call, &stream, NULL);
	cor_task_conn_free(c);
}

static int remove_bundle(struct cor_engine *e, const char *id, bool with_shim, struct cor_error *err)
{
	struct cor_engine_task *t;
	int r = cor_task_open(e, id, &t, NULL);
	if (r < 0)
		return 0; /* somebody else was faster */
	/* The shim goes while its directory is being removed. */
	if (with_shim)
		shut_down(t);
	/* Under the lock, so that the name is this bundle's: somebody who found the shim gone may be faster, and the next
	 * creator too. */
	r = cor_bundle_lock(e, id, t->bundle_fd);
	if (r == 0)
		r = cor_bundle_remove(e, id, t->bundle_fd, err);
	else
		r = r == -ENOENT ? 0 : cor_error_errno(err, r, "lock bundle of task %s", id);
	if (with_shim)
		cor_shim_end(t, SHIM_END_NS);
	cor_task_forget(e, t);
	return r;
}

int cor_task_remove_op(struct cor_services *s, const char *id, const char *exec_id, struct cor_task_exit *ret,
		       struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_task_exit ended = {0};
	int r = delete_process(e, id, exec_id, &ended, err);
	if (r < 0)
		return r;
	if (cor_empty(exec_id)) {
		r = remove_bundle(e, id, r != COR_TASK_DEAD, err);
		if (r < 0)
			return r;
	} else if (r == COR_TASK_DEAD) {
		return cor_error_set(err, COR_NOT_FOUND, "process does not exist %s: not found", exec_id);
	}
	if (ret)
		*ret = ended;
	return 0;
}
