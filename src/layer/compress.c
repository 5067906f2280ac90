/* SPDX-License-Identifier: Apache-2.0 */
/* Compression of a pushed stream into a sink; what cor_layer_diff's output goes through on its way to the store. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <zstd.h>

#include "base/alloc.h"
#include "layer/compression.h"

#define OUTPUT_SIZE (128 * 1024)
#define ZSTD_LEVEL  3

struct cor_compress {
	cor_write_fn sink;
	void *sink_data;
	enum cor_compression kind;
	const struct gzip_backend *gzip;
	void *deflater;
	ZSTD_CStream *zstd;
	uint8_t *buf;
	bool finished;
};

COR_DEFINE_CLEANUP(struct cor_compress, cor_compress_free)

int compress_open_with(const struct gzip_backend *gzip, enum cor_compression kind, cor_write_fn sink,
		       void *sink_data, struct cor_compress **ret, struct cor_error *err)
{
	_cleanup_(cor_compress_freep) struct cor_compress *c = calloc(1, sizeof(*c));

	if (!c)
		return cor_error_oom(err);
	c->sink = sink;
	c->sink_data = sink_data;
	c->kind = kind;
	c->buf = malloc(OUTPUT_SIZE);
	if (!c->buf)
		return cor_error_oom(err);
	if (kind == COR_COMPRESSION_GZIP) {
		c->gzip = gzip ? gzip : gzip_backend();
		c->deflater = c->gzip->deflate_new();
		if (!c->deflater)
			return cor_error_oom(err);
	} else if (kind == COR_COMPRESSION_ZSTD) {
		c->zstd = ZSTD_createCStream();
		if (!c->zstd ||
		    ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) ||
		    ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1)))
			return cor_error_oom(err);
	}
	*ret = TAKE_PTR(c);
	return 0;
}

int cor_compress_open(enum cor_compression kind, cor_write_fn sink, void *sink_data,
		      struct cor_compress **ret, struct cor_error *err)
{
	return compress_open_with(NULL, kind, sink, sink_data, ret, err);
}

static int run_gzip(struct cor_compress *c, const void *data, size_t n, bool finish, struct cor_error *err)
{
	struct gzip_io io = {.in = data, .in_len = n};
	int done = 0;

	do {
		int r;

		io.out = c->buf;
		io.out_len = OUTPUT_SIZE;
		done = c->gzip->deflate(c->deflater, &io, finish);
		if (done < 0)
			return cor_error_set(err, COR_INTERNAL, "gzip compression failed");
		if (io.out_len < OUTPUT_SIZE) {
			r = c->sink(c->sink_data, c->buf, OUTPUT_SIZE - io.out_len, err);
			if (r < 0)
				return r;
		}
	} while (finish ? !done : io.in_len > 0 || io.out_len == 0);
	return 0;
}

static int run_zstd(struct cor_compress *c, const void *data, size_t n, bool finish, struct cor_error *err)
{
	ZSTD_inBuffer in = {data, n, 0};
	size_t left;

	do {
		ZSTD_outBuffer out = {c->buf, OUTPUT_SIZE, 0};
		int r;

		left = ZSTD_compressStream2(c->zstd, &out, &in, finish ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return cor_error_set(err, COR_INTERNAL, "zstd compression failed: %s",
					     ZSTD_getErrorName(left));
		if (out.pos > 0) {
			r = c->sink(c->sink_data, c->buf, out.pos, err);
			if (r < 0)
				return r;
		}
	} while (finish ? left > 0 : in.pos < in.size);
	return 0;
}

static int run(struct cor_compress *c, const void *buf, size_t n, bool finish, struct cor_error *err)
{
	if (c->finished)
		return cor_error_set(err, COR_FAILED_PRECONDITION, "compressed stream is finished already");
	if (c->kind == COR_COMPRESSION_GZIP)
		return run_gzip(c, buf, n, finish, err);
	if (c->kind == COR_COMPRESSION_ZSTD)
		return run_zstd(c, buf, n, finish, err);
	return n > 0 ? c->sink(c->sink_data, buf, n, err) : 0;
}

int cor_compress_write(struct cor_compress *c, const void *buf, size_t n, struct cor_error *err)
{
	return n > 0 ? run(c, buf, n, false, err) : 0;
}

int cor_compress_finish(struct cor_compress *c, struct cor_error *err)
{
	int r = run(c, "", 0, true, err);

	if (r >= 0)
		c->finished = true;
	return r;
}

struct cor_compress *cor_compress_free(struct cor_compress *c)
{
	if (!c)
		return NULL;
	if (c->deflater)
		c->gzip->deflate_free(c->deflater);
	ZSTD_freeCStream(c->zstd);
	free(c->buf);
	free(c);
	return NULL;
}
