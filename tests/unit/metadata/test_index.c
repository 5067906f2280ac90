/* SPDX-License-Identifier: Apache-2.0 */
/* The log's index between processes: kept where it fits, made anew wherever it might not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "metadata/internal.h"

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

static void set(struct cor_meta *m, int64_t value)
{
	struct cor_error err = {0};
	ok(cor_meta_begin(m, false, &err), &err);
	ok(cor_meta_state_set(m, "v", value, &err), &err);
	ok(cor_meta_commit(m, &err), &err);
}

static int64_t get(struct cor_meta *m)
{
	struct cor_error err = {0};
	int64_t value = -1;
	ok(cor_meta_state_get(m, "v", &value, &err), &err);
	return value;
}

/* Who holds the byte that tells SQLite of other users, seen from another process: 'n'obody, an 'o'pen file description,
 * a 'p'rocess. */
static int holder(struct fixture *f)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 128, .l_len = 1};
		int fd = openat(f->fd, COR_META_FILE "-shm", O_RDWR);
		if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0)
			_exit('?');
		_exit(lock.l_type == F_UNLCK ? 'n' : lock.l_pid == -1 ? 'o' : 'p');
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

#define needs_identity(f)                                               \
	do {                                                            \
		if (!*(f)->m->identity)                                 \
			skip(); /* a kernel without unique mount IDs */ \
	} while (0)

static void kept(void **state)
{
	struct fixture *f = *state;
	needs_identity(f);
	assert_int_equal(holder(f), 'p');
	set(f->m, 1);
	for (int i = 0; i < 3; i++) {
		reopen(f);
		assert_int_equal(holder(f), 'o');
		assert_int_equal(get(f->m), i + 1);
		set(f->m, i + 2);
	}
	f->m = cor_meta_close(f->m);
	assert_int_equal(holder(f), 'n');
	ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
	assert_int_equal(get(f->m), 4);
}

/* A second connection of the process must not end the first one's locks when it closes. */
static void twice_in_a_process(void **state)
{
	struct fixture *f = *state;
	struct cor_meta *second = NULL;
	for (int i = 0; i < 2; i++) {
		ok(cor_meta_open(f->fd, f->dir, &second, &f->err), &f->err);
		set(second, 5 + i);
		assert_int_equal(get(f->m), 5 + i);
		int before = holder(f);
		second = cor_meta_close(second);
		assert_int_equal(holder(f), before);
		assert_int_not_equal(before, 'n');
		reopen(f);
	}
}

/* From another boot, or before a new mount: as if it were not there. */
static void other_boot(void **state)
{
	struct fixture *f = *state;
	needs_identity(f);
	set(f->m, 7);
	f->m = cor_meta_close(f->m);
	assert_int_equal(unlinkat(f->fd, "metadata.db-index", 0), 0);
	assert_int_equal(symlinkat("00000000-0000-0000-0000-000000000000/1", f->fd, "metadata.db-index"), 0);
	ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
	assert_int_equal(holder(f), 'p');
	assert_int_equal(get(f->m), 7);
	reopen(f);
	assert_int_equal(holder(f), 'o');
}

static void garbage_index(void **state)
{
	struct fixture *f = *state;
	set(f->m, 8);
	for (int i = 0; i < 3; i++) {
		f->m = cor_meta_close(f->m);
		_cleanup_close_ int fd = openat(f->fd, COR_META_FILE "-shm", O_RDWR);
		char noise[48];
		memset(noise, 0x5a + i, sizeof(noise));
		if (i == 0)
			assert_int_equal(pwrite(fd, noise, sizeof(noise), 0), sizeof(noise));
		else if (i == 1)
			assert_int_equal(ftruncate(fd, 100), 0);
		else
			assert_int_equal(unlinkat(f->fd, COR_META_FILE "-shm", 0), 0);
		ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
		assert_int_equal(get(f->m), 8 + i);
		set(f->m, 9 + i);
	}
}

static void copy(struct fixture *f, const char *from, const char *to)
{
	_cleanup_free_ char *data = NULL;
	size_t n;
	ok(cor_read_file_at(f->fd, from, 64 << 20, &data, &n, &f->err), &f->err);
	ok(cor_write_file_at(f->fd, to, data, n, 0600, false, &f->err), &f->err);
}

/* A backup of database and log put back beside a newer index. */
static void restored(struct fixture *f, int writes)
{
	set(f->m, 1);
	f->m = cor_meta_close(f->m);
	copy(f, COR_META_FILE, "db");
	copy(f, COR_META_FILE "-wal", "wal");
	for (int i = 0; i < writes; i++) {
		ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
		set(f->m, 100 + i);
		f->m = cor_meta_close(f->m);
	}
	copy(f, "db", COR_META_FILE);
	copy(f, "wal", COR_META_FILE "-wal");
	ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
	assert_int_equal(get(f->m), 1);
	set(f->m, 2);
	reopen(f);
	assert_int_equal(get(f->m), 2);
}

static void restored_backup(void **state)
{
	restored(*state, 1200); /* the log has begun anew meanwhile */
}

static void restored_backup_same_log(void **state)
{
	restored(*state, 20);
}

/* The same directory through another mount, at the same time: they do not share the mark, but the database. */
static int through_another_mount(struct fixture *f)
{
	struct cor_error err = {0};
	struct cor_meta *m = NULL;
	char other[60];
	snprintf(other, sizeof(other), "%s/mnt", f->dir);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mkdir(other, 0700) < 0 || mount(f->dir, other, NULL, MS_BIND, NULL) < 0)
		return 2;
	for (int i = 0; i < 200; i++) {
		_cleanup_close_ int fd = cor_open_dir(other, &err);
		int64_t n;
		if (cor_meta_open(fd, other, &m, &err) < 0 || cor_meta_begin(m, false, &err) < 0 ||
		    cor_meta_state_get(m, "n", &n, &err) < 0 || cor_meta_state_set(m, "n", n + 1, &err) < 0 ||
		    cor_meta_commit(m, &err) < 0) {
			fprintf(stderr, "%s\n", err.message);
			return 1;
		}
		m = cor_meta_close(m);
	}
	return 0;
}

static void two_mounts(void **state)
{
	struct fixture *f = *state;
	int status;
	int64_t n;
	f->m = cor_meta_close(f->m);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(through_another_mount(f));
	for (int i = 0; i < 200; i++) {
		ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
		ok(cor_meta_begin(f->m, false, &f->err), &f->err);
		ok(cor_meta_state_get(f->m, "n", &n, &f->err), &f->err);
		ok(cor_meta_state_set(f->m, "n", n + 1, &f->err), &f->err);
		ok(cor_meta_commit(f->m, &f->err), &f->err);
		f->m = cor_meta_close(f->m);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	ok(cor_meta_open(f->fd, f->dir, &f->m, &f->err), &f->err);
	ok(cor_meta_state_get(f->m, "n", &n, &f->err), &f->err);
	assert_int_equal(n, 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kept, setup, teardown),
		cmocka_unit_test_setup_teardown(twice_in_a_process, setup, teardown),
		cmocka_unit_test_setup_teardown(other_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(garbage_index, setup, teardown),
		cmocka_unit_test_setup_teardown(restored_backup, setup, teardown),
		cmocka_unit_test_setup_teardown(restored_backup_same_log, setup, teardown),
		cmocka_unit_test_setup_teardown(two_mounts, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
