/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's terminal: finding it, raw mode and back, window sizes. */
#include "client/task_io.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

int cor_terminal_open(struct cor_terminal *ret, struct cor_error *err)
{
	static const int candidates[] = {STDERR_FILENO, STDOUT_FILENO, STDIN_FILENO};
	for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
		struct termios t;
		if (tcgetattr(candidates[i], &t) == 0) {
			*ret = (struct cor_terminal){.fd = candidates[i], .saved = t};
			return 0;
		}
	}
	return cor_error_set(err, COR_FAILED_PRECONDITION, "provided file is not a console");
}

int cor_terminal_raw(struct cor_terminal *t, struct cor_error *err)
{
	struct termios raw = t->saved;
	cfmakeraw(&raw);
	/* Output processing stays with the container's own terminal. */
	if (tcsetattr(t->fd, TCSANOW, &raw) < 0)
		return cor_error_errno(err, errno, "set terminal to raw mode");
	t->raw = true;
	return 0;
}

void cor_terminal_restore(struct cor_terminal *t)
{
	if (t->fd >= 0 && t->raw) {
		(void)tcsetattr(t->fd, TCSADRAIN, &t->saved);
		t->raw = false;
	}
}

void cor_terminal_size(const struct cor_terminal *t, uint16_t *ret_rows, uint16_t *ret_columns)
{
	struct winsize ws = {0};
	if (t->fd >= 0)
		(void)ioctl(t->fd, TIOCGWINSZ, &ws);
	*ret_rows = ws.ws_row;
	*ret_columns = ws.ws_col;
}

void cor_terminal_copy_size(const struct cor_terminal *from, int master)
{
	struct winsize ws;
	if (from->fd >= 0 && ioctl(from->fd, TIOCGWINSZ, &ws) == 0)
		(void)ioctl(master, TIOCSWINSZ, &ws);
}
