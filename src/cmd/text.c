/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in and out of commands (see the header). */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cmd/text.h"

#define LABEL_MAX 4096

/* Length of the well-formed UTF-8 sequence at s that is no control character, else 0. */
static size_t printable(const unsigned char *s)
{
	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f ? 1 : 0;
	if ((s[0] & 0xe0) == 0xc0 && s[0] >= 0xc2 && (s[1] & 0xc0) == 0x80)
		return s[0] == 0xc2 && s[1] < 0xa0 ? 0 : 2; /* C1 controls */
	if ((s[0] & 0xf0) == 0xe0 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80)
		return s[0] == 0xe0 && s[1] < 0xa0 ? 0 : 3;
	if ((s[0] & 0xf8) == 0xf0 && s[0] <= 0xf4 && (s[1] & 0xc0) == 0x80 && (s[2] & 0xc0) == 0x80 &&
	    (s[3] & 0xc0) == 0x80)
		return 4;
	return 0;
}

char *cor_text_escape(const char *s)
{
	_cleanup_buf_ struct cor_buf b = {0};

	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		size_t n = printable(p);
		if (n > 0)
			cor_buf_append(&b, p, n);
		else if (*p == '\n' || *p == '\t' || *p == '\r')
			cor_buf_str(&b, *p == '\n' ? "\\n" : *p == '\t' ? "\\t" : "\\r");
		else
			cor_buf_printf(&b, "\\x%02x", *p);
		p += MAX(n, (size_t)1);
	}
	return cor_buf_take(&b);
}

void cor_text_line(FILE *out, const char *s)
{
	_cleanup_free_ char *safe = isatty(STDOUT_FILENO) ? cor_text_escape(s) : NULL;

	fprintf(out, "%s\n", safe ? safe : s);
}

size_t cor_text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static int parse_label(const char *arg, struct cor_map *ret, struct cor_error *err)
{
	const char *eq = strchr(arg, '=');
	size_t n = eq ? (size_t)(eq - arg) : strlen(arg);
	const char *value = eq ? eq + 1 : "true";

	if (n == 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "label \"%s\": empty key", arg);
	if (n + strlen(value) > LABEL_MAX)
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"label key and value length (%zu bytes) greater than maximum size (%d bytes), key: "
			"%.*s: invalid argument",
			n + strlen(value), LABEL_MAX, (int)MIN(n, (size_t)64), arg);
	_cleanup_free_ char *key = cor_asprintf("%.*s", (int)n, arg);
	if (!key || cor_map_set(ret, key, value) < 0)
		return cor_error_oom(err);
	return 0;
}

int cor_labels_parse(char *const *args, struct cor_map *ret, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};

	for (; args && *args; args++) {
		int r = parse_label(*args, &labels, err);
		if (r < 0)
			return r;
	}
	*ret = labels;
	labels = (struct cor_map){0};
	return 0;
}

char *cor_labels_format(const struct cor_map *labels, const char *none)
{
	_cleanup_buf_ struct cor_buf b = {0};

	for (size_t i = 0; i < labels->n; i++)
		cor_buf_printf(&b, "%s%s=%s", i ? "," : "", labels->keys[i], labels->values[i]);
	if (labels->n == 0)
		cor_buf_str(&b, none);
	return cor_buf_take(&b);
}

char *cor_text_local_time(int64_t ns, char buf[COR_TIME_MAX])
{
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;

	if (!localtime_r(&t, &tm))
		return cor_time_format(ns, buf);
	size_t n = strftime(buf, COR_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	long minutes = labs(tm.tm_gmtoff) / 60;
	if (minutes == 0)
		snprintf(buf + n, COR_TIME_MAX - n, "Z");
	else
		snprintf(buf + n, COR_TIME_MAX - n, "%c%02ld:%02ld", tm.tm_gmtoff < 0 ? '-' : '+',
			 minutes / 60, minutes % 60);
	return buf;
}
