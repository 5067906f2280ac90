/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sparse files in GNU's four formats: the old header with its chain of extension headers, and pax 0.0 (a record per
 * number), 0.1 (one record) and 1.0 (the map in front of the data). Whatever the format, a map is accepted only when
 * its runs are ordered, inside the file, and together exactly as long as the data that is stored.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "layer/tar_internal.h"

/* More runs than an extension of the largest size can describe. */
#define MAX_EXTENTS (COR_TAR_EXTENSION_MAX / 4)

int tar_extent_add(struct cor_tar_reader *t, uint64_t offset, uint64_t length, struct cor_error *err)
{
	struct cor_tar_entry *e = &t->entry;

	if (e->n_extents >= MAX_EXTENTS)
		return tar_fail(t, err, COR_INVALID_ARGUMENT, "sparse map has more than %d runs",
				MAX_EXTENTS);
	if (cor_grow(&e->extents, &t->cap_extents, e->n_extents + 1, sizeof(*e->extents)) < 0)
		return tar_oom(t, err);
	e->extents[e->n_extents++] = (struct cor_tar_extent){offset, length};
	return 0;
}

static int finish_map(struct cor_tar_reader *t, uint64_t size, struct cor_error *err)
{
	struct cor_tar_entry *e = &t->entry;
	uint64_t place = 0, sum = 0;

	if (size > INT64_MAX)
		return tar_fail(t, err, COR_INVALID_ARGUMENT, "sparse file's size is out of range");
	for (size_t i = 0; i < e->n_extents; i++) {
		uint64_t end;

		if (e->extents[i].offset < place ||
		    __builtin_add_overflow(e->extents[i].offset, e->extents[i].length, &end) || end > size)
			return tar_fail(t, err, COR_DATA_LOSS, "malformed sparse map");
		place = end;
		sum += e->extents[i].length;
	}
	if (sum != t->stored)
		return tar_fail(t, err, COR_DATA_LOSS, "sparse map does not match the stored data");
	e->sparse = true;
	e->size = size;
	return 0;
}

/* The slots of a header or extension header, up to the first empty one. */
static int take_slots(struct cor_tar_reader *t, const uint8_t *slots, size_t n, struct cor_error *err)
{
	for (size_t i = 0; i < n && slots[i * 24] != 0; i++) {
		int64_t offset, length;
		int r;

		if (tar_number(slots + i * 24, 12, &offset) < 0 ||
		    tar_number(slots + i * 24 + 12, 12, &length) < 0 || offset < 0 || length < 0)
			return tar_fail(t, err, COR_DATA_LOSS, "malformed sparse map");
		r = tar_extent_add(t, (uint64_t)offset, (uint64_t)length, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int tar_sparse_old(struct cor_tar_reader *t, const uint8_t header[COR_TAR_BLOCK], struct cor_error *err)
{
	bool more = header[TAR_GNU_EXTENDED] != 0;
	size_t blocks = 0;
	int64_t size;
	int r;

	if (tar_number(header + TAR_GNU_REALSIZE, 12, &size) < 0 || size < 0)
		return tar_fail(t, err, COR_DATA_LOSS, "malformed size of a sparse file");
	r = take_slots(t, header + TAR_GNU_SPARSE, TAR_GNU_SPARSE_SLOTS, err);
	while (r >= 0 && more) {
		const uint8_t *block;

		if (++blocks > COR_TAR_EXTENSION_MAX / COR_TAR_BLOCK)
			return tar_fail(t, err, COR_INVALID_ARGUMENT, "sparse map is too large");
		r = tar_read_block(t, &block, err);
		if (r == 0)
			return tar_fail(t, err, COR_DATA_LOSS, "truncated sparse map");
		if (r < 0)
			return r;
		more = block[TAR_GNU_EXT_EXTENDED] != 0;
		r = take_slots(t, block, TAR_GNU_EXT_SLOTS, err);
	}
	return r < 0 ? r : finish_map(t, (uint64_t)size, err);
}

/* "offset,length,offset,length" */
static int map_0_1(struct cor_tar_reader *t, const struct tar_pax *pax, struct cor_error *err)
{
	const char *s = pax->sparse_map, *end = s + pax->sparse_map_len;
	uint64_t number[2];
	size_t n = 0;

	t->entry.n_extents = 0; /* some writers give both forms */
	while (s < end) {
		const char *comma = memchr(s, ',', (size_t)(end - s));
		const char *stop = comma ? comma : end;

		if (tar_decimal(s, (size_t)(stop - s), &number[n % 2]) < 0 || comma == end - 1)
			return tar_fail(t, err, COR_DATA_LOSS, "malformed sparse map");
		if (n++ % 2 == 1) {
			int r = tar_extent_add(t, number[0], number[1], err);
			if (r < 0)
				return r;
		}
		s = stop + 1;
	}
	if (n % 2 == 1)
		return tar_fail(t, err, COR_DATA_LOSS, "malformed sparse map");
	return 0;
}

/* Format 1.0's map: decimal lines in whole blocks in front of the data. */
struct map_lines {
	struct cor_tar_reader *t;
	uint8_t block[COR_TAR_BLOCK];
	size_t pos;
	uint64_t taken;
};

static int map_line(struct map_lines *m, uint64_t *ret, struct cor_error *err)
{
	char digits[24];
	size_t n = 0;

	for (;;) {
		if (m->pos == COR_TAR_BLOCK) {
			const uint8_t *block;
			int r;

			if (m->taken >= COR_TAR_EXTENSION_MAX || m->t->stored < COR_TAR_BLOCK)
				return tar_fail(m->t, err, COR_DATA_LOSS, "sparse map is too large");
			r = tar_read_block(m->t, &block, err);
			if (r == 0)
				return tar_fail(m->t, err, COR_DATA_LOSS, "truncated sparse map");
			if (r < 0)
				return r;
			memcpy(m->block, block, COR_TAR_BLOCK);
			m->t->stored -= COR_TAR_BLOCK;
			m->taken += COR_TAR_BLOCK;
			m->pos = 0;
		}
		uint8_t c = m->block[m->pos++];
		if (c == '\n')
			break;
		if (n == sizeof(digits))
			return tar_fail(m->t, err, COR_DATA_LOSS, "malformed sparse map");
		digits[n++] = (char)c;
	}
	if (tar_decimal(digits, n, ret) < 0)
		return tar_fail(m->t, err, COR_DATA_LOSS, "malformed sparse map");
	return 0;
}

static int map_1_0(struct cor_tar_reader *t, struct cor_error *err)
{
	struct map_lines m = {.t = t, .pos = COR_TAR_BLOCK};
	uint64_t n;
	int r = map_line(&m, &n, err);

	t->entry.n_extents = 0;
	for (uint64_t i = 0; r >= 0 && i < n; i++) {
		uint64_t offset, length;

		r = map_line(&m, &offset, err);
		if (r >= 0)
			r = map_line(&m, &length, err);
		if (r >= 0)
			r = tar_extent_add(t, offset, length, err);
	}
	return r;
}

int tar_sparse_pax(struct cor_tar_reader *t, const struct tar_pax *pax, struct cor_error *err)
{
	int major = pax->sparse_major, minor = pax->sparse_minor, r = 0;
	bool any =
		major >= 0 || minor >= 0 || pax->sparse_map || t->entry.n_extents > 0 || pax->has_sparse_size;

	if (pax->sparse_pending)
		return tar_fail(t, err, COR_DATA_LOSS, "malformed sparse map");
	if (!any)
		return 0;
	if (t->entry.type != COR_TAR_FILE)
		return tar_fail(t, err, COR_DATA_LOSS, "sparse map of an entry that is not a file");
	if (!pax->has_sparse_size)
		return tar_fail(t, err, COR_DATA_LOSS, "sparse map without the file's size");
	if (major <= 0 && minor <= 1) {
		if (pax->sparse_map)
			r = map_0_1(t, pax, err);
	} else if (major == 1 && minor <= 0) {
		r = map_1_0(t, err);
	} else {
		return tar_fail(t, err, COR_INVALID_ARGUMENT, "unsupported sparse format %d.%d", major,
				minor);
	}
	return r < 0 ? r : finish_map(t, pax->sparse_size, err);
}
