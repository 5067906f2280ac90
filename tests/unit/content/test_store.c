/* SPDX-License-Identifier: Apache-2.0 */
/* The content store's invariants (content/store.h): verified, durable, one writer per ref, crash-safe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "content/store.h"

struct fixture {
	char path[32];
	int dirfd;
	struct cor_store *store;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->path, sizeof(f->path), "/tmp/cor-store-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dirfd = cor_open_dir(f->path, NULL);
	assert_true(f->dirfd >= 0);
	assert_int_equal(cor_store_open(f->dirfd, &f->store, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cor_store_free(f->store);
	cor_close(f->dirfd);
	assert_int_equal(cor_remove_tree_at(AT_FDCWD, f->path, NULL), 0);
	free(f);
	return 0;
}

static struct cor_store_writer *open_writer(struct cor_store *s, const char *ref, int64_t offset)
{
	struct cor_store_writer *w = NULL;
	int64_t got = -1;

	assert_int_equal(cor_store_writer_open(s, ref, 0, NULL, false, &w, &got, NULL), 0);
	assert_int_equal(got, offset);
	return w;
}

static int put(struct cor_store *s, const char *ref, const char *text, char digest[COR_DIGEST_MAX])
{
	struct cor_store_writer *w = open_writer(s, ref, 0);
	int64_t size = 0;
	int r;

	assert_int_equal(cor_store_writer_write(w, text, strlen(text), NULL), 0);
	r = cor_store_writer_commit(w, (int64_t)strlen(text), NULL, digest, &size, NULL);
	if (r == 0)
		assert_int_equal(size, strlen(text));
	cor_store_writer_free(w, false);
	return r;
}

static void assert_blob(struct cor_store *s, const char *digest, const char *text)
{
	_cleanup_free_ char *got = NULL;
	_cleanup_close_ int fd = -1;
	int64_t size;
	size_t n;

	fd = cor_store_blob_open(s, digest, &size, NULL);
	assert_true(fd >= 0);
	assert_int_equal(cor_read_fd(fd, 1 << 20, &got, &n, NULL), 0);
	assert_int_equal(size, n);
	assert_string_equal(got, text);
}

static int count_ingest(const char *ref, int64_t offset, int64_t total, int64_t started, int64_t updated,
			bool locked, void *data)
{
	(*(int *)data)++;
	return 0;
}

static int ingests(struct cor_store *s)
{
	int n = 0;

	assert_int_equal(cor_store_ingest_walk(s, count_ingest, &n, NULL), 0);
	return n;
}

static void assert_ingest_dir_empty(struct fixture *f)
{
	_cleanup_close_ int fd = openat(f->dirfd, "ingest", O_RDONLY | O_DIRECTORY);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ingests(f->store), 0);
	assert_int_equal(unlinkat(f->dirfd, "ingest", AT_REMOVEDIR), 0);
	assert_int_equal(mkdirat(f->dirfd, "ingest", 0700), 0);
}

static void test_write_commit_read(void **state)
{
	struct fixture *f = *state;
	char digest[COR_DIGEST_MAX], want[COR_DIGEST_MAX];
	struct stat st;

	assert_int_equal(put(f->store, "a", "hello", digest), 0);
	cor_digest_of("hello", 5, want);
	assert_string_equal(digest, want);
	assert_blob(f->store, digest, "hello");
	assert_int_equal(fstatat(f->dirfd, "blobs/sha256", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_ingest_dir_empty(f);
}

static void test_empty_blob(void **state)
{
	struct fixture *f = *state;
	char digest[COR_DIGEST_MAX];

	assert_int_equal(put(f->store, "a", "", digest), 0);
	assert_blob(f->store, digest, "");
}

static void test_blob_exists(void **state)
{
	struct fixture *f = *state;
	char digest[COR_DIGEST_MAX], again[COR_DIGEST_MAX] = "";

	assert_int_equal(put(f->store, "a", "hello", digest), 0);
	assert_int_equal(put(f->store, "b", "hello", again), -EEXIST);
	assert_string_equal(again, digest);
	assert_blob(f->store, digest, "hello");
	assert_int_equal(ingests(f->store), 0);
}

/* A blob that has been cut short from outside is replaced by the next writer of it. */
static void test_damaged_blob_is_replaced(void **state)
{
	struct fixture *f = *state;
	char digest[COR_DIGEST_MAX], path[200];

	assert_int_equal(put(f->store, "a", "hello", digest), 0);
	snprintf(path, sizeof(path), "%s/blobs/sha256/%s", f->path, cor_digest_hex(digest));
	assert_int_equal(truncate(path, 2), 0);
	assert_int_equal(put(f->store, "b", "hello", digest), 0);
	assert_blob(f->store, digest, "hello");
}

static void test_wrong_digest_and_size(void **state)
{
	struct fixture *f = *state;
	struct cor_error err = {0};
	char digest[COR_DIGEST_MAX], other[COR_DIGEST_MAX], out[COR_DIGEST_MAX];
	struct cor_store_writer *w;

	cor_digest_of("hello", 5, digest);
	cor_digest_of("other", 5, other);
	w = open_writer(f->store, "a", 0);
	assert_int_equal(cor_store_writer_write(w, "hello", 5, NULL), 0);
	assert_true(cor_store_writer_commit(w, 0, other, out, NULL, &err) < 0);
	assert_int_equal(err.code, COR_FAILED_PRECONDITION);
	assert_non_null(strstr(err.message, "unexpected commit digest sha256:2cf24"));
	cor_error_clear(&err);
	assert_true(cor_store_writer_write(w, "x", 1, &err) < 0);
	cor_store_writer_free(w, false);

	w = open_writer(f->store, "a", 0); /* nothing left of the first */
	assert_int_equal(cor_store_writer_write(w, "hello", 5, NULL), 0);
	cor_error_clear(&err);
	assert_true(cor_store_writer_commit(w, 6, NULL, out, NULL, &err) < 0);
	assert_string_equal(err.message, "unexpected commit size 5, expected 6: failed precondition");
	cor_store_writer_free(w, false);
	assert_int_equal(cor_store_blob_open(f->store, digest, NULL, NULL), -ENOENT);
	assert_ingest_dir_empty(f);
}

static void test_expected_of_open_counts(void **state)
{
	struct fixture *f = *state;
	char other[COR_DIGEST_MAX], out[COR_DIGEST_MAX];
	struct cor_store_writer *w = NULL;
	int64_t off;

	cor_digest_of("other", 5, other);
	assert_int_equal(cor_store_writer_open(f->store, "a", 5, other, false, &w, &off, NULL), 0);
	assert_int_equal(cor_store_writer_write(w, "hello", 5, NULL), 0);
	assert_true(cor_store_writer_commit(w, 0, NULL, out, NULL, NULL) < 0);
	cor_store_writer_free(w, false);
}

static int check_status(const char *ref, int64_t offset, int64_t total, int64_t started, int64_t updated,
			bool locked, void *data)
{
	assert_string_equal(ref, "layer-1");
	assert_int_equal(offset, 3);
	assert_int_equal(total, 10);
	assert_true(started > 0 && updated >= started);
	assert_int_equal(locked, *(bool *)data);
	return 1;
}

static void test_resume(void **state)
{
	struct fixture *f = *state;
	struct cor_store_writer *w = NULL;
	char digest[COR_DIGEST_MAX], want[COR_DIGEST_MAX];
	bool locked = true;
	int64_t off;

	assert_int_equal(cor_store_writer_open(f->store, "layer-1", 10, NULL, false, &w, &off, NULL), 0);
	assert_int_equal(cor_store_writer_write(w, "abc", 3, NULL), 0);
	assert_int_equal(cor_store_ingest_walk(f->store, check_status, &locked, NULL), 0);
	cor_store_writer_free(w, false);
	locked = false;
	assert_int_equal(cor_store_ingest_walk(f->store, check_status, &locked, NULL), 0);
	w = open_writer(f->store, "layer-1", 3);
	assert_int_equal(cor_store_writer_write(w, "def", 3, NULL), 0);
	cor_digest_of("abcdef", 6, want);
	assert_int_equal(cor_store_writer_commit(w, 6, want, digest, NULL, NULL), 0);
	cor_store_writer_free(w, true);
	assert_blob(f->store, want, "abcdef");
	assert_ingest_dir_empty(f);
}

static void test_truncate(void **state)
{
	struct fixture *f = *state;
	struct cor_store_writer *w = open_writer(f->store, "a", 0);
	char digest[COR_DIGEST_MAX];

	assert_int_equal(cor_store_writer_write(w, "garbage", 7, NULL), 0);
	assert_int_equal(cor_store_writer_truncate(w, NULL), 0);
	assert_int_equal(cor_store_writer_write(w, "ok", 2, NULL), 0);
	assert_int_equal(cor_store_writer_commit(w, 2, NULL, digest, NULL, NULL), 0);
	cor_store_writer_free(w, false);
	assert_blob(f->store, digest, "ok");
}

static void test_one_writer_per_ref(void **state)
{
	struct fixture *f = *state;
	struct cor_store_writer *w = open_writer(f->store, "a", 0), *second = NULL;
	struct cor_error err = {0};
	int64_t off;

	assert_true(cor_store_writer_open(f->store, "a", 0, NULL, false, &second, &off, &err) < 0);
	assert_int_equal(err.code, COR_UNAVAILABLE);
	assert_string_equal(err.message, "ref a locked: unavailable");
	assert_null(second);
	cor_error_clear(&err);
	assert_true(cor_store_ingest_abort(f->store, "a", &err) < 0);
	assert_int_equal(err.code, COR_UNAVAILABLE);
	second = open_writer(f->store, "b", 0);
	cor_store_writer_free(second, true);
	cor_store_writer_free(w, true);
	assert_ingest_dir_empty(f);
}

static void test_abort(void **state)
{
	struct fixture *f = *state;
	struct cor_store_writer *w = open_writer(f->store, "a", 0);
	struct cor_error err = {0};

	assert_int_equal(cor_store_writer_write(w, "abc", 3, NULL), 0);
	cor_store_writer_free(w, false);
	assert_int_equal(cor_store_ingest_abort(f->store, "a", NULL), 0);
	assert_true(cor_store_ingest_abort(f->store, "a", &err) < 0);
	assert_int_equal(err.code, COR_NOT_FOUND);
	assert_ingest_dir_empty(f);
}

/* Killed between making the directory and naming it. */
static void test_nameless_ingest_is_reaped(void **state)
{
	struct fixture *f = *state;
	char name[COR_DIGEST_MAX], path[200];

	cor_digest_of("a", 1, name);
	snprintf(path, sizeof(path), "ingest/%s", cor_digest_hex(name));
	assert_int_equal(mkdirat(f->dirfd, path, 0700), 0);
	snprintf(path, sizeof(path), "ingest/%s/lock", cor_digest_hex(name));
	assert_int_equal(cor_close(openat(f->dirfd, path, O_CREAT | O_RDWR, 0600)), -1);
	assert_ingest_dir_empty(f);
}

static void test_bad_names(void **state)
{
	struct fixture *f = *state;
	struct cor_store_writer *w = NULL;
	struct cor_error err = {0};
	int64_t off;

	assert_true(cor_store_blob_open(f->store, "sha256:../../../../etc/passwd", NULL, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	assert_true(cor_store_blob_remove(f->store, "sha256:../lock", NULL) < 0);
	assert_true(cor_store_writer_open(f->store, "", 0, NULL, false, &w, &off, NULL) < 0);
	assert_true(cor_store_writer_open(f->store, "a", 0, "sha256:x", false, &w, &off, NULL) < 0);
	assert_true(ingests(f->store) == 0);
	w = open_writer(f->store, "../../etc/x", 0); /* a ref is never a path */
	cor_store_writer_free(w, true);
	assert_ingest_dir_empty(f);
}

static int count_blob(const char *digest, int64_t size, int64_t mtime_ns, void *data)
{
	(*(int64_t *)data) += size;
	return mtime_ns > 0 ? 0 : -EINVAL;
}

static void test_walk_and_remove(void **state)
{
	struct fixture *f = *state;
	struct cor_error err = {0};
	char a[COR_DIGEST_MAX], b[COR_DIGEST_MAX];
	int64_t sum = 0;

	put(f->store, "a", "hello", a);
	put(f->store, "b", "hi", b);
	assert_int_equal(cor_close(openat(f->dirfd, "blobs/sha256/stray", O_CREAT | O_WRONLY, 0644)), -1);
	assert_int_equal(faccessat(f->dirfd, "blobs/sha256/stray", F_OK, 0), 0);
	assert_int_equal(cor_store_blob_walk(f->store, count_blob, &sum, NULL), 0);
	assert_int_equal(sum, 7);
	assert_int_equal(cor_store_blob_remove(f->store, a, NULL), 0);
	assert_true(cor_store_blob_remove(f->store, a, &err) < 0);
	assert_int_equal(err.code, COR_NOT_FOUND);
	assert_int_equal(cor_store_blob_open(f->store, a, NULL, NULL), -ENOENT);
	assert_blob(f->store, b, "hi");
}

static void test_store_lock(void **state)
{
	struct fixture *f = *state;
	int a = cor_store_lock(f->store, COR_LOCK_SHARED, true, NULL), b, x;

	b = cor_store_lock(f->store, COR_LOCK_SHARED, false, NULL);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(cor_store_lock(f->store, COR_LOCK_EXCLUSIVE, false, NULL), -EWOULDBLOCK);
	cor_close(a);
	cor_close(b);
	x = cor_store_lock(f->store, COR_LOCK_EXCLUSIVE, false, NULL);
	assert_true(x >= 0);
	assert_int_equal(cor_store_lock(f->store, COR_LOCK_SHARED, false, NULL), -EWOULDBLOCK);
	cor_close(x);
}

#define CRASH_SIZE (1 << 20)

/* A process that writes one megabyte in small pieces, killed at a random moment; then the whole is done again. Whatever
 * the moment: the blob is absent or whole, the ref is free, and the second run succeeds. */
static void test_kill_at_any_moment(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *data = malloc(CRASH_SIZE);

	for (unsigned round = 0; round < 60; round++) {
		struct cor_store_writer *w = NULL;
		char digest[COR_DIGEST_MAX], out[COR_DIGEST_MAX];
		int64_t off = 0, size = 0;
		int r, fd;
		pid_t pid;

		memset(data, (int)round, CRASH_SIZE);
		cor_digest_of(data, CRASH_SIZE, digest);
		pid = fork();
		if (pid == 0) {
			if (cor_store_writer_open(f->store, "crash", CRASH_SIZE, digest, true, &w, &off,
						  NULL) < 0)
				_exit(1);
			for (; off < CRASH_SIZE; off += 4096)
				if (cor_store_writer_write(w, data + off, 4096, NULL) < 0)
					_exit(1);
			_exit(cor_store_writer_commit(w, CRASH_SIZE, digest, out, NULL, NULL) < 0);
		}
		usleep(round * 150);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);

		fd = cor_store_blob_open(f->store, digest, &size, NULL);
		if (fd >= 0)
			assert_int_equal(size, CRASH_SIZE);
		cor_close(fd);
		assert_int_equal(
			cor_store_writer_open(f->store, "crash", CRASH_SIZE, digest, false, &w, &off, NULL),
			0);
		assert_int_equal(cor_store_writer_write(w, data + off, (size_t)(CRASH_SIZE - off), NULL), 0);
		r = cor_store_writer_commit(w, CRASH_SIZE, digest, out, NULL, NULL);
		assert_true(r == 0 || r == -EEXIST);
		cor_store_writer_free(w, false);
		assert_string_equal(out, digest);
	}
	assert_ingest_dir_empty(f);
}

/* Many processes write the same few refs at once: everyone ends with the blob, nothing is left in ingest/. */
static void test_concurrent_writers(void **state)
{
	struct fixture *f = *state;
	pid_t pids[8];

	for (size_t p = 0; p < ARRAY_SIZE(pids); p++) {
		pids[p] = fork();
		if (pids[p] != 0)
			continue;
		for (int i = 0; i < 40; i++) {
			struct cor_store_writer *w = NULL;
			char text[32], out[COR_DIGEST_MAX];
			int64_t off;
			int n = snprintf(text, sizeof(text), "blob %d", i % 5), r;

			if (cor_store_writer_open(f->store, text, n, NULL, true, &w, &off, NULL) < 0)
				_exit(2);
			if (off != 0 || cor_store_writer_write(w, text, (size_t)n, NULL) < 0)
				_exit(3);
			r = cor_store_writer_commit(w, n, NULL, out, NULL, NULL);
			cor_store_writer_free(w, false);
			if (r < 0 && r != -EEXIST)
				_exit(4);
		}
		_exit(0);
	}
	for (size_t p = 0; p < ARRAY_SIZE(pids); p++) {
		int status = -1;
		assert_int_equal(waitpid(pids[p], &status, 0), pids[p]);
		assert_int_equal(status, 0);
	}
	assert_ingest_dir_empty(f);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_write_commit_read),
		T(test_empty_blob),
		T(test_blob_exists),
		T(test_damaged_blob_is_replaced),
		T(test_wrong_digest_and_size),
		T(test_expected_of_open_counts),
		T(test_resume),
		T(test_truncate),
		T(test_one_writer_per_ref),
		T(test_abort),
		T(test_nameless_ingest_is_reaped),
		T(test_bad_names),
		T(test_walk_and_remove),
		T(test_store_lock),
		T(test_kill_at_any_moment),
		T(test_concurrent_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
