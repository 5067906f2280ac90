/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections and dispatch. What a client can make us hold is bounded: the number of connections here, everything else by
 * the ttrpc layer (open requests, queued replies, message size).
 */
#include "shim/server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "base/fd.h"
#include "base/str.h"
#include "rpc/message.h"
#include "rpc/shim_api.h"
#include "rpc/ttrpc_server.h"
#include "shim/process.h"

#define CONNECTIONS_MAX 256
#define LISTEN_PAUSE_NS 100000000

struct cor_shim_conn {
	struct cor_shim_conn *next;
	struct cor_shim *shim;
	struct cor_ttrpc_conn *ttrpc;
	struct cor_source source;
	struct cor_shim_call *calls;
};

static void end_call(struct cor_shim_call *call)
{
	cor_call_unwait(call);
	if (call->conn) {
		for (struct cor_shim_call **p = &call->conn->calls; *p; p = &(*p)->next) {
			if (*p == call) {
				*p = call->next;
				break;
			}
		}
	}
	free(call);
}

void cor_call_reply(struct cor_shim_call *call, const ProtobufCMessage *m, int fd)
{
	if (call->conn)
		(void)cor_ttrpc_conn_reply(call->conn->ttrpc, call->stream, m, &fd, fd >= 0 ? 1 : 0);
	end_call(call);
}

void cor_call_reply_empty(struct cor_shim_call *call)
{
	if (call->conn)
		(void)cor_ttrpc_conn_reply_empty(call->conn->ttrpc, call->stream);
	end_call(call);
}

void cor_call_fail(struct cor_shim_call *call, const struct cor_error *err)
{
	if (call->conn)
		(void)cor_ttrpc_conn_reply_error(call->conn->ttrpc, call->stream, err);
	end_call(call);
}

void cor_call_wait(struct cor_shim_call *call, struct cor_shim_call **list)
{
	call->wait_next = *list;
	call->wait_link = list;
	if (*list)
		(*list)->wait_link = &call->wait_next;
	*list = call;
}

void cor_call_unwait(struct cor_shim_call *call)
{
	if (!call->wait_link)
		return;
	*call->wait_link = call->wait_next;
	if (call->wait_next)
		call->wait_next->wait_link = call->wait_link;
	call->wait_next = NULL;
	call->wait_link = NULL;
}

static const struct cor_shim_method *find_method(const struct cor_ttrpc_request *req)
{
	const char *service = streq(req->service, COR_TASK_SERVICE_V3) ? COR_TASK_SERVICE : req->service;
	for (const struct cor_shim_method *m = cor_shim_methods; m->name; m++)
		if (streq(m->name, req->method) && streq(m->service, service))
			return m;
	return NULL;
}

static void on_request(struct cor_ttrpc_conn *c, uint32_t stream, const struct cor_ttrpc_request *req,
		       int *fds, size_t nfds, void *data)
{
	struct cor_shim_conn *conn = data;
	struct cor_error err;
	cor_error_clear(&err);
	const struct cor_shim_method *m = find_method(req);
	if (!m) {
		(void)cor_error_set(&err, COR_UNIMPLEMENTED, "%s/%s: not implemented", req->service,
				    req->method);
		(void)cor_ttrpc_conn_reply_error(c, stream, &err);
		return;
	}
	ProtobufCMessage *msg = NULL;
	struct cor_shim_call *call = cor_new0(struct cor_shim_call, 1);
	int r = call ? cor_message_unpack(m->type, req->payload, req->len, &msg, &err) : cor_error_oom(&err);
	if (r < 0) {
		(void)cor_ttrpc_conn_reply_error(c, stream, &err);
		free(call);
		return;
	}
	*call = (struct cor_shim_call){
		.shim = conn->shim, .conn = conn, .stream = stream, .next = conn->calls};
	conn->calls = call;
	m->fn(conn->shim, &(struct cor_shim_request){.call = call, .fds = fds, .nfds = nfds}, msg);
	cor_message_free(msg);
}

static void on_changed(struct cor_ttrpc_conn *c, void *data)
{
	struct cor_shim_conn *conn = data;
	if (conn->source.loop)
		(void)cor_loop_modify(&conn->source, cor_ttrpc_conn_events(c));
}

static const struct cor_ttrpc_conn_ops conn_ops = {.request = on_request, .changed = on_changed};

/* Calls that only wait go with the connection; those at work finish first. */
static void forget_calls(struct cor_shim_conn *conn)
{
	for (struct cor_shim_call *call = conn->calls, *next; call; call = next) {
		next = call->next;
		call->conn = NULL;
		call->next = NULL;
		if (call->wait_link)
			end_call(call);
	}
	conn->calls = NULL;
}

static void close_conn(struct cor_shim_conn *conn)
{
	struct cor_shim *s = conn->shim;
	for (struct cor_shim_conn **p = &s->conns; *p; p = &(*p)->next) {
		if (*p == conn) {
			*p = conn->next;
			break;
		}
	}
	s->nconns--;
	forget_calls(conn);
	cor_loop_remove(&conn->source);
	cor_ttrpc_conn_free(conn->ttrpc);
	cor_shim_conn_gone(s, conn);
	free(conn);
}

static void on_conn(struct cor_source *src, uint32_t events)
{
	struct cor_shim_conn *conn = container_of(src, struct cor_shim_conn, source);
	struct cor_shim *s = conn->shim;
	if (cor_ttrpc_conn_process(conn->ttrpc, events) < 0) {
		close_conn(conn);
		cor_shim_check_idle(s);
	}
}

int cor_server_add(struct cor_shim *s, int sock_take, struct cor_error *err)
{
	uid_t uid;
	if (s->nconns >= CONNECTIONS_MAX || cor_unix_peer(sock_take, &uid, NULL) < 0 || uid != s->uid) {
		cor_close(sock_take);
		return cor_error_set(err, COR_PERMISSION_DENIED, "connection refused");
	}
	struct cor_shim_conn *conn = cor_new0(struct cor_shim_conn, 1);
	if (!conn) {
		cor_close(sock_take);
		return cor_error_oom(err);
	}
	conn->shim = s;
	int r = cor_ttrpc_conn_new(sock_take, &conn_ops, conn, &conn->ttrpc);
	if (r == 0) {
		r = cor_loop_add(s->loop, &conn->source, cor_ttrpc_conn_fd(conn->ttrpc),
				 cor_ttrpc_conn_events(conn->ttrpc), on_conn);
		if (r < 0)
			cor_ttrpc_conn_free(conn->ttrpc);
	}
	if (r < 0) {
		free(conn);
		return cor_error_errno(err, r, "connection");
	}
	conn->next = s->conns;
	s->conns = conn;
	s->nconns++;
	return 0;
}

static void listen_again(struct cor_source *timer)
{
	struct cor_shim *s = container_of(timer, struct cor_shim, listen_timer);
	(void)cor_loop_modify(&s->listen_source, EPOLLIN);
}

/* A connection that cannot be taken stays in the queue, and would wake us up again at once. */
static void pause_listening(struct cor_shim *s)
{
	static const struct itimerspec pause = {.it_value = {.tv_nsec = LISTEN_PAUSE_NS}};
	if (timerfd_settime(s->listen_timer.fd, 0, &pause, NULL) == 0)
		(void)cor_loop_modify(&s->listen_source, 0);
}

static void on_listen(struct cor_source *src, uint32_t events)
{
	struct cor_shim *s = container_of(src, struct cor_shim, listen_source);
	(void)events;
	int fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		(void)cor_server_add(s, fd, NULL);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
		pause_listening(s);
}

int cor_server_listen(struct cor_shim *s, int fd, struct cor_error *err)
{
	int r = cor_set_nonblock(fd, true);
	if (r == 0)
		r = cor_loop_add(s->loop, &s->listen_source, fd, EPOLLIN, on_listen);
	/* The timer is there before it is needed, since it is a descriptor itself. */
	if (r == 0)
		r = cor_loop_timer(s->loop, &s->listen_timer, LISTEN_PAUSE_NS, 0, listen_again);
	if (r == 0)
		(void)timerfd_settime(s->listen_timer.fd, 0, &(struct itimerspec){0}, NULL);
	return r < 0 ? cor_error_errno(err, r, "listen") : 0;
}

void cor_server_done(struct cor_shim *s)
{
	if (s->listen_source.loop)
		cor_loop_remove(&s->listen_source);
	if (s->listen_timer.loop)
		cor_loop_remove(&s->listen_timer);
	while (s->conns)
		close_conn(s->conns);
}
