/* SPDX-License-Identifier: Apache-2.0 */
/* One direction of copying, driven by poll. The buffer bounds how far the two sides can be apart. */
#include "client/task_io.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

short cor_copy_want_read(const struct cor_copy *c)
{
	return c->from >= 0 && !c->eof && c->end < sizeof(c->buf) ? POLLIN : 0;
}

short cor_copy_want_write(const struct cor_copy *c)
{
	return c->to >= 0 && c->start < c->end ? POLLOUT : 0;
}

int cor_copy_read(struct cor_copy *c)
{
	ssize_t n = read(c->from, c->buf + c->end, sizeof(c->buf) - c->end);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		/* A pty master says EIO when the last holder of the other side is gone. */
		int r = n < 0 && errno != EIO ? -errno : 0;
		c->eof = true;
		return r;
	}
	c->end += (size_t)n;
	return 0;
}

int cor_copy_write(struct cor_copy *c)
{
	ssize_t n = write(c->to, c->buf + c->start, c->end - c->start);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n < 0) {
		int r = -errno;
		c->to = -1;
		c->eof = true;
		c->start = c->end = 0;
		return r;
	}
	c->start += (size_t)n;
	if (c->start == c->end)
		c->start = c->end = 0;
	return 0;
}

bool cor_copy_done(const struct cor_copy *c)
{
	return c->eof && c->start == c->end;
}
