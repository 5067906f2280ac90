/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip member headers (RFC 1952), a byte at a time. ISA-L's own parser (2.30) computes the wrong header CRC when a
 * header arrives in pieces, and takes reserved flags; so it only gets to see what is behind the header.
 */
#include <errno.h>

#include <zlib.h>

#include "layer/gzip.h"

enum { FLAG_HCRC = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16, FLAG_RESERVED = 0xe0 };
enum { FIXED, EXTRA_LEN, EXTRA, NAME, COMMENT, HCRC, DONE };

/* Steps over the parts that are not there. */
static void settle(struct gzip_header *h)
{
	for (;; h->stage++) {
		if ((h->stage == EXTRA_LEN && (h->flags & FLAG_EXTRA)) ||
		    (h->stage == EXTRA && h->extra > 0) || (h->stage == NAME && (h->flags & FLAG_NAME)) ||
		    (h->stage == COMMENT && (h->flags & FLAG_COMMENT)) ||
		    (h->stage == HCRC && (h->flags & FLAG_HCRC)) || h->stage == DONE)
			return;
	}
}

static void next_stage(struct gzip_header *h)
{
	h->stage++;
	h->count = 0;
	settle(h);
}

static int take_fixed(struct gzip_header *h, uint8_t c)
{
	static const uint8_t start[] = {0x1f, 0x8b, 8};

	if (h->count < 3 && c != start[h->count])
		return -EBADMSG;
	if (h->count == 3) {
		h->flags = c;
		if (c & FLAG_RESERVED)
			return -EBADMSG;
	}
	if (++h->count == 10)
		next_stage(h);
	return 0;
}

static int take_byte(struct gzip_header *h, uint8_t c)
{
	switch (h->stage) {
	case FIXED:
		return take_fixed(h, c);
	case EXTRA_LEN:
		h->extra = (uint16_t)(h->extra | c << (8 * h->count));
		if (++h->count == 2)
			next_stage(h);
		return 0;
	case EXTRA:
		if (++h->count == h->extra)
			next_stage(h);
		return 0;
	case NAME:
	case COMMENT:
		if (c == 0)
			next_stage(h);
		return 0;
	default: /* HCRC */
		if (c != (uint8_t)(h->crc >> (8 * h->count)))
			return -EBADMSG;
		if (++h->count == 2)
			next_stage(h);
		return 0;
	}
}

int gzip_header_take(struct gzip_header *h, struct gzip_io *io)
{
	while (h->stage != DONE && io->in_len > 0) {
		uint8_t c = *io->in;

		if (h->stage != HCRC)
			h->crc = (uint32_t)crc32(h->crc, &c, 1);
		if (take_byte(h, c) < 0)
			return -EBADMSG;
		io->in++;
		io->in_len--;
	}
	return h->stage == DONE;
}
