/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip both ways: any bytes through both inflaters, which must agree on what they take; and the bytes as contents, out
 * of one's deflater into the other's inflater.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "layer/compression.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_OUT (1 << 20)

struct memory {
	const uint8_t *data;
	size_t n, pos, chunk;
};

static ssize_t memory_read(void *arg, void *buf, size_t n, struct cor_error *err)
{
	struct memory *m = arg;

	n = MIN(MIN(n, m->chunk), m->n - m->pos);
	memcpy(buf, m->data + m->pos, n);
	m->pos += n;
	return (ssize_t)n;
}

static int buf_write(void *arg, const void *buf, size_t n, struct cor_error *err)
{
	return cor_buf_append(arg, buf, n);
}

/* 0 when all of it was taken. */
static int inflate_all(const struct gzip_backend *gzip, const void *data, size_t n, size_t chunk,
		       struct cor_buf *out)
{
	struct memory m = {.data = data, .n = n, .chunk = chunk};
	struct cor_decompress *d = NULL;
	char buf[3000];
	ssize_t got;

	if (decompress_open_with(gzip, memory_read, &m, &d, NULL) < 0)
		return -1;
	while ((got = cor_decompress_read(d, buf, sizeof(buf), NULL)) > 0 && out->len < MAX_OUT)
		cor_buf_append(out, buf, (size_t)got);
	cor_decompress_free(d);
	return got < 0 ? -1 : 0;
}

static void round_trip(const struct gzip_backend *to, const struct gzip_backend *from, const void *data,
		       size_t n)
{
	_cleanup_buf_ struct cor_buf packed = {0}, out = {0};
	struct cor_compress *c = NULL;

	if (n > MAX_OUT)
		return;
	if (compress_open_with(to, COR_COMPRESSION_GZIP, buf_write, &packed, &c, NULL) < 0 ||
	    cor_compress_write(c, data, n, NULL) < 0 || cor_compress_finish(c, NULL) < 0)
		abort();
	cor_compress_free(c);
	if (inflate_all(from, packed.data, packed.len, 100, &out) < 0 || out.len != n ||
	    (n > 0 && memcmp(out.data, data, n) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct gzip_backend *isal = gzip_backend();
	_cleanup_buf_ struct cor_buf a = {0}, b = {0}, c = {0};
	int x = inflate_all(isal, data, size, SIZE_MAX, &a), y = inflate_all(&gzip_zlib, data, size, 7, &b);
	int z = inflate_all(isal, data, size, 7, &c);

	/* Pieces change nothing; what both take is the same. */
	if (x != z || (x == 0 && (a.len != c.len || (a.len && memcmp(a.data, c.data, a.len) != 0))))
		abort();
	if (x == 0 && y == 0 && (a.len != b.len || (a.len && memcmp(a.data, b.data, a.len) != 0)))
		abort();
	round_trip(isal, &gzip_zlib, data, size);
	round_trip(&gzip_zlib, isal, data, size);
	return 0;
}
