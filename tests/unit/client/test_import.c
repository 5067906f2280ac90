/* SPDX-License-Identifier: Apache-2.0 */
/* Importing on a real engine: every form of archive, names, platforms, and what the content is labelled with. */
#include "import_fixture.h"

#include "oci/image.h"

static void test_layout_stream(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0};
	struct test_image im;
	char chain[COR_DIGEST_MAX];
	struct cor_snapshot_info info = {0};

	image_make(&im, &(struct bend){0});
	layout_tar(&im, &tar);
	import_ok(f->s, &tar, NULL, "test:latest ");
	assert_label(f->s, im.manifest.digest, "containerd.io/gc.ref.content.config", im.config.digest);
	assert_label(f->s, im.manifest.digest, "containerd.io/gc.ref.content.l.0", im.layers[0].digest);
	assert_label(f->s, im.manifest.digest, "containerd.io/gc.ref.content.l.1", im.layers[1].digest);
	assert_label(f->s, im.layers[0].digest, "containerd.io/uncompressed", im.diff_ids[0]);
	cor_chain_id(im.diff_ids[0], im.diff_ids[1], chain);
	assert_label(f->s, im.config.digest, "containerd.io/gc.ref.snapshot.native", chain);
	assert_int_equal(f->s->snapshots->stat(f->s, NULL, chain, &info, NULL), 0);
	assert_int_equal(info.kind, COR_SNAPSHOT_COMMITTED);
	assert_string_equal(info.parent, im.diff_ids[0]);
	assert_string_equal(cor_map_get(&info.labels, "containerd.io/snapshot.ref"), chain);
	cor_snapshot_info_done(&info);
	/* a collection right after takes nothing of it */
	assert_int_equal(f->s->gc->run(f->s, false, NULL, NULL, NULL), 0);
	assert_int_equal(f->s->snapshots->stat(f->s, NULL, chain, &info, NULL), 0);
	cor_snapshot_info_done(&info);
	image_done(&im);
}

static void test_unpacked_tree(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0};
	_cleanup_mounts_ struct cor_mounts mounts = {0};
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int dir = -1;
	struct cor_resolved_image r = {0};
	struct test_image im;
	bool unpacked = false;

	image_make(&im, &(struct bend){.kind = COR_COMPRESSION_ZSTD});
	layout_tar(&im, &tar);
	import_ok(f->s, &tar, &(struct cor_import_options){.base_name = "test", .no_unpack = true},
		  "test:latest ");
	assert_int_equal(cor_resolve_image(f->s, "test:latest", NULL, &r, NULL), 0);
	assert_int_equal(cor_is_unpacked(f->s, &r, NULL, &unpacked, NULL), 0);
	assert_false(unpacked);
	assert_int_equal(cor_unpack(f->s, &r, NULL, NULL, NULL), 0);
	assert_int_equal(cor_unpack(f->s, &r, NULL, NULL, NULL), 0);
	assert_int_equal(cor_is_unpacked(f->s, &r, NULL, &unpacked, NULL), 0);
	assert_true(unpacked);
	assert_int_equal(f->s->snapshots->view(f->s, NULL, "look", r.chain_id, NULL, &mounts, NULL), 0);
	assert_int_equal(mounts.n, 1);
	dir = cor_open_dir(mounts.items[0].source, NULL);
	assert_true(dir >= 0);
	assert_int_equal(cor_read_file_at(dir, "etc/hostname", 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "one");
	assert_int_equal(faccessat(dir, "hello", F_OK, 0), 0);
	assert_int_equal(faccessat(dir, "gone", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	cor_resolved_image_done(&r);
	image_done(&im);
}

static void test_outer_compression(void **state)
{
	static const enum cor_compression kinds[] = {COR_COMPRESSION_GZIP, COR_COMPRESSION_ZSTD};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_buf_ struct cor_buf tar = {0}, packed = {0};
		struct test_image im;

		image_make(&im, &(struct bend){0});
		layout_tar(&im, &tar);
		compress_buf(kinds[i], &tar, &packed);
		import_ok(f->s, &packed, NULL, "test:latest ");
		image_done(&im);
	}
}

/* The old form: each layer in a directory of its own, one a link to another image's. The new: blobs with digests for names. */
static void docker_tar(const struct test_image *im, bool legacy, const char *tags, struct cor_buf *tar)
{
	_cleanup_free_ char *manifest = NULL;
	char config[100], l0[100], l1[100];

	snprintf(config, sizeof(config), legacy ? "%s.json" : "blobs/sha256/%s",
		 cor_digest_hex(im->config.digest));
	snprintf(l0, sizeof(l0), legacy ? "aaa/layer.tar" : "blobs/sha256/%s",
		 cor_digest_hex(im->layers[0].digest));
	snprintf(l1, sizeof(l1), legacy ? "bbb/layer.tar" : "blobs/sha256/%s",
		 cor_digest_hex(im->layers[1].digest));
	manifest = cor_asprintf("[{\"Config\":\"%s\",\"RepoTags\":%s,\"Layers\":[\"%s\",\"%s\"]}]", config,
				tags, l0, l1);
	if (legacy) {
		tar_text(tar, "aaa/VERSION", "1.0");
		tar_text(tar, "aaa/json", "{}");
		tar_add(tar, l0, '2', "../ccc/layer.tar", NULL, 0);
		tar_file(tar, "./ccc/layer.tar", im->layers[0].data.data, im->layers[0].data.len);
	} else {
		tar_file(tar, l0, im->layers[0].data.data, im->layers[0].data.len);
	}
	tar_file(tar, l1, im->layers[1].data.data, im->layers[1].data.len);
	tar_file(tar, config, im->config.data.data, im->config.data.len);
	tar_text(tar, "repositories", "{}");
	tar_text(tar, "manifest.json", manifest);
	tar_end(tar);
}

static void test_docker_archives(void **state)
{
	struct fixture *f = *state;

	for (int legacy = 0; legacy < 2; legacy++) {
		_cleanup_buf_ struct cor_buf tar = {0};
		struct cor_resolved_image r = {0};
		struct test_image im;

		image_make(&im, &(struct bend){.seed = legacy ? "legacy" : "new"});
		docker_tar(&im, legacy, "[\"busybox\",\"quay.io/a/b:1\"]", &tar);
		import_ok(f->s, &tar, NULL, "docker.io/library/busybox:latest quay.io/a/b:1 ");
		assert_int_equal(cor_resolve_image(f->s, "quay.io/a/b:1", NULL, &r, NULL), 0);
		assert_string_equal(r.manifest.media_type, COR_MT_DOCKER_MANIFEST);
		assert_string_equal(r.manifest.config.media_type, COR_MT_DOCKER_CONFIG);
		assert_string_equal(r.manifest.layers[0].media_type, COR_MT_DOCKER_LAYER_GZIP);
		assert_string_equal(r.manifest.layers[1].media_type, COR_MT_DOCKER_LAYER);
		assert_string_equal(r.manifest.layers[0].digest, im.layers[0].digest);
		cor_resolved_image_done(&r);
		image_done(&im);
	}
}

static void test_docker_without_tags(void **state)
{
	struct fixture *f = *state;
	struct cor_import_options o = {.base_name = "base", .digests = true};
	_cleanup_buf_ struct cor_buf tar = {0};
	struct test_image im;

	image_make(&im, &(struct bend){0});
	docker_tar(&im, true, "null", &tar);
	import_fails(f->s, &tar, NULL, COR_INVALID_ARGUMENT, "the archive names no image");
	assert_int_equal(import_buf(f->s, &tar, &o, NULL, NULL), 0);
	image_done(&im);
}

static void test_names(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0};
	_cleanup_free_ char *want = NULL;
	struct test_image im;

	image_make(&im, &(struct bend){0});
	layout_tar(&im, &tar);
	want = cor_asprintf("all b:latest b@%s ", im.manifest.digest);
	import_ok(f->s, &tar,
		  &(struct cor_import_options){.base_name = "b", .digests = true, .index_name = "all"}, want);
	import_ok(f->s, &tar,
		  &(struct cor_import_options){.base_name = "b",
					       .digests = true,
					       .skip_digest_for_named = true,
					       .index_name = "all"},
		  "all b:latest ");
	image_done(&im);
}

/* Two platforms in a nested index; only the blobs of one are there, and an attestation of "unknown/unknown". */
static void multi_tar(const struct test_image *have, const struct test_image *other, struct blob *nested,
		      struct cor_buf *tar)
{
	_cleanup_free_ char *a = index_entry(&other->manifest, COR_MT_OCI_MANIFEST,
					     ",\"platform\":{\"os\":\"linux\",\"architecture\":\"s390x\"}");
	_cleanup_free_ char *b = index_entry(&have->manifest, COR_MT_OCI_MANIFEST,
					     ",\"platform\":{\"os\":\"linux\",\"architecture\":\"riscv64\"}");
	_cleanup_free_ char *c =
		index_entry(&other->config, COR_MT_OCI_MANIFEST,
			    ",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}");
	_cleanup_free_ char *top = NULL, *index = NULL;

	cor_buf_printf(&nested->data,
		       "{\"schemaVersion\":2,\"mediaType\":\"" COR_MT_OCI_INDEX
		       "\",\"manifests\":[%s,%s,%s]}",
		       a, b, c);
	blob_seal(nested);
	top = index_entry(nested, COR_MT_OCI_INDEX,
			  ",\"annotations\":{\"" COR_ANNOTATION_NAME "\":\"docker.io/x/multi:1\"}");
	index = cor_asprintf("{\"schemaVersion\":2,\"manifests\":[%s]}", top);
	tar_text(tar, "./oci-layout", LAYOUT);
	blob_into(nested, tar);
	image_into(have, tar);
	tar_text(tar, "./index.json", index);
	tar_end(tar);
}

static void test_platforms(void **state)
{
	struct fixture *f = *state;
	struct cor_import_options o = {.platform = "linux/riscv64"};
	_cleanup_buf_ struct cor_buf tar = {0};
	struct cor_resolved_image r = {0};
	struct test_image have, other;
	struct blob nested = {0};
	struct cor_error err = {0};

	image_make(&have, &(struct bend){.architecture = "riscv64"});
	image_make(&other, &(struct bend){.architecture = "s390x", .seed = "other"});
	multi_tar(&have, &other, &nested, &tar);
	import_fails(f->s, &tar, NULL, COR_NOT_FOUND, "no image for platform linux/amd64 in the archive");
	import_fails(f->s, &tar, &(struct cor_import_options){.platform = "s390x"}, COR_NOT_FOUND,
		     "not found");
	import_fails(f->s, &tar, &(struct cor_import_options){.all_platforms = true}, COR_NOT_FOUND,
		     "not found");
	import_ok(f->s, &tar, &o, "docker.io/x/multi:1 ");
	assert_label(f->s, nested.digest, "containerd.io/gc.ref.content.m.0", have.manifest.digest);
	assert_int_equal(cor_resolve_image(f->s, "docker.io/x/multi:1", "riscv64", &r, NULL), 0);
	assert_string_equal(r.manifest_desc.digest, have.manifest.digest);
	cor_resolved_image_done(&r);
	assert_true(cor_resolve_image(f->s, "docker.io/x/multi:1", "linux/arm64", &r, &err) < 0);
	assert_int_equal(err.code, COR_NOT_FOUND);
	assert_non_null(strstr(err.message, "no match for platform in manifest sha256:"));
	cor_error_clear(&err);
	assert_true(cor_resolve_image(f->s, "docker.io/x/multi:1", "s390x", &r, &err) < 0);
	assert_int_equal(err.code, COR_NOT_FOUND);
	assert_non_null(strstr(err.message, other.manifest.digest));
	blob_done(&nested);
	image_done(&have);
	image_done(&other);
}

static void test_resolve_missing(void **state)
{
	struct fixture *f = *state;
	struct cor_resolved_image r = {0};
	struct cor_error err = {0};

	assert_true(cor_resolve_image(f->s, "nope", NULL, &r, &err) < 0);
	assert_string_equal(err.message, "image \"nope\": not found");
	assert_int_equal(err.code, COR_NOT_FOUND);
}

static void write_file(int dir, const char *path, const void *data, size_t n)
{
	_cleanup_close_ int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(cor_write_full(fd, data, n), 0);
}

static void write_blob(int dir, const struct blob *b)
{
	char path[100];

	snprintf(path, sizeof(path), "blobs/sha256/%s", cor_digest_hex(b->digest));
	write_file(dir, path, b->data.data, b->data.len);
}

static int layout_dir(struct fixture *f, const struct test_image *im)
{
	_cleanup_free_ char *path = cor_asprintf("%s/layout", f->path);
	_cleanup_free_ char *entry = index_entry(&im->manifest, COR_MT_OCI_MANIFEST,
						 ",\"annotations\":{\"" COR_ANNOTATION_REF "\":\"x/y:1\"}");
	_cleanup_free_ char *index = cor_asprintf("{\"schemaVersion\":2,\"manifests\":[%s]}", entry);
	int dir = cor_mkdir_p(path, 0755, NULL);

	assert_true(dir >= 0);
	cor_close(dir);
	dir = cor_open_dir(path, NULL);
	cor_close(cor_mkdir_p_in_root(dir, "blobs/sha256", 0755));
	write_file(dir, "oci-layout", LAYOUT, strlen(LAYOUT));
	write_file(dir, "index.json", index, strlen(index));
	write_blob(dir, &im->layers[0]);
	write_blob(dir, &im->layers[1]);
	write_blob(dir, &im->config);
	write_blob(dir, &im->manifest);
	return dir;
}

static void test_layout_directory(void **state)
{
	struct fixture *f = *state;
	struct cor_import_options o = {0};
	struct names names = {0};
	struct cor_error err = {0};
	struct test_image im;
	_cleanup_close_ int dir = -1;
	char path[100];

	image_make(&im, &(struct bend){0});
	dir = layout_dir(f, &im);
	assert_int_equal(cor_import_layout(f->s, dir, &o, note_name, &names, NULL), 0);
	assert_string_equal(names.list, "x/y:1 ");
	assert_string_equal(names.digest, im.manifest.digest);
	free(names.list);

	/* a blob that is a link out of the layout, and one that is a fifo */
	assert_int_equal(f->s->images->remove(f->s, "x/y:1", true, NULL), 0);
	assert_store_empty(f->s);
	snprintf(path, sizeof(path), "blobs/sha256/%s", cor_digest_hex(im.layers[1].digest));
	assert_int_equal(unlinkat(dir, path, 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", dir, path), 0);
	assert_true(cor_import_layout(f->s, dir, &o, note_name, &names, &err) < 0);
	assert_int_equal(err.code, COR_NOT_FOUND);
	assert_int_equal(unlinkat(dir, path, 0), 0);
	assert_int_equal(mkfifoat(dir, path, 0644), 0);
	assert_true(cor_import_layout(f->s, dir, &o, note_name, &names, &err) < 0);
	assert_non_null(strstr(err.message, "not a regular file"));
	assert_store_empty(f->s);
	image_done(&im);
}

static void test_rootfs_tar(void **state)
{
	static const enum cor_compression kinds[] = {COR_COMPRESSION_NONE, COR_COMPRESSION_GZIP,
						     COR_COMPRESSION_ZSTD};
	static const char *const types[] = {COR_MT_OCI_LAYER, COR_MT_OCI_LAYER_GZIP, COR_MT_OCI_LAYER_ZSTD};
	struct fixture *f = *state;
	struct cor_import_options o = {0};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_buf_ struct cor_buf tar = {0}, packed = {0};
		struct cor_resolved_image r = {0};
		struct names a = {0}, b = {0};
		char diff_id[COR_DIGEST_MAX];
		int fd;

		tar_text(&tar, "hello", "hi");
		tar_end(&tar);
		cor_digest_of(tar.data, tar.len, diff_id);
		if (kinds[i] == COR_COMPRESSION_NONE)
			cor_buf_append(&packed, tar.data, tar.len);
		else
			compress_buf(kinds[i], &tar, &packed);
		fd = memfd_of(&packed);
		assert_int_equal(cor_import_rootfs(f->s, fd, "demo", &o, note_name, &a, NULL), 0);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(cor_import_rootfs(f->s, fd, "demo", &o, note_name, &b, NULL), 0);
		cor_close(fd);
		assert_string_equal(a.digest, b.digest);
		assert_int_equal(cor_resolve_image(f->s, "demo", NULL, &r, NULL), 0);
		assert_string_equal(r.manifest.layers[0].media_type, types[i]);
		assert_string_equal(r.config.diff_ids[0], diff_id);
		assert_int_equal(r.manifest.layers[0].size, packed.len);
		cor_resolved_image_done(&r);
		free(a.list);
		free(b.list);
	}
}

static void test_rootfs_directory(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *path = cor_asprintf("%s/tree", f->path);
	struct cor_import_options o = {0};
	struct cor_resolved_image r = {0};
	struct names names = {0};
	_cleanup_close_ int dir = -1;
	bool unpacked = false;

	cor_close(cor_mkdir_p(path, 0755, NULL));
	dir = cor_open_dir(path, NULL);
	write_file(dir, "hello", "hi", 2);
	assert_int_equal(cor_import_rootfs(f->s, dir, "demo", &o, note_name, &names, NULL), 0);
	assert_int_equal(cor_resolve_image(f->s, "demo", NULL, &r, NULL), 0);
	assert_string_equal(r.manifest.layers[0].media_type, COR_MT_OCI_LAYER);
	assert_string_equal(r.manifest.layers[0].digest, r.config.diff_ids[0]);
	assert_int_equal(cor_is_unpacked(f->s, &r, NULL, &unpacked, NULL), 0);
	assert_true(unpacked);
	cor_resolved_image_done(&r);
	free(names.list);
}

static void test_labels_stay(void **state)
{
	struct fixture *f = *state;
	struct cor_import_options o = {.base_name = "test",
				       .labels = (char *[]){(char[]){"a=1"}, (char[]){"b="}, NULL}};
	_cleanup_buf_ struct cor_buf tar = {0};
	struct cor_image image = {0};
	struct test_image im;

	image_make(&im, &(struct bend){0});
	layout_tar(&im, &tar);
	import_ok(f->s, &tar, &o, "test:latest ");
	import_ok(f->s, &tar, NULL, "test:latest ");
	assert_int_equal(f->s->images->get(f->s, "test:latest", &image, NULL), 0);
	assert_string_equal(cor_map_get(&image.labels, "a"), "1");
	assert_string_equal(image.target.digest, im.manifest.digest);
	cor_image_done(&image);
	image_done(&im);
}

/* Several processes import and unpack the same new image at once. */
static void test_at_once(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf tar = {0};
	struct test_image im;
	pid_t pids[6];
	int n = 0;

	image_make(&im, &(struct bend){0});
	layout_tar(&im, &tar);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct cor_services *s = open_engine(f);
			struct cor_error err = {0};
			int r = import_buf(s, &tar, NULL, NULL, &err);

			if (r < 0)
				fprintf(stderr, "%s\n", err.message);
			cor_services_free(s);
			_exit(r < 0);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(f->s->snapshots->walk(f->s, NULL, count_snapshots, &n, NULL), 0);
	assert_int_equal(n, 2);
	n = 0;
	assert_int_equal(f->s->content->ingests(f->s, count_ingests, &n, NULL), 0);
	assert_int_equal(n, 0);
	image_done(&im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_layout_stream),   T(test_unpacked_tree),       T(test_outer_compression),
		T(test_docker_archives), T(test_docker_without_tags), T(test_names),
		T(test_platforms),       T(test_resolve_missing),     T(test_layout_directory),
		T(test_rootfs_tar),      T(test_rootfs_directory),    T(test_labels_stay),
		T(test_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
