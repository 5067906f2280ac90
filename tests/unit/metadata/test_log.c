/* SPDX-License-Identifier: Apache-2.0 */
/* The log's length: short whenever nobody has the database open, bounded while somebody has; and files put back from a backup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "metadata/internal.h"

#define WRITE_FRAMES 8 /* more than one write below takes */

struct fixture {
	char dir[40];
	int fd;
	struct cor_meta *m;
	struct cor_error err;
};

#define ok(r, err)                                                     \
	do {                                                           \
		int _r = (int)(r);                                     \
		if (_r < 0)                                            \
			fail_msg("%s: %d %s", #r, _r, (err)->message); \
	} while (0)

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "/tmp/cor-meta-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->fd = cor_open_dir(f->dir, NULL);
	*state = f;
	return cor_meta_open(f->fd, f->dir, &f->m, &f->err) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	cor_meta_close(f->m);
	cor_close(f->fd);
	int r = cor_remove_tree_at(AT_FDCWD, f->dir, NULL);
	free(f);
	return r;
}

static void reopen(struct fixture *f)
{
	f->m = cor_meta_close(f->m);
	ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
}

static int add(struct cor_meta *m, struct cor_error *err)
{
	int64_t n;
	int r = cor_meta_begin(m, false, err);
	if (r >= 0)
		r = cor_meta_state_get(m, "v", &n, err);
	if (r >= 0)
		r = cor_meta_state_set(m, "v", n + 1, err);
	return r < 0 ? r : cor_meta_commit(m, err);
}

static int64_t get(struct fixture *f)
{
	int64_t value = -1;
	ok(cor_meta_state_get(f->m, "v", &value, &f->err), &f->err);
	return value;
}

/* Length of the log's file in pages. */
static long frames(struct fixture *f)
{
	struct stat st;
	assert_int_equal(fstatat(f->fd, COR_META_FILE "-wal", &st, 0), 0);
	return (long)(st.st_size / META_FRAME_SIZE);
}

/* Many commands, one after the other: short, and yet hardly any of them copies it back. */
static void commands(void **state)
{
	struct fixture *f = *state;
	int copied = 0;
	long before = 0;
	for (int i = 0; i < 1000; i++) {
		ok(add(f->m, &f->err), &f->err);
		reopen(f);
		long now = frames(f);
		assert_true(now <= META_LOG_FRAMES);
		copied += now < before;
		before = now;
	}
	assert_int_equal(get(f), 1000);
	assert_in_range(copied, 1, 1000 * WRITE_FRAMES / META_LOG_FRAMES);
}

/* One command that writes much. */
static void long_command(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 2000; i++) {
		ok(add(f->m, &f->err), &f->err);
		assert_true(frames(f) <= META_LOG_FRAMES_COMMIT + WRITE_FRAMES);
	}
	assert_int_equal(get(f), 2000);
}

static sqlite3 *open_raw(struct fixture *f)
{
	char path[80];
	sqlite3 *db;
	snprintf(path, sizeof(path), "%s/" COR_META_FILE, f->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "PRAGMA wal_autocheckpoint=0; SELECT * FROM state", NULL, NULL, NULL),
		SQLITE_OK);
	return db;
}

/* Somebody who has it open and does nothing is not in the way. */
static void idle_reader(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db = open_raw(f);
	for (int i = 0; i < 500; i++) {
		ok(add(f->m, &f->err), &f->err);
		reopen(f);
		assert_true(frames(f) <= META_LOG_FRAMES);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Somebody in the middle of reading is: the log grows, nothing fails; the next to close after that makes it short. */
static void slow_reader(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db = open_raw(f);
	ok(add(f->m, &f->err), &f->err);
	assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT * FROM state", NULL, NULL, NULL), SQLITE_OK);
	for (int i = 0; i < 1000; i++) {
		ok(add(f->m, &f->err), &f->err);
		if (i % 100 == 0)
			reopen(f);
	}
	assert_true(frames(f) > META_LOG_FRAMES_COMMIT);
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	reopen(f);
	assert_int_equal(frames(f), 0);
	assert_int_equal(get(f), 1001);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Who should have done it was killed: whoever opens it next does, even without writing. */
static void killed_writer(void **state)
{
	struct fixture *f = *state;
	int status;
	f->m = cor_meta_close(f->m);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		sqlite3 *db = open_raw(f);
		for (int i = 0; i <= 2 * META_LOG_FRAMES; i++)
			if (sqlite3_exec(db, "INSERT OR REPLACE INTO state VALUES('v', 7)", NULL, NULL,
					 NULL) != SQLITE_OK)
				_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(frames(f) > 2 * META_LOG_FRAMES);
	ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
	assert_int_equal(get(f), 7);
	reopen(f);
	assert_int_equal(frames(f), 0);
	assert_int_equal(get(f), 7);
}

static int write_often(struct fixture *f)
{
	for (int i = 0; i < 25; i++) {
		struct cor_error err = {0};
		struct cor_meta *m = NULL;
		if (cor_meta_open(f->fd, f->dir, &m, &err) < 0 || add(m, &err) < 0 || add(m, &err) < 0) {
			fprintf(stderr, "%s\n", err.message);
			return 1;
		}
		cor_meta_close(m);
	}
	return 0;
}

/* Many at once: nothing is lost, and in the end the log is short. */
static void many_writers(void **state)
{
	struct fixture *f = *state;
	f->m = cor_meta_close(f->m);
	fflush(NULL);
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(write_often(f));
		assert_true(pid > 0);
	}
	for (int i = 0; i < 40; i++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	/* Nobody may have got at it while all were in each other's way; the next one does. */
	ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
	assert_int_equal(get(f), 40 * 25 * 2);
	reopen(f);
	assert_true(frames(f) <= META_LOG_FRAMES);
}

static void copy(struct fixture *f, const char *from, const char *to)
{
	_cleanup_free_ char *data = NULL;
	size_t n;
	ok(cor_read_file_at(f->fd, from, 64 << 20, &data, &n, &f->err), &f->err);
	ok(cor_write_file_at(f->fd, to, data, n, 0600, false, &f->err), &f->err);
}

/* A backup of database and log put back beside a newer index: what the backup has is there, and what is written next stays. */
static void restore(struct fixture *f, int writes_before, int writes_after)
{
	for (int i = 0; i < writes_before; i++)
		ok(add(f->m, &f->err), &f->err);
	f->m = cor_meta_close(f->m);
	copy(f, COR_META_FILE, "db");
	copy(f, COR_META_FILE "-wal", "wal");
	for (int i = 0; i < writes_after; i++) {
		ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
		ok(add(f->m, &f->err), &f->err);
		f->m = cor_meta_close(f->m);
	}
	copy(f, "db", COR_META_FILE);
	copy(f, "wal", COR_META_FILE "-wal");
	ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
	assert_int_equal(get(f), writes_before);
	ok(add(f->m, &f->err), &f->err);
	reopen(f);
	assert_int_equal(get(f), writes_before + 1);
}

static void restored_same_log(void **state)
{
	restore(*state, 10, 20);
}

static void restored_older_log(void **state)
{
	restore(*state, 10, 500); /* the log has begun anew meanwhile */
}

/* The backup has records in its log; the index beside it belongs to an empty one. */
static void restored_beside_empty(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 5; i++)
		ok(add(f->m, &f->err), &f->err);
	f->m = cor_meta_close(f->m);
	copy(f, COR_META_FILE, "db");
	copy(f, COR_META_FILE "-wal", "wal");
	sqlite3 *db = open_raw(f);
	assert_int_equal(sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
			 SQLITE_OK);
	copy(f, COR_META_FILE "-shm", "shm");
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	copy(f, "db", COR_META_FILE);
	copy(f, "wal", COR_META_FILE "-wal");
	copy(f, "shm", COR_META_FILE "-shm");
	ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
	assert_int_equal(get(f), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(commands, setup, teardown),
		cmocka_unit_test_setup_teardown(long_command, setup, teardown),
		cmocka_unit_test_setup_teardown(idle_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(slow_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_writer, setup, teardown),
		cmocka_unit_test_setup_teardown(many_writers, setup, teardown),
		cmocka_unit_test_setup_teardown(restored_same_log, setup, teardown),
		cmocka_unit_test_setup_teardown(restored_older_log, setup, teardown),
		cmocka_unit_test_setup_teardown(restored_beside_empty, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
