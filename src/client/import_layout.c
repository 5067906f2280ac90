/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Importing an OCI layout that is a directory: only the blobs that the wanted platforms need are copied. The directory
 * may be hostile: everything is opened inside it, and only regular files.
 */
#include "client/import_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"

#define BUFFER_SIZE (256u << 10)

int cor_import_check_layout(const char *text, size_t len, struct cor_error *err)
{
	_cleanup_json_ json_t *doc = NULL;
	const char *version;
	int r;

	r = cor_json_parse(text, len, "oci-layout", &doc, err);
	if (r < 0)
		return r;
	r = cor_json_get_str(doc, "imageLayoutVersion", &version, err);
	if (r < 0)
		return cor_error_wrap(err, r, "oci-layout");
	if (!version || !streq(version, "1.0.0"))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "unsupported OCI layout version \"%.32s\"",
				     version ? version : "");
	return 0;
}

/* O_NONBLOCK: a fifo must not hang us. */
static int open_regular(int dirfd, const char *path, int64_t *ret_size, struct cor_error *err)
{
	_cleanup_close_ int fd = cor_open_in_root(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0)
		return cor_error_errno(err, fd, "open %s", path);
	if (fstat(fd, &st) < 0)
		return cor_error_errno(err, errno, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: not a regular file", path);
	*ret_size = st.st_size;
	return TAKE_FD(fd);
}

static int read_document(int dirfd, const char *path, char **ret, size_t *ret_len, struct cor_error *err)
{
	int64_t size;
	_cleanup_close_ int fd = open_regular(dirfd, path, &size, err);
	int r;

	if (fd < 0)
		return fd;
	r = cor_read_fd(fd, COR_IMPORT_JSON_MAX, ret, ret_len, err);
	return r < 0 ? cor_error_wrap(err, r, "%s", path) : 0;
}

/* At most size bytes: a file that grows while it is read must not fill the disk. */
static int copy(int fd, struct cor_writer *w, int64_t size, struct cor_error *err)
{
	_cleanup_free_ char *buf = malloc(BUFFER_SIZE);

	if (!buf)
		return cor_error_oom(err);
	while (size > 0) {
		ssize_t n = cor_read_full(fd, buf, (size_t)MIN(size, (int64_t)BUFFER_SIZE));
		int r;

		if (n < 0)
			return cor_error_errno(err, (int)n, "read blob");
		if (n == 0)
			break;
		r = w->ops->write(w, buf, (size_t)n, err);
		if (r < 0)
			return r;
		size -= n;
	}
	return 0;
}

static int fetch(struct cor_import *im, const struct cor_descriptor *desc, struct cor_error *err)
{
	char path[32 + COR_DIGEST_MAX], digest[COR_DIGEST_MAX];
	int dirfd = *(int *)im->source, r;
	_cleanup_close_ int fd = -1;
	struct cor_writer *w = NULL;
	struct cor_error e = {0};
	int64_t size;

	snprintf(path, sizeof(path), "blobs/sha256/%s", cor_digest_hex(desc->digest));
	fd = open_regular(dirfd, path, &size, &e);
	if (fd == -ENOENT)
		return cor_error_set(err, COR_NOT_FOUND, "content %s: not found in the layout", desc->digest);
	if (fd < 0) {
		if (err)
			*err = e;
		return fd;
	}
	if (size != desc->size)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "content %s: has %lld bytes, but its descriptor says %lld", desc->digest,
				     (long long)size, (long long)desc->size);
	if (im->o->progress.fn)
		im->o->progress.fn("import", desc->digest, 0, size, im->o->progress.data);
	r = cor_import_writer(im, size, desc->digest, &w, err);
	if (r < 0)
		return cor_import_is_known(r, err) ? 0 : r;
	r = copy(fd, w, size, err);
	if (r < 0) {
		w->ops->free(w, true);
		return r;
	}
	r = cor_import_commit(w, size, desc->digest, NULL, digest, err);
	return r < 0 ? cor_error_wrap(err, r, "failed to ingest \"%s\"", path) : 0;
}

static int import_leased(struct cor_import *im, int dirfd, struct cor_error *err)
{
	_cleanup_free_ char *layout = NULL, *index = NULL;
	size_t layout_len, index_len;
	int r;

	r = read_document(dirfd, "oci-layout", &layout, &layout_len, err);
	if (r < 0)
		return cor_error_wrap(err, r, "not an OCI layout");
	r = cor_import_check_layout(layout, layout_len, err);
	if (r < 0)
		return r;
	r = read_document(dirfd, "index.json", &index, &index_len, err);
	if (r < 0)
		return r;
	return cor_import_index(im, index, index_len, err);
}

int cor_import_layout(struct cor_services *s, int dirfd, const struct cor_import_options *o,
		      cor_imported_fn fn, void *data, struct cor_error *err)
{
	struct cor_import im = {.s = s, .o = o, .fn = fn, .data = data, .fetch = fetch, .source = &dirfd};
	int r;

	r = cor_import_begin(&im, err);
	if (r < 0)
		return r;
	return cor_import_end(&im, import_leased(&im, dirfd, err));
}
