/* SPDX-License-Identifier: Apache-2.0 */
/* Images made in memory, and an engine on an empty directory, for the tests of importing, resolving and unpacking. */
#ifndef TEST_IMPORT_FIXTURE_H
#define TEST_IMPORT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/path.h"
#include "client/import_internal.h"
#include "engine/engine.h"
#include "layer/layer.h"

struct fixture {
	char path[40];
	struct cor_services *s;
};

static inline struct cor_services *open_engine(const struct fixture *f)
{
	_cleanup_free_ char *root = cor_asprintf("%s/root", f->path),
			    *state = cor_asprintf("%s/state", f->path);
	struct cor_engine_options o = {.root = root, .state = state, .snapshotter = "native"};
	struct cor_services *s = NULL;
	struct cor_error err = {0};

	if (cor_engine_open(&o, &s, &err) < 0)
		fail_msg("engine: %s", err.message);
	return s;
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->path, sizeof(f->path), "/tmp/cor-import-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->s = open_engine(f);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	cor_services_free(f->s);
	assert_int_equal(cor_remove_tree_at(AT_FDCWD, f->path, NULL), 0);
	free(f);
	return 0;
}

/* ---- tar ---- */

static inline void tar_add(struct cor_buf *b, const char *name, char type, const char *link, const void *data,
			   size_t n)
{
	char h[512] = {0};
	unsigned sum = 0;

	assert_true(strlen(name) < 100);
	snprintf(h, 100, "%s", name);
	snprintf(h + 100, 8, "%07o", type == '5' ? 0755 : 0644);
	snprintf(h + 108, 8, "%07o", 0);
	snprintf(h + 116, 8, "%07o", 0);
	snprintf(h + 124, 12, "%011zo", n);
	snprintf(h + 136, 12, "%011o", 1000000000);
	h[156] = type;
	snprintf(h + 157, 100, "%s", link ? link : "");
	memcpy(h + 257, "ustar\00000", 8);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	cor_buf_append(b, h, sizeof(h));
	if (n)
		cor_buf_append(b, data, n);
	if (n % 512) {
		memset(h, 0, sizeof(h));
		cor_buf_append(b, h, 512 - n % 512);
	}
}

static inline void tar_file(struct cor_buf *b, const char *name, const void *data, size_t n)
{
	tar_add(b, name, '0', NULL, data, n);
}

static inline void tar_text(struct cor_buf *b, const char *name, const char *text)
{
	tar_file(b, name, text, strlen(text));
}

static inline void tar_end(struct cor_buf *b)
{
	char zero[1024] = {0};

	cor_buf_append(b, zero, sizeof(zero));
}

static inline int append_to_buf(void *data, const void *buf, size_t n, struct cor_error *err)
{
	return cor_buf_append(data, buf, n);
}

static inline void compress_buf(enum cor_compression kind, const struct cor_buf *in, struct cor_buf *out)
{
	struct cor_compress *c = NULL;

	assert_int_equal(cor_compress_open(kind, append_to_buf, out, &c, NULL), 0);
	assert_int_equal(cor_compress_write(c, in->data, in->len, NULL), 0);
	assert_int_equal(cor_compress_finish(c, NULL), 0);
	cor_compress_free(c);
}

/* ---- images ---- */

struct blob {
	struct cor_buf data;
	char digest[COR_DIGEST_MAX];
};
static inline void blob_seal(struct blob *b)
{
	cor_digest_of(b->data.data, b->data.len, b->digest);
}
static inline void blob_done(struct blob *b)
{
	cor_buf_done(&b->data);
}
static inline void blob_into(const struct blob *b, struct cor_buf *tar)
{
	char name[100];

	snprintf(name, sizeof(name), "blobs/sha256/%s", cor_digest_hex(b->digest));
	tar_file(tar, name, b->data.data, b->data.len);
}

/* An image of two layers: the first compressed, the second plain. */
struct test_image {
	struct blob layers[2], config, manifest;
	char diff_ids[2][COR_DIGEST_MAX];
	const char *media_types[2];
};

/* What the documents say may be bent by the options before they are sealed. */
struct bend {
	const char *architecture;  /* NULL: amd64 */
	const char *diff_id;       /* of the second layer */
	const char *extra;         /* in the manifest, ",\"x\":1" */
	const char *seed;          /* makes images differ */
	enum cor_compression kind; /* of the first layer */
};

static inline void documents(struct test_image *im, const struct bend *b)
{
	cor_buf_printf(&im->config.data,
		       "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/hello\"]},"
		       "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\",\"%s\"]}}",
		       b->architecture ? b->architecture : "amd64", im->diff_ids[0],
		       b->diff_id ? b->diff_id : im->diff_ids[1]);
	blob_seal(&im->config);
	cor_buf_printf(
		&im->manifest.data,
		"{\"schemaVersion\":2,\"mediaType\":\"" COR_MT_OCI_MANIFEST
		"\",\"config\":{\"mediaType\":\"" COR_MT_OCI_CONFIG
		"\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"%s\","
		"\"size\":%zu},{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu}]%s}",
		im->config.digest, im->config.data.len, im->media_types[0], im->layers[0].digest,
		im->layers[0].data.len, im->media_types[1], im->layers[1].digest, im->layers[1].data.len,
		b->extra ? b->extra : "");
	blob_seal(&im->manifest);
}

static inline void image_make(struct test_image *im, const struct bend *b)
{
	_cleanup_buf_ struct cor_buf plain = {0};

	*im = (struct test_image){.media_types = {COR_MT_OCI_LAYER_GZIP, COR_MT_OCI_LAYER}};
	if (b->kind == COR_COMPRESSION_ZSTD)
		im->media_types[0] = COR_MT_OCI_LAYER_ZSTD;
	tar_add(&plain, "etc/", '5', NULL, NULL, 0);
	tar_text(&plain, "etc/hostname", b->seed ? b->seed : "one");
	tar_text(&plain, "gone", "x");
	tar_end(&plain);
	cor_digest_of(plain.data, plain.len, im->diff_ids[0]);
	compress_buf(b->kind ? b->kind : COR_COMPRESSION_GZIP, &plain, &im->layers[0].data);
	blob_seal(&im->layers[0]);
	tar_text(&im->layers[1].data, "hello", "#!/bin/sh\n");
	tar_text(&im->layers[1].data, ".wh.gone", "");
	tar_end(&im->layers[1].data);
	blob_seal(&im->layers[1]);
	snprintf(im->diff_ids[1], COR_DIGEST_MAX, "%s", im->layers[1].digest);
	documents(im, b);
}

static inline void image_done(struct test_image *im)
{
	blob_done(&im->layers[0]);
	blob_done(&im->layers[1]);
	blob_done(&im->config);
	blob_done(&im->manifest);
}

static inline void image_into(const struct test_image *im, struct cor_buf *tar)
{
	blob_into(&im->layers[0], tar);
	blob_into(&im->layers[1], tar);
	blob_into(&im->config, tar);
	blob_into(&im->manifest, tar);
}

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

/* An entry of an index; annotations: ",\"annotations\":{…}" or "", platform likewise. */
static inline char *index_entry(const struct blob *b, const char *mt, const char *more)
{
	return cor_asprintf("{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu%s}", mt, b->digest,
			    b->data.len, more);
}

/* The usual layout archive of one image, tagged "latest". */
static inline void layout_tar(const struct test_image *im, struct cor_buf *tar)
{
	_cleanup_free_ char *entry = index_entry(&im->manifest, COR_MT_OCI_MANIFEST,
						 ",\"annotations\":{\"" COR_ANNOTATION_REF "\":\"latest\"}");
	_cleanup_free_ char *index = cor_asprintf("{\"schemaVersion\":2,\"manifests\":[%s]}", entry);

	tar_text(tar, "oci-layout", LAYOUT);
	tar_text(tar, "index.json", index);
	image_into(im, tar);
	tar_end(tar);
}

/* ---- running ---- */

struct names {
	char *list; /* "name name " in the order reported */
	char digest[COR_DIGEST_MAX];
};
static inline int note_name(const char *name, const char *digest, void *data)
{
	struct names *n = data;
	char *list = cor_asprintf("%s%s ", n->list ? n->list : "", name);

	free(n->list);
	n->list = list;
	snprintf(n->digest, sizeof(n->digest), "%s", digest);
	return 0;
}

static inline int memfd_of(const struct cor_buf *b)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(cor_write_full(fd, b->data, b->len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static inline int import_buf(struct cor_services *s, const struct cor_buf *tar,
			     const struct cor_import_options *o, struct names *names, struct cor_error *err)
{
	static const struct cor_import_options none = {.base_name = "test"};
	_cleanup_close_ int fd = memfd_of(tar);
	struct names mine = {0};
	int r = cor_import_stream(s, fd, o ? o : &none, note_name, names ? names : &mine, err);

	free(mine.list);
	return r;
}

static inline void import_ok(struct cor_services *s, const struct cor_buf *tar,
			     const struct cor_import_options *o, const char *want)
{
	struct cor_error err = {0};
	struct names names = {0};

	if (import_buf(s, tar, o, &names, &err) < 0)
		fail_msg("import: %s", err.message);
	assert_string_equal(names.list ? names.list : "", want);
	free(names.list);
}

static inline int count_content(const struct cor_content_info *i, void *data)
{
	(*(int *)data)++;
	return 0;
}
static inline int count_images(const struct cor_image *i, void *data)
{
	(*(int *)data)++;
	return 0;
}
static inline int count_snapshots(const struct cor_snapshot_info *i, void *data)
{
	(*(int *)data)++;
	return 0;
}
static inline int count_ingests(const struct cor_ingest_status *i, void *data)
{
	(*(int *)data)++;
	return 0;
}

/* Nothing has a name, and nothing unnamed is left either. */
static inline void assert_store_empty(struct cor_services *s)
{
	int n = 0;

	assert_int_equal(s->images->walk(s, count_images, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(s->content->walk(s, count_content, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(s->content->ingests(s, count_ingests, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(s->snapshots->walk(s, NULL, count_snapshots, &n, NULL), 0);
	assert_int_equal(n, 0);
}

static inline void import_fails(struct cor_services *s, const struct cor_buf *tar,
				const struct cor_import_options *o, enum cor_code code, const char *message)
{
	struct cor_error err = {0};

	assert_true(import_buf(s, tar, o, NULL, &err) < 0);
	if (!strstr(err.message, message))
		fail_msg("\"%s\" is not in \"%s\"", message, err.message);
	assert_int_equal(err.code, code);
	assert_null(strchr(err.message, '\n'));
	assert_store_empty(s);
}

static inline void assert_label(struct cor_services *s, const char *digest, const char *key, const char *want)
{
	struct cor_content_info info = {0};
	const char *got;

	assert_int_equal(s->content->info(s, digest, &info, NULL), 0);
	got = cor_map_get(&info.labels, key);
	if (!got || !streq(got, want))
		fail_msg("%s of %s is %s, not %s", key, digest, got ? got : "(none)", want);
	cor_content_info_done(&info);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
