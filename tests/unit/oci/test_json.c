/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: what is refused, and that getters tell absent from wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "oci/json.h"

static json_t *parse(const char *text)
{
	json_t *j = NULL;

	assert_int_equal(cor_json_parse(text, strlen(text), "test", &j, NULL), 0);
	return j;
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"",
					  "{",
					  "{\"a\":1,\"a\":2}",
					  "{\"x\":{\"a\":1,\"a\":1}}",
					  "[1,]",
					  "{}x",
					  "nul",
					  "1",
					  "{\"a\":99999999999999999999}",
					  "{\"a\":\"\\u0000\"}",
					  "{\"a\":\"\xff\"}"};
	struct cor_error err;
	json_t *j = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cor_error_clear(&err);
		assert_true(cor_json_parse(bad[i], strlen(bad[i]), "index", &j, &err) < 0);
		assert_int_equal(err.code, COR_INVALID_ARGUMENT);
		assert_non_null(strstr(err.message, "index: invalid JSON: line 1"));
		assert_null(j);
	}
}

static void test_depth_is_bounded(void **state)
{
	size_t n = 200000;
	_cleanup_free_ char *deep = malloc(n);
	json_t *j = NULL;

	memset(deep, '[', n);
	assert_true(cor_json_parse(deep, n, "deep", &j, NULL) < 0);
}

static void test_getters(void **state)
{
	_cleanup_json_ json_t *j =
		parse("{\"s\":\"x\",\"i\":5,\"b\":true,\"l\":[\"a\",\"b\"],\"m\":{\"k\":\"v\"},\"n\":null}");
	_cleanup_strv_ char **list = NULL, **none = NULL;
	_cleanup_map_ struct cor_map m = {0};
	struct cor_error err = {0};
	const char *s;
	int64_t i;
	bool b;

	assert_int_equal(cor_json_get_str(j, "s", &s, NULL), 0);
	assert_string_equal(s, "x");
	assert_int_equal(cor_json_get_str(j, "absent", &s, NULL), 0);
	assert_null(s);
	assert_int_equal(cor_json_get_str(j, "n", &s, NULL), 0);
	assert_null(s);
	assert_true(cor_json_get_str(j, "i", &s, &err) < 0);
	assert_string_equal(err.message, "i: expected string");
	assert_int_equal(cor_json_get_i64(j, "i", &i, NULL), 0);
	assert_int_equal(i, 5);
	assert_true(cor_json_get_i64(j, "s", &i, NULL) < 0);
	assert_int_equal(cor_json_get_bool(j, "b", &b, NULL), 0);
	assert_true(b);
	assert_true(cor_json_get_bool(j, "i", &b, NULL) < 0);
	assert_int_equal(cor_json_get_strv(j, "l", &list, NULL), 0);
	assert_int_equal(cor_strv_len(list), 2);
	assert_int_equal(cor_json_get_strv(j, "n", &none, NULL), 0);
	assert_null(none);
	assert_true(cor_json_get_strv(j, "m", &none, NULL) < 0);
	assert_int_equal(cor_json_get_map(j, "m", &m, NULL), 0);
	assert_string_equal(cor_map_get(&m, "k"), "v");
	assert_true(cor_json_get_map(j, "l", &m, NULL) < 0);
	assert_int_equal(m.n, 1);
}

static void test_large_maps_are_refused(void **state)
{
	_cleanup_buf_ struct cor_buf b = {0};
	_cleanup_json_ json_t *j = NULL;
	struct cor_map m = {0};

	cor_buf_str(&b, "{\"m\":{\"x\":\"\"");
	for (int i = 0; i < 20000; i++)
		cor_buf_printf(&b, ",\"%d\":\"\"", i);
	cor_buf_str(&b, "}}");
	j = parse(b.data);
	assert_true(cor_json_get_map(j, "m", &m, NULL) < 0);
}

static void test_dump(void **state)
{
	_cleanup_json_ json_t *j = parse("{\"z\":1,\"a\":[\"x/y\"]}"), *l = NULL, *o = NULL;
	_cleanup_free_ char *text = cor_json_dump(j), *pretty = cor_json_dump_pretty(j), *lt = NULL,
			    *ot = NULL;
	_cleanup_map_ struct cor_map m = {0};
	char *v[] = {(char[]){"a"}, (char[]){"b"}, NULL};

	assert_string_equal(text, "{\"z\":1,\"a\":[\"x/y\"]}");
	assert_string_equal(pretty, "{\n    \"z\": 1,\n    \"a\": [\n        \"x/y\"\n    ]\n}");
	l = cor_json_from_strv(v);
	lt = cor_json_dump(l);
	assert_string_equal(lt, "[\"a\",\"b\"]");
	cor_map_set(&m, "k", "v");
	o = cor_json_from_map(&m);
	ot = cor_json_dump(o);
	assert_string_equal(ot, "{\"k\":\"v\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_getters), cmocka_unit_test(test_large_maps_are_refused),
		cmocka_unit_test(test_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
