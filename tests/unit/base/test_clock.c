/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 and ages. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"

static void round_trip(void **state)
{
	(void)state;
	char buf[COR_TIME_MAX];
	int64_t ns;
	assert_int_equal(cor_time_parse("2026-11-26T06:04:10.5Z", &ns), 0);
	assert_string_equal(cor_time_format(ns, buf), "2026-11-26T06:04:10.5Z");
	assert_int_equal(cor_time_parse("2026-11-26T07:04:10+01:00", &ns), 0);
	assert_string_equal(cor_time_format(ns, buf), "2026-11-26T06:04:10Z");
	assert_string_equal(cor_time_format(-1, buf), "1969-12-31T23:59:59.999999999Z");
	static const char *const bad[] = {"",
					  "2026",
					  "2026-13-01T00:00:00Z",
					  "2026-11-26T06:04:10",
					  "2026-11-26 06:04:10Z",
					  "2026-11-26T06:04:10.Z",
					  "2026-11-26T06:04:10Zx"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cor_time_parse(bad[i], &ns), -EINVAL);
}

static void ages(void **state)
{
	(void)state;
	char buf[COR_TIME_MAX];
	static const struct {
		int64_t s;
		const char *text;
	} cases[] = {{0, "Less than a second"}, {1, "1 second"},       {59, "59 seconds"},
		     {60, "About a minute"},    {120, "2 minutes"},    {3600, "About an hour"},
		     {7200, "2 hours"},         {86400 * 3, "3 days"}, {86400 * 21, "3 weeks"}};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(cor_format_age(cases[i].s * 1000000000, buf), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(ages)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
