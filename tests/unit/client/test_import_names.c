/* SPDX-License-Identifier: Apache-2.0 */
/* What imported images are called: containerd's rules for annotations and base names, and manifest.json's parsing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "client/import_internal.h"

static void check(const char *image_name, const char *ref, const char *base, bool explicit_base,
		  const char *want)
{
	_cleanup_map_ struct cor_map annotations = {0};
	_cleanup_free_ char *name = NULL;

	if (image_name)
		assert_int_equal(cor_map_set(&annotations, COR_ANNOTATION_NAME, image_name), 0);
	if (ref)
		assert_int_equal(cor_map_set(&annotations, COR_ANNOTATION_REF, ref), 0);
	assert_int_equal(cor_import_ref_name(&annotations, base, explicit_base, &name, NULL), 0);
	assert_string_equal(name, want);
}

static void test_ref_names(void **state)
{
	/* the full name wins, whatever the base */
	check("docker.io/library/a:1", "1", "import-2026-01-01", false, "docker.io/library/a:1");
	check("docker.io/library/a:1", "1", "other", true, "docker.io/library/a:1");
	/* a tag gets the base */
	check(NULL, "latest", "import-2026-01-01", false, "import-2026-01-01:latest");
	check(NULL, "latest", "foo/bar", true, "foo/bar:latest");
	/* a full reference: as it is without a base of the user's, else only below that base */
	check(NULL, "localhost/foo:1", "import-2026-01-01", false, "localhost/foo:1");
	check(NULL, "foo:1", "import-2026-01-01", false, "foo:1");
	check(NULL, "foo/bar:1", "foo/bar", true, "foo/bar:1");
	check(NULL, "foo/bar/baz", "foo/bar", true, "foo/bar/baz");
	check(NULL, "foo/bar@sha256:1", "foo/bar", true, "foo/bar@sha256:1");
	check(NULL, "foo/barbaz:1", "foo/bar", true, "");
	check(NULL, "other:1", "foo/bar", true, "");
	/* no annotations, or empty ones */
	check(NULL, NULL, "base", true, "");
	check("", "", "base", false, "");
	check("", "t", "base", false, "base:t");
}

static void test_docker_manifest(void **state)
{
	static const char text[] =
		"[{\"Config\":\"c.json\",\"RepoTags\":[\"a:1\",\"b\"],\"Layers\":[\"l/layer.tar\"]},"
		"{\"Config\":\"d.json\",\"RepoTags\":null,\"Layers\":null,\"LayerSources\":{}}]";
	_cleanup_(cor_docker_images_done) struct cor_docker_images d = {0};

	assert_int_equal(cor_docker_images_parse(text, strlen(text), &d, NULL), 0);
	assert_int_equal(d.n, 2);
	assert_string_equal(d.items[0].config, "c.json");
	assert_string_equal(d.items[0].repo_tags[1], "b");
	assert_string_equal(d.items[0].layers[0], "l/layer.tar");
	assert_null(d.items[1].repo_tags);
	assert_null(d.items[1].layers);
}

static void test_docker_manifest_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"[1]",
		"[{}]",
		"[{\"Config\":\"\"}]",
		"[{\"Config\":1}]",
		"[{\"Config\":\"c\",\"Layers\":\"x\"}]",
		"[{\"Config\":\"c\",\"Config\":\"d\"}]",
		"[{\"Config\":\"c\",\"RepoTags\":[1]}]",
	};
	struct cor_docker_images d = {0};
	struct cor_error err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cor_error_clear(&err);
		assert_true(cor_docker_images_parse(bad[i], strlen(bad[i]), &d, &err) < 0);
		assert_int_equal(err.code, COR_INVALID_ARGUMENT);
		assert_non_null(strstr(err.message, "manifest.json"));
		assert_null(d.items);
	}
}

static void test_layout_version(void **state)
{
	struct cor_error err = {0};

	assert_int_equal(cor_import_check_layout("{\"imageLayoutVersion\":\"1.0.0\"}", 30, NULL), 0);
	assert_true(cor_import_check_layout("{\"imageLayoutVersion\":\"2.0.0\"}", 30, &err) < 0);
	assert_string_equal(err.message, "unsupported OCI layout version \"2.0.0\"");
	assert_true(cor_import_check_layout("{}", 2, NULL) < 0);
	assert_true(cor_import_check_layout("", 0, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ref_names),
		cmocka_unit_test(test_docker_manifest),
		cmocka_unit_test(test_docker_manifest_bad),
		cmocka_unit_test(test_layout_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
