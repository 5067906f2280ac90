/* SPDX-License-Identifier: Apache-2.0 */
/* threats.md "IDs": names that would leave their directory, socket or cgroup are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/str.h"
#include "oci/identifier.h"

static void test_good(void **state)
{
	static const char *const good[] = {
		"a",
		"A1",
		"web-1",
		"a.b_c-d",
		"0",
		"x1.y2",
		"0123456789012345678901234567890123456789012345678901234567890123456789012345"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(cor_identifier_validate("container.ID", good[i], NULL), 0);
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",         ".",
		"..",       "../../x",
		"a/b",      "-a",
		"a-",       "a..b",
		"a--b",     "_",
		"a b",      "a\n",
		"\xc3\xa4", "a%",
		"@x",       "01234567890123456789012345678901234567890123456789012345678901234567890123456"};
	struct cor_error err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cor_error_clear(&err);
		assert_true(cor_identifier_validate("container.ID", bad[i], &err) < 0);
		assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	}
}

static void test_texts(void **state)
{
	struct cor_error err = {0};

	cor_identifier_validate("container.ID", "a/b", &err);
	assert_string_equal(err.message, "container.ID: identifier \"a/b\" must match "
					 "^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$: invalid argument");
}

static void test_labels(void **state)
{
	char value[4097];
	struct cor_error err = {0};

	memset(value, 'v', sizeof(value));
	value[4093] = '\0';
	assert_int_equal(cor_label_validate("key", value, &err), 0);
	value[4093] = 'v';
	value[4094] = '\0';
	assert_true(cor_label_validate("key", value, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad),
					   cmocka_unit_test(test_texts), cmocka_unit_test(test_labels)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
