/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of what clients type, before the process's stdin pipe or terminal. Who fills it asks for room first. */
#include <errno.h>

#include "base/fd.h"
#include "shim/io.h"

#define ROOM (16u << 10)

static void drop_queue(struct cor_input *in)
{
	cor_buf_done(&in->queue);
	in->sent = 0;
}

void cor_input_stop(struct cor_io *io)
{
	if (io->in.source.loop)
		cor_loop_remove(&io->in.source);
	io->in.fd = cor_close(io->in.fd);
	drop_queue(&io->in);
}

static void flush(struct cor_io *io)
{
	struct cor_input *in = &io->in;
	while (in->sent < in->queue.len) {
		ssize_t n = write(in->fd, in->queue.data + in->sent, in->queue.len - in->sent);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			cor_input_stop(io);
			return;
		}
		in->sent += (size_t)n;
	}
	drop_queue(in);
}

static void on_writable(struct cor_source *s, uint32_t events)
{
	struct cor_io *io = container_of(s, struct cor_io, in.source);
	if (events & EPOLLERR)
		cor_input_stop(io); /* nobody has the other end */
	else
		flush(io);
	if (!cor_input_room(io))
		return;
	if (io->in.source.loop && io->in.queue.len == 0)
		cor_loop_remove(&io->in.source);
	if (io->fifo_source.loop)
		(void)cor_loop_modify(&io->fifo_source, EPOLLIN);
	cor_attach_resume(io);
}

int cor_input_start(struct cor_io *io, int fd_take)
{
	io->in.fd = fd_take;
	return 0;
}

bool cor_input_room(const struct cor_io *io)
{
	return io->in.queue.len - io->in.sent < ROOM;
}

void cor_input_write(struct cor_io *io, const char *data, size_t n)
{
	struct cor_input *in = &io->in;
	if (in->fd < 0)
		return;
	if (cor_buf_append(&in->queue, data, n) < 0) {
		cor_input_stop(io);
		return;
	}
	flush(io);
	if (in->fd >= 0 && in->queue.len && !in->source.loop &&
	    cor_loop_add(io->loop, &in->source, in->fd, EPOLLOUT, on_writable) < 0)
		cor_input_stop(io);
}
