/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar reader's stream: one buffer over the source, from which headers and data are handed out without copying.
 * What headers mean is tar_header.c's business.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "layer/tar_internal.h"

#define BUFFER_SIZE (128 * 1024)

int cor_tar_reader_open(cor_read_fn source, void *source_data, struct cor_tar_reader **ret,
			struct cor_error *err)
{
	struct cor_tar_reader *t = calloc(1, sizeof(*t));

	if (t)
		t->buf = malloc(BUFFER_SIZE);
	if (!t || !t->buf) {
		free(t);
		return cor_error_oom(err);
	}
	t->source = source;
	t->source_data = source_data;
	*ret = t;
	return 0;
}

struct cor_tar_reader *cor_tar_reader_free(struct cor_tar_reader *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->entry.n_xattrs; i++) {
		free(t->entry.xattrs[i].name);
		free(t->entry.xattrs[i].value);
	}
	free(t->entry.xattrs);
	free(t->entry.extents);
	cor_buf_done(&t->local);
	cor_buf_done(&t->global);
	cor_buf_done(&t->long_name);
	cor_buf_done(&t->long_link);
	cor_buf_done(&t->name);
	cor_buf_done(&t->linkname);
	free(t->buf);
	free(t);
	return NULL;
}

uint64_t cor_tar_offset(const struct cor_tar_reader *t)
{
	return t->offset;
}

void tar_quote(char out[256], const char *name)
{
	size_t n = 0;

	for (; *name && n < 240; name++) {
		unsigned char c = (unsigned char)*name;
		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\')
			n += (size_t)snprintf(out + n, 5, "\\x%02x", c);
		else
			out[n++] = (char)c;
	}
	memcpy(out + n, *name ? "..." : "", *name ? 4 : 1);
}

int tar_fail(struct cor_tar_reader *t, struct cor_error *err, enum cor_code code, const char *fmt, ...)
{
	char what[200], name[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (t->have_entry) {
		tar_quote(name, t->entry.name);
		t->failed = cor_error_set(err, code, "tar entry \"%s\" at offset %llu: %s", name,
					  (unsigned long long)t->entry.offset, what);
	} else {
		t->failed = cor_error_set(err, code, "tar header at offset %llu: %s",
					  (unsigned long long)t->entry.offset, what);
	}
	return t->failed;
}

int tar_oom(struct cor_tar_reader *t, struct cor_error *err)
{
	t->failed = -ENOMEM;
	return cor_error_oom(err);
}

/* One read from the source behind what is buffered. 1, 0 at the end, -errno. */
static int fill(struct cor_tar_reader *t, struct cor_error *err)
{
	ssize_t n;

	if (t->eof)
		return 0;
	if (t->pos == t->len) {
		t->pos = t->len = 0;
	} else if (t->len == BUFFER_SIZE) {
		memmove(t->buf, t->buf + t->pos, t->len - t->pos);
		t->len -= t->pos;
		t->pos = 0;
	}
	n = t->source(t->source_data, t->buf + t->len, BUFFER_SIZE - t->len, err);
	if (n < 0) {
		t->failed = (int)n;
		return (int)n;
	}
	if (n == 0) {
		t->eof = true;
		return 0;
	}
	t->len += (size_t)n;
	return 1;
}

static void consume(struct cor_tar_reader *t, size_t n)
{
	t->pos += n;
	t->offset += n;
}

int tar_read_block(struct cor_tar_reader *t, const uint8_t **ret, struct cor_error *err)
{
	while (t->len - t->pos < COR_TAR_BLOCK) {
		int r = fill(t, err);

		if (r < 0)
			return r;
		if (r == 0 && t->len == t->pos)
			return 0;
		if (r == 0)
			return tar_fail(t, err, COR_DATA_LOSS, "truncated header");
	}
	*ret = t->buf + t->pos;
	consume(t, COR_TAR_BLOCK);
	return 1;
}

/* Some buffered bytes, at most max (> 0), without consuming them: their number or -errno. The stream's end is an
 * error here. */
static ssize_t peek(struct cor_tar_reader *t, uint64_t max, struct cor_error *err)
{
	if (t->pos == t->len) {
		int r = fill(t, err);

		if (r < 0)
			return r;
		if (r == 0)
			return tar_fail(t, err, COR_DATA_LOSS, "unexpected end of the stream");
	}
	return (ssize_t)MIN((uint64_t)(t->len - t->pos), max);
}

static int skip(struct cor_tar_reader *t, uint64_t n, struct cor_error *err)
{
	while (n > 0) {
		ssize_t got = peek(t, n, err);

		if (got < 0)
			return (int)got;
		consume(t, (size_t)got);
		n -= (uint64_t)got;
	}
	return 0;
}

int tar_read_payload(struct cor_tar_reader *t, uint64_t n, struct cor_buf *out, struct cor_error *err)
{
	uint64_t left = n;

	while (left > 0) {
		ssize_t got = peek(t, left, err);

		if (got < 0)
			return (int)got;
		if (cor_buf_append(out, t->buf + t->pos, (size_t)got) < 0)
			return tar_oom(t, err);
		consume(t, (size_t)got);
		left -= (uint64_t)got;
	}
	return skip(t, -n % COR_TAR_BLOCK, err);
}

int tar_finish_entry(struct cor_tar_reader *t, struct cor_error *err)
{
	int r = skip(t, t->stored, err);

	t->stored = 0;
	if (r >= 0)
		r = skip(t, t->padding, err);
	t->padding = 0;
	return r;
}

int cor_tar_read_data(struct cor_tar_reader *t, const void **ret, size_t *ret_n, uint64_t *ret_offset,
		      struct cor_error *err)
{
	const struct cor_tar_entry *e = &t->entry;
	uint64_t offset = e->size - t->stored, run = t->stored;
	ssize_t n;

	if (t->failed)
		return cor_error_wrap(err, t->failed, "read tar entry");
	if (t->stored == 0)
		return 0;
	if (e->sparse) {
		while (t->extent_done == e->extents[t->extent].length) {
			t->extent++; /* the runs together are as long as `stored`: there is one more */
			t->extent_done = 0;
		}
		offset = e->extents[t->extent].offset + t->extent_done;
		run = e->extents[t->extent].length - t->extent_done;
	}
	n = peek(t, run, err);
	if (n < 0)
		return (int)n;
	*ret = t->buf + t->pos;
	*ret_n = (size_t)n;
	*ret_offset = offset;
	consume(t, (size_t)n); /* the bytes stay where they are until the next fill */
	t->stored -= (uint64_t)n;
	t->extent_done += (uint64_t)n;
	return 1;
}

/* Where the next byte of data belongs in the file; its size when there is no more. */
static uint64_t next_data(struct cor_tar_reader *t)
{
	const struct cor_tar_entry *e = &t->entry;
	size_t i = t->extent;
	uint64_t done = t->extent_done;

	if (t->stored == 0)
		return e->size;
	if (!e->sparse)
		return e->size - t->stored;
	for (; done == e->extents[i].length; i++)
		done = 0;
	return e->extents[i].offset + done;
}

ssize_t cor_tar_read(struct cor_tar_reader *t, void *buf, size_t n, struct cor_error *err)
{
	uint64_t hole;
	ssize_t got;

	if (t->failed)
		return cor_error_wrap(err, t->failed, "read tar entry");
	hole = next_data(t) - t->logical;
	if (n == 0 || t->logical == t->entry.size)
		return 0;
	if (hole > 0) {
		n = (size_t)MIN(hole, (uint64_t)MIN(n, (size_t)INT32_MAX));
		memset(buf, 0, n);
		t->logical += n;
		return (ssize_t)n;
	}
	if (t->entry.sparse) {
		while (t->extent_done == t->entry.extents[t->extent].length) {
			t->extent++;
			t->extent_done = 0;
		}
		n = (size_t)MIN((uint64_t)n, t->entry.extents[t->extent].length - t->extent_done);
	}
	got = peek(t, MIN((uint64_t)n, t->stored), err);
	if (got < 0)
		return got;
	memcpy(buf, t->buf + t->pos, (size_t)got);
	consume(t, (size_t)got);
	t->stored -= (uint64_t)got;
	t->extent_done += (uint64_t)got;
	t->logical += (uint64_t)got;
	return got;
}

int cor_tar_read_all(struct cor_tar_reader *t, size_t max, char **ret, size_t *ret_len, struct cor_error *err)
{
	_cleanup_buf_ struct cor_buf out = {0};
	char chunk[8192];
	ssize_t n;
	char *text;

	if (t->entry.size > max)
		return cor_error_set(err, COR_RESOURCE_EXHAUSTED, "\"%s\" is larger than %zu bytes",
				     t->entry.name, max);
	while ((n = cor_tar_read(t, chunk, sizeof(chunk), err)) > 0)
		cor_buf_append(&out, chunk, (size_t)n);
	if (n < 0)
		return (int)n;
	if (ret_len)
		*ret_len = out.len;
	text = cor_buf_take(&out);
	if (!text)
		return cor_error_oom(err);
	*ret = text;
	return 0;
}

int cor_tar_drain(struct cor_tar_reader *t, struct cor_error *err)
{
	int r;

	if (t->failed)
		return cor_error_wrap(err, t->failed, "read tar stream");
	do {
		consume(t, t->len - t->pos);
		r = fill(t, err);
	} while (r > 0);
	return r;
}
