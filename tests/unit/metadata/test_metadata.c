/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata database: opening, versions, damage, transactions, rows, several processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "metadata/metadata.h"

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

static int put_image(struct cor_meta *m, const char *name, struct cor_error *err)
{
	struct cor_meta_image row = {.ns = "n",
				     .name = name,
				     .digest = "sha256:x",
				     .media_type = "t",
				     .size = 5,
				     .created_ns = 1,
				     .updated_ns = 2};
	assert_int_equal(cor_map_set(&row.labels, "key \"quoted\" \xc3\xa9", "v\n\\"), 0);
	int r = cor_meta_image_put(m, &row, err);
	cor_map_done(&row.labels);
	return r;
}

static int check_image(struct cor_meta_image *row, void *data)
{
	assert_string_equal(row->name, (const char *)data);
	assert_string_equal(row->digest, "sha256:x");
	assert_int_equal(row->size, 5);
	assert_int_equal(row->updated_ns, 2);
	assert_string_equal(cor_map_get(&row->labels, "key \"quoted\" \xc3\xa9"), "v\n\\");
	return 0;
}

static void commit_and_roll_back(void **state)
{
	struct fixture *f = *state;
	ok(cor_meta_begin(f->m, true, &f->err), &f->err);
	assert_true(cor_meta_in_transaction(f->m));
	assert_true(cor_meta_begin(f->m, true, &f->err) < 0);
	ok(put_image(f->m, "a", &f->err), &f->err);
	ok(cor_meta_commit(f->m, &f->err), &f->err);
	ok(cor_meta_begin(f->m, false, &f->err), &f->err);
	ok(put_image(f->m, "b", &f->err), &f->err);
	cor_meta_rollback(f->m);
	assert_false(cor_meta_in_transaction(f->m));
	reopen(f);
	assert_int_equal(cor_meta_image_get(f->m, "n", "a", check_image, (void *)"a", &f->err), 1);
	assert_int_equal(cor_meta_image_get(f->m, "n", "b", check_image, (void *)"b", &f->err), 0);
	assert_int_equal(cor_meta_image_get(f->m, "other", "a", check_image, (void *)"a", &f->err), 0);
}

static int sql(struct fixture *f, const char *text)
{
	char path[80];
	sqlite3 *db;
	snprintf(path, sizeof(path), "%s/" COR_META_FILE, f->dir);
	int rc = sqlite3_open(path, &db);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, text, NULL, NULL, NULL);
	sqlite3_close(db);
	return rc;
}

static void newer_version(void **state)
{
	struct fixture *f = *state;
	f->m = cor_meta_close(f->m);
	assert_int_equal(sql(f, "PRAGMA user_version=7"), SQLITE_OK);
	assert_int_equal(cor_meta_open(f->fd, f->dir, &f->m, &f->err), -EBUSY);
	assert_int_equal(f->err.code, COR_FAILED_PRECONDITION);
	assert_non_null(strstr(f->err.message, "made by a newer coracle"));
	assert_non_null(strstr(f->err.message, f->dir));
	assert_null(f->m);
}

static void overwrite(struct fixture *f, const char *name, off_t at, const char *bytes, size_t n)
{
	_cleanup_close_ int fd = openat(f->fd, name, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
}

static void expect_damage(struct fixture *f, int r)
{
	assert_true(r < 0);
	assert_int_equal(f->err.code, COR_DATA_LOSS);
	assert_non_null(strstr(f->err.message, f->dir));
	assert_non_null(strstr(f->err.message, "the database is damaged"));
	assert_null(strchr(f->err.message, '\n'));
}

static void not_a_database(void **state)
{
	struct fixture *f = *state;
	f->m = cor_meta_close(f->m);
	assert_int_equal(unlinkat(f->fd, COR_META_FILE "-wal", 0), 0);
	overwrite(f, COR_META_FILE, 0, "This is no database, it is a text.", 34);
	expect_damage(f, cor_meta_open(f->fd, f->dir, &f->m, &f->err));
}

static void missing_table(void **state)
{
	struct fixture *f = *state;
	f->m = cor_meta_close(f->m);
	assert_int_equal(sql(f, "DROP TABLE images"), SQLITE_OK);
	reopen(f);
	expect_damage(f, cor_meta_image_get(f->m, "n", "a", check_image, NULL, &f->err));
}

static void bad_labels(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"UPDATE images SET labels='{\"a\":1}'",
					  "UPDATE images SET labels='[]'", "UPDATE images SET labels='{'",
					  "UPDATE images SET labels=x'00ff'"};
	ok(cor_meta_begin(f->m, true, &f->err), &f->err);
	ok(put_image(f->m, "a", &f->err), &f->err);
	ok(cor_meta_commit(f->m, &f->err), &f->err);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		f->m = cor_meta_close(f->m);
		assert_int_equal(sql(f, bad[i]), SQLITE_OK);
		reopen(f);
		expect_damage(f, cor_meta_image_get(f->m, "n", "a", check_image, (void *)"a", &f->err));
		cor_error_clear(&f->err);
	}
}

/* A chain of parents that never ends, and one that breaks off. */
static void bad_parents(void **state)
{
	struct fixture *f = *state;
	uint64_t *ids = NULL;
	size_t n;
	f->m = cor_meta_close(f->m);
	assert_int_equal(sql(f,
			     "INSERT INTO snapshots(id,ns,snapshotter,key,parent,kind,created,updated) VALUES"
			     "(1,'n','s','a',2,3,0,0),(2,'n','s','b',1,3,0,0),(3,'n','s','c',9,3,0,0)"),
			 SQLITE_OK);
	reopen(f);
	expect_damage(f, cor_meta_snapshot_parents(f->m, 1, &ids, &n, &f->err));
	expect_damage(f, cor_meta_snapshot_parents(f->m, 3, &ids, &n, &f->err));
	assert_null(ids);
}

static void upgrades_an_empty_file(void **state)
{
	struct fixture *f = *state;
	f->m = cor_meta_close(f->m);
	assert_int_equal(unlinkat(f->fd, COR_META_FILE "-wal", 0) + unlinkat(f->fd, COR_META_FILE, 0), 0);
	_cleanup_close_ int fd = openat(f->fd, COR_META_FILE, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	reopen(f);
	ok(cor_meta_begin(f->m, true, &f->err), &f->err);
	ok(put_image(f->m, "a", &f->err), &f->err);
	ok(cor_meta_commit(f->m, &f->err), &f->err);
}

static int add_one(const char *dir, int i)
{
	struct cor_error err = {0};
	struct cor_meta *m;
	_cleanup_close_ int fd = cor_open_dir(dir, &err);
	for (int k = 0; k < 50; k++) {
		int64_t n;
		if (cor_meta_open(fd, dir, &m, &err) < 0 || cor_meta_begin(m, k % 10 == 0, &err) < 0 ||
		    cor_meta_state_get(m, "n", &n, &err) < 0 || cor_meta_state_set(m, "n", n + 1, &err) < 0 ||
		    cor_meta_commit(m, &err) < 0) {
			fprintf(stderr, "%s\n", err.message);
			return 1;
		}
		cor_meta_close(m);
	}
	return 0;
}

/* What a transaction has read stays true until it commits: nothing is lost. */
static void counted_by_many(void **state)
{
	struct fixture *f = *state;
	enum { N = 12 };
	pid_t pids[N];
	int64_t n;
	for (int i = 0; i < N; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(add_one(f->dir, i));
	}
	for (int i = 0; i < N; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	ok(cor_meta_state_get(f->m, "n", &n, &f->err), &f->err);
	assert_int_equal(n, N * 50);
}

static void reserve(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	assert_int_equal(fstatat(f->fd, COR_META_RESERVE_FILE, &st, 0), 0);
	assert_true(st.st_blocks * 512 >= COR_META_RESERVE_SIZE);
	assert_true(cor_meta_reserve_release(f->m));
	assert_false(cor_meta_reserve_release(f->m));
	assert_int_equal(fstatat(f->fd, COR_META_RESERVE_FILE, &st, 0), 0);
	assert_int_equal(st.st_blocks, 0);
	reopen(f);
	assert_int_equal(fstatat(f->fd, COR_META_RESERVE_FILE, &st, 0), 0);
	assert_true(st.st_blocks * 512 >= COR_META_RESERVE_SIZE);
}

static int count(const char *name, struct cor_map *labels, void *data)
{
	(*(int *)data)++;
	return 0;
}

static void pages(void **state)
{
	struct fixture *f = *state;
	int n = 0;
	ok(cor_meta_begin(f->m, false, &f->err), &f->err);
	for (int i = 0; i < 10; i++) {
		char name[16];
		snprintf(name, sizeof(name), "ns%d", i);
		ok(cor_meta_ns_touch(f->m, name, &f->err), &f->err);
		ok(cor_meta_ns_touch(f->m, name, &f->err), &f->err);
	}
	ok(cor_meta_commit(f->m, &f->err), &f->err);
	ok(cor_meta_ns_walk(f->m, NULL, 4, count, &n, &f->err), &f->err);
	assert_int_equal(n, 4);
	n = 0;
	ok(cor_meta_ns_walk(f->m, "ns3", 0, count, &n, &f->err), &f->err);
	assert_int_equal(n, 6);
}

static int note_snapshot(struct cor_meta_snapshot *row, void *data)
{
	struct cor_meta_snapshot *out = data;
	*out = *row;
	out->ns = out->snapshotter = out->key = out->parent = NULL;
	out->labels = (struct cor_map){0};
	return 0;
}

static void snapshot_rows(void **state)
{
	struct fixture *f = *state;
	struct cor_meta_snapshot got;
	uint64_t id, *parents;
	size_t n;
	ok(cor_meta_begin(f->m, true, &f->err), &f->err);
	for (uint64_t i = 1; i <= 3; i++) {
		char key[8];
		snprintf(key, sizeof(key), "k%d", (int)i);
		ok(cor_meta_snapshot_next_id(f->m, &id, &f->err), &f->err);
		assert_int_equal(id, i);
		struct cor_meta_snapshot row = {.id = id,
						.ns = "n",
						.snapshotter = "s",
						.key = key,
						.parent_id = i - 1,
						.kind = COR_META_SNAPSHOT_ACTIVE};
		ok(cor_meta_snapshot_insert(f->m, &row, &f->err), &f->err);
		ok(cor_meta_snapshot_commit(f->m, id, key, NULL, 10, 2, 7, &f->err), &f->err);
	}
	ok(cor_meta_commit(f->m, &f->err), &f->err);
	ok(cor_meta_snapshot_parents(f->m, 3, &parents, &n, &f->err), &f->err);
	assert_int_equal(n, 3);
	assert_int_equal(parents[0], 3);
	assert_int_equal(parents[2], 1);
	free(parents);
	assert_int_equal(cor_meta_snapshot_has_children(f->m, 2, &f->err), 1);
	assert_int_equal(cor_meta_snapshot_has_children(f->m, 3, &f->err), 0);
	assert_int_equal(cor_meta_snapshot_get(f->m, "n", "s", "k3", note_snapshot, &got, &f->err), 1);
	assert_int_equal(got.parent_id, 2);
	assert_int_equal(got.kind, COR_META_SNAPSHOT_COMMITTED);
	assert_int_equal(got.size, 10);
	assert_int_equal(got.inodes, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(commit_and_roll_back, setup, teardown),
		cmocka_unit_test_setup_teardown(newer_version, setup, teardown),
		cmocka_unit_test_setup_teardown(not_a_database, setup, teardown),
		cmocka_unit_test_setup_teardown(missing_table, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_parents, setup, teardown),
		cmocka_unit_test_setup_teardown(upgrades_an_empty_file, setup, teardown),
		cmocka_unit_test_setup_teardown(counted_by_many, setup, teardown),
		cmocka_unit_test_setup_teardown(reserve, setup, teardown),
		cmocka_unit_test_setup_teardown(pages, setup, teardown),
		cmocka_unit_test_setup_teardown(snapshot_rows, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
