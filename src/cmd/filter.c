/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List filters (syntax in the header). Regular expressions are POSIX extended ones with the common escapes of Go's
 * syntax (\d, \D, and groups that do not capture) translated; what regcomp does not understand is an error, not a
 * silent mismatch.
 */
#include <ctype.h>
#include <errno.h>
#include <regex.h>

#include "cmd/filter.h"

#define REGEX_MAX     512
#define EXPANSION_MAX 1000

enum filter_op { OP_PRESENT, OP_EQUAL, OP_NOT_EQUAL, OP_MATCHES };

struct selector {
	size_t group; /* selectors of one argument have the same group */
	char **path;
	enum filter_op op;
	char *value;
	regex_t re;
	bool has_re;
};
struct cor_filter {
	struct selector *selectors;
	size_t n, cap, groups;
};

struct parser {
	const char *text, *p;
	struct cor_error *err;
};

static int syntax_error(const struct parser *s, const char *why)
{
	size_t at = (size_t)(s->p - s->text);

	return cor_error_set(s->err, COR_INVALID_ARGUMENT,
			     "filters: parse error: [%.*s >|%.1s|< %s]: %s: invalid argument", (int)at,
			     s->text, s->p, *s->p ? s->p + 1 : "", why);
}

/* A quoted string; \ takes the next character as it is, but \n, \t. */
static int parse_quoted(struct parser *s, char **ret)
{
	_cleanup_buf_ struct cor_buf b = {0};
	char quote = *s->p++;

	while (*s->p && *s->p != quote) {
		char c = *s->p++;
		if (c == '\\' && *s->p) {
			c = *s->p++;
			if (quote == '"' && (c == 'n' || c == 't'))
				c = c == 'n' ? '\n' : '\t';
			else if (quote != '"' && c != quote)
				cor_buf_char(&b, '\\');
		}
		cor_buf_char(&b, c);
	}
	if (*s->p != quote)
		return syntax_error(s, "quoted literal not terminated");
	s->p++;
	*ret = cor_buf_take(&b);
	return *ret ? 0 : cor_error_oom(s->err);
}

static bool is_quote(char c)
{
	return c == '"' || c == '/' || c == '|';
}

static int parse_field(struct parser *s, char **ret)
{
	const char *start = s->p;

	if (*s->p == '"')
		return parse_quoted(s, ret);
	while (isalnum((unsigned char)*s->p) || *s->p == '_' || (s->p > start && *s->p == '-'))
		s->p++;
	if (s->p == start)
		return syntax_error(s, "expected field or quoted");
	*ret = cor_asprintf("%.*s", (int)(s->p - start), start);
	return *ret ? 0 : cor_error_oom(s->err);
}

static int parse_path(struct parser *s, char ***ret)
{
	for (;;) {
		char *field = NULL;
		int r = parse_field(s, &field);
		if (r < 0)
			return r;
		if (cor_strv_push_take(ret, field) < 0)
			return cor_error_oom(s->err);
		if (*s->p != '.')
			return 0;
		s->p++;
	}
}

static int parse_operator(struct parser *s, enum filter_op *ret)
{
	static const char *const texts[] = {[OP_EQUAL] = "==", [OP_NOT_EQUAL] = "!=", [OP_MATCHES] = "~="};

	*ret = OP_PRESENT;
	if (*s->p == '\0' || *s->p == ',')
		return 0;
	for (size_t i = OP_EQUAL; i < ARRAY_SIZE(texts); i++)
		if (cor_startswith(s->p, texts[i])) {
			*ret = (enum filter_op)i;
			s->p += 2;
			return 0;
		}
	return syntax_error(s, "unsupported operator");
}

static int parse_value(struct parser *s, char **ret)
{
	const char *start = s->p;

	/* A value that starts with a slash but does not end with one is a path, not a quoted text. */
	if (is_quote(*s->p) && (*s->p == '"' || strchr(s->p + 1, *s->p)))
		return parse_quoted(s, ret);
	while (*s->p && *s->p != ',' && !isspace((unsigned char)*s->p))
		s->p++;
	if (s->p == start)
		return syntax_error(s, "expected value or quoted");
	*ret = cor_asprintf("%.*s", (int)(s->p - start), start);
	return *ret ? 0 : cor_error_oom(s->err);
}

/* From Go's syntax to POSIX's, keeping an eye on what glibc would expand without bounds. */
struct translation {
	const char *s; /* what is left */
	struct cor_buf out;
	bool quantified;    /* the last thing was a quantifier */
	bool group;         /* the last thing was a closing parenthesis */
	uint64_t expansion; /* by how much repetitions multiply the pattern, at most */
};

static void plain(struct translation *t, size_t n, bool group)
{
	cor_buf_append(&t->out, t->s, n);
	t->s += n;
	t->quantified = false;
	t->group = group;
}

static void translate_escape(struct translation *t)
{
	if (t->s[1] == 'd' || t->s[1] == 'D') {
		cor_buf_str(&t->out, t->s[1] == 'd' ? "[0-9]" : "[^0-9]");
		t->s += 2;
		t->quantified = t->group = false;
	} else {
		plain(t, t->s[1] ? 2 : 1, false);
	}
}

/* A bracket expression as it is: ']' is plain as the first member, and in [:class:]. */
static void translate_bracket(struct translation *t)
{
	size_t n = t->s[1] == '^' ? 2 : 1;

	n += t->s[n] == ']';
	while (t->s[n] && t->s[n] != ']') {
		const char *end = t->s[n] == '[' && t->s[n + 1] == ':' ? strstr(t->s + n, ":]") : NULL;
		n = end ? (size_t)(end - t->s) + 2 : n + 1;
	}
	plain(t, n + (t->s[n] == ']'), false);
}

/* false: a quantifier on a quantifier (but the "lazy" ?, which changes nothing for a match), or too large a repetition. */
static bool translate_quantifier(struct translation *t)
{
	uint64_t times = t->group ? 2 : 1;
	size_t n = 1;

	if (t->quantified && *t->s == '?') {
		t->s++;
		return true;
	}
	if (t->quantified)
		return false;
	if (*t->s == '{') {
		uint64_t low = 0, high = 0;
		for (n = 1; isdigit((unsigned char)t->s[n]) && low <= EXPANSION_MAX; n++)
			low = low * 10 + (uint64_t)(t->s[n] - '0');
		if (t->s[n] == ',')
			for (n++; isdigit((unsigned char)t->s[n]) && high <= EXPANSION_MAX; n++)
				high = high * 10 + (uint64_t)(t->s[n] - '0');
		times = MAX(MAX(low, high) + 1, times);
		n += t->s[n] == '}';
	}
	t->expansion *= MIN(times, (uint64_t)EXPANSION_MAX + 1);
	if (t->expansion > EXPANSION_MAX)
		return false;
	plain(t, n, false);
	t->quantified = true;
	return true;
}

/* NULL: refused (*ret_why says why) or out of memory. */
static char *translate_regex(const char *s, const char **ret_why)
{
	struct translation t = {.s = s, .expansion = 1};
	bool good = strlen(s) <= REGEX_MAX;

	while (good && *t.s) {
		if (*t.s == '\\')
			translate_escape(&t);
		else if (*t.s == '[')
			translate_bracket(&t);
		else if (strchr("*+?{", *t.s))
			good = translate_quantifier(&t);
		else if (cor_startswith(t.s, "(?:")) {
			plain(&t, 1, false);
			t.s += 2;
		} else
			plain(&t, 1, *t.s == ')');
	}
	if (good)
		return cor_buf_take(&t.out);
	*ret_why = "too large, or a repetition of a repetition";
	cor_buf_done(&t.out);
	return NULL;
}

static int compile(struct parser *s, struct selector *sel)
{
	char why[128];
	const char *refused = NULL;
	_cleanup_free_ char *pattern = translate_regex(sel->value, &refused);

	if (refused)
		return cor_error_set(s->err, COR_INVALID_ARGUMENT,
				     "filters: regular expression \"%s\": %s: invalid argument", sel->value,
				     refused);
	if (!pattern)
		return cor_error_oom(s->err);
	int e = regcomp(&sel->re, pattern, REG_EXTENDED | REG_NOSUB);
	if (e != 0) {
		regerror(e, &sel->re, why, sizeof(why));
		return cor_error_set(s->err, COR_INVALID_ARGUMENT,
				     "filters: regular expression \"%s\": %s: invalid argument", sel->value,
				     why);
	}
	sel->has_re = true;
	return 0;
}

static int parse_selector(struct parser *s, struct selector *sel)
{
	int r = parse_path(s, &sel->path);

	if (r >= 0)
		r = parse_operator(s, &sel->op);
	if (r >= 0 && sel->op != OP_PRESENT)
		r = parse_value(s, &sel->value);
	if (r >= 0 && sel->op == OP_MATCHES)
		r = compile(s, sel);
	return r;
}

static int parse_argument(struct cor_filter *f, const char *arg, struct cor_error *err)
{
	struct parser s = {.text = arg, .p = arg, .err = err};

	for (;;) {
		if (cor_grow(&f->selectors, &f->cap, f->n + 1, sizeof(*f->selectors)) < 0)
			return cor_error_oom(err);
		struct selector *sel = &f->selectors[f->n++];
		*sel = (struct selector){.group = f->groups};
		int r = parse_selector(&s, sel);
		if (r < 0)
			return r;
		if (*s.p == '\0')
			break;
		if (*s.p != ',')
			return syntax_error(&s, "unexpected input");
		s.p++;
	}
	f->groups++;
	return 0;
}

int cor_filter_parse(char *const *args, struct cor_filter **ret, struct cor_error *err)
{
	_cleanup_filter_ struct cor_filter *f = cor_new0(struct cor_filter, 1);

	if (!f)
		return cor_error_oom(err);
	for (; args && *args; args++) {
		int r = parse_argument(f, *args, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(f);
	return 0;
}

static bool selector_matches(const struct selector *sel, cor_filter_field_fn field, const void *data)
{
	const char *value = field((const char *const *)sel->path, cor_strv_len(sel->path), data);

	switch (sel->op) {
	case OP_PRESENT:
		return value != NULL;
	case OP_EQUAL:
		return value && streq(value, sel->value);
	case OP_NOT_EQUAL:
		return !value || !streq(value, sel->value);
	case OP_MATCHES:
		break;
	}
	return value && regexec(&sel->re, value, 0, NULL, 0) == 0;
}

bool cor_filter_match(const struct cor_filter *f, cor_filter_field_fn field, const void *data)
{
	size_t i = 0;

	if (f->n == 0)
		return true;
	for (size_t g = 0; g < f->groups; g++) {
		bool all = true;
		for (; i < f->n && f->selectors[i].group == g; i++)
			all = all && selector_matches(&f->selectors[i], field, data);
		if (all)
			return true;
	}
	return false;
}

struct cor_filter *cor_filter_free(struct cor_filter *f)
{
	for (size_t i = 0; f && i < f->n; i++) {
		cor_strv_free(f->selectors[i].path);
		free(f->selectors[i].value);
		if (f->selectors[i].has_re)
			regfree(&f->selectors[i].re);
	}
	if (f)
		free(f->selectors);
	free(f);
	return NULL;
}

void cor_filter_freep(struct cor_filter **f)
{
	cor_filter_free(*f);
}

const char *cor_filter_label(const struct cor_map *labels, const char *const *path, size_t n)
{
	_cleanup_buf_ struct cor_buf key = {0};

	for (size_t i = 0; i < n; i++)
		cor_buf_printf(&key, "%s%s", i ? "." : "", path[i]);
	return key.failed || !key.data ? NULL : cor_map_get(labels, key.data);
}
