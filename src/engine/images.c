/* SPDX-License-Identifier: Apache-2.0 */
/* The image service: names for descriptors. */
#include "engine/internal.h"

#include <errno.h>

#include "base/clock.h"

#define BATCH 128

static int not_found(const char *name, struct cor_error *err)
{
	return cor_error_set(err, COR_NOT_FOUND, "image \"%s\": not found", name);
}

static int copy_row(struct cor_meta_image *row, struct cor_image *ret)
{
	ret->name = strdup(row->name);
	ret->target.media_type = strdup(row->media_type);
	ret->target.digest = strdup(row->digest);
	ret->target.size = row->size;
	ret->target.annotations = row->annotations;
	ret->labels = row->labels;
	row->annotations = row->labels = (struct cor_map){0};
	ret->created_ns = row->created_ns;
	ret->updated_ns = row->updated_ns;
	if (ret->name && ret->target.media_type && ret->target.digest)
		return 0;
	cor_image_done(ret);
	return -ENOMEM;
}

static int take_one(struct cor_meta_image *row, void *data)
{
	return copy_row(row, data);
}

static int image_get(struct cor_services *s, const char *name, struct cor_image *ret, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_image image = {0};
	struct cor_meta *m;
	int r = cor_engine_meta(e, &m, err);
	if (r >= 0)
		r = cor_meta_image_get(m, e->ns, name, take_one, &image, err);
	if (r == -ENOMEM)
		return cor_error_oom(err);
	if (r <= 0)
		return r < 0 ? r : not_found(name, err);
	*ret = image;
	return 0;
}

struct batch {
	struct cor_image items[BATCH];
	int n;
};

static int take_batch(struct cor_meta_image *row, void *data)
{
	struct batch *b = data;
	int r = copy_row(row, &b->items[b->n]);
	if (r >= 0)
		b->n++;
	return r;
}

/* In batches, so that the callback may do anything and no long read holds the log. */
static int image_walk(struct cor_services *s, cor_image_walk_fn fn, void *data, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	_cleanup_free_ struct batch *b = cor_new0(struct batch, 1);
	_cleanup_free_ char *after = NULL;
	struct cor_meta *m;
	int r = cor_engine_meta(e, &m, err);
	if (!b)
		return cor_error_oom(err);
	for (bool more = true; r == 0 && more;) {
		b->n = 0;
		r = cor_meta_image_walk(m, e->ns, after, BATCH, take_batch, b, err);
		more = b->n == BATCH;
		free(after);
		after = more ? strdup(b->items[BATCH - 1].name) : NULL;
		if (r == -ENOMEM || (more && !after))
			r = cor_error_oom(err);
		for (int i = 0; i < b->n; i++) {
			if (r == 0)
				r = fn(&b->items[i], data);
			cor_image_done(&b->items[i]);
		}
	}
	return r < 0 ? r : 0;
}

struct put {
	const struct cor_image *image;
	bool create;
	bool retargeted; /* the name stood for something else before */
	int64_t created_ns;
};

static int look_at_old(struct cor_meta_image *row, void *data)
{
	struct put *p = data;
	p->created_ns = row->created_ns;
	p->retargeted = !streq(row->digest, p->image->target.digest);
	return 0;
}

static int put_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct put *p = arg;
	int64_t now = cor_now_ns();
	p->retargeted = false;
	p->created_ns = now;
	int r = cor_meta_image_get(m, e->ns, p->image->name, look_at_old, p, err);
	if (r < 0)
		return r;
	if (r == 1 && p->create)
		return cor_error_set(err, COR_ALREADY_EXISTS, "image \"%s\": already exists", p->image->name);
	struct cor_meta_image row = {
		.ns = e->ns,
		.name = p->image->name,
		.media_type = p->image->target.media_type,
		.digest = p->image->target.digest,
		.size = p->image->target.size,
		.annotations = p->image->target.annotations,
		.labels = p->image->labels,
		.created_ns = p->created_ns,
		.updated_ns = now,
	};
	return cor_meta_image_put(m, &row, err);
}

static int put_image(struct cor_services *s, const struct cor_image *image, bool create,
		     struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct put p = {.image = image, .create = create};
	if (cor_empty(image->name))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "image name must not be empty: invalid argument");
	if (cor_empty(image->target.digest))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "image \"%s\" has no target: invalid argument", image->name);
	int r = cor_digest_validate(image->target.digest, err);
	if (r >= 0)
		r = cor_engine_check_labels(&image->labels, err);
	if (r >= 0)
		r = cor_engine_write(e, COR_WRITE_DURABLE | COR_WRITE_RECORD, put_record, &p, err);
	if (r < 0)
		return r;
	if (p.retargeted)
		e->gc_wanted = true;
	return 0;
}

static int image_create(struct cor_services *s, const struct cor_image *image, struct cor_error *err)
{
	return put_image(s, image, true, err);
}

static int image_put(struct cor_services *s, const struct cor_image *image, struct cor_error *err)
{
	return put_image(s, image, false, err);
}

struct label {
	const char *name;
	const struct cor_map *labels;
	bool replace_all;
};

static int label_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct label *l = arg;
	struct cor_image image = {0};
	int r = cor_meta_image_get(m, e->ns, l->name, take_one, &image, err);
	if (r <= 0)
		return r < 0 ? cor_error_wrap(err, r, "image %s", l->name) : not_found(l->name, err);
	r = cor_engine_merge_labels(&image.labels, l->labels, l->replace_all, err);
	if (r >= 0) {
		struct cor_meta_image row = {
			.ns = e->ns,
			.name = image.name,
			.media_type = image.target.media_type,
			.digest = image.target.digest,
			.size = image.target.size,
			.annotations = image.target.annotations,
			.labels = image.labels,
			.created_ns = image.created_ns,
			.updated_ns = cor_now_ns(),
		};
		r = cor_meta_image_put(m, &row, err);
	}
	cor_image_done(&image);
	return r;
}

static int image_label(struct cor_services *s, const char *name, const struct cor_map *labels,
		       bool replace_all, struct cor_error *err)
{
	struct label l = {name, labels, replace_all};
	int r = cor_engine_write(cor_engine_of(s), COR_WRITE_DURABLE, label_record, &l, err);
	return r < 0 ? r : 0;
}

static int remove_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	const char *name = arg;
	int r = cor_meta_image_remove(m, e->ns, name, err);
	return r == 0 ? not_found(name, err) : r;
}

static int image_remove(struct cor_services *s, const char *name, bool sync, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	int r = cor_engine_write(e, COR_WRITE_DURABLE | COR_WRITE_REMOVES, remove_record, (void *)name, err);
	if (r < 0)
		return r;
	e->gc_wanted = true;
	return sync ? cor_engine_gc(e, false, NULL, NULL, err) : 0;
}

const struct cor_image_ops cor_engine_image_ops = {
	.get = image_get,
	.walk = image_walk,
	.create = image_create,
	.put = image_put,
	.label = image_label,
	.remove = image_remove,
};
