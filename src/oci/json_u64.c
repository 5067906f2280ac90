/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON numbers of 2^63 to 2^64-1 (an rlimit without limit as Go writes it). Jansson's integers end at 2^63-1 and its
 * reals have 53 bits, so such a number becomes [["\0<digits>"]]: no document can have it, as NUL is refused in strings;
 * whoever expects a number, a string or a list of something sees another type; and it is copied and compared like any
 * node. Only documents that Jansson refused come here.
 */
#include "oci/json_u64.h"

#include <string.h>

#include "oci/json.h"

#define MARK        "\"\\u0000"
#define DIGITS_KEPT 18 /* what Jansson takes whichever digits they are */

/* s is a number of 2^63 to 2^64-1 as JSON writes it: no sign, fraction, exponent or leading zero. */
static bool parse_big(const char *s, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	if (n < 19 || n > 20 || *s == '0')
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return false;
	*ret = v;
	return v > INT64_MAX;
}

/* Behind the string that starts at i. */
static size_t skip_string(const char *text, size_t len, size_t i)
{
	for (i++; i < len && text[i] != '"'; i++)
		i += text[i] == '\\';
	return MIN(i + 1, len);
}

/* The length of the first such number outside strings at or behind *at, which is set to where it is; 0 without one. */
static size_t next_big(const char *text, size_t len, size_t *at)
{
	static const char number[] = "0123456789+-.eE";
	uint64_t v;

	for (size_t i = *at, n; i < len; i += n ? n : 1) {
		n = 0;
		if (text[i] == '"') {
			n = skip_string(text, len, i) - i;
			continue;
		}
		while (i + n < len && memchr(number, text[i + n], sizeof(number) - 1))
			n++;
		if (parse_big(text + i, n, &v)) {
			*at = i;
			return n;
		}
	}
	return 0;
}

json_t *cor_json_u64_load(const char *text, size_t len, json_error_t *e)
{
	_cleanup_free_ char *plain = malloc(len + 1);
	_cleanup_buf_ struct cor_buf marked = {0};
	size_t at = 0, from = 0, n;
	json_t *checked;

	if (plain && len)
		memcpy(plain, text, len);
	for (; plain && (n = next_big(text, len, &at)) > 0; from = at += n) {
		cor_buf_append(&marked, text + from, at - from);
		cor_buf_printf(&marked, "[[" MARK "%.*s\"]]", (int)n, text + at);
		memset(plain + at + DIGITS_KEPT, ' ', n - DIGITS_KEPT);
	}
	cor_buf_append(&marked, text + from, len - from);
	if (!plain || marked.failed) {
		memset(e, 0, sizeof(*e));
		return NULL;
	}
	/* First with the numbers cut short: what else is wrong is told where it is, and no NUL but ours is let through. */
	checked = json_loadb(plain, len, COR_JSON_FLAGS, e);
	if (!checked)
		return NULL;
	json_decref(checked);
	return json_loadb(marked.data, marked.len, COR_JSON_FLAGS | JSON_ALLOW_NUL, e);
}

bool cor_json_u64(const json_t *v, uint64_t *ret)
{
	const char *s;
	uint64_t n;

	if (json_is_integer(v) && json_integer_value(v) >= 0) {
		*ret = (uint64_t)json_integer_value(v);
		return true;
	}
	for (int i = 0; i < 2; i++)
		v = json_array_size(v) == 1 ? json_array_get(v, 0) : NULL;
	s = json_string_value(v);
	if (!s || *s || json_string_length(v) < 2 || !parse_big(s + 1, json_string_length(v) - 1, &n))
		return false;
	*ret = n;
	return true;
}

/* From s on backwards, but not before first: behind blanks and a bracket, twice. NULL when that is not there. */
static char *opened(char *first, char *s)
{
	for (int i = 0; i < 2; i++) {
		while (s > first && strchr(" \n", s[-1]))
			s--;
		if (s == first || *--s != '[')
			return NULL;
	}
	return s;
}

/* The same forwards. */
static char *closed(char *s)
{
	for (int i = 0; i < 2; i++) {
		s += strspn(s, " \n");
		if (*s++ != ']')
			return NULL;
	}
	return s;
}

/* A quotation mark inside a dumped string has a backslash before it and never "u0000" behind: MARK starts a string. */
char *cor_json_u64_fold(char *text)
{
	char *in = text, *out = text, *mark;

	while (in && (mark = strstr(in, MARK))) {
		char *digits = mark + strlen(MARK), *end = digits + strspn(digits, "0123456789");
		char *from = opened(in, mark), *behind = *end == '"' ? closed(end + 1) : NULL;
		size_t before = (size_t)((from && behind ? from : digits) - in);

		memmove(out, in, before);
		out += before;
		in = digits;
		if (from && behind) {
			memmove(out, digits, (size_t)(end - digits));
			out += end - digits;
			in = behind;
		}
	}
	if (in != out)
		memmove(out, in, strlen(in) + 1);
	return text;
}
