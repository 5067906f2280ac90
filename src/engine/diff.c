/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The diff service: a layer blob into a snapshot (apply), the difference of two snapshots into a layer blob (compare).
 *
 * apply writes where the data belongs without mounting, when the mounts say where that is: straight into an overlay's upper
 * directory (whiteouts as overlayfs has them), or into a bind mount's source. What else there is gets mounted, out of sight.
 */
#include <errno.h>
#include <unistd.h>

#include "base/path.h"
#include "engine/view.h"
#include "layer/layer.h"

/* ---- apply ---- */

struct target {
	int root;
	int *lowers;
	size_t n_lowers;
	struct cor_apply_options options;
};

static void target_done(struct target *t)
{
	for (size_t i = 0; i < t->n_lowers; i++)
		cor_close(t->lowers[i]);
	free(t->lowers);
	cor_close(t->root);
}

static int open_lowers(struct target *t, const char *lowerdir, struct cor_error *err)
{
	_cleanup_strv_ char **paths = cor_strv_split(lowerdir, ':');
	size_t n = cor_strv_len(paths);
	t->lowers = cor_new0(int, n + 1);
	if (!paths || !t->lowers)
		return cor_error_oom(err);
	for (size_t i = 0; i < n; i++) {
		int fd = cor_open_dir(paths[i], err);
		if (fd < 0)
			return fd;
		t->lowers[t->n_lowers++] = fd;
	}
	return 0;
}

static int open_target(struct cor_engine *e, const struct cor_mounts *mounts, struct target *t,
		       struct cor_error *err)
{
	const struct cor_mount *m = &mounts->items[0];
	bool simple = mounts->n == 1 && cor_empty(m->target) && !cor_strv_contains(m->options, "ro");
	const char *upper = simple && streq(m->type, "overlay") ? cor_mount_option(m, "upperdir") : NULL;
	const char *lower = upper ? cor_mount_option(m, "lowerdir") : NULL;
	int r = 0;
	t->options.whiteouts = COR_WHITEOUT_REMOVE;
	if (upper && lower) {
		t->options.whiteouts = COR_WHITEOUT_OVERLAY;
		t->options.userxattr = cor_strv_contains(m->options, "userxattr");
		r = open_lowers(t, lower, err);
		if (r >= 0)
			r = t->root = cor_open_dir(upper, err);
		t->options.lower_fds = t->lowers;
		t->options.n_lower = t->n_lowers;
	} else if (simple && streq(m->type, "bind")) {
		r = t->root = cor_open_dir(m->source, err);
	} else {
		r = t->root = cor_engine_view(e, mounts, err);
	}
	return r;
}

/* The blob as it is read: hashed, counted. */
struct source {
	struct cor_reader *reader;
	struct cor_sha256 hash;
	int64_t size;
};

static ssize_t source_read(void *data, void *buf, size_t n, struct cor_error *err)
{
	struct source *s = data;
	ssize_t got = s->reader->ops->read(s->reader, buf, n, err);
	if (got > 0) {
		cor_sha256_update(&s->hash, buf, (size_t)got);
		s->size += got;
	}
	return got;
}

static int check_blob(struct source *s, const struct cor_descriptor *layer, struct cor_error *err)
{
	char buf[16384], digest[COR_DIGEST_MAX];
	ssize_t n;
	while ((n = source_read(s, buf, sizeof(buf), err)) > 0)
		;
	if (n < 0)
		return (int)n;
	cor_sha256_digest(&s->hash, digest);
	if (layer->size > 0 && s->size != layer->size)
		return cor_error_set(err, COR_DATA_LOSS, "blob has %lld bytes, expected %lld",
				     (long long)s->size, (long long)layer->size);
	if (!streq(digest, layer->digest))
		return cor_error_set(err, COR_DATA_LOSS, "blob has digest %s", digest);
	return 0;
}

static int apply_to(struct target *t, struct source *s, const struct cor_descriptor *layer,
		    const char *expected_diff_id, char **ret_diff_id, struct cor_error *err)
{
	struct cor_apply_result result;
	int r = cor_layer_apply(t->root, source_read, s, &t->options, &result, err);
	if (r >= 0)
		r = check_blob(s, layer, err);
	if (r < 0)
		return r;
	if (expected_diff_id && !streq(expected_diff_id, result.diff_id))
		return cor_error_set(err, COR_DATA_LOSS, "wrong diff id calculated on extraction \"%s\"",
				     result.diff_id);
	char *copy = strdup(result.diff_id);
	if (!copy)
		return cor_error_oom(err);
	if (ret_diff_id)
		*ret_diff_id = copy;
	else
		free(copy);
	return 0;
}

static int diff_apply(struct cor_services *s, const struct cor_descriptor *layer,
		      const struct cor_mounts *mounts, const char *expected_diff_id, char **ret_diff_id,
		      struct cor_error *err)
{
	struct target t = {.root = -1};
	struct source source = {0};
	if (mounts->n == 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "no mounts to apply a layer to: invalid argument");
	int r = s->content->reader(s, layer->digest, &source.reader, err);
	if (r < 0)
		return r;
	cor_sha256_init(&source.hash);
	r = open_target(cor_engine_of(s), mounts, &t, err);
	if (r >= 0)
		r = apply_to(&t, &source, layer, expected_diff_id, ret_diff_id, err);
	target_done(&t);
	cor_reader_freep(&source.reader);
	return r < 0 ? cor_error_wrap(err, r, "apply layer %s", layer->digest) : 0;
}

/* ---- compare ---- */

struct output {
	struct cor_writer *writer;
	struct cor_compress *compress; /* NULL: not compressed */
	struct cor_sha256 hash;        /* of the tar stream */
};

static int output_blob(void *data, const void *buf, size_t n, struct cor_error *err)
{
	struct output *o = data;
	return o->writer->ops->write(o->writer, buf, n, err);
}

static int output_tar(void *data, const void *buf, size_t n, struct cor_error *err)
{
	struct output *o = data;
	cor_sha256_update(&o->hash, buf, n);
	return o->compress ? cor_compress_write(o->compress, buf, n, err) : output_blob(data, buf, n, err);
}

static int compression_of(const char *media_type, enum cor_compression *ret, struct cor_error *err)
{
	static const struct {
		const char *media_type;
		enum cor_compression kind;
	} known[] = {
		{COR_MT_OCI_LAYER, COR_COMPRESSION_NONE},
		{COR_MT_OCI_LAYER_GZIP, COR_COMPRESSION_GZIP},
		{COR_MT_OCI_LAYER_ZSTD, COR_COMPRESSION_ZSTD},
		{COR_MT_DOCKER_LAYER, COR_COMPRESSION_NONE},
		{COR_MT_DOCKER_LAYER_GZIP, COR_COMPRESSION_GZIP},
	};
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (streq(media_type, known[i].media_type)) {
			*ret = known[i].kind;
			return 0;
		}
	}
	return cor_error_set(err, COR_UNIMPLEMENTED, "unsupported diff media type: %s: not implemented",
			     media_type);
}

static int write_layer(struct output *o, enum cor_compression kind, int lower, int upper,
		       char diff_id[COR_DIGEST_MAX], struct cor_error *err)
{
	int r = 0;
	cor_sha256_init(&o->hash);
	if (kind != COR_COMPRESSION_NONE)
		r = cor_compress_open(kind, output_blob, o, &o->compress, err);
	if (r >= 0)
		r = cor_layer_diff(lower, upper, output_tar, o, err);
	if (r >= 0 && o->compress)
		r = cor_compress_finish(o->compress, err);
	o->compress = cor_compress_free(o->compress);
	cor_sha256_digest(&o->hash, diff_id);
	return r;
}

static int commit_layer(struct output *o, const char *media_type, const char *diff_id,
			const struct cor_map *labels, struct cor_descriptor *ret, struct cor_error *err)
{
	_cleanup_map_ struct cor_map all = {0};
	_cleanup_free_ char *digest = NULL, *type = strdup(media_type);
	if (!type || (labels && cor_map_copy(&all, labels) < 0) ||
	    cor_map_set(&all, "containerd.io/uncompressed", diff_id) < 0)
		return cor_error_oom(err);
	int64_t size = o->writer->offset;
	int r = o->writer->ops->commit(o->writer, 0, NULL, &all, &digest, err);
	if (r < 0 && r != -EEXIST)
		return r;
	cor_error_clear(err);
	*ret = (struct cor_descriptor){
		.media_type = TAKE_PTR(type), .digest = TAKE_PTR(digest), .size = size};
	return 0;
}

static int open_output(struct cor_services *s, const char *ref, struct output *o, struct cor_error *err)
{
	char made_up[40] = "diff-";
	if (cor_empty(ref)) {
		cor_random_hex(made_up + 5, 24);
		ref = made_up;
	}
	int r = s->content->writer(s, ref, 0, NULL, false, &o->writer, err);
	/* What an interrupted one has left is of no use: the difference is made anew. */
	return r >= 0 && o->writer->offset > 0 ? o->writer->ops->truncate(o->writer, err) : r;
}

static int diff_compare(struct cor_services *s, const struct cor_mounts *lower,
			const struct cor_mounts *upper, const char *media_type, const char *ref,
			const struct cor_map *labels, struct cor_descriptor *ret, struct cor_error *err)
{
	struct output o = {0};
	enum cor_compression kind;
	char diff_id[COR_DIGEST_MAX];
	if (cor_empty(media_type))
		media_type = COR_MT_OCI_LAYER_GZIP;
	int r = compression_of(media_type, &kind, err);
	if (r < 0)
		return r;
	/* Read-only, and without the work directory: a container may be running in this very snapshot, and a second mount of its
	 * upper and work directories would break the first. */
	_cleanup_close_ int lower_fd = lower && lower->n ? cor_mounts_open_view(lower, false, err) : -1;
	if (lower_fd < 0 && lower && lower->n)
		return lower_fd;
	_cleanup_close_ int upper_fd = cor_mounts_open_view(upper, false, err);
	if (upper_fd < 0)
		return upper_fd;
	r = open_output(s, ref, &o, err);
	if (r >= 0)
		r = write_layer(&o, kind, lower_fd, upper_fd, diff_id, err);
	if (r >= 0)
		r = commit_layer(&o, media_type, diff_id, labels, ret, err);
	if (o.writer)
		o.writer->ops->free(o.writer, true);
	return r < 0 ? cor_error_wrap(err, r, "make layer") : 0;
}

const struct cor_diff_ops cor_engine_diff_ops = {.apply = diff_apply, .compare = diff_compare};
