/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A root file system as a one-layer image. A tar stream becomes the layer as it is (compressed or not) and is parsed
 * on its way by, so that what is no tar archive is refused; a directory is written as a tar layer. The documents hold
 * no dates: the same tree makes the same image.
 */
#include "client/import_internal.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "layer/tar.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct layer {
	struct cor_writer *w;
	int fd;
	int64_t size;           /* bytes written to w */
	struct cor_sha256 diff; /* over the uncompressed bytes */
	struct cor_decompress *decompress;
};

/* The archive as it is: into the blob, and on to the decompressor. */
static ssize_t read_raw(void *data, void *buf, size_t n, struct cor_error *err)
{
	struct layer *l = data;
	ssize_t got;
	int r;

	do
		got = read(l->fd, buf, n);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return cor_error_errno(err, errno, "read archive");
	if (got == 0)
		return 0;
	r = l->w->ops->write(l->w, buf, (size_t)got, err);
	l->size += got;
	return r < 0 ? r : got;
}

static ssize_t read_plain(void *data, void *buf, size_t n, struct cor_error *err)
{
	struct layer *l = data;
	ssize_t got = cor_decompress_read(l->decompress, buf, n, err);

	if (got > 0)
		cor_sha256_update(&l->diff, buf, (size_t)got);
	return got;
}

static int read_tar(struct layer *l, struct cor_error *err)
{
	_cleanup_(cor_tar_reader_freep) struct cor_tar_reader *tar = NULL;
	const struct cor_tar_entry *e;
	size_t entries = 0;
	int r;

	r = cor_tar_reader_open(read_plain, l, &tar, err);
	if (r < 0)
		return r;
	while ((r = cor_tar_next(tar, &e, err)) > 0)
		entries++;
	if (r < 0)
		return r;
	if (entries == 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "the archive is empty");
	return cor_tar_drain(tar, err);
}

static int layer_from_tar(struct layer *l, const char **ret_media_type, struct cor_error *err)
{
	enum cor_compression kind;
	int r;

	r = cor_decompress_open(read_raw, l, &l->decompress, err);
	if (r < 0)
		return r;
	r = read_tar(l, err);
	kind = cor_decompress_kind(l->decompress);
	l->decompress = cor_decompress_free(l->decompress);
	*ret_media_type = kind == COR_COMPRESSION_GZIP   ? COR_MT_OCI_LAYER_GZIP
			  : kind == COR_COMPRESSION_ZSTD ? COR_MT_OCI_LAYER_ZSTD
							 : COR_MT_OCI_LAYER;
	return r;
}

static int write_layer(void *data, const void *buf, size_t n, struct cor_error *err)
{
	struct layer *l = data;
	int r = l->w->ops->write(l->w, buf, n, err);

	if (r < 0)
		return r;
	cor_sha256_update(&l->diff, buf, n);
	l->size += (int64_t)n;
	return 0;
}

static int make_layer(struct cor_import *im, int fd, struct cor_descriptor *ret, char diff_id[COR_DIGEST_MAX],
		      struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	struct layer l = {.fd = fd};
	char digest[COR_DIGEST_MAX];
	const char *mt = COR_MT_OCI_LAYER;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return cor_error_errno(err, errno, "open root file system");
	r = cor_import_writer(im, 0, NULL, &l.w, err);
	if (r < 0)
		return r;
	cor_sha256_init(&l.diff);
	r = S_ISDIR(st.st_mode) ? cor_layer_diff(-1, fd, write_layer, &l, err) : layer_from_tar(&l, &mt, err);
	if (r >= 0) {
		cor_sha256_digest(&l.diff, diff_id);
		if (cor_map_set(&labels, "containerd.io/uncompressed", diff_id) < 0)
			r = cor_error_oom(err);
	}
	if (r < 0) {
		l.w->ops->free(l.w, true);
		return r;
	}
	r = cor_import_commit(l.w, l.size, NULL, &labels, digest, err);
	if (r < 0)
		return r;
	ret->size = l.size;
	ret->media_type = strdup(mt);
	ret->digest = strdup(digest);
	return ret->media_type && ret->digest ? 0 : cor_error_oom(err);
}

static int put_json(struct cor_import *im, json_t *doc, const char *media_type, const struct cor_map *labels,
		    struct cor_descriptor *ret, struct cor_error *err)
{
	_cleanup_free_ char *text = doc ? cor_json_dump(doc) : NULL;

	if (!text)
		return cor_error_oom(err);
	return cor_import_put(im, text, strlen(text), media_type, labels, ret, err);
}

static int make_config(struct cor_import *im, const char *diff_id, struct cor_descriptor *ret,
		       struct cor_error *err)
{
	_cleanup_json_ json_t *doc = json_pack("{s:s, s:s, s:{s:[s]}, s:{s:s, s:[s]}}", "architecture",
					       im->want.architecture, "os", im->want.os, "config", "Env",
					       DEFAULT_PATH, "rootfs", "type", "layers", "diff_ids", diff_id);

	if (doc && im->want.variant[0] &&
	    json_object_set_new(doc, "variant", json_string(im->want.variant)) < 0)
		return cor_error_oom(err);
	return put_json(im, doc, COR_MT_OCI_CONFIG, NULL, ret, err);
}

static int make_manifest(struct cor_import *im, const struct cor_descriptor *config,
			 const struct cor_descriptor *layer, struct cor_descriptor *ret,
			 struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	_cleanup_json_ json_t *doc = NULL;

	if (cor_map_set(&labels, "containerd.io/gc.ref.content.config", config->digest) < 0 ||
	    cor_map_set(&labels, "containerd.io/gc.ref.content.l.0", layer->digest) < 0)
		return cor_error_oom(err);
	doc = json_pack("{s:i, s:s, s:o, s:[o]}", "schemaVersion", 2, "mediaType", COR_MT_OCI_MANIFEST,
			"config", cor_descriptor_to_json(config), "layers", cor_descriptor_to_json(layer));
	return put_json(im, doc, COR_MT_OCI_MANIFEST, &labels, ret, err);
}

static int import_leased(struct cor_import *im, int fd, const char *name, struct cor_error *err)
{
	_cleanup_(cor_descriptor_done) struct cor_descriptor layer = {0}, config = {0}, manifest = {0};
	char diff_id[COR_DIGEST_MAX];
	int r;

	if ((r = make_layer(im, fd, &layer, diff_id, err)) < 0 ||
	    (r = make_config(im, diff_id, &config, err)) < 0 ||
	    (r = make_manifest(im, &config, &layer, &manifest, err)) < 0 ||
	    (r = cor_import_add(im, name, &manifest, err)) < 0)
		return r;
	return cor_import_record(im, err);
}

int cor_import_rootfs(struct cor_services *s, int fd, const char *name, const struct cor_import_options *o,
		      cor_imported_fn fn, void *data, struct cor_error *err)
{
	struct cor_import im = {.s = s, .o = o, .fn = fn, .data = data};
	int r;

	if (cor_empty(name))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "the image needs a name");
	r = cor_import_begin(&im, err);
	if (r < 0)
		return r;
	return cor_import_end(&im, import_leased(&im, fd, name, err));
}
