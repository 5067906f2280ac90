/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving a terminal's master from the runtime. The socket's name is relative: sun_path holds 108 bytes only. */
#include "shim/console.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"

int cor_console_listen(struct cor_console *c, int dir, unsigned number, struct cor_error *err)
{
	c->dir = dir;
	(void)snprintf(c->name, sizeof(c->name), "console-%u.sock", number);
	(void)unlinkat(dir, c->name, 0);
	c->listen = cor_unix_listen(dir, c->name, err);
	return c->listen < 0 ? cor_error_wrap(err, c->listen, "console socket") : 0;
}

int cor_console_take(struct cor_console *c, struct cor_error *err)
{
	char name[4096];
	int master = -1;
	size_t n = 1;
	if (cor_set_nonblock(c->listen, true) < 0)
		return cor_error_errno(err, errno, "console socket");
	_cleanup_close_ int conn = accept4(c->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	uid_t uid;
	if (conn < 0)
		return cor_error_set(err, COR_INTERNAL, "the runtime sent no terminal");
	if (cor_unix_peer(conn, &uid, NULL) < 0 || uid != geteuid())
		return cor_error_set(err, COR_PERMISSION_DENIED,
				     "console socket: not the runtime's connection");
	ssize_t r = cor_recv_fds(conn, name, sizeof(name), &master, &n);
	if (r <= 0 || n == 0)
		return cor_error_set(err, COR_INTERNAL, "the runtime sent no terminal");
	if (!isatty(master)) {
		cor_close(master);
		return cor_error_set(err, COR_INTERNAL, "the runtime sent something that is no terminal");
	}
	return master;
}

void cor_console_done(struct cor_console *c)
{
	if (c->listen < 0)
		return;
	c->listen = cor_close(c->listen);
	(void)unlinkat(c->dir, c->name, 0);
}

int cor_console_resize(int master, unsigned rows, unsigned columns)
{
	if (rows > USHRT_MAX || columns > USHRT_MAX)
		return -EINVAL;
	struct winsize ws = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
	return ioctl(master, TIOCSWINSZ, &ws) < 0 ? -errno : 0;
}
