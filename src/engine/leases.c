/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease service. Two kinds: permanent ones, made and removed by name, which may expire by label; and the operation lease,
 * which lasts as long as a process holds the lock on <root>/leases/<id>. Its row appears with the first thing that it protects,
 * in the same transaction; whoever finds the row with the lock free knows that the operation has ended.
 */
#include "engine/internal.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "oci/identifier.h"

#define BATCH 64

int cor_engine_leases_dir(struct cor_engine *e, struct cor_error *err)
{
	return cor_open_or_mkdir_at(e->root_fd, "leases", 0700, err);
}

int cor_engine_lease_alive(int leases_fd, const char *id, int *ret_lock, struct cor_error *err)
{
	int fd = cor_lock_at(leases_fd, id, COR_LOCK_EXCLUSIVE, false, err);
	if (fd == -EWOULDBLOCK)
		return 1;
	if (fd < 0)
		return fd;
	*ret_lock = fd;
	return 0;
}

static int lease_begin(struct cor_services *s, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	if (e->lease_depth > 0) {
		e->lease_depth++;
		return 0;
	}
	char id[40] = "op-";
	cor_random_hex(id + 3, 24);
	_cleanup_free_ char *copy = strdup(id);
	_cleanup_close_ int dir = copy ? cor_engine_leases_dir(e, err) : cor_error_oom(err);
	if (dir < 0)
		return dir;
	/* Waits only for a collector that looks at an unused lock. */
	int fd = cor_lock_at(dir, id, COR_LOCK_EXCLUSIVE, true, err);
	if (fd < 0)
		return cor_error_wrap(err, fd, "lease");
	e->lease_fd = fd;
	e->lease_id = TAKE_PTR(copy);
	e->lease_recorded = false;
	e->lease_depth = 1;
	return 0;
}

static int forget_current(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	return cor_meta_lease_remove(m, e->ns, e->lease_id, err);
}

static void lease_end(struct cor_services *s)
{
	struct cor_engine *e = cor_engine_of(s);
	if (e->lease_depth == 0 || --e->lease_depth > 0)
		return;
	/* A row that stays is reaped by the next collection, as after a kill. */
	if (e->lease_recorded)
		(void)cor_engine_write(e, COR_WRITE_REMOVES, forget_current, NULL, NULL);
	_cleanup_close_ int dir = cor_engine_leases_dir(e, NULL);
	if (dir >= 0)
		(void)unlinkat(dir, e->lease_id, 0);
	e->lease_fd = cor_close(e->lease_fd);
	free(e->lease_id);
	e->lease_id = NULL;
	e->lease_recorded = false;
}

int cor_engine_lease_add(struct cor_engine *e, const char *type, const char *id, struct cor_error *err)
{
	if (!e->lease_id)
		return 0;
	struct cor_meta_lease lease = {
		.ns = e->ns, .id = e->lease_id, .created_ns = cor_now_ns(), .operation = true};
	int r = cor_meta_lease_insert(e->meta, &lease, err);
	if (r < 0)
		return r;
	e->lease_recorded = true;
	struct cor_meta_lease_resource res = {.ns = e->ns, .lease = e->lease_id, .type = type, .id = id};
	r = cor_meta_lease_resource_add(e->meta, &res, err);
	return r < 0 ? r : 0;
}

/* ---- permanent leases ---- */

static int ignore_row(struct cor_meta_lease *row, void *data)
{
	return 0;
}

static int insert_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	const struct cor_meta_lease *row = arg;
	int r = cor_meta_lease_get(m, e->ns, row->id, ignore_row, NULL, err);
	if (r == 1)
		return cor_error_set(err, COR_ALREADY_EXISTS, "lease \"%s\": already exists", row->id);
	return r < 0 ? r : cor_meta_lease_insert(m, row, err);
}

static int check_expiry(const struct cor_map *labels, struct cor_error *err)
{
	const char *expire = labels ? cor_map_get(labels, "containerd.io/gc.expire") : NULL;
	int64_t when;
	if (expire && cor_time_parse(expire, &when) < 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid expiration \"%s\": invalid argument",
				     expire);
	return 0;
}

static int lease_create(struct cor_services *s, const char *id, const struct cor_map *labels,
			struct cor_lease *ret, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	char made_up[20];
	struct cor_lease lease = {0};
	if (cor_empty(id)) {
		cor_random_hex(made_up, 16);
		id = made_up;
	}
	struct cor_meta_lease row = {.ns = e->ns, .id = id, .created_ns = cor_now_ns()};
	if (labels)
		row.labels = *labels;
	int r = cor_identifier_validate("lease.ID", id, err);
	if (r >= 0)
		r = cor_engine_check_labels(labels, err);
	if (r >= 0)
		r = check_expiry(labels, err);
	if (r >= 0)
		r = cor_engine_write(e, COR_WRITE_DURABLE | COR_WRITE_RECORD, insert_record, &row, err);
	if (r < 0 || !ret)
		return r < 0 ? r : 0;
	lease.id = strdup(id);
	lease.created_ns = row.created_ns;
	if (!lease.id || cor_map_copy(&lease.labels, &row.labels) < 0) {
		cor_lease_done(&lease);
		return cor_error_oom(err);
	}
	*ret = lease;
	return 0;
}

static int remove_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	const char *id = arg;
	int r = cor_meta_lease_remove(m, e->ns, id, err);
	return r == 0 ? cor_error_set(err, COR_NOT_FOUND, "lease \"%s\": not found", id) : r;
}

static int lease_remove(struct cor_services *s, const char *id, bool sync, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	int r = cor_engine_write(e, COR_WRITE_DURABLE | COR_WRITE_REMOVES, remove_record, (void *)id, err);
	if (r < 0)
		return r;
	e->gc_wanted = true;
	return sync ? cor_engine_gc(e, false, NULL, NULL, err) : 0;
}

static int add_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	const struct cor_meta_lease_resource *res = arg;
	int r = cor_meta_lease_get(m, e->ns, res->lease, ignore_row, NULL, err);
	if (r == 0)
		return cor_error_set(err, COR_NOT_FOUND, "lease \"%s\": not found", res->lease);
	return r < 0 ? r : cor_meta_lease_resource_add(m, res, err);
}

static int lease_add(struct cor_services *s, const char *id, const struct cor_lease_resource *res,
		     struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	if (!streq(res->type, "content") && !streq(res->type, "ingests") &&
	    !cor_after(res->type, "snapshots/"))
		return cor_error_set(err, COR_UNIMPLEMENTED,
				     "resource type %s not supported: not implemented", res->type);
	struct cor_meta_lease_resource row = {.ns = e->ns, .lease = id, .type = res->type, .id = res->id};
	int r = cor_engine_write(e, COR_WRITE_DURABLE, add_record, &row, err);
	return r < 0 ? r : 0;
}

struct batch {
	struct {
		struct cor_lease lease;
		bool operation;
	} items[BATCH];
	int n;
};

static int take_batch(struct cor_meta_lease *row, void *data)
{
	struct batch *b = data;
	char *id = strdup(row->id);
	if (!id)
		return -ENOMEM;
	b->items[b->n].operation = row->operation;
	b->items[b->n].lease =
		(struct cor_lease){.id = id, .labels = row->labels, .created_ns = row->created_ns};
	b->n++;
	row->labels = (struct cor_map){0};
	return 0;
}

/* Operation leases of processes that have ended are not shown: they hold nothing any more. */
static int emit(struct cor_engine *e, const struct cor_lease *lease, bool operation, cor_lease_walk_fn fn,
		void *data, struct cor_error *err)
{
	if (operation && !(e->lease_id && streq(e->lease_id, lease->id))) {
		_cleanup_close_ int dir = cor_engine_leases_dir(e, err), lock = -1;
		if (dir < 0)
			return dir;
		int r = cor_engine_lease_alive(dir, lease->id, &lock, err);
		if (r == 0)
			(void)unlinkat(dir, lease->id, 0);
		if (r <= 0)
			return r;
	}
	return fn(lease, data);
}

static int lease_walk(struct cor_services *s, cor_lease_walk_fn fn, void *data, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct batch b;
	_cleanup_free_ char *after = NULL;
	struct cor_meta *m;
	int r = cor_engine_meta(e, &m, err);
	for (bool more = true; r == 0 && more;) {
		b.n = 0;
		r = cor_meta_lease_walk(m, e->ns, after, BATCH, take_batch, &b, err);
		more = b.n == BATCH;
		free(after);
		after = more ? strdup(b.items[BATCH - 1].lease.id) : NULL;
		if (r == -ENOMEM || (more && !after))
			r = cor_error_oom(err);
		for (int i = 0; i < b.n; i++) {
			if (r == 0)
				r = emit(e, &b.items[i].lease, b.items[i].operation, fn, data, err);
			cor_lease_done(&b.items[i].lease);
		}
	}
	return r < 0 ? r : 0;
}

const struct cor_lease_ops cor_engine_lease_ops = {
	.create = lease_create,
	.remove = lease_remove,
	.walk = lease_walk,
	.add = lease_add,
	.begin = lease_begin,
	.end = lease_end,
};
