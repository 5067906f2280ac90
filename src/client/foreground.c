/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staying with a process until it ends: its signals, its terminal or attached stream, its exit.
 *
 * Signals are blocked before the process is created and read from a signalfd, so that one that arrives in between is
 * forwarded, not lost; no handler is installed. What is still pending at the end is dropped with the process: once the exit
 * is there nothing is asked of the task any more, since its name may be another task's by then.
 */
#include "client/task_io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"

/* How long output may keep coming after the process's end while others hold its terminal or pipe. */
#define DRAIN_QUIET_MS 200
#define DRAIN_TOTAL_NS (2 * INT64_C(1000000000))

int cor_signals_block(struct cor_signals *s, struct cor_error *err)
{
	/* Not forwarded: what the kernel raises for our own faults, our children's ends, and Go's SIGURG. */
	static const int ours[] = {SIGSEGV, SIGBUS, SIGFPE,  SIGILL, SIGTRAP,
				   SIGABRT, SIGSYS, SIGCHLD, SIGURG};
	sigset_t set;
	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		sigdelset(&set, ours[i]);
	if (sigprocmask(SIG_BLOCK, &set, &s->saved) < 0)
		return cor_error_errno(err, errno, "block signals");
	s->blocked = true;
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0) {
		int r = cor_error_errno(err, errno, "signalfd");
		cor_signals_restore(s);
		return r;
	}
	return 0;
}

int cor_signals_stop(struct cor_signals *s)
{
	struct signalfd_siginfo si;
	int stop = 0;
	while (s->fd >= 0 && read(s->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		int sig = (int)si.ssi_signo;
		if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT)
			stop = stop ? stop : sig;
	}
	return stop;
}

void cor_signals_restore(struct cor_signals *s)
{
	struct signalfd_siginfo si;
	if (s->fd >= 0)
		while (read(s->fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
			;
	s->fd = cor_close(s->fd);
	if (s->blocked)
		(void)sigprocmask(SIG_SETMASK, &s->saved, NULL);
	s->blocked = false;
}

struct state {
	struct cor_foreground *f;
	struct cor_copy in, out; /* terminal -> console, console -> terminal */
	int null;                /* where output goes when our side of it is gone */
	uint8_t header[8];       /* attach frames: header collected so far, bytes left of the current one */
	size_t header_len;
	uint32_t left;
	int frame_fd;
	int exit_fd; /* readable: the exit is there; -1: it has been taken */
	bool attach_eof, stdin_eof;
};

/* A task that is gone is found out by a call, too, and then what was known of it is dropped, the exit that waits to be read
 * included. So this is asked before each call. */
static bool has_exited(const struct state *st)
{
	struct pollfd p = {.fd = st->exit_fd, .events = POLLIN};
	return st->exit_fd < 0 || poll(&p, 1, 0) > 0;
}

static void on_signals(struct state *st)
{
	struct signalfd_siginfo si;
	struct cor_foreground *f = st->f;
	while (read(f->signals->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		int sig = (int)si.ssi_signo;
		if (has_exited(st))
			continue;
		if (sig == SIGWINCH && f->terminal) {
			if (f->console >= 0) {
				cor_terminal_copy_size(f->terminal, f->console);
			} else {
				uint16_t rows, columns;
				cor_terminal_size(f->terminal, &rows, &columns);
				(void)f->s->tasks->resize(f->s, f->id, f->exec_id, rows, columns, NULL);
			}
			continue;
		}
		/* A write of our own to a closed pipe is no signal to the container. */
		if (sig == SIGPIPE && si.ssi_pid == (uint32_t)getpid())
			continue;
		struct cor_error e = {0};
		if (f->s->tasks->kill(f->s, f->id, f->exec_id, sig, false, &e) < 0 && e.code != COR_NOT_FOUND)
			cor_warn("forward signal %d: %s", sig, e.message);
	}
}

/* All of it, without getting stuck: whoever reads us may be slow (then signals are served meanwhile), may have made the
 * descriptor non-blocking, or may be gone (the process goes on). A pipe that is writable takes PIPE_BUF bytes at once. */
static void write_out(struct state *st, int fd, const char *data, size_t n)
{
	while (n) {
		struct pollfd p[] = {{.fd = fd, .events = POLLOUT},
				     {.fd = st->f->signals->fd, .events = POLLIN}};
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents)
			on_signals(st);
		if (!p[0].revents)
			continue;
		ssize_t k = write(fd, data, MIN(n, (size_t)PIPE_BUF));
		if (k < 0 && errno != EAGAIN && errno != EINTR)
			return;
		data += MAX(k, 0);
		n -= (size_t)MAX(k, 0);
	}
}

/* Writes attach frames to our stdout and stderr; data may end anywhere in a frame. */
static void take_frames(struct state *st, const char *data, size_t n)
{
	while (n) {
		if (st->left == 0) {
			size_t k = MIN(n, sizeof(st->header) - st->header_len);
			memcpy(st->header + st->header_len, data, k);
			st->header_len += k;
			data += k;
			n -= k;
			if (st->header_len < sizeof(st->header))
				return;
			st->header_len = 0;
			st->frame_fd = st->header[0] == 2 ? STDERR_FILENO : STDOUT_FILENO;
			st->left = (uint32_t)st->header[4] << 24 | (uint32_t)st->header[5] << 16 |
				   (uint32_t)st->header[6] << 8 | st->header[7];
			continue;
		}
		size_t k = MIN(n, (size_t)st->left);
		write_out(st, st->frame_fd, data, k);
		data += k;
		n -= k;
		st->left -= (uint32_t)k;
	}
}

static void on_attached(struct state *st)
{
	char buf[32768];
	ssize_t n = read(st->f->attached, buf, sizeof(buf));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		st->attach_eof = true;
	else
		take_frames(st, buf, (size_t)n);
}

enum { P_SIGNALS, P_EXIT, P_IN_R, P_IN_W, P_OUT_R, P_OUT_W, P_ATTACH, P_MAX };

static void fill(struct state *st, struct pollfd p[P_MAX])
{
	bool exited = st->exit_fd < 0;
	struct cor_foreground *f = st->f;
	for (int i = 0; i < P_MAX; i++)
		p[i] = (struct pollfd){.fd = -1};
	p[P_SIGNALS] = (struct pollfd){.fd = f->signals->fd, .events = POLLIN};
	if (!exited)
		p[P_EXIT] = (struct pollfd){.fd = st->exit_fd, .events = POLLIN};
	if (!exited && cor_copy_want_read(&st->in))
		p[P_IN_R] = (struct pollfd){.fd = st->in.from, .events = POLLIN};
	if (!exited && cor_copy_want_write(&st->in))
		p[P_IN_W] = (struct pollfd){.fd = st->in.to, .events = POLLOUT};
	if (cor_copy_want_read(&st->out))
		p[P_OUT_R] = (struct pollfd){.fd = st->out.from, .events = POLLIN};
	if (cor_copy_want_write(&st->out))
		p[P_OUT_W] = (struct pollfd){.fd = st->out.to, .events = POLLOUT};
	if (f->attached >= 0 && !f->attached_terminal && !st->attach_eof)
		p[P_ATTACH] = (struct pollfd){.fd = f->attached, .events = POLLIN};
}

static void serve(struct state *st, const struct pollfd p[P_MAX])
{
	if (p[P_SIGNALS].revents)
		on_signals(st);
	if (p[P_IN_R].revents)
		(void)cor_copy_read(&st->in);
	if (p[P_IN_W].revents & POLLOUT)
		(void)cor_copy_write(&st->in);
	else if (p[P_IN_W].revents)
		st->in = (struct cor_copy){.from = -1, .to = -1, .eof = true};
	if (p[P_OUT_R].revents)
		(void)cor_copy_read(&st->out);
	if (p[P_OUT_W].revents && cor_copy_write(&st->out) < 0) {
		/* Our terminal is gone. The process must not stall for it: read on, to nowhere. */
		st->out.to = st->null;
		st->out.eof = false;
	}
	if (p[P_ATTACH].revents)
		on_attached(st);
	if (cor_copy_done(&st->in) && st->f->attached >= 0 && !st->stdin_eof) {
		st->stdin_eof = true;
		(void)shutdown(st->f->attached, SHUT_WR);
	}
}

static bool output_done(const struct state *st)
{
	const struct cor_foreground *f = st->f;
	bool raw = f->console >= 0 || (f->attached >= 0 && f->attached_terminal);
	return (!raw || cor_copy_done(&st->out)) &&
	       (f->attached < 0 || f->attached_terminal || st->attach_eof);
}

static int run_loop(struct state *st, struct cor_task_exit *ret, struct cor_error *err)
{
	struct cor_foreground *f = st->f;
	int64_t deadline = 0;
	for (;;) {
		struct pollfd p[P_MAX];
		fill(st, p);
		int n = poll(p, P_MAX, st->exit_fd < 0 ? DRAIN_QUIET_MS : -1);
		if (n < 0 && errno != EINTR)
			return cor_error_errno(err, errno, "poll");
		if (n > 0)
			serve(st, p);
		if (n > 0 && p[P_EXIT].revents) {
			int r = f->s->tasks->wait(f->s, f->id, f->exec_id, ret, err);
			if (r < 0)
				return r;
			st->exit_fd = -1;
			(void)cor_signals_stop(f->signals); /* they were for the process */
			deadline = cor_monotonic_ns() + DRAIN_TOTAL_NS;
		}
		if (st->exit_fd < 0 && (n == 0 || output_done(st) || cor_monotonic_ns() > deadline))
			return 0;
	}
}

int cor_foreground_wait(struct cor_foreground *f, struct cor_task_exit *ret, struct cor_error *err)
{
	_cleanup_close_ int exit_fd = -1, null = openat(AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC);
	int r = f->s->tasks->wait_fd(f->s, f->id, f->exec_id, &exit_fd, err);
	if (r < 0)
		return r;
	_cleanup_free_ struct state *st = cor_new0(struct state, 1);
	if (!st)
		return cor_error_oom(err);
	st->f = f;
	st->null = null;
	st->exit_fd = exit_fd;
	st->in.from = st->in.to = st->out.from = st->out.to = -1;
	st->in.eof = st->out.eof = true;
	int raw = f->console >= 0 ? f->console : f->attached_terminal ? f->attached : -1;
	if (raw >= 0) {
		st->out = (struct cor_copy){.from = raw, .to = f->terminal ? f->terminal->fd : STDOUT_FILENO};
		st->in = (struct cor_copy){.from = f->terminal ? f->terminal->fd : STDIN_FILENO, .to = raw};
	} else if (f->attached >= 0) {
		st->in = (struct cor_copy){.from = STDIN_FILENO, .to = f->attached};
	}
	/* A program that does not read must not hold us in a write to it. */
	r = raw >= 0           ? cor_set_nonblock(raw, true)
	    : f->attached >= 0 ? cor_set_nonblock(f->attached, true)
			       : 0;
	if (r < 0)
		return cor_error_errno(err, r, "set terminal to non-blocking mode");
	return run_loop(st, ret, err);
}
