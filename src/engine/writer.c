/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing content. The store makes a blob whole and durable; then it is recorded, together with the lease that keeps it until
 * something refers to it. Between the two the store's lock is held (shared): a collector cannot see a blob without its record.
 */
#include "engine/content.h"

#include <errno.h>

#include "base/clock.h"

struct writer {
	struct cor_writer writer;
	struct cor_engine *e;
	struct cor_store *store;
	struct cor_store_writer *inner;
};

static struct writer *writer_of(struct cor_writer *w)
{
	return container_of(w, struct writer, writer);
}

static int writer_write(struct cor_writer *w, const void *buf, size_t n, struct cor_error *err)
{
	int r = cor_store_writer_write(writer_of(w)->inner, buf, n, err);
	if (r >= 0)
		w->offset += (int64_t)n;
	return r;
}

static int writer_truncate(struct cor_writer *w, struct cor_error *err)
{
	int r = cor_store_writer_truncate(writer_of(w)->inner, err);
	if (r >= 0)
		w->offset = 0;
	return r;
}

static void writer_free(struct cor_writer *w, bool discard)
{
	if (!w)
		return;
	cor_store_writer_free(writer_of(w)->inner, discard);
	free(writer_of(w));
}

struct record {
	const char *digest;
	int64_t size;
	const struct cor_map *labels;
	bool known; /* the namespace had it before */
};

static int put_record(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct record *rec = arg;
	struct cor_content_info old = {0};
	int64_t now = cor_now_ns();
	int r = cor_engine_content_find(e, m, rec->digest, &old, err);
	if (r < 0)
		return r;
	rec->known = r == 1;
	r = cor_engine_merge_labels(&old.labels, rec->labels, false, err);
	struct cor_meta_content row = {
		.ns = e->ns,
		.digest = rec->digest,
		.size = rec->known ? old.size : rec->size,
		.labels = old.labels,
		.created_ns = rec->known ? old.created_ns : now,
		.updated_ns = now,
	};
	/* Nothing new to say: then say nothing. */
	if (r >= 0 && !(rec->known && (!rec->labels || rec->labels->n == 0)))
		r = cor_meta_content_put(m, &row, err);
	cor_content_info_done(&old);
	return r < 0 ? r : cor_engine_lease_add(e, "content", rec->digest, err);
}

static int already(const char *digest, struct cor_error *err)
{
	return cor_error_set(err, COR_ALREADY_EXISTS, "content %s: already exists", digest);
}

static int writer_commit(struct cor_writer *w, int64_t size, const char *expected,
			 const struct cor_map *labels, char **ret_digest, struct cor_error *err)
{
	struct writer *self = writer_of(w);
	char digest[COR_DIGEST_MAX];
	struct record rec = {.digest = digest, .labels = labels};
	int r = cor_engine_check_labels(labels, err);
	if (r < 0)
		return r;
	_cleanup_close_ int lock = cor_store_lock(self->store, COR_LOCK_SHARED, true, err);
	if (lock < 0)
		return lock;
	r = cor_store_writer_commit(self->inner, size, expected, digest, &rec.size, err);
	if (r < 0 && r != -EEXIST)
		return r;
	cor_error_clear(err);
	_cleanup_free_ char *copy = strdup(digest);
	if (!copy)
		return cor_error_oom(err);
	r = cor_engine_write(self->e, COR_WRITE_DURABLE | COR_WRITE_RECORD, put_record, &rec, err);
	if (r < 0)
		return cor_error_wrap(err, r, "record content %s", digest);
	if (ret_digest)
		*ret_digest = TAKE_PTR(copy);
	return rec.known ? already(digest, err) : 0;
}

static const struct cor_writer_ops writer_ops = {
	.write = writer_write,
	.commit = writer_commit,
	.truncate = writer_truncate,
	.free = writer_free,
};

/* The namespace has it already: lease it, so that it stays. 1 when so. */
static int lease_known(struct cor_engine *e, struct cor_meta *m, void *arg, struct cor_error *err)
{
	struct record *rec = arg;
	struct cor_content_info info = {0};
	int r = cor_engine_content_find(e, m, rec->digest, &info, err);
	cor_content_info_done(&info);
	if (r <= 0)
		return r;
	rec->known = true;
	return cor_engine_lease_add(e, "content", rec->digest, err);
}

static bool blob_is_there(struct cor_engine *e, const char *digest)
{
	struct cor_store *store;
	if (cor_engine_store(e, &store, NULL) < 0)
		return false;
	_cleanup_close_ int fd = cor_store_blob_open(store, digest, NULL, NULL);
	return fd >= 0;
}

static int check_known(struct cor_engine *e, const char *digest, struct cor_error *err)
{
	struct record rec = {.digest = digest};
	struct cor_content_info info = {0};
	struct cor_meta *m;
	int r = cor_engine_meta(e, &m, err);
	if (r >= 0)
		r = cor_engine_content_find(e, m, digest, &info, err);
	cor_content_info_done(&info);
	/* A record whose blob is lost does not count: writing it again is how it is healed. */
	if (r == 1 && blob_is_there(e, digest)) {
		if (e->lease_id)
			r = cor_engine_write(e, 0, lease_known, &rec, err);
		else
			rec.known = true;
	}
	if (r < 0)
		return r;
	return rec.known ? already(digest, err) : 0;
}

int cor_engine_content_writer(struct cor_services *s, const char *ref, int64_t expected_size,
			      const char *expected_digest, bool wait, struct cor_writer **ret,
			      struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	_cleanup_free_ char *full = cor_engine_ingest_ref(e, ref ? ref : "");
	if (!full)
		return cor_error_oom(err);
	if (cor_empty(ref))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "ref must not be empty: invalid argument");
	int r = 0;
	if (!cor_empty(expected_digest)) {
		r = cor_digest_validate(expected_digest, err);
		if (r >= 0)
			r = check_known(e, expected_digest, err);
	}
	if (r < 0)
		return r;
	struct writer *w = cor_new0(struct writer, 1);
	if (!w)
		return cor_error_oom(err);
	w->writer.ops = &writer_ops;
	w->e = e;
	r = cor_engine_store(e, &w->store, err);
	if (r >= 0)
		r = cor_store_writer_open(w->store, full, expected_size,
					  cor_empty(expected_digest) ? NULL : expected_digest, wait,
					  &w->inner, &w->writer.offset, err);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret = &w->writer;
	return 0;
}
