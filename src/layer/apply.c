/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying a layer: bytes from the source through decompression and the diffID's hash into the tar reader, and its
 * entries below the root. What an entry may touch is said in apply_internal.h; here are the stream, the limits and
 * the order: nothing counts as applied before the source was read to its very end without an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "layer/apply_internal.h"
#include "layer/tar_internal.h"

struct stream {
	struct cor_decompress *decompress;
	struct cor_sha256 hash;
};

static ssize_t stream_read(void *data, void *buf, size_t n, struct cor_error *err)
{
	struct stream *s = data;
	ssize_t got = cor_decompress_read(s->decompress, buf, n, err);

	if (got > 0)
		cor_sha256_update(&s->hash, buf, (size_t)got);
	return got;
}

COR_DEFINE_CLEANUP(struct cor_decompress, cor_decompress_free)

static void apply_done(struct apply *a)
{
	dircache_flush(a);
	cor_tar_reader_free(a->tar);
	free(a->placed.slots);
	cor_buf_done(&a->path);
	cor_buf_done(&a->link);
}

static int apply_entry(struct apply *a, const struct cor_tar_entry *e, struct cor_error *err)
{
	int r;

	if (++a->entries > a->max_entries)
		return cor_error_set(err, COR_RESOURCE_EXHAUSTED, "layer has more than %llu entries",
				     (unsigned long long)a->max_entries);
	r = apply_clean(&a->path, e->name);
	if (r == -ENAMETOOLONG)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "name has more than %d components",
				     APPLY_MAX_DEPTH);
	if (r < 0)
		return cor_error_oom(err);
	r = whiteout_entry(a, err);
	return r != 0 ? r : place_entry(a, e, err);
}

static int apply_entries(struct apply *a, struct cor_error *err)
{
	const struct cor_tar_entry *e;
	int r;

	while ((r = cor_tar_next(a->tar, &e, err)) > 0) {
		r = apply_entry(a, e, err);
		if (r < 0 && a->tar->failed)
			return r; /* the reader's message names the entry */
		if (r < 0) {
			char name[256];

			tar_quote(name, e->name);
			return cor_error_wrap(err, r, "\"%s\"", name);
		}
	}
	if (r < 0)
		return r;
	r = dircache_flush(a);
	if (r < 0)
		return cor_error_errno(err, r, "set times of directories");
	return cor_tar_drain(a->tar, err);
}

int cor_layer_apply(int rootfd, cor_read_fn source, void *source_data, const struct cor_apply_options *opts,
		    struct cor_apply_result *ret, struct cor_error *err)
{
	static const struct cor_apply_options defaults = {.whiteouts = COR_WHITEOUT_REMOVE};
	_cleanup_(cor_decompress_freep) struct cor_decompress *decompress = NULL;
	_cleanup_(apply_done) struct apply a = {.root = rootfd, .opts = opts ? opts : &defaults};
	struct stream stream;
	int r;

	a.max_bytes = a.opts->max_bytes;
	a.max_entries = a.opts->max_entries ? a.opts->max_entries : APPLY_MAX_ENTRIES;
	cor_sha256_init(&stream.hash);
	r = cor_decompress_open(source, source_data, &decompress, err);
	if (r < 0)
		return r;
	stream.decompress = decompress;
	r = cor_tar_reader_open(stream_read, &stream, &a.tar, err);
	if (r >= 0)
		r = apply_entries(&a, err);
	if (r < 0)
		return r;
	ret->bytes = a.bytes;
	ret->entries = a.entries;
	cor_sha256_digest(&stream.hash, ret->diff_id);
	return 0;
}
