/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage collection, by whoever deletes: no daemon does it later.
 *
 *   1. In one write transaction: read all records, mark from the roots (graph.h), remove the records that are not marked.
 *   2. Then the data without records, which also clears up after crashes: blobs under the store's exclusive lock, snapshot
 *      directories under the snapshotters' (set aside there, removed outside), ingests that nobody has touched for a day.
 *
 * A kill in between leaves data without records: the next collection removes it. One collects at a time (locks/gc).
 */
#include "engine/gc.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "engine/graph.h"

#define LOCK         "gc"
#define AGAIN        "gc.again"
/* Only images keep things, unless this says otherwise: see cor_engine_gc_note_unpinned. */
#define STATE_PINNED "gc.pinned"

int gc_tell(struct gc *gc, const char *ns, const char *kind, const char *id, int64_t size)
{
	struct cor_gc_item item = {.ns = ns, .kind = kind, .id = id, .reason = "", .size = size};
	return gc->fn ? gc->fn(&item, gc->data) : 0;
}

static bool is_garbage(const struct node *n)
{
	if (!n->exists || node_alive(n))
		return false;
	switch (n->kind) {
	case NODE_CONTENT:
	case NODE_SNAPSHOT:
		return true;
	case NODE_IMAGE:
	case NODE_LEASE:
		return n->dead;
	default:
		return false;
	}
}

static int remove_node(struct cor_meta *m, const struct node *n, struct cor_error *err)
{
	switch (n->kind) {
	case NODE_CONTENT:
		return cor_meta_content_remove(m, n->ns, n->id, err);
	case NODE_SNAPSHOT:
		return cor_meta_snapshot_remove(m, n->snapshot_id, err);
	case NODE_IMAGE:
		return cor_meta_image_remove(m, n->ns, n->id, err);
	case NODE_LEASE:
		return cor_meta_lease_remove(m, n->ns, n->id, err);
	default:
		return 0;
	}
}

/* Marks in two steps: is there anything that only containers, roots or leases keep? */
static bool mark(struct graph *g)
{
	graph_mark_from(g, NODE_IMAGE);
	for (struct node *n = g->nodes; n; n = n->all)
		n->committed = n->committed && !node_alive(n);
	graph_mark_all(g);
	for (struct node *n = g->nodes; n; n = n->all)
		if (n->kind == NODE_SNAPSHOT && n->committed && node_alive(n))
			return true;
	return false;
}

static int note_ingests(struct gc *gc, struct graph *g)
{
	for (struct node *n = g->nodes; n; n = n->all)
		if (n->kind == NODE_INGEST && node_alive(n) &&
		    cor_strv_push_take(&gc->leased_ingests, cor_asprintf("%s/%s", n->ns, n->id)) < 0)
			return -ENOMEM;
	return 0;
}

static int note_garbage(struct gc *gc, const struct node *n)
{
	if (cor_grow(&gc->items, &gc->cap, gc->n + 1, sizeof(*gc->items)) < 0)
		return -ENOMEM;
	struct gc_item item = {strdup(n->ns), node_kind_name(n->kind), strdup(n->id), n->size,
			       n->snapshot_id};
	gc->items[gc->n++] = item;
	return item.ns && item.id ? 0 : -ENOMEM;
}

static int collect_records(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct gc *gc = arg;
	struct graph g;
	gc_reset(gc);
	int r = graph_load(&g, e, m, err);
	if (r < 0)
		return r;
	int64_t pinned = mark(&g), was = 0;
	r = note_ingests(gc, &g);
	for (struct node *n = g.nodes; n && r >= 0; n = n->all) {
		if (!is_garbage(n))
			continue;
		r = note_garbage(gc, n);
		if (r >= 0 && !gc->dry_run)
			r = remove_node(m, n, err);
	}
	graph_done(&g);
	if (r >= 0 && !gc->dry_run)
		r = cor_meta_state_get(m, STATE_PINNED, &was, err);
	if (r >= 0 && !gc->dry_run && was != pinned)
		r = cor_meta_state_set(m, STATE_PINNED, pinned, err);
	return r < 0 ? cor_error_wrap(err, r, "collect garbage") : 0;
}

static int tell_records(struct gc *gc)
{
	for (size_t i = 0; i < gc->n; i++) {
		struct gc_item *x = &gc->items[i];
		int r = gc_tell(gc, x->ns, x->kind, x->id, x->size);
		if (r != 0)
			return r;
	}
	return 0;
}

static int collect_once(struct cor_engine *e, struct gc *gc, struct cor_error *err)
{
	int r = cor_engine_write(e, COR_WRITE_DURABLE | COR_WRITE_REMOVES, collect_records, gc, err);
	if (r >= 0)
		r = tell_records(gc);
	if (r == 0)
		r = gc_sweep(e, gc, err);
	gc_reset(gc);
	return r;
}

static int collect(struct cor_engine *e, bool dry_run, cor_gc_fn fn, void *data, struct cor_error *err)
{
	struct gc gc = {.fn = fn, .data = data, .dry_run = dry_run};
	int r = collect_once(e, &gc, err);
	if (!dry_run && e->meta)
		cor_meta_reserve_restore(e->meta);
	return r < 0 ? r : 0;
}

static bool again_requested(struct cor_engine *e, bool forget)
{
	if (faccessat(e->root_fd, "locks/" AGAIN, F_OK, 0) < 0)
		return false;
	if (forget)
		(void)unlinkat(e->root_fd, "locks/" AGAIN, 0);
	return true;
}

static void request_again(struct cor_engine *e)
{
	_cleanup_close_ int fd =
		openat(e->root_fd, "locks/" AGAIN, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		cor_debug("garbage is left to the next collection");
}

/* Others who wanted a collection meanwhile have left it to us: it is due when the engine is closed. */
int cor_engine_gc(struct cor_engine *e, bool dry_run, cor_gc_fn fn, void *data, struct cor_error *err)
{
	int lock = cor_engine_lock(e, LOCK, COR_LOCK_EXCLUSIVE, true, err);
	if (lock < 0)
		return lock;
	int r = collect(e, dry_run, fn, data, err);
	if (r >= 0 && !dry_run)
		e->gc_wanted = false;
	cor_close(lock);
	if (again_requested(e, false))
		e->gc_wanted = true;
	return r;
}

/*
 * The wish is written down before the lock is tried, and the holder looks for wishes after it has let the lock go: whichever
 * comes last is seen by one of the two.
 */
void cor_engine_gc_if_wanted(struct cor_engine *e)
{
	struct cor_error err = {0};
	if (!e->gc_wanted)
		return;
	e->gc_wanted = false;
	for (bool go = true; go; go = again_requested(e, false)) {
		_cleanup_close_ int lock = cor_engine_lock(e, LOCK, COR_LOCK_EXCLUSIVE, false, &err);
		if (lock == -EWOULDBLOCK) {
			request_again(e);
			lock = cor_engine_lock(e, LOCK, COR_LOCK_EXCLUSIVE, false, &err);
		}
		if (lock < 0)
			return;
		(void)again_requested(e, true);
		if (collect(e, false, NULL, NULL, &err) < 0) {
			cor_warn("garbage is left to the next collection: %s", err.message);
			return;
		}
	}
}

int cor_engine_gc_note_unpinned(struct cor_engine *e, struct cor_meta *m, struct cor_error *err)
{
	int64_t pinned;
	int r = cor_meta_state_get(m, STATE_PINNED, &pinned, err);
	if (r >= 0 && pinned)
		e->gc_wanted = true;
	return r < 0 ? r : 0;
}

static int ignore_task(const struct cor_task *task, void *data)
{
	return 0;
}

static int gc_run(struct cor_services *s, bool dry_run, cor_gc_fn fn, void *data, struct cor_error *err)
{
	int r = cor_engine_gc(cor_engine_of(s), dry_run, fn, data, err);
	/* A listing takes away what killed creations and removals of tasks have left in the state directory. */
	if (r >= 0 && !dry_run)
		(void)s->tasks->walk(s, ignore_task, NULL, NULL);
	return r;
}

const struct cor_gc_ops cor_engine_gc_ops = {.run = gc_run, .why = gc_why};
