/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot service: names, parents and kinds in the metadata, data in a back end (snapshot/backend.h).
 *
 *   step of prepare/view                       killed after it, there is
 *   take the snapshotter's lock (shared)       nothing
 *   make directory <id>                        a directory without a record: garbage
 *   record <id> in one transaction             the snapshot
 *
 *   commit: syncfs, measure, record. remove: forget, then remove the directory (a leftover is garbage).
 *
 * Collection takes the lock exclusively while it looks for directories without records, so it never meets the first gap.
 */
#include "engine/snapshot_remap.h"

#include <errno.h>

#include "base/clock.h"

#define BATCH 128

struct row {
	struct cor_snapshot_info info;
	uint64_t id, parent_id;
	int64_t size, inodes;
};

static int not_found(const char *key, struct cor_error *err)
{
	return cor_error_set(err, COR_NOT_FOUND, "snapshot %s does not exist: not found", key);
}

static int not_active(const char *key, struct cor_error *err)
{
	return cor_error_set(err, COR_FAILED_PRECONDITION,
			     "failed to commit snapshot: snapshot \"%s\" is not active: failed precondition",
			     key);
}

static int copy_row(struct cor_meta_snapshot *from, struct row *to)
{
	*to = (struct row){
		.info =
			{
				.key = strdup(from->key),
				.parent = strdup(from->parent),
				.kind = (enum cor_snapshot_kind)from->kind,
				.labels = from->labels,
				.created_ns = from->created_ns,
				.updated_ns = from->updated_ns,
			},
		.id = from->id,
		.parent_id = from->parent_id,
		.size = from->size,
		.inodes = from->inodes,
	};
	from->labels = (struct cor_map){0};
	if (to->info.key && to->info.parent)
		return 0;
	cor_snapshot_info_done(&to->info);
	return -ENOMEM;
}

static int take_one(struct cor_meta_snapshot *row, void *data)
{
	return copy_row(row, data);
}

static void row_done(struct row *r)
{
	cor_snapshot_info_done(&r->info);
}
#define _cleanup_row_ _cleanup_(row_done)

/* 1 found, 0 not. */
static int find(struct cor_engine *e, struct cor_meta *m, const char *sn, const char *key, struct row *ret,
		struct cor_error *err)
{
	int r = cor_meta_snapshot_get(m, e->ns, cor_engine_snapshotter(e, sn), key, take_one, ret, err);
	return r == -ENOMEM ? cor_error_oom(err) : r;
}

/* Opens the back end too: an unknown snapshotter is an error of its own. */
static int look_up(struct cor_engine *e, const char *sn, const char *key, struct row *ret,
		   struct cor_snapshot_backend **ret_backend, struct cor_error *err)
{
	struct cor_meta *m;
	int r = cor_engine_backend(e, sn, ret_backend, err);
	if (r >= 0)
		r = cor_engine_meta(e, &m, err);
	if (r >= 0)
		r = find(e, m, sn, key, ret, err);
	return r == 0 ? not_found(key, err) : r;
}

static int snapshot_stat(struct cor_services *s, const char *sn, const char *key,
			 struct cor_snapshot_info *ret, struct cor_error *err)
{
	struct cor_snapshot_backend *b;
	struct row row = {0};
	int r = look_up(cor_engine_of(s), sn, key, &row, &b, err);
	if (r < 0)
		return r;
	*ret = row.info;
	return 0;
}

struct batch {
	struct row items[BATCH];
	int n;
};

static int take_batch(struct cor_meta_snapshot *row, void *data)
{
	struct batch *b = data;
	int r = copy_row(row, &b->items[b->n]);
	if (r >= 0)
		b->n++;
	return r;
}

static int snapshot_walk(struct cor_services *s, const char *sn, cor_snapshot_walk_fn fn, void *data,
			 struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	_cleanup_free_ struct batch *b = cor_new0(struct batch, 1);
	_cleanup_free_ char *after = NULL;
	struct cor_snapshot_backend *backend;
	struct cor_meta *m;
	if (!b)
		return cor_error_oom(err);
	int r = cor_engine_backend(e, sn, &backend, err);
	if (r >= 0)
		r = cor_engine_meta(e, &m, err);
	for (bool more = true; r == 0 && more;) {
		b->n = 0;
		r = cor_meta_snapshot_walk(m, e->ns, cor_engine_snapshotter(e, sn), after, BATCH, take_batch,
					   b, err);
		more = b->n == BATCH;
		free(after);
		after = more ? strdup(b->items[BATCH - 1].info.key) : NULL;
		if (r == -ENOMEM || (more && !after))
			r = cor_error_oom(err);
		for (int i = 0; i < b->n; i++) {
			if (r == 0)
				r = fn(&b->items[i].info, data);
			row_done(&b->items[i]);
		}
	}
	return r < 0 ? r : 0;
}

static int snapshot_usage(struct cor_services *s, const char *sn, const char *key, struct cor_usage *ret,
			  struct cor_error *err)
{
	struct cor_snapshot_backend *b;
	_cleanup_row_ struct row row = {0};
	int r = look_up(cor_engine_of(s), sn, key, &row, &b, err);
	if (r < 0)
		return r;
	struct cor_usage usage = {row.size, row.inodes};
	if (row.info.kind != COR_SNAPSHOT_COMMITTED) {
		r = b->ops->usage(b, row.id, &usage.size, &usage.inodes, err);
		if (r < 0)
			return cor_error_wrap(err, r, "usage of snapshot %s", key);
	}
	*ret = usage;
	return 0;
}

static int mounts_of(struct cor_engine *e, struct cor_snapshot_backend *b, uint64_t id, uint64_t parent_id,
		     bool readonly, const struct cor_map *labels, struct cor_mounts *ret,
		     struct cor_error *err)
{
	_cleanup_free_ uint64_t *parents = NULL;
	size_t n;
	struct cor_meta *m;
	struct cor_mounts mounts = {0};
	int r = cor_engine_meta(e, &m, err);
	if (r >= 0)
		r = cor_meta_snapshot_parents(m, parent_id, &parents, &n, err);
	if (r >= 0)
		r = b->ops->mounts(b, id, parents, n, readonly, &mounts, err);
	if (r >= 0)
		r = cor_engine_remap_mounts(b, labels, n, &mounts, err);
	if (r < 0) {
		cor_mounts_done(&mounts);
		return r;
	}
	*ret = mounts;
	return 0;
}

static int snapshot_mounts(struct cor_services *s, const char *sn, const char *key, struct cor_mounts *ret,
			   struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_snapshot_backend *b;
	_cleanup_row_ struct row row = {0};
	int r = look_up(e, sn, key, &row, &b, err);
	if (r < 0)
		return r;
	if (row.info.kind == COR_SNAPSHOT_COMMITTED)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "failed to get active mount: requested snapshot %s not active or view: "
				     "failed precondition",
				     key);
	return mounts_of(e, b, row.id, row.parent_id, row.info.kind == COR_SNAPSHOT_VIEW, &row.info.labels,
			 ret, err);
}

/* What a view over it would be: such a view has no data of its own. */
static int snapshot_look(struct cor_services *s, const char *sn, const char *name, struct cor_mounts *ret,
			 struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_snapshot_backend *b;
	_cleanup_row_ struct row row = {0};
	int r = look_up(e, sn, name, &row, &b, err);
	if (r < 0)
		return r;
	if (row.info.kind != COR_SNAPSHOT_COMMITTED)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "snapshot %s is not committed: failed precondition", name);
	return mounts_of(e, b, 0, row.id, true, NULL, ret, err);
}

/* ---- making ---- */

struct create {
	const char *sn, *key, *parent; /* parent "" for none */
	const struct cor_map *labels;
	enum cor_snapshot_kind kind;
	uint64_t id, parent_id;
	bool exists; /* the key is taken; what is there was leased */
	bool number_taken; /* meanwhile, by a snapshot of another snapshotter: directories collide only within one */
};

static int lease_snapshot(struct cor_engine *e, const char *sn, const char *key, struct cor_error *err)
{
	if (!e->lease_id)
		return 0;
	_cleanup_free_ char *type = cor_asprintf("snapshots/%s", sn);
	return type ? cor_engine_lease_add(e, type, key, err) : cor_error_oom(err);
}

static int find_parent(struct cor_engine *e, struct cor_meta *m, const struct create *c, uint64_t *ret_id,
		       struct cor_error *err)
{
	_cleanup_row_ struct row parent = {0};
	if (!*c->parent) {
		*ret_id = 0;
		return 0;
	}
	int r = find(e, m, c->sn, c->parent, &parent, err);
	if (r < 0)
		return r;
	if (r == 0)
		return cor_error_set(err, COR_NOT_FOUND, "parent snapshot %s does not exist: not found",
				     c->parent);
	if (parent.info.kind != COR_SNAPSHOT_COMMITTED)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "failed to create snapshot: parent \"%s\" is not committed snapshot: "
				     "invalid argument",
				     c->parent);
	*ret_id = parent.id;
	return 0;
}

static int create_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct create *c = arg;
	_cleanup_row_ struct row old = {0};
	int r = find(e, m, c->sn, c->key, &old, err);
	if (r < 0)
		return r;
	c->exists = r == 1;
	if (!c->exists) {
		uint64_t parent_id;
		r = cor_meta_snapshot_exists(m, c->id, err);
		c->number_taken = r > 0;
		if (r != 0)
			return r < 0 ? r : 0;
		r = find_parent(e, m, c, &parent_id, err);
		if (r < 0)
			return r;
		if (parent_id != c->parent_id)
			return cor_error_set(err, COR_ABORTED, "parent snapshot %s was replaced meanwhile",
					     c->parent);
		int64_t now = cor_now_ns();
		struct cor_meta_snapshot row = {
			.id = c->id,
			.ns = e->ns,
			.snapshotter = c->sn,
			.key = c->key,
			.parent_id = c->parent_id,
			.kind = (int)c->kind,
			.labels = c->labels ? *c->labels : (struct cor_map){0},
			.created_ns = now,
			.updated_ns = now,
		};
		r = cor_meta_snapshot_insert(m, &row, err);
	}
	return r < 0 ? r : lease_snapshot(e, c->sn, c->key, err);
}

/* A number and its directory. The lowest free one above all records, so that paths stay short. */
static int make_directory(struct cor_engine *e, struct cor_meta *m, struct cor_snapshot_backend *b,
			  struct create *c, struct cor_error *err)
{
	_cleanup_free_ uint64_t *parents = NULL;
	size_t n;
	int r = find_parent(e, m, c, &c->parent_id, err);
	if (r >= 0)
		r = cor_meta_snapshot_parents(m, c->parent_id, &parents, &n, err);
	if (r >= 0)
		r = cor_meta_snapshot_next_id(m, &c->id, err);
	if (r < 0)
		return r;
	while ((r = b->ops->create(b, c->id, parents, n, c->kind == COR_SNAPSHOT_VIEW, err)) == -EEXIST)
		c->id++;
	if (r < 0)
		return r;
	r = cor_engine_remap_own(b, c->id, c->labels, err);
	if (r < 0)
		(void)b->ops->remove(b, c->id, NULL);
	return r;
}

static int lock_snapshots(struct cor_engine *e, const char *sn, enum cor_lock_mode mode, bool wait,
			  struct cor_error *err)
{
	_cleanup_free_ char *name = cor_asprintf("snapshots-%s", sn);
	return name ? cor_engine_lock(e, name, mode, wait, err) : cor_error_oom(err);
}

static int create(struct cor_engine *e, struct cor_meta *m, struct cor_snapshot_backend *b, struct create *c,
		  struct cor_error *err)
{
	_cleanup_close_ int lock = lock_snapshots(e, c->sn, COR_LOCK_SHARED, true, err);
	if (lock < 0)
		return lock;
	_cleanup_row_ struct row old = {0};
	int r = find(e, m, c->sn, c->key, &old, err);
	bool made = r == 0;
	c->number_taken = false;
	if (made)
		r = make_directory(e, m, b, c, err);
	if (r >= 0)
		r = cor_engine_write(e, COR_WRITE_RECORD, create_record, c, err);
	if (made && c->id && (r < 0 || c->exists || c->number_taken))
		(void)b->ops->remove(b, c->id, NULL);
	if (r >= 0 && !c->exists && (c->number_taken || !made))
		return -EAGAIN; /* not made: it was there, then somebody removed it */
	return r;
}

static int create_snapshot(struct cor_services *s, struct create *c, struct cor_mounts *ret,
			   struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_snapshot_backend *b;
	struct cor_meta *m;
	c->sn = cor_engine_snapshotter(e, c->sn);
	if (!c->parent)
		c->parent = "";
	if (cor_empty(c->key))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "snapshot key must not be empty: invalid argument");
	int r = cor_engine_check_labels(c->labels, err);
	if (r >= 0)
		r = cor_engine_backend(e, c->sn, &b, err);
	if (r >= 0)
		r = cor_engine_meta(e, &m, err);
	if (r < 0)
		return r;
	do
		r = create(e, m, b, c, err);
	while (r == -EAGAIN);
	if (r < 0)
		return r;
	if (c->exists)
		return cor_error_set(err, COR_ALREADY_EXISTS, "snapshot \"%s\": already exists", c->key);
	if (cor_engine_fresh_add(e, "snapshot", c->sn, c->key) < 0)
		return cor_error_oom(err);
	return ret ? mounts_of(e, b, c->id, c->parent_id, c->kind == COR_SNAPSHOT_VIEW, c->labels, ret, err)
		   : 0;
}

static int snapshot_prepare(struct cor_services *s, const char *sn, const char *key, const char *parent,
			    const struct cor_map *labels, struct cor_mounts *ret, struct cor_error *err)
{
	struct create c = {
		.sn = sn, .key = key, .parent = parent, .labels = labels, .kind = COR_SNAPSHOT_ACTIVE};
	return create_snapshot(s, &c, ret, err);
}

static int snapshot_view(struct cor_services *s, const char *sn, const char *key, const char *parent,
			 const struct cor_map *labels, struct cor_mounts *ret, struct cor_error *err)
{
	struct create c = {
		.sn = sn, .key = key, .parent = parent, .labels = labels, .kind = COR_SNAPSHOT_VIEW};
	return create_snapshot(s, &c, ret, err);
}

/* ---- changing ---- */

struct change {
	const char *sn, *key, *name;
	const struct cor_map *labels;
	bool replace_all;
	uint64_t id;
	struct cor_usage usage;
	bool exists;
};

static int label_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct change *c = arg;
	_cleanup_row_ struct row row = {0};
	int r = find(e, m, c->sn, c->key, &row, err);
	if (r == 0)
		return not_found(c->key, err);
	if (r > 0)
		r = cor_engine_merge_labels(&row.info.labels, c->labels, c->replace_all, err);
	return r < 0 ? r : cor_meta_snapshot_set_labels(m, row.id, &row.info.labels, cor_now_ns(), err);
}

static int snapshot_label(struct cor_services *s, const char *sn, const char *key,
			  const struct cor_map *labels, bool replace_all, struct cor_error *err)
{
	struct change c = {.sn = sn, .key = key, .labels = labels, .replace_all = replace_all};
	int r = cor_engine_write(cor_engine_of(s), COR_WRITE_DURABLE, label_record, &c, err);
	return r < 0 ? r : 0;
}

static int commit_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct change *c = arg;
	_cleanup_row_ struct row row = {0}, old = {0};
	int r = find(e, m, c->sn, c->name, &old, err);
	if (r < 0)
		return r;
	c->exists = r == 1;
	if (c->exists)
		return lease_snapshot(e, c->sn, c->name, err);
	r = find(e, m, c->sn, c->key, &row, err);
	if (r < 0)
		return r;
	if (r == 0 || row.id != c->id)
		return not_found(c->key, err);
	if (row.info.kind != COR_SNAPSHOT_ACTIVE)
		return not_active(c->key, err);
	r = cor_meta_snapshot_commit(m, c->id, c->name, c->labels, c->usage.size, c->usage.inodes,
				     cor_now_ns(), err);
	return r < 0 ? r : lease_snapshot(e, c->sn, c->name, err);
}

static int snapshot_commit(struct cor_services *s, const char *sn, const char *name, const char *key,
			   const struct cor_map *labels, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct change c = {.sn = cor_engine_snapshotter(e, sn), .key = key, .name = name, .labels = labels};
	struct cor_snapshot_backend *b;
	_cleanup_row_ struct row row = {0};
	if (cor_empty(name))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "snapshot name must not be empty: invalid argument");
	int r = cor_engine_check_labels(labels, err);
	if (r >= 0)
		r = look_up(e, sn, key, &row, &b, err);
	if (r < 0)
		return r;
	if (row.info.kind != COR_SNAPSHOT_ACTIVE)
		return not_active(key, err);
	r = b->ops->sync(b, row.id, err);
	if (r >= 0)
		r = b->ops->usage(b, row.id, &c.usage.size, &c.usage.inodes, err);
	if (r < 0)
		return cor_error_wrap(err, r, "commit snapshot %s", key);
	c.id = row.id;
	r = cor_engine_write(e, COR_WRITE_DURABLE | COR_WRITE_RECORD, commit_record, &c, err);
	if (r < 0)
		return r;
	if (c.exists)
		return cor_error_set(err, COR_ALREADY_EXISTS, "snapshot \"%s\": already exists", name);
	(void)cor_engine_fresh_has(e, "snapshot", c.sn, key, true);
	return 0;
}

static int remove_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct change *c = arg;
	_cleanup_row_ struct row row = {0};
	int r = find(e, m, c->sn, c->key, &row, err);
	if (r == 0)
		return not_found(c->key, err);
	if (r > 0)
		r = cor_meta_snapshot_has_children(m, row.id, err);
	if (r > 0)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "cannot remove snapshot with child: failed precondition");
	if (r == 0)
		r = cor_meta_snapshot_remove(m, row.id, err);
	if (r < 0)
		return r;
	c->id = row.id;
	/* Not the removal of its own: what it stood on may be garbage now. */
	return row.parent_id ? cor_engine_gc_note_unpinned(e, m, err) : 0;
}

static int snapshot_remove(struct cor_services *s, const char *sn, const char *key, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct change c = {.sn = cor_engine_snapshotter(e, sn), .key = key};
	struct cor_snapshot_backend *b;
	int r = cor_engine_backend(e, sn, &b, err);
	if (r < 0)
		return r;
	bool fresh = cor_engine_fresh_has(e, "snapshot", c.sn, key, false);
	r = cor_engine_write(e, COR_WRITE_REMOVES | (fresh ? 0 : COR_WRITE_DURABLE), remove_record, &c, err);
	if (r < 0)
		return r;
	(void)cor_engine_fresh_has(e, "snapshot", c.sn, key, true);
	/* It is gone; data that cannot be removed now is left to the next collection. */
	if (b->ops->remove(b, c.id, NULL) < 0)
		e->gc_wanted = true;
	return 0;
}

/* "snapshot/<snapshotter>/<key>" of the set `fresh`. */
static int persist_one(struct cor_engine *e, const char *name, struct cor_error *err)
{
	const char *rest = cor_after(name, "snapshot/"), *slash = rest ? strchr(rest, '/') : NULL;
	if (!slash)
		return 0;
	_cleanup_free_ char *sn = strndup(rest, (size_t)(slash - rest));
	struct cor_snapshot_backend *b;
	_cleanup_row_ struct row row = {0};
	if (!sn)
		return cor_error_oom(err);
	int r = look_up(e, sn, slash + 1, &row, &b, err);
	/* Somebody else has removed it meanwhile. */
	if (r == -ENOENT) {
		cor_error_clear(err);
		return 0;
	}
	return r < 0 ? r : b->ops->persist(b, row.id, err);
}

int cor_engine_snapshots_persist(struct cor_engine *e, struct cor_error *err)
{
	int r = 0;
	for (size_t i = 0; r >= 0 && e->fresh && e->fresh[i]; i++)
		r = persist_one(e, e->fresh[i], err);
	return r;
}

const struct cor_snapshot_ops cor_engine_snapshot_ops = {
	.stat = snapshot_stat,
	.walk = snapshot_walk,
	.label = snapshot_label,
	.usage = snapshot_usage,
	.mounts = snapshot_mounts,
	.look = snapshot_look,
	.prepare = snapshot_prepare,
	.view = snapshot_view,
	.commit = snapshot_commit,
	.remove = snapshot_remove,
	.can_remap = cor_engine_can_remap,
};
