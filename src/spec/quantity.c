/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes' notation for quantities, which goresctrl's files use: a decimal number with a suffix, n u m k M G T P E for
 * powers of ten, Ki Mi Gi Ti Pi Ei for powers of two, or an exponent (1e3). Fractions are rounded up, what is too large for
 * 63 bits is the largest number that is not.
 */
#include <errno.h>

#include "spec/internal.h"

/* As many as 2^63 has; with the largest suffix, 2^60, they fit into 128 bits. */
#define DIGITS_MAX   19
#define EXPONENT_MAX 100

struct decimal {
	unsigned __int128 digits;
	int exponent; /* of ten */
	bool negative;
};

/* [+-]digits[.digits]; *s is moved behind it. */
static int parse_number(const char **s, struct decimal *ret)
{
	struct decimal d = {0};
	const char *p = *s;
	int n = 0;
	bool point = false, any = false;

	d.negative = *p == '-';
	p += *p == '-' || *p == '+';
	for (; (*p >= '0' && *p <= '9') || (*p == '.' && !point); p++) {
		if (*p == '.') {
			point = true;
			continue;
		}
		any = true;
		n += d.digits || *p != '0';
		if (n > DIGITS_MAX)
			return -ERANGE;
		d.digits = d.digits * 10 + (unsigned)(*p - '0');
		d.exponent -= point;
	}
	if (!any || d.exponent < -EXPONENT_MAX)
		return -EINVAL;
	*ret = d;
	*s = p;
	return 0;
}

static int parse_suffix(const char *s, struct decimal *d)
{
	static const char small[] = "num", large[] = "kMGTPE", binary[] = "KMGTPE";
	const char *at;
	int64_t exponent;

	if (!*s)
		return 0;
	if (!s[1] && (at = strchr(small, *s))) {
		d->exponent += 3 * (int)(at - small) - 9;
		return 0;
	}
	if (!s[1] && (at = strchr(large, *s))) {
		d->exponent += 3 * (int)(at - large) + 3;
		return 0;
	}
	if (s[1] == 'i' && !s[2] && (at = strchr(binary, *s))) {
		d->digits <<= 10 * (at - binary) + 10;
		return 0;
	}
	if (*s != 'e' && *s != 'E')
		return -EINVAL;
	s += 1 + (s[1] == '+');
	if (*s == '+' || cor_parse_i64(s, &exponent) < 0 || exponent > EXPONENT_MAX ||
	    exponent < -EXPONENT_MAX)
		return -EINVAL;
	d->exponent += (int)exponent;
	return 0;
}

int cor_spec_parse_quantity(const char *s, int64_t *ret)
{
	const unsigned __int128 limit = INT64_MAX;
	struct decimal d;
	bool rest = false;
	int r = parse_number(&s, &d);

	if (r >= 0)
		r = parse_suffix(s, &d);
	if (r < 0)
		return r;
	for (; d.exponent < 0 && d.digits; d.exponent++) {
		rest = rest || d.digits % 10 != 0;
		d.digits /= 10;
	}
	for (; d.exponent > 0 && d.digits && d.digits <= limit; d.exponent--)
		d.digits *= 10;
	d.digits = MIN(d.digits + rest, limit);
	*ret = d.negative ? -(int64_t)d.digits : (int64_t)d.digits;
	return 0;
}
