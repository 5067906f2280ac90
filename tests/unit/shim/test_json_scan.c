/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON look-ups: right answers on good text, harmless ones on bad text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "shim/json_scan.h"

static void assert_string(const char *p, const char *expected)
{
	_cleanup_free_ char *s = cor_scan_string(p);
	if (!expected)
		assert_null(s);
	else
		assert_string_equal(s, expected);
}

static void members(void **state)
{
	static const char text[] =
		" { \"a\" : \"1\", \"b\":{\"a\":\"no\",\"c\":[1,{\"a\":2}]},\"s\\\"x\": true ,"
		"\"d\":\"}\\\"]\", \"c\":\"last\" }";
	(void)state;
	assert_string(cor_scan_member(text, "a"), "1");
	assert_string(cor_scan_member(text, "c"), "last");
	assert_string(cor_scan_member(cor_scan_member(text, "b"), "a"), "no");
	assert_string(cor_scan_member(text, "d"), "}\"]");
	assert_null(cor_scan_member(text, "e"));
	assert_null(cor_scan_member(text, ""));
	assert_null(cor_scan_member(cor_scan_member(text, "a"), "a"));
	assert_null(cor_scan_member(NULL, "a"));
	assert_null(cor_scan_member("{}", "a"));
}

static void arrays(void **state)
{
	uint64_t n = 0, sum = 0;
	(void)state;
	for (const char *p = cor_scan_first("[\n  1,\n 22 , 333 ]\n"); p; p = cor_scan_next(p)) {
		assert_int_equal(cor_scan_number(p, &n), 0);
		sum += n;
	}
	assert_int_equal(sum, 356);
	assert_null(cor_scan_first("[]"));
	assert_null(cor_scan_first("{}"));
	assert_null(cor_scan_first(NULL));
	const char *p = cor_scan_first("[{\"x\":[1,2]},\"b\"]");
	assert_string(cor_scan_next(p), "b");
}

static void strings(void **state)
{
	(void)state;
	assert_string("\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "a\n\t\"\\/\b\f\r");
	assert_string("\"\\u00e9\\u20ac\\ud83d\\ude00\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_string("\"cut\\u0000here\"", "cut");
	assert_string("\"\"", "");
	assert_string("\"unended", NULL);
	assert_string("\"unended\\\"", NULL);
	assert_string("12", NULL);
	assert_string(NULL, NULL);
	assert_string("\"bad\\u12\"", "bad");
}

static void numbers(void **state)
{
	uint64_t n = 7;
	(void)state;
	static const char *const bad[] = {"", "-1", "x", "1x", "1.5", "99999999999999999999999", "\"1\""};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(cor_scan_number(bad[i], &n) < 0);
	assert_int_equal(n, 7);
	assert_int_equal(cor_scan_number("18446744073709551615]", &n), 0);
	assert_true(n == UINT64_MAX);
}

/* Every prefix and every single-byte change of a text: no look-up may leave it (the sanitizers watch). */
static void broken_text(void **state)
{
	static const char text[] =
		"{\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"\\u00e9\"},{\"type\":\"x\"}]}}";
	static const char changes[] = "\"{}[]:,\\ u0";
	(void)state;
	for (size_t cut = 0; cut <= sizeof(text) - 1; cut++) {
		for (size_t c = 0; c < sizeof(changes) - 1; c++) {
			_cleanup_free_ char *copy = malloc(cut + 1);
			memcpy(copy, text, cut);
			copy[cut] = '\0';
			if (cut)
				copy[cut / 2] = changes[c];
			const char *list = cor_scan_member(cor_scan_member(copy, "linux"), "namespaces");
			for (const char *ns = cor_scan_first(list); ns; ns = cor_scan_next(ns)) {
				free(cor_scan_string(cor_scan_member(ns, "type")));
				free(cor_scan_string(cor_scan_member(ns, "path")));
				uint64_t n;
				(void)cor_scan_number(ns, &n);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members), cmocka_unit_test(arrays),      cmocka_unit_test(strings),
		cmocka_unit_test(numbers), cmocka_unit_test(broken_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
