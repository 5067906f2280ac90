/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying a process's output to where it goes: the log, attached clients, and a terminal's file, FIFO or logging binary.
 * Only the last two can make the pump wait (that is what FIFOs are: the reader sets the pace); then the terminal is not
 * read until they take more.
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "shim/io.h"

#define ROUNDS    4          /* reads per event, so that one process does not hold up the others */
#define DRAIN_MAX (2u << 20) /* more than pipes and terminals hold, unless somebody goes on writing */

/* One for all: it is only in use inside one call. */
static char buffer[16384] __attribute__((aligned(4096)));

void *cor_pump_buffer(size_t *ret_size)
{
	*ret_size = sizeof(buffer);
	return buffer;
}

static void close_output(struct cor_output *o)
{
	if (o->source.loop)
		cor_loop_remove(&o->source);
	o->fd = cor_close(o->fd);
}

static void close_sink(struct cor_io *io)
{
	if (io->sink.source.loop)
		cor_loop_remove(&io->sink.source);
	io->sink.fd = cor_close(io->sink.fd);
	cor_buf_done(&io->sink.pending);
	io->sink.sent = 0;
}

static void flush_sink(struct cor_io *io)
{
	struct cor_sink *k = &io->sink;
	while (k->sent < k->pending.len) {
		ssize_t n = write(k->fd, k->pending.data + k->sent, k->pending.len - k->sent);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) { /* nobody will ever read it */
			close_sink(io);
			break;
		}
		k->sent += (size_t)n;
	}
	cor_buf_done(&k->pending);
	k->sent = 0;
	if (k->source.loop)
		cor_loop_remove(&k->source);
	if (io->out[0].source.loop)
		(void)cor_loop_modify(&io->out[0].source, EPOLLIN);
}

static void on_sink(struct cor_source *s, uint32_t events)
{
	(void)events;
	flush_sink(container_of(s, struct cor_io, sink.source));
}

static void write_sink(struct cor_io *io, const char *data, size_t n)
{
	struct cor_sink *k = &io->sink;
	if (k->fd < 0)
		return;
	if (k->file) {
		(void)cor_write_full(k->fd, data, n); /* a full disk loses output, as for any log */
		return;
	}
	if (cor_buf_append(&k->pending, data, n) < 0) {
		close_sink(io);
		return;
	}
	flush_sink(io);
	if (k->fd < 0 || k->pending.len == 0 || k->source.loop)
		return;
	if (cor_loop_add(io->loop, &k->source, k->fd, EPOLLOUT, on_sink) < 0)
		close_sink(io);
	else if (io->out[0].source.loop)
		(void)cor_loop_modify(&io->out[0].source, 0);
}

static void deliver(struct cor_output *o, const char *data, size_t n)
{
	struct cor_io *io = o->io;
	if (io->log)
		cor_shim_log_write(io->log, o->stream, data, n);
	if (io->attachers)
		cor_attach_output(io, o->stream, data, n);
	write_sink(io, data, n);
}

/* One read. Bytes; 0: nothing now, or ended. */
static size_t pump_once(struct cor_output *o)
{
	ssize_t n;
	do
		n = read(o->fd, buffer, sizeof(buffer));
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		deliver(o, buffer, (size_t)n);
		return (size_t)n;
	}
	/* A terminal whose last user is gone says EIO. */
	if (n == 0 || errno != EAGAIN)
		close_output(o);
	return 0;
}

static void on_output(struct cor_source *s, uint32_t events)
{
	struct cor_output *o = container_of(s, struct cor_output, source);
	(void)events;
	for (int i = 0; i < ROUNDS && o->fd >= 0 && o->io->sink.pending.len == 0; i++)
		if (pump_once(o) < sizeof(buffer))
			break;
	/* A hang-up is reported even when not asked for: while the sink is full that would spin. */
	if (o->fd >= 0 && o->io->sink.pending.len && (events & (EPOLLHUP | EPOLLERR)) && o->source.loop)
		cor_loop_remove(&o->source);
}

int cor_pump_start(struct cor_io *io)
{
	for (int i = 0; i < 2; i++) {
		struct cor_output *o = &io->out[i];
		if (o->fd < 0)
			continue;
		int r = cor_set_nonblock(o->fd, true);
		if (r == 0)
			r = cor_loop_add(io->loop, &o->source, o->fd, EPOLLIN, on_output);
		if (r < 0)
			return r;
	}
	return 0;
}

void cor_pump_drain(struct cor_io *io)
{
	for (int i = 0; i < 2; i++) {
		struct cor_output *o = &io->out[i];
		for (size_t total = 0; o->fd >= 0 && total < DRAIN_MAX && io->sink.pending.len == 0;) {
			size_t n = pump_once(o);
			if (n == 0)
				break;
			total += n;
		}
	}
}

void cor_pump_stop(struct cor_io *io)
{
	close_output(&io->out[0]);
	close_output(&io->out[1]);
	close_sink(io);
}
