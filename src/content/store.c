/* SPDX-License-Identifier: Apache-2.0 */
/* The store's directories and its finished blobs. What is being written is ingest.c's and writer.c's. */
#include "content/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/str.h"

/* Opens or makes a directory; one that is new is durable in its parent before anything is put into it. */
static int open_subdir(int parentfd, const char *name, struct cor_error *err)
{
	int fd = openat(parentfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 || errno != ENOENT)
		return fd >= 0 ? fd : cor_error_errno(err, errno, "open content store: %s", name);
	fd = cor_open_or_mkdir_at(parentfd, name, 0700, err);
	if (fd < 0)
		return fd;
	if (fsync(parentfd) < 0) {
		int e = errno;

		cor_close(fd);
		return cor_error_errno(err, e, "sync content store");
	}
	return fd;
}

int cor_store_open(int dirfd, struct cor_store **ret, struct cor_error *err)
{
	_cleanup_close_ int blobs = -1, sha256 = -1, ingest = -1, dir = -1;
	struct cor_store *s;

	dir = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return cor_error_errno(err, errno, "open content store");
	sha256 = openat(dir, "blobs/sha256", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sha256 < 0) {
		blobs = open_subdir(dir, "blobs", err);
		if (blobs < 0)
			return blobs;
		sha256 = open_subdir(blobs, "sha256", err);
		if (sha256 < 0)
			return sha256;
	}
	ingest = open_subdir(dir, "ingest", err);
	if (ingest < 0)
		return ingest;

	s = calloc(1, sizeof(*s));
	if (!s)
		return cor_error_oom(err);
	*s = (struct cor_store){
		.dirfd = TAKE_FD(dir), .blobsfd = TAKE_FD(sha256), .ingestfd = TAKE_FD(ingest)};
	*ret = s;
	return 0;
}

struct cor_store *cor_store_free(struct cor_store *s)
{
	if (!s)
		return NULL;
	cor_close(s->dirfd);
	cor_close(s->blobsfd);
	cor_close(s->ingestfd);
	free(s);
	return NULL;
}

int cor_store_lock(struct cor_store *s, enum cor_lock_mode mode, bool wait, struct cor_error *err)
{
	return cor_lock_at(s->dirfd, COR_STORE_LOCK, mode, wait, err);
}

int cor_store_blob_open(struct cor_store *s, const char *digest, int64_t *ret_size, struct cor_error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	r = cor_digest_validate(digest, err);
	if (r < 0)
		return r;
	fd = openat(s->blobsfd, cor_digest_hex(digest), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return cor_error_set(err, COR_NOT_FOUND, "content %s: not found", digest);
	if (fd < 0 || fstat(fd, &st) < 0)
		return cor_error_errno(err, errno, "open content %s", digest);
	if (!S_ISREG(st.st_mode))
		return cor_error_set(err, COR_INTERNAL, "content %s: not a regular file", digest);
	if (ret_size)
		*ret_size = st.st_size;
	return TAKE_FD(fd);
}

int cor_store_blob_remove(struct cor_store *s, const char *digest, struct cor_error *err)
{
	int r = cor_digest_validate(digest, err);

	if (r < 0)
		return r;
	if (unlinkat(s->blobsfd, cor_digest_hex(digest), 0) == 0)
		return 0;
	if (errno == ENOENT)
		return cor_error_set(err, COR_NOT_FOUND, "content %s: not found", digest);
	return cor_error_errno(err, errno, "remove content %s", digest);
}

int cor_store_blob_walk(struct cor_store *s,
			int (*fn)(const char *digest, int64_t size, int64_t mtime_ns, void *data), void *data,
			struct cor_error *err)
{
	int fd = openat(s->blobsfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!d) {
		r = cor_error_errno(err, errno, "list content");
		cor_close(fd);
		return r;
	}
	for (errno = 0; (e = readdir(d)); errno = 0) {
		char digest[sizeof("sha256:") + sizeof(e->d_name)];
		struct stat st;

		snprintf(digest, sizeof(digest), "sha256:%s", e->d_name);
		if (cor_digest_validate(digest, NULL) < 0 ||
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		r = fn(digest, st.st_size, st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec,
		       data);
		if (r != 0)
			break;
	}
	if (!e && errno != 0)
		r = cor_error_errno(err, errno, "list content");
	closedir(d);
	return r < 0 ? r : 0;
}
