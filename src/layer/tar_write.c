/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar writer: ustar headers, and a pax header in front of an entry only for what ustar cannot hold. Nothing of the
 * machine or the time of writing goes in, so that equal trees give equal bytes and equal digests.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "layer/tar_internal.h"

#define BUFFER_SIZE  (64 * 1024)
#define OCTAL_7_MAX  07777777u     /* mode, ids and device numbers */
#define OCTAL_11_MAX 077777777777u /* sizes and times */

struct cor_tar_writer {
	cor_write_fn sink;
	void *sink_data;
	uint64_t left;    /* of the current entry's contents */
	uint32_t padding; /* behind them */
	size_t len;
	uint8_t buf[BUFFER_SIZE];
};

int cor_tar_writer_open(cor_write_fn sink, void *sink_data, struct cor_tar_writer **ret,
			struct cor_error *err)
{
	struct cor_tar_writer *w = malloc(sizeof(*w));

	if (!w)
		return cor_error_oom(err);
	w->sink = sink;
	w->sink_data = sink_data;
	w->left = w->padding = 0;
	w->len = 0;
	*ret = w;
	return 0;
}

struct cor_tar_writer *cor_tar_writer_free(struct cor_tar_writer *w)
{
	free(w);
	return NULL;
}

static int flush(struct cor_tar_writer *w, struct cor_error *err)
{
	int r = w->len > 0 ? w->sink(w->sink_data, w->buf, w->len, err) : 0;

	w->len = 0;
	return r;
}

static int put(struct cor_tar_writer *w, const void *data, size_t n, struct cor_error *err)
{
	int r = 0;

	if (n > BUFFER_SIZE - w->len)
		r = flush(w, err);
	if (r < 0)
		return r;
	if (n >= BUFFER_SIZE)
		return w->sink(w->sink_data, data, n, err);
	memcpy(w->buf + w->len, data, n);
	w->len += n;
	return 0;
}

static int put_zeros(struct cor_tar_writer *w, uint64_t n, struct cor_error *err)
{
	static const uint8_t zeros[16 * 1024];

	while (n > 0) {
		size_t part = (size_t)MIN(n, (uint64_t)sizeof(zeros));
		int r = put(w, zeros, part, err);
		if (r < 0)
			return r;
		n -= part;
	}
	return 0;
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts its own digits. */
static void add_record(struct cor_buf *out, const char *key, const void *value, size_t n)
{
	size_t body = strlen(key) + n + 3, len = body, digits = 0;

	for (;;) {
		size_t want = 0;

		for (size_t x = body + digits; x > 0; x /= 10)
			want++;
		if (want == digits)
			break;
		digits = want;
	}
	len = body + digits;
	cor_buf_printf(out, "%zu %s=", len, key);
	cor_buf_append(out, value, n);
	cor_buf_char(out, '\n');
}

static void add_text(struct cor_buf *out, const char *key, const char *value)
{
	add_record(out, key, value, strlen(value));
}

static void add_number(struct cor_buf *out, const char *key, uint64_t x)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)x);
	add_text(out, key, text);
}

static void add_time(struct cor_buf *out, const char *key, int64_t sec, uint32_t nsec)
{
	bool negative = sec < 0;
	uint64_t whole = negative ? -(uint64_t)sec : (uint64_t)sec;
	char text[48];
	size_t n;

	if (negative && nsec > 0) {
		whole -= 1;
		nsec = 1000000000u - nsec;
	}
	n = (size_t)snprintf(text, sizeof(text), "%s%llu.%09u", negative ? "-" : "",
			     (unsigned long long)whole, nsec);
	while (text[n - 1] == '0')
		n--;
	if (text[n - 1] == '.')
		n--;
	text[n] = 0;
	add_text(out, key, text);
}

/* A name with "=" cannot be part of a SCHILY key: libarchive's form quotes it. */
static void add_quoted_xattr(struct cor_buf *out, const struct cor_tar_xattr *x)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	_cleanup_buf_ struct cor_buf key = {0}, value = {0};
	const uint8_t *v = x->value;

	cor_buf_str(&key, "LIBARCHIVE.xattr.");
	for (const char *s = x->name; *s; s++) {
		if (*s == '=' || *s == '%')
			cor_buf_printf(&key, "%%%02X", (unsigned char)*s);
		else
			cor_buf_char(&key, *s);
	}
	for (size_t i = 0; i < x->len; i += 3) {
		uint32_t bits = 0;
		size_t have = MIN(x->len - i, (size_t)3);

		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (j < have ? v[i + j] : 0u);
		for (size_t j = 0; j <= have; j++)
			cor_buf_char(&value, digits[bits >> (18 - 6 * j) & 63]);
	}
	cor_buf_char(&value, 0);
	if (key.failed || value.failed)
		out->failed = true;
	else
		add_text(out, key.data, value.data);
}

static void add_xattr(struct cor_buf *out, const struct cor_tar_xattr *x)
{
	_cleanup_free_ char *key = NULL;

	if (strchr(x->name, '=')) {
		add_quoted_xattr(out, x);
		return;
	}
	key = cor_asprintf("SCHILY.xattr.%s", x->name);
	if (key)
		add_record(out, key, x->value, x->len);
	else
		out->failed = true;
}

/* Where a long name can be cut for ustar's prefix field: the length of the prefix; 0 when it fits whole, -1 when it
 * does not fit at all. */
static ssize_t split_name(const char *name)
{
	size_t n = strlen(name), cut;

	if (n <= TAR_NAME_LEN)
		return 0;
	if (n > TAR_PREFIX_LEN + 1 + TAR_NAME_LEN)
		return -1;
	for (cut = MIN(n - 2, (size_t)TAR_PREFIX_LEN); cut > 0 && name[cut] != '/'; cut--)
		;
	return cut > 0 && n - cut - 1 <= TAR_NAME_LEN ? (ssize_t)cut : -1;
}

static void octal(uint8_t *field, size_t n, uint64_t x)
{
	for (size_t i = n - 1; i-- > 0; x >>= 3)
		field[i] = (uint8_t)('0' + (x & 7));
	field[n - 1] = 0;
}

/* A header of a type; numbers that do not fit are written as 0 (the pax header has them). */
static void fill_header(uint8_t h[COR_TAR_BLOCK], const struct cor_tar_entry *e, const char *name,
			const char *linkname, uint8_t type, uint64_t size)
{
	ssize_t cut = split_name(name);
	unsigned sum = 0;

	memset(h, 0, COR_TAR_BLOCK);
	if (cut > 0)
		memcpy(h + TAR_PREFIX, name, (size_t)cut);
	if (cut > 0)
		name += cut + 1;
	memcpy(h + TAR_NAME, name, strnlen(name, TAR_NAME_LEN));
	memcpy(h + TAR_LINKNAME, linkname, strnlen(linkname, TAR_LINKNAME_LEN));
	octal(h + TAR_MODE, 8, e->mode & 07777);
	octal(h + TAR_UID, 8, e->uid <= OCTAL_7_MAX ? e->uid : 0);
	octal(h + TAR_GID, 8, e->gid <= OCTAL_7_MAX ? e->gid : 0);
	octal(h + TAR_SIZE, 12, size <= OCTAL_11_MAX ? size : 0);
	octal(h + TAR_MTIME, 12,
	      e->mtime_sec >= 0 && (uint64_t)e->mtime_sec <= OCTAL_11_MAX ? (uint64_t)e->mtime_sec : 0);
	h[TAR_TYPE] = type;
	memcpy(h + TAR_MAGIC, "ustar", 6);
	memcpy(h + TAR_MAGIC + 6, "00", 2);
	octal(h + TAR_DEVMAJOR, 8, e->devmajor);
	octal(h + TAR_DEVMINOR, 8, e->devminor);
	memset(h + TAR_CHKSUM, ' ', 8);
	for (size_t i = 0; i < COR_TAR_BLOCK; i++)
		sum += h[i];
	octal(h + TAR_CHKSUM, 7, sum);
}

/* The records that an entry needs, in a fixed order. */
static void pax_records(struct cor_buf *out, const struct cor_tar_entry *e, const char *name,
			const char *linkname, uint64_t size)
{
	if (e->has_atime)
		add_time(out, "atime", e->atime_sec, e->atime_nsec);
	if (e->gid > OCTAL_7_MAX)
		add_number(out, "gid", e->gid);
	if (strlen(linkname) > TAR_LINKNAME_LEN)
		add_text(out, "linkpath", linkname);
	if (e->mtime_nsec > 0 || e->mtime_sec < 0 || (uint64_t)e->mtime_sec > OCTAL_11_MAX)
		add_time(out, "mtime", e->mtime_sec, e->mtime_nsec);
	if (split_name(name) < 0)
		add_text(out, "path", name);
	if (size > OCTAL_11_MAX)
		add_number(out, "size", size);
	if (e->uid > OCTAL_7_MAX)
		add_number(out, "uid", e->uid);
	for (size_t i = 0; i < e->n_xattrs; i++)
		add_xattr(out, &e->xattrs[i]);
}

static int write_pax(struct cor_tar_writer *w, const struct cor_buf *records, const char *name,
		     struct cor_error *err)
{
	static const struct cor_tar_entry nobody = {0};
	const char *base = strrchr(name, '/');
	uint8_t header[COR_TAR_BLOCK];
	char pax_name[TAR_NAME_LEN];
	int r;

	if (base && !base[1]) /* a directory's trailing slash */
		for (base--; base > name && *base != '/'; base--)
			;
	base = base && *base == '/' ? base + 1 : base && base >= name ? base : name;
	snprintf(pax_name, sizeof(pax_name), "PaxHeaders.0/%.80s", base);
	fill_header(header, &nobody, pax_name, "", 'x', records->len);
	r = put(w, header, sizeof(header), err);
	if (r >= 0)
		r = put(w, records->data, records->len, err);
	return r < 0 ? r : put_zeros(w, -(uint64_t)records->len % COR_TAR_BLOCK, err);
}

int cor_tar_write_entry(struct cor_tar_writer *w, const struct cor_tar_entry *e, struct cor_error *err)
{
	static const char types[] = {
		[COR_TAR_FILE] = '0', [COR_TAR_HARDLINK] = '1',     [COR_TAR_SYMLINK] = '2',
		[COR_TAR_CHAR] = '3', [COR_TAR_BLOCK_DEVICE] = '4', [COR_TAR_DIRECTORY] = '5',
		[COR_TAR_FIFO] = '6',
	};
	const char *name = e->name ? e->name : "", *linkname = e->linkname ? e->linkname : "";
	uint64_t size = e->type == COR_TAR_FILE ? e->size : 0;
	_cleanup_buf_ struct cor_buf records = {0};
	uint8_t header[COR_TAR_BLOCK];
	int r = 0;

	if (w->left > 0)
		return cor_error_set(err, COR_FAILED_PRECONDITION, "tar entry before \"%s\" lacks %llu bytes",
				     name, (unsigned long long)w->left);
	pax_records(&records, e, name, linkname, size);
	if (records.failed)
		return cor_error_oom(err);
	if (records.len > COR_TAR_EXTENSION_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "attributes of \"%.200s\" take more than %d bytes", name,
				     COR_TAR_EXTENSION_MAX);
	if (records.len > 0)
		r = write_pax(w, &records, name, err);
	if (r < 0)
		return r;
	fill_header(header, e, name, linkname, (uint8_t)types[e->type], size);
	w->left = size;
	w->padding = (uint32_t)(-size % COR_TAR_BLOCK);
	return put(w, header, sizeof(header), err);
}

/* After n bytes of contents: the padding when they were the last. */
static int advance(struct cor_tar_writer *w, uint64_t n, struct cor_error *err)
{
	w->left -= n;
	return w->left == 0 && n > 0 ? put_zeros(w, w->padding, err) : 0;
}

int cor_tar_write_data(struct cor_tar_writer *w, const void *buf, size_t n, struct cor_error *err)
{
	int r;

	if (n > w->left)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "more contents than the tar entry's size");
	r = put(w, buf, n, err);
	return r < 0 ? r : advance(w, n, err);
}

int cor_tar_write_zeros(struct cor_tar_writer *w, uint64_t n, struct cor_error *err)
{
	int r;

	if (n > w->left)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "more contents than the tar entry's size");
	r = put_zeros(w, n, err);
	return r < 0 ? r : advance(w, n, err);
}

int cor_tar_writer_finish(struct cor_tar_writer *w, struct cor_error *err)
{
	int r;

	if (w->left > 0)
		return cor_error_set(err, COR_FAILED_PRECONDITION, "last tar entry lacks %llu bytes",
				     (unsigned long long)w->left);
	r = put_zeros(w, 2 * COR_TAR_BLOCK, err);
	return r < 0 ? r : flush(w, err);
}
