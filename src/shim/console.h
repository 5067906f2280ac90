/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console socket: where a runtime hands out the master of the terminal it made for a process.
 *
 * The runtime sends it before it reports success and waits for no answer, so it is enough to look when it has ended: the
 * connection and the message lie in the socket's queue.
 */
#ifndef COR_SHIM_CONSOLE_H
#define COR_SHIM_CONSOLE_H

#include "base/error.h"

struct cor_console {
	int dir;       /* borrowed: the bundle */
	int listen;    /* -1: none */
	char name[24]; /* of the socket, in the bundle */
};
#define COR_CONSOLE_NONE     \
	{                    \
		.listen = -1 \
	}

int cor_console_listen(struct cor_console *c, int dir, unsigned number, struct cor_error *err);
/* The master (O_CLOEXEC, caller's), or -errno. */
int cor_console_take(struct cor_console *c, struct cor_error *err);
void cor_console_done(struct cor_console *c);
/* Window size; 0 or -errno. */
int cor_console_resize(int master, unsigned rows, unsigned columns);

#endif
