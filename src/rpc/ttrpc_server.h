/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ttrpc connection as a server sees it, for an event loop: no blocking I/O, no threads, no loop of its own.
 *
 *     owner:  cor_ttrpc_conn_new(sock, &ops, data, &c)
 *             cor_loop_add(loop, &source, cor_ttrpc_conn_fd(c), cor_ttrpc_conn_events(c), on_io)
 *     on_io:  if (cor_ttrpc_conn_process(c, events) < 0) { cor_loop_remove(&source); c = cor_ttrpc_conn_free(c); }
 *     ops->request: answers now or at any later time, once per request, with one of the _reply functions
 *     ops->changed: cor_loop_modify(&source, cor_ttrpc_conn_events(c))
 *
 * Invariants:
 *  1. A connection is freed only by its owner, outside ops->request. A reply that finds the connection broken shuts the
 *     socket down, so that the loop reports it and the next process call returns < 0; nothing is freed behind
 *     the owner's back. Replies to a broken connection are dropped.
 *  2. Every accepted request is "open" until its reply. At most COR_TTRPC_OPEN_MAX are: more are answered
 *     RESOURCE_EXHAUSTED by the connection itself. A stream that is open already may not be used again (drop).
 *  3. At most COR_TTRPC_QUEUE_MAX bytes wait for a peer that does not read, before one more reply is queued: beyond that
 *     the peer is dropped. At most COR_TTRPC_FD_QUEUE_MAX replies with descriptors wait: beyond that dropped too.
 *  4. Descriptors travel with the first byte of the frame they belong to. A request's descriptors belong to the
 *     request handler as long as it runs: it takes one by setting the slot to -1; the rest is closed on return.
 *  5. Unary requests only. One with the flag "remote open", a stream with an even id, an envelope that does not
 *     parse: answered with an error (UNIMPLEMENTED, INVALID_ARGUMENT), never given to the handler. Frames of other
 *     types are ignored, as containerd's servers do. Lengths over COR_TTRPC_MESSAGE_MAX: dropped before any allocation.
 */
#ifndef COR_RPC_TTRPC_SERVER_H
#define COR_RPC_TTRPC_SERVER_H

#include <protobuf-c/protobuf-c.h>

#include "rpc/ttrpc.h"

#define COR_TTRPC_OPEN_MAX     64
#define COR_TTRPC_QUEUE_MAX    (1u << 20)
#define COR_TTRPC_FD_QUEUE_MAX 16
#define COR_TTRPC_FDS_MAX      8 /* with one frame */

struct cor_ttrpc_conn;
struct cor_ttrpc_conn_ops {
	/* All borrowed for the call. */
	void (*request)(struct cor_ttrpc_conn *c, uint32_t stream, const struct cor_ttrpc_request *req,
			int *fds, size_t nfds, void *data);
	/* The wanted events changed. */
	void (*changed)(struct cor_ttrpc_conn *c, void *data);
};

/* Takes the socket (made non-blocking), also on failure. ops outlives the connection. */
int cor_ttrpc_conn_new(int sock_take, const struct cor_ttrpc_conn_ops *ops, void *data,
		       struct cor_ttrpc_conn **ret);
/* Closes everything. Open requests are forgotten: the owner drops its notes of them first. NULL is fine. */
struct cor_ttrpc_conn *cor_ttrpc_conn_free(struct cor_ttrpc_conn *c);
int cor_ttrpc_conn_fd(const struct cor_ttrpc_conn *c);
/* EPOLLIN, and EPOLLOUT while something waits to be written. */
uint32_t cor_ttrpc_conn_events(const struct cor_ttrpc_conn *c);
/* Number of requests that wait for a reply. */
size_t cor_ttrpc_conn_open(const struct cor_ttrpc_conn *c);
/* Readiness (EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR). At most one request is handled per call. 0, or < 0 when the connection
 * is over: -ECONNRESET end of file, -EPROTO broken protocol, -EDQUOT a bound of invariant 3, another errno. */
int cor_ttrpc_conn_process(struct cor_ttrpc_conn *c, uint32_t events);

/* Replies: written at once as far as the socket takes it, else queued. The descriptors (up to COR_TTRPC_FDS_MAX) are
 * duplicated where they have to wait; they stay the caller's. 0; -ENOENT when the stream is not open; another -errno when
 * the connection is broken (nothing left for the caller to do, see invariant 1). */
int cor_ttrpc_conn_reply(struct cor_ttrpc_conn *c, uint32_t stream, const ProtobufCMessage *message,
			 const int *fds, size_t nfds);
/* Status {code, message}; COR_OK in err is sent as UNKNOWN. */
int cor_ttrpc_conn_reply_error(struct cor_ttrpc_conn *c, uint32_t stream, const struct cor_error *err);
int cor_ttrpc_conn_reply_empty(struct cor_ttrpc_conn *c, uint32_t stream);

#endif
