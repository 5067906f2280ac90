/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flag parser and the filter parser. Input: words separated by newlines, as argv. Checked besides memory: the parse
 * is inside its bounds, and flags that were accepted are accepted again behind the same words.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/filter.h"
#include "cmd/options.h"

struct values {
	bool b, given, presence;
	const char *s;
	char **list;
	int64_t i, d;
	uint64_t u;
	double f;
};
static const struct cor_option table[] = {
	COR_OPT(struct values, COR_OPT_BOOL, b, "bool", "b", ""),
	COR_OPT(struct values, COR_OPT_PRESENCE, presence, "presence", NULL, ""),
	COR_OPT_SET(struct values, COR_OPT_STRING, s, given, "string", "s,str", "", .def = "x"),
	COR_OPT(struct values, COR_OPT_STRINGS, list, "list", "l", ""),
	COR_OPT(struct values, COR_OPT_INT, i, "int", "i", "", .def = "-1"),
	COR_OPT(struct values, COR_OPT_UINT, u, "uint", "u", ""),
	COR_OPT(struct values, COR_OPT_FLOAT, f, "float", "f", ""),
	COR_OPT(struct values, COR_OPT_DURATION, d, "duration", "d", "", .def = "1h"),
	COR_OPT_END,
};
static const struct cor_command cmd = {
	.name = "fuzz", .options = table, .options_size = sizeof(struct values)};

#define WORDS_MAX 64

static const char *field(const char *const *path, size_t n, const void *data)
{
	return n == 1 && streq(path[0], "name") ? data : NULL;
}

static void filters(char **words)
{
	_cleanup_filter_ struct cor_filter *f = NULL;
	struct cor_error err = {0};

	if (cor_filter_parse(words, &f, &err) < 0) {
		if (err.code == COR_OK || f)
			abort();
		return;
	}
	(void)cor_filter_match(f, field, "docker.io/library/busybox:latest");
}

static void options(int argc, char **words)
{
	struct values v = {0}, again = {0};
	struct cor_parsed p = {0}, q = {0};
	struct cor_error err = {0};

	int r = cor_options_parse(&cmd, argc, words, &v, &p, &err);
	if (r >= 0) {
		if (p.first < 0 || p.first > argc || !v.s)
			abort();
		if (cor_options_parse(&cmd, p.first, words, &again, &q, &err) < 0 || q.first != p.first)
			abort();
	} else if (err.code == COR_OK || err.message[0] == '\0') {
		abort();
	}
	cor_options_done(&cmd, &again);
	cor_options_done(&cmd, &v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words[WORDS_MAX + 1] = {NULL};
	int argc = 0;

	_cleanup_free_ char *text = malloc(size + 1);
	if (!text || size > 65536)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	for (char *p = text; argc < WORDS_MAX;) {
		words[argc++] = p;
		p += strcspn(p, "\n");
		if (*p == '\0')
			break;
		*p++ = '\0';
	}
	options(argc, words);
	filters(words);
	return 0;
}
