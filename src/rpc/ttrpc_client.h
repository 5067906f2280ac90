/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ttrpc client over a connected socket: blocking calls with deadlines, and up to eight outstanding long calls (Wait).
 * Descriptors may travel with a request (SCM_RIGHTS on its first byte): our own extension, for coracle-shim only.
 */
#ifndef COR_RPC_TTRPC_CLIENT_H
#define COR_RPC_TTRPC_CLIENT_H

#include <protobuf-c/protobuf-c.h>

#include "rpc/ttrpc.h"

struct cor_ttrpc_client;
/* Takes the socket. */
int cor_ttrpc_client_new(int sock_take, struct cor_ttrpc_client **ret, struct cor_error *err);
struct cor_ttrpc_client *cor_ttrpc_client_free(struct cor_ttrpc_client *c);
int cor_ttrpc_client_fd(const struct cor_ttrpc_client *c);
/* True once the connection is of no further use: the peer closed it or broke the protocol, or a deadline cut a request. */
bool cor_ttrpc_client_broken(const struct cor_ttrpc_client *c);

struct cor_ttrpc_call {
	const char *service, *method;
	const ProtobufCMessage *request;
	const ProtobufCMessageDescriptor *response_type; /* NULL: empty response expected, ignored */
	int64_t timeout_ns;                              /* of sending and of waiting; 0: for ever */
	const int *fds;
	size_t nfds;
};
/* One call to completion. *ret (may be NULL) is freed with protobuf_c_message_free_unpacked. Deadline:
 * DEADLINE_EXCEEDED; peer gone: UNAVAILABLE "ttrpc: closed". Descriptors that came with the response go to ret_fds
 * (capacity *nret; NULL: closed). */
int cor_ttrpc_client_call(struct cor_ttrpc_client *c, const struct cor_ttrpc_call *call,
			  ProtobufCMessage **ret, int *ret_fds, size_t *nret, struct cor_error *err);
/* Sends a request and does not wait; *ret_stream for cor_ttrpc_client_finish, which waits for that response. */
int cor_ttrpc_client_begin(struct cor_ttrpc_client *c, const struct cor_ttrpc_call *call,
			   uint32_t *ret_stream, struct cor_error *err);
int cor_ttrpc_client_finish(struct cor_ttrpc_client *c, uint32_t stream, const struct cor_ttrpc_call *call,
			    ProtobufCMessage **ret, struct cor_error *err);

COR_DEFINE_CLEANUP(struct cor_ttrpc_client, cor_ttrpc_client_free)

#endif
