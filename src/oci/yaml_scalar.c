/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a scalar without quotes means: YAML 1.1's rules as Go's yaml package applies them, because that is what decides
 * how other programs read the same file (`0666` is octal, `yes` is true, `1_000` is a number).
 */
#include <errno.h>
#include <math.h>

#include "oci/yaml.h"

static bool is_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (streq(s, *list))
			return true;
	return false;
}

/* Digits of one base up to the end; underscores between them are passed over. */
static bool parse_digits(const char *s, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;
	bool any = false;

	for (; *s; s++) {
		unsigned d = *s >= '0' && *s <= '9'   ? (unsigned)(*s - '0')
			     : *s >= 'a' && *s <= 'f' ? (unsigned)(*s - 'a') + 10
			     : *s >= 'A' && *s <= 'F' ? (unsigned)(*s - 'A') + 10
						      : 16;

		if (*s == '_')
			continue;
		if (d >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
			return false;
		any = true;
	}
	*ret = v;
	return any;
}

/* [+-] then 0x, 0b, 0o, 0 (octal) or decimal digits. */
static bool parse_integer(const char *s, json_int_t *ret)
{
	bool negative = *s == '-';
	unsigned base = 10;
	uint64_t v;

	if (*s == '-' || *s == '+')
		s++;
	if (s[0] == '0' && s[1]) {
		base = s[1] == 'x' || s[1] == 'X' ? 16 : s[1] == 'b' || s[1] == 'B' ? 2 : 8;
		s += base != 8 || s[1] == 'o' || s[1] == 'O' ? 2 : 1;
	}
	if (!parse_digits(s, base, &v) || v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return false;
	*ret = negative ? (json_int_t)(0 - v) : (json_int_t)v;
	return true;
}

/* [-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)? or digits and a dot at the end. */
static bool parse_real(const char *s, double *ret)
{
	const char *p = s + (*s == '-' || *s == '+');
	size_t whole = strspn(p, "0123456789"), fraction = 0;
	char *end = NULL;

	p += whole;
	if (*p == '.') {
		fraction = strspn(p + 1, "0123456789");
		p += 1 + fraction;
	}
	if (whole + fraction == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		p += 1 + (p[1] == '-' || p[1] == '+');
		if (strspn(p, "0123456789") == 0)
			return false;
		p += strspn(p, "0123456789");
	}
	if (*p)
		return false;
	*ret = strtod(s, &end);
	return !*end && isfinite(*ret);
}

json_t *cor_yaml_scalar(const char *s)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL},
				 *const yes[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
						 "True", "TRUE", "on",  "On",  "ON",  NULL},
				 *const no[] = {"n",     "N",     "no",  "No",  "NO",  "false",
						"False", "FALSE", "off", "Off", "OFF", NULL};
	json_int_t integer;
	double real;

	if (is_one_of(s, nulls))
		return json_null();
	if (is_one_of(s, yes))
		return json_true();
	if (is_one_of(s, no))
		return json_false();
	if (parse_integer(s, &integer))
		return json_integer(integer);
	if (parse_real(s, &real))
		/* A whole number is one, however it is written. */
		return fabs(real) < 9e15 && (double)(json_int_t)real == real ? json_integer((json_int_t)real)
									     : json_real(real);
	return json_string_nocheck(s);
}
