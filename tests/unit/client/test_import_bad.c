/* SPDX-License-Identifier: Apache-2.0 */
/* Bad archives (threats.md "digest", "media type", "oversized metadata", "bombs"): one clear line, nothing left behind. */
#include "import_fixture.h"

static void test_wrong_digest(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0};
	struct test_image im;

	image_make(&im, &(struct bend){0});
	im.layers[1].data.data[600]++;
	layout_tar(&im, &tar);
	import_fails(f->s, &tar, NULL, COR_FAILED_PRECONDITION, "unexpected commit digest sha256:");
	image_done(&im);
}

static void test_missing_blob(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0};
	_cleanup_free_ char *entry = NULL, *index = NULL;
	struct test_image im;

	image_make(&im, &(struct bend){0});
	entry = index_entry(&im.manifest, COR_MT_OCI_MANIFEST,
			    ",\"annotations\":{\"" COR_ANNOTATION_REF "\":\"v1\"}");
	index = cor_asprintf("{\"schemaVersion\":2,\"manifests\":[%s]}", entry);
	tar_text(&tar, "oci-layout", LAYOUT);
	tar_text(&tar, "index.json", index);
	blob_into(&im.layers[0], &tar);
	blob_into(&im.config, &tar);
	blob_into(&im.manifest, &tar);
	tar_end(&tar);
	import_fails(f->s, &tar, NULL, COR_NOT_FOUND, im.layers[1].digest);
	image_done(&im);
}

static void test_wrong_diff_id(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0};
	struct test_image im;
	char wrong[COR_DIGEST_MAX];

	cor_digest_of("wrong", 5, wrong);
	image_make(&im, &(struct bend){.diff_id = wrong});
	layout_tar(&im, &tar);
	import_fails(f->s, &tar, NULL, COR_DATA_LOSS, "diff");
	image_done(&im);
}

/* Digest and size are right for the half of a layer that is there. */
static void test_truncated_layer(void **state)
{
	static const enum cor_compression kinds[] = {COR_COMPRESSION_GZIP, COR_COMPRESSION_ZSTD};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_buf_ struct cor_buf tar = {0};
		struct test_image im;

		image_make(&im, &(struct bend){.kind = kinds[i]});
		im.layers[0].data.len -= 20;
		blob_seal(&im.layers[0]);
		cor_buf_done(&im.config.data);
		cor_buf_done(&im.manifest.data);
		documents(&im, &(struct bend){0});
		layout_tar(&im, &tar);
		import_fails(f->s, &tar, NULL, COR_DATA_LOSS, im.layers[0].digest);
		image_done(&im);
	}
}

static void test_unknown_compression(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0};
	struct test_image im;

	image_make(&im, &(struct bend){0});
	memcpy(im.layers[0].data.data,
	       "\xfd"
	       "7zXZ\0",
	       6);
	blob_seal(&im.layers[0]);
	cor_buf_done(&im.config.data);
	cor_buf_done(&im.manifest.data);
	documents(&im, &(struct bend){0});
	layout_tar(&im, &tar);
	import_fails(f->s, &tar, NULL, COR_UNIMPLEMENTED, "unsupported compression xz");
	image_done(&im);
}

static void test_truncated_archive(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0}, packed = {0};
	struct test_image im;

	image_make(&im, &(struct bend){0});
	layout_tar(&im, &tar);
	compress_buf(COR_COMPRESSION_GZIP, &tar, &packed);
	packed.len -= 30;
	import_fails(f->s, &packed, NULL, COR_DATA_LOSS, "");
	tar.len = 512 * 5;
	import_fails(f->s, &tar, NULL, COR_DATA_LOSS, "");
	image_done(&im);
}

static void test_not_an_archive(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf empty = {0}, text = {0}, other = {0}, xz = {0};

	for (int i = 0; i < 50; i++)
		cor_buf_str(&text, "text that is no archive ");
	tar_text(&other, "README", "hello");
	tar_end(&other);
	cor_buf_append(&xz,
		       "\xfd"
		       "7zXZ\0xxxxxxxxxxxxxxxx",
		       20);
	cor_buf_str(&empty, "");
	import_fails(f->s, &empty, NULL, COR_INVALID_ARGUMENT, "unrecognized image format");
	import_fails(f->s, &other, NULL, COR_INVALID_ARGUMENT, "unrecognized image format");
	import_fails(f->s, &xz, NULL, COR_UNIMPLEMENTED, "unsupported compression xz");
	import_fails(f->s, &text, NULL, COR_DATA_LOSS, "");
}

static void one_document(struct fixture *f, const struct test_image *im, const char *index,
			 enum cor_code code, const char *message)
{
	_cleanup_buf_ struct cor_buf tar = {0};

	tar_text(&tar, "oci-layout", LAYOUT);
	tar_text(&tar, "index.json", index);
	image_into(im, &tar);
	tar_end(&tar);
	import_fails(f->s, &tar, NULL, code, message);
}

static void test_bad_indexes(void **state)
{
	struct fixture *f = *state;
	struct test_image im;

	image_make(&im, &(struct bend){0});
	one_document(f, &im, "{", COR_INVALID_ARGUMENT, "invalid JSON");
	one_document(f, &im, "{\"manifests\":[]}", COR_INVALID_ARGUMENT, "the archive has no images");
	one_document(f, &im, "{\"manifests\":[],\"layers\":[]}", COR_INVALID_ARGUMENT,
		     "expected index but found manifest");
	one_document(f, &im,
		     "{\"manifests\":[{\"mediaType\":\"" COR_MT_OCI_MANIFEST
		     "\",\"digest\":\"sha256:../../x\"}]}",
		     COR_INVALID_ARGUMENT, "invalid checksum digest");
	image_done(&im);
}

static void test_hybrid_manifest(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0};
	struct test_image im;

	image_make(&im, &(struct bend){.extra = ",\"manifests\":[]"});
	layout_tar(&im, &tar);
	import_fails(f->s, &tar, NULL, COR_INVALID_ARGUMENT, "expected manifest but found index");
	image_done(&im);
}

static void test_wrong_size_in_descriptor(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *index = NULL;
	struct test_image im;

	image_make(&im, &(struct bend){0});
	index = cor_asprintf("{\"manifests\":[{\"mediaType\":\"" COR_MT_OCI_MANIFEST
			     "\",\"digest\":\"%s\",\"size\":7,\"annotations\":{\"" COR_ANNOTATION_REF
			     "\":\"v\"}}]}",
			     im.manifest.digest);
	one_document(f, &im, index, COR_INVALID_ARGUMENT, "but its descriptor says 7");
	image_done(&im);
}

static void test_bad_names(void **state)
{
	static const char *const names[] = {"a\\nb", "a\\u001b[2J", "\\u007f"};
	struct fixture *f = *state;
	struct test_image im;
	char longest[1100];

	image_make(&im, &(struct bend){0});
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i <= ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *more =
			cor_asprintf(",\"annotations\":{\"" COR_ANNOTATION_NAME "\":\"%s\"}",
				     i < ARRAY_SIZE(names) ? names[i] : longest);
		_cleanup_free_ char *entry = index_entry(&im.manifest, COR_MT_OCI_MANIFEST, more);
		_cleanup_free_ char *index = cor_asprintf("{\"manifests\":[%s]}", entry);

		one_document(f, &im, index, COR_INVALID_ARGUMENT, "invalid image name");
	}
	image_done(&im);
}

static void test_oversized_index(void **state)
{
	struct fixture *f = *state;
	size_t n = COR_IMPORT_JSON_MAX + 1000;
	_cleanup_free_ char *index = malloc(n + 1);
	struct test_image im;

	memset(index, ' ', n);
	index[n] = '\0';
	image_make(&im, &(struct bend){0});
	one_document(f, &im, index, COR_RESOURCE_EXHAUSTED, "index.json");
	index[COR_MANIFEST_SIZE_MAX + 1] = '\0';
	one_document(f, &im, index, COR_INVALID_ARGUMENT, "more than the limit");
	image_done(&im);
}

/* Indexes that name the next one a hundred times each: 100^10 paths, ten documents. */
static void test_index_explosion(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0};
	struct blob chain[10] = {0};
	struct test_image im;

	image_make(&im, &(struct bend){0});
	tar_text(&tar, "oci-layout", LAYOUT);
	image_into(&im, &tar);
	for (size_t i = 0; i < ARRAY_SIZE(chain); i++) {
		_cleanup_free_ char *entry = i ? index_entry(&chain[i - 1], COR_MT_OCI_INDEX, "")
					       : index_entry(&im.manifest, COR_MT_OCI_MANIFEST, "");

		cor_buf_str(&chain[i].data, "{\"schemaVersion\":2,\"manifests\":[");
		for (int j = 0; j < 100; j++)
			cor_buf_printf(&chain[i].data, "%s%s", j ? "," : "", entry);
		cor_buf_str(&chain[i].data, "]}");
		blob_seal(&chain[i]);
		blob_into(&chain[i], &tar);
	}
	tar_file(&tar, "index.json", chain[9].data.data, chain[9].data.len);
	tar_end(&tar);
	import_fails(f->s, &tar, NULL, COR_INVALID_ARGUMENT, "too many nested documents");
	for (size_t i = 0; i < ARRAY_SIZE(chain); i++)
		blob_done(&chain[i]);
	image_done(&im);
}

static void test_docker_holes(void **state)
{
	static const char *const cases[][2] = {
		{"[{\"Config\":\"c.json\",\"RepoTags\":[\"a\"],\"Layers\":[]}]",
		 "image config \"c.json\": not found"},
		{"[{\"Config\":\"ok.json\",\"RepoTags\":[\"a\"],\"Layers\":[\"x/layer.tar\"]}]",
		 "layer \"x/layer.tar\": not found"},
		{"[{\"Config\":\"loop\",\"RepoTags\":[\"a\"],\"Layers\":[]}]",
		 "image config \"loop\": not found"},
		{"[{\"Config\":\"../../../etc/passwd\",\"RepoTags\":[\"a\"],\"Layers\":[]}]",
		 "not found in the archive"},
		{"[{\"Config\":\"ok.json\",\"RepoTags\":[\"A/B\"],\"Layers\":[]}]", "must be lowercase"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct cor_buf tar = {0};
		struct cor_error err = {0};

		tar_text(&tar, "ok.json", "{\"architecture\":\"amd64\",\"os\":\"linux\"}");
		tar_add(&tar, "loop", '2', "loop", NULL, 0);
		tar_text(&tar, "manifest.json", cases[i][0]);
		tar_end(&tar);
		assert_true(import_buf(f->s, &tar, NULL, NULL, &err) < 0);
		if (!strstr(err.message, cases[i][1]))
			fail_msg("\"%s\" is not in \"%s\"", cases[i][1], err.message);
		assert_store_empty(f->s);
	}
}

static void test_rootfs_that_is_none(void **state)
{
	struct fixture *f = *state;
	struct cor_import_options o = {.no_unpack = true};
	_cleanup_buf_ struct cor_buf text = {0};
	struct cor_error err = {0};
	struct names names = {0};
	int fd;

	for (int i = 0; i < 200; i++)
		cor_buf_str(&text, "no archive ");
	fd = memfd_of(&text);
	assert_true(cor_import_rootfs(f->s, fd, "x", &o, note_name, &names, &err) < 0);
	cor_close(fd);
	assert_int_equal(err.code, COR_DATA_LOSS);
	assert_null(names.list);
	assert_store_empty(f->s);
	fd = openat(AT_FDCWD, "/dev/null", O_RDONLY);
	assert_true(cor_import_rootfs(f->s, fd, "x", &o, note_name, &names, &err) < 0);
	assert_non_null(strstr(err.message, "the archive is empty"));
	cor_close(fd);
	assert_store_empty(f->s);
}

/* An import killed at any moment: the next one works, and then nothing but the image is there. */
static void test_kill_at_any_moment(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0};
	struct test_image im;
	int n = 0;

	image_make(&im, &(struct bend){0});
	layout_tar(&im, &tar);
	for (unsigned round = 0; round < 30; round++) {
		pid_t pid = fork();

		if (pid == 0) {
			import_buf(open_engine(f), &tar, NULL, NULL, NULL);
			_exit(0);
		}
		usleep(round * 1500);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		import_ok(f->s, &tar, NULL, "test:latest ");
		assert_int_equal(f->s->images->remove(f->s, "test:latest", true, NULL), 0);
		assert_store_empty(f->s);
	}
	assert_int_equal(f->s->images->walk(f->s, count_images, &n, NULL), 0);
	assert_int_equal(n, 0);
	image_done(&im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_wrong_digest),        T(test_missing_blob),
		T(test_wrong_diff_id),       T(test_truncated_layer),
		T(test_unknown_compression), T(test_truncated_archive),
		T(test_not_an_archive),      T(test_bad_indexes),
		T(test_hybrid_manifest),     T(test_wrong_size_in_descriptor),
		T(test_bad_names),           T(test_oversized_index),
		T(test_index_explosion),     T(test_docker_holes),
		T(test_rootfs_that_is_none), T(test_kill_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
