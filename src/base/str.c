/* SPDX-License-Identifier: Apache-2.0 */
/* String helpers and growing buffers. */
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

bool cor_startswith(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool cor_endswith(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);
	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

const char *cor_after(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);
	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

char *cor_asprintf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	va_start(ap, fmt);
	int r = vasprintf(&s, fmt, ap);
	va_end(ap);
	return r < 0 ? NULL : s;
}

void cor_buf_done(struct cor_buf *b)
{
	free(b->data);
	*b = (struct cor_buf){0};
}

static int reserve(struct cor_buf *b, size_t n)
{
	size_t need;
	if (b->failed)
		return -ENOMEM;
	if (__builtin_add_overflow(b->len, n, &need) || __builtin_add_overflow(need, (size_t)1, &need) ||
	    cor_grow(&b->data, &b->cap, need, 1) < 0) {
		b->failed = true;
		return -ENOMEM;
	}
	return 0;
}

int cor_buf_append(struct cor_buf *b, const void *data, size_t n)
{
	if (reserve(b, n) < 0)
		return -ENOMEM;
	if (n)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int cor_buf_str(struct cor_buf *b, const char *s)
{
	return cor_buf_append(b, s, strlen(s));
}

int cor_buf_char(struct cor_buf *b, char c)
{
	return cor_buf_append(b, &c, 1);
}

int cor_buf_printf(struct cor_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	char small[256];
	int n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	int r;
	if (n < 0) {
		b->failed = true;
		r = -EINVAL;
	} else if ((size_t)n < sizeof(small)) {
		r = cor_buf_append(b, small, (size_t)n);
	} else {
		r = reserve(b, (size_t)n);
		if (r == 0) {
			(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
			b->len += (size_t)n;
		}
	}
	va_end(again);
	return r;
}

char *cor_buf_take(struct cor_buf *b)
{
	char *s = NULL;
	if (!b->failed)
		s = b->data ? TAKE_PTR(b->data) : strdup("");
	cor_buf_done(b);
	return s;
}

void cor_random_hex(char *buf, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[64];
	size_t have = 0;
	for (size_t i = 0; i < n; i++) {
		if (have == 0) {
			/* Up to 256 bytes getrandom neither fails nor stops short once the pool is ready. */
			while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
				if (errno != EINTR)
					abort();
			have = sizeof(bytes);
		}
		buf[i] = digits[bytes[--have] & 15];
	}
	buf[n] = '\0';
}
