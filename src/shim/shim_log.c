/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the log. A chunk of output becomes lines that share one time stamp; header and text go out with writev straight
 * from the chunk, without being copied. A line is ended ("F") by its newline; what a chunk leaves unended, or what is longer
 * than 16 KiB, is written at once as partial ("P"), so a prompt can be seen before it is answered.
 */
#include "shim/shim_log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "rpc/shim_api.h"

#define LINE_MAX_BYTES (16u << 10)
#define BATCH          32 /* lines per writev */

struct cor_shim_log {
	int dir, fd;
	uint64_t size, max;
	uint64_t lost;
	int reason; /* errno of the first loss */
};

struct batch {
	struct iovec iov[3 * BATCH];
	int n;
	size_t bytes, lines;
};

static int open_current(struct cor_shim_log *l)
{
	struct stat st;
	_cleanup_close_ int fd =
		openat(l->dir, COR_LOG_CURRENT, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	cor_close(l->fd);
	l->fd = TAKE_FD(fd);
	l->size = (uint64_t)st.st_size;
	return 0;
}

int cor_shim_log_open(const char *dir, uint64_t max, struct cor_shim_log **ret, struct cor_error *err)
{
	struct cor_shim_log *l = cor_new0(struct cor_shim_log, 1);
	if (!l)
		return cor_error_oom(err);
	l->fd = -1;
	l->max = max;
	l->dir = cor_mkdir_p(dir, 0700, err);
	int r = l->dir;
	if (r >= 0) {
		r = open_current(l);
		if (r < 0)
			(void)cor_error_errno(err, r, "open %s/%s", dir, COR_LOG_CURRENT);
	}
	if (r < 0) {
		cor_shim_log_close(l);
		return r;
	}
	*ret = l;
	return 0;
}

struct cor_shim_log *cor_shim_log_close(struct cor_shim_log *l)
{
	if (!l)
		return NULL;
	cor_close(l->fd);
	cor_close(l->dir);
	free(l);
	return NULL;
}

static void note_loss(struct cor_shim_log *l, size_t lines, int reason)
{
	if (l->lost == 0)
		l->reason = reason;
	l->lost += lines;
}

/* All or nothing, as far as the file system lets us. */
static int write_whole(struct cor_shim_log *l, struct iovec *iov, int n, size_t bytes)
{
	ssize_t r;
	do
		r = writev(l->fd, iov, n);
	while (r < 0 && errno == EINTR);
	if (r == (ssize_t)bytes) {
		l->size += bytes;
		return 0;
	}
	int saved = r < 0 ? errno : ENOSPC;
	if (r > 0 && ftruncate(l->fd, (off_t)l->size) < 0)
		l->size += (uint64_t)r; /* a torn line stays; the next one begins in the middle of it */
	return -saved;
}

/* Says how many lines are missing, once something can be written again. */
static int write_loss(struct cor_shim_log *l, const char *stamp)
{
	char line[160];
	if (l->lost == 0)
		return 0;
	int n = snprintf(line, sizeof(line), "%s stderr F coracle: %llu log lines lost: %s\n", stamp,
			 (unsigned long long)l->lost, cor_strerror(l->reason));
	struct iovec iov = {.iov_base = line, .iov_len = (size_t)n};
	int r = write_whole(l, &iov, 1, (size_t)n);
	if (r == 0)
		l->lost = 0;
	return r;
}

static void flush(struct cor_shim_log *l, struct batch *b, const char *stamp)
{
	if (b->n == 0)
		return;
	int r = write_loss(l, stamp);
	if (r == 0)
		r = write_whole(l, b->iov, b->n, b->bytes);
	if (r < 0)
		note_loss(l, b->lines, -r);
	*b = (struct batch){.n = 0};
}

static void rotate(struct cor_shim_log *l)
{
	if (renameat(l->dir, COR_LOG_CURRENT, l->dir, COR_LOG_PREVIOUS) < 0)
		return;
	/* Without a new file it goes on with the renamed one, which must not grow: it is cut. */
	if (open_current(l) < 0 && ftruncate(l->fd, 0) == 0)
		l->size = 0;
}

static void add(struct batch *b, const char *data, size_t n)
{
	b->iov[b->n++] = (struct iovec){.iov_base = (char *)(uintptr_t)data, .iov_len = n};
	b->bytes += n;
}

/* How much of data[0..n) makes the next line; *ret_full when its newline is there (not counted). */
static size_t next_line(const char *data, size_t n, bool *ret_full)
{
	const char *nl = memchr(data, '\n', MIN(n, LINE_MAX_BYTES + 1));
	*ret_full = nl != NULL;
	return nl ? (size_t)(nl - data) : MIN(n, LINE_MAX_BYTES);
}

void cor_shim_log_write(struct cor_shim_log *l, enum cor_stream stream, const char *data, size_t n)
{
	char stamp[COR_TIME_MAX], full_head[COR_TIME_MAX + 16], part_head[COR_TIME_MAX + 16];
	const char *name = stream == COR_STREAM_ERR ? "stderr" : "stdout";
	struct batch b = {.n = 0};
	cor_time_format(cor_now_ns(), stamp);
	size_t head = (size_t)snprintf(full_head, sizeof(full_head), "%s %s F ", stamp, name);
	(void)snprintf(part_head, sizeof(part_head), "%s %s P ", stamp, name);
	while (n) {
		bool full;
		size_t len = next_line(data, n, &full);
		if (l->size + b.bytes > 0 && l->size + b.bytes + head + len + 1 > l->max) {
			flush(l, &b, stamp);
			if (l->size > 0)
				rotate(l);
		}
		add(&b, full ? full_head : part_head, head);
		if (len + full)
			add(&b, data, len + full);
		if (!full)
			add(&b, "\n", 1);
		b.lines++;
		if (b.lines == BATCH)
			flush(l, &b, stamp);
		data += len + full;
		n -= len + full;
	}
	flush(l, &b, stamp);
}
