/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the log that a shim keeps for a detached container: lines in the Kubernetes CRI format, in two files ("1" the
 * older, "current" the one written). A reader keeps the file it has open when the shim rotates, reads it to its end, and
 * goes on with the new one.
 */
#include "client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "rpc/shim_api.h"

#define LINE_MAX_BYTES (64u << 10) /* the shim splits at 16 KiB */

struct reader {
	int dir, fd;
	char buf[LINE_MAX_BYTES];
	size_t len;
	uint64_t skip;      /* full lines still to be left out */
	cor_log_line_fn fn; /* NULL: only counting */
	void *data;
	uint64_t count;
};

/* "<time> <stdout|stderr> <F|P> <text>". Lines that are none of ours are shown whole. */
static int take_line(struct reader *rd, const char *line, size_t n)
{
	const char *sp1 = memchr(line, ' ', n);
	const char *sp2 = sp1 ? memchr(sp1 + 1, ' ', n - (size_t)(sp1 + 1 - line)) : NULL;
	const char *sp3 = sp2 ? memchr(sp2 + 1, ' ', n - (size_t)(sp2 + 1 - line)) : NULL;
	bool full = true;
	int stream = 1;
	const char *text = line;
	size_t time_len = 0;
	if (sp3 && sp3 - sp2 == 2) {
		full = sp2[1] != 'P';
		stream = sp2 - sp1 == 7 && memcmp(sp1 + 1, "stderr", 6) == 0 ? 2 : 1;
		text = sp3 + 1;
		time_len = (size_t)(sp1 - line);
	}
	if (full)
		rd->count++;
	if (rd->skip) {
		rd->skip -= full;
		return 0;
	}
	return rd->fn ? rd->fn(line, time_len, stream, text, n - (size_t)(text - line), full, rd->data) : 0;
}

/* Everything that is there now, to the end of the open file. */
static int drain(struct reader *rd, struct cor_error *err)
{
	for (;;) {
		ssize_t n = read(rd->fd, rd->buf + rd->len, sizeof(rd->buf) - rd->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cor_error_errno(err, errno, "read log");
		if (n == 0)
			return 0;
		rd->len += (size_t)n;
		size_t start = 0;
		const char *nl;
		while ((nl = memchr(rd->buf + start, '\n', rd->len - start))) {
			size_t end = (size_t)(nl - rd->buf);
			int r = take_line(rd, rd->buf + start, end - start);
			if (r != 0)
				return r;
			start = end + 1;
		}
		if (start == 0 && rd->len == sizeof(rd->buf)) { /* no line of ours is that long */
			int r = take_line(rd, rd->buf, rd->len);
			if (r != 0)
				return r;
			start = rd->len;
		}
		memmove(rd->buf, rd->buf + start, rd->len - start);
		rd->len -= start;
	}
}

/* Opens a file of the log; -ENOENT, err not set: there is none. */
static int open_file(const struct reader *rd, const char *name, struct cor_error *err)
{
	int fd = openat(rd->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	return fd < 0 ? cor_error_errno(err, errno, "open log") : fd;
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;
	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_ino == sb.st_ino && sa.st_dev == sb.st_dev;
}

/* Both files, the current one first: when the older one turns out to be the same, the shim has rotated in between. */
static int open_files(struct reader *rd, int *ret_older, struct cor_error *err)
{
	for (;;) {
		_cleanup_close_ int current = open_file(rd, COR_LOG_CURRENT, err);
		if (current < 0 && current != -ENOENT)
			return current;
		_cleanup_close_ int older = open_file(rd, COR_LOG_PREVIOUS, err);
		if (older < 0 && older != -ENOENT)
			return older;
		if (current >= 0 && older >= 0 && same_file(current, older))
			continue;
		rd->fd = current < 0 ? -1 : TAKE_FD(current);
		*ret_older = older < 0 ? -1 : TAKE_FD(older);
		return 0;
	}
}

/* All of the older file, then all of the current one. */
static int read_all(struct reader *rd, int older, struct cor_error *err)
{
	int current = rd->fd, fds[] = {older, current}, r = 0;
	for (size_t i = 0; i < ARRAY_SIZE(fds) && r == 0; i++) {
		rd->fd = fds[i];
		rd->len = 0;
		if (rd->fd >= 0 && lseek(rd->fd, 0, SEEK_SET) < 0)
			r = cor_error_errno(err, errno, "read log");
		else if (rd->fd >= 0)
			r = drain(rd, err);
	}
	rd->fd = current;
	return r;
}

static bool rotated(const struct reader *rd)
{
	struct stat ours, there;
	if (rd->fd < 0)
		return true;
	return fstatat(rd->dir, COR_LOG_CURRENT, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(rd->fd, &ours) == 0 && ours.st_ino != there.st_ino;
}

static int read_new(struct reader *rd, struct cor_error *err)
{
	int r = rd->fd >= 0 ? drain(rd, err) : 0;
	while (r == 0 && rotated(rd)) {
		int fd = open_file(rd, COR_LOG_CURRENT, err);
		if (fd < 0)
			return fd == -ENOENT ? 0 : fd;
		cor_close(rd->fd);
		rd->fd = fd;
		rd->len = 0;
		r = drain(rd, err);
	}
	return r;
}

/* Waits for more until the container's process is gone; then what it left is read. */
static int follow(struct cor_services *s, const char *id, struct reader *rd, struct cor_error *err)
{
	char link[64], events[4096];
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), exit_fd = -1;
	struct cor_error e = {0};
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", rd->dir);
	if (watch < 0 || inotify_add_watch(watch, link, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
		return cor_error_errno(err, errno, "watch log");
	bool running = s->tasks->wait_fd(s, id, NULL, &exit_fd, &e) >= 0;
	for (;;) {
		int r = read_new(rd, err);
		if (r != 0 || !running)
			return r;
		struct pollfd p[] = {{.fd = watch, .events = POLLIN}, {.fd = exit_fd, .events = POLLIN}};
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return cor_error_errno(err, errno, "poll");
		while (read(watch, events, sizeof(events)) > 0)
			;
		running = !p[1].revents;
	}
}

int cor_logs(struct cor_services *s, const char *id, const struct cor_logs_options *o, cor_log_line_fn fn,
	     void *data, struct cor_error *err)
{
	struct cor_container c = {0};
	_cleanup_free_ char *path = NULL;
	int r = s->containers->get(s, id, &c, err);
	if (r < 0)
		return r;
	cor_container_done(&c);
	if (!s->log_path)
		return cor_error_set(err, COR_UNIMPLEMENTED, "this engine keeps no logs");
	r = s->log_path(s, id, &path, err);
	if (r < 0)
		return r;
	struct cor_error e = {0};
	_cleanup_close_ int dir = cor_open_dir(path, &e);
	if (dir == -ENOENT)
		return cor_error_set(err, COR_NOT_FOUND,
				     "container \"%s\" has no log: it was not run detached", id);
	_cleanup_free_ struct reader *rd = cor_new0(struct reader, 1);
	if (!rd)
		return cor_error_oom(err);
	if (dir < 0) {
		if (err)
			*err = e;
		return dir;
	}
	*rd = (struct reader){.dir = dir, .fd = -1, .data = data};
	_cleanup_close_ int older = -1;
	r = open_files(rd, &older, err);
	if (r == 0 && o->tail_set)
		r = read_all(rd, older, err); /* only counting */
	if (r == 0) {
		rd->skip = o->tail_set && rd->count > o->tail ? rd->count - o->tail : 0;
		rd->fn = fn;
		r = read_all(rd, older, err);
	}
	if (r == 0 && o->follow)
		r = follow(s, id, rd, err);
	cor_close(rd->fd);
	return r < 0 ? r : 0;
}
