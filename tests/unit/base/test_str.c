/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, vectors, maps, numbers, errors. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/error.h"
#include "base/str.h"

static void buffers_grow_and_hand_over(void **state)
{
	(void)state;
	_cleanup_buf_ struct cor_buf b = {0};
	for (int i = 0; i < 1000; i++)
		assert_int_equal(cor_buf_printf(&b, "%d,", i), 0);
	assert_true(b.len == 3890);
	char big[1000];
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(cor_buf_printf(&b, "<%s>", big), 0);
	assert_int_equal(b.len, 3890 + 1001);
	_cleanup_free_ char *s = cor_buf_take(&b);
	assert_true(cor_endswith(s, "x>"));
	assert_null(b.data);
	_cleanup_free_ char *empty = cor_buf_take(&b);
	assert_string_equal(empty, "");
}

static void vectors(void **state)
{
	(void)state;
	_cleanup_strv_ char **v = NULL;
	for (int i = 0; i < 100; i++) {
		char s[16];
		(void)snprintf(s, sizeof(s), "%d", i);
		assert_int_equal(cor_strv_push(&v, s), 0);
		assert_int_equal(cor_strv_len(v), i + 1);
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(strtol(v[i], NULL, 10), i);
	cor_strv_remove(v, 0);
	assert_string_equal(v[0], "1");
	assert_int_equal(cor_strv_len(v), 99);
	assert_true(cor_strv_contains(v, "57"));
	assert_false(cor_strv_contains(v, "0"));
	_cleanup_strv_ char **w = cor_strv_split("a,,b,", ',');
	assert_int_equal(cor_strv_len(w), 4);
	_cleanup_free_ char *j = cor_strv_join(w, "|");
	assert_string_equal(j, "a||b|");
	_cleanup_strv_ char **c = cor_strv_copy(NULL);
	assert_int_equal(cor_strv_len(c), 0);
	/* A copy can be pushed to. */
	assert_int_equal(cor_strv_push(&c, "x"), 0);
	assert_string_equal(c[0], "x");
}

static void maps_stay_sorted(void **state)
{
	(void)state;
	_cleanup_map_ struct cor_map m = {0};
	const char *keys[] = {"m", "a", "z", "b", "m"};
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_int_equal(cor_map_set(&m, keys[i], i == 4 ? "second" : "first"), 0);
	assert_int_equal(m.n, 4);
	for (size_t i = 1; i < m.n; i++)
		assert_true(strcmp(m.keys[i - 1], m.keys[i]) < 0);
	assert_string_equal(cor_map_get(&m, "m"), "second");
	assert_null(cor_map_get(&m, "q"));
	assert_true(cor_map_unset(&m, "a"));
	assert_false(cor_map_unset(&m, "a"));
	_cleanup_map_ struct cor_map c = {0};
	assert_int_equal(cor_map_copy(&c, &m), 0);
	assert_int_equal(c.n, 3);
}

static void numbers_are_strict(void **state)
{
	(void)state;
	uint64_t u = 7;
	int64_t i;
	uint32_t w;
	double d;
	bool b;
	assert_int_equal(cor_parse_u64("18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(cor_parse_u64("18446744073709551616", &u), -ERANGE);
	assert_true(u == UINT64_MAX);
	const char *bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "18446744073709551616x"};
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		assert_int_equal(cor_parse_u64(bad[k], &u), -EINVAL);
	assert_int_equal(cor_parse_i64("-9223372036854775808", &i), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(cor_parse_i64("9223372036854775808", &i), -ERANGE);
	assert_int_equal(cor_parse_u32("4294967296", &w), -ERANGE);
	assert_int_equal(cor_parse_f64("0.5", &d), 0);
	assert_true(d > 0.49 && d < 0.51);
	assert_int_equal(cor_parse_f64("nan", &d), -EINVAL);
	assert_int_equal(cor_parse_f64("1e999", &d), -ERANGE);
	assert_int_equal(cor_parse_bool("True", &b), 0);
	assert_true(b);
	assert_int_equal(cor_parse_bool("yes", &b), -EINVAL);
}

static void durations(void **state)
{
	(void)state;
	int64_t ns;
	assert_int_equal(cor_parse_duration("1h2m3.5s", &ns), 0);
	assert_true(ns == (3600 + 120) * 1000000000LL + 3500000000LL);
	assert_int_equal(cor_parse_duration("100ms", &ns), 0);
	assert_true(ns == 100000000);
	assert_int_equal(cor_parse_duration("0", &ns), 0);
	assert_true(ns == 0);
	assert_int_equal(cor_parse_duration("-1.5s", &ns), 0);
	assert_true(ns == -1500000000);
	const char *bad[] = {"", "1", "s", "1x", "-", "1.2.3s", "99999999999999h"};
	for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
		assert_true(cor_parse_duration(bad[k], &ns) < 0);
}

static void sizes(void **state)
{
	(void)state;
	char b[32];
	assert_string_equal(cor_format_si(778249, b), "778.2kB");
	assert_string_equal(cor_format_si(999, b), "999B");
	assert_string_equal(cor_format_iec(779059, b), "760.8 KiB");
	assert_string_equal(cor_format_iec(0, b), "0.0 B");
}

static void errors_wrap_from_the_outside_in(void **state)
{
	(void)state;
	struct cor_error e = {0};
	assert_int_equal(cor_error_set(&e, COR_NOT_FOUND, "image \"%s\": not found", "x"), -ENOENT);
	assert_int_equal(cor_error_wrap(&e, -ENOENT, "run %d", 1), -ENOENT);
	assert_string_equal(e.message, "run 1: image \"x\": not found");
	assert_int_equal(e.code, COR_NOT_FOUND);
	cor_error_clear(&e);
	assert_int_equal(cor_error_errno(&e, -ENOSPC, "write %s", "a\nb"), -ENOSPC);
	assert_string_equal(e.message, "write a b: no space left on device");
	assert_int_equal(e.code, COR_RESOURCE_EXHAUSTED);
	cor_error_clear(&e);
	assert_int_equal(cor_error_wrap(&e, -EPERM, "mount"), -EPERM);
	assert_string_equal(e.message, "mount: operation not permitted");
	assert_int_equal(cor_error_set(NULL, COR_INVALID_ARGUMENT, "x"), -EINVAL);
	/* A message longer than the buffer is cut, not overrun. */
	for (int i = 0; i < 300; i++)
		(void)cor_error_wrap(&e, -1, "0123456789");
	assert_true(strlen(e.message) < COR_ERROR_MESSAGE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_grow_and_hand_over),
		cmocka_unit_test(vectors),
		cmocka_unit_test(maps_stay_sorted),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(errors_wrap_from_the_outside_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
