/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From stdio strings to descriptors. Paths here come from the engine, which runs as the same user as the shim and could open
 * them itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "rpc/shim_api.h"
#include "shim/io.h"
#include "shim/logger.h"

static int bad(struct cor_error *err, const char *what)
{
	return cor_error_set(err, COR_INVALID_ARGUMENT, "stdio \"%s\" cannot be used here: invalid argument",
			     what);
}

/* "fd:N" */
static int take_fd(const struct cor_io_request *req, const char *s, int *ret, struct cor_error *err)
{
	uint32_t n;
	if (cor_parse_u32(s + strlen("fd:"), &n) < 0 || n >= req->nfds || req->fds[n] < 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "stdio \"%s\": no such descriptor came along",
				     s);
	*ret = TAKE_FD(req->fds[n]);
	return 0;
}

/* Opened for reading and writing first, which never waits and makes the other open succeed; that descriptor also keeps
 * either side from seeing a hang-up. */
static int open_fifo(const char *path, int flags, int *ret_keep, int *ret, struct cor_error *err)
{
	struct stat st;
	_cleanup_close_ int keep = openat(AT_FDCWD, path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (keep < 0)
		return cor_error_errno(err, errno, "open %s", path);
	if (fstat(keep, &st) < 0 || !S_ISFIFO(st.st_mode))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "stdio %s is no FIFO: invalid argument",
				     path);
	int fd = openat(AT_FDCWD, path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return cor_error_errno(err, errno, "open %s", path);
	*ret = fd;
	*ret_keep = TAKE_FD(keep);
	return 0;
}

static int open_file(const char *path, int *ret, struct cor_error *err)
{
	_cleanup_free_ char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	if (!dir)
		return cor_error_oom(err);
	if (!slash || !slash[1])
		return cor_error_set(err, COR_INVALID_ARGUMENT, "log file \"%s\": not an absolute path",
				     path);
	const char *name = slash + 1;
	*slash = '\0';
	_cleanup_close_ int d = cor_mkdir_p(*dir ? dir : "/", 0755, err);
	if (d < 0)
		return d;
	int fd = openat(d, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd < 0)
		return cor_error_errno(err, errno, "open %s", path);
	*ret = fd;
	return 0;
}

static int open_log(struct cor_io *io, const char *dir, struct cor_error *err)
{
	if (io->log_dir)
		return streq(io->log_dir, dir) ? 0 : bad(err, dir); /* one log per process */
	io->log_dir = strdup(dir);
	if (!io->log_dir)
		return cor_error_oom(err);
	return cor_shim_log_open(dir, COR_LOG_MAX, &io->log, err);
}

/* An output of a process without a terminal; which: 1 or 2. */
static int open_output(struct cor_io *io, const struct cor_io_request *req, int which, const char *s,
		       struct cor_error *err)
{
	const char *rest;
	if (cor_empty(s))
		return 0;
	if (which == 2 && !cor_empty(req->out) && streq(s, req->out) && io->child[1] >= 0 &&
	    !cor_after(s, "log://") && !cor_after(s, "binary://")) {
		io->child[2] = fcntl(io->child[1], F_DUPFD_CLOEXEC, 3);
		return io->child[2] < 0 ? cor_error_errno(err, errno, "stdio") : 0;
	}
	if (cor_startswith(s, "fd:"))
		return take_fd(req, s, &io->child[which], err);
	if ((rest = cor_after(s, "file://")))
		return open_file(rest, &io->child[which], err);
	if (cor_startswith(s, "binary://") && which == 2) /* one logger, started for stdout */
		return io->child[2] >= 0 ? 0 : bad(err, s);
	if (cor_startswith(s, "binary://"))
		return cor_logger_start(io, req, s, err);
	if ((rest = cor_after(s, "log://"))) {
		int p[2], r = open_log(io, rest, err);
		if (r < 0)
			return r;
		r = cor_pipe(p);
		if (r < 0)
			return cor_error_errno(err, r, "stdio");
		io->out[which - 1].fd = p[0];
		io->child[which] = p[1];
		io->attachable = true;
		return 0;
	}
	if (s[0] != '/')
		return bad(err, s);
	int r = open_fifo(s, O_WRONLY, &io->keep[which], &io->child[which], err);
	if (r == 0)
		(void)cor_set_nonblock(io->child[which], false);
	return r;
}

static int open_input(struct cor_io *io, const struct cor_io_request *req, struct cor_error *err)
{
	const char *s = req->in;
	if (cor_empty(s))
		return 0;
	if (cor_startswith(s, "fd:"))
		return take_fd(req, s, &io->child[0], err);
	if (streq(s, "pipe:")) { /* held open for attached clients */
		int p[2], r = cor_pipe(p);
		if (r < 0)
			return cor_error_errno(err, r, "stdio");
		io->child[0] = p[0];
		(void)cor_set_nonblock(p[1], true);
		r = cor_input_start(io, p[1]);
		return r < 0 ? cor_error_errno(err, r, "stdio") : 0;
	}
	if (s[0] != '/')
		return bad(err, s);
	int r = open_fifo(s, O_RDONLY, &io->keep[0], &io->child[0], err);
	if (r == 0)
		(void)cor_set_nonblock(io->child[0], false);
	return r;
}

/* A terminal's output is one stream: stderr's string is not looked at. */
static int open_terminal(struct cor_io *io, const struct cor_io_request *req, struct cor_error *err)
{
	const char *s = req->out, *rest;
	int r = 0;
	if (!cor_empty(req->in) && req->in[0] == '/') {
		/* The O_RDWR end is kept and the other one read: no end of file when a client detaches. */
		r = open_fifo(req->in, O_RDONLY, &io->keep[0], &io->fifo, err);
	} else if (!cor_empty(req->in) && !streq(req->in, COR_STDIO_CONSOLE)) {
		r = bad(err, req->in);
	}
	if (r < 0 || cor_empty(s))
		return r;
	io->attachable = streq(s, COR_STDIO_CONSOLE) || cor_startswith(s, "log://");
	io->console = streq(s, COR_STDIO_CONSOLE);
	if (io->console)
		return 0;
	if ((rest = cor_after(s, "log://")))
		return open_log(io, rest, err);
	if ((rest = cor_after(s, "file://"))) {
		io->sink.file = true;
		return open_file(rest, &io->sink.fd, err);
	}
	if (cor_startswith(s, "binary://"))
		return cor_logger_start(io, req, s, err);
	if (s[0] != '/')
		return bad(err, s);
	return open_fifo(s, O_WRONLY, &io->keep[1], &io->sink.fd, err);
}

int cor_io_open_strings(struct cor_io *io, const struct cor_io_request *req, struct cor_error *err)
{
	if (io->terminal)
		return open_terminal(io, req, err);
	int r = open_input(io, req, err);
	if (r == 0)
		r = open_output(io, req, 1, req->out, err);
	if (r == 0)
		r = open_output(io, req, 2, req->err, err);
	return r;
}
