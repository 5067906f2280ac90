/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Importing from a tar stream: an OCI layout or a `docker save` archive, whatever order its entries come in.
 *
 * What a file is for is known only at the end, so every file goes into the content store as it comes by, and only the
 * three small documents are kept in memory. A file below blobs/sha256/ must have the digest that its name says.
 */
#include "client/import_internal.h"

#include <errno.h>

#include "base/fd.h"
#include "base/path.h"
#include "layer/tar.h"

#define BUFFER_SIZE  (256u << 10)
#define NAME_MAX_LEN 4096
#define NAMES_MAX    (16u << 20)
#define LINKS_MAX    8

struct file {
	char *name;
	char *target; /* a link's; else NULL */
	char digest[COR_DIGEST_MAX];
	int64_t size;
	size_t order; /* the later of two files with one name counts */
};

struct archive {
	struct cor_import *im;
	int fd;
	struct cor_tar_reader *tar;
	char *buffer;
	struct file *files; /* sorted by name once all are read */
	size_t n, cap, names_size;
	char *layout, *index, *manifest;
	size_t layout_len, index_len, manifest_len;
};

static ssize_t read_fd(void *data, void *buf, size_t n, struct cor_error *err)
{
	const struct archive *a = data;
	ssize_t r;

	do
		r = read(a->fd, buf, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? cor_error_errno(err, errno, "read archive") : r;
}

static ssize_t read_decompressed(void *data, void *buf, size_t n, struct cor_error *err)
{
	return cor_decompress_read(data, buf, n, err);
}

static int add_file(struct archive *a, char **name, const char *target, struct file **ret,
		    struct cor_error *err)
{
	struct file *f;

	a->names_size += strlen(*name) + (target ? strlen(target) : 0);
	if (a->n >= COR_IMPORT_ENTRIES_MAX || a->names_size > NAMES_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "the archive has too many files");
	if (cor_grow(&a->files, &a->cap, a->n + 1, sizeof(*a->files)) < 0)
		return cor_error_oom(err);
	f = &a->files[a->n];
	*f = (struct file){.order = a->n};
	if (target && !(f->target = strdup(target)))
		return cor_error_oom(err);
	f->name = TAKE_PTR(*name);
	a->n++;
	*ret = f;
	return 0;
}

/* "sha256:<hex>" for blobs/sha256/<hex>; false for other names. */
static bool blob_digest(const char *name, char ret[COR_DIGEST_MAX])
{
	const char *hex = cor_after(name, "blobs/sha256/");

	if (!hex || strlen(hex) != 64)
		return false;
	memcpy(ret, "sha256:", 7);
	memcpy(ret + 7, hex, 65);
	return cor_digest_validate(ret, NULL) == 0;
}

static int copy_blob(struct archive *a, struct cor_writer *w, struct cor_error *err)
{
	for (;;) {
		ssize_t n = cor_tar_read(a->tar, a->buffer, BUFFER_SIZE, err);
		int r;

		if (n <= 0)
			return (int)n;
		r = w->ops->write(w, a->buffer, (size_t)n, err);
		if (r < 0)
			return r;
	}
}

static int store_blob(struct archive *a, const char *name, uint64_t size, char digest[COR_DIGEST_MAX],
		      struct cor_error *err)
{
	char expected[COR_DIGEST_MAX];
	bool named = blob_digest(name, expected);
	struct cor_writer *w = NULL;
	int r;

	r = cor_import_writer(a->im, (int64_t)size, named ? expected : NULL, &w, err);
	if (named && cor_import_is_known(r, err)) {
		memcpy(digest, expected, sizeof(expected));
		return 0;
	}
	if (r < 0)
		return r;
	r = copy_blob(a, w, err);
	if (r < 0) {
		w->ops->free(w, true);
		return r;
	}
	return cor_import_commit(w, (int64_t)size, named ? expected : NULL, NULL, digest, err);
}

/* Parts of version 1 archives that no manifest.json refers to. */
static bool is_ignored(const char *name)
{
	return streq(name, "repositories") || cor_endswith(name, "/VERSION") || cor_endswith(name, "/json");
}

static int keep_document(struct archive *a, const char *name, char **ret, size_t *ret_len,
			 struct cor_error *err)
{
	char *text;
	int r = cor_tar_read_all(a->tar, COR_IMPORT_JSON_MAX, &text, ret_len, err);

	if (r < 0)
		return r;
	free(*ret);
	*ret = text;
	return 0;
}

static int add_regular(struct archive *a, char **name, const struct cor_tar_entry *e, struct cor_error *err)
{
	char digest[COR_DIGEST_MAX];
	struct file *f;
	int r;

	if (streq(*name, "oci-layout"))
		return keep_document(a, *name, &a->layout, &a->layout_len, err);
	if (streq(*name, "index.json"))
		return keep_document(a, *name, &a->index, &a->index_len, err);
	if (streq(*name, "manifest.json"))
		return keep_document(a, *name, &a->manifest, &a->manifest_len, err);
	if (is_ignored(*name))
		return 0;
	if (e->sparse)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "%.200s: sparse files are not supported in an archive", *name);
	if (a->im->o->progress.fn)
		a->im->o->progress.fn("import", *name, 0, (int64_t)e->size, a->im->o->progress.data);
	r = store_blob(a, *name, e->size, digest, err);
	if (r < 0)
		return cor_error_wrap(err, r, "failed to ingest \"%.200s\"", *name);
	r = add_file(a, name, NULL, &f, err);
	if (r < 0)
		return r;
	memcpy(f->digest, digest, sizeof(digest));
	f->size = (int64_t)e->size;
	return 0;
}

/* A symbolic link's target is relative to its directory, a hard link's to the archive's top. */
static int add_link(struct archive *a, char **name, const struct cor_tar_entry *e, struct cor_error *err)
{
	_cleanup_free_ char *target = NULL;
	char *slash = strrchr(*name, '/');
	struct file *f;

	if (strlen(e->linkname) > NAME_MAX_LEN)
		return 0;
	if (e->type == COR_TAR_SYMLINK && slash) {
		_cleanup_free_ char *dir = strndup(*name, (size_t)(slash - *name));

		target = dir ? cor_path_join(dir, e->linkname) : NULL;
	} else {
		target = cor_path_clean(e->linkname);
	}
	if (!target)
		return cor_error_oom(err);
	return add_file(a, name, target, &f, err);
}

static int add_entry(struct archive *a, const struct cor_tar_entry *e, struct cor_error *err)
{
	_cleanup_free_ char *name = NULL;

	if (strlen(e->name) > NAME_MAX_LEN)
		return 0;
	name = cor_path_clean(e->name);
	if (!name)
		return cor_error_oom(err);
	if (e->type == COR_TAR_FILE)
		return add_regular(a, &name, e, err);
	if (e->type == COR_TAR_SYMLINK || e->type == COR_TAR_HARDLINK)
		return add_link(a, &name, e, err);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	if (c != 0)
		return c;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int read_archive(struct archive *a, struct cor_error *err)
{
	const struct cor_tar_entry *e;
	int r;

	while ((r = cor_tar_next(a->tar, &e, err)) > 0) {
		r = add_entry(a, e, err);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = cor_tar_drain(a->tar, err);
	if (a->n > 0)
		qsort(a->files, a->n, sizeof(*a->files), by_name);
	return r;
}

static const struct file *find(const struct archive *a, const char *name)
{
	size_t lo = 0, hi = a->n;

	while (lo < hi) { /* the first file with a greater name */
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(a->files[mid].name, name) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && streq(a->files[lo - 1].name, name) ? &a->files[lo - 1] : NULL;
}

static int lookup(const char *name, char ret_digest[COR_DIGEST_MAX], int64_t *ret_size, void *data)
{
	_cleanup_free_ char *clean = cor_path_clean(name);
	const struct file *f = clean ? find(data, clean) : NULL;

	for (int i = 0; f && f->target && i < LINKS_MAX; i++)
		f = find(data, f->target);
	if (!f || f->target)
		return -ENOENT;
	memcpy(ret_digest, f->digest, COR_DIGEST_MAX);
	*ret_size = f->size;
	return 0;
}

static int import_docker(struct archive *a, struct cor_error *err)
{
	_cleanup_(cor_docker_images_done) struct cor_docker_images images = {0};
	_cleanup_free_ char *index = NULL;
	int r;

	r = cor_docker_images_parse(a->manifest, a->manifest_len, &images, err);
	if (r < 0)
		return r;
	r = cor_import_docker(a->im, &images, lookup, a, &index, err);
	return r < 0 ? r : cor_import_index(a->im, index, strlen(index), err);
}

static int import_archive(struct archive *a, struct cor_error *err)
{
	int r = read_archive(a, err);

	if (r < 0)
		return r;
	if (!a->layout && !a->manifest)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "unrecognized image format: neither an OCI layout nor a docker archive");
	if (!a->layout)
		return import_docker(a, err);
	r = cor_import_check_layout(a->layout, a->layout_len, err);
	if (r < 0)
		return r;
	if (!a->index)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "missing index.json in OCI layout 1.0.0");
	return cor_import_index(a->im, a->index, a->index_len, err);
}

static void archive_done(struct archive *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->files[i].name);
		free(a->files[i].target);
	}
	free(a->files);
	free(a->buffer);
	free(a->layout);
	free(a->index);
	free(a->manifest);
	cor_tar_reader_free(a->tar);
}

static int import_leased(struct cor_import *im, int fd, struct cor_error *err)
{
	struct archive a = {.im = im, .fd = fd, .buffer = malloc(BUFFER_SIZE)};
	struct cor_decompress *d = NULL;
	int r;

	r = a.buffer ? cor_decompress_open(read_fd, &a, &d, err) : cor_error_oom(err);
	if (r >= 0)
		r = cor_tar_reader_open(read_decompressed, d, &a.tar, err);
	if (r >= 0)
		r = import_archive(&a, err);
	archive_done(&a);
	cor_decompress_free(d);
	return r;
}

int cor_import_stream(struct cor_services *s, int fd, const struct cor_import_options *o, cor_imported_fn fn,
		      void *data, struct cor_error *err)
{
	struct cor_import im = {.s = s, .o = o, .fn = fn, .data = data};
	int r;

	r = cor_import_begin(&im, err);
	if (r < 0)
		return r;
	return cor_import_end(&im, import_leased(&im, fd, err));
}
