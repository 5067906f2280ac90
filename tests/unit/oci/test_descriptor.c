/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors as values and the classes of media types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "oci/descriptor.h"

static void test_copy_is_deep(void **state)
{
	struct cor_platform p = {.os = "linux", .architecture = "arm64"};
	struct cor_descriptor a = {.media_type = strdup("m"), .digest = strdup("d"), .size = 5}, b = {0};

	a.platform = malloc(sizeof(p));
	*a.platform = p;
	assert_int_equal(cor_map_set(&a.annotations, "k", "v"), 0);
	assert_int_equal(cor_descriptor_copy(&b, &a), 0);
	assert_ptr_not_equal(a.digest, b.digest);
	assert_ptr_not_equal(a.platform, b.platform);
	cor_descriptor_done(&a);
	assert_null(a.digest);
	assert_string_equal(b.media_type, "m");
	assert_string_equal(b.digest, "d");
	assert_int_equal(b.size, 5);
	assert_string_equal(b.platform->architecture, "arm64");
	assert_string_equal(cor_map_get(&b.annotations, "k"), "v");
	cor_descriptor_done(&b);
	cor_descriptor_done(&b);
}

static void test_media_types(void **state)
{
	assert_true(cor_media_type_is_index(COR_MT_OCI_INDEX) && cor_media_type_is_index(COR_MT_DOCKER_LIST));
	assert_true(cor_media_type_is_manifest(COR_MT_OCI_MANIFEST) &&
		    cor_media_type_is_manifest(COR_MT_DOCKER_MANIFEST));
	assert_true(cor_media_type_is_config(COR_MT_OCI_CONFIG) &&
		    cor_media_type_is_config(COR_MT_DOCKER_CONFIG));
	assert_true(cor_media_type_is_layer(COR_MT_OCI_LAYER_ZSTD) &&
		    cor_media_type_is_layer(COR_MT_DOCKER_LAYER_GZIP));
	assert_true(cor_media_type_is_layer("application/vnd.oci.image.layer.nondistributable.v1.tar"));
	assert_false(cor_media_type_is_index(COR_MT_OCI_MANIFEST));
	assert_false(cor_media_type_is_manifest(COR_MT_OCI_INDEX));
	assert_false(cor_media_type_is_manifest("application/vnd.docker.distribution.manifest.v1+json"));
	assert_false(cor_media_type_is_layer(COR_MT_OCI_CONFIG));
	assert_false(cor_media_type_is_index(NULL) || cor_media_type_is_manifest("") ||
		     cor_media_type_is_layer(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_copy_is_deep),
					   cmocka_unit_test(test_media_types)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
