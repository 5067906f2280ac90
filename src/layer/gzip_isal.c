/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip through ISA-L, loaded with dlopen: Debian has no static archive of it, and linking the shared one costs every
 * command its loading. The library stays loaded once it is (RTLD_NODELETE), so looking it up again is cheap and no
 * table has to be kept in a global.
 */
#include "layer/gzip.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include <isa-l/igzip_lib.h>

#define LIBRARY "libisal.so.2"
#define LEVEL   1

static void *symbol(const char *name)
{
	void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	void *sym = lib ? dlsym(lib, name) : NULL;

	if (lib)
		dlclose(lib);
	return sym;
}
/* Only the types are taken from the header: nothing here links to the library. */
#define SYMBOL(fn) ((__typeof__(fn) *)symbol(#fn))

struct inflater {
	__typeof__(isal_inflate) *run;
	__typeof__(isal_inflate_reset) *reset;
	struct gzip_header header;
	struct inflate_state z;
};

static void *inflate_new(void)
{
	__typeof__(isal_inflate_init) *init = SYMBOL(isal_inflate_init);
	struct inflater *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->run = SYMBOL(isal_inflate);
	s->reset = SYMBOL(isal_inflate_reset);
	init(&s->z);
	s->z.crc_flag = ISAL_GZIP_NO_HDR_VER;
	return s;
}

static const char *reason(int r)
{
	switch (r) {
	case ISAL_INCORRECT_CHECKSUM:
		return "wrong checksum or length";
	default:
		return "malformed compressed data";
	}
}

static int inflate_run(void *state, struct gzip_io *io, const char **why)
{
	struct inflater *s = state;
	size_t in_len, out_len = io->out_len < INT32_MAX ? io->out_len : INT32_MAX;
	int r = gzip_header_take(&s->header, io);

	if (r < 0)
		*why = "malformed header";
	if (r <= 0)
		return r;
	in_len = io->in_len < INT32_MAX ? io->in_len : INT32_MAX;
	s->z.next_in = (uint8_t *)(uintptr_t)io->in; /* read only; the header lacks the const */
	s->z.avail_in = (uint32_t)in_len;
	s->z.next_out = io->out;
	s->z.avail_out = (uint32_t)out_len;
	r = s->run(&s->z);
	io->in_len -= in_len - s->z.avail_in;
	io->in = s->z.next_in;
	io->out_len -= out_len - s->z.avail_out;
	io->out = s->z.next_out;
	if (r < 0 || r == ISAL_NEED_DICT) {
		*why = reason(r);
		return -EBADMSG;
	}
	if (s->z.block_state != ISAL_BLOCK_FINISH)
		return 0;
	s->reset(&s->z);
	s->z.crc_flag = ISAL_GZIP_NO_HDR_VER;
	s->header = (struct gzip_header){0};
	return 1;
}

struct deflater {
	__typeof__(isal_deflate) *run;
	struct isal_zstream z;
	uint8_t level_buf[ISAL_DEF_LVL1_DEFAULT];
};

static void *deflate_new(void)
{
	__typeof__(isal_deflate_init) *init = SYMBOL(isal_deflate_init);
	struct deflater *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->run = SYMBOL(isal_deflate);
	init(&s->z);
	s->z.level = LEVEL;
	s->z.level_buf = s->level_buf;
	s->z.level_buf_size = sizeof(s->level_buf);
	s->z.gzip_flag = IGZIP_GZIP;
	return s;
}

static int deflate_run(void *state, struct gzip_io *io, bool finish)
{
	struct deflater *s = state;
	size_t in_len = io->in_len < INT32_MAX ? io->in_len : INT32_MAX;
	size_t out_len = io->out_len < INT32_MAX ? io->out_len : INT32_MAX;
	int r;

	s->z.next_in = (uint8_t *)(uintptr_t)io->in;
	s->z.avail_in = (uint32_t)in_len;
	s->z.next_out = io->out;
	s->z.avail_out = (uint32_t)out_len;
	s->z.end_of_stream = finish && in_len == io->in_len;
	s->z.flush = NO_FLUSH;
	r = s->run(&s->z);
	io->in_len -= in_len - s->z.avail_in;
	io->in = s->z.next_in;
	io->out_len -= out_len - s->z.avail_out;
	io->out = s->z.next_out;
	if (r != COMP_OK)
		return -EIO;
	return s->z.internal_state.state == ZSTATE_END;
}

static const struct gzip_backend backend = {
	.name = "isa-l",
	.inflate_new = inflate_new,
	.inflate = inflate_run,
	.inflate_free = free,
	.deflate_new = deflate_new,
	.deflate = deflate_run,
	.deflate_free = free,
};

const struct gzip_backend *gzip_isal(void)
{
	if (SYMBOL(isal_inflate_init) && SYMBOL(isal_inflate_reset) && SYMBOL(isal_inflate) &&
	    SYMBOL(isal_deflate_init) && SYMBOL(isal_deflate))
		return &backend;
	return NULL;
}

const struct gzip_backend *gzip_backend(void)
{
	const struct gzip_backend *isal = gzip_isal();

	return isal ? isal : &gzip_zlib;
}
