/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON documents from outside. Duplicate members are rejected: two readers of one document must never see two
 * different images. A member that is null counts as absent, as in Go.
 */
#include "oci/json.h"

#include <errno.h>

#include "oci/json_u64.h"

/* A cor_map is a sorted array: what a hostile document puts into one is bounded, as the work is quadratic. */
#define MAP_ENTRIES_MAX 10000

int cor_json_parse(const char *text, size_t len, const char *what, json_t **ret, struct cor_error *err)
{
	json_error_t e;
	json_t *j = json_loadb(text, len, COR_JSON_FLAGS, &e);

	if (!j && json_error_code(&e) == json_error_numeric_overflow)
		j = cor_json_u64_load(text, len, &e);
	if (!j) {
		/* Where an allocation fails Jansson does not always say so, but then it says nothing. */
		if (json_error_code(&e) == json_error_out_of_memory || !e.text[0])
			return cor_error_oom(err);
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: invalid JSON: line %d column %d: %s",
				     what, e.line, e.column, e.text);
	}
	*ret = j;
	return 0;
}

char *cor_json_dump(const json_t *j)
{
	return cor_json_u64_fold(json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY));
}

char *cor_json_dump_indented(const json_t *j, unsigned blanks)
{
	return cor_json_u64_fold(json_dumps(j, JSON_INDENT(blanks) | JSON_ENCODE_ANY));
}

char *cor_json_dump_pretty(const json_t *j)
{
	return cor_json_dump_indented(j, 4);
}

static const json_t *member(const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_null(v) ? NULL : v;
}

static int wrong_type(const char *key, const char *type, struct cor_error *err)
{
	return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: expected %s", key, type);
}

int cor_json_get_str(const json_t *obj, const char *key, const char **ret, struct cor_error *err)
{
	const json_t *v = member(obj, key);

	if (v && !json_is_string(v))
		return wrong_type(key, "string", err);
	*ret = v ? json_string_value(v) : NULL;
	return 0;
}

int cor_json_get_i64(const json_t *obj, const char *key, int64_t *ret, struct cor_error *err)
{
	const json_t *v = member(obj, key);

	if (v && !json_is_integer(v))
		return wrong_type(key, "integer", err);
	*ret = v ? json_integer_value(v) : 0;
	return 0;
}

int cor_json_get_bool(const json_t *obj, const char *key, bool *ret, struct cor_error *err)
{
	const json_t *v = member(obj, key);

	if (v && !json_is_boolean(v))
		return wrong_type(key, "boolean", err);
	*ret = json_is_true(v);
	return 0;
}

int cor_json_get_strv(const json_t *obj, const char *key, char ***ret, struct cor_error *err)
{
	const json_t *v = member(obj, key);
	_cleanup_strv_ char **list = NULL;
	size_t n = json_array_size(v);

	if (v && !json_is_array(v))
		return wrong_type(key, "array of strings", err);
	if (n > 0) {
		list = cor_new0(char *, n + 1);
		if (!list)
			return cor_error_oom(err);
	}
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(v, i);

		if (!json_is_string(item))
			return wrong_type(key, "array of strings", err);
		list[i] = strdup(json_string_value(item));
		if (!list[i])
			return cor_error_oom(err);
	}
	*ret = TAKE_PTR(list);
	return 0;
}

int cor_json_get_map(const json_t *obj, const char *key, struct cor_map *ret, struct cor_error *err)
{
	_cleanup_map_ struct cor_map m = {0};
	json_t *v = (json_t *)member(obj, key), *value;
	const char *k;

	if (v && !json_is_object(v))
		return wrong_type(key, "object of strings", err);
	if (json_object_size(v) > MAP_ENTRIES_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: more than %d members", key,
				     MAP_ENTRIES_MAX);
	json_object_foreach(v, k, value)
	{
		const char *s = json_is_null(value) ? "" : json_string_value(value);

		if (!s)
			return wrong_type(key, "object of strings", err);
		if (cor_map_set(&m, k, s) < 0)
			return cor_error_oom(err);
	}
	*ret = m;
	m = (struct cor_map){0};
	return 0;
}

json_t *cor_json_from_map(const struct cor_map *m)
{
	_cleanup_json_ json_t *obj = json_object();

	for (size_t i = 0; obj && i < m->n; i++)
		if (json_object_set_new(obj, m->keys[i], json_string(m->values[i])) < 0)
			return NULL;
	return TAKE_PTR(obj);
}

json_t *cor_json_from_strv(char *const *v)
{
	_cleanup_json_ json_t *list = json_array();

	for (; list && v && *v; v++)
		if (json_array_append_new(list, json_string(*v)) < 0)
			return NULL;
	return TAKE_PTR(list);
}
