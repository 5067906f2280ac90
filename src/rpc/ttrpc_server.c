/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server side of one ttrpc connection; contract and invariants are in the header. What comes in is read frame by frame
 * (header, then rest), so that descriptors are known to belong to the frame they came with. What goes out is queued in one
 * buffer, with a mark for each reply that carries descriptors.
 */
#include "rpc/ttrpc_server.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "rpc/message.h"
#include "rpc/socket.h"

#define READ_CHUNK (64u << 10)
#define KEEP_MAX   4096 /* bytes an empty queue may keep */

/* Descriptors that leave with byte `at` of the queue. Owned: duplicates of ours. */
struct mark {
	size_t at, n;
	bool owned;
	int fds[COR_TTRPC_FDS_MAX];
};

struct cor_ttrpc_conn {
	int fd;
	const struct cor_ttrpc_conn_ops *ops;
	void *data;
	struct cor_ttrpc_parser in;
	struct cor_buf out;
	size_t out_pos; /* sent so far */
	struct mark marks[COR_TTRPC_FD_QUEUE_MAX];
	size_t nmarks;
	uint32_t open[COR_TTRPC_OPEN_MAX];
	size_t nopen;
	int fds[COR_TTRPC_FDS_MAX]; /* came with the frame that is being read */
	size_t nfds;
	int broken;    /* -errno once over */
	uint32_t told; /* events the owner knows of */
};

int cor_ttrpc_conn_new(int sock_take, const struct cor_ttrpc_conn_ops *ops, void *data,
		       struct cor_ttrpc_conn **ret)
{
	_cleanup_close_ int sock = sock_take;
	int r = cor_set_nonblock(sock, true);
	if (r < 0)
		return r;
	struct cor_ttrpc_conn *c = cor_new0(struct cor_ttrpc_conn, 1);
	if (!c)
		return -ENOMEM;
	c->fd = TAKE_FD(sock);
	c->ops = ops;
	c->data = data;
	c->told = EPOLLIN;
	*ret = c;
	return 0;
}

static void close_all(int *fds, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		cor_close(fds[i]);
	*n = 0;
}

static void mark_done(struct mark *m)
{
	if (m->owned)
		close_all(m->fds, &m->n);
}

struct cor_ttrpc_conn *cor_ttrpc_conn_free(struct cor_ttrpc_conn *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->nmarks; i++)
		mark_done(&c->marks[i]);
	close_all(c->fds, &c->nfds);
	cor_ttrpc_parser_done(&c->in);
	cor_buf_done(&c->out);
	cor_close(c->fd);
	free(c);
	return NULL;
}

int cor_ttrpc_conn_fd(const struct cor_ttrpc_conn *c)
{
	return c->fd;
}

uint32_t cor_ttrpc_conn_events(const struct cor_ttrpc_conn *c)
{
	return EPOLLIN | (c->out_pos < c->out.len ? (uint32_t)EPOLLOUT : 0);
}

size_t cor_ttrpc_conn_open(const struct cor_ttrpc_conn *c)
{
	return c->nopen;
}

/* ---- out ----------------------------------------------------------------------------------------------------- */

/* Invariant 1: the loop will report the socket, and process the error. */
static int break_off(struct cor_ttrpc_conn *c, int r)
{
	if (!c->broken) {
		c->broken = r;
		(void)shutdown(c->fd, SHUT_RDWR);
	}
	return c->broken;
}

static void tell(struct cor_ttrpc_conn *c)
{
	uint32_t events = cor_ttrpc_conn_events(c);
	if (events == c->told)
		return;
	c->told = events;
	if (c->ops->changed)
		c->ops->changed(c, c->data);
}

/* Sent bytes out of the buffer, once it is worth it. */
static void compact(struct cor_ttrpc_conn *c)
{
	if (c->out_pos == c->out.len) {
		c->out_pos = c->out.len = 0;
		if (c->out.cap > KEEP_MAX)
			cor_buf_done(&c->out);
	} else if (c->out_pos > c->out.len / 2) {
		c->out.len -= c->out_pos;
		memmove(c->out.data, c->out.data + c->out_pos, c->out.len);
		for (size_t i = 0; i < c->nmarks; i++)
			c->marks[i].at -= c->out_pos;
		c->out_pos = 0;
	}
}

static int flush(struct cor_ttrpc_conn *c)
{
	while (c->out_pos < c->out.len) {
		struct mark *m = c->nmarks ? &c->marks[0] : NULL;
		size_t end = c->out.len;
		bool with = m && m->at == c->out_pos;
		if (with)
			end = c->nmarks > 1 ? c->marks[1].at : end;
		else if (m)
			end = m->at;
		ssize_t r = cor_socket_send(c->fd, c->out.data + c->out_pos, end - c->out_pos,
					    with ? m->fds : NULL, with ? m->n : 0);
		if (r == -EAGAIN)
			break;
		if (r < 0)
			return break_off(c, (int)r);
		if (with) {
			mark_done(m);
			c->nmarks--;
			memmove(c->marks, c->marks + 1, c->nmarks * sizeof(c->marks[0]));
		}
		c->out_pos += (size_t)r;
	}
	compact(c);
	return 0;
}

/* The caller's descriptors become ours when they could not leave at once. */
static int own_marks(struct cor_ttrpc_conn *c)
{
	for (size_t i = 0; i < c->nmarks; i++) {
		struct mark *m = &c->marks[i];
		if (m->owned)
			continue;
		size_t n = m->n;
		m->owned = true;
		for (m->n = 0; m->n < n; m->n++) {
			int fd = fcntl(m->fds[m->n], F_DUPFD_CLOEXEC, 3);
			if (fd < 0)
				return break_off(c, -errno);
			m->fds[m->n] = fd;
		}
	}
	return 0;
}

static int close_stream(struct cor_ttrpc_conn *c, uint32_t stream)
{
	for (size_t i = 0; i < c->nopen; i++) {
		if (c->open[i] == stream) {
			c->open[i] = c->open[--c->nopen];
			return 0;
		}
	}
	return -ENOENT;
}

static int send_reply(struct cor_ttrpc_conn *c, uint32_t stream, enum cor_code code, const char *message,
		      const void *payload, size_t n, const int *fds, size_t nfds)
{
	if (c->broken)
		return c->broken;
	if (nfds > COR_TTRPC_FDS_MAX)
		return -EINVAL;
	if (c->out.len - c->out_pos > COR_TTRPC_QUEUE_MAX || (nfds && c->nmarks == COR_TTRPC_FD_QUEUE_MAX))
		return break_off(c, -EDQUOT);
	if (nfds) {
		struct mark *m = &c->marks[c->nmarks++];
		*m = (struct mark){.at = c->out.len, .n = nfds};
		memcpy(m->fds, fds, nfds * sizeof(*fds));
	}
	int r = cor_ttrpc_response_encode(&c->out, stream, code, message, payload, n);
	if (r < 0) {
		/* The peer waits for this answer: without it the connection is of no use. */
		c->nmarks -= nfds ? 1 : 0;
		return break_off(c, r);
	}
	r = flush(c);
	if (r == 0)
		r = own_marks(c);
	tell(c);
	return r;
}

int cor_ttrpc_conn_reply(struct cor_ttrpc_conn *c, uint32_t stream, const ProtobufCMessage *message,
			 const int *fds, size_t nfds)
{
	int r = close_stream(c, stream);
	if (r < 0)
		return r;
	_cleanup_free_ uint8_t *packed = NULL;
	size_t n = 0;
	if (message && cor_message_pack(message, &packed, &n) < 0)
		return break_off(c, -ENOMEM);
	return send_reply(c, stream, COR_OK, NULL, packed, n, fds, nfds);
}

int cor_ttrpc_conn_reply_error(struct cor_ttrpc_conn *c, uint32_t stream, const struct cor_error *err)
{
	int r = close_stream(c, stream);
	if (r < 0)
		return r;
	return send_reply(c, stream, err->code == COR_OK ? COR_UNKNOWN : err->code, err->message, NULL, 0,
			  NULL, 0);
}

int cor_ttrpc_conn_reply_empty(struct cor_ttrpc_conn *c, uint32_t stream)
{
	return cor_ttrpc_conn_reply(c, stream, NULL, NULL, 0);
}

/* ---- in ------------------------------------------------------------------------------------------------------ */

static void refuse(struct cor_ttrpc_conn *c, uint32_t stream, enum cor_code code, const char *message)
{
	(void)send_reply(c, stream, code, message, NULL, 0, NULL, 0);
}

static bool is_open(const struct cor_ttrpc_conn *c, uint32_t stream)
{
	for (size_t i = 0; i < c->nopen; i++)
		if (c->open[i] == stream)
			return true;
	return false;
}

static int take_request(struct cor_ttrpc_conn *c, const struct cor_ttrpc_frame *f)
{
	if (is_open(c, f->stream))
		return break_off(c, -EPROTO);
	if (f->stream % 2 != 1) {
		refuse(c, f->stream, COR_INVALID_ARGUMENT,
		       "StreamID must be odd for client initiated streams");
		return c->broken;
	}
	if (f->flags & COR_TTRPC_FLAG_REMOTE_OPEN) {
		refuse(c, f->stream, COR_UNIMPLEMENTED, "streaming requests are not supported");
		return c->broken;
	}
	if (c->nopen == COR_TTRPC_OPEN_MAX) {
		refuse(c, f->stream, COR_RESOURCE_EXHAUSTED, "too many open requests on this connection");
		return c->broken;
	}
	struct cor_ttrpc_request req;
	struct cor_error err = {0};
	int r = cor_ttrpc_request_decode(f->payload, f->length, &req, &err);
	if (r < 0) {
		refuse(c, f->stream, err.code, err.message);
		return c->broken;
	}
	c->open[c->nopen++] = f->stream;
	c->ops->request(c, f->stream, &req, c->fds, c->nfds, c->data);
	cor_ttrpc_request_done(&req);
	return c->broken;
}

/* 1: a frame was handled; 0: nothing to read for now. */
static int read_some(struct cor_ttrpc_conn *c)
{
	uint8_t small[512];
	_cleanup_free_ uint8_t *large = NULL;
	struct cor_ttrpc_frame f;
	int r;
	while ((r = cor_ttrpc_parser_next(&c->in, &f, NULL)) == 0) {
		size_t need = MIN(cor_ttrpc_parser_need(&c->in), (size_t)READ_CHUNK);
		if (need > sizeof(small) && !large && !(large = malloc(READ_CHUNK)))
			return -ENOMEM;
		uint8_t *buf = large ? large : small;
		size_t got = COR_TTRPC_FDS_MAX - c->nfds;
		ssize_t n = cor_recv_fds(c->fd, buf, need, c->fds + c->nfds, &got);
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		c->nfds += got;
		if (n == 0)
			return -ECONNRESET;
		r = cor_ttrpc_parser_feed(&c->in, buf, (size_t)n, NULL);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (f.type == COR_TTRPC_REQUEST)
		r = take_request(c, &f);
	close_all(c->fds, &c->nfds);
	return r < 0 ? r : 1;
}

int cor_ttrpc_conn_process(struct cor_ttrpc_conn *c, uint32_t events)
{
	if (!c->broken && events & EPOLLOUT)
		(void)flush(c);
	if (!c->broken && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		int r = read_some(c);
		if (r < 0)
			return break_off(c, r);
	}
	if (c->broken)
		return c->broken;
	tell(c);
	return 0;
}
