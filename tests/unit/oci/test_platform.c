/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms: specifiers, normal forms, and the order in which containerd's "only" matcher takes an image's platforms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "oci/platform.h"

static void test_parse(void **state)
{
	static const char *const cases[][2] = {
		{"linux/amd64", "linux/amd64"},
		{"amd64", "linux/amd64"},
		{"linux/x86_64", "linux/amd64"},
		{"linux/amd64/v1", "linux/amd64"},
		{"linux/amd64/v3", "linux/amd64/v3"},
		{"aarch64", "linux/arm64"},
		{"arm64/v8", "linux/arm64"},
		{"linux/arm64/v8", "linux/arm64"},
		{"armhf", "linux/arm/v7"},
		{"armel", "linux/arm/v6"},
		{"linux/arm", "linux/arm/v7"},
		{"linux/arm/6", "linux/arm/v6"},
		{"i386", "linux/386"},
		{"Linux/S390X", "linux/s390x"},
		{"windows/amd64", "windows/amd64"},
		{"macos/arm64", "darwin/arm64"},
		{"riscv64", "linux/riscv64"},
	};
	char buf[128];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_platform p;
		assert_int_equal(cor_platform_parse(cases[i][0], &p, NULL), 0);
		assert_string_equal(cor_platform_format(&p, buf), cases[i][1]);
	}
}

static void test_os_alone_is_the_hosts_architecture(void **state)
{
	struct cor_platform host, p;

	cor_platform_host(&host);
	assert_string_equal(host.os, "linux");
	assert_true(host.architecture[0] != 0);
	assert_int_equal(cor_platform_parse("linux", &p, NULL), 0);
	assert_string_equal(p.architecture, host.architecture);
}

static void test_parse_bad(void **state)
{
	static const char *const bad[] = {"",
					  "/",
					  "linux/",
					  "linux//v7",
					  "linux/*",
					  "foo",
					  "a/b/c/d",
					  "linux/amd 64",
					  "linux/0123456789012345678901234567890123456789"};
	struct cor_error err;
	struct cor_platform p;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cor_error_clear(&err);
		assert_true(cor_platform_parse(bad[i], &p, &err) < 0);
		assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	}
}

static int match(const char *want, const char *have)
{
	struct cor_platform w, h;

	assert_int_equal(cor_platform_parse(want, &w, NULL), 0);
	assert_int_equal(cor_platform_parse(have, &h, NULL), 0);
	return cor_platform_match(&w, &h);
}

/* Each list: the wanted platform, then everything it takes, best first; what follows the NULL is not taken. */
static void test_order(void **state)
{
	static const char *const lists[][12] = {
		{"linux/amd64", "linux/amd64", "linux/386", NULL, "linux/amd64/v2", "linux/arm64",
		 "windows/amd64"},
		{"linux/amd64/v3", "linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386", NULL,
		 "linux/amd64/v4"},
		{"linux/arm/v7", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5", NULL, "linux/arm/v8",
		 "linux/arm64"},
		{"linux/arm64", "linux/arm64", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5",
		 NULL, "linux/arm64/v9"},
		{"linux/arm64/v9", "linux/arm64/v9", "linux/arm64/v8.5", "linux/arm64/v8.1", "linux/arm64",
		 "linux/arm/v7", NULL, "linux/arm64/v9.1", "linux/arm64/v8.6"},
		{"linux/386", "linux/386", NULL, "linux/amd64"},
		{"linux/riscv64", "linux/riscv64", NULL, "linux/amd64"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		int last = -1;
		size_t j;

		for (j = 1; lists[i][j]; j++) {
			int m = match(lists[i][0], lists[i][j]);

			if (j == 1)
				assert_int_equal(m, 0);
			assert_true(m > last);
			last = m;
		}
		for (j++; j < ARRAY_SIZE(lists[i]) && lists[i][j]; j++)
			assert_true(match(lists[i][0], lists[i][j]) < 0);
	}
}

static void test_unknown_variants_match_only_themselves(void **state)
{
	struct cor_platform a = {.os = "linux", .architecture = "amd64", .variant = "weird"}, b = a;

	assert_int_equal(cor_platform_match(&a, &b), 0);
	snprintf(b.variant, sizeof(b.variant), "v2");
	assert_true(cor_platform_match(&a, &b) < 0);
	assert_true(cor_platform_match(&b, &a) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_os_alone_is_the_hosts_architecture),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_unknown_variants_match_only_themselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
