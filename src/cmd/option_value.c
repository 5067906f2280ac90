/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the text of a flag to the typed field of its options struct. Numbers follow Go's flag package, since scripts
 * written for ctr rely on it: integers in base 0 (0x10, 0o17, 0b1, 010) with "_" between digits, but nothing
 * around them, and the two complaints "parse error" and "value out of range".
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "cmd/options.h"

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* Skips a base prefix. "_" is allowed behind a prefix and between digits, as Go has it. */
static unsigned number_base(const char **s)
{
	if ((*s)[0] != '0' || (*s)[1] == '\0')
		return 10;
	switch ((*s)[1]) {
	case 'x':
	case 'X':
		*s += 2;
		return 16;
	case 'b':
	case 'B':
		*s += 2;
		return 2;
	case 'o':
	case 'O':
		*s += 2;
		return 8;
	default:
		*s += 1;
		return 8;
	}
}

static int parse_unsigned(const char *s, uint64_t *ret)
{
	const char *start = s;
	unsigned base = number_base(&s);
	bool prefixed = s != start, last_digit = prefixed, any = false, range = false;
	uint64_t v = 0;

	for (; *s; s++) {
		if (*s == '_') {
			if (!last_digit)
				return -EINVAL;
			last_digit = false;
			continue;
		}
		int d = digit_value(*s);
		if (d >= (int)base)
			return -EINVAL;
		any = last_digit = true;
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			range = true;
	}
	if (!any || !last_digit)
		return -EINVAL;
	if (range)
		return -ERANGE;
	*ret = v;
	return 0;
}

static int parse_signed(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t v = 0;

	if (*s == '-' || *s == '+')
		s++;
	int r = parse_unsigned(s, &v);
	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

/* strtod without what it takes on top of Go's syntax (leading blanks) and without infinities, which no flag wants. */
static int parse_float(const char *s, double *ret)
{
	if (*s == '\0' || strspn(s, "0123456789+-.eExXpPabcdfABCDF") != strlen(s))
		return -EINVAL;
	char *end = NULL;
	errno = 0;
	double v = strtod(s, &end);
	if (end == s || *end)
		return -EINVAL;
	if (!isfinite(v))
		return -ERANGE;
	*ret = v;
	return 0;
}

static int store_number(const struct cor_option *o, const char *text, void *field)
{
	switch (o->type) {
	case COR_OPT_INT:
		return parse_signed(text, field);
	case COR_OPT_UINT:
		return parse_unsigned(text, field);
	case COR_OPT_FLOAT:
		return parse_float(text, field);
	default:
		return cor_parse_duration(text, field);
	}
}

int cor_option_store(const struct cor_option *o, const char *text, void *values, const char **ret_why)
{
	void *field = (char *)values + o->offset;
	bool b;
	int r = 0;

	switch (o->type) {
	case COR_OPT_BOOL:
		r = cor_parse_bool(text, field);
		break;
	case COR_OPT_PRESENCE:
		r = cor_parse_bool(text, &b);
		if (r >= 0)
			*(bool *)field = true;
		break;
	case COR_OPT_STRING:
		*(const char **)field = text;
		break;
	case COR_OPT_STRINGS:
		r = cor_strv_push(field, text);
		break;
	case COR_OPT_INT:
	case COR_OPT_UINT:
	case COR_OPT_FLOAT:
	case COR_OPT_DURATION:
		r = store_number(o, text, field);
		break;
	}
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		*ret_why = r == -ERANGE ? "value out of range" : "parse error";
		return -EINVAL;
	}
	if (o->set_offset != SIZE_MAX)
		*(bool *)(void *)((char *)values + o->set_offset) = true;
	return 0;
}

bool cor_option_is_bool(const struct cor_option *o)
{
	return o->type == COR_OPT_BOOL || o->type == COR_OPT_PRESENCE;
}
