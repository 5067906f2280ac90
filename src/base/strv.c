/* SPDX-License-Identifier: Apache-2.0 */
/* NULL-terminated string vectors. */
#include "base/str.h"

#include <errno.h>

size_t cor_strv_len(char *const *v)
{
	size_t n = 0;
	if (v)
		while (v[n])
			n++;
	return n;
}

char **cor_strv_free(char **v)
{
	if (v)
		for (size_t i = 0; v[i]; i++)
			free(v[i]);
	free(v);
	return NULL;
}

void cor_strv_freep(char ***v)
{
	*v = cor_strv_free(*v);
}

int cor_strv_push_take(char ***v, char *s)
{
	if (!s)
		return -ENOMEM;
	size_t n = cor_strv_len(*v);
	char **w = *v;
	/* Grown in powers of two: a vector of n strings has room for the next power of two above n. */
	if ((n & (n + 1)) == 0 || n < 7) {
		size_t cap = n < 7 ? 8 : (n + 1) * 2;
		if (n == 0 || n >= 7) {
			w = reallocarray(*v, cap, sizeof(*w));
			if (!w) {
				free(s);
				return -ENOMEM;
			}
		}
	}
	w[n] = s;
	w[n + 1] = NULL;
	*v = w;
	return 0;
}

int cor_strv_push(char ***v, const char *s)
{
	return cor_strv_push_take(v, strdup(s));
}

char **cor_strv_copy(char *const *v)
{
	_cleanup_strv_ char **c = NULL;
	for (size_t i = 0; v && v[i]; i++)
		if (cor_strv_push(&c, v[i]) < 0)
			return NULL;
	if (!c)
		c = cor_new0(char *, 8);
	return TAKE_PTR(c);
}

bool cor_strv_contains(char *const *v, const char *s)
{
	for (size_t i = 0; v && v[i]; i++)
		if (streq(v[i], s))
			return true;
	return false;
}

char **cor_strv_split(const char *s, char sep)
{
	_cleanup_strv_ char **v = NULL;
	for (;;) {
		const char *e = strchr(s, sep);
		size_t n = e ? (size_t)(e - s) : strlen(s);
		if (cor_strv_push_take(&v, strndup(s, n)) < 0)
			return NULL;
		if (!e)
			return TAKE_PTR(v);
		s = e + 1;
	}
}

char *cor_strv_join(char *const *v, const char *sep)
{
	_cleanup_buf_ struct cor_buf b = {0};
	for (size_t i = 0; v && v[i]; i++) {
		if (i)
			(void)cor_buf_str(&b, sep);
		(void)cor_buf_str(&b, v[i]);
	}
	return cor_buf_take(&b);
}

void cor_strv_remove(char **v, size_t i)
{
	size_t n = cor_strv_len(v);
	if (i >= n)
		return;
	free(v[i]);
	memmove(v + i, v + i + 1, (n - i) * sizeof(*v));
}
