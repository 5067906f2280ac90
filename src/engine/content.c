/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content service: blobs of the store (content/store.h) as far as the namespace has a record of them. Writes: writer.c.
 * The store knows no namespaces: an ingest's ref is "<namespace>/<ref>" there.
 */
#include "engine/content.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"

#define BATCH 128

static int not_found(const char *digest, struct cor_error *err)
{
	return cor_error_set(err, COR_NOT_FOUND, "content digest %s: not found", digest);
}

static int copy_row(struct cor_meta_content *row, struct cor_content_info *ret)
{
	*ret = (struct cor_content_info){
		.digest = strdup(row->digest),
		.size = row->size,
		.labels = row->labels,
		.created_ns = row->created_ns,
		.updated_ns = row->updated_ns,
	};
	row->labels = (struct cor_map){0};
	if (ret->digest)
		return 0;
	cor_content_info_done(ret);
	return -ENOMEM;
}

static int take_one(struct cor_meta_content *row, void *data)
{
	return copy_row(row, data);
}

int cor_engine_content_find(struct cor_engine *e, struct cor_meta *m, const char *digest,
			    struct cor_content_info *ret, struct cor_error *err)
{
	int r = cor_meta_content_get(m, e->ns, digest, take_one, ret, err);
	return r == -ENOMEM ? cor_error_oom(err) : r;
}

static int content_info(struct cor_services *s, const char *digest, struct cor_content_info *ret,
			struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_content_info info = {0};
	struct cor_meta *m;
	int r = cor_digest_validate(digest, err);
	if (r >= 0)
		r = cor_engine_meta(e, &m, err);
	if (r >= 0)
		r = cor_engine_content_find(e, m, digest, &info, err);
	if (r <= 0)
		return r < 0 ? r : not_found(digest, err);
	*ret = info;
	return 0;
}

struct batch {
	struct cor_content_info items[BATCH];
	int n;
};

static int take_batch(struct cor_meta_content *row, void *data)
{
	struct batch *b = data;
	int r = copy_row(row, &b->items[b->n]);
	if (r >= 0)
		b->n++;
	return r;
}

static int content_walk(struct cor_services *s, cor_content_walk_fn fn, void *data, struct cor_error *err)
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
		r = cor_meta_content_walk(m, e->ns, after, BATCH, take_batch, b, err);
		more = b->n == BATCH;
		free(after);
		after = more ? strdup(b->items[BATCH - 1].digest) : NULL;
		if (r == -ENOMEM || (more && !after))
			r = cor_error_oom(err);
		for (int i = 0; i < b->n; i++) {
			if (r == 0)
				r = fn(&b->items[i], data);
			cor_content_info_done(&b->items[i]);
		}
	}
	return r < 0 ? r : 0;
}

struct change {
	const char *digest;
	const struct cor_map *labels;
	bool replace_all;
};

static int label_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct change *c = arg;
	struct cor_content_info info = {0};
	int r = cor_engine_content_find(e, m, c->digest, &info, err);
	if (r == 0)
		return not_found(c->digest, err);
	if (r > 0)
		r = cor_engine_merge_labels(&info.labels, c->labels, c->replace_all, err);
	if (r >= 0) {
		struct cor_meta_content row = {
			.ns = e->ns,
			.digest = c->digest,
			.size = info.size,
			.labels = info.labels,
			.created_ns = info.created_ns,
			.updated_ns = cor_now_ns(),
		};
		r = cor_meta_content_put(m, &row, err);
	}
	cor_content_info_done(&info);
	return r;
}

static int content_label(struct cor_services *s, const char *digest, const struct cor_map *labels,
			 bool replace_all, struct cor_error *err)
{
	struct change c = {digest, labels, replace_all};
	int r = cor_digest_validate(digest, err);
	if (r >= 0)
		r = cor_engine_write(cor_engine_of(s), COR_WRITE_DURABLE, label_record, &c, err);
	return r < 0 ? r : 0;
}

static int remove_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct change *c = arg;
	int r = cor_meta_content_remove(m, e->ns, c->digest, err);
	return r == 0 ? not_found(c->digest, err) : r;
}

int cor_engine_blob_drop(struct cor_engine *e, const char *digest, struct cor_error *err)
{
	struct cor_store *store;
	struct cor_meta *m;
	int r = cor_engine_store(e, &store, err);
	if (r >= 0)
		r = cor_engine_meta(e, &m, err);
	if (r < 0)
		return r;
	/* Nobody is between a blob's rename and its record while we hold this. */
	_cleanup_close_ int lock = cor_store_lock(store, COR_LOCK_EXCLUSIVE, true, err);
	if (lock < 0)
		return lock;
	r = cor_meta_content_exists(m, digest, err);
	if (r == 0)
		r = cor_store_blob_remove(store, digest, err);
	return r < 0 && r != -ENOENT ? r : 0;
}

static int content_remove(struct cor_services *s, const char *digest, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct change c = {.digest = digest};
	int r = cor_digest_validate(digest, err);
	if (r >= 0)
		r = cor_engine_write(e, COR_WRITE_DURABLE | COR_WRITE_REMOVES, remove_record, &c, err);
	if (r < 0)
		return r;
	/* What it referred to may be garbage now. */
	e->gc_wanted = true;
	return cor_engine_blob_drop(e, digest, err);
}

/* ---- reading ---- */

struct blob_reader {
	struct cor_reader reader;
	off_t offset;
};

static ssize_t blob_read(struct cor_reader *r, void *buf, size_t n, struct cor_error *err)
{
	struct blob_reader *b = container_of(r, struct blob_reader, reader);
	ssize_t got;
	do
		got = pread(r->fd, buf, n, b->offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return cor_error_errno(err, errno, "read content");
	b->offset += got;
	return got;
}

static void blob_free(struct cor_reader *r)
{
	cor_close(r->fd);
	free(container_of(r, struct blob_reader, reader));
}

static const struct cor_reader_ops blob_ops = {.read = blob_read, .free = blob_free};

static int content_reader(struct cor_services *s, const char *digest, struct cor_reader **ret,
			  struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_content_info info = {0};
	struct cor_store *store;
	int64_t size;
	int r = content_info(s, digest, &info, err);
	cor_content_info_done(&info);
	if (r >= 0)
		r = cor_engine_store(e, &store, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = cor_store_blob_open(store, digest, &size, err);
	if (fd < 0)
		return fd;
	struct blob_reader *b = cor_new0(struct blob_reader, 1);
	if (!b)
		return cor_error_oom(err);
	b->reader = (struct cor_reader){.ops = &blob_ops, .size = size, .fd = TAKE_FD(fd)};
	*ret = &b->reader;
	return 0;
}

/* ---- ingests ---- */

struct ingest_walk {
	struct cor_engine *e;
	cor_ingest_walk_fn fn;
	void *data;
};

static int emit_ingest(const char *ref, int64_t offset, int64_t total, int64_t started_ns, int64_t updated_ns,
		       bool locked, void *data)
{
	struct ingest_walk *w = data;
	const char *rest = cor_after(ref, w->e->ns);
	if (!rest || *rest != '/')
		return 0;
	struct cor_ingest_status status = {
		.ref = strdup(rest + 1),
		.offset = offset,
		.total = total,
		.started_ns = started_ns,
		.updated_ns = updated_ns,
	};
	int r = status.ref ? w->fn(&status, w->data) : -ENOMEM;
	cor_ingest_status_done(&status);
	return r;
}

static int content_ingests(struct cor_services *s, cor_ingest_walk_fn fn, void *data, struct cor_error *err)
{
	struct ingest_walk w = {cor_engine_of(s), fn, data};
	struct cor_store *store;
	int r = cor_engine_store(w.e, &store, err);
	if (r >= 0)
		r = cor_store_ingest_walk(store, emit_ingest, &w, err);
	return r < 0 ? r : 0;
}

static int content_abort(struct cor_services *s, const char *ref, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	_cleanup_free_ char *full = cor_engine_ingest_ref(e, ref);
	struct cor_store *store;
	if (!full)
		return cor_error_oom(err);
	int r = cor_engine_store(e, &store, err);
	return r < 0 ? r : cor_store_ingest_abort(store, full, err);
}

const struct cor_content_ops cor_engine_content_ops = {
	.info = content_info,
	.walk = content_walk,
	.label = content_label,
	.remove = content_remove,
	.reader = content_reader,
	.writer = cor_engine_content_writer,
	.ingests = content_ingests,
	.abort = content_abort,
};
