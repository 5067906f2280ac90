/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of a CDI file, as tables: what members there are and of which types. The result is a new document that has
 * nothing else in it, so that whoever comes after need not ask again. As in Go, names match without regard to case
 * (the specification itself writes `additionalGIDs`), a null stands for "not given", and a string may be written as a number or
 * a truth value without quotes.
 */
#include <stdio.h>
#include <strings.h>

#include "cdi/internal.h"

enum kind {
	STRING,
	BOOLEAN,
	I64,
	U32,
	STRINGS,
	U32S,
	MAP,     /* object of strings */
	OBJECT,  /* by table */
	OBJECTS, /* array of objects by table */
};

struct member {
	const char *key;
	enum kind kind;
	const struct member *members; /* OBJECT(S): ends with {0} */
};

static const struct member device_node[] = {{"path", STRING, NULL},
					    {"hostPath", STRING, NULL},
					    {"type", STRING, NULL},
					    {"major", I64, NULL},
					    {"minor", I64, NULL},
					    {"fileMode", U32, NULL},
					    {"uid", U32, NULL},
					    {"gid", U32, NULL},
					    {"permissions", STRING, NULL},
					    {0}};
static const struct member net_device[] = {{"hostInterfaceName", STRING, NULL}, {"name", STRING, NULL}, {0}};
static const struct member hook[] = {{"hookName", STRING, NULL}, {"path", STRING, NULL},
				     {"args", STRINGS, NULL},    {"env", STRINGS, NULL},
				     {"timeout", I64, NULL},     {0}};
static const struct member mount[] = {{"hostPath", STRING, NULL},
				      {"containerPath", STRING, NULL},
				      {"options", STRINGS, NULL},
				      {"type", STRING, NULL},
				      {0}};
/* enableCMT and enableMBM went with 1.1.0; validate.c says so. */
static const struct member intel_rdt[] = {{"closID", STRING, NULL},
					  {"l3CacheSchema", STRING, NULL},
					  {"memBwSchema", STRING, NULL},
					  {"schemata", STRINGS, NULL},
					  {"enableMonitoring", BOOLEAN, NULL},
					  {"enableCMT", BOOLEAN, NULL},
					  {"enableMBM", BOOLEAN, NULL},
					  {0}};
static const struct member edits[] = {{"env", STRINGS, NULL},
				      {"deviceNodes", OBJECTS, device_node},
				      {"netDevices", OBJECTS, net_device},
				      {"hooks", OBJECTS, hook},
				      {"mounts", OBJECTS, mount},
				      {"intelRdt", OBJECT, intel_rdt},
				      {"additionalGids", U32S, NULL},
				      {0}};
static const struct member device[] = {
	{"name", STRING, NULL}, {"annotations", MAP, NULL}, {"containerEdits", OBJECT, edits}, {0}};
static const struct member document[] = {{"cdiVersion", STRING, NULL},      {"kind", STRING, NULL},
					 {"annotations", MAP, NULL},        {"devices", OBJECTS, device},
					 {"containerEdits", OBJECT, edits}, {0}};

static int expected(const char *type, struct cor_error *err)
{
	return cor_error_set(err, COR_INVALID_ARGUMENT, "expected %s", type);
}

/* The shortest decimal that reads as the same number. */
static json_t *real_as_string(double v)
{
	char text[40];

	for (int digits = 1; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
		if (!(strtod(text, NULL) < v) && !(strtod(text, NULL) > v))
			break;
	}
	return json_string(text);
}

static int take_string(json_t *v, json_t **ret, struct cor_error *err)
{
	char number[24];
	json_t *s;

	switch (json_typeof(v)) {
	case JSON_STRING:
		s = json_incref(v);
		break;
	case JSON_NULL:
		s = json_string("");
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		s = json_string(json_is_true(v) ? "true" : "false");
		break;
	case JSON_INTEGER:
		(void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		s = json_string(number);
		break;
	case JSON_REAL:
		s = real_as_string(json_real_value(v));
		break;
	default:
		return expected("string", err);
	}
	if (!s)
		return cor_error_oom(err);
	*ret = s;
	return 0;
}

static int take_integer(json_t *v, bool u32, json_t **ret, struct cor_error *err)
{
	if (!json_is_integer(v))
		return expected("integer", err);
	if (u32 && (json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "%" JSON_INTEGER_FORMAT " is not in the range of 0 to 4294967295",
				     json_integer_value(v));
	*ret = json_incref(v);
	return 0;
}

static int take_map(json_t *v, json_t **ret, struct cor_error *err)
{
	_cleanup_json_ json_t *map = json_object();
	char q[COR_CDI_QUOTE_MAX];
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return expected("object of strings", err);
	if (!map)
		return cor_error_oom(err);
	json_object_foreach(v, key, value)
	{
		json_t *s;
		int r = take_string(value, &s, err);

		if (r < 0)
			return cor_error_wrap(err, r, "%s", cor_cdi_quote(key, q));
		if (json_object_set_new_nocheck(map, key, s) < 0)
			return cor_error_oom(err);
	}
	*ret = TAKE_PTR(map);
	return 0;
}

static int take_object(json_t *v, const struct member *members, json_t **ret, struct cor_error *err);

static int take_item(json_t *v, const struct member *m, json_t **ret, struct cor_error *err)
{
	switch (m->kind) {
	case STRINGS:
		return take_string(v, ret, err);
	case U32S:
		return take_integer(v, true, ret, err);
	default:
		return take_object(v, m->members, ret, err);
	}
}

/* Names the member in its errors itself: with the index. */
static int take_array(json_t *v, const struct member *m, json_t **ret, struct cor_error *err)
{
	_cleanup_json_ json_t *list = json_array();
	json_t *item;
	size_t i;

	if (!json_is_array(v))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: expected array of %s", m->key,
				     m->kind == OBJECTS ? "objects"
				     : m->kind == U32S  ? "integers"
							: "strings");
	if (json_array_size(v) > COR_CDI_LIST_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: more than %d items", m->key,
				     COR_CDI_LIST_MAX);
	if (!list)
		return cor_error_oom(err);
	json_array_foreach(v, i, item)
	{
		json_t *taken;
		int r = take_item(item, m, &taken, err);

		if (r < 0)
			return cor_error_wrap(err, r, "%s[%zu]", m->key, i);
		if (json_array_append_new(list, taken) < 0)
			return cor_error_oom(err);
	}
	*ret = TAKE_PTR(list);
	return 0;
}

static int take_value(json_t *v, const struct member *m, json_t **ret, struct cor_error *err)
{
	int r = 0;

	switch (m->kind) {
	case STRING:
		r = take_string(v, ret, err);
		break;
	case BOOLEAN:
		if (json_is_boolean(v))
			*ret = json_incref(v);
		else
			r = expected("boolean", err);
		break;
	case I64:
	case U32:
		r = take_integer(v, m->kind == U32, ret, err);
		break;
	case MAP:
		r = take_map(v, ret, err);
		break;
	case OBJECT:
		r = take_object(v, m->members, ret, err);
		break;
	default:
		return take_array(v, m, ret, err);
	}
	return r < 0 ? cor_error_wrap(err, r, "%s", m->key) : 0;
}

static int take_object(json_t *v, const struct member *members, json_t **ret, struct cor_error *err)
{
	_cleanup_json_ json_t *object = json_object();
	char q[COR_CDI_QUOTE_MAX];
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return expected("object", err);
	if (!object)
		return cor_error_oom(err);
	json_object_foreach(v, key, value)
	{
		const struct member *m = members;
		json_t *taken;
		int r;

		while (m->key && strcasecmp(m->key, key) != 0)
			m++;
		if (!m->key)
			return cor_error_set(err, COR_INVALID_ARGUMENT, "unknown field %s",
					     cor_cdi_quote(key, q));
		if (json_object_get(object, m->key))
			return cor_error_set(err, COR_INVALID_ARGUMENT, "field %s given twice", m->key);
		if (json_is_null(value))
			continue;
		r = take_value(value, m, &taken, err);
		if (r < 0)
			return r;
		if (json_object_set_new(object, m->key, taken) < 0)
			return cor_error_oom(err);
	}
	*ret = TAKE_PTR(object);
	return 0;
}

int cor_cdi_schema(json_t *raw, json_t **ret, struct cor_error *err)
{
	return take_object(raw, document, ret, err);
}
