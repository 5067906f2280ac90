/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client side of one ttrpc connection. Calls block, within a deadline on the monotonic clock; the socket itself does
 * not block. Requests that were begun and not finished ("pending") have a slot; the response to one that arrives while
 * another is waited for is kept there. Responses to nothing pending (a call that gave up at its deadline) are dropped.
 */
#include "rpc/ttrpc_client.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "base/clock.h"
#include "base/fd.h"
#include "rpc/message.h"
#include "rpc/socket.h"

#define PENDING_MAX 8
#define READ_CHUNK  (64u << 10)

struct pending {
	uint32_t stream; /* 0: free slot */
	bool arrived;
	uint8_t *payload; /* of the response frame */
	size_t len;
};

struct cor_ttrpc_client {
	int sock;
	uint32_t next_stream;
	struct cor_ttrpc_parser in;
	struct pending pending[PENDING_MAX];
	int fds[COR_SOCKET_FDS_MAX]; /* came with the frame that is being read */
	size_t nfds;
	bool broken; /* no further use: closed, out of step, or a request sent in part */
};

int cor_ttrpc_client_new(int sock_take, struct cor_ttrpc_client **ret, struct cor_error *err)
{
	_cleanup_close_ int sock = sock_take;
	int r = cor_set_nonblock(sock, true);
	if (r < 0)
		return cor_error_errno(err, r, "ttrpc: socket");
	struct cor_ttrpc_client *c = cor_new0(struct cor_ttrpc_client, 1);
	if (!c)
		return cor_error_oom(err);
	c->sock = TAKE_FD(sock);
	c->next_stream = 1;
	*ret = c;
	return 0;
}

static void drop_fds(struct cor_ttrpc_client *c)
{
	for (size_t i = 0; i < c->nfds; i++)
		cor_close(c->fds[i]);
	c->nfds = 0;
}

struct cor_ttrpc_client *cor_ttrpc_client_free(struct cor_ttrpc_client *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < PENDING_MAX; i++)
		free(c->pending[i].payload);
	drop_fds(c);
	cor_ttrpc_parser_done(&c->in);
	cor_close(c->sock);
	free(c);
	return NULL;
}

int cor_ttrpc_client_fd(const struct cor_ttrpc_client *c)
{
	return c->sock;
}

bool cor_ttrpc_client_broken(const struct cor_ttrpc_client *c)
{
	return c->broken;
}

static int closed(struct cor_ttrpc_client *c, struct cor_error *err)
{
	c->broken = true;
	return cor_error_set(err, COR_UNAVAILABLE, "ttrpc: closed");
}

/* ---- waiting ------------------------------------------------------------------------------------------------- */

/* deadline 0: for ever. 0: ready (or hung up: the next read or write will tell). */
static int wait_for(struct cor_ttrpc_client *c, short events, int64_t deadline, struct cor_error *err)
{
	for (;;) {
		struct timespec ts, *timeout = NULL;
		if (deadline) {
			int64_t left = deadline - cor_monotonic_ns();
			if (left <= 0)
				return cor_error_set(err, COR_DEADLINE_EXCEEDED, "context deadline exceeded");
			ts = (struct timespec){.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
			timeout = &ts;
		}
		struct pollfd p = {.fd = c->sock, .events = events};
		int r = ppoll(&p, 1, timeout, NULL);
		if (r > 0)
			return 0;
		if (r < 0 && errno != EINTR)
			return cor_error_errno(err, errno, "poll");
	}
}

static int64_t deadline_of(const struct cor_ttrpc_call *call)
{
	int64_t at;
	if (call->timeout_ns <= 0)
		return 0;
	return __builtin_add_overflow(cor_monotonic_ns(), call->timeout_ns, &at) ? 0 : at;
}

/* ---- out ----------------------------------------------------------------------------------------------------- */

static int send_all(struct cor_ttrpc_client *c, const struct cor_buf *out, const struct cor_ttrpc_call *call,
		    int64_t deadline, struct cor_error *err)
{
	size_t done = 0;
	while (done < out->len) {
		ssize_t r = cor_socket_send(c->sock, out->data + done, out->len - done,
					    done ? NULL : call->fds, done ? 0 : call->nfds);
		if (r == -EAGAIN) {
			int k = wait_for(c, POLLOUT, deadline, err);
			if (k < 0) {
				c->broken = c->broken || done > 0;
				return k;
			}
			continue;
		}
		if (r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN)
			return closed(c, err);
		if (r < 0) {
			c->broken = c->broken || done > 0;
			return cor_error_errno(err, (int)r, "ttrpc: send");
		}
		done += (size_t)r;
	}
	return 0;
}

static struct pending *slot_of(struct cor_ttrpc_client *c, uint32_t stream)
{
	for (size_t i = 0; i < PENDING_MAX; i++)
		if (c->pending[i].stream == stream)
			return &c->pending[i];
	return NULL;
}

static void slot_free(struct pending *p)
{
	free(p->payload);
	*p = (struct pending){0};
}

static int begin(struct cor_ttrpc_client *c, const struct cor_ttrpc_call *call, int64_t deadline,
		 struct pending **ret, struct cor_error *err)
{
	if (c->broken)
		return closed(c, err);
	struct pending *slot = slot_of(c, 0);
	if (!slot)
		return cor_error_set(err, COR_RESOURCE_EXHAUSTED, "ttrpc: too many requests at once");
	_cleanup_free_ uint8_t *packed = NULL;
	_cleanup_buf_ struct cor_buf out = {0};
	size_t n = 0;
	if (call->request && cor_message_pack(call->request, &packed, &n) < 0)
		return cor_error_oom(err);
	uint32_t stream = c->next_stream;
	int r = cor_ttrpc_request_encode(&out, stream, call->service, call->method, packed, n,
					 call->timeout_ns, NULL);
	if (r == -ENOMEM)
		return cor_error_oom(err);
	if (r < 0)
		return cor_error_set(err, COR_RESOURCE_EXHAUSTED,
				     "ttrpc: message of %zu bytes exceeds the maximum", n);
	c->next_stream += 2;
	slot->stream = stream;
	r = send_all(c, &out, call, deadline, err);
	if (r < 0) {
		slot_free(slot);
		return r;
	}
	*ret = slot;
	return 0;
}

/* ---- in ------------------------------------------------------------------------------------------------------ */

/* Reads until a whole frame is there. */
static int read_frame(struct cor_ttrpc_client *c, struct cor_ttrpc_frame *f, int64_t deadline,
		      struct cor_error *err)
{
	uint8_t small[512];
	_cleanup_free_ uint8_t *large = NULL;
	bool wait = true; /* the answer is hardly there yet; what follows its header is */
	int r;
	while ((r = cor_ttrpc_parser_next(&c->in, f, err)) == 0) {
		size_t need = MIN(cor_ttrpc_parser_need(&c->in), (size_t)READ_CHUNK);
		if (need > sizeof(small) && !large && !(large = malloc(READ_CHUNK)))
			return cor_error_oom(err);
		uint8_t *buf = large ? large : small;
		r = wait ? wait_for(c, POLLIN, deadline, err) : 0;
		if (r < 0)
			return r;
		size_t got = COR_SOCKET_FDS_MAX - c->nfds;
		ssize_t n = cor_recv_fds(c->sock, buf, need, c->fds + c->nfds, &got);
		wait = n == -EAGAIN;
		if (wait)
			continue;
		if (n == 0 || n == -ECONNRESET)
			return closed(c, err);
		if (n < 0)
			return cor_error_errno(err, (int)n, "ttrpc: receive");
		c->nfds += got;
		r = cor_ttrpc_parser_feed(&c->in, buf, (size_t)n, err);
		if (r < 0) {
			c->broken = true; /* bytes were lost */
			return r;
		}
	}
	if (r < 0)
		c->broken = true;
	return r;
}

/* Puts a response where it is waited for; 1 when that is `want`, whose payload then is in *f only. */
static int deliver(struct cor_ttrpc_client *c, const struct cor_ttrpc_frame *f, uint32_t want,
		   struct cor_error *err)
{
	if (f->type != COR_TTRPC_RESPONSE) {
		c->broken = true;
		(void)cor_error_set(err, COR_INTERNAL, "ttrpc: unexpected frame of type %u", f->type);
		return -EPROTO;
	}
	if (f->stream == want)
		return 1;
	drop_fds(c);
	struct pending *p = f->stream ? slot_of(c, f->stream) : NULL;
	if (!p || p->arrived)
		return 0;
	p->payload = malloc(f->length ? f->length : 1);
	if (!p->payload) {
		c->broken = true;
		return cor_error_oom(err);
	}
	memcpy(p->payload, f->payload, f->length);
	p->len = f->length;
	p->arrived = true;
	return 0;
}

static int take_response(const struct cor_ttrpc_call *call, const uint8_t *data, size_t n,
			 ProtobufCMessage **ret, struct cor_error *err)
{
	const uint8_t *payload;
	size_t len;
	int r = cor_ttrpc_response_decode(data, n, &payload, &len, err);
	if (r < 0 || !call->response_type || !ret)
		return r;
	return cor_message_unpack(call->response_type, payload, len, ret, err);
}

/* Waits for the slot's response and frees the slot, also on failure. Its descriptors stay in c->fds. */
static int finish(struct cor_ttrpc_client *c, struct pending *slot, const struct cor_ttrpc_call *call,
		  int64_t deadline, ProtobufCMessage **ret, struct cor_error *err)
{
	struct cor_ttrpc_frame f;
	int r = 0;
	if (slot->arrived) {
		r = take_response(call, slot->payload, slot->len, ret, err);
		slot_free(slot);
		return r;
	}
	while (r == 0) {
		r = c->broken ? closed(c, err) : read_frame(c, &f, deadline, err);
		if (r > 0)
			r = deliver(c, &f, slot->stream, err);
	}
	slot_free(slot);
	return r < 0 ? r : take_response(call, f.payload, f.length, ret, err);
}

int cor_ttrpc_client_call(struct cor_ttrpc_client *c, const struct cor_ttrpc_call *call,
			  ProtobufCMessage **ret, int *ret_fds, size_t *nret, struct cor_error *err)
{
	int64_t deadline = deadline_of(call);
	struct pending *slot;
	int r = begin(c, call, deadline, &slot, err);
	if (r < 0)
		return r;
	r = finish(c, slot, call, deadline, ret, err);
	if (r >= 0 && ret_fds && nret) {
		size_t n = MIN(c->nfds, *nret);
		for (size_t i = 0; i < n; i++)
			ret_fds[i] = TAKE_FD(c->fds[i]);
		*nret = n;
	}
	drop_fds(c);
	return r;
}

int cor_ttrpc_client_begin(struct cor_ttrpc_client *c, const struct cor_ttrpc_call *call,
			   uint32_t *ret_stream, struct cor_error *err)
{
	struct pending *slot;
	int r = begin(c, call, deadline_of(call), &slot, err);
	if (r == 0)
		*ret_stream = slot->stream;
	return r;
}

int cor_ttrpc_client_finish(struct cor_ttrpc_client *c, uint32_t stream, const struct cor_ttrpc_call *call,
			    ProtobufCMessage **ret, struct cor_error *err)
{
	struct pending *slot = stream ? slot_of(c, stream) : NULL;
	if (!slot)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "ttrpc: no such request");
	int r = finish(c, slot, call, deadline_of(call), ret, err);
	drop_fds(c);
	return r;
}
