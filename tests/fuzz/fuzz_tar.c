/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar reader on any bytes. Checksums of blocks that look like headers are put right first, or hardly an input
 * would get past the first one. Reading the data, taking it in pieces and skipping it must find the same entries.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "layer/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static void put_checksums_right(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 512 <= size; at += 512) {
		uint8_t *h = data + at;
		unsigned sum = 0;

		if (memcmp(h + 257, "ustar", 5) != 0)
			continue;
		memset(h + 148, ' ', 8);
		for (size_t i = 0; i < 512; i++)
			sum += h[i];
		for (size_t i = 0; i < 6; i++)
			h[153 - i] = (uint8_t)('0' + (sum >> (3 * i) & 7));
		h[154] = 0;
	}
}

#define MAX_DATA (1 << 20) /* of a sparse file's zeros, per entry */

/* The data of one entry in one of three ways; false on an error. */
static bool take(struct cor_tar_reader *t, const struct cor_tar_entry *e, int how)
{
	uint64_t total = 0, offset = 0, last = 0;
	char buf[1000];
	const void *piece;
	size_t n;
	ssize_t got = 0;

	if (how == 1 && e->size <= MAX_DATA) {
		while ((got = cor_tar_read(t, buf, sizeof(buf), NULL)) > 0)
			total += (uint64_t)got;
		if (got == 0 && total != e->size)
			abort();
	} else if (how == 2) {
		while ((got = cor_tar_read_data(t, &piece, &n, &offset, NULL)) > 0) {
			if (n == 0 || offset < last || offset + n > e->size)
				abort();
			last = offset + n;
		}
	}
	return got >= 0;
}

static size_t run(const uint8_t *data, size_t size, int how, uint64_t *ret_offset)
{
	struct memory m = {.data = data, .n = size, .chunk = how == 1 ? 511 : SIZE_MAX};
	struct cor_tar_reader *t = NULL;
	const struct cor_tar_entry *e;
	size_t n = 0;

	if (cor_tar_reader_open(memory_read, &m, &t, NULL) < 0)
		abort();
	while (cor_tar_next(t, &e, NULL) > 0) {
		n++;
		if (e->uid == UINT32_MAX || e->gid == UINT32_MAX || e->mode > 07777 || e->size > INT64_MAX ||
		    e->mtime_nsec > 999999999 || e->atime_nsec > 999999999)
			abort();
		if (!take(t, e, how))
			break;
	}
	*ret_offset = cor_tar_offset(t);
	cor_tar_reader_free(t);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	uint64_t offset[3];
	size_t n[3];

	memcpy(copy, data, size);
	put_checksums_right(copy, size);
	for (int how = 0; how < 3; how++)
		n[how] = run(copy, size, how, &offset[how]);
	if (n[0] != n[1] || n[0] != n[2])
		abort();
	free(copy);
	return 0;
}
