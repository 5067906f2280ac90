/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for exits: a Wait call without a deadline on a connection of its own. Its descriptor is readable when the answer
 * is there, and when the shim has died.
 */
#include "engine/task_internal.h"

#include <errno.h>

#include "rpc/message.h"

static int begin(struct cor_engine_task *t, const char *id, const char *exec_id,
		 struct cor_task_conn **ret_conn, uint32_t *ret_stream, bool *ret_new, struct cor_error *err)
{
	Containerd__Task__V2__WaitRequest m = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	m.id = cor_task_text(id);
	m.exec_id = cor_task_text(exec_id);
	struct cor_ttrpc_call call = {.service = COR_TASK_SERVICE, .method = "Wait", .request = &m.base};
	struct cor_task_conn *c;
	int r = cor_task_acquire(t, &c, ret_new, err);
	if (r)
		return r;
	r = cor_ttrpc_client_begin(c->client, &call, ret_stream, err);
	/* A closed connection is found out by _finish, in one place. */
	if (r < 0 && !cor_ttrpc_client_broken(c->client)) {
		cor_task_release(t, c);
		return r;
	}
	*ret_conn = c;
	return 0;
}

static int finish(struct cor_task_conn *c, uint32_t stream, struct cor_task_exit *ret, struct cor_error *err)
{
	struct cor_ttrpc_call call = {
		.service = COR_TASK_SERVICE,
		.method = "Wait",
		.response_type = &containerd__task__v2__wait_response__descriptor,
	};
	ProtobufCMessage *reply = NULL;
	int r = cor_ttrpc_client_finish(c->client, stream, &call, &reply, err);
	if (r < 0)
		return r;
	const Containerd__Task__V2__WaitResponse *m = (const void *)reply;
	*ret = (struct cor_task_exit){.status = m->exit_status, .exited_ns = cor_timestamp_ns(m->exited_at)};
	cor_message_free(reply);
	return 0;
}

/* The watch for this process, taken out of the list. */
static struct cor_task_watch *take_watch(struct cor_engine_task *t, const char *exec_id)
{
	for (struct cor_task_watch **p = &t->watches; *p; p = &(*p)->next) {
		struct cor_task_watch *w = *p;
		if (streq(w->exec_id, exec_id ? exec_id : "")) {
			*p = w->next;
			return w;
		}
	}
	return NULL;
}

/* A shim that is gone: bury it, and its exit is the answer. COR_TASK_DEAD counts as success. */
static int dead(struct cor_engine *e, struct cor_engine_task *t, struct cor_task_exit *ret,
		struct cor_error *err)
{
	int r = cor_task_bury_known(e, t, ret, err);
	return r == COR_TASK_DEAD ? 0 : r;
}

static int wait_new(struct cor_engine *e, const char *id, const char *exec_id, struct cor_task_exit *ret,
		    struct cor_error *err)
{
	for (int tries = 0;; tries++) {
		struct cor_engine_task *t;
		struct cor_task_conn *c;
		uint32_t stream = 0;
		bool fresh;
		int r = cor_task_open(e, id, &t, err);
		if (r < 0)
			return r;
		r = begin(t, id, exec_id, &c, &stream, &fresh, err);
		if (r == COR_TASK_DEAD)
			return dead(e, t, ret, err);
		if (r < 0)
			return r;
		r = finish(c, stream, ret, err);
		if (r == 0) {
			cor_task_release(t, c);
			return 0;
		}
		if (!cor_ttrpc_client_broken(c->client) || fresh || tries > 0) {
			r = cor_task_after_failure(e, t, c, r, ret, err);
			return r == COR_TASK_DEAD ? 0 : r;
		}
		cor_task_conn_free(c);
	}
}

int cor_task_wait_op(struct cor_services *s, const char *id, const char *exec_id, struct cor_task_exit *ret,
		     struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_error local = {0};
	struct cor_task_exit ended = {0};
	struct cor_engine_task *t = cor_task_known(e, id);
	struct cor_task_watch *w = t ? take_watch(t, exec_id) : NULL;
	int r;
	if (!err)
		err = &local;
	if (w) {
		r = finish(w->conn, w->stream, &ended, err);
		struct cor_task_conn *c = TAKE_PTR(w->conn);
		free(w->exec_id);
		free(w);
		if (r == 0)
			cor_task_release(t, c);
		else
			r = cor_task_after_failure(e, t, c, r, &ended, err);
		r = r == COR_TASK_DEAD ? 0 : r;
	} else {
		r = wait_new(e, id, exec_id, &ended, err);
	}
	if (r == 0 && ret)
		*ret = ended;
	return r;
}

/* Nothing to wait for: a descriptor that is readable at once. */
static int readable_now(int *ret_fd, struct cor_error *err)
{
	int p[2];
	int r = cor_pipe(p);
	if (r < 0)
		return cor_error_errno(err, r, "pipe");
	cor_close(p[1]);
	*ret_fd = p[0];
	return 0;
}

int cor_task_wait_fd_op(struct cor_services *s, const char *id, const char *exec_id, int *ret_fd,
			struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_engine_task *t;
	struct cor_task_exit ended;
	int r = cor_task_open(e, id, &t, err);
	if (r < 0)
		return r;
	struct cor_task_watch *w = cor_new0(struct cor_task_watch, 1);
	if (!w || !(w->exec_id = strdup(exec_id ? exec_id : ""))) {
		free(w);
		return cor_error_oom(err);
	}
	r = begin(t, id, exec_id, &w->conn, &w->stream, NULL, err);
	if (r == COR_TASK_DEAD) {
		free(w->exec_id);
		free(w);
		r = dead(e, t, &ended, err);
		return r < 0 ? r : readable_now(ret_fd, err);
	}
	int fd = r < 0 ? -1 : fcntl(cor_ttrpc_client_fd(w->conn->client), F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		r = r < 0 ? r : cor_error_errno(err, errno, "wait");
		cor_task_conn_free(w->conn);
		free(w->exec_id);
		free(w);
		return r;
	}
	w->next = t->watches;
	t->watches = w;
	*ret_fd = fd;
	return 0;
}
