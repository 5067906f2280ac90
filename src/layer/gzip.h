/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ways to inflate and deflate gzip: ISA-L (igzip, several times faster; loaded when first needed, because loading a
 * shared library costs start-up time that most commands never need to spend) and zlib (linked in, always there).
 * Both check the member's header, CRC-32 and length. decompress.c and compress.c use whichever gzip_backend() gives.
 */
#ifndef COR_LAYER_GZIP_H
#define COR_LAYER_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What goes in and what comes out; the functions advance it. */
struct gzip_io {
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t out_len;
};

/* A member's header being read. Starts zeroed. */
struct gzip_header {
	unsigned stage, count;
	uint8_t flags;
	uint16_t extra;
	uint32_t crc;
};
/* Consumes header bytes: 1 when all of it was read, 0: more input, -EBADMSG. */
int gzip_header_take(struct gzip_header *h, struct gzip_io *io);

struct gzip_backend {
	const char *name;
	/* A new state or NULL (no memory). */
	void *(*inflate_new)(void);
	/* Until input or output is used up or the member ends: 1 when the member has ended (the state is then ready for
	 * the next one), 0 to be called again, -EBADMSG for corrupt data. *why then says what is wrong. */
	int (*inflate)(void *state, struct gzip_io *io, const char **why);
	void (*inflate_free)(void *state);
	void *(*deflate_new)(void);
	/* finish: no more input follows; call until 1 (all is written). 0: again, -EIO. */
	int (*deflate)(void *state, struct gzip_io *io, bool finish);
	void (*deflate_free)(void *state);
};

extern const struct gzip_backend gzip_zlib;
/* NULL when libisal cannot be loaded. */
const struct gzip_backend *gzip_isal(void);
/* ISA-L where it is installed, else zlib. */
const struct gzip_backend *gzip_backend(void);

#endif
