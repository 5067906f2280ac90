/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking an imported image from its top: children of platforms that nobody wants are left out (their blobs need not
 * be there), the others are brought in, checked, and referred to by labels on their parent, so that garbage
 * collection follows the same edges as containerd's does.
 */
#include "client/import_internal.h"

#include <errno.h>
#include <stdio.h>

#define DEPTH_MAX     8
#define DOCUMENTS_MAX 2000

/* The label that keeps the n-th child of its kind. */
static void child_label(const struct cor_descriptor *child, unsigned counts[3], char *buf, size_t size)
{
	if (cor_media_type_is_config(child->media_type))
		snprintf(buf, size, "containerd.io/gc.ref.content.config");
	else if (cor_media_type_is_manifest(child->media_type))
		snprintf(buf, size, "containerd.io/gc.ref.content.m.%u", counts[0]++);
	else if (cor_media_type_is_layer(child->media_type))
		snprintf(buf, size, "containerd.io/gc.ref.content.l.%u", counts[1]++);
	else
		snprintf(buf, size, "containerd.io/gc.ref.content.%u", counts[2]++);
}

static int add_label(struct cor_map *labels, const struct cor_descriptor *child, unsigned counts[3],
		     struct cor_error *err)
{
	char key[64];

	child_label(child, counts, key, sizeof(key));
	return cor_map_set(labels, key, child->digest) < 0 ? cor_error_oom(err) : 0;
}

/* Layers that may not be distributed are fetched from elsewhere, if at all. */
static bool may_be_absent(const struct cor_descriptor *d)
{
	return d->media_type &&
	       (strstr(d->media_type, ".nondistributable.") || strstr(d->media_type, ".foreign."));
}

/* Makes sure that the blob is there with the size that the descriptor gives. */
static int require(struct cor_import *im, const struct cor_descriptor *d, struct cor_error *err)
{
	struct cor_content_info info = {0};
	int64_t size;
	int r;

	if (im->fetch && !cor_map_get(&im->fetched, d->digest)) {
		r = im->fetch(im, d, err);
		if (r < 0)
			return r;
		if (cor_map_set(&im->fetched, d->digest, "") < 0)
			return cor_error_oom(err);
	}
	r = im->s->content->info(im->s, d->digest, &info, err);
	if (r < 0)
		return r;
	size = info.size;
	cor_content_info_done(&info);
	if (size != d->size)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "content %s: has %lld bytes, but its descriptor says %lld", d->digest,
				     (long long)size, (long long)d->size);
	return 0;
}

static int read_document(struct cor_import *im, const struct cor_descriptor *d, char **ret, size_t *ret_len,
			 struct cor_error *err)
{
	int r = require(im, d, err);

	if (r < 0)
		return r;
	return cor_content_read_all(im->s, d->digest, COR_MANIFEST_SIZE_MAX, ret, ret_len, err);
}

static int walk(struct cor_import *im, const struct cor_descriptor *desc, unsigned depth,
		struct cor_error *err);

static int walk_manifest(struct cor_import *im, const struct cor_descriptor *desc, struct cor_error *err)
{
	_cleanup_(cor_manifest_done) struct cor_manifest m = {0};
	_cleanup_map_ struct cor_map labels = {0};
	_cleanup_free_ char *text = NULL;
	unsigned counts[3] = {0};
	size_t len;
	int r;

	r = read_document(im, desc, &text, &len, err);
	if (r < 0)
		return r;
	r = cor_manifest_parse(text, len, desc->media_type, &m, err);
	if (r < 0)
		return cor_error_wrap(err, r, "manifest %s", desc->digest);
	if ((r = require(im, &m.config, err)) < 0 || (r = add_label(&labels, &m.config, counts, err)) < 0)
		return r;
	for (size_t i = 0; i < m.n; i++) {
		struct cor_error e = {0};

		r = require(im, &m.layers[i], &e);
		if (r < 0 && !(e.code == COR_NOT_FOUND && may_be_absent(&m.layers[i]))) {
			if (err)
				*err = e;
			return cor_error_wrap(err, r, "layer %zu of manifest %s", i + 1, desc->digest);
		}
		if (r >= 0 && (r = add_label(&labels, &m.layers[i], counts, err)) < 0)
			return r;
	}
	r = im->s->content->label(im->s, desc->digest, &labels, false, err);
	return r < 0 ? r : 1;
}

static int walk_index(struct cor_import *im, const struct cor_descriptor *desc, unsigned depth,
		      struct cor_error *err)
{
	_cleanup_(cor_index_done) struct cor_index index = {0};
	_cleanup_map_ struct cor_map labels = {0};
	_cleanup_free_ char *text = NULL;
	unsigned counts[3] = {0};
	size_t len;
	int r, found = 0;

	r = read_document(im, desc, &text, &len, err);
	if (r < 0)
		return r;
	r = cor_index_parse(text, len, desc->media_type, &index, err);
	if (r < 0)
		return cor_error_wrap(err, r, "index %s", desc->digest);
	free(TAKE_PTR(text));
	for (size_t i = 0; i < index.n; i++) {
		r = walk(im, &index.manifests[i], depth + 1, err);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		found += r;
		r = add_label(&labels, &index.manifests[i], counts, err);
		if (r < 0)
			return r;
	}
	if (found == 0)
		return 0;
	r = im->s->content->label(im->s, desc->digest, &labels, false, err);
	return r < 0 ? r : found;
}

static bool is_wanted(const struct cor_import *im, const struct cor_descriptor *d)
{
	return im->all || !d->platform || cor_platform_match(&im->want, d->platform) >= 0;
}

/* Documents are remembered: what is referred to many times is walked once (an index can name itself 10,000 times). */
static int walk(struct cor_import *im, const struct cor_descriptor *desc, unsigned depth,
		struct cor_error *err)
{
	bool is_index = cor_media_type_is_index(desc->media_type);
	const char *known;
	int r;

	if (!is_wanted(im, desc))
		return 0;
	if (depth > 0 && cor_media_type_is_checkpoint(desc->media_type))
		return (r = require(im, desc, err)) < 0 ? r : 1;
	if (!is_index && !cor_media_type_is_manifest(desc->media_type))
		return 0;
	known = cor_map_get(&im->seen, desc->digest);
	if (known)
		return streq(known, "1");
	if (depth > DEPTH_MAX || im->seen.n >= DOCUMENTS_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "index %s: too many nested documents",
				     desc->digest);
	r = is_index ? walk_index(im, desc, depth, err) : walk_manifest(im, desc, err);
	if (r < 0)
		return r;
	return cor_map_set(&im->seen, desc->digest, r > 0 ? "1" : "0") < 0 ? cor_error_oom(err) : r > 0;
}

int cor_import_walk(struct cor_import *im, const struct cor_descriptor *desc, struct cor_error *err)
{
	return walk(im, desc, 0, err);
}
