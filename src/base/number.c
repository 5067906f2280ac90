/* SPDX-License-Identifier: Apache-2.0 */
/* Strict number parsing (Go's strconv and time rules) and human-readable sizes. */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>

int cor_parse_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;
	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v)) {
			/* Still a syntax error when something that is no digit follows. */
			while (*++s)
				if (*s < '0' || *s > '9')
					return -EINVAL;
			return -ERANGE;
		}
	}
	*ret = v;
	return 0;
}

int cor_parse_i64(const char *s, int64_t *ret)
{
	bool neg = *s == '-';
	uint64_t v;
	int r = cor_parse_u64(s + neg, &v);
	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + (neg ? 1 : 0))
		return -ERANGE;
	*ret = neg ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int cor_parse_u32(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = cor_parse_u64(s, &v);
	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int cor_parse_f64(const char *s, double *ret)
{
	/* strtod's syntax is wider (hex, inf, nan, blanks): the characters are checked first. */
	if (!*s)
		return -EINVAL;
	for (const char *p = s; *p; p++)
		if (!strchr("0123456789.eE+-", *p))
			return -EINVAL;
	char *end;
	errno = 0;
	double v = strtod(s, &end);
	if (*end || end == s)
		return -EINVAL;
	if (errno == ERANGE || !isfinite(v))
		return -ERANGE;
	*ret = v;
	return 0;
}

int cor_parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
	static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (streq(s, yes[i]) || streq(s, no[i])) {
			*ret = streq(s, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

/* One "<number><unit>" of a duration; *s is moved behind it. */
static int parse_span(const char **s, double *ret)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"ns", 1},  {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"ms", 1e6},
		     {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
	const char *p = *s;
	double v = 0, scale = 1;
	bool digits = false, fraction = false;
	for (; isdigit((unsigned char)*p) || (*p == '.' && !fraction); p++) {
		if (*p == '.') {
			fraction = true;
			continue;
		}
		digits = true;
		v = v * 10 + (*p - '0');
		if (fraction)
			scale *= 10;
	}
	if (!digits)
		return -EINVAL;
	const char *best = NULL;
	double ns = 0;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		const char *e = cor_after(p, units[i].name);
		if (e && (!best || e > best)) {
			best = e;
			ns = units[i].ns;
		}
	}
	if (!best)
		return -EINVAL;
	*s = best;
	*ret = v / scale * ns;
	return 0;
}

int cor_parse_duration(const char *s, int64_t *ret_ns)
{
	bool neg = *s == '-';
	if (*s == '-' || *s == '+')
		s++;
	if (!*s)
		return -EINVAL;
	double total = 0;
	if (!streq(s, "0"))
		while (*s) {
			double span;
			int r = parse_span(&s, &span);
			if (r < 0)
				return r;
			total += span;
		}
	if (total >= 9.2e18)
		return -ERANGE;
	*ret_ns = (int64_t)(neg ? -total : total);
	return 0;
}

/* go-units: four significant digits, largest unit that keeps the number at 1 or more. */
static char *format_size(uint64_t n, double base, const char *const *units, size_t n_units, char *buf)
{
	double v = (double)n;
	size_t i = 0;
	while (v >= base && i + 1 < n_units) {
		v /= base;
		i++;
	}
	(void)snprintf(buf, 32, "%.4g%s", v, units[i]);
	return buf;
}

char *cor_format_si(uint64_t n, char buf[32])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	return format_size(n, 1000, units, ARRAY_SIZE(units), buf);
}

char *cor_format_iec(uint64_t n, char buf[32])
{
	/* containerd's progress.Bytes: one decimal behind a space. */
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)n;
	size_t i = 0;
	while (v >= 1024 && i + 1 < ARRAY_SIZE(units)) {
		v /= 1024;
		i++;
	}
	(void)snprintf(buf, 32, "%.1f %s", v, units[i]);
	return buf;
}
