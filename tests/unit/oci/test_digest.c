/* SPDX-License-Identifier: Apache-2.0 */
/* Digests: syntax before use as a path, known SHA-256 values, chain IDs, and that the hash is the fast one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/str.h"
#include "oci/digest.h"

#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_known_values(void **state)
{
	struct cor_sha256 h;
	char d[COR_DIGEST_MAX];

	cor_digest_of("", 0, d);
	assert_string_equal(d, EMPTY);
	cor_digest_of("abc", 3, d);
	assert_string_equal(d, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	cor_sha256_init(&h);
	for (int i = 0; i < 1000000; i++)
		cor_sha256_update(&h, "a", 1);
	cor_sha256_digest(&h, d);
	assert_string_equal(d, "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_copied_state_goes_on(void **state)
{
	struct cor_sha256 a, b;
	char d1[COR_DIGEST_MAX], d2[COR_DIGEST_MAX], want[COR_DIGEST_MAX];

	cor_sha256_init(&a);
	cor_sha256_update(&a, "ab", 2);
	b = a;
	cor_sha256_digest(&b, d1);
	cor_sha256_update(&a, "c", 1);
	cor_sha256_digest(&a, d2);
	cor_digest_of("ab", 2, want);
	assert_string_equal(d1, want);
	cor_digest_of("abc", 3, want);
	assert_string_equal(d2, want);
}

static void test_validate(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"sha256",
		"sha256:",
		"sha256:abc",
		EMPTY "0",
		"sha256:../../../etc/passwd",
		"sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
		"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85/",
		"sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	};
	struct cor_error err = {0};

	assert_int_equal(cor_digest_validate(EMPTY, &err), 0);
	assert_string_equal(cor_digest_hex(EMPTY), &EMPTY[7]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cor_error_clear(&err);
		assert_true(cor_digest_validate(bad[i], &err) < 0);
		assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	}
	cor_digest_validate(bad[9], &err);
	assert_non_null(strstr(err.message, "unsupported digest algorithm"));
}

/* image-spec config.md: ChainID(L0) = DiffID(L0); ChainID(L0|L1) = Digest(ChainID(L0) + " " + DiffID(L1)). */
static void test_chain_id(void **state)
{
	char one[COR_DIGEST_MAX], two[COR_DIGEST_MAX], want[COR_DIGEST_MAX];

	cor_chain_id(NULL, EMPTY, one);
	assert_string_equal(one, EMPTY);
	cor_chain_id("", EMPTY, one);
	assert_string_equal(one, EMPTY);
	cor_chain_id(one, EMPTY, two);
	cor_digest_of(EMPTY " " EMPTY, 2 * strlen(EMPTY) + 1, want);
	assert_string_equal(two, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_values),
		cmocka_unit_test(test_copied_state_goes_on),
		cmocka_unit_test(test_validate),
		cmocka_unit_test(test_chain_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
