/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What refers to what, over all namespaces: read from the records in one go, then marked from the roots.
 *
 * Roots: images (but expired ones), containers, living leases' resources, content and snapshots labelled containerd.io/gc.root.
 * Links: an image's target, a container's snapshot, a snapshot's parent, and the labels containerd.io/gc.ref.{content,image,
 * snapshot.<name>} and gc.bref.{…} (from the other end). A lease labelled containerd.io/gc.flat holds its resources (and the
 * parents of snapshots), not what their labels refer to.
 */
#ifndef COR_ENGINE_GRAPH_H
#define COR_ENGINE_GRAPH_H

#include "engine/internal.h"

enum node_kind { NODE_IMAGE, NODE_CONTAINER, NODE_LEASE, NODE_CONTENT, NODE_SNAPSHOT, NODE_INGEST };

struct node;
struct edge {
	struct node *to;
	char *reason;    /* "target", "parent", or the label's key */
	bool structural; /* followed from a flat lease too */
};
struct node {
	struct node *all;  /* next of all nodes, in no order */
	struct node *same; /* next in the hash bucket */
	enum node_kind kind;
	char *ns, *snapshotter, *id; /* snapshotter "" but for snapshots */
	bool exists;                 /* has a record; others are only referred to */
	bool root;
	bool flat; /* leases */
	bool dead; /* leases that have ended, expired images: to be removed unless something refers to them */
	int64_t size; /* -1 unknown */
	uint64_t snapshot_id;
	bool committed;
	struct edge *edges;
	size_t n_edges, cap_edges;
	/* marking */
	bool marked, marked_flat;
	struct node *via; /* who marked it, NULL: a root */
	const char *via_reason;
	struct node *next; /* in the queue */
	size_t key_len;
	char key[]; /* kind, ns, snapshotter, id with NULs between */
};
struct graph {
	struct node *nodes;    /* all of them */
	struct node **buckets; /* by key */
	size_t n_nodes, n_buckets;
	struct node *head, **tail; /* queue of marking */
	int64_t now_ns;
	struct cor_engine *e;
	int leases_fd;
};

/* Reads everything. Inside a transaction, or the records may not fit together. */
int graph_load(struct graph *g, struct cor_engine *e, struct cor_meta *m, struct cor_error *err);
void graph_done(struct graph *g);
/* Marks what the roots of this kind reach. */
void graph_mark_from(struct graph *g, enum node_kind kind);
void graph_mark_all(struct graph *g);
static inline bool node_alive(const struct node *n)
{
	return n->marked || n->marked_flat;
}
/* NULL when there is none. */
struct node *graph_find(struct graph *g, enum node_kind kind, const char *ns, const char *snapshotter,
			const char *id);
/* "content", "snapshot", … */
const char *node_kind_name(enum node_kind kind);

/* graph_labels.c: what a record's labels say about it. */
int graph_add_labels(struct graph *g, struct node *n, const struct cor_map *labels);
struct node *graph_node(struct graph *g, enum node_kind kind, const char *ns, const char *snapshotter,
			const char *id);
int graph_link(struct node *from, struct node *to, const char *reason, bool structural);

#endif
