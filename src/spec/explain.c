/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of parts with their history (see the header). explain_walk.c takes documents apart.
 *
 * A member that is set to the value it has is noticed by its node, which is another one then. Elements of lists are compared
 * by value only, since a merge makes all of them anew.
 */
#include <errno.h>

#include "spec/explain_internal.h"

struct part {
	char *path;
	struct cor_explained *history; /* owned strings */
	size_t n, cap;
	json_t *node;   /* as last seen; NULL: not to be compared */
	unsigned stamp; /* of the last step that has seen it; 0: not of a document */
};

struct cor_explain {
	struct part **parts; /* by path */
	size_t n, cap;
	unsigned stamp;
};

static void part_free(struct part *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free((char *)(uintptr_t)p->history[i].source);
		free((char *)(uintptr_t)p->history[i].value);
	}
	free(p->history);
	free(p->path);
	json_decref(p->node);
	free(p);
}

struct cor_explain *cor_explain_new(void)
{
	return cor_new0(struct cor_explain, 1);
}

void cor_explain_free(struct cor_explain *x)
{
	for (size_t i = 0; i < x->n; i++)
		part_free(x->parts[i]);
	free(x->parts);
	free(x);
}

/* The part, or NULL; *ret_at is where it is or belongs. */
static struct part *find(const struct cor_explain *x, const char *path, size_t *ret_at)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(x->parts[mid]->path, path);

		if (c == 0) {
			*ret_at = mid;
			return x->parts[mid];
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_at = low;
	return NULL;
}

static struct part *insert(struct cor_explain *x, size_t at, const char *path)
{
	struct part *p = cor_new0(struct part, 1);

	if (!p || !(p->path = strdup(path)) ||
	    cor_grow(&x->parts, &x->cap, x->n + 1, sizeof(*x->parts)) < 0) {
		if (p)
			part_free(p);
		return NULL;
	}
	memmove(x->parts + at + 1, x->parts + at, (x->n - at) * sizeof(*x->parts));
	x->parts[at] = p;
	x->n++;
	return p;
}

static int insert_setter(struct part *p, size_t at, const char *source, const char *value)
{
	struct cor_explained e = {.source = strdup(source), .value = value ? strdup(value) : NULL};

	if (!e.source || (value && !e.value) ||
	    cor_grow(&p->history, &p->cap, p->n + 1, sizeof(*p->history)) < 0) {
		free((char *)(uintptr_t)e.source);
		free((char *)(uintptr_t)e.value);
		return -ENOMEM;
	}
	memmove(p->history + at + 1, p->history + at, (p->n - at) * sizeof(*p->history));
	p->history[at] = e;
	p->n++;
	return 0;
}

/* One who sets a thing twice has set it once. */
static int push(struct part *p, const char *source, const char *value)
{
	struct cor_explained *top = p->n ? &p->history[p->n - 1] : NULL;
	char *copy = NULL;

	if (!top || !streq(top->source, source))
		return insert_setter(p, p->n, source, value);
	if (value && !(copy = strdup(value)))
		return -ENOMEM;
	free((char *)(uintptr_t)top->value);
	top->value = copy;
	return 0;
}

/* An element that has got a later one of the same key was the plain path before: its history is that one's. */
static int inherit(struct cor_explain *x, struct part *p, const char *value)
{
	const char *mark = strrchr(p->path, '#');
	_cleanup_free_ char *plain = mark ? strndup(p->path, (size_t)(mark - p->path) - 1) : NULL;
	size_t at;
	struct part *from = plain ? find(x, plain, &at) : NULL;

	if (!from || !from->n || !from->history[from->n - 1].value ||
	    !streq(from->history[from->n - 1].value, value))
		return mark && !plain ? -ENOMEM : 0;
	for (size_t i = 0; i < from->n; i++)
		if (insert_setter(p, i, from->history[i].source, from->history[i].value) < 0)
			return -ENOMEM;
	return 0;
}

int cor_explain_seen(struct cor_explain *x, const char *path, const char *source, const char *value,
		     json_t *node, bool repeated)
{
	size_t at;
	struct part *p = find(x, path, &at);
	const char *now;

	if (!p) {
		p = insert(x, at, path);
		if (!p || (repeated && inherit(x, p, value) < 0))
			return -ENOMEM;
	}
	p->stamp = x->stamp;
	now = p->n ? p->history[p->n - 1].value : NULL;
	if (!now || !streq(now, value) || (node && p->node && node != p->node))
		if (push(p, source, value) < 0)
			return -ENOMEM;
	json_decref(p->node);
	p->node = json_incref(node);
	return 0;
}

int cor_explain_step(struct cor_explain *x, json_t *doc, const char *source, struct cor_error *err)
{
	x->stamp++;
	if (cor_explain_walk(x, doc, source) < 0)
		return cor_error_oom(err);
	for (size_t i = 0; i < x->n; i++) {
		struct part *p = x->parts[i];

		if (p->stamp == 0 || p->stamp == x->stamp || !p->history[p->n - 1].value)
			continue;
		if (push(p, source, NULL) < 0)
			return cor_error_oom(err);
	}
	return 0;
}

int cor_explain_set(struct cor_explain *x, const char *path, const char *source, const char *value,
		    struct cor_error *err)
{
	size_t at;
	struct part *p = find(x, path, &at);

	if (!p)
		p = insert(x, at, path);
	return !p || push(p, source, value) < 0 ? cor_error_oom(err) : 0;
}

int cor_explain_beneath(struct cor_explain *x, const char *path, const char *source, const char *value,
			struct cor_error *err)
{
	size_t at;
	struct part *p = find(x, path, &at);

	return p && insert_setter(p, 0, source, value) < 0 ? cor_error_oom(err) : 0;
}

const char *cor_explain_at(const struct cor_explain *x, size_t i, const struct cor_explained **ret_history,
			   size_t *ret_n)
{
	if (i >= x->n)
		return NULL;
	*ret_history = x->parts[i]->history;
	*ret_n = x->parts[i]->n;
	return x->parts[i]->path;
}
