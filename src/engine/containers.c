/* SPDX-License-Identifier: Apache-2.0 */
/* The container service: records of what to run. */
#include "engine/internal.h"

#include <errno.h>

#include "base/clock.h"
#include "oci/identifier.h"

#define BATCH 32 /* a spec is some 10 KB */

static int not_found(struct cor_engine *e, const char *id, struct cor_error *err)
{
	return cor_error_set(err, COR_NOT_FOUND, "container \"%s\" in namespace \"%s\": not found", id,
			     e->ns);
}

static int copy_row(struct cor_meta_container *row, struct cor_container *ret)
{
	*ret = (struct cor_container){
		.id = strdup(row->id),
		.image = strdup(row->image),
		.runtime = strdup(row->runtime),
		.spec = strdup(row->spec),
		.snapshotter = strdup(row->snapshotter),
		.snapshot_key = strdup(row->snapshot_key),
		.sandbox_id = strdup(row->sandbox_id),
		.labels = row->labels,
		.extensions = row->extensions,
		.created_ns = row->created_ns,
		.updated_ns = row->updated_ns,
	};
	row->labels = row->extensions = (struct cor_map){0};
	int r = row->options_url
			? cor_any_set(&ret->runtime_options, row->options_url, row->options, row->options_len)
			: 0;
	if (r == 0 && ret->id && ret->image && ret->runtime && ret->spec && ret->snapshotter &&
	    ret->snapshot_key && ret->sandbox_id)
		return 0;
	cor_container_done(ret);
	return -ENOMEM;
}

static int take_one(struct cor_meta_container *row, void *data)
{
	return copy_row(row, data);
}

static int get(struct cor_engine *e, struct cor_meta *m, const char *id, struct cor_container *ret,
	       struct cor_error *err)
{
	struct cor_container c = {0};
	int r = cor_meta_container_get(m, e->ns, id, take_one, &c, err);
	if (r == -ENOMEM)
		return cor_error_oom(err);
	if (r <= 0)
		return r < 0 ? r : not_found(e, id, err);
	*ret = c;
	return 0;
}

static int container_get(struct cor_services *s, const char *id, struct cor_container *ret,
			 struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_meta *m;
	int r = cor_engine_meta(e, &m, err);
	return r < 0 ? r : get(e, m, id, ret, err);
}

struct batch {
	struct cor_container items[BATCH];
	int n;
};

static int take_batch(struct cor_meta_container *row, void *data)
{
	struct batch *b = data;
	int r = copy_row(row, &b->items[b->n]);
	if (r >= 0)
		b->n++;
	return r;
}

static int container_walk(struct cor_services *s, cor_container_walk_fn fn, void *data, struct cor_error *err)
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
		r = cor_meta_container_walk(m, e->ns, after, BATCH, true, take_batch, b, err);
		more = b->n == BATCH;
		free(after);
		after = more ? strdup(b->items[BATCH - 1].id) : NULL;
		if (r == -ENOMEM || (more && !after))
			r = cor_error_oom(err);
		for (int i = 0; i < b->n; i++) {
			if (r == 0)
				r = fn(&b->items[i], data);
			cor_container_done(&b->items[i]);
		}
	}
	return r < 0 ? r : 0;
}

static int ignore_row(struct cor_meta_container *row, void *data)
{
	return 0;
}

static int insert_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	const struct cor_container *c = arg;
	int64_t now = cor_now_ns();
	int r = cor_meta_container_get(m, e->ns, c->id, ignore_row, NULL, err);
	if (r < 0)
		return r;
	if (r == 1)
		return cor_error_set(err, COR_ALREADY_EXISTS, "container \"%s\": already exists", c->id);
	struct cor_meta_container row = {
		.ns = e->ns,
		.id = c->id,
		.image = c->image,
		.runtime = c->runtime,
		.options_url = c->runtime_options.type_url,
		.options = c->runtime_options.value,
		.options_len = c->runtime_options.len,
		.snapshotter = c->snapshotter,
		.snapshot_key = c->snapshot_key,
		.sandbox_id = c->sandbox_id,
		.labels = c->labels,
		.extensions = c->extensions,
		.spec = c->spec,
		.created_ns = now,
		.updated_ns = now,
	};
	return cor_meta_container_insert(m, &row, err);
}

/* Not waiting for the disk: see `fresh` in internal.h. */
static int container_create(struct cor_services *s, const struct cor_container *c, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	int r = cor_identifier_validate("container.ID", c->id ? c->id : "", err);
	if (r >= 0)
		r = cor_engine_check_labels(&c->labels, err);
	if (r >= 0 && cor_empty(c->runtime))
		r = cor_error_set(err, COR_INVALID_ARGUMENT,
				  "container.Runtime.Name must be set: invalid argument");
	if (r >= 0)
		r = cor_engine_write(e, COR_WRITE_RECORD, insert_record, (void *)c, err);
	if (r < 0)
		return r;
	return cor_engine_fresh_add(e, "container", c->id, NULL) < 0 ? cor_error_oom(err) : 0;
}

struct update {
	const char *id;
	const struct cor_map *labels;
	bool replace_all;
	const char *extension, *json;
};

static int update_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct update *u = arg;
	struct cor_container c = {0};
	int r = get(e, m, u->id, &c, err);
	if (r < 0)
		return r;
	if (u->extension && cor_empty(u->json))
		(void)cor_map_unset(&c.extensions, u->extension);
	else if (u->extension && cor_map_set(&c.extensions, u->extension, u->json) < 0)
		r = cor_error_oom(err);
	else
		r = cor_engine_merge_labels(&c.labels, u->labels, u->replace_all, err);
	if (r >= 0)
		r = cor_meta_container_set_maps(m, e->ns, u->id, &c.labels, &c.extensions, cor_now_ns(), err);
	cor_container_done(&c);
	return r;
}

static int update(struct cor_services *s, struct update *u, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	bool fresh = cor_engine_fresh_has(e, "container", u->id, NULL, false);
	int r = cor_engine_write(e, fresh ? 0 : COR_WRITE_DURABLE, update_record, u, err);
	return r < 0 ? r : 0;
}

static int container_label(struct cor_services *s, const char *id, const struct cor_map *labels,
			   bool replace_all, struct cor_error *err)
{
	return update(s, &(struct update){.id = id, .labels = labels, .replace_all = replace_all}, err);
}

static int container_set_extension(struct cor_services *s, const char *id, const char *name, const char *json,
				   struct cor_error *err)
{
	return update(s, &(struct update){.id = id, .extension = name, .json = json}, err);
}

static int remove_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	const char *id = arg;
	int r = cor_meta_container_remove(m, e->ns, id, err);
	if (r <= 0)
		return r < 0 ? r : not_found(e, id, err);
	return cor_engine_gc_note_unpinned(e, m, err);
}

static int container_remove(struct cor_services *s, const char *id, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	int r = cor_identifier_validate("container.ID", id, err);
	if (r >= 0)
		r = cor_engine_task_absent(e, id, err);
	if (r < 0)
		return r;
	bool fresh = cor_engine_fresh_has(e, "container", id, NULL, false);
	r = cor_engine_write(e, COR_WRITE_REMOVES | (fresh ? 0 : COR_WRITE_DURABLE), remove_record,
			     (void *)id, err);
	if (r < 0)
		return r;
	(void)cor_engine_fresh_has(e, "container", id, NULL, true);
	cor_engine_task_forget(e, id);
	return 0;
}

const struct cor_container_ops cor_engine_container_ops = {
	.get = container_get,
	.walk = container_walk,
	.create = container_create,
	.label = container_label,
	.set_extension = container_set_extension,
	.remove = container_remove,
};
