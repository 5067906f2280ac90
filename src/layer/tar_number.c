/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers in tar headers. A field that one reader takes for 0 and another for something else is how archives come to
 * mean two things, so everything that is not a number in the field's own syntax is refused.
 */
#include <errno.h>
#include <stdint.h>

#include "layer/tar_internal.h"

static int base256(const uint8_t *f, size_t n, int64_t *ret)
{
	uint8_t invert = (f[0] & 0x40) ? 0xff : 0;
	uint64_t x = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = f[i] ^ invert;
		if (i == 0)
			c &= 0x7f;
		if (x >> 56)
			return -ERANGE;
		x = x << 8 | c;
	}
	if (x >> 63)
		return -ERANGE;
	*ret = invert ? (int64_t)~x : (int64_t)x;
	return 0;
}

int tar_number(const uint8_t *f, size_t n, int64_t *ret)
{
	size_t i = 0;
	int64_t x = 0;

	if (n > 0 && (f[0] & 0x80))
		return base256(f, n, ret);
	while (i < n && (f[i] == ' ' || f[i] == 0))
		i++;
	for (; i < n && f[i] >= '0' && f[i] <= '7'; i++)
		x = x * 8 + (f[i] - '0'); /* at most 12 digits: 36 bits */
	if (i < n && f[i] != 0)           /* after a NUL anything may follow; after spaces only spaces */
		for (; i < n && f[i] != 0; i++)
			if (f[i] != ' ')
				return -EINVAL;
	*ret = x;
	return 0;
}

int tar_decimal(const char *s, size_t n, uint64_t *ret)
{
	uint64_t x = 0;

	if (n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(x, (uint64_t)10, &x) ||
		    __builtin_add_overflow(x, (uint64_t)(s[i] - '0'), &x) || x > INT64_MAX)
			return -ERANGE;
	}
	*ret = x;
	return 0;
}

int tar_time(const char *s, size_t n, int64_t *ret_sec, uint32_t *ret_nsec)
{
	bool negative = n > 0 && s[0] == '-';
	uint32_t nsec = 0, digits = 0;
	uint64_t sec;
	size_t i;
	int r;

	if (negative)
		s++, n--;
	for (i = 0; i < n && s[i] != '.'; i++)
		;
	r = tar_decimal(s, i, &sec);
	if (r < 0)
		return r;
	if (i < n) {
		for (i++; i < n; i++, digits++) {
			if (s[i] < '0' || s[i] > '9')
				return -EINVAL;
			if (digits < 9)
				nsec = nsec * 10 + (uint32_t)(s[i] - '0');
		}
		for (; digits < 9; digits++)
			nsec *= 10;
	}
	*ret_sec = negative ? -(int64_t)sec : (int64_t)sec;
	*ret_nsec = nsec;
	if (negative && nsec > 0) {
		*ret_sec -= 1;
		*ret_nsec = 1000000000u - nsec;
	}
	return 0;
}
