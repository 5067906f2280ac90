/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pax records: "LENGTH KEY=VALUE\n", over and over. Known keys go into struct tar_pax, xattrs and the runs of sparse
 * format 0.0 straight into the entry; unknown keys are ignored, as POSIX has it. A later record wins. An empty value
 * takes an attribute back (the header's value holds again), except that an xattr may be empty.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "layer/tar_internal.h"

#define SCHILY_XATTR     "SCHILY.xattr."
#define LIBARCHIVE_XATTR "LIBARCHIVE.xattr."

struct record {
	const char *key, *value;
	size_t key_len, value_len;
};

/* Cuts one record off text. 0, -EINVAL. */
static int cut_record(const char **text, size_t *left, struct record *ret)
{
	const char *s = *text, *space, *equals;
	size_t digits;
	uint64_t n;

	space = memchr(s, ' ', MIN(*left, (size_t)21));
	if (!space)
		return -EINVAL;
	digits = (size_t)(space - s);
	if (tar_decimal(s, digits, &n) < 0 || n > *left || n < digits + 4 || s[n - 1] != '\n')
		return -EINVAL;
	ret->key = space + 1;
	equals = memchr(ret->key, '=', n - digits - 2);
	if (!equals || equals == ret->key)
		return -EINVAL;
	ret->key_len = (size_t)(equals - ret->key);
	if (memchr(ret->key, 0, ret->key_len))
		return -EINVAL;
	ret->value = equals + 1;
	ret->value_len = (size_t)(s + n - 1 - ret->value);
	*text += n;
	*left -= n;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* %XX in place; the new length or -EINVAL. */
static ssize_t url_decode(char *s, size_t n)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '%') {
			int hi = i + 2 < n ? hex_digit(s[i + 1]) : -1,
			    lo = i + 2 < n ? hex_digit(s[i + 2]) : -1;
			if (hi < 0 || lo < 0 || (hi | lo) == 0)
				return -EINVAL;
			s[out++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			s[out++] = s[i];
		}
	}
	s[out] = 0;
	return (ssize_t)out;
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Padding is optional, as libarchive writes none. The new length or -EINVAL. */
static ssize_t base64_decode(const char *s, size_t n, uint8_t *out)
{
	uint32_t bits = 0;
	size_t len = 0;

	while (n > 0 && s[n - 1] == '=')
		n--;
	if (n % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int d = base64_digit(s[i]);
		if (d < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)d;
		if (i % 4 == 3 || i == n - 1) {
			size_t bytes = i % 4 == 3 ? 3 : i % 4;
			bits <<= 6 * (3 - i % 4);
			for (size_t b = 0; b < bytes; b++)
				out[len++] = (uint8_t)(bits >> (16 - 8 * b));
			bits = 0;
		}
	}
	return (ssize_t)len;
}

static int add_xattr(struct cor_tar_reader *t, const struct record *rec, struct cor_error *err)
{
	bool schily = strncmp(rec->key, SCHILY_XATTR, strlen(SCHILY_XATTR)) == 0;
	size_t prefix = schily ? strlen(SCHILY_XATTR) : strlen(LIBARCHIVE_XATTR);
	_cleanup_free_ char *name = strndup(rec->key + prefix, rec->key_len - prefix);
	_cleanup_free_ uint8_t *value = malloc(rec->value_len + 1);
	struct cor_tar_entry *e = &t->entry;
	ssize_t len = (ssize_t)rec->value_len;

	if (!name || !value)
		return tar_oom(t, err);
	if (schily)
		memcpy(value, rec->value, rec->value_len);
	else if (url_decode(name, strlen(name)) < 0 ||
		 (len = base64_decode(rec->value, rec->value_len, value)) < 0)
		return tar_fail(t, err, COR_DATA_LOSS, "malformed %s record", LIBARCHIVE_XATTR);
	if (!*name)
		return tar_fail(t, err, COR_DATA_LOSS, "pax record with an empty xattr name");
	if (cor_grow(&e->xattrs, &t->cap_xattrs, e->n_xattrs + 1, sizeof(*e->xattrs)) < 0)
		return tar_oom(t, err);
	e->xattrs[e->n_xattrs++] = (struct cor_tar_xattr){TAKE_PTR(name), TAKE_PTR(value), (size_t)len};
	return 0;
}

static bool key_is(const struct record *rec, const char *key)
{
	return rec->key_len == strlen(key) && memcmp(rec->key, key, rec->key_len) == 0;
}

static bool key_starts(const struct record *rec, const char *prefix)
{
	return rec->key_len >= strlen(prefix) && memcmp(rec->key, prefix, strlen(prefix)) == 0;
}

static int parse_id(const struct record *rec, uint32_t *ret)
{
	uint64_t x;
	int r = tar_decimal(rec->value, rec->value_len, &x);

	if (r < 0)
		return r;
	if (x >= UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)x;
	return 0;
}

static int take_string(const struct record *rec, const char **ret, size_t *ret_len)
{
	if (memchr(rec->value, 0, rec->value_len))
		return -EINVAL;
	*ret = rec->value_len ? rec->value : NULL;
	*ret_len = rec->value_len;
	return 0;
}

static int take_version(const struct record *rec, int *ret)
{
	uint64_t x;
	int r = tar_decimal(rec->value, rec->value_len, &x);

	if (r < 0)
		return r;
	*ret = x > 9 ? 9 : (int)x;
	return 0;
}

/* The GNU.sparse.* family. */
static int take_sparse(struct cor_tar_reader *t, const struct record *rec, struct tar_pax *pax,
		       struct cor_error *err)
{
	uint64_t x = 0;
	int r;

	if (key_is(rec, "GNU.sparse.major"))
		return take_version(rec, &pax->sparse_major);
	if (key_is(rec, "GNU.sparse.minor"))
		return take_version(rec, &pax->sparse_minor);
	if (key_is(rec, "GNU.sparse.name"))
		return take_string(rec, &pax->sparse_name, &pax->sparse_name_len);
	if (key_is(rec, "GNU.sparse.map"))
		return take_string(rec, &pax->sparse_map, &pax->sparse_map_len);
	r = tar_decimal(rec->value, rec->value_len, &x);
	if (r < 0)
		return r;
	if (key_is(rec, "GNU.sparse.size") || key_is(rec, "GNU.sparse.realsize")) {
		pax->sparse_size = x;
		pax->has_sparse_size = true;
	} else if (key_is(rec, "GNU.sparse.offset")) {
		if (pax->sparse_pending)
			return -EINVAL;
		pax->sparse_offset = x;
		pax->sparse_pending = true;
	} else if (key_is(rec, "GNU.sparse.numbytes")) {
		if (!pax->sparse_pending)
			return -EINVAL;
		pax->sparse_pending = false;
		r = tar_extent_add(t, pax->sparse_offset, x, err);
	}
	return r; /* GNU.sparse.numblocks needs no more than being a number */
}

static int take_record(struct cor_tar_reader *t, const struct record *rec, struct tar_pax *pax,
		       struct cor_error *err)
{
	bool given = rec->value_len > 0;
	int r = 0;

	if (key_starts(rec, SCHILY_XATTR) || key_starts(rec, LIBARCHIVE_XATTR))
		return add_xattr(t, rec, err);
	if (key_starts(rec, "GNU.sparse."))
		return take_sparse(t, rec, pax, err);
	if (key_is(rec, "path"))
		return take_string(rec, &pax->path, &pax->path_len);
	if (key_is(rec, "linkpath"))
		return take_string(rec, &pax->linkpath, &pax->linkpath_len);
	if (key_is(rec, "size")) {
		pax->has_size = given;
		r = given ? tar_decimal(rec->value, rec->value_len, &pax->size) : 0;
	} else if (key_is(rec, "uid")) {
		pax->has_uid = given;
		r = given ? parse_id(rec, &pax->uid) : 0;
	} else if (key_is(rec, "gid")) {
		pax->has_gid = given;
		r = given ? parse_id(rec, &pax->gid) : 0;
	} else if (key_is(rec, "mtime")) {
		pax->has_mtime = given;
		r = given ? tar_time(rec->value, rec->value_len, &pax->mtime_sec, &pax->mtime_nsec) : 0;
	} else if (key_is(rec, "atime")) {
		pax->has_atime = given;
		r = given ? tar_time(rec->value, rec->value_len, &pax->atime_sec, &pax->atime_nsec) : 0;
	}
	return r;
}

int tar_pax_parse(struct cor_tar_reader *t, const struct cor_buf *text, struct tar_pax *pax,
		  struct cor_error *err)
{
	const char *s = text->data;
	size_t left = text->len;
	int r;

	while (left > 0) {
		struct record rec;

		if (cut_record(&s, &left, &rec) < 0)
			return tar_fail(t, err, COR_DATA_LOSS, "malformed pax record");
		r = take_record(t, &rec, pax, err);
		if (r < 0 && t->failed)
			return r;
		if (r == -ERANGE)
			return tar_fail(t, err, COR_INVALID_ARGUMENT, "pax record \"%.*s\" is out of range",
					(int)MIN(rec.key_len, (size_t)60), rec.key);
		if (r < 0)
			return tar_fail(t, err, COR_DATA_LOSS, "malformed pax record \"%.*s\"",
					(int)MIN(rec.key_len, (size_t)60), rec.key);
	}
	return 0;
}
