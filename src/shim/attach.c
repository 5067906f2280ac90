/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients attached to a process's stdio, each over a stream socket of its own.
 *
 * Invariants:
 *  1. No client holds anything up: output for one that does not read is kept up to BUFFER_MAX, then lost, by whole frames.
 *  2. What a client types waits in its socket while the process does not read: no more is taken from it then.
 *  3. Without a terminal, output is framed {u8 stream, u8[3] zero, u32 big-endian length} (services.h); with one it is raw.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "shim/io.h"

#define BUFFER_MAX    (256u << 10)
#define ATTACHERS_MAX 16

struct cor_attacher {
	struct cor_attacher *next;
	struct cor_io *io;
	struct cor_source source;
	int fd;
	struct cor_buf out;
	size_t sent;
	bool ending, deaf; /* no more output; no more input */
};

static void remove_attacher(struct cor_attacher *a)
{
	for (struct cor_attacher **p = &a->io->attachers; *p; p = &(*p)->next) {
		if (*p == a) {
			*p = a->next;
			break;
		}
	}
	if (a->source.loop)
		cor_loop_remove(&a->source);
	/* Input that nobody will read would turn the client's end of file into a connection reset. */
	char buf[1024];
	for (int i = 0; i < 64 && recv(a->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0; i++)
		;
	cor_close(a->fd);
	cor_buf_done(&a->out);
	free(a);
}

static void update_events(struct cor_attacher *a)
{
	uint32_t events = (a->deaf || !cor_input_room(a->io) ? 0 : EPOLLIN) | (a->out.len ? EPOLLOUT : 0);
	(void)cor_loop_modify(&a->source, events);
}

/* False: the client is gone. */
static bool flush(struct cor_attacher *a)
{
	while (a->sent < a->out.len) {
		ssize_t n =
			send(a->fd, a->out.data + a->sent, a->out.len - a->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		a->sent += (size_t)n;
	}
	cor_buf_done(&a->out);
	a->sent = 0;
	return !a->ending;
}

/* False: the client is gone. */
static bool take_input(struct cor_attacher *a)
{
	char buf[4096];
	if (a->deaf || !cor_input_room(a->io))
		return true;
	ssize_t n = recv(a->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n > 0)
		cor_input_write(a->io, buf, (size_t)n);
	else if (n == 0)
		a->deaf = true; /* closed for writing; it may go on reading */
	else if (errno != EAGAIN && errno != EINTR)
		return false;
	return true;
}

static void on_socket(struct cor_source *s, uint32_t events)
{
	struct cor_attacher *a = container_of(s, struct cor_attacher, source);
	bool alive = true;
	if (events & EPOLLIN)
		alive = take_input(a);
	if (alive && (events & EPOLLOUT))
		alive = flush(a);
	if (!alive || (events & (EPOLLHUP | EPOLLERR)))
		remove_attacher(a);
	else
		update_events(a);
}

int cor_attach_new(struct cor_io *io, int *ret_sock, struct cor_error *err)
{
	int pair[2];
	size_t n = 0;
	for (struct cor_attacher *a = io->attachers; a; a = a->next)
		n++;
	if (n >= ATTACHERS_MAX)
		return cor_error_set(err, COR_RESOURCE_EXHAUSTED, "%d clients are attached already",
				     ATTACHERS_MAX);
	struct cor_attacher *a = cor_new0(struct cor_attacher, 1);
	if (!a)
		return cor_error_oom(err);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		free(a);
		return cor_error_errno(err, errno, "attach");
	}
	a->io = io;
	a->fd = pair[0];
	int r = cor_loop_add(io->loop, &a->source, a->fd, EPOLLIN, on_socket);
	if (r < 0) {
		cor_close(pair[0]);
		cor_close(pair[1]);
		free(a);
		return cor_error_errno(err, r, "attach");
	}
	a->next = io->attachers;
	io->attachers = a;
	*ret_sock = pair[1];
	return 0;
}

/* Sends head and data, keeping what the socket does not take. False: the client is gone. */
static bool put(struct cor_attacher *a, const void *head, size_t nhead, const char *data, size_t n)
{
	size_t waiting = a->out.len - a->sent, done = 0;
	if (waiting + nhead + n > BUFFER_MAX)
		return true; /* lost: invariant 1 */
	if (waiting == 0) {
		struct iovec iov[2] = {{.iov_base = (void *)(uintptr_t)head, .iov_len = nhead},
				       {.iov_base = (void *)(uintptr_t)data, .iov_len = n}};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t r = sendmsg(a->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		done = r > 0 ? (size_t)r : 0;
	}
	if (a->sent >= BUFFER_MAX) { /* what was sent would make the buffer grow without end */
		memmove(a->out.data, a->out.data + a->sent, waiting);
		a->out.len = waiting;
		a->sent = 0;
	}
	if (done < nhead && cor_buf_append(&a->out, (const char *)head + done, nhead - done) < 0)
		return false;
	size_t skip = done > nhead ? done - nhead : 0;
	return skip == n || cor_buf_append(&a->out, data + skip, n - skip) == 0;
}

void cor_attach_output(struct cor_io *io, enum cor_stream stream, const char *data, size_t n)
{
	uint8_t head[8] = {(uint8_t)stream};
	uint32_t len = htonl((uint32_t)n);
	memcpy(head + 4, &len, sizeof(len));
	for (struct cor_attacher *a = io->attachers, *next; a; a = next) {
		next = a->next;
		if (put(a, head, io->terminal ? 0 : sizeof(head), data, n))
			update_events(a);
		else
			remove_attacher(a);
	}
}

void cor_attach_resume(struct cor_io *io)
{
	for (struct cor_attacher *a = io->attachers; a; a = a->next)
		update_events(a);
}

void cor_attach_end(struct cor_io *io)
{
	for (struct cor_attacher *a = io->attachers, *next; a; a = next) {
		next = a->next;
		a->ending = a->deaf = true;
		if (a->out.len == 0)
			remove_attacher(a);
		else
			update_events(a);
	}
}

void cor_attach_stop(struct cor_io *io)
{
	while (io->attachers)
		remove_attacher(io->attachers);
}
