/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From YAML (and so JSON) to a JSON value: libyaml's events, and our own building of the tree, because the bounds belong
 * there. Invariants:
 *  1. Depth and number of values are bounded; a value that an alias repeats is shared in memory, but counts again, and is as
 *     deep again, so that no walk over the result takes longer or goes deeper than its bound.
 *  2. An anchor is known from the end of its value on: an alias cannot lie inside what it stands for.
 *  3. Keys are unique, and strings have no NUL bytes: what is checked is what is used.
 */
#include <yaml.h>

#include "oci/yaml.h"

#define ANCHORS_MAX 256

struct anchor {
	char *name;
	json_t *value;
	size_t nodes; /* in value, itself counted */
	int height;   /* of nesting in value: 0 for a scalar */
};

struct reader {
	yaml_parser_t parser;
	struct anchor anchors[ANCHORS_MAX];
	size_t n_anchors, nodes;
	int depth;   /* of what is being built */
	int deepest; /* so far in what is being built */
	struct cor_error *err;
};

#define _cleanup_event_ _cleanup_(yaml_event_delete)

static int next(struct reader *r, yaml_event_t *ret)
{
	const yaml_parser_t *p = &r->parser;

	if (yaml_parser_parse(&r->parser, ret))
		return 0;
	if (p->error == YAML_MEMORY_ERROR)
		return cor_error_oom(r->err);
	if (p->error == YAML_READER_ERROR)
		return cor_error_set(r->err, COR_INVALID_ARGUMENT, "byte %zu: %s", p->problem_offset,
				     p->problem ? p->problem : "cannot be read");
	return cor_error_set(r->err, COR_INVALID_ARGUMENT, "line %zu: %s", p->problem_mark.line + 1,
			     p->problem ? p->problem : "not valid YAML");
}

static int refuse(struct reader *r, const yaml_event_t *e, const char *why)
{
	return cor_error_set(r->err, COR_INVALID_ARGUMENT, "line %zu: %s", e->start_mark.line + 1, why);
}

static int count(struct reader *r, const yaml_event_t *e, size_t n)
{
	if (n > COR_YAML_NODES_MAX - r->nodes)
		return refuse(r, e, "too many values");
	r->nodes += n;
	return 0;
}

/* ---- anchors ---- */

static struct anchor *find_anchor(struct reader *r, const char *name)
{
	for (size_t i = 0; i < r->n_anchors; i++)
		if (streq(r->anchors[i].name, name))
			return &r->anchors[i];
	return NULL;
}

/* A name that is used again stands for the later value from here on. */
static int set_anchor(struct reader *r, const yaml_event_t *e, const char *name, const struct anchor *what)
{
	struct anchor *a = find_anchor(r, name);

	if (!a) {
		if (r->n_anchors == ANCHORS_MAX)
			return refuse(r, e, "too many anchors");
		a = &r->anchors[r->n_anchors];
		a->name = strdup(name);
		if (!a->name)
			return cor_error_oom(r->err);
		r->n_anchors++;
	}
	json_decref(a->value);
	a->value = json_incref(what->value);
	a->nodes = what->nodes;
	a->height = what->height;
	return 0;
}

static int build_alias(struct reader *r, const yaml_event_t *e, json_t **ret)
{
	struct anchor *a = find_anchor(r, (const char *)e->data.alias.anchor);
	int x;

	if (!a)
		return refuse(r, e, "alias without an anchor before it");
	if (a->height > COR_YAML_DEPTH_MAX - r->depth)
		return refuse(r, e, "nested too deep");
	r->deepest = MAX(r->deepest, r->depth + a->height);
	x = count(r, e, a->nodes);
	if (x >= 0)
		*ret = json_incref(a->value);
	return x;
}

/* ---- values ---- */

static bool is_tag(const yaml_char_t *tag, const char *kind)
{
	const char *name = tag ? cor_after((const char *)tag, "tag:yaml.org,2002:") : NULL;

	return name && streq(name, kind);
}

/* The text of a scalar event; libyaml gives a length, and may give NUL bytes ("\0"). */
static int scalar_text(struct reader *r, const yaml_event_t *e, const char **ret)
{
	const char *s = (const char *)e->data.scalar.value;

	if (strlen(s) != e->data.scalar.length)
		return refuse(r, e, "string with a NUL byte");
	*ret = s;
	return 0;
}

static int build_scalar(struct reader *r, const yaml_event_t *e, json_t **ret)
{
	const yaml_char_t *tag = e->data.scalar.tag;
	bool typed = is_tag(tag, "null") || is_tag(tag, "bool") || is_tag(tag, "int") || is_tag(tag, "float");
	const char *s = NULL;
	json_t *value;
	int x = scalar_text(r, e, &s);

	if (x < 0)
		return x;
	if (tag && !typed && !is_tag(tag, "str"))
		return refuse(r, e, "unknown tag");
	value = typed || e->data.scalar.plain_implicit ? cor_yaml_scalar(s) : json_string_nocheck(s);
	if (!value)
		return cor_error_oom(r->err);
	*ret = value;
	return 0;
}

static int build(struct reader *r, const yaml_event_t *e, json_t **ret);

static int build_sequence(struct reader *r, const yaml_event_t *start, json_t **ret)
{
	_cleanup_json_ json_t *list = json_array();
	const yaml_char_t *tag = start->data.sequence_start.tag;

	if (!list)
		return cor_error_oom(r->err);
	if (tag && !is_tag(tag, "seq"))
		return refuse(r, start, "unknown tag");
	for (;;) {
		_cleanup_event_ yaml_event_t e = {0};
		json_t *item;
		int x = next(r, &e);

		if (x >= 0 && e.type == YAML_SEQUENCE_END_EVENT)
			break;
		if (x >= 0)
			x = build(r, &e, &item);
		if (x >= 0 && json_array_append_new(list, item) < 0)
			x = cor_error_oom(r->err);
		if (x < 0)
			return x;
	}
	*ret = TAKE_PTR(list);
	return 0;
}

static int twice(struct reader *r, const yaml_event_t *e, const char *key)
{
	_cleanup_json_ json_t *name = json_string_nocheck(key);
	_cleanup_free_ char *quoted = name ? cor_json_dump(name) : NULL;

	return cor_error_set(r->err, COR_INVALID_ARGUMENT, "line %zu: key %.64s given twice",
			     e->start_mark.line + 1, quoted ? quoted : "?");
}

/* Members of the mapping, or of the mappings, behind the key "<<" that object does not have itself; consumes from. */
static int merge(struct reader *r, const yaml_event_t *e, json_t *object, json_t *from_take)
{
	_cleanup_json_ json_t *from = from_take;
	size_t n = json_is_array(from) ? json_array_size(from) : 1;

	for (size_t i = 0; i < n; i++) {
		json_t *one = json_is_array(from) ? json_array_get(from, i) : from;

		if (!json_is_object(one))
			return refuse(r, e, "<<: expected a mapping, or a list of mappings");
		if (json_object_update_missing(object, one) < 0)
			return cor_error_oom(r->err);
	}
	return 0;
}

/* One key and its value; that of a merge key goes to *ret_merge. */
static int build_member(struct reader *r, const yaml_event_t *e, json_t *object, json_t **ret_merge)
{
	_cleanup_event_ yaml_event_t value_event = {0};
	const char *key = NULL;
	bool is_merge;
	json_t *value;
	int x;

	if (e->type != YAML_SCALAR_EVENT)
		return refuse(r, e, "key that is no string");
	x = scalar_text(r, e, &key);
	if (x < 0)
		return x;
	is_merge = e->data.scalar.plain_implicit && streq(key, "<<");
	if (is_merge ? *ret_merge != NULL : json_object_get(object, key) != NULL)
		return twice(r, e, key);
	x = next(r, &value_event);
	if (x >= 0)
		x = build(r, &value_event, &value);
	if (x >= 0 && is_merge)
		*ret_merge = value;
	else if (x >= 0 && json_object_set_new_nocheck(object, key, value) < 0)
		x = cor_error_oom(r->err);
	return x;
}

static int build_mapping(struct reader *r, const yaml_event_t *start, json_t **ret)
{
	_cleanup_json_ json_t *object = json_object(), *merged = NULL;
	const yaml_char_t *tag = start->data.mapping_start.tag;
	int x = 0;

	if (!object)
		return cor_error_oom(r->err);
	if (tag && !is_tag(tag, "map"))
		return refuse(r, start, "unknown tag");
	for (;;) {
		_cleanup_event_ yaml_event_t e = {0};

		x = next(r, &e);
		if (x >= 0 && e.type == YAML_MAPPING_END_EVENT)
			break;
		if (x >= 0)
			x = build_member(r, &e, object, &merged);
		if (x < 0)
			return x;
	}
	if (merged)
		x = merge(r, start, object, TAKE_PTR(merged));
	if (x >= 0)
		*ret = TAKE_PTR(object);
	return x;
}

static int build_nested(struct reader *r, const yaml_event_t *e, json_t **ret)
{
	int x;

	if (r->depth >= COR_YAML_DEPTH_MAX)
		return refuse(r, e, "nested too deep");
	r->depth++;
	r->deepest = MAX(r->deepest, r->depth);
	x = e->type == YAML_SEQUENCE_START_EVENT ? build_sequence(r, e, ret) : build_mapping(r, e, ret);
	r->depth--;
	return x;
}

/* The value that begins with this event. */
static int build(struct reader *r, const yaml_event_t *e, json_t **ret)
{
	_cleanup_json_ json_t *value = NULL;
	const yaml_char_t *anchor = NULL;
	size_t before = r->nodes;
	int outer = r->deepest, x;

	if (e->type == YAML_ALIAS_EVENT)
		return build_alias(r, e, ret);
	x = count(r, e, 1);
	if (x < 0)
		return x;
	r->deepest = r->depth;
	if (e->type == YAML_SCALAR_EVENT) {
		anchor = e->data.scalar.anchor;
		x = build_scalar(r, e, &value);
	} else {
		anchor = e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.anchor
							      : e->data.mapping_start.anchor;
		x = build_nested(r, e, &value);
	}
	if (x >= 0 && anchor)
		x = set_anchor(r, e, (const char *)anchor,
			       &(struct anchor){.value = value,
						.nodes = r->nodes - before,
						.height = r->deepest - r->depth});
	r->deepest = MAX(r->deepest, outer);
	if (x >= 0)
		*ret = TAKE_PTR(value);
	return x;
}

/* ---- documents ---- */

/* The next event, which the grammar says is of this type; anything else is the second document or the empty stream. */
static int expect(struct reader *r, yaml_event_type_t type, const char *otherwise)
{
	_cleanup_event_ yaml_event_t e = {0};
	int x = next(r, &e);

	return x >= 0 && e.type != type ? refuse(r, &e, otherwise) : x;
}

static int read_stream(struct reader *r, json_t **ret)
{
	_cleanup_event_ yaml_event_t e = {0};
	_cleanup_json_ json_t *value = NULL;
	int x = expect(r, YAML_STREAM_START_EVENT, "not a YAML stream");

	if (x >= 0)
		x = expect(r, YAML_DOCUMENT_START_EVENT, "no document");
	if (x >= 0)
		x = next(r, &e);
	if (x >= 0)
		x = build(r, &e, &value);
	if (x >= 0)
		x = expect(r, YAML_DOCUMENT_END_EVENT, "not the end of the document");
	if (x >= 0)
		x = expect(r, YAML_STREAM_END_EVENT, "more than one document");
	if (x >= 0)
		*ret = TAKE_PTR(value);
	return x;
}

/* libyaml holds each %TAG directive against all before it, ahead of everything that is bounded here. A document of ours has
 * none; and a '%' elsewhere is seldom. */
static bool too_many_directives(const char *text, size_t len)
{
	size_t n = 0;

	for (const char *p = text, *end = text + len; p < end && (p = memchr(p, '%', (size_t)(end - p))); p++)
		if (++n > COR_YAML_PERCENTS_MAX)
			return true;
	return false;
}

int cor_yaml_parse(const char *text, size_t len, json_t **ret, struct cor_error *err)
{
	struct reader r = {.err = err};
	int x;

	if (too_many_directives(text, len))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "more than %d '%%'", COR_YAML_PERCENTS_MAX);
	if (!yaml_parser_initialize(&r.parser))
		return cor_error_oom(err);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	x = read_stream(&r, ret);
	for (size_t i = 0; i < r.n_anchors; i++) {
		free(r.anchors[i].name);
		json_decref(r.anchors[i].value);
	}
	yaml_parser_delete(&r.parser);
	return x < 0 ? x : 0;
}
