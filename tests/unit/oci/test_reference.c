/* SPDX-License-Identifier: Apache-2.0 */
/* References: familiar names become full ones exactly as distribution's ParseDockerRef has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/str.h"
#include "oci/reference.h"

#define D "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_normalize(void **state)
{
	static const char *const cases[][2] = {
		{"busybox", "docker.io/library/busybox:latest"},
		{"busybox:1.36", "docker.io/library/busybox:1.36"},
		{"user/app", "docker.io/user/app:latest"},
		{"docker.io/busybox", "docker.io/library/busybox:latest"},
		{"index.docker.io/a/b:c", "docker.io/a/b:c"},
		{"quay.io/a", "quay.io/a:latest"},
		{"localhost/a:1", "localhost/a:1"},
		{"localhost:5000/a", "localhost:5000/a:latest"},
		{"Registry/a", "Registry/a:latest"},
		{"[2001:db8::1]:5000/a", "[2001:db8::1]:5000/a:latest"},
		{"a@" D, "docker.io/library/a@" D},
		{"a:tag@" D, "docker.io/library/a@" D},
		{"a__b/c--d.e_f", "docker.io/a__b/c--d.e_f:latest"},
		{"xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *got = NULL, *again = NULL;

		assert_int_equal(cor_reference_normalize(cases[i][0], &got, NULL), 0);
		assert_string_equal(got, cases[i][1]);
		assert_int_equal(cor_reference_normalize(got, &again, NULL), 0);
		assert_string_equal(again, got);
	}
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",
		":tag",
		"a:",
		"a:b:c",
		"A",
		"a/B",
		"a@",
		"a@sha256:123",
		("a@sha512:" D),
		"/a",
		"a/",
		"a//b",
		"-a",
		"a-",
		"a..b",
		"a___b",
		"a b",
		"../a",
		"a/../b",
		"a:-x",
		"-x.com/a",
		"x-.com/a",
		"x..com/a",
		"x.com:port/a",
		"[::1/a",
		"[]/a",
		"\xc3\xa4",
		"a\n",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	};
	struct cor_error err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *got = NULL;

		cor_error_clear(&err);
		if (cor_reference_normalize(bad[i], &got, &err) >= 0)
			fail_msg("\"%s\" became \"%s\"", bad[i], got);
		assert_int_equal(err.code, COR_INVALID_ARGUMENT);
		assert_null(got);
	}
}

static void test_lengths(void **state)
{
	_cleanup_free_ char *ok = NULL;
	char name[400], *got = NULL;

	memset(name, 'a', sizeof(name));
	name[255 - strlen("docker.io/library/")] = '\0';
	assert_int_equal(cor_reference_normalize(name, &ok, NULL), 0);
	name[255 - strlen("docker.io/library/")] = 'a';
	name[256 - strlen("docker.io/library/")] = '\0';
	assert_true(cor_reference_normalize(name, &got, NULL) < 0);
	memset(name, 'a', sizeof(name));
	memcpy(name, "a:", 2);
	name[2 + 129] = '\0';
	assert_true(cor_reference_normalize(name, &got, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_normalize), cmocka_unit_test(test_bad),
					   cmocka_unit_test(test_lengths)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
