/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers while the Nth allocation fails, for every N (threats.md "malloc failure"): a clean "out of memory", outputs
 * untouched, and (under a leak checker) nothing lost. The linker puts our allocators before the real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>

#include "oci/image.h"
#include "oci/reference.h"

#define D "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static long fail_at; /* counts down; the allocation that makes it 0 fails; 0: none fails */
static bool failed;

static bool fails(void)
{
	if (fail_at > 0 && --fail_at == 0)
		failed = true;
	return failed;
}

#define WRAP(type, name, params, args)     \
	type __real_##name params;         \
	type __wrap_##name params;         \
	type __wrap_##name params          \
	{                                  \
		if (fails()) {             \
			errno = ENOMEM;    \
			return NULL;       \
		}                          \
		return __real_##name args; \
	}
WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t m), (n, m))
WRAP(void *, realloc, (void *p, size_t n), (p, n))
WRAP(void *, reallocarray, (void *p, size_t n, size_t m), (p, n, m))
WRAP(char *, strdup, (const char *s), (s))
WRAP(char *, strndup, (const char *s, size_t n), (s, n))

static const char manifest_text[] = "{\"schemaVersion\":2,\"mediaType\":\"" COR_MT_OCI_MANIFEST
				    "\",\"config\":{\"mediaType\":\"" COR_MT_OCI_CONFIG "\",\"digest\":\"" D
				    "\",\"size\":2},\"layers\":[{\"mediaType\":\"" COR_MT_OCI_LAYER
				    "\",\"digest\":\"" D "\",\"size\":7}],\"annotations\":{\"a\":\"b\"}}";
/* The large number is behind a longer string: Jansson asserts that its buffer grew when a number needs that. */
static const char index_text[] =
	"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" COR_MT_OCI_MANIFEST "\",\"digest\":\"" D
	"\",\"size\":3,\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\"},\"annotations\":{\"x\":"
	"\"y\"}}],\"z\":18446744073709551615}";
static const char config_text[] =
	"{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"A=b\"],\"Cmd\":[\"x\"],"
	"\"Labels\":{\"l\":\"v\"},"
	"\"User\":\"u\"},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D "\"]}}";

static int do_manifest(struct cor_error *err)
{
	struct cor_manifest m = {0};
	int r = cor_manifest_parse(manifest_text, strlen(manifest_text), NULL, &m, err);

	if (r < 0)
		assert_null(m.media_type);
	cor_manifest_done(&m);
	return r;
}

static int do_index(struct cor_error *err)
{
	struct cor_index i = {0};
	struct cor_descriptor copy = {0};
	int r = cor_index_parse(index_text, strlen(index_text), NULL, &i, err);

	if (r < 0) {
		assert_null(i.manifests);
		return r;
	}
	r = cor_descriptor_copy(&copy, &i.manifests[0]);
	if (r >= 0) {
		json_t *j = cor_descriptor_to_json(&copy);

		if (!j)
			r = -ENOMEM;
		json_decref(j);
	}
	if (r < 0)
		cor_error_oom(err);
	cor_descriptor_done(&copy);
	cor_index_done(&i);
	return r;
}

static int do_config(struct cor_error *err)
{
	struct cor_image_config c = {0};
	struct cor_map labels = {0};
	int r = cor_image_config_parse(config_text, strlen(config_text), &c, err);

	if (r >= 0)
		r = cor_image_container_labels(&c.labels, &labels, err);
	else
		assert_null(c.diff_ids);
	cor_map_done(&labels);
	cor_image_config_done(&c);
	return r;
}

static int do_reference(struct cor_error *err)
{
	char *name = NULL;
	int r = cor_reference_normalize("busybox", &name, err);

	if (r < 0)
		assert_null(name);
	free(name);
	return r;
}

static int do_platform(struct cor_error *err)
{
	struct cor_platform p;

	return cor_platform_parse("linux/arm64/v8", &p, err);
}

static void sweep(int (*fn)(struct cor_error *err))
{
	long n;

	for (n = 1; n < 2000; n++) {
		struct cor_error err = {0};
		bool reached;
		int r;

		fail_at = n;
		failed = false;
		r = fn(&err);
		reached = failed;
		fail_at = 0;
		failed = false;
		if (!reached) {
			assert_true(r >= 0);
			break;
		}
		if (r >= 0)
			continue; /* an allocation that one can do without */
		/* Jansson takes a token that it had no memory for as a wrong one. */
		if (r == -ENOMEM)
			assert_non_null(strstr(err.message, "out of memory"));
		else
			assert_non_null(strstr(err.message, "invalid JSON"));
	}
	assert_true(n > 2 && n < 2000);
}

static void test_manifest(void **state)
{
	sweep(do_manifest);
}

static void test_index(void **state)
{
	sweep(do_index);
}

static void test_config(void **state)
{
	sweep(do_config);
}

static void test_reference(void **state)
{
	sweep(do_reference);
}

static void test_platform(void **state)
{
	sweep(do_platform);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifest), cmocka_unit_test(test_index),
		cmocka_unit_test(test_config),   cmocka_unit_test(test_reference),
		cmocka_unit_test(test_platform),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
