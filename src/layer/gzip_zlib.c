/* SPDX-License-Identifier: Apache-2.0 */
/* gzip through zlib: what is used where ISA-L is not installed. */
#include "layer/gzip.h"

#include <errno.h>
#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#define GZIP_ONLY 16 /* added to the window bits */

static void *inflate_new(void)
{
	z_stream *z = calloc(1, sizeof(*z));

	if (z && inflateInit2(z, MAX_WBITS + GZIP_ONLY) != Z_OK) {
		free(z);
		return NULL;
	}
	return z;
}

static void load(z_stream *z, const struct gzip_io *io)
{
	z->next_in = io->in;
	z->avail_in = (uInt)(io->in_len < INT32_MAX ? io->in_len : INT32_MAX);
	z->next_out = io->out;
	z->avail_out = (uInt)(io->out_len < INT32_MAX ? io->out_len : INT32_MAX);
}

static void store(const z_stream *z, struct gzip_io *io)
{
	io->in_len -= (size_t)(z->next_in - io->in);
	io->in = z->next_in;
	io->out_len -= (size_t)(z->next_out - io->out);
	io->out = z->next_out;
}

static int inflate_run(void *state, struct gzip_io *io, const char **why)
{
	z_stream *z = state;
	int r;

	load(z, io);
	r = inflate(z, Z_NO_FLUSH);
	store(z, io);
	if (r == Z_STREAM_END)
		return inflateReset(z) == Z_OK ? 1 : -EBADMSG;
	if (r == Z_OK || r == Z_BUF_ERROR)
		return 0;
	*why = z->msg ? z->msg : "malformed compressed data";
	return -EBADMSG;
}

static void inflate_free(void *state)
{
	if (state)
		inflateEnd(state);
	free(state);
}

static void *deflate_new(void)
{
	z_stream *z = calloc(1, sizeof(*z));

	if (z && deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + GZIP_ONLY, 8,
			      Z_DEFAULT_STRATEGY) != Z_OK) {
		free(z);
		return NULL;
	}
	return z;
}

static int deflate_run(void *state, struct gzip_io *io, bool finish)
{
	z_stream *z = state;
	int r;

	load(z, io);
	r = deflate(z, finish && z->avail_in == io->in_len ? Z_FINISH : Z_NO_FLUSH);
	store(z, io);
	if (r == Z_STREAM_END)
		return 1;
	return r == Z_OK || r == Z_BUF_ERROR ? 0 : -EIO;
}

static void deflate_free(void *state)
{
	if (state)
		deflateEnd(state);
	free(state);
}

const struct gzip_backend gzip_zlib = {
	.name = "zlib",
	.inflate_new = inflate_new,
	.inflate = inflate_run,
	.inflate_free = inflate_free,
	.deflate_new = deflate_new,
	.deflate = deflate_run,
	.deflate_free = deflate_free,
};
