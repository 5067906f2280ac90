/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over an image's index, manifests, configs and layers. Documents come from strangers: their size, the
 * nesting and the number of blobs are bounded.
 */
#include <errno.h>

#include "cmd/images/images.h"

#define DEPTH_MAX 8
#define BLOBS_MAX 20000

struct walk {
	struct cor_services *s;
	const struct cor_platform *want;
	cor_blob_fn fn;
	void *data;
	size_t blobs;
	struct cor_error *err;
};

static int visit(struct walk *w, const struct cor_descriptor *d, size_t depth, bool last);

static enum cor_blob_kind kind_of(const char *media_type)
{
	if (cor_media_type_is_index(media_type))
		return COR_BLOB_INDEX;
	if (cor_media_type_is_manifest(media_type))
		return COR_BLOB_MANIFEST;
	if (cor_media_type_is_config(media_type))
		return COR_BLOB_CONFIG;
	return cor_media_type_is_layer(media_type) ? COR_BLOB_LAYER : COR_BLOB_OTHER;
}

static int call(struct walk *w, const struct cor_descriptor *d, enum cor_blob_kind kind, size_t depth,
		bool last)
{
	struct cor_blob blob = {.desc = d, .kind = kind, .depth = depth, .last = last};

	if (w->blobs++ >= BLOBS_MAX)
		return cor_error_set(w->err, COR_OUT_OF_RANGE, "image has more than %d blobs", BLOBS_MAX);
	return w->fn(&blob, w->data, w->err);
}

static int visit_manifest(struct walk *w, const struct cor_descriptor *d, size_t depth)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	struct cor_manifest m = {0};

	int r = cor_content_read_all(w->s, d->digest, COR_MANIFEST_SIZE_MAX, &text, &len, w->err);
	if (r >= 0)
		r = cor_manifest_parse(text, len, d->media_type, &m, w->err);
	if (r < 0)
		return r;
	r = call(w, &m.config, COR_BLOB_CONFIG, depth + 1, m.n == 0);
	for (size_t i = 0; r >= 0 && i < m.n; i++)
		r = call(w, &m.layers[i], COR_BLOB_LAYER, depth + 1, i + 1 == m.n);
	cor_manifest_done(&m);
	return r;
}

/* The child that serves the wanted platform best, or NULL. Children without a platform serve as a last resort. */
static const struct cor_descriptor *best_child(const struct cor_index *idx, const struct cor_platform *want)
{
	const struct cor_descriptor *best = NULL, *unknown = NULL;
	int best_rank = 0;

	for (size_t i = 0; i < idx->n; i++) {
		const struct cor_descriptor *d = &idx->manifests[i];
		if (!d->platform || !d->platform->os[0]) {
			unknown = unknown ? unknown : d;
			continue;
		}
		int rank = cor_platform_match(want, d->platform);
		if (rank >= 0 && (!best || rank < best_rank)) {
			best = d;
			best_rank = rank;
		}
	}
	return best ? best : unknown;
}

static int visit_index(struct walk *w, const struct cor_descriptor *d, size_t depth)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	struct cor_index idx = {0};

	int r = cor_content_read_all(w->s, d->digest, COR_MANIFEST_SIZE_MAX, &text, &len, w->err);
	if (r >= 0)
		r = cor_index_parse(text, len, d->media_type, &idx, w->err);
	if (r < 0)
		return r;
	if (w->want) {
		const struct cor_descriptor *best = best_child(&idx, w->want);
		r = best ? visit(w, best, depth + 1, true)
			 : cor_error_set(w->err, COR_NOT_FOUND,
					 "no match for platform in manifest %s: not found", d->digest);
	} else {
		for (size_t i = 0; r >= 0 && i < idx.n; i++)
			r = visit(w, &idx.manifests[i], depth + 1, i + 1 == idx.n);
	}
	cor_index_done(&idx);
	return r;
}

static int visit(struct walk *w, const struct cor_descriptor *d, size_t depth, bool last)
{
	enum cor_blob_kind kind = kind_of(d->media_type);

	if (depth > DEPTH_MAX)
		return cor_error_set(w->err, COR_OUT_OF_RANGE, "image indexes are nested more than %d deep",
				     DEPTH_MAX);
	int r = call(w, d, kind, depth, last);
	if (r != 0)
		return MIN(r, 0);
	if (kind == COR_BLOB_INDEX)
		return visit_index(w, d, depth);
	return kind == COR_BLOB_MANIFEST ? visit_manifest(w, d, depth) : 0;
}

int cor_image_blobs(struct cor_services *s, const struct cor_descriptor *target,
		    const struct cor_platform *want, cor_blob_fn fn, void *data, struct cor_error *err)
{
	struct walk w = {.s = s, .want = want, .fn = fn, .data = data, .err = err};
	int r = visit(&w, target, 0, true);

	return MIN(r, 0);
}

/* ---- lists of images ---- */

void cor_image_list_done(struct cor_image_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		cor_image_done(&l->items[i]);
	free(l->items);
	*l = (struct cor_image_list){0};
}

static const char *image_field(const char *const *path, size_t n, const void *data)
{
	const struct cor_image *i = data;

	if (n == 1 && streq(path[0], "name"))
		return i->name;
	if (n == 2 && streq(path[0], "target") && streq(path[1], "digest"))
		return i->target.digest;
	if (n == 2 && streq(path[0], "target") && streq(path[1], "mediatype"))
		return i->target.media_type;
	if (n > 1 && streq(path[0], "labels"))
		return cor_filter_label(&i->labels, path + 1, n - 1);
	if (n > 1 && streq(path[0], "annotations"))
		return cor_filter_label(&i->target.annotations, path + 1, n - 1);
	return NULL;
}

struct fill {
	struct cor_image_list *list;
	const struct cor_filter *filter;
};

static int copy_image(struct cor_image *dst, const struct cor_image *src)
{
	dst->name = strdup(src->name);
	dst->created_ns = src->created_ns;
	dst->updated_ns = src->updated_ns;
	if (!dst->name || cor_descriptor_copy(&dst->target, &src->target) < 0 ||
	    cor_map_copy(&dst->labels, &src->labels) < 0)
		return -ENOMEM;
	return 0;
}

static int collect(const struct cor_image *image, void *data)
{
	struct fill *f = data;

	if (!cor_filter_match(f->filter, image_field, image))
		return 0;
	if (cor_grow(&f->list->items, &f->list->cap, f->list->n + 1, sizeof(*f->list->items)) < 0)
		return -ENOMEM;
	struct cor_image *dst = &f->list->items[f->list->n++];
	*dst = (struct cor_image){0};
	return copy_image(dst, image);
}

int cor_image_list_fill(struct cor_image_list *l, struct cor_services *s, char *const *filters,
			struct cor_error *err)
{
	_cleanup_filter_ struct cor_filter *filter = NULL;
	int r = cor_filter_parse(filters, &filter, err);

	if (r >= 0) {
		struct fill f = {.list = l, .filter = filter};
		r = s->images->walk(s, collect, &f, err);
	}
	return r < 0 ? cor_error_wrap(err, r, "failed to list images") : 0;
}
