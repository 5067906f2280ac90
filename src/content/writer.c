/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a blob: hash while writing, and rename into place only what is durable and has the right name.
 *
 *   state       what is on disk                       leaves it by
 *   OPEN        ingest/<x>/{ref,total,data}, locked   write, truncate -> OPEN; commit -> DONE | OPEN (I/O error before
 *                                                     the rename; resumable); free -> nothing | the ingest, unlocked
 *   DONE        the blob, or nothing (mismatch)       free
 *
 * A crash at any point leaves a resumable ingest, or the blob and perhaps an ingest directory without data.
 */
#include "content/store_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/str.h"

struct cor_store_writer {
	struct cor_store *store;
	char name[COR_DIGEST_MAX];
	int dirfd, lockfd, datafd;
	int64_t offset;
	struct cor_sha256 hash;
	char expected[COR_DIGEST_MAX]; /* "" when unknown */
	bool done;
};

static int write_meta(int dirfd, const char *ref, int64_t total, struct cor_error *err)
{
	_cleanup_free_ char *old = NULL;
	char text[32];
	int n, r;

	if (cor_read_file_at(dirfd, COR_INGEST_REF, COR_REF_MAX, &old, NULL, NULL) < 0 || !streq(old, ref)) {
		r = cor_write_file_at(dirfd, COR_INGEST_REF, ref, strlen(ref), 0600, false, err);
		if (r < 0)
			return r;
	}
	if (total <= 0)
		return 0;
	n = snprintf(text, sizeof(text), "%" PRId64, total);
	return cor_write_file_at(dirfd, COR_INGEST_TOTAL, text, (size_t)n, 0600, false, err);
}

/* Hashes what an interrupted write has left. */
static int rehash(struct cor_store_writer *w, struct cor_error *err)
{
	size_t size = 1 << 18;
	_cleanup_free_ char *buf = malloc(size);
	ssize_t n;

	if (!buf)
		return cor_error_oom(err);
	while ((n = cor_read_full(w->datafd, buf, size)) > 0) {
		cor_sha256_update(&w->hash, buf, (size_t)n);
		w->offset += n;
	}
	return n < 0 ? cor_error_errno(err, (int)n, "read ingest") : 0;
}

static int writer_start(struct cor_store_writer *w, const char *ref, int64_t total, struct cor_error *err)
{
	struct stat st;
	int r;

	r = write_meta(w->dirfd, ref, total, err);
	if (r < 0)
		return r;
	w->datafd = openat(w->dirfd, COR_INGEST_DATA, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (w->datafd < 0 || fstat(w->datafd, &st) < 0)
		return cor_error_errno(err, errno, "open ingest data");
	cor_sha256_init(&w->hash);
	return st.st_size > 0 ? rehash(w, err) : 0;
}

int cor_store_writer_open(struct cor_store *s, const char *ref, int64_t total, const char *expected,
			  bool wait, struct cor_store_writer **ret, int64_t *ret_offset,
			  struct cor_error *err)
{
	struct cor_store_writer *w;
	int r;

	if (cor_empty(ref) || strlen(ref) > COR_REF_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid ingest ref \"%.100s\"",
				     ref ? ref : "");
	if (!cor_empty(expected) && (r = cor_digest_validate(expected, err)) < 0)
		return r;
	w = calloc(1, sizeof(*w));
	if (!w)
		return cor_error_oom(err);
	*w = (struct cor_store_writer){.store = s, .dirfd = -1, .lockfd = -1, .datafd = -1};
	snprintf(w->expected, sizeof(w->expected), "%s", expected ? expected : "");
	cor_ingest_name(ref, w->name);

	r = cor_ingest_lock(s, w->name, true, wait, &w->dirfd, &w->lockfd, err);
	if (r == -EWOULDBLOCK)
		r = cor_error_set(err, COR_UNAVAILABLE, "ref %.256s locked: unavailable", ref);
	else if (r == 0)
		r = writer_start(w, ref, total, err);
	if (r < 0) {
		cor_store_writer_free(w, false);
		return r;
	}
	*ret = w;
	*ret_offset = w->offset;
	return 0;
}

int cor_store_writer_write(struct cor_store_writer *w, const void *buf, size_t n, struct cor_error *err)
{
	int r;

	if (w->done)
		return cor_error_set(err, COR_FAILED_PRECONDITION, "write after commit: failed precondition");
	r = cor_pwrite_full(w->datafd, buf, n, w->offset);
	if (r < 0) {
		/* What was written of it is not hashed: cut it off, so that the ingest stays resumable. */
		if (ftruncate(w->datafd, w->offset) < 0)
			w->done = true;
		return cor_error_errno(err, r, "write content");
	}
	cor_sha256_update(&w->hash, buf, n);
	w->offset += (int64_t)n;
	return 0;
}

int cor_store_writer_truncate(struct cor_store_writer *w, struct cor_error *err)
{
	if (ftruncate(w->datafd, 0) < 0)
		return cor_error_errno(err, errno, "truncate ingest");
	w->offset = 0;
	cor_sha256_init(&w->hash);
	return 0;
}

/* Removes the ingest and closes the writer for good. */
static void finish(struct cor_store_writer *w)
{
	w->done = true;
	(void)cor_ingest_remove(w->store, w->name, w->dirfd, NULL);
	w->lockfd = cor_close(w->lockfd);
}

static int verify(struct cor_store_writer *w, int64_t size, const char *expected, const char *digest,
		  struct cor_error *err)
{
	if (size > 0 && size != w->offset)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "unexpected commit size %" PRId64 ", expected %" PRId64
				     ": failed precondition",
				     w->offset, size);
	if (!cor_empty(expected) && !streq(expected, digest))
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "unexpected commit digest %s, expected %s: failed precondition", digest,
				     expected);
	return 0;
}

/* Moves the (durable) data to its name. 0, -EEXIST when a blob of this size has the name, or an error. */
static int place(struct cor_store_writer *w, const char *digest, struct cor_error *err)
{
	int blobs = w->store->blobsfd;
	const char *hex = cor_digest_hex(digest);
	struct stat st;

	if (renameat2(w->dirfd, COR_INGEST_DATA, blobs, hex, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EEXIST && errno != EINVAL)
		return cor_error_errno(err, errno, "commit content %s", digest);
	if (fstatat(blobs, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size == w->offset)
		return -EEXIST;
	/* What is there cannot be the blob (damaged from outside), or the file system has no RENAME_NOREPLACE. */
	if (renameat(w->dirfd, COR_INGEST_DATA, blobs, hex) < 0)
		return cor_error_errno(err, errno, "commit content %s", digest);
	return 0;
}

int cor_store_writer_commit(struct cor_store_writer *w, int64_t size, const char *expected,
			    char ret_digest[COR_DIGEST_MAX], int64_t *ret_size, struct cor_error *err)
{
	struct cor_sha256 hash = w->hash;
	char digest[COR_DIGEST_MAX];
	int placed, r;

	if (w->done)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "commit of a closed writer: failed precondition");
	if (!cor_empty(expected) && (r = cor_digest_validate(expected, err)) < 0)
		return r;
	cor_sha256_digest(&hash, digest);
	r = verify(w, size, cor_empty(expected) ? w->expected : expected, digest, err);
	if (r < 0) {
		finish(w);
		return r;
	}
	if (fchmod(w->datafd, 0644) < 0)
		return cor_error_errno(err, errno, "commit content %s", digest);
	if (fsync(w->datafd) < 0) {
		/* The kernel may have dropped the pages: what is in the file now must never be taken up again. */
		r = cor_error_errno(err, errno, "sync content %s", digest);
		finish(w);
		return r;
	}
	placed = place(w, digest, err);
	if (placed < 0 && placed != -EEXIST)
		return placed;
	/* Also for one that was there: its writer may not have come to this line yet. */
	if (fsync(w->store->blobsfd) < 0)
		return cor_error_errno(err, errno, "sync content store");
	finish(w);
	memcpy(ret_digest, digest, sizeof(digest));
	if (ret_size)
		*ret_size = w->offset;
	if (placed == -EEXIST)
		return cor_error_set(err, COR_ALREADY_EXISTS, "content %s: already exists", digest);
	return 0;
}

void cor_store_writer_free(struct cor_store_writer *w, bool discard)
{
	if (!w)
		return;
	if (!w->done && discard && w->dirfd >= 0 && w->lockfd >= 0)
		finish(w);
	cor_close(w->datafd);
	cor_close(w->dirfd);
	cor_close(w->lockfd);
	free(w);
}
