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
		{"linux/arm64/9", "linux/arm64/v9"},
		{"linux/arm64/9.0", "linux/arm64/v9"},
		{"linux/AArch64/V8", "linux/arm64"},
		{"linux/armhf", "linux/arm/v7"},
		{"linux/i386/v1", "linux/386"},
		{"X86-64", "linux/amd64"},
		{"sparc64", "linux/sparc64"},
		{"freebsd/amd64", "freebsd/amd64"},
	};
	char buf[128];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_platform p;
		assert_int_equal(cor_platform_parse(cases[i][0], &p, NULL), 0);
		assert_string_equal(cor_platform_format(&p, buf), cases[i][1]);
	}
}

/* The table of containerd's own test (platforms_test.go), architectures given where it means the host's. */
static void test_options_of_the_os(void **state)
{
	static const struct {
		const char *in, *out, *version, *features;
	} cases[] = {
		{"windows()/amd64", "windows/amd64", "", ""},
		{"windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64", "10.0.17763", ""},
		{"windows(10.0.17763+win32k)/amd64", "windows(10.0.17763+win32k)/amd64", "10.0.17763",
		 "win32k"},
		{"linux(+gpu)/arm64", "linux(+gpu)/arm64", "", "gpu"},
		{"linux(+gpu+simd)/amd64", "linux(+gpu+simd)/amd64", "", "gpu+simd"},
		{"linux(+unsorted+erofs)/amd64", "linux(+erofs+unsorted)/amd64", "", "erofs+unsorted"},
		{"linux(+a+ab+a+aa)/amd64", "linux(+a+aa+ab)/amd64", "", "a+aa+ab"},
		{"windows(10.0.17763%2Bbuild.42)/amd64", "windows(10.0.17763%2Bbuild.42)/amd64",
		 "10.0.17763+build.42", ""},
		{"windows(10.0.17763%2Bbuild.42+win32k)/amd64", "windows(10.0.17763%2Bbuild.42+win32k)/amd64",
		 "10.0.17763+build.42", "win32k"},
		{"windows(50%25done)/amd64", "windows(50%25done)/amd64", "50%done", ""},
		{"linux(+a%2fb)/amd64", "linux(+a%2Fb)/amd64", "", "a%2Fb"},
	};
	static const char *const bad[] = {
		"windows(10.0.17763",   "windows10.0)/amd64",  "windows(10.0.17763)x/amd64",
		"windows(10 0)/amd64",  "windows(10%2)/amd64", "windows(10%zz)/amd64",
		"windows(10%00)/amd64", "linux(+)/amd64",      "linux(+a+)/amd64",
		"li.nux/amd64",         "(1.0)/amd64",         "amd64(+gpu)",
		"linux((1))/amd64"};
	char buf[COR_PLATFORM_TEXT_MAX], long_one[400];
	struct cor_platform p;
	struct cor_error err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(cor_platform_parse(cases[i].in, &p, NULL), 0);
		assert_string_equal(cor_platform_format_all(&p, buf), cases[i].out);
		assert_string_equal(p.os_version, cases[i].version);
		assert_string_equal(p.os_features, cases[i].features);
		assert_int_equal(cor_platform_parse(buf, &p, NULL), 0);
		assert_string_equal(cor_platform_format_all(&p, buf), cases[i].out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cor_error_clear(&err);
		assert_true(cor_platform_parse(bad[i], &p, &err) < 0);
		assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	}
	memset(long_one, 'x', sizeof(long_one));
	memcpy(long_one, "linux(+", 7);
	memcpy(long_one + sizeof(long_one) - 8, ")/amd64", 8);
	assert_true(cor_platform_parse(long_one, &p, NULL) < 0);
	assert_int_equal(cor_platform_parse("linux(+gpu)", &p, NULL), 0);
	assert_string_equal(p.os_features, "gpu");
	assert_true(p.architecture[0] != 0);
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
		{"linux/amd64/v2", "linux/amd64/v2", "linux/amd64/v1", "linux/386", NULL, "linux/amd64/v3",
		 "linux/amd64/v4", "linux/arm/v7", "windows/amd64"},
		{"linux/arm/v8", "linux/arm/v8", "linux/arm", "linux/arm/v6", "linux/arm/v5", NULL,
		 "linux/arm/v4", "linux/arm64", "windows/arm"},
		{"linux/arm/v5", "linux/arm/v5", NULL, "linux/arm/v4", "linux/arm", "linux/arm/v6"},
		{"linux/arm/v4", "linux/arm/v4", NULL, "linux/arm/v5"},
		{"linux/arm64/v9.5", "linux/arm64/v9.5", "linux/arm64/9.0", "linux/arm64/v8.9",
		 "linux/arm64/v8", "linux/arm/v8", NULL, "linux/arm64/v9.6"},
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

/* Features: all that the image has must be wanted, and more are better, but never more than a better variant. */
static void test_features(void **state)
{
	const char *want = "linux(+a+b+c)/amd64/v2";

	assert_int_equal(match(want, "linux(+c+b+a)/amd64/v2"), 0);
	assert_true(match(want, "linux(+a+c)/amd64/v2") > 0);
	assert_true(match(want, "linux(+b)/amd64/v2") > match(want, "linux(+a+c)/amd64/v2"));
	assert_true(match(want, "linux/amd64/v2") > match(want, "linux(+b)/amd64/v2"));
	assert_true(match(want, "linux(+a+b+c)/amd64") > match(want, "linux/amd64/v2"));
	assert_true(match(want, "linux(+d)/amd64/v2") < 0);
	assert_true(match(want, "linux(+a+b+c+d)/amd64/v2") < 0);
	assert_true(match(want, "linux(+0)/amd64/v2") < 0);
	assert_true(match("linux/amd64", "linux(+a)/amd64") < 0);
	assert_int_equal(match("windows/amd64", "windows(+win32k)/amd64"), 0);
	assert_true(match("windows/amd64", "windows(+win32k+x)/amd64") < 0);
}

static void test_windows_versions(void **state)
{
	static const struct {
		const char *want, *have;
		bool matches;
	} cases[] = {
		{"windows/amd64", "windows(10.0.17763)/amd64", true},
		{"windows(10.0.17763)/amd64", "windows(10.0.17763.1817)/amd64", true},
		{"windows(10.0.17763)/amd64", "windows/amd64", true},
		{"windows(10.0.17763)/amd64", "windows(10.0.17764)/amd64", false},
		{"windows(10.0.20348)/amd64", "windows(10.0.20348.169)/amd64", true},
		{"windows(10.0.20348)/amd64", "windows(10.0.17763)/amd64", false},
		{"windows(10.0.22621)/amd64", "windows(10.0.20348)/amd64", true},
		{"windows(10.0.26100)/amd64", "windows(10.0.20348)/amd64", true},
		{"windows(10.0.26101)/amd64", "windows(10.0.20348)/amd64", false},
		{"windows(10.0.26101)/amd64", "windows(10.0.26100)/amd64", true},
		{"windows(10.0.20348)/amd64", "windows(10.0.26100)/amd64", false},
		{"windows(10.0.20348)/amd64", "windows(10.1.20348)/amd64", false},
		{"linux(1)/amd64", "linux(2)/amd64", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(match(cases[i].want, cases[i].have) >= 0, cases[i].matches);
}

static void test_arm_variants(void **state)
{
	static const struct {
		const char *cpuinfo, *machine;
		bool bits32;
		const char *variant;
	} cases[] = {
		{"processor\t: 0\nCPU architecture: 8\n", "aarch64", false, "v8"},
		{"CPU architecture: 7\nCPU architecture: 8\n", "armv7l", true, "v7"},
		{"cpu architecture\t: 5TEJ\n", "armv5tejl", true, "v5"},
		{"model name\t: ARMv6-compatible processor rev 7 (v6l)\nCPU architecture: 7\n", "armv6l",
		 true, "v6"},
		{"model name\t: ARMv6-compatible processor rev 7 (v6l)\nCPU architecture: 7\n", "aarch64",
		 false, "v7"},
		{"CPU architecture: ?(13)\n", "armv7l", true, "v7"},
		{"CPU architecture: AArch64\n", "aarch64", false, "v8"},
		{"CPU architecture: 11\n", "armv7l", true, "unknown"},
		{"", "armv7l", true, "v7"},
		{"vendor_id: GenuineIntel\n", "armv6l", true, "v6"},
		{"", "aarch64", false, "v8"},
		{"", "armv8l", true, "v8"},
		{"", "x86_64", false, "unknown"},
		{"", "armv", true, "unknown"},
		{"", "", false, "unknown"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(
			cor_platform_arm_variant(cases[i].cpuinfo, cases[i].machine, cases[i].bits32),
			cases[i].variant);
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
		cmocka_unit_test(test_options_of_the_os),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_windows_versions),
		cmocka_unit_test(test_arm_variants),
		cmocka_unit_test(test_os_alone_is_the_hosts_architecture),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_unknown_variants_match_only_themselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
