/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs on disk: <dir>/blobs/sha256/<hex> (mode 0644, dir 0700) and partial writes in <dir>/ingest/<sha256 of ref>/
 * {data, ref, total, lock}. Knows nothing of names, labels or namespaces.
 *
 * Invariants:
 *  1. A file under blobs/ has exactly the bytes its name says (size, SHA-256 checked over the whole stream), and those
 *     bytes and its directory entry are durable before commit returns.
 *  2. A ref has one writer at a time, on the machine (flock on the ingest's lock file).
 *  3. cor_store_lock(SHARED) is held from before a blob's rename until the caller has recorded it; a remover holds it
 *     EXCLUSIVE while it checks that no record is left and unlinks.
 */
#ifndef COR_CONTENT_STORE_H
#define COR_CONTENT_STORE_H

#include "base/error.h"
#include "base/lock.h"
#include "oci/digest.h"

struct cor_store;

/* dirfd: the store's directory (kept open, dup'ed). Makes what is missing. */
int cor_store_open(int dirfd, struct cor_store **ret, struct cor_error *err);
struct cor_store *cor_store_free(struct cor_store *s);
/* Lock descriptor, see invariant 3. */
int cor_store_lock(struct cor_store *s, enum cor_lock_mode mode, bool wait, struct cor_error *err);

/* fd of a blob (O_RDONLY), *ret_size may be NULL; NOT_FOUND "content <digest>: not found". */
int cor_store_blob_open(struct cor_store *s, const char *digest, int64_t *ret_size, struct cor_error *err);
int cor_store_blob_remove(struct cor_store *s, const char *digest, struct cor_error *err);
/* Each blob on disk; fn returns non-zero to stop. */
int cor_store_blob_walk(struct cor_store *s,
			int (*fn)(const char *digest, int64_t size, int64_t mtime_ns, void *data), void *data,
			struct cor_error *err);

struct cor_store_writer;
/* Opens or resumes (the data already there is re-hashed). wait false and busy: UNAVAILABLE "ref X locked". total 0: unknown. */
int cor_store_writer_open(struct cor_store *s, const char *ref, int64_t total, const char *expected,
			  bool wait, struct cor_store_writer **ret, int64_t *ret_offset,
			  struct cor_error *err);
int cor_store_writer_write(struct cor_store_writer *w, const void *buf, size_t n, struct cor_error *err);
int cor_store_writer_truncate(struct cor_store_writer *w, struct cor_error *err);
/* size 0 / expected NULL: unchecked. Mismatch: FAILED_PRECONDITION with containerd's texts ("unexpected commit size %d, expected
 * %d", "unexpected commit digest %s, expected %s") and the ingest is discarded. When the blob already exists: -EEXIST with
 * the digest still returned. Ingest directory is gone afterwards. */
int cor_store_writer_commit(struct cor_store_writer *w, int64_t size, const char *expected,
			    char ret_digest[COR_DIGEST_MAX], int64_t *ret_size, struct cor_error *err);
void cor_store_writer_free(struct cor_store_writer *w, bool discard);

int cor_store_ingest_walk(struct cor_store *s,
			  int (*fn)(const char *ref, int64_t offset, int64_t total, int64_t started_ns,
				    int64_t updated_ns, bool locked, void *data),
			  void *data, struct cor_error *err);
/* NOT_FOUND when there is none; UNAVAILABLE while somebody writes. */
int cor_store_ingest_abort(struct cor_store *s, const char *ref, struct cor_error *err);

#endif
