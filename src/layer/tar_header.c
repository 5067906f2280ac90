/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar reader's headers: from blocks to entries. Extension headers (pax 'x' and 'g', GNU 'L' and 'K') are gathered
 * until the entry they belong to comes; then the header's own fields, the global records, the entry's records and
 * GNU's names are laid over each other in this order, as Go's archive/tar does.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "layer/tar_internal.h"

/* All global records together: they are looked at again for every entry. */
#define GLOBAL_MAX (64 * 1024)

static bool is_zero(const uint8_t *block)
{
	return block[0] == 0 && memcmp(block, block + 1, COR_TAR_BLOCK - 1) == 0;
}

/* The sum of all bytes with the checksum field taken as blanks; some old writers added signed chars. */
static bool checksum_fits(const uint8_t *block)
{
	int64_t want, sum = 0, signed_sum = 0;

	if (tar_number(block + TAR_CHKSUM, 8, &want) < 0)
		return false;
	for (size_t i = 0; i < COR_TAR_BLOCK; i++) {
		uint8_t c = i >= TAR_CHKSUM && i < TAR_CHKSUM + 8 ? ' ' : block[i];
		sum += c;
		signed_sum += (int8_t)c;
	}
	return want == sum || want == signed_sum;
}

static enum tar_format format_of(const uint8_t *block)
{
	const uint8_t *magic = block + TAR_MAGIC;

	if (memcmp(magic, "ustar  ", 8) == 0)
		return TAR_GNU;
	if (memcmp(magic, "ustar", 6) != 0)
		return TAR_V7;
	return memcmp(block + TAR_STAR_TRAILER, "tar", 4) == 0 ? TAR_STAR : TAR_USTAR;
}

/* A field up to its first NUL, into a reused buffer. */
static int set_string(struct cor_tar_reader *t, struct cor_buf *b, const void *s, size_t max,
		      struct cor_error *err)
{
	b->len = 0;
	if (cor_buf_append(b, s, strnlen(s, max)) < 0 || cor_buf_char(b, 0) < 0)
		return tar_oom(t, err);
	b->len--;
	return 0;
}

static int append_field(struct cor_buf *b, const uint8_t *s, size_t max)
{
	return cor_buf_append(b, s, strnlen((const char *)s, max));
}

/* Names as the header itself has them. */
static int header_names(struct cor_tar_reader *t, const uint8_t *h, enum tar_format format,
			struct cor_error *err)
{
	size_t prefix = format == TAR_USTAR ? TAR_PREFIX_LEN : format == TAR_STAR ? TAR_STAR_PREFIX_LEN : 0;
	int r = 0;

	t->name.len = 0;
	if (prefix > 0 && h[TAR_PREFIX] != 0) {
		r = append_field(&t->name, h + TAR_PREFIX, prefix);
		if (r >= 0)
			r = cor_buf_char(&t->name, '/');
	}
	if (r >= 0)
		r = append_field(&t->name, h + TAR_NAME, TAR_NAME_LEN);
	if (r >= 0)
		r = cor_buf_char(&t->name, 0);
	if (r < 0)
		return tar_oom(t, err);
	t->name.len--;
	r = set_string(t, &t->linkname, h + TAR_LINKNAME, TAR_LINKNAME_LEN, err);
	t->entry.name = t->name.data;
	t->entry.linkname = t->linkname.data;
	t->have_entry = true;
	return r;
}

static int entry_type(struct cor_tar_reader *t, uint8_t flag, enum cor_tar_type *ret, struct cor_error *err)
{
	size_t n = t->name.len;

	switch (flag) {
	case 0:
		*ret = n > 0 && t->name.data[n - 1] == '/' ? COR_TAR_DIRECTORY : COR_TAR_FILE;
		return 0;
	case '0':
	case '7':
	case 'S':
		*ret = COR_TAR_FILE;
		return 0;
	case '1':
		*ret = COR_TAR_HARDLINK;
		return 0;
	case '2':
		*ret = COR_TAR_SYMLINK;
		return 0;
	case '3':
		*ret = COR_TAR_CHAR;
		return 0;
	case '4':
		*ret = COR_TAR_BLOCK_DEVICE;
		return 0;
	case '5':
		*ret = COR_TAR_DIRECTORY;
		return 0;
	case '6':
		*ret = COR_TAR_FIFO;
		return 0;
	default:
		return tar_fail(t, err, COR_INVALID_ARGUMENT, "unsupported entry type 0x%02x", flag);
	}
}

/* A field that must be a number in 0..max. */
static int field(struct cor_tar_reader *t, const uint8_t *f, size_t n, const char *what, int64_t max,
		 int64_t *ret, struct cor_error *err)
{
	int r = tar_number(f, n, ret);

	if (r == -EINVAL)
		return tar_fail(t, err, COR_DATA_LOSS, "malformed %s", what);
	if (r < 0 || *ret < 0 || *ret > max)
		return tar_fail(t, err, COR_INVALID_ARGUMENT, "%s is out of range", what);
	return 0;
}

/* Numbers as the header itself has them, except those that a pax record replaces. */
static int header_numbers(struct cor_tar_reader *t, const uint8_t *h, const struct tar_pax *pax,
			  struct cor_error *err)
{
	struct cor_tar_entry *e = &t->entry;
	int64_t mode, uid = pax->uid, gid = pax->gid, size = (int64_t)pax->size;
	int r = field(t, h + TAR_MODE, 8, "mode", INT64_MAX, &mode, err);

	if (r >= 0 && !pax->has_uid)
		r = field(t, h + TAR_UID, 8, "uid", UINT32_MAX - 1, &uid, err);
	if (r >= 0 && !pax->has_gid)
		r = field(t, h + TAR_GID, 8, "gid", UINT32_MAX - 1, &gid, err);
	if (r >= 0 && !pax->has_size)
		r = field(t, h + TAR_SIZE, 12, "size", INT64_MAX, &size, err);
	if (r < 0)
		return r;
	e->mode = (uint32_t)(mode & 07777);
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->size = (uint64_t)size;
	e->mtime_sec = pax->mtime_sec;
	e->mtime_nsec = pax->mtime_nsec;
	if (!pax->has_mtime) {
		if (tar_number(h + TAR_MTIME, 12, &e->mtime_sec) < 0)
			return tar_fail(t, err, COR_DATA_LOSS, "malformed mtime");
		e->mtime_nsec = 0;
	}
	e->has_atime = pax->has_atime;
	e->atime_sec = pax->has_atime ? pax->atime_sec : 0;
	e->atime_nsec = pax->has_atime ? pax->atime_nsec : 0;
	return 0;
}

static int header_device(struct cor_tar_reader *t, const uint8_t *h, struct cor_error *err)
{
	int64_t major, minor;
	int r = field(t, h + TAR_DEVMAJOR, 8, "device number", 0xfff, &major, err);

	if (r >= 0)
		r = field(t, h + TAR_DEVMINOR, 8, "device number", 0xfffff, &minor, err);
	if (r < 0)
		return r;
	t->entry.devmajor = (uint32_t)major;
	t->entry.devminor = (uint32_t)minor;
	return 0;
}

/* Names from pax records and GNU's long ones. */
static int extended_names(struct cor_tar_reader *t, const struct tar_pax *pax, struct cor_error *err)
{
	int r = 0;

	if (pax->path)
		r = set_string(t, &t->name, pax->path, pax->path_len, err);
	if (r >= 0 && pax->sparse_name)
		r = set_string(t, &t->name, pax->sparse_name, pax->sparse_name_len, err);
	if (r >= 0 && pax->linkpath)
		r = set_string(t, &t->linkname, pax->linkpath, pax->linkpath_len, err);
	if (r >= 0 && t->have_long_name && t->long_name.len > 0)
		r = set_string(t, &t->name, t->long_name.data, t->long_name.len, err);
	if (r >= 0 && t->have_long_link && t->long_link.len > 0)
		r = set_string(t, &t->linkname, t->long_link.data, t->long_link.len, err);
	t->entry.name = t->name.data;
	t->entry.linkname = t->linkname.data;
	return r;
}

static void reset_entry(struct cor_tar_reader *t)
{
	struct cor_tar_entry *e = &t->entry;

	for (size_t i = 0; i < e->n_xattrs; i++) {
		free(e->xattrs[i].name);
		free(e->xattrs[i].value);
	}
	*e = (struct cor_tar_entry){.xattrs = e->xattrs, .extents = e->extents, .offset = t->offset};
	t->have_entry = false;
	t->extent = 0;
	t->extent_done = t->logical = 0;
	t->have_local = t->have_long_name = t->have_long_link = false;
}

/* Completes the entry whose header is h (a copy). */
static int take_entry(struct cor_tar_reader *t, const uint8_t *h, struct cor_error *err)
{
	struct tar_pax pax = {.sparse_major = -1, .sparse_minor = -1};
	enum tar_format format = format_of(h);
	struct cor_tar_entry *e = &t->entry;
	int r = header_names(t, h, format, err);

	if (r >= 0 && t->global.len > 0)
		r = tar_pax_parse(t, &t->global, &pax, err);
	if (r >= 0 && t->have_local)
		r = tar_pax_parse(t, &t->local, &pax, err);
	if (r >= 0)
		r = extended_names(t, &pax, err);
	if (r >= 0)
		r = entry_type(t, h[TAR_TYPE], &e->type, err);
	if (r >= 0)
		r = header_numbers(t, h, &pax, err);
	if (r >= 0 && (e->type == COR_TAR_CHAR || e->type == COR_TAR_BLOCK_DEVICE))
		r = header_device(t, h, err);
	if (r < 0)
		return r;
	if (e->type != COR_TAR_FILE)
		e->size = 0;
	if (e->type != COR_TAR_HARDLINK && e->type != COR_TAR_SYMLINK)
		e->linkname[0] = 0;
	t->stored = e->size;
	t->padding = (uint32_t)(-e->size % COR_TAR_BLOCK);
	if (h[TAR_TYPE] != 'S')
		return tar_sparse_pax(t, &pax, err);
	if (format != TAR_GNU || pax.sparse_map || pax.has_sparse_size || e->n_extents > 0)
		return tar_fail(t, err, COR_DATA_LOSS, "sparse file in a format that has none");
	return tar_sparse_old(t, h, err);
}

/* Reads an extension header's payload into out; replaces, or appends for global records. */
static int take_extension(struct cor_tar_reader *t, const uint8_t *h, struct cor_buf *out, bool append,
			  struct cor_error *err)
{
	size_t before = append ? out->len : 0, max = append ? GLOBAL_MAX : COR_TAR_EXTENSION_MAX;
	int64_t size;

	if (tar_number(h + TAR_SIZE, 12, &size) < 0 || size < 0)
		return tar_fail(t, err, COR_DATA_LOSS, "malformed size of an extension header");
	if ((uint64_t)size > max - before)
		return tar_fail(t, err, COR_INVALID_ARGUMENT, "extension header is larger than %zu bytes",
				max);
	out->len = before;
	return tar_read_payload(t, (uint64_t)size, out, err);
}

/* 1: h was an extension header and is taken in; 0: it is an entry's; -errno. */
static int take_header(struct cor_tar_reader *t, const uint8_t *h, struct cor_error *err)
{
	int r;

	switch (h[TAR_TYPE]) {
	case 'x':
		r = take_extension(t, h, &t->local, false, err);
		t->have_local = true;
		break;
	case 'g':
		r = take_extension(t, h, &t->global, true, err);
		break;
	case 'L':
		r = take_extension(t, h, &t->long_name, false, err);
		t->have_long_name = true;
		break;
	case 'K':
		r = take_extension(t, h, &t->long_link, false, err);
		t->have_long_link = true;
		break;
	default:
		return 0;
	}
	return r < 0 ? r : 1;
}

/* A zero block was read: the end, if another one or the end of the stream follows. */
static int take_end(struct cor_tar_reader *t, struct cor_error *err)
{
	const uint8_t *block;
	int r = tar_read_block(t, &block, err);

	if (r < 0)
		return r;
	if (r > 0 && !is_zero(block))
		return tar_fail(t, err, COR_DATA_LOSS, "lone zero block");
	if (t->have_local || t->have_long_name || t->have_long_link)
		return tar_fail(t, err, COR_DATA_LOSS, "extension header without an entry");
	t->ended = true;
	return 0;
}

int cor_tar_next(struct cor_tar_reader *t, const struct cor_tar_entry **ret, struct cor_error *err)
{
	uint8_t header[COR_TAR_BLOCK];
	const uint8_t *block;
	int r;

	if (t->failed)
		return cor_error_wrap(err, t->failed, "read tar stream");
	if (t->ended)
		return 0;
	r = tar_finish_entry(t, err);
	if (r < 0)
		return r;
	reset_entry(t);
	do {
		r = tar_read_block(t, &block, err);
		if (r < 0)
			return r;
		if (r == 0) {
			t->ended = true;
			if (t->have_local || t->have_long_name || t->have_long_link)
				return tar_fail(t, err, COR_DATA_LOSS, "extension header without an entry");
			return 0;
		}
		if (is_zero(block))
			return take_end(t, err);
		memcpy(header, block, sizeof(header));
		if (!checksum_fits(header))
			return tar_fail(t, err, COR_DATA_LOSS, "invalid checksum");
		r = take_header(t, header, err);
	} while (r > 0);
	if (r >= 0)
		r = take_entry(t, header, err);
	if (r < 0)
		return r;
	*ret = &t->entry;
	return 1;
}
