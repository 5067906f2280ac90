/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients and their requests. A request is a `call` from its arrival to its reply; it may outlive its connection, and is
 * then answered into nothing.
 */
#ifndef COR_SHIM_SERVER_H
#define COR_SHIM_SERVER_H

#include <protobuf-c/protobuf-c.h>

#include "shim/shim.h"

struct cor_shim_call {
	struct cor_shim *shim;
	struct cor_shim_conn *conn; /* NULL: the client is gone */
	uint32_t stream;
	struct cor_shim_call *next; /* of the same connection */
	/* In a list of calls that wait for an event (an exit); they go with their connection. */
	struct cor_shim_call *wait_next, **wait_link;
	void *data;
};

/* What a method gets. It answers call, now or later, exactly once. fds: as for cor_ttrpc_conn_ops. */
struct cor_shim_request {
	struct cor_shim_call *call;
	int *fds;
	size_t nfds;
};
typedef void (*cor_shim_method_fn)(struct cor_shim *s, const struct cor_shim_request *req,
				   const ProtobufCMessage *m);

struct cor_shim_method {
	const char *service, *name;
	const ProtobufCMessageDescriptor *type;
	cor_shim_method_fn fn;
};
/* Ends with a NULL name. */
extern const struct cor_shim_method cor_shim_methods[];

/* Each of these ends the call. fd: sent along, stays the caller's; -1: none. */
void cor_call_reply(struct cor_shim_call *call, const ProtobufCMessage *m, int fd);
void cor_call_reply_empty(struct cor_shim_call *call);
void cor_call_fail(struct cor_shim_call *call, const struct cor_error *err);

/* Puts the call into a list; _unwait takes it out again. */
void cor_call_wait(struct cor_shim_call *call, struct cor_shim_call **list);
void cor_call_unwait(struct cor_shim_call *call);

int cor_server_listen(struct cor_shim *s, int fd, struct cor_error *err);
/* A connected client; the socket is taken. Closed at once when the peer is not our own user. */
int cor_server_add(struct cor_shim *s, int sock_take, struct cor_error *err);
void cor_server_done(struct cor_shim *s);

#endif
