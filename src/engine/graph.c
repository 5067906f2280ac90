/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the records into a graph, and marking (see graph.h). */
#include "engine/graph.h"

#include <errno.h>

#include "base/clock.h"

const char *node_kind_name(enum node_kind kind)
{
	static const char *const names[] = {
		[NODE_IMAGE] = "image",     [NODE_CONTAINER] = "container", [NODE_LEASE] = "lease",
		[NODE_CONTENT] = "content", [NODE_SNAPSHOT] = "snapshot",   [NODE_INGEST] = "ingest",
	};
	return names[kind];
}

/* Caller frees; NULL on ENOMEM. */
static char *make_key(enum node_kind kind, const char *ns, const char *snapshotter, const char *id,
		      size_t *ret_len)
{
	size_t a = strlen(ns) + 1, b = strlen(snapshotter) + 1, c = strlen(id) + 1;
	char *key = malloc(1 + a + b + c);
	if (!key)
		return NULL;
	key[0] = (char)('0' + kind);
	memcpy(key + 1, ns, a);
	memcpy(key + 1 + a, snapshotter, b);
	memcpy(key + 1 + a + b, id, c);
	*ret_len = 1 + a + b + c;
	return key;
}

static size_t bucket_of(const char *key, size_t len, size_t n_buckets)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 0x100000001b3u;
	return (size_t)(h ^ (h >> 29)) & (n_buckets - 1);
}

static struct node *look_up(struct graph *g, const char *key, size_t len)
{
	struct node *n = g->n_buckets ? g->buckets[bucket_of(key, len, g->n_buckets)] : NULL;
	while (n && (n->key_len != len || memcmp(n->key, key, len) != 0))
		n = n->same;
	return n;
}

static int grow_buckets(struct graph *g)
{
	size_t n = g->n_buckets ? g->n_buckets * 2 : 256;
	struct node **buckets = cor_new0(struct node *, n);
	if (!buckets)
		return -ENOMEM;
	for (struct node *x = g->nodes; x; x = x->all) {
		struct node **at = &buckets[bucket_of(x->key, x->key_len, n)];
		x->same = *at;
		*at = x;
	}
	free(g->buckets);
	g->buckets = buckets;
	g->n_buckets = n;
	return 0;
}

struct node *graph_find(struct graph *g, enum node_kind kind, const char *ns, const char *snapshotter,
			const char *id)
{
	size_t len;
	_cleanup_free_ char *key = make_key(kind, ns, snapshotter, id, &len);
	return key ? look_up(g, key, len) : NULL;
}

struct node *graph_node(struct graph *g, enum node_kind kind, const char *ns, const char *snapshotter,
			const char *id)
{
	size_t len;
	_cleanup_free_ char *key = make_key(kind, ns, snapshotter, id, &len);
	struct node *n = key ? look_up(g, key, len) : NULL;
	if (n || !key)
		return n;
	if (g->n_nodes >= g->n_buckets && grow_buckets(g) < 0)
		return NULL;
	n = calloc(1, sizeof(*n) + len);
	if (!n)
		return NULL;
	memcpy(n->key, key, len);
	n->key_len = len;
	n->kind = kind;
	n->ns = n->key + 1;
	n->snapshotter = n->ns + strlen(n->ns) + 1;
	n->id = n->snapshotter + strlen(n->snapshotter) + 1;
	n->size = -1;
	struct node **at = &g->buckets[bucket_of(key, len, g->n_buckets)];
	n->same = *at;
	*at = n;
	n->all = g->nodes;
	g->nodes = n;
	g->n_nodes++;
	return n;
}

int graph_link(struct node *from, struct node *to, const char *reason, bool structural)
{
	if (!from || !to ||
	    cor_grow(&from->edges, &from->cap_edges, from->n_edges + 1, sizeof(*from->edges)) < 0)
		return -ENOMEM;
	char *copy = strdup(reason);
	if (!copy)
		return -ENOMEM;
	from->edges[from->n_edges++] = (struct edge){to, copy, structural};
	return 0;
}

void graph_done(struct graph *g)
{
	for (struct node *n = g->nodes, *next; n; n = next) {
		next = n->all;
		for (size_t i = 0; i < n->n_edges; i++)
			free(n->edges[i].reason);
		free(n->edges);
		free(n);
	}
	free(g->buckets);
	g->leases_fd = cor_close(g->leases_fd);
}

/* ---- records ---- */

static bool expired(const struct graph *g, const struct cor_map *labels)
{
	const char *when = cor_map_get(labels, "containerd.io/gc.expire");
	int64_t ns;
	return when && cor_time_parse(when, &ns) >= 0 && ns < g->now_ns;
}

static int add_image(struct cor_meta_image *row, void *data)
{
	struct graph *g = data;
	struct node *n = graph_node(g, NODE_IMAGE, row->ns, "", row->name);
	if (!n)
		return -ENOMEM;
	n->exists = true;
	n->dead = expired(g, &row->labels);
	n->root = !n->dead;
	int r = graph_link(n, graph_node(g, NODE_CONTENT, row->ns, "", row->digest), "target", true);
	return r < 0 ? r : graph_add_labels(g, n, &row->labels);
}

static int add_content(struct cor_meta_content *row, void *data)
{
	struct graph *g = data;
	struct node *n = graph_node(g, NODE_CONTENT, row->ns, "", row->digest);
	if (!n)
		return -ENOMEM;
	n->exists = true;
	n->size = row->size;
	return graph_add_labels(g, n, &row->labels);
}

static int add_snapshot(struct cor_meta_snapshot *row, void *data)
{
	struct graph *g = data;
	struct node *n = graph_node(g, NODE_SNAPSHOT, row->ns, row->snapshotter, row->key);
	if (!n)
		return -ENOMEM;
	n->exists = true;
	n->snapshot_id = row->id;
	n->committed = row->kind == COR_META_SNAPSHOT_COMMITTED;
	n->size = n->committed ? row->size : -1;
	int r = 0;
	if (*row->parent)
		r = graph_link(n, graph_node(g, NODE_SNAPSHOT, row->ns, row->snapshotter, row->parent),
			       "parent", true);
	return r < 0 ? r : graph_add_labels(g, n, &row->labels);
}

static int add_container(struct cor_meta_container *row, void *data)
{
	struct graph *g = data;
	struct node *n = graph_node(g, NODE_CONTAINER, row->ns, "", row->id);
	if (!n)
		return -ENOMEM;
	n->exists = n->root = true;
	int r = 0;
	if (*row->snapshotter && *row->snapshot_key)
		r = graph_link(n, graph_node(g, NODE_SNAPSHOT, row->ns, row->snapshotter, row->snapshot_key),
			       "snapshot", true);
	return r < 0 ? r : graph_add_labels(g, n, &row->labels);
}

static int add_lease(struct cor_meta_lease *row, void *data)
{
	struct graph *g = data;
	struct node *n = graph_node(g, NODE_LEASE, row->ns, "", row->id);
	if (!n)
		return -ENOMEM;
	n->exists = true;
	n->dead = expired(g, &row->labels);
	n->flat = cor_map_get(&row->labels, "containerd.io/gc.flat") != NULL;
	if (row->operation && !(g->e->lease_id && streq(g->e->lease_id, row->id))) {
		_cleanup_close_ int lock = -1;
		int r = cor_engine_lease_alive(g->leases_fd, row->id, &lock, NULL);
		if (r < 0)
			return r;
		n->dead = r == 0;
	}
	n->root = !n->dead;
	return 0;
}

static int add_resource(struct cor_meta_lease_resource *row, void *data)
{
	struct graph *g = data;
	struct node *lease = graph_find(g, NODE_LEASE, row->ns, "", row->lease);
	const char *sn = cor_after(row->type, "snapshots/");
	if (!lease)
		return 0;
	struct node *to;
	if (sn)
		to = graph_node(g, NODE_SNAPSHOT, row->ns, sn, row->id);
	else if (streq(row->type, "ingests"))
		to = graph_node(g, NODE_INGEST, row->ns, "", row->id);
	else
		to = graph_node(g, NODE_CONTENT, row->ns, "", row->id);
	return graph_link(lease, to, "lease", true);
}

int graph_load(struct graph *g, struct cor_engine *e, struct cor_meta *m, struct cor_error *err)
{
	*g = (struct graph){.e = e, .now_ns = cor_now_ns(), .tail = NULL};
	g->tail = &g->head;
	g->leases_fd = cor_engine_leases_dir(e, err);
	int r = g->leases_fd;
	if (r >= 0)
		r = cor_meta_image_walk(m, NULL, NULL, 0, add_image, g, err);
	if (r >= 0)
		r = cor_meta_content_walk(m, NULL, NULL, 0, add_content, g, err);
	if (r >= 0)
		r = cor_meta_snapshot_walk(m, NULL, NULL, NULL, 0, add_snapshot, g, err);
	if (r >= 0)
		r = cor_meta_container_walk(m, NULL, NULL, 0, false, add_container, g, err);
	if (r >= 0)
		r = cor_meta_lease_walk(m, NULL, NULL, 0, add_lease, g, err);
	if (r >= 0)
		r = cor_meta_lease_resource_walk(m, add_resource, g, err);
	if (r < 0) {
		graph_done(g);
		return r == -ENOMEM ? cor_error_oom(err) : cor_error_wrap(err, r, "collect garbage");
	}
	return 0;
}

/* ---- marking ---- */

static void reach(struct graph *g, struct node *n, bool flat, struct node *via, const char *reason)
{
	if (n->marked || (flat && n->marked_flat))
		return;
	bool queued = n->next || g->tail == &n->next;
	if (!n->marked_flat) {
		n->via = via;
		n->via_reason = reason;
	}
	if (flat)
		n->marked_flat = true;
	else
		n->marked = true;
	/* In the queue already (as flat): it will be looked at as what it is by then. */
	if (queued)
		return;
	*g->tail = n;
	g->tail = &n->next;
}

static void drain(struct graph *g)
{
	while (g->head) {
		struct node *n = g->head;
		g->head = n->next;
		if (!g->head)
			g->tail = &g->head;
		n->next = NULL;
		bool flat = n->kind == NODE_LEASE ? n->flat : !n->marked;
		for (size_t i = 0; i < n->n_edges; i++) {
			struct edge *x = &n->edges[i];
			if (!flat || x->structural)
				reach(g, x->to, flat, n, x->reason);
		}
	}
}

void graph_mark_from(struct graph *g, enum node_kind kind)
{
	for (struct node *n = g->nodes; n; n = n->all)
		if (n->kind == kind && n->root && n->exists)
			reach(g, n, false, NULL, "");
	drain(g);
}

void graph_mark_all(struct graph *g)
{
	graph_mark_from(g, NODE_IMAGE);
	graph_mark_from(g, NODE_CONTAINER);
	graph_mark_from(g, NODE_CONTENT);
	graph_mark_from(g, NODE_SNAPSHOT);
	graph_mark_from(g, NODE_LEASE);
}
