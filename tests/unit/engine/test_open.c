/* SPDX-License-Identifier: Apache-2.0 */
/* Which directories an engine takes for its own, and what it does to others: nothing. */
#include "fixture.h"

static int open_at(struct fixture *f, const char *root, const char *state)
{
	struct cor_services *s = NULL;
	_cleanup_free_ char *r = cor_asprintf("%s/%s", f->dir, root),
			    *st = cor_asprintf("%s/%s", f->dir, state);
	struct cor_engine_options o = {.root = r, .state = st};
	cor_error_clear(&f->err);
	int k = cor_engine_open(&o, &s, &f->err);
	if (k >= 0)
		cor_services_free(s);
	return k;
}

static void make_dir(struct fixture *f, const char *name, mode_t mode)
{
	_cleanup_close_ int dir = cor_open_dir(f->dir, NULL);
	_cleanup_close_ int made = cor_mkdir_p_in_root(dir, name, 0755);
	assert_true(made >= 0);
	assert_int_equal(fchmodat(dir, name, mode, 0), 0);
}

static mode_t mode_of(struct fixture *f, const char *name)
{
	struct stat st;
	_cleanup_close_ int dir = cor_open_dir(f->dir, NULL);
	assert_int_equal(fstatat(dir, name, &st, 0), 0);
	return st.st_mode & 07777;
}

/* A directory with somebody else's files, given as root or state, was made private (and filled). */
static void directory_of_others_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	make_dir(f, "theirs/sub", 0755);
	make_dir(f, "theirs", 0775);
	assert_true(open_at(f, "theirs", "s1") < 0);
	_cleanup_free_ char *text =
		cor_asprintf("\"%s/theirs\" is not empty and not a coracle directory", f->dir);
	assert_int_equal(f->err.code, COR_FAILED_PRECONDITION);
	assert_string_equal(f->err.message, text);
	assert_true(open_at(f, "r1", "theirs") < 0);
	assert_int_equal(f->err.code, COR_FAILED_PRECONDITION);
	assert_string_equal(f->err.message, text);
	assert_int_equal(mode_of(f, "theirs"), 0775);
	_cleanup_close_ int dir = cor_open_dir(f->dir, NULL);
	assert_int_equal(unlinkat(dir, "theirs/sub", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(dir, "theirs", AT_REMOVEDIR), 0); /* nothing was put into it */
}

static void empty_and_fresh_directories_are_taken(void **state)
{
	struct fixture *f = *state;
	make_dir(f, "r2", 0755);
	make_dir(f, "s2", 0777);
	ok(open_at(f, "r2", "s2"), &f->err);
	assert_int_equal(mode_of(f, "r2"), 0700);
	assert_int_equal(mode_of(f, "s2"), 0711);
	make_dir(f, "r3/lost+found", 0700); /* a new file system */
	ok(open_at(f, "r3", "new/s3"), &f->err);
	assert_int_equal(mode_of(f, "new/s3"), 0711);
}

static void own_directories_get_their_mode_back(void **state)
{
	struct fixture *f = *state;
	ok(open_at(f, "r4", "s4"), &f->err);
	make_dir(f, "r4", 0755);
	make_dir(f, "s4", 0700);
	make_dir(f, "s4/someone", 0755);
	ok(open_at(f, "r4", "s4"), &f->err);
	assert_int_equal(mode_of(f, "r4"), 0700);
	assert_int_equal(mode_of(f, "s4"), 0711);
}

static int open_new(struct fixture *f, int i)
{
	for (int round = 0; round < 20; round++) {
		char root[32], st[32];
		snprintf(root, sizeof(root), "many/r%d", round);
		snprintf(st, sizeof(st), "many/s%d", round);
		if (open_at(f, root, st) < 0) {
			fprintf(stderr, "%d: %s\n", i, f->err.message);
			return 1;
		}
	}
	return 0;
}

/* Who finds what another has just begun to fill does not take it for somebody else's. */
static void many_take_one_directory_at_once(void **state)
{
	struct fixture *f = *state;
	in_processes(f, 6, open_new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(directory_of_others_is_refused_and_left_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(empty_and_fresh_directories_are_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(own_directories_get_their_mode_back, setup, teardown),
		cmocka_unit_test_setup_teardown(many_take_one_directory_at_once, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
