/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompression of a pulled stream. Output goes straight into the reader's buffer; one input buffer is all there is in
 * between. A stream that ends inside a member or frame, and one with garbage behind the last, is corrupt: what was
 * handed out before must not be taken for the whole.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <zstd.h>

#include "base/alloc.h"
#include "layer/compression.h"

#define INPUT_SIZE (128 * 1024)
#define HEAD_SIZE  16 /* what detection looks at */

struct cor_decompress {
	cor_read_fn source;
	void *source_data;
	enum cor_compression kind;
	uint8_t *buf;
	size_t pos, len;
	bool eof;
	bool inside;   /* a member or frame has begun and not ended */
	bool trailing; /* zero padding behind the last gzip member */
	int failed;
	const struct gzip_backend *gzip;
	void *inflater;
	ZSTD_DStream *zstd;
};

struct magic {
	const char *name;
	const char *bytes;
	size_t n;
};

int cor_compression_detect(const void *head, size_t n, enum cor_compression *ret, struct cor_error *err)
{
	/* bzip2's and lzip's three letters could begin a file name in a plain tar: more of them is asked for. */
	static const struct magic unsupported[] = {
		{"xz",
		 "\xfd"
		 "7zXZ\0",
		 6},
		{"lz4", "\x04\x22\x4d\x18", 4},
		{"lzip", "LZIP\x01", 5},
		{"compress", "\x1f\x9d", 2},
	};
	const uint8_t *b = head;

	if (n >= 2 && b[0] == 0x1f && b[1] == 0x8b) {
		*ret = COR_COMPRESSION_GZIP;
		return 0;
	}
	if (n >= 4 && (memcmp(b, "\x28\xb5\x2f\xfd", 4) == 0 ||
		       ((b[0] & 0xf0) == 0x50 && memcmp(b + 1, "\x2a\x4d\x18", 3) == 0))) {
		*ret = COR_COMPRESSION_ZSTD;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++)
		if (n >= unsupported[i].n && memcmp(b, unsupported[i].bytes, unsupported[i].n) == 0)
			return cor_error_set(err, COR_UNIMPLEMENTED, "unsupported compression %s",
					     unsupported[i].name);
	if (n >= 10 && memcmp(b, "BZh", 3) == 0 && b[3] >= '1' && b[3] <= '9' &&
	    (memcmp(b + 4, "\x31\x41\x59\x26\x53\x59", 6) == 0 ||
	     memcmp(b + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0))
		return cor_error_set(err, COR_UNIMPLEMENTED, "unsupported compression bzip2");
	*ret = COR_COMPRESSION_NONE;
	return 0;
}

/* One read behind what is buffered. 1, 0 at the end of the source, -errno. */
static int fill(struct cor_decompress *d, struct cor_error *err)
{
	ssize_t n;

	if (d->eof)
		return 0;
	if (d->pos == d->len)
		d->pos = d->len = 0;
	n = d->source(d->source_data, d->buf + d->len, INPUT_SIZE - d->len, err);
	if (n < 0)
		return (int)n;
	d->eof = n == 0;
	d->len += (size_t)n;
	return n > 0;
}

static int open_codec(struct cor_decompress *d, struct cor_error *err)
{
	if (d->kind == COR_COMPRESSION_GZIP) {
		if (!d->gzip)
			d->gzip = gzip_backend();
		d->inflater = d->gzip->inflate_new();
		return d->inflater ? 0 : cor_error_oom(err);
	}
	if (d->kind == COR_COMPRESSION_ZSTD) {
		d->zstd = ZSTD_createDStream();
		if (!d->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax,
								    COMPRESSION_ZSTD_WINDOW_LOG)))
			return cor_error_oom(err);
	}
	return 0;
}

COR_DEFINE_CLEANUP(struct cor_decompress, cor_decompress_free)

int decompress_open_with(const struct gzip_backend *gzip, cor_read_fn source, void *source_data,
			 struct cor_decompress **ret, struct cor_error *err)
{
	_cleanup_(cor_decompress_freep) struct cor_decompress *d = calloc(1, sizeof(*d));
	int r = 1;

	if (!d)
		return cor_error_oom(err);
	d->source = source;
	d->source_data = source_data;
	d->gzip = gzip;
	d->buf = malloc(INPUT_SIZE);
	if (!d->buf)
		return cor_error_oom(err);
	while (r > 0 && d->len < HEAD_SIZE)
		r = fill(d, err);
	if (r < 0)
		return r;
	r = cor_compression_detect(d->buf, d->len, &d->kind, err);
	if (r >= 0)
		r = open_codec(d, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

int cor_decompress_open(cor_read_fn source, void *source_data, struct cor_decompress **ret,
			struct cor_error *err)
{
	return decompress_open_with(NULL, source, source_data, ret, err);
}

enum cor_compression cor_decompress_kind(const struct cor_decompress *d)
{
	return d->kind;
}

static ssize_t read_plain(struct cor_decompress *d, void *buf, size_t n, struct cor_error *err)
{
	if (d->pos == d->len) {
		/* Nothing to transform: past the head the source fills the caller's buffer itself. */
		return d->eof ? 0 : d->source(d->source_data, buf, n, err);
	}
	n = MIN(n, d->len - d->pos);
	memcpy(buf, d->buf + d->pos, n);
	d->pos += n;
	return (ssize_t)n;
}

/* Between members: another one, or zeros up to the end. 1: a member begins, 0: the end, -errno. */
static int next_member(struct cor_decompress *d, struct cor_error *err)
{
	for (;;) {
		int r;

		while (d->pos < d->len && d->buf[d->pos] == 0) {
			d->trailing = true;
			d->pos++;
		}
		if (d->pos < d->len) {
			if (d->trailing || d->buf[d->pos] != 0x1f)
				return cor_error_set(err, COR_DATA_LOSS, "garbage behind gzip data");
			return 1;
		}
		r = fill(d, err);
		if (r <= 0)
			return r;
	}
}

static ssize_t read_gzip(struct cor_decompress *d, void *buf, size_t n, struct cor_error *err)
{
	struct gzip_io io = {.out = buf, .out_len = n};

	while (io.out_len == n) {
		const char *why = "malformed data";
		int r;

		if (!d->inside) {
			r = next_member(d, err);
			if (r <= 0)
				return r;
			d->inside = true;
		}
		if (d->pos == d->len) {
			r = fill(d, err);
			if (r < 0)
				return r;
			/* The end of the input is no news to a decoder that still holds output. */
		}
		io.in = d->buf + d->pos;
		io.in_len = d->len - d->pos;
		r = d->gzip->inflate(d->inflater, &io, &why);
		d->pos = d->len - io.in_len;
		if (r < 0)
			return cor_error_set(err, COR_DATA_LOSS, "corrupt gzip data: %s", why);
		if (r > 0)
			d->inside = false;
		else if (d->eof && d->pos == d->len && io.out_len == n)
			return cor_error_set(err, COR_DATA_LOSS, "truncated gzip data");
	}
	return (ssize_t)(n - io.out_len);
}

static ssize_t read_zstd(struct cor_decompress *d, void *buf, size_t n, struct cor_error *err)
{
	ZSTD_outBuffer out = {buf, n, 0};

	while (out.pos == 0) {
		ZSTD_inBuffer in;
		size_t z;

		if (d->pos == d->len) {
			int r = fill(d, err);

			if (r < 0)
				return r;
			if (r == 0 && !d->inside)
				return 0;
		}
		in = (ZSTD_inBuffer){d->buf + d->pos, d->len - d->pos, 0};
		z = ZSTD_decompressStream(d->zstd, &out, &in);
		d->pos += in.pos;
		if (ZSTD_isError(z))
			return cor_error_set(err, COR_DATA_LOSS, "corrupt zstd data: %s",
					     ZSTD_getErrorName(z));
		d->inside = z != 0;
		if (d->inside && d->eof && d->pos == d->len && out.pos == 0)
			return cor_error_set(err, COR_DATA_LOSS, "truncated zstd data");
	}
	return (ssize_t)out.pos;
}

ssize_t cor_decompress_read(struct cor_decompress *d, void *buf, size_t n, struct cor_error *err)
{
	ssize_t r;

	if (d->failed)
		return cor_error_wrap(err, d->failed, "decompress");
	if (n == 0)
		return 0;
	if (d->kind == COR_COMPRESSION_GZIP)
		r = read_gzip(d, buf, n, err);
	else if (d->kind == COR_COMPRESSION_ZSTD)
		r = read_zstd(d, buf, n, err);
	else
		r = read_plain(d, buf, n, err);
	if (r < 0)
		d->failed = (int)r;
	return r;
}

struct cor_decompress *cor_decompress_free(struct cor_decompress *d)
{
	if (!d)
		return NULL;
	if (d->inflater)
		d->gzip->inflate_free(d->inflater);
	ZSTD_freeDStream(d->zstd);
	free(d->buf);
	free(d);
	return NULL;
}
