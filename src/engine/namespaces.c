/* SPDX-License-Identifier: Apache-2.0 */
/* The namespace service. Namespaces come to be by writing into them, too (COR_WRITE_RECORD). */
#include "engine/internal.h"

#include <errno.h>

#include "oci/identifier.h"

#define BATCH 64

struct change {
	const char *name;
	const struct cor_map *labels;
};

static int not_found(const char *name, struct cor_error *err)
{
	return cor_error_set(err, COR_NOT_FOUND, "namespace \"%s\": not found", name);
}

static int ignore_row(const char *name, struct cor_map *labels, void *data)
{
	return 0;
}

static int take_labels(const char *name, struct cor_map *labels, void *data)
{
	*(struct cor_map *)data = *labels;
	*labels = (struct cor_map){0};
	return 0;
}

static int create_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct change *c = arg;
	int r = cor_meta_ns_get(m, c->name, ignore_row, NULL, err);
	if (r == 1)
		return cor_error_set(err, COR_ALREADY_EXISTS, "namespace \"%s\": already exists", c->name);
	return r < 0 ? r : cor_meta_ns_insert(m, c->name, c->labels, err);
}

static int namespace_create(struct cor_services *s, const char *name, const struct cor_map *labels,
			    struct cor_error *err)
{
	struct change c = {name, labels};
	int r = cor_identifier_validate("namespace", name, err);
	if (r >= 0)
		r = cor_engine_check_labels(labels, err);
	if (r >= 0)
		r = cor_engine_write(cor_engine_of(s), COR_WRITE_DURABLE, create_record, &c, err);
	return r < 0 ? r : 0;
}

/* Labelling makes it when it is missing, as in containerd. */
static int label_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct change *c = arg;
	_cleanup_map_ struct cor_map labels = {0};
	int r = cor_meta_ns_get(m, c->name, take_labels, &labels, err);
	if (r == 0)
		r = cor_meta_ns_touch(m, c->name, err);
	if (r >= 0)
		r = cor_engine_merge_labels(&labels, c->labels, false, err);
	return r < 0 ? r : cor_meta_ns_set_labels(m, c->name, &labels, err);
}

static int namespace_label(struct cor_services *s, const char *name, const struct cor_map *labels,
			   struct cor_error *err)
{
	struct change c = {name, labels};
	int r = cor_identifier_validate("namespace", name, err);
	if (r >= 0)
		r = cor_engine_write(cor_engine_of(s), COR_WRITE_DURABLE, label_record, &c, err);
	return r < 0 ? r : 0;
}

static int remove_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	const char *name = arg;
	_cleanup_free_ char *contents = NULL;
	int r = cor_meta_ns_get(m, name, ignore_row, NULL, err);
	if (r == 0)
		return not_found(name, err);
	if (r > 0)
		r = cor_meta_ns_contents(m, name, &contents, err);
	if (r < 0)
		return r;
	if (*contents)
		return cor_error_set(
			err, COR_FAILED_PRECONDITION,
			"namespace \"%s\" must be empty, but it still has %s: failed precondition", name,
			contents);
	return cor_meta_ns_remove(m, name, err);
}

static int namespace_remove(struct cor_services *s, const char *name, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	int r = cor_identifier_validate("namespace", name, err);
	if (r >= 0)
		r = cor_engine_write(e, COR_WRITE_DURABLE | COR_WRITE_REMOVES, remove_record, (void *)name,
				     err);
	if (r < 0)
		return r;
	/* Its state directory goes too; one with tasks in it is not empty and stays. */
	(void)unlinkat(e->state_fd, name, AT_REMOVEDIR);
	return 0;
}

struct batch {
	struct {
		char *name;
		struct cor_map labels;
	} items[BATCH];
	int n;
};

static int take_batch(const char *name, struct cor_map *labels, void *data)
{
	struct batch *b = data;
	char *copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	b->items[b->n].name = copy;
	b->items[b->n++].labels = *labels;
	*labels = (struct cor_map){0};
	return 0;
}

static int namespace_walk(struct cor_services *s, cor_namespace_walk_fn fn, void *data, struct cor_error *err)
{
	struct batch b;
	_cleanup_free_ char *after = NULL;
	struct cor_meta *m;
	int r = cor_engine_meta(cor_engine_of(s), &m, err);
	for (bool more = true; r == 0 && more;) {
		b.n = 0;
		r = cor_meta_ns_walk(m, after, BATCH, take_batch, &b, err);
		more = b.n == BATCH;
		free(after);
		after = more ? strdup(b.items[BATCH - 1].name) : NULL;
		if (r == -ENOMEM || (more && !after))
			r = cor_error_oom(err);
		for (int i = 0; i < b.n; i++) {
			if (r == 0)
				r = fn(b.items[i].name, &b.items[i].labels, data);
			free(b.items[i].name);
			cor_map_done(&b.items[i].labels);
		}
	}
	return r < 0 ? r : 0;
}

const struct cor_namespace_ops cor_engine_namespace_ops = {
	.create = namespace_create,
	.label = namespace_label,
	.remove = namespace_remove,
	.walk = namespace_walk,
};
