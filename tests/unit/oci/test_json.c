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

/* As dumped in one line, and that pretty text reads as the same document. */
static void assert_kept(const char *text)
{
	_cleanup_json_ json_t *j = parse(text), *again = NULL, *copy = json_deep_copy(j);
	_cleanup_free_ char *compact = cor_json_dump(copy), *pretty = cor_json_dump_pretty(j);

	assert_string_equal(compact, text);
	again = parse(pretty);
	assert_true(json_equal(j, again));
}

static void test_unsigned_numbers_are_kept(void **state)
{
	assert_kept("{\"a\":18446744073709551615,\"b\":9223372036854775808,\"c\":9223372036854775807}");
	assert_kept("[9223372036854775808,9223372036854775809,18446744073709551614,18446744073709551615]");
	assert_kept("[[[18446744073709551615]],[[]],[[\"18446744073709551615\"]]]");
	/* Strings and keys are not numbers, whatever is quoted in them. */
	assert_kept("{\"18446744073709551615\":18446744073709551615,"
		    "\"k\\\"18446744073709551615\":\"\\\\\",\"s\":\"x,18446744073709551615\\\\\"}");
	assert_kept("[18446744073709551615,\"[[\\\"\\\\u000018446744073709551615\\\"]]\",\"\\u0001\"]");
	/* Reals stay what they are. */
	assert_kept("[18446744073709551615,1.8446744073709552e19,-9223372036854775808]");
}

static void test_unsigned_numbers_after_a_change(void **state)
{
	_cleanup_json_ json_t *j = parse("{\"n\":[18446744073709551615],\"x\":1}");
	_cleanup_free_ char *text = NULL, *pretty = NULL;

	json_object_del(j, "x");
	json_array_append_new(json_object_get(j, "n"), json_integer(-1));
	text = cor_json_dump(j);
	pretty = cor_json_dump_indented(j, 2);
	assert_string_equal(text, "{\"n\":[18446744073709551615,-1]}");
	assert_string_equal(pretty, "{\n  \"n\": [\n    18446744073709551615,\n    -1\n  ]\n}");
}

static void test_unsigned_numbers_are_no_other_type(void **state)
{
	_cleanup_json_ json_t *j =
		parse("{\"n\":18446744073709551615,\"m\":9223372036854775808,\"i\":7,"
		      "\"neg\":-1,\"r\":1.0,\"s\":\"5\",\"l\":[[\"9223372036854775808\"]]}");
	static const char *const none[] = {"neg", "r", "s", "l", "absent"};
	struct cor_map map = {0};
	char **list = NULL;
	const char *s = NULL;
	uint64_t n = 0;
	int64_t i = 0;

	assert_true(cor_json_u64(json_object_get(j, "n"), &n) && n == UINT64_MAX);
	assert_true(cor_json_u64(json_object_get(j, "m"), &n) && n == UINT64_C(1) << 63);
	assert_true(cor_json_u64(json_object_get(j, "i"), &n) && n == 7);
	for (size_t k = 0; k < ARRAY_SIZE(none); k++)
		assert_false(cor_json_u64(json_object_get(j, none[k]), &n));
	assert_int_equal(n, 7);
	assert_true(cor_json_get_i64(j, "n", &i, NULL) < 0);
	assert_true(cor_json_get_str(j, "n", &s, NULL) < 0);
	assert_true(cor_json_get_strv(j, "n", &list, NULL) < 0);
	assert_true(cor_json_get_map(j, "n", &map, NULL) < 0);
}

/* The first line and column that are wrong, also behind numbers that are not. */
static void test_numbers_out_of_range(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"[18446744073709551616]", "line 1 column 21: too big integer"},
		{"[18446744073709551615,\n18446744073709551616]", "line 2 column 20: too big integer"},
		{"[99999999999999999999999]", "line 1 column 24: too big integer"},
		{"[-18446744073709551616]", "line 1 column 22: too big negative integer"},
		{"[-9223372036854775809]", "line 1 column 21: too big negative integer"},
		{"[-18446744073709551615]", "line 1 column 22: too big negative integer"},
		{"[1e400,18446744073709551615]", "line 1 column 6: real number overflow"},
		{"[18446744073709551615,1e400]", "line 1 column 27: real number overflow"},
		{"[018446744073709551615]", "line 1 column 2: invalid token near '0'"},
		{"[18446744073709551615,\"\\u0000\"]", "\\u0000 is not allowed"},
		{"[[[\"\\u000018446744073709551615\"]],18446744073709551615]", "\\u0000 is not allowed"},
		{"{\"a\":18446744073709551615,\"a\":1}", "duplicate object key"},
		{"[18446744073709551615 18446744073709551615]",
		 "line 1 column 40: ']' expected near '184467440737095516'"},
		{"[18446744073709551615x]", "line 1 column 22: ']' expected near 'x'"},
		{"[18446744073709551615,\"", "premature end of input"},
		{"[18446744073709551615,\"\\", "invalid escape"},
		{"18446744073709551615", "'[' or '{' expected"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_error err = {0};
		json_t *j = NULL;

		assert_true(cor_json_parse(cases[i].text, strlen(cases[i].text), "doc", &j, &err) < 0);
		assert_null(j);
		if (!strstr(err.message, cases[i].why))
			fail_msg("%s: have \"%s\", want \"%s\"", cases[i].text, err.message, cases[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_getters),
		cmocka_unit_test(test_large_maps_are_refused),
		cmocka_unit_test(test_dump),
		cmocka_unit_test(test_unsigned_numbers_are_kept),
		cmocka_unit_test(test_unsigned_numbers_after_a_change),
		cmocka_unit_test(test_unsigned_numbers_are_no_other_type),
		cmocka_unit_test(test_numbers_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
