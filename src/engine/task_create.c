/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating a task: bundle, shim, Create (or Run: create and start in one, when nothing comes in between). What fails takes
 * everything back, the shim included.
 */
#include "engine/task_internal.h"

#include <errno.h>

#include "base/path.h"
#include "engine/checkpoint.h"
#include "oci/identifier.h"
#include "rpc/message.h"

struct creation {
	struct cor_engine *e;
	const struct cor_task_create *req;
	struct cor_task_runtime runtime;
	struct cor_task_stdio stdio;
	struct cor_checkpoint_dir checkpoint;
	bool made_log;
	struct cor_engine_task *t;
	struct cor_task_conn *conn;
	int64_t burst; /* microseconds; 0: none */
};

/* A CPU burst is set between create and start; there is no such moment in restoring. */
static bool starts(const struct creation *c)
{
	return c->req->start && (c->burst == 0 || c->req->checkpoint);
}

/* ---- the request --------------------------------------------------------------------------------------------- */

struct mount_messages {
	Containerd__Types__Mount *items, **pointers;
};

static int make_mounts(const struct cor_mounts *m, struct mount_messages *ret)
{
	ret->items = cor_new0(Containerd__Types__Mount, m->n ? m->n : 1);
	ret->pointers = cor_new0(Containerd__Types__Mount *, m->n ? m->n : 1);
	if (!ret->items || !ret->pointers)
		return -ENOMEM;
	for (size_t i = 0; i < m->n; i++) {
		containerd__types__mount__init(&ret->items[i]);
		ret->items[i].type = cor_task_text(m->items[i].type);
		ret->items[i].source = cor_task_text(m->items[i].source);
		ret->items[i].target = cor_task_text(m->items[i].target);
		ret->items[i].options = m->items[i].options;
		ret->items[i].n_options = cor_strv_len(m->items[i].options);
		ret->pointers[i] = &ret->items[i];
	}
	return 0;
}

static int send_create(struct creation *c, const char *bundle, struct mount_messages *mounts, pid_t *ret_pid,
		       int *ret_console, struct cor_error *err)
{
	const struct cor_task_create *req = c->req;
	Containerd__Task__V2__CreateTaskRequest m = CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any options = GOOGLE__PROTOBUF__ANY__INIT;
	m.id = cor_task_text(req->id);
	m.bundle = cor_task_text(bundle);
	m.rootfs = mounts->pointers;
	m.n_rootfs = req->rootfs ? req->rootfs->n : 0;
	m.terminal = c->stdio.terminal;
	m.stdin = cor_task_text(c->stdio.in);
	m.stdout = cor_task_text(c->stdio.out);
	m.stderr = cor_task_text(c->stdio.err);
	m.checkpoint = cor_task_text(c->checkpoint.path);
	options.type_url = cor_task_text(COR_RUNC_OPTIONS_TYPE);
	options.value = (ProtobufCBinaryData){c->runtime.options_len, c->runtime.options};
	m.options = &options;
	struct cor_ttrpc_call call = {
		.service = starts(c) ? COR_SHIM_SERVICE : COR_TASK_SERVICE,
		.method = starts(c) ? "Run" : "Create",
		.request = &m.base,
		.response_type = &containerd__task__v2__create_task_response__descriptor,
		.timeout_ns =
			cor_task_timeout(c->e, req->checkpoint ? COR_TASK_CHECKPOINT_NS : COR_TASK_SLOW_NS),
		.fds = c->stdio.fds,
		.nfds = c->stdio.nfds,
	};
	ProtobufCMessage *reply = NULL;
	int fd = -1;
	size_t nfds = 1;
	int r = cor_ttrpc_client_call(c->conn->client, &call, &reply, &fd, &nfds, err);
	if (r < 0)
		return r;
	*ret_pid = (pid_t)((Containerd__Task__V2__CreateTaskResponse *)(void *)reply)->pid;
	*ret_console = nfds ? fd : -1;
	c->conn->terminal = nfds > 0;
	cor_message_free(reply);
	return 0;
}

static int ask_shim(struct creation *c, pid_t *ret_pid, int *ret_console, struct cor_error *err)
{
	static const struct cor_mounts none;
	struct mount_messages mounts = {0};
	_cleanup_free_ char *bundle = cor_asprintf("%s/%s/%s", c->e->state, c->e->ns, c->req->id);
	int r = bundle && make_mounts(c->req->rootfs ? c->req->rootfs : &none, &mounts) == 0
			? 0
			: cor_error_oom(err);
	if (r == 0)
		r = send_create(c, bundle, &mounts, ret_pid, ret_console, err);
	free(mounts.items);
	free(mounts.pointers);
	return r < 0 ? cor_error_wrap(err, r, "failed to create shim task") : 0;
}

/* ---- taking back --------------------------------------------------------------------------------------------- */

static void discard_log(struct creation *c)
{
	if (c->made_log)
		cor_engine_task_forget(c->e, c->req->id);
}

/* answered: the shim said no, and has cleaned up; it ends with its last connection. Else it is stopped, and what it had
 * made is cleaned up here. */
static void roll_back(struct creation *c, bool answered)
{
	struct cor_engine_task *t = c->t;
	if (!answered)
		cor_shim_kill(t);
	c->conn = cor_task_conn_free(c->conn);
	cor_shim_end(t, INT64_C(5) * 1000000000);
	if (!answered)
		(void)cor_task_clean_up(c->e, t->id, t->bundle_fd);
	/* While the name is still ours: the next creator's log lies in the same place. */
	discard_log(c);
	(void)cor_bundle_remove(c->e, t->id, t->bundle_fd, NULL);
	cor_bundle_unlock(t->bundle_fd);
	cor_task_forget(c->e, t);
}

/* ---- the operation ------------------------------------------------------------------------------------------- */

int cor_engine_check_sandbox(struct cor_services *s, const char *id, struct cor_error *err)
{
	return cor_error_set(err, COR_NOT_FOUND, "can't find sandbox %s", id);
}

static int unpack_checkpoint(struct creation *c, struct cor_error *err)
{
	if (!c->req->start)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "a checkpoint is restored by create and start in one: invalid argument");
	int r = cor_checkpoint_dir_make(c->e, &c->checkpoint, err);
	return r < 0 ? r : cor_checkpoint_unpack(&c->e->services, c->req->checkpoint, c->checkpoint.fd, err);
}

static int prepare(struct creation *c, struct cor_error *err)
{
	int r = cor_identifier_validate("container.ID", c->req->id, err);
	if (r == 0 && !cor_empty(c->req->container->sandbox_id))
		r = cor_engine_check_sandbox(&c->e->services, c->req->container->sandbox_id, err);
	if (r == 0)
		r = cor_task_runtime_resolve(c->e, c->req, &c->runtime, err);
	if (r == 0) {
		r = cor_engine_ns_state(c->e, true, err);
		r = r < 0 ? r : 0;
	}
	if (r == 0)
		r = cor_task_stdio_make(c->e, c->req->id, &c->req->stdio, &c->stdio, err);
	if (r == 0 && c->req->checkpoint)
		r = unpack_checkpoint(c, err);
	return r;
}

/* The bundle, now ours, and in the table. One that a dead shim left, and that never held a container, makes room. */
static int take_bundle(struct creation *c, int *ret_listen, struct cor_error *err)
{
	const char *id = c->req->id;
	for (int tries = 0;; tries++) {
		int fd = cor_bundle_make(c->e, id, c->req->container->spec, ret_listen, err);
		if (fd >= 0) {
			struct cor_engine_task *old = cor_task_known(c->e, id);
			if (old)
				cor_task_forget(c->e, old);
			int r = cor_task_add(c->e, id, fd, &c->t, err);
			if (r < 0) {
				(void)cor_remove_tree_at(c->e->ns_state_fd, id, NULL);
				*ret_listen = cor_close(*ret_listen);
			}
			return r;
		}
		if (fd != -EEXIST || tries > 0)
			return fd;
		struct cor_task there = {0};
		struct cor_error e = {0};
		int r = cor_task_state_op(&c->e->services, id, NULL, &there, &e);
		cor_task_done(&there);
		/* A shim that knows no task is one that a creator is talking to. */
		if (r != -ENOENT || cor_engine_task_absent(c->e, id, NULL) < 0)
			return fd;
		cor_error_clear(err);
	}
}

static int launch(struct creation *c, pid_t *ret_pid, int *ret_console, struct cor_error *err)
{
	_cleanup_close_ int listen_fd = -1;
	int r = take_bundle(c, &listen_fd, err);
	if (r < 0)
		return r;
	if (c->req->stdio.kind == COR_STDIO_LOG) {
		r = cor_task_log_make(c->e, c->req->id, err);
		c->made_log = r > 0;
	}
	if (r >= 0)
		r = cor_shim_spawn(c->e, c->t, listen_fd, &c->conn, err);
	/* From here on it is the shim alone that listens: its end is seen by everybody. */
	listen_fd = cor_close(listen_fd);
	if (r == 0)
		r = ask_shim(c, ret_pid, ret_console, err);
	bool made = r == 0;
	if (made)
		r = cor_task_burst_apply(c->burst, *ret_pid, err);
	if (made && r == 0 && c->req->checkpoint)
		r = cor_task_loopback_up(c->req->container->spec, *ret_pid, err);
	if (r < 0)
		roll_back(c,
			  !made && c->conn && !cor_ttrpc_client_broken(c->conn->client) && r != -ETIMEDOUT);
	return r;
}

int cor_task_create_op(struct cor_services *s, const struct cor_task_create *req, pid_t *ret_pid,
		       int *ret_console, struct cor_error *err)
{
	struct creation c = {.e = cor_engine_of(s),
			     .req = req,
			     .burst = cor_task_burst(req->container->spec),
			     .checkpoint.fd = -1};
	pid_t pid = 0;
	int console = -1;
	int r = prepare(&c, err);
	if (r == 0)
		r = launch(&c, &pid, &console, err);
	cor_task_runtime_done(&c.runtime);
	cor_task_stdio_done(&c.stdio);
	cor_checkpoint_dir_drop(c.e, &c.checkpoint);
	if (r < 0) {
		cor_close(console);
		return r;
	}
	c.t->pid = pid;
	c.t->started = starts(&c);
	cor_bundle_unlock(c.t->bundle_fd);
	cor_task_release(c.t, c.conn);
	cor_task_initial_size(s, req->id, NULL, &req->stdio);
	if (ret_pid)
		*ret_pid = pid;
	if (ret_console)
		*ret_console = console;
	else
		cor_close(console);
	return 0;
}
