/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partial writes: finding, locking, listing, aborting. The lock file lives in the ingest's own directory, so it goes
 * when the ingest goes; who waited for it then finds the directory gone and starts over.
 */
#include "content/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/str.h"

void cor_ingest_name(const char *ref, char ret[COR_DIGEST_MAX])
{
	char digest[COR_DIGEST_MAX];

	cor_digest_of(ref, strlen(ref), digest);
	memcpy(ret, cor_digest_hex(digest), strlen(cor_digest_hex(digest)) + 1);
}

/* Whether dirfd is still what the name stands for. */
static bool is_current(struct cor_store *s, const char *name, int dirfd)
{
	struct stat a, b;

	return fstat(dirfd, &a) == 0 && fstatat(s->ingestfd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* A busy lock is tried again for some milliseconds even without `wait`: a listing may be looking at it (is_locked). */
static int try_lock(int dirfd, bool wait, struct cor_error *err)
{
	int fd = -EWOULDBLOCK;

	for (int i = 0; i < 5 && fd == -EWOULDBLOCK; i++) {
		if (i > 0)
			(void)usleep(1000);
		fd = cor_lock_at(dirfd, COR_INGEST_LOCK, COR_LOCK_EXCLUSIVE, wait, err);
	}
	return fd;
}

int cor_ingest_lock(struct cor_store *s, const char *name, bool make, bool wait, int *ret_dirfd,
		    int *ret_lockfd, struct cor_error *err)
{
	for (;;) {
		_cleanup_close_ int dir = -1, lock = -1;

		if (make && mkdirat(s->ingestfd, name, 0700) < 0 && errno != EEXIST)
			return cor_error_errno(err, errno, "make ingest");
		dir = openat(s->ingestfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0 && errno == ENOENT) {
			if (make)
				continue;
			return -ENOENT;
		}
		if (dir < 0)
			return cor_error_errno(err, errno, "open ingest");
		lock = try_lock(dir, wait, err);
		if (lock == -EWOULDBLOCK)
			return lock;
		if (lock < 0 && lock != -ENOENT)
			return lock;
		if (lock < 0 || !is_current(s, name, dir)) {
			cor_error_clear(err); /* removed by the one who had it: start over */
			continue;
		}
		*ret_dirfd = TAKE_FD(dir);
		*ret_lockfd = TAKE_FD(lock);
		return 0;
	}
}

/* Everything but the lock: also temporary files that a killed writer has left. */
static int remove_files(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!d) {
		r = -errno;
		cor_close(fd);
		return r;
	}
	while (r == 0 && (e = readdir(d)))
		if (!streq(e->d_name, ".") && !streq(e->d_name, "..") && !streq(e->d_name, COR_INGEST_LOCK) &&
		    unlinkat(fd, e->d_name, 0) < 0 && errno != ENOENT)
			r = -errno;
	closedir(d);
	return r;
}

int cor_ingest_remove(struct cor_store *s, const char *name, int dirfd, struct cor_error *err)
{
	int r = remove_files(dirfd);

	if (r < 0)
		return cor_error_errno(err, r, "remove ingest");
	if (unlinkat(dirfd, COR_INGEST_LOCK, 0) < 0 && errno != ENOENT)
		return cor_error_errno(err, errno, "remove ingest");
	/* ENOTEMPTY: a waiter has put its lock file there just now and goes on with the directory. */
	if (unlinkat(s->ingestfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY)
		return cor_error_errno(err, errno, "remove ingest");
	return 0;
}

struct status {
	char *ref;
	int64_t offset, total, started_ns, updated_ns;
};

static int64_t mtime_ns(const struct stat *st)
{
	return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

/* -ENOENT for an ingest that is just being made or removed. */
static int read_status(int dirfd, struct status *ret)
{
	_cleanup_free_ char *ref = NULL, *total = NULL;
	struct stat st;

	if (cor_read_file_at(dirfd, COR_INGEST_REF, COR_REF_MAX, &ref, NULL, NULL) < 0 ||
	    fstatat(dirfd, COR_INGEST_REF, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -ENOENT;
	*ret = (struct status){.started_ns = mtime_ns(&st), .updated_ns = mtime_ns(&st)};
	if (fstatat(dirfd, COR_INGEST_DATA, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		ret->offset = st.st_size;
		ret->updated_ns = mtime_ns(&st);
	}
	if (cor_read_file_at(dirfd, COR_INGEST_TOTAL, 32, &total, NULL, NULL) >= 0)
		(void)cor_parse_i64(total, &ret->total);
	ret->ref = TAKE_PTR(ref);
	return 0;
}

/* flock cannot be asked, only tried: the lock is held for a moment here, which try_lock() allows for. */
static bool is_locked(int dirfd)
{
	_cleanup_close_ int fd = openat(dirfd, COR_INGEST_LOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* A writer was killed before it had named its ingest: nobody could ever abort it. One that is at it holds the lock. */
static void reap_nameless(struct cor_store *s, const char *name)
{
	_cleanup_close_ int dir = -1, lock = -1;
	struct status st;

	if (cor_ingest_lock(s, name, false, false, &dir, &lock, NULL) < 0)
		return;
	if (read_status(dir, &st) == 0)
		free(st.ref);
	else
		(void)cor_ingest_remove(s, name, dir, NULL);
}

int cor_store_ingest_walk(struct cor_store *s,
			  int (*fn)(const char *ref, int64_t offset, int64_t total, int64_t started_ns,
				    int64_t updated_ns, bool locked, void *data),
			  void *data, struct cor_error *err)
{
	int fd = openat(s->ingestfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!d) {
		r = cor_error_errno(err, errno, "list ingests");
		cor_close(fd);
		return r;
	}
	for (errno = 0; (e = readdir(d)); errno = 0) {
		_cleanup_close_ int dir = -1;
		struct status st;

		if (e->d_name[0] == '.')
			continue;
		dir = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0)
			continue;
		if (read_status(dir, &st) < 0) {
			reap_nameless(s, e->d_name);
			continue;
		}
		r = fn(st.ref, st.offset, st.total, st.started_ns, st.updated_ns, is_locked(dir), data);
		free(st.ref);
		if (r != 0)
			break;
	}
	if (!e && errno != 0)
		r = cor_error_errno(err, errno, "list ingests");
	closedir(d);
	return r < 0 ? r : 0;
}

int cor_store_ingest_abort(struct cor_store *s, const char *ref, struct cor_error *err)
{
	_cleanup_close_ int dir = -1, lock = -1;
	char name[COR_DIGEST_MAX];
	int r;

	cor_ingest_name(ref, name);
	r = cor_ingest_lock(s, name, false, false, &dir, &lock, err);
	if (r == -ENOENT)
		return cor_error_set(err, COR_NOT_FOUND, "ingest ref \"%.256s\": not found", ref);
	if (r == -EWOULDBLOCK)
		return cor_error_set(err, COR_UNAVAILABLE, "ref %.256s locked: unavailable", ref);
	if (r < 0)
		return r;
	return cor_ingest_remove(s, name, dir, err);
}
