/* SPDX-License-Identifier: Apache-2.0 */
/* Image documents: threats.md "media type", "oversized metadata", "digest", "reserved labels". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "oci/image.h"

#define D    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define CONF "\"config\":{\"mediaType\":\"" COR_MT_OCI_CONFIG "\",\"digest\":\"" D "\",\"size\":2}"

static void manifest_fails(const char *text, const char *mt, const char *message)
{
	struct cor_error err = {0};
	struct cor_manifest m = {0};

	assert_true(cor_manifest_parse(text, strlen(text), mt, &m, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	if (!strstr(err.message, message))
		fail_msg("\"%s\" is not in \"%s\"", message, err.message);
	assert_null(m.media_type);
}

static void index_fails(const char *text, const char *mt, const char *message)
{
	struct cor_error err = {0};
	struct cor_index i = {0};

	assert_true(cor_index_parse(text, strlen(text), mt, &i, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	if (!strstr(err.message, message))
		fail_msg("\"%s\" is not in \"%s\"", message, err.message);
}

static void test_manifest(void **state)
{
	static const char text[] =
		"{\"schemaVersion\":2,\"mediaType\":\"" COR_MT_OCI_MANIFEST "\"," CONF ",\"layers\":["
		"{\"mediaType\":\"" COR_MT_OCI_LAYER "\",\"digest\":\"" D "\",\"size\":7},"
		"{\"mediaType\":\"" COR_MT_OCI_LAYER_ZSTD "\",\"digest\":\"" D "\",\"size\":8}],"
		"\"annotations\":{\"a\":\"b\"},\"unknown\":[1]}";
	_cleanup_(cor_manifest_done) struct cor_manifest m = {0};

	assert_int_equal(cor_manifest_parse(text, strlen(text), COR_MT_OCI_MANIFEST, &m, NULL), 0);
	assert_string_equal(m.config.digest, D);
	assert_int_equal(m.n, 2);
	assert_int_equal(m.layers[1].size, 8);
	assert_string_equal(m.layers[1].media_type, COR_MT_OCI_LAYER_ZSTD);
	assert_string_equal(cor_map_get(&m.annotations, "a"), "b");
}

static void test_media_type_from_descriptor(void **state)
{
	static const char text[] = "{\"schemaVersion\":2," CONF ",\"layers\":[]}";
	struct cor_manifest m = {0};

	assert_int_equal(cor_manifest_parse(text, strlen(text), COR_MT_DOCKER_MANIFEST, &m, NULL), 0);
	assert_string_equal(m.media_type, COR_MT_DOCKER_MANIFEST);
	cor_manifest_done(&m);
}

static void test_hybrids(void **state)
{
	manifest_fails("{\"schemaVersion\":2," CONF ",\"layers\":[],\"manifests\":[]}", COR_MT_OCI_MANIFEST,
		       "expected manifest but found index");
	manifest_fails("{\"schemaVersion\":2,\"mediaType\":\"" COR_MT_OCI_INDEX "\"," CONF "}",
		       COR_MT_OCI_MANIFEST, "expected manifest but found index");
	index_fails("{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}", COR_MT_OCI_INDEX,
		    "expected index but found manifest");
	index_fails("{\"schemaVersion\":2,\"manifests\":[],\"config\":{}}", NULL,
		    "expected index but found manifest");
	index_fails("{\"schemaVersion\":2,\"mediaType\":\"" COR_MT_DOCKER_MANIFEST "\",\"manifests\":[]}",
		    NULL, "expected index but found manifest");
}

static void test_contradictions(void **state)
{
	manifest_fails("{\"schemaVersion\":2,\"mediaType\":\"" COR_MT_OCI_MANIFEST "\"," CONF "}",
		       COR_MT_DOCKER_MANIFEST, "descriptor says");
	index_fails("{\"schemaVersion\":2,\"mediaType\":\"" COR_MT_OCI_INDEX "\",\"manifests\":[]}",
		    COR_MT_DOCKER_LIST, "descriptor says");
	manifest_fails("{\"schemaVersion\":2,\"mediaType\":\"text/plain\"," CONF "}", NULL,
		       "unsupported media type");
	manifest_fails("{\"schemaVersion\":2," CONF "," CONF "}", NULL, "duplicate");
}

static void test_schema1(void **state)
{
	manifest_fails("{\"schemaVersion\":1,\"fsLayers\":[{}]}", COR_MT_DOCKER_MANIFEST,
		       "schema 1 not supported");
	manifest_fails("{\"schemaVersion\":2," CONF ",\"fsLayers\":[{}]}", NULL, "schema 1 not supported");
	manifest_fails("{\"schemaVersion\":3," CONF "}", NULL, "unsupported schemaVersion 3");
}

static void test_bad_descriptors(void **state)
{
	manifest_fails("{\"schemaVersion\":2}", NULL, "config: descriptor: expected object");
	manifest_fails("{\"config\":{\"digest\":\"sha256:../../x\",\"size\":1}}", NULL,
		       "invalid checksum digest");
	manifest_fails("{\"config\":{\"digest\":\"" D "\",\"size\":-1}}", NULL, "negative size");
	manifest_fails("{\"config\":{\"digest\":\"" D "\",\"size\":\"1\"}}", NULL, "size: expected integer");
	manifest_fails("{" CONF ",\"layers\":{}}", NULL, "layers: expected array");
	manifest_fails("{" CONF ",\"layers\":[{\"digest\":\"" D "\"},{}]}", NULL, "layers: ");
	index_fails("{\"manifests\":[{\"digest\":\"" D
		    "\",\"platform\":{\"os\":\"0123456789012345678901234567890123\"}}]}",
		    NULL, "longer than");
	index_fails("[]", NULL, "expected a JSON object");
}

static void test_index(void **state)
{
	static const char text[] =
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" COR_MT_OCI_MANIFEST
		"\",\"digest\":\"" D
		"\",\"size\":3,\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\",\"variant\":\"v8\"},"
		"\"annotations\":{\"org.opencontainers.image.ref.name\":\"latest\"}},"
		"{\"mediaType\":\"x\",\"digest\":\"" D "\",\"size\":0}]}";
	_cleanup_(cor_index_done) struct cor_index i = {0};
	_cleanup_json_ json_t *j = NULL;
	_cleanup_free_ char *out = NULL;

	assert_int_equal(cor_index_parse(text, strlen(text), NULL, &i, NULL), 0);
	assert_int_equal(i.n, 2);
	assert_string_equal(i.manifests[0].platform->variant, "v8");
	assert_null(i.manifests[1].platform);
	assert_string_equal(cor_map_get(&i.manifests[0].annotations, "org.opencontainers.image.ref.name"),
			    "latest");
	j = cor_descriptor_to_json(&i.manifests[0]);
	out = cor_json_dump(j);
	assert_string_equal(out,
			    "{\"mediaType\":\"" COR_MT_OCI_MANIFEST "\",\"digest\":\"" D "\",\"size\":3,"
			    "\"annotations\":{\"org.opencontainers.image.ref.name\":\"latest\"},"
			    "\"platform\":{\"architecture\":\"arm64\",\"os\":\"linux\",\"variant\":\"v8\"}}");
}

static void test_size_limits(void **state)
{
	size_t n = COR_CONFIG_SIZE_MAX + 1;
	_cleanup_free_ char *text = malloc(n);
	struct cor_error err = {0};
	struct cor_image_config c = {0};
	struct cor_manifest m = {0};
	struct cor_index i = {0};

	memset(text, ' ', n);
	memcpy(text, "{}", 2);
	assert_true(cor_image_config_parse(text, n, &c, &err) < 0);
	assert_non_null(strstr(err.message, "more than the limit"));
	assert_true(cor_manifest_parse(text, COR_MANIFEST_SIZE_MAX + 1, NULL, &m, &err) < 0);
	assert_non_null(strstr(err.message, "more than the limit"));
	assert_true(cor_index_parse(text, COR_MANIFEST_SIZE_MAX + 1, NULL, &i, &err) < 0);
	assert_non_null(strstr(err.message, "more than the limit"));
	assert_int_equal(cor_image_config_parse(text, n - 1, &c, NULL), 0);
	cor_image_config_done(&c);
}

static void test_config(void **state)
{
	static const char text[] =
		"{\"architecture\":\"x86_64\",\"os\":\"linux\",\"config\":{\"Env\":[\"A=b\"],\"Cmd\":null,"
		"\"Entrypoint\":[\"/x\",\"y\"],\"User\":\"1:2\",\"WorkingDir\":\"/"
		"w\",\"StopSignal\":\"SIGINT\","
		"\"Labels\":{\"l\":\"v\"},\"Volumes\":{\"/v\":{}},\"ArgsEscaped\":true},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D "\"]},\"history\":[]}";
	_cleanup_(cor_image_config_done) struct cor_image_config c = {0};

	assert_int_equal(cor_image_config_parse(text, strlen(text), &c, NULL), 0);
	assert_string_equal(c.platform.architecture, "amd64");
	assert_int_equal(cor_strv_len(c.diff_ids), 1);
	assert_string_equal(c.env[0], "A=b");
	assert_int_equal(cor_strv_len(c.entrypoint), 2);
	assert_null(c.cmd);
	assert_string_equal(c.user, "1:2");
	assert_string_equal(c.working_dir, "/w");
	assert_string_equal(c.stop_signal, "SIGINT");
	assert_string_equal(cor_map_get(&c.labels, "l"), "v");
	assert_true(c.args_escaped);
}

static void test_config_bad(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{\"config\":[]}",
		"{\"config\":{\"Env\":\"A=b\"}}",
		"{\"config\":{\"User\":0}}",
		"{\"rootfs\":{\"diff_ids\":[\"sha256:x\"]}}",
		"{\"rootfs\":{\"type\":\"squashfs\"}}",
		"{\"rootfs\":\"x\"}",
		"{\"config\":{\"Cmd\":[1]}}",
		"{\"config\":{\"Labels\":{\"a\":1}}}",
	};
	struct cor_image_config c = {0};
	struct cor_error err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		cor_error_clear(&err);
		assert_true(cor_image_config_parse(bad[i], strlen(bad[i]), &c, &err) < 0);
		assert_int_equal(err.code, COR_INVALID_ARGUMENT);
		assert_non_null(strstr(err.message, "image config"));
	}
}

/* CVE-2026-53488: labels that steer containerd, in an image. */
static void test_reserved_labels(void **state)
{
	_cleanup_map_ struct cor_map in = {0}, out = {0};
	char big[4200];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	cor_map_set(&in, "containerd.io/restart.loguri", "binary:///bin/sh");
	cor_map_set(&in, "io.cri-containerd.kind", "container");
	cor_map_set(&in, "io.cri-containerdx", "y");
	cor_map_set(&in, "maintainer", "me");
	cor_map_set(&in, "containerd.iox", "fine");
	cor_map_set(&in, "big", big);
	assert_int_equal(cor_image_container_labels(&in, &out, NULL), 0);
	assert_int_equal(out.n, 2);
	assert_string_equal(cor_map_get(&out, "maintainer"), "me");
	assert_string_equal(cor_map_get(&out, "containerd.iox"), "fine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifest),        cmocka_unit_test(test_media_type_from_descriptor),
		cmocka_unit_test(test_hybrids),         cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_schema1),         cmocka_unit_test(test_bad_descriptors),
		cmocka_unit_test(test_index),           cmocka_unit_test(test_size_limits),
		cmocka_unit_test(test_config),          cmocka_unit_test(test_config_bad),
		cmocka_unit_test(test_reserved_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
