/* SPDX-License-Identifier: Apache-2.0 */
/* The labels by which records refer to each other, as containerd reads them (docs/garbage-collection.md there). */
#include "engine/graph.h"

#include <errno.h>

#define GC "containerd.io/gc."

/* Label keys may go on behind the kind: ".0", "/name"; anything else is another label. */
static bool is_kind(const char *rest)
{
	return rest && (*rest == '\0' || *rest == '.' || *rest == '/');
}

/* The node that a label "<prefix><kind>…" with this value names; *ret NULL: no such label. */
static int target_of(struct graph *g, const char *ns, const char *key, const char *prefix, const char *value,
		     struct node **ret)
{
	const char *what = cor_after(key, prefix);
	*ret = NULL;
	if (!what)
		return 0;
	const char *sn = cor_after(what, "snapshot.");
	if (sn) {
		_cleanup_free_ char *name = strndup(sn, strcspn(sn, "/"));
		*ret = name ? graph_node(g, NODE_SNAPSHOT, ns, name, value) : NULL;
		return *ret ? 0 : -ENOMEM;
	}
	static const struct {
		const char *name;
		enum node_kind kind;
	} kinds[] = {{"content", NODE_CONTENT}, {"image", NODE_IMAGE}, {"container", NODE_CONTAINER}};
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (is_kind(cor_after(what, kinds[i].name))) {
			*ret = graph_node(g, kinds[i].kind, ns, "", value);
			return *ret ? 0 : -ENOMEM;
		}
	}
	return 0;
}

static int add_label(struct graph *g, struct node *n, const char *key, const char *value)
{
	struct node *other;
	int r = target_of(g, n->ns, key, GC "ref.", value, &other);
	/* A container is never kept by a reference: it is a root. */
	if (r >= 0 && other && other->kind != NODE_CONTAINER)
		return graph_link(n, other, key, false);
	if (r >= 0)
		r = target_of(g, n->ns, key, GC "bref.", value, &other);
	if (r >= 0 && other)
		return graph_link(other, n, key, false);
	if (r >= 0 && cor_startswith(key, GC "root") && (n->kind == NODE_CONTENT || n->kind == NODE_SNAPSHOT))
		n->root = true;
	return r;
}

int graph_add_labels(struct graph *g, struct node *n, const struct cor_map *labels)
{
	for (size_t i = 0; i < labels->n; i++) {
		int r = cor_startswith(labels->keys[i], GC)
				? add_label(g, n, labels->keys[i], labels->values[i])
				: 0;
		if (r < 0)
			return r;
	}
	return 0;
}
