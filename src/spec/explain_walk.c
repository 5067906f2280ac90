/* SPDX-License-Identifier: Apache-2.0 */
/* Taking a spec apart into named parts and their values as text (spec/explain.h has the rules). */
#include <errno.h>
#include <stdio.h>

#include "spec/explain_internal.h"

struct walk {
	struct cor_explain *x;
	const char *source;
	struct cor_buf path;
};

/* What tells the elements of a list apart. Lists that are not here: one part when of plain values, else by number. */
enum by {
	BY_NUMBER,
	BY_MEMBER, /* .key */
	BY_NAME,   /* "name=value" */
	BY_SELF,   /* the string: it is in the list or not */
	BY_RULE,   /* type and numbers of a rule of the device control group */
	BY_COUNT   /* too many to be listed: how many there are */
};
static const struct {
	const char *path;
	enum by by;
	const char *key;
} lists[] = {
	{"process.env", BY_NAME, NULL},
	{"process.rlimits", BY_MEMBER, "type"},
	{"mounts", BY_MEMBER, "destination"},
	{"linux.namespaces", BY_MEMBER, "type"},
	{"linux.devices", BY_MEMBER, "path"},
	{"linux.resources.devices", BY_RULE, NULL},
	{"linux.resources.hugepageLimits", BY_MEMBER, "pageSize"},
	{"linux.maskedPaths", BY_SELF, NULL},
	{"linux.readonlyPaths", BY_SELF, NULL},
	{"linux.seccomp.syscalls", BY_COUNT, NULL},
};

static int visit(struct walk *w, json_t *v, bool member);

/* ---- values as text ---- */

static void put_plain(struct cor_buf *b, const json_t *v)
{
	if (json_is_string(v)) {
		cor_buf_str(b, json_string_value(v));
	} else {
		_cleanup_free_ char *text = cor_json_dump(v);

		b->failed = b->failed || !text;
		cor_buf_str(b, text ? text : "");
	}
}

static bool is_plain(const json_t *v)
{
	uint64_t n;

	return (!json_is_object(v) && !json_is_array(v)) || cor_json_u64(v, &n);
}

static bool is_plain_list(const json_t *v)
{
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!is_plain(json_array_get(v, i)))
			return false;
	return json_is_array(v);
}

static void put_member(struct cor_buf *b, const char *key, const json_t *v)
{
	cor_buf_printf(b, "%s%s=", b->len ? " " : "", key);
	if (!is_plain_list(v)) {
		put_plain(b, v);
		return;
	}
	for (size_t i = 0; i < json_array_size(v); i++) {
		cor_buf_str(b, i ? "," : "");
		put_plain(b, json_array_get(v, i));
	}
}

/* "type=tmpfs source=shm options=nosuid,noexec": all members but those that are in the path already. */
static char *object_text(const json_t *obj, const char *const *leave_out)
{
	_cleanup_buf_ struct cor_buf b = {0};
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)obj, key, v)
	{
		bool out = false;

		for (const char *const *l = leave_out; *l && !out; l++)
			out = streq(*l, key);
		if (!out)
			put_member(&b, key, v);
	}
	if (b.len == 0)
		cor_buf_str(&b, "new"); /* a namespace that is not joined */
	return cor_buf_take(&b);
}

/* ---- one part ---- */

static int seen(struct walk *w, char *text, json_t *node, bool repeated)
{
	int r = !text || w->path.failed ? -ENOMEM
					: cor_explain_seen(w->x, w->path.data ? w->path.data : "", w->source,
							   text, node, repeated);

	free(text);
	return r;
}

static int see_json(struct walk *w, json_t *v, bool member)
{
	_cleanup_buf_ struct cor_buf b = {0};

	put_plain(&b, v);
	return seen(w, cor_buf_take(&b), member ? v : NULL, false);
}

static void back_to(struct walk *w, size_t len)
{
	w->path.len = len;
	if (w->path.data)
		w->path.data[len] = '\0';
}

/* ---- lists ---- */

struct element {
	char *key;
	size_t index, rank, group; /* rank-th of `group` with that key */
};

static char *rule_key(const json_t *rule)
{
	const char *type = json_string_value(json_object_get(rule, "type"));
	const json_t *numbers[] = {json_object_get(rule, "major"), json_object_get(rule, "minor")};
	char text[2][24] = {"*", "*"};

	for (size_t i = 0; i < 2; i++)
		if (json_is_integer(numbers[i]))
			snprintf(text[i], sizeof(text[i]), "%lld", (long long)json_integer_value(numbers[i]));
	return cor_asprintf("%s %s:%s", type ? type : "a", text[0], text[1]);
}

static char *element_key(const json_t *v, enum by by, const char *key, size_t i)
{
	const char *s = json_string_value(by == BY_MEMBER ? json_object_get(v, key) : v);

	if (by == BY_RULE && json_is_object(v))
		return rule_key(v);
	if (by == BY_NAME && s)
		return strndup(s, strcspn(s, "="));
	if ((by == BY_SELF || by == BY_MEMBER) && s)
		return strdup(s);
	return cor_asprintf("%zu", i);
}

static char *element_text(const json_t *v, enum by by, const char *key)
{
	static const char *const rule[] = {"type", "major", "minor", NULL};
	const char *const member[] = {key, NULL};
	const char *s = json_string_value(v);
	_cleanup_buf_ struct cor_buf b = {0};

	if (by == BY_SELF && s)
		return strdup("yes");
	if (by == BY_NAME && s)
		return strdup(s[strcspn(s, "=")] ? s + strcspn(s, "=") + 1 : "");
	if ((by == BY_RULE || by == BY_MEMBER) && json_is_object(v))
		return object_text(v, by == BY_RULE ? rule : member);
	put_plain(&b, v);
	return cor_buf_take(&b);
}

static int by_key(const void *a, const void *b)
{
	const struct element *x = a, *y = b;
	int c = strcmp(x->key, y->key);

	return c ? c : x->index < y->index ? -1 : 1;
}

static int by_index(const void *a, const void *b)
{
	const struct element *x = a, *y = b;

	return x->index < y->index ? -1 : 1;
}

static void count_repeats(struct element *list, size_t n)
{
	qsort(list, n, sizeof(*list), by_key);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && streq(list[end].key, list[i].key); end++)
			list[end].rank = end - i + 1;
		for (size_t k = i; k < end; k++)
			list[k].group = end - i;
	}
	qsort(list, n, sizeof(*list), by_index);
}

static int see_elements(struct walk *w, const json_t *array, const struct element *list, enum by by,
			const char *key)
{
	size_t len = w->path.len;
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
		bool repeated = list[i].rank < list[i].group;

		cor_buf_printf(&w->path, "[%s]", list[i].key);
		if (repeated)
			cor_buf_printf(&w->path, " #%zu", list[i].rank);
		r = seen(w, element_text(json_array_get(array, i), by, key), NULL, repeated);
		back_to(w, len);
	}
	return r;
}

static int see_list(struct walk *w, const json_t *array, enum by by, const char *key)
{
	size_t n = json_array_size(array), made = 0;
	struct element *list = cor_new0(struct element, n ? n : 1);
	int r = list ? 0 : -ENOMEM;

	for (; r == 0 && made < n; made++) {
		list[made].index = made;
		list[made].key = element_key(json_array_get(array, made), by, key, made);
		if (!list[made].key)
			r = -ENOMEM;
	}
	if (r == 0) {
		count_repeats(list, n);
		r = see_elements(w, array, list, by, key);
	}
	for (size_t i = 0; i < made; i++)
		free(list[i].key);
	free(list);
	return r;
}

static int visit_array(struct walk *w, json_t *v)
{
	for (size_t i = 0; w->path.data && i < ARRAY_SIZE(lists); i++)
		if (streq(w->path.data, lists[i].path) && lists[i].by != BY_COUNT)
			return see_list(w, v, lists[i].by, lists[i].key);
		else if (streq(w->path.data, lists[i].path))
			return seen(w, cor_asprintf("%zu rules", json_array_size(v)), NULL, false);
	return is_plain_list(v) ? see_json(w, v, false) : see_list(w, v, BY_NUMBER, NULL);
}

/* ---- objects ---- */

/* Five lists of mostly the same names: by name instead, with the sets that have it. */
static int visit_capabilities(struct walk *w, const json_t *sets)
{
	_cleanup_map_ struct cor_map caps = {0};
	size_t len = w->path.len, i;
	const char *set;
	json_t *list, *name;
	int r = 0;

	json_object_foreach((json_t *)(uintptr_t)sets, set, list) json_array_foreach(list, i, name)
	{
		const char *cap = json_string_value(name), *old = cap ? cor_map_get(&caps, cap) : NULL;
		_cleanup_free_ char *all = cor_asprintf("%s%s%s", old ? old : "", old ? " " : "", set);

		if (cap && (!all || cor_map_set(&caps, cap, all) < 0))
			return -ENOMEM;
	}
	for (i = 0; r == 0 && i < caps.n; i++) {
		cor_buf_printf(&w->path, "[%s]", caps.keys[i]);
		r = seen(w, strdup(caps.values[i]), NULL, false);
		back_to(w, len);
	}
	return r;
}

static bool is_word(const char *key)
{
	for (const char *p = key; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
		      *p == '_' || *p == '-'))
			return false;
	return *key;
}

/* Names that somebody chose rather than the specification are put into brackets. */
static bool is_map(const char *path)
{
	return path && (streq(path, "annotations") || streq(path, "linux.sysctl") ||
			streq(path, "linux.resources.unified"));
}

static int visit_object(struct walk *w, json_t *v)
{
	size_t len = w->path.len;
	const char *key;
	json_t *child;
	int r = 0;

	if (w->path.data && streq(w->path.data, "process.capabilities"))
		return visit_capabilities(w, v);
	json_object_foreach(v, key, child)
	{
		if (is_map(w->path.data) || !is_word(key))
			cor_buf_printf(&w->path, "[%s]", key);
		else
			cor_buf_printf(&w->path, "%s%s", len ? "." : "", key);
		r = visit(w, child, true);
		back_to(w, len);
		if (r < 0)
			break;
	}
	return r;
}

static int visit(struct walk *w, json_t *v, bool member)
{
	if (w->path.failed)
		return -ENOMEM;
	if (json_is_object(v) && json_object_size(v) > 0)
		return visit_object(w, v);
	return is_plain(v) || json_is_object(v) ? see_json(w, v, member) : visit_array(w, v);
}

int cor_explain_walk(struct cor_explain *x, json_t *doc, const char *source)
{
	struct walk w = {.x = x, .source = source};
	int r = visit(&w, doc, false);

	cor_buf_done(&w.path);
	return r;
}
