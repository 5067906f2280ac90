/* SPDX-License-Identifier: Apache-2.0 */
/* Why a thing is kept: the shortest chain of references from a root to it, the way the collector marks. */
#include <errno.h>

#include "engine/gc.h"
#include "engine/graph.h"

/* The one in this namespace, else one in another that is kept, else any. */
static struct node *pick(struct graph *g, const char *ns, const char *id)
{
	struct node *best = NULL;
	int best_rank = -1;
	for (struct node *n = g->nodes; n; n = n->all) {
		if (!n->exists || !streq(n->id, id))
			continue;
		int rank = (streq(n->ns, ns) ? 2 : 0) + (node_alive(n) ? 1 : 0);
		if (rank > best_rank) {
			best = n;
			best_rank = rank;
		}
	}
	return best;
}

static const char *root_reason(const struct node *n)
{
	switch (n->kind) {
	case NODE_IMAGE:
		return "the image is recorded";
	case NODE_CONTAINER:
		return "the container is recorded";
	case NODE_LEASE:
		return "the lease is held";
	default:
		return "labelled containerd.io/gc.root";
	}
}

static int tell_chain(struct node *n, cor_gc_fn fn, void *data)
{
	int r = n->via ? tell_chain(n->via, fn, data) : 0;
	if (r != 0)
		return r;
	struct cor_gc_item item = {
		.ns = n->ns,
		.kind = node_kind_name(n->kind),
		.id = n->id,
		.reason = n->via ? n->via_reason : root_reason(n),
		.size = n->size,
	};
	return fn(&item, data);
}

int gc_why(struct cor_services *s, const char *id, cor_gc_fn fn, void *data, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_meta *m;
	struct graph g;
	int r = cor_engine_meta(e, &m, err);
	/* A write transaction, for records that fit together; nothing is written. */
	if (r >= 0)
		r = cor_meta_begin(m, false, err);
	if (r < 0)
		return r;
	r = graph_load(&g, e, m, err);
	cor_meta_rollback(m);
	if (r < 0)
		return r;
	graph_mark_all(&g);
	struct node *n = pick(&g, e->ns, id);
	if (!n)
		r = cor_error_set(err, COR_NOT_FOUND, "\"%s\": not found", id);
	else if (node_alive(n))
		r = tell_chain(n, fn, data);
	graph_done(&g);
	return r < 0 ? r : 0;
}
