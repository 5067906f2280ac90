/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks as this process knows them: descriptors of bundles and connections to shims, and calls over them. Entries are made
 * as ids are used and say nothing about whether a task exists: a call that finds its connection closed drops the entry and
 * looks at the file system again.
 */
#include "engine/task_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "oci/identifier.h"

#define CONNECT_SECONDS 10 /* a shim that hangs with a full queue of connections */

int cor_task_not_found(const char *id, struct cor_error *err)
{
	return cor_error_set(err, COR_NOT_FOUND, "no running task found: task %s not found", id);
}

struct cor_task_conn *cor_task_conn_free(struct cor_task_conn *c)
{
	if (c) {
		cor_ttrpc_client_free(c->client);
		free(c);
	}
	return NULL;
}

static void watch_free(struct cor_task_watch *w)
{
	cor_task_conn_free(w->conn);
	free(w->exec_id);
	free(w);
}

static void task_free(struct cor_engine_task *t)
{
	while (t->idle) {
		struct cor_task_conn *next = t->idle->next;
		cor_task_conn_free(t->idle);
		t->idle = next;
	}
	while (t->watches) {
		struct cor_task_watch *next = t->watches->next;
		watch_free(t->watches);
		t->watches = next;
	}
	while (t->consoles) {
		struct cor_task_console *next = t->consoles->next;
		cor_close(t->consoles->fd);
		free(t->consoles->exec_id);
		free(t->consoles);
		t->consoles = next;
	}
	if (t->shim_pid)
		(void)waitpid(t->shim_pid, NULL, WNOHANG);
	cor_close(t->shim_pidfd);
	cor_close(t->bundle_fd);
	free(t->id);
	free(t);
}

void cor_task_forget(struct cor_engine *e, struct cor_engine_task *t)
{
	for (struct cor_engine_task **p = &e->tasks->list; *p; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			task_free(t);
			return;
		}
	}
}

void cor_engine_tasks_free(struct cor_engine_tasks *tasks)
{
	if (!tasks)
		return;
	while (tasks->list) {
		struct cor_engine_task *next = tasks->list->next;
		task_free(tasks->list);
		tasks->list = next;
	}
	free(tasks);
}

struct cor_engine_task *cor_task_known(const struct cor_engine *e, const char *id)
{
	for (struct cor_engine_task *t = e->tasks ? e->tasks->list : NULL; t; t = t->next)
		if (streq(t->id, id))
			return t;
	return NULL;
}

int cor_task_add(struct cor_engine *e, const char *id, int bundle_take, struct cor_engine_task **ret,
		 struct cor_error *err)
{
	_cleanup_close_ int bundle = bundle_take;
	if (!e->tasks && !(e->tasks = cor_new0(struct cor_engine_tasks, 1)))
		return cor_error_oom(err);
	struct cor_engine_task *t = cor_new0(struct cor_engine_task, 1);
	if (!t || !(t->id = strdup(id))) {
		free(t);
		return cor_error_oom(err);
	}
	t->bundle_fd = TAKE_FD(bundle);
	t->shim_pidfd = -1;
	t->next = e->tasks->list;
	e->tasks->list = t;
	*ret = t;
	return 0;
}

int cor_task_open(struct cor_engine *e, const char *id, struct cor_engine_task **ret, struct cor_error *err)
{
	struct cor_engine_task *t = cor_task_known(e, id);
	if (t) {
		*ret = t;
		return 0;
	}
	if (cor_identifier_validate("task", id, NULL) < 0)
		return cor_task_not_found(id, err);
	int r = cor_engine_ns_state(e, false, err);
	if (r == -ENOENT)
		return cor_task_not_found(id, err);
	if (r < 0)
		return r;
	int fd = openat(e->ns_state_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return cor_task_not_found(id, err);
	if (fd < 0)
		return cor_error_errno(err, errno, "open bundle of task %s", id);
	return cor_task_add(e, id, fd, ret, err);
}

/* ---- connections --------------------------------------------------------------------------------------------- */

/* As cor_unix_connect, but within a time: connect waits while the listener's queue is full. */
static int connect_shim(int bundle_fd, struct cor_error *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = CONNECT_SECONDS};
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", bundle_fd, COR_SHIM_SOCKET);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cor_error_errno(err, errno, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	int r;
	do
		r = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return TAKE_FD(fd);
	if (errno == ECONNREFUSED || errno == ENOENT)
		return -ECONNREFUSED;
	if (errno == EAGAIN)
		return cor_error_set(err, COR_DEADLINE_EXCEEDED,
				     "connect to shim: context deadline exceeded");
	return cor_error_errno(err, errno, "connect to shim");
}

int cor_task_acquire(struct cor_engine_task *t, struct cor_task_conn **ret, bool *ret_new,
		     struct cor_error *err)
{
	if (ret_new)
		*ret_new = !t->idle;
	if (t->idle) {
		*ret = t->idle;
		t->idle = t->idle->next;
		return 0;
	}
	int fd = connect_shim(t->bundle_fd, err);
	if (fd == -ECONNREFUSED)
		return COR_TASK_DEAD;
	if (fd < 0)
		return fd;
	struct cor_task_conn *c = cor_new0(struct cor_task_conn, 1);
	if (!c) {
		cor_close(fd);
		return cor_error_oom(err);
	}
	int r = cor_ttrpc_client_new(fd, &c->client, err);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void cor_task_release(struct cor_engine_task *t, struct cor_task_conn *c_take)
{
	/* One idle connection is enough, unless terminals hang on them. */
	if (cor_ttrpc_client_broken(c_take->client) || (t->idle && !t->idle->terminal && !c_take->terminal)) {
		cor_task_conn_free(c_take);
		return;
	}
	c_take->next = t->idle;
	t->idle = c_take;
}

/* ---- calls --------------------------------------------------------------------------------------------------- */

int64_t cor_task_timeout(const struct cor_engine *e, int64_t standard)
{
	return e->timeout_ns > 0 ? e->timeout_ns : standard;
}

int cor_task_bury_known(struct cor_engine *e, struct cor_engine_task *t, struct cor_task_exit *ret_exit,
			struct cor_error *err)
{
	struct cor_task_exit ended = {0};
	cor_error_clear(err);
	if (t->shim_pid)
		cor_shim_end(t, 1000000000);
	int r = cor_task_bury(e, t->id, t->bundle_fd, &ended, err);
	cor_task_forget(e, t);
	if (r == COR_TASK_DEAD && ret_exit)
		*ret_exit = ended;
	return r;
}

/* Whether a shim that closed a connection lives: one that is being torn down still takes connections for a moment, but
 * does not answer. */
static bool shim_lives(struct cor_engine *e, struct cor_engine_task *t)
{
	Containerd__Task__V2__ConnectRequest m = CONTAINERD__TASK__V2__CONNECT_REQUEST__INIT;
	m.id = t->id;
	struct cor_ttrpc_call call = {
		.service = COR_TASK_SERVICE,
		.method = "Connect",
		.request = &m.base,
		.timeout_ns = cor_task_timeout(e, COR_TASK_QUICK_NS),
	};
	for (int tries = 0; tries < 3; tries++) {
		struct cor_ttrpc_client *c = NULL;
		int fd = connect_shim(t->bundle_fd, NULL);
		if (fd == -ECONNREFUSED)
			return false;
		if (fd < 0 || cor_ttrpc_client_new(fd, &c, NULL) < 0)
			return true;
		int r = cor_ttrpc_client_call(c, &call, NULL, NULL, NULL, NULL);
		bool closed = r < 0 && cor_ttrpc_client_broken(c);
		cor_ttrpc_client_free(c);
		if (!closed)
			return true;
	}
	return true;
}

int cor_task_after_failure(struct cor_engine *e, struct cor_engine_task *t, struct cor_task_conn *c_take,
			   int r, struct cor_task_exit *ret_exit, struct cor_error *err)
{
	bool broken = cor_ttrpc_client_broken(c_take->client);
	cor_task_release(t, c_take);
	if (!broken || shim_lives(e, t))
		return r;
	return cor_task_bury_known(e, t, ret_exit, err);
}

/* The shim's words for a task that it does not have (yet, or any more). */
static int translate(const char *id, int r, struct cor_error *err)
{
	if (r == -ENOENT && err && cor_startswith(err->message, "container not created"))
		return cor_task_not_found(id, err);
	if (r == -ETIMEDOUT)
		return cor_error_wrap(err, r, "task %s", id);
	return r;
}

static int call_once(struct cor_engine *e, struct cor_engine_task *t, const struct cor_ttrpc_call *call,
		     const struct cor_task_reply *ret, struct cor_task_exit *ret_exit, bool *ret_again,
		     struct cor_error *err)
{
	struct cor_task_conn *c;
	bool fresh;
	int fd = -1;
	size_t nfds = 1;
	int r = cor_task_acquire(t, &c, &fresh, err);
	if (r == COR_TASK_DEAD)
		return cor_task_bury_known(e, t, ret_exit, err);
	if (r < 0)
		return r;
	r = cor_ttrpc_client_call(c->client, call, ret ? ret->message : NULL, &fd, &nfds, err);
	if (r < 0) {
		*ret_again = !fresh && cor_ttrpc_client_broken(c->client);
		if (!*ret_again)
			return cor_task_after_failure(e, t, c, r, ret_exit, err);
		cor_task_conn_free(c);
		return r;
	}
	if (ret && ret->fd) {
		*ret->fd = nfds ? fd : -1;
		c->terminal = c->terminal || nfds;
	} else if (nfds) {
		cor_close(fd);
	}
	cor_task_release(t, c);
	return 0;
}

int cor_task_call(struct cor_engine *e, const char *id, const struct cor_ttrpc_call *call,
		  const struct cor_task_reply *ret, struct cor_task_exit *ret_exit, struct cor_error *err)
{
	struct cor_error local = {0};
	struct cor_ttrpc_call timed = *call;
	if (!timed.timeout_ns)
		timed.timeout_ns = cor_task_timeout(e, COR_TASK_QUICK_NS);
	if (!err)
		err = &local;
	for (int tries = 0;; tries++) {
		struct cor_engine_task *t;
		bool again = false;
		int r = cor_task_open(e, id, &t, err);
		if (r < 0)
			return r;
		r = call_once(e, t, &timed, ret, ret_exit, &again, err);
		if (!again || tries > 0)
			return r < 0 ? translate(id, r, err) : r;
		/* A connection from before: the task may have been made anew under its name. Watches and terminals are
		 * the old one's. */
		cor_error_clear(err);
		t->pid = 0;
		t->started = false;
		cor_task_forget(e, t);
	}
}
