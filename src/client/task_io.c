/* SPDX-License-Identifier: Apache-2.0 */
/* From the stdio flags of run, exec and start to where the process's stdio goes; the pid file. */
#include "client/task_io.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

static int check_log_uri(const char *uri, struct cor_error *err)
{
	const char *path = cor_after(uri, "file://");
	if (!path)
		path = cor_after(uri, "binary://");
	if (!path)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "log uri \"%s\": scheme must be file:// or binary://", uri);
	if (path[0] != '/' || !path[1])
		return cor_error_set(err, COR_INVALID_ARGUMENT, "log uri \"%s\": absolute path needed", uri);
	return 0;
}

int cor_task_options_check(const struct cor_task_options *o, struct cor_error *err)
{
	if (!cor_empty(o->fifo_dir))
		return cor_error_set(
			err, COR_UNIMPLEMENTED,
			"--fifo-dir %s: there are no FIFOs to put there: stdio is the caller's own "
			"in the foreground, and a log in the background (see --log-uri): not "
			"implemented",
			o->fifo_dir);
	if (o->tty && o->null_io)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "tty and null-io cannot be used together");
	return o->log_uri ? check_log_uri(o->log_uri, err) : 0;
}

int cor_stdio_from_options(const struct cor_task_options *o, const struct cor_terminal *t,
			   struct cor_stdio *ret, struct cor_error *err)
{
	struct cor_stdio io = {.terminal = o->tty, .fds = {-1, -1, -1}};
	int r = cor_task_options_check(o, err);
	if (r < 0)
		return r;
	if (o->null_io) {
		io.kind = COR_STDIO_NONE;
	} else if (o->log_uri && !o->tty) { /* with a terminal upstream ignores it, too */
		io.kind = COR_STDIO_URI;
		io.uri = o->log_uri;
	} else if (o->detach) {
		io.kind = COR_STDIO_LOG;
	} else {
		io.kind = COR_STDIO_INHERIT;
		for (int i = 0; i < 3 && !o->tty; i++)
			io.fds[i] = i;
	}
	if (t && t->fd >= 0)
		cor_terminal_size(t, &io.rows, &io.columns);
	*ret = io;
	return 0;
}

int cor_write_pid_file(const char *path, pid_t pid, struct cor_error *err)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", (int)pid);
	_cleanup_free_ char *abs = cor_path_abs(path);
	if (!abs)
		return cor_error_oom(err);
	const char *name = cor_path_base(abs);
	_cleanup_free_ char *parent = strndup(abs, MAX((size_t)(name - abs), (size_t)1));
	if (!parent)
		return cor_error_oom(err);
	_cleanup_close_ int dir = cor_open_dir(parent, err);
	int r = dir < 0 ? dir : cor_write_file_at(dir, name, text, (size_t)n, 0644, false, err);
	return r < 0 ? cor_error_wrap(err, r, "pid file %s", path) : 0;
}
