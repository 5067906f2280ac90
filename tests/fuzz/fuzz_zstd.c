/* SPDX-License-Identifier: Apache-2.0 */
/* zstd: any bytes as a stream, in two ways to cut it; and the bytes as contents, there and back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "layer/layer.h"

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

static int read_all(const void *data, size_t n, size_t chunk, struct cor_buf *out)
{
	struct memory m = {.data = data, .n = n, .chunk = chunk};
	struct cor_decompress *d = NULL;
	char buf[3000];
	ssize_t got;

	if (cor_decompress_open(memory_read, &m, &d, NULL) < 0)
		return -1;
	while ((got = cor_decompress_read(d, buf, sizeof(buf), NULL)) > 0 && out->len < MAX_OUT)
		cor_buf_append(out, buf, (size_t)got);
	cor_decompress_free(d);
	return got < 0 ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct cor_buf a = {0}, b = {0}, packed = {0}, back = {0};
	struct cor_compress *c = NULL;
	int x = read_all(data, size, SIZE_MAX, &a), y = read_all(data, size, 5, &b);

	if (x != y ||
	    (x == 0 && a.len < MAX_OUT && (a.len != b.len || (a.len && memcmp(a.data, b.data, a.len) != 0))))
		abort();
	if (size > MAX_OUT)
		return 0;
	if (cor_compress_open(COR_COMPRESSION_ZSTD, buf_write, &packed, &c, NULL) < 0 ||
	    cor_compress_write(c, data, size, NULL) < 0 || cor_compress_finish(c, NULL) < 0)
		abort();
	cor_compress_free(c);
	if (read_all(packed.data, packed.len, 64, &back) < 0 || back.len != size ||
	    (size && memcmp(back.data, data, size) != 0))
		abort();
	return 0;
}
