/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scanner over JSON text. It checks only as much syntax as it needs to find its way: what it reads was written by the
 * engine or by the runtime, and a wrong answer on broken text must merely be a harmless one.
 */
#include "shim/json_scan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_blank(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

/* Behind the closing quote of the string at p, or NULL. */
static const char *skip_string(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p == '"' ? p + 1 : NULL;
}

/* Behind the value at p, or NULL. */
static const char *skip_value(const char *p)
{
	if (*p == '"')
		return skip_string(p);
	if (*p != '{' && *p != '[') {
		const char *e = p + strcspn(p, ",]} \t\r\n");
		return e > p ? e : NULL;
	}
	for (size_t depth = 0; *p;) {
		if (*p == '"') {
			p = skip_string(p);
			if (!p)
				return NULL;
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && --depth == 0)
			return p + 1;
		p++;
	}
	return NULL;
}

const char *cor_scan_member(const char *p, const char *key)
{
	if (!p || *(p = skip_blank(p)) != '{')
		return NULL;
	size_t n = strlen(key);
	p = skip_blank(p + 1);
	while (*p == '"') {
		const char *name = p + 1;
		p = skip_string(p);
		if (!p)
			return NULL;
		bool found = (size_t)(p - 1 - name) == n && memcmp(name, key, n) == 0;
		p = skip_blank(p);
		if (*p != ':')
			return NULL;
		p = skip_blank(p + 1);
		if (found)
			return p;
		p = skip_value(p);
		if (!p)
			return NULL;
		p = skip_blank(p);
		if (*p != ',')
			return NULL;
		p = skip_blank(p + 1);
	}
	return NULL;
}

const char *cor_scan_first(const char *p)
{
	if (!p || *(p = skip_blank(p)) != '[')
		return NULL;
	p = skip_blank(p + 1);
	return *p && *p != ']' ? p : NULL;
}

const char *cor_scan_next(const char *p)
{
	p = skip_value(p);
	if (!p || *(p = skip_blank(p)) != ',')
		return NULL;
	p = skip_blank(p + 1);
	return *p && *p != ']' ? p : NULL;
}

static int hex4(const char *p, unsigned *ret)
{
	unsigned v = 0;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
			     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
			     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
						    : 16;
		if (d > 15)
			return -EINVAL;
		v = v << 4 | d;
	}
	*ret = v;
	return 0;
}

static char *put_utf8(char *o, unsigned c)
{
	if (c < 0x80) {
		*o++ = (char)c;
	} else if (c < 0x800) {
		*o++ = (char)(0xc0 | c >> 6);
		*o++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*o++ = (char)(0xe0 | c >> 12);
		*o++ = (char)(0x80 | (c >> 6 & 0x3f));
		*o++ = (char)(0x80 | (c & 0x3f));
	} else {
		*o++ = (char)(0xf0 | c >> 18);
		*o++ = (char)(0x80 | (c >> 12 & 0x3f));
		*o++ = (char)(0x80 | (c >> 6 & 0x3f));
		*o++ = (char)(0x80 | (c & 0x3f));
	}
	return o;
}

/* One \uXXXX, or a surrogate pair; p stands behind "\u". Returns the position behind it, or NULL. */
static const char *unicode_escape(const char *p, unsigned *ret)
{
	unsigned c, low;
	if (hex4(p, &c) < 0)
		return NULL;
	p += 4;
	if (c >= 0xd800 && c < 0xdc00 && p[0] == '\\' && p[1] == 'u' && hex4(p + 2, &low) == 0 &&
	    low >= 0xdc00 && low < 0xe000) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		p += 6;
	}
	*ret = c;
	return p;
}

char *cor_scan_string(const char *p)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	if (!p || *p != '"')
		return NULL;
	const char *end = skip_string(p);
	if (!end)
		return NULL;
	char *s = malloc((size_t)(end - p)), *o = s; /* an escape never grows */
	if (!s)
		return NULL;
	for (p++; p < end - 1;) {
		if (*p != '\\') {
			*o++ = *p++;
			continue;
		}
		char c = p[1];
		const char *f = memchr(from, c, sizeof(from) - 1);
		p += 2;
		if (c == 'u') {
			unsigned u;
			p = unicode_escape(p, &u);
			if (!p || u == 0)
				break;
			o = put_utf8(o, u);
		} else {
			*o++ = f ? to[f - from] : c;
		}
	}
	*o = '\0';
	return s;
}

int cor_scan_number(const char *p, uint64_t *ret)
{
	uint64_t v = 0;
	if (!p || *p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -EINVAL;
	if (*p && !strchr(",]} \t\r\n", *p))
		return -EINVAL;
	*ret = v;
	return 0;
}
