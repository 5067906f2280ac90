/* SPDX-License-Identifier: Apache-2.0 */
/* URIs of logging binaries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "shim/logger.h"

static void good(void **state)
{
	static const struct {
		const char *uri, *joined;
	} cases[] = {
		{"binary:///usr/bin/log", "/usr/bin/log"},
		{"binary:///usr/bin/log?", "/usr/bin/log"},
		{"binary:///log?a=1&b=2", "/log|a|1|b|2"},
		{"binary:///log?a=&b&&c=x=y", "/log|a||b||c|x=y"},
		{"binary:///my%20log?k%26=v+w%2Bx", "/my log|k&|v w+x"},
		{"binary:///log?a=1#fragment", "/log|a|1"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_strv_ char **argv = NULL;
		assert_int_equal(cor_logger_parse(cases[i].uri, &argv, NULL), 0);
		_cleanup_free_ char *joined = cor_strv_join(argv, "|");
		assert_string_equal(joined, cases[i].joined);
	}
}

static void bad(void **state)
{
	static const char *const uris[] = {
		"binary://",
		"binary://relative",
		"binary:/x",
		"file:///x",
		"",
		"binary:///x?a=%",
		"binary:///x?a=%2",
		"binary:///x?a=%zz",
		"binary:///x?a=%00b",
		"binary:///x%00y",
		"binary:///x%2?a",
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
		_cleanup_strv_ char **argv = NULL;
		struct cor_error err = {0};
		assert_true(cor_logger_parse(uris[i], &argv, &err) < 0);
		assert_int_equal(err.code, COR_INVALID_ARGUMENT);
		assert_null(argv);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
