/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of a collection: data that no record stands for. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/checkpoint.h"
#include "engine/gc.h"

#define INGEST_AGE_NS (24 * 3600 * INT64_C(1000000000))
/* How long an automatic collection waits for a lock that others share, in steps of 5 ms. */
#define LOCK_TRIES    200

void gc_reset(struct gc *gc)
{
	for (size_t i = 0; i < gc->n; i++) {
		free(gc->items[i].ns);
		free(gc->items[i].id);
	}
	free(gc->items);
	gc->items = NULL;
	gc->n = gc->cap = 0;
	gc->leased_ingests = cor_strv_free(gc->leased_ingests);
}

/* ---- blobs ---- */

struct blobs {
	struct cor_engine *e;
	struct gc *gc;
	struct cor_error *err;
	char **names;
};

static int look_at_blob(const char *digest, int64_t size, int64_t mtime_ns, void *data)
{
	struct blobs *b = data;
	int r = cor_meta_content_exists(b->e->meta, digest, b->err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (cor_strv_push(&b->names, digest) < 0)
		return cor_error_oom(b->err);
	/* Its record was told of when it was removed just now. */
	for (size_t i = 0; i < b->gc->n; i++)
		if (streq(b->gc->items[i].id, digest))
			return 0;
	return gc_tell(b->gc, "", "orphan", digest, size);
}

static int sweep_blobs(struct cor_engine *e, struct gc *gc, struct cor_error *err)
{
	struct cor_store *store;
	struct blobs b = {.e = e, .gc = gc, .err = err};
	int r = cor_engine_store(e, &store, err);
	if (r < 0)
		return r;
	_cleanup_close_ int lock = cor_store_lock(store, COR_LOCK_EXCLUSIVE, true, err);
	if (lock < 0)
		return lock;
	r = cor_store_blob_walk(store, look_at_blob, &b, err);
	for (size_t i = 0; r == 0 && !gc->dry_run && b.names && b.names[i]; i++) {
		r = cor_store_blob_remove(store, b.names[i], err);
		if (r == -ENOENT)
			r = 0;
	}
	cor_strv_free(b.names);
	return r;
}

/* ---- ingests ---- */

struct ingests {
	struct gc *gc;
	int64_t now_ns;
	char **refs;
};

static int look_at_ingest(const char *ref, int64_t offset, int64_t total, int64_t started_ns,
			  int64_t updated_ns, bool locked, void *data)
{
	struct ingests *in = data;
	if (locked || in->now_ns - updated_ns < INGEST_AGE_NS ||
	    cor_strv_contains(in->gc->leased_ingests, ref))
		return 0;
	if (cor_strv_push(&in->refs, ref) < 0)
		return -ENOMEM;
	const char *slash = strchr(ref, '/');
	_cleanup_free_ char *ns = strndup(ref, slash ? (size_t)(slash - ref) : 0);
	return ns ? gc_tell(in->gc, ns, "ingest", slash ? slash + 1 : ref, offset) : -ENOMEM;
}

static int sweep_ingests(struct cor_engine *e, struct gc *gc, struct cor_error *err)
{
	struct cor_store *store;
	struct ingests in = {.gc = gc, .now_ns = cor_now_ns()};
	int r = cor_engine_store(e, &store, err);
	if (r >= 0)
		r = cor_store_ingest_walk(store, look_at_ingest, &in, err);
	for (size_t i = 0; r == 0 && !gc->dry_run && in.refs && in.refs[i]; i++) {
		/* Somebody may be taking it up again, or have dropped it, right now. */
		r = cor_store_ingest_abort(store, in.refs[i], NULL);
		r = r == -ENOMEM ? r : 0;
	}
	cor_strv_free(in.refs);
	return r == -ENOMEM ? cor_error_oom(err) : r;
}

/* ---- snapshot directories ---- */

struct directories {
	struct cor_engine *e;
	struct cor_error *err;
	uint64_t *ids;
	size_t n, cap;
};

static int look_at_directory(uint64_t id, void *data)
{
	struct directories *d = data;
	int r = cor_meta_snapshot_exists(d->e->meta, id, d->err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (cor_grow(&d->ids, &d->cap, d->n + 1, sizeof(*d->ids)) < 0)
		return cor_error_oom(d->err);
	d->ids[d->n++] = id;
	return 0;
}

/* Those who make snapshots share this lock, some (copying) for seconds. -EWOULDBLOCK: not this time. */
static int lock_directories(struct cor_engine *e, const char *sn, struct cor_error *err)
{
	char name[64];
	(void)snprintf(name, sizeof(name), "snapshots-%s", sn);
	for (int i = 0; i < LOCK_TRIES; i++) {
		int fd = cor_engine_lock(e, name, COR_LOCK_EXCLUSIVE, false, err);
		if (fd != -EWOULDBLOCK)
			return fd;
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	return -EWOULDBLOCK;
}

/* Its record was told of when it was removed just now. */
static bool told_of(const struct gc *gc, uint64_t id)
{
	for (size_t i = 0; i < gc->n; i++)
		if (gc->items[i].snapshot_id == id)
			return true;
	return false;
}

static int detach_orphans(struct gc *gc, struct cor_snapshot_backend *b, const struct directories *d,
			  struct cor_error *err)
{
	for (size_t i = 0; i < d->n; i++) {
		char id[64];
		(void)snprintf(id, sizeof(id), "%s/%llu", b->ops->name, (unsigned long long)d->ids[i]);
		int r = told_of(gc, d->ids[i]) ? 0 : gc_tell(gc, "", "orphan", id, -1);
		if (r == 0 && !gc->dry_run)
			r = b->ops->detach(b, d->ids[i], err);
		if (r != 0)
			return r;
	}
	return 0;
}

static int sweep_directories(struct cor_engine *e, struct gc *gc, const char *sn, struct cor_error *err)
{
	struct cor_snapshot_backend *b;
	struct directories d = {.e = e, .err = err};
	if (faccessat(e->root_fd, sn, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	int r = cor_engine_backend(e, sn, &b, err);
	if (r < 0)
		return r;
	_cleanup_close_ int lock = lock_directories(e, sn, err);
	if (lock < 0)
		return lock == -EWOULDBLOCK ? 0 : lock;
	r = b->ops->walk(b, look_at_directory, &d, err);
	if (r == 0)
		r = detach_orphans(gc, b, &d, err);
	lock = cor_close(lock);
	free(d.ids);
	if (r == 0 && !gc->dry_run)
		r = b->ops->purge(b, err);
	return r;
}

/* Lock files of operations that have ended. Their rows went with the other records. */
static int sweep_leases(struct cor_engine *e, struct gc *gc, struct cor_error *err)
{
	int fd = cor_engine_leases_dir(e, err);
	if (fd < 0 || gc->dry_run) {
		cor_close(fd);
		return fd < 0 ? fd : 0;
	}
	DIR *dir = fdopendir(fd);
	if (!dir) {
		int r = cor_error_errno(err, errno, "list %s/leases", e->root);
		cor_close(fd);
		return r;
	}
	struct dirent *d;
	while ((d = readdir(dir))) {
		_cleanup_close_ int lock = -1;
		if (cor_startswith(d->d_name, "op-") && !(e->lease_id && streq(d->d_name, e->lease_id)) &&
		    cor_engine_lease_alive(fd, d->d_name, &lock, NULL) == 0)
			(void)unlinkat(fd, d->d_name, 0);
	}
	closedir(dir);
	return 0;
}

int gc_sweep(struct cor_engine *e, struct gc *gc, struct cor_error *err)
{
	int r = sweep_blobs(e, gc, err);
	if (r == 0)
		r = sweep_directories(e, gc, "overlayfs", err);
	if (r == 0)
		r = sweep_directories(e, gc, "native", err);
	if (r == 0)
		r = sweep_ingests(e, gc, err);
	if (r == 0 && !gc->dry_run)
		r = cor_checkpoint_dirs_sweep(e, err);
	return r == 0 ? sweep_leases(e, gc, err) : r;
}
