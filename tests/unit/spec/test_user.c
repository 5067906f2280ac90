/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users: the grammar, the lookups, and what a hostile root file system tries (threats.md, rows "USER" and
 * "passwd/group").
 */
#include <sys/stat.h>

#include "helpers.h"
#include "spec/passwd.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "\n"
			     "  alice:x:1000:1000::/:/bin/sh  \n"
			     "bob:x:1001:100::/:/bin/sh\n"
			     "1234:x:77:78::/:/bin/sh\n"
			     "twin:x:1000:2000::/:/bin/sh\n"
			     "huge:x:4294967296:0::/:/bin/sh\n"
			     "word:x:zero:0::/:/bin/sh\n"
			     "negative:x:-1:0::/:/bin/sh\n"
			     "badgid:x:1500:2147483648::/:/bin/sh\n"
			     "short\n"
			     "max:x:2147483647:2147483647::/:";
static const char group[] = "root:x:0:\n"
			    "# comment:x:666:root\n"
			    "disk:x:6:root,alice\n"
			    "users:x:100:alice\n"
			    "alice:x:1000:alice\n"
			    "staff:x:50:bob, alice,\n"
			    "bobs:x:101:bob,root\n"
			    "bad:x:99999999999:mallory\n"
			    "4321:x:55:";

static int users_make(void **state)
{
	tree_make(state);
	tree_write(*state, "etc/passwd", passwd);
	tree_write(*state, "etc/group", group);
	return 0;
}

static json_t *empty_process(void)
{
	return json_pack("{s:{s:i, s:i, s:[i]}}", "user", "uid", 5, "gid", 5, "additionalGids", 9);
}

static void user_is(const struct tree *t, const char *user, const char *json)
{
	_cleanup_json_ json_t *process = empty_process();
	struct cor_error err = {0};

	if (cor_spec_user_set(process, t ? t->fd : -1, user, &err) < 0)
		fail_msg("%s: %s", user, err.message);
	assert_json(process, "user", json);
}

static void user_fails(const struct tree *t, const char *user, enum cor_code code, const char *text)
{
	_cleanup_json_ json_t *process = empty_process();
	struct cor_error err = {0};

	assert_true(cor_spec_user_set(process, t ? t->fd : -1, user, &err) < 0);
	assert_string_equal(err.message, text);
	assert_int_equal(err.code, code);
	assert_json(process, "user.uid", "5"); /* untouched */
}

static void groups_are(const struct tree *t, const char *user, const char *json)
{
	_cleanup_json_ json_t *process = json_pack("{s:{s:i, s:i}}", "user", "uid", 0, "gid", 0);
	struct cor_error err = {0};

	if (cor_spec_user_set_groups(process, t->fd, user, &err) < 0)
		fail_msg("%s: %s", user, err.message);
	assert_json(process, "user.additionalGids", json);
}

static void names_and_numbers(void **state)
{
	user_is(*state, "alice", "{\"uid\":1000,\"gid\":1000,\"additionalGids\":[1000]}");
	user_is(*state, "1001", "{\"uid\":1001,\"gid\":100,\"additionalGids\":[100]}");
	user_is(*state, "1000", "{\"uid\":1000,\"gid\":1000,\"additionalGids\":[1000]}");
	user_is(*state, "4242", "{\"uid\":4242,\"gid\":0,\"additionalGids\":[0]}");
	user_is(*state, "max", "{\"uid\":2147483647,\"gid\":2147483647,\"additionalGids\":[2147483647]}");
	user_is(*state, "2147483647",
		"{\"uid\":2147483647,\"gid\":2147483647,\"additionalGids\":[2147483647]}");
	user_is(*state, "+7", "{\"uid\":7,\"gid\":0,\"additionalGids\":[0]}");
	user_is(*state, "-0", "{\"uid\":0,\"gid\":0,\"additionalGids\":[0]}");
	user_is(*state, "007", "{\"uid\":7,\"gid\":0,\"additionalGids\":[0]}");
	user_fails(*state, "nobody", COR_NOT_FOUND, "no users found");
	user_fails(*state, "0x10", COR_NOT_FOUND, "no users found");
	user_fails(*state, "1e3", COR_NOT_FOUND, "no users found");
	user_fails(*state, "-", COR_NOT_FOUND, "no users found");
}

static void pairs(void **state)
{
	user_is(NULL, "5:6", "{\"uid\":5,\"gid\":6,\"additionalGids\":[6]}"); /* needs no files */
	user_is(NULL, "1000:", "{\"uid\":1000,\"gid\":0,\"additionalGids\":[0]}");
	user_is(NULL, ":5", "{\"uid\":0,\"gid\":5,\"additionalGids\":[5]}");
	user_is(NULL, ":", "{\"uid\":0,\"gid\":0,\"additionalGids\":[0]}");
	user_is(*state, "alice:staff", "{\"uid\":1000,\"gid\":50,\"additionalGids\":[50]}");
	user_is(*state, "alice:7", "{\"uid\":1000,\"gid\":7,\"additionalGids\":[7]}");
	user_is(*state, "3:staff", "{\"uid\":3,\"gid\":50,\"additionalGids\":[50]}");
	user_is(*state, "4321:4321", "{\"uid\":4321,\"gid\":4321,\"additionalGids\":[4321]}");
	user_fails(*state, "alice:nogroup", COR_NOT_FOUND, "no groups found");
	user_fails(*state, "nobody:staff", COR_NOT_FOUND, "no users found");
	user_fails(*state, "a:b:c", COR_INVALID_ARGUMENT, "invalid USER value a:b:c");
	user_fails(*state, "1:2:", COR_INVALID_ARGUMENT, "invalid USER value 1:2:");
}

/* CVE-2024-40635: a number that does not fit is an error, and no entry of that name can make it otherwise. */
static void numbers_out_of_range_are_never_names(void **state)
{
	static const char *const bad[] = {
		"2147483648", "4294967296", "99999999999999999999",   "18446744073709551616",
		"-1",         "-1000",      "-99999999999999999999x", "9223372036854775808z"};
	struct tree *t = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *entry = cor_asprintf("%s:x:0:0::/:\n", bad[i]);
		_cleanup_free_ char *text =
			cor_asprintf("invalid USER value \"%s\": uid out of range", bad[i]);
		_cleanup_free_ char *pair = cor_asprintf("1:%s", bad[i]);
		_cleanup_free_ char *pair_text =
			cor_asprintf("invalid USER value \"%s\": gid out of range", pair);

		tree_write(t, "etc/passwd", entry);
		tree_write(t, "etc/group", entry);
		user_fails(t, bad[i], COR_INVALID_ARGUMENT, text);
		user_fails(t, pair, COR_INVALID_ARGUMENT, pair_text);
	}
}

static void numeric_names_are_numbers(void **state)
{
	user_is(*state, "1234", "{\"uid\":1234,\"gid\":0,\"additionalGids\":[0]}");
}

/* What is not a number in the files never becomes root. */
static void bad_numbers_in_the_files_are_errors(void **state)
{
	user_fails(*state, "huge", COR_INVALID_ARGUMENT,
		   "/etc/passwd: entry \"huge\": uid is not a number between 0 and 2147483647");
	user_fails(*state, "word", COR_INVALID_ARGUMENT,
		   "/etc/passwd: entry \"word\": uid is not a number between 0 and 2147483647");
	user_fails(*state, "negative", COR_INVALID_ARGUMENT,
		   "/etc/passwd: entry \"negative\": uid is not a number between 0 and 2147483647");
	user_fails(*state, "1500", COR_INVALID_ARGUMENT,
		   "/etc/passwd: entry \"badgid\": gid is not a number between 0 and 2147483647");
	user_fails(*state, "short", COR_INVALID_ARGUMENT,
		   "/etc/passwd: entry \"short\": uid is not a number between 0 and 2147483647");
	user_fails(*state, "alice:bad", COR_INVALID_ARGUMENT,
		   "/etc/group: entry \"bad\": gid is not a number between 0 and 2147483647");
}

static void supplementary_groups(void **state)
{
	groups_are(*state, "root", "[0,6,101]");
	groups_are(*state, "0", "[0,6,101]");
	groups_are(*state, "alice", "[0,6,100]"); /* not "alice" itself, not " alice" */
	groups_are(*state, "1000", "[0,6,100]");
	groups_are(*state, "bob", "[0,50,101]");
	groups_are(*state, "4242", "[0]");
	groups_are(*state, "alice:staff", "[0]");
	groups_are(*state, "", "[0]");
}

static void missing_files(void **state)
{
	struct tree *t = *state;

	groups_are(t, "root", "[0]");
	user_is(t, "12", "{\"uid\":12,\"gid\":0,\"additionalGids\":[0]}");
	user_fails(t, "alice", COR_NOT_FOUND, "stat /etc/passwd: no such file or directory");
	user_fails(t, "1:staff", COR_NOT_FOUND, "stat /etc/group: no such file or directory");
	user_fails(NULL, "alice", COR_FAILED_PRECONDITION, "rootfs absolute path is required");
}

static void links_are_resolved_inside_the_root(void **state)
{
	struct tree *t = *state;

	tree_write(t, "store/passwd", "inside:x:11:12::/:\n");
	assert_int_equal(mkdirat(t->fd, "etc", 0755), 0);
	assert_int_equal(symlinkat("/store/passwd", t->fd, "etc/passwd"), 0);
	user_is(t, "inside", "{\"uid\":11,\"gid\":12,\"additionalGids\":[12]}");
	assert_int_equal(unlinkat(t->fd, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("../../../../../../store/passwd", t->fd, "etc/passwd"), 0);
	user_is(t, "inside", "{\"uid\":11,\"gid\":12,\"additionalGids\":[12]}");
	/* The host has /etc/hostname or not: the root does not. */
	assert_int_equal(unlinkat(t->fd, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("/proc/self/root/etc/passwd", t->fd, "etc/passwd"), 0);
	user_fails(t, "root", COR_NOT_FOUND, "stat /etc/passwd: no such file or directory");
	assert_int_equal(unlinkat(t->fd, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("passwd", t->fd, "etc/passwd"), 0);
	user_fails(t, "root", cor_errno_to_code(ELOOP),
		   "stat /etc/passwd: too many levels of symbolic links");
}

/* CVE-2026-47262, CVE-2024-9676: no blocking on a fifo, no device opened, no gigabytes read. */
static void only_regular_files_of_bounded_size(void **state)
{
	struct tree *t = *state;
	int fd;

	assert_int_equal(mkdirat(t->fd, "etc", 0755), 0);
	assert_int_equal(mkfifoat(t->fd, "etc/passwd", 0644), 0);
	user_fails(t, "root", COR_INVALID_ARGUMENT, "etc/passwd is not a regular file");
	user_fails(t, "0", COR_INVALID_ARGUMENT, "etc/passwd is not a regular file");
	assert_int_equal(unlinkat(t->fd, "etc/passwd", 0), 0);
	assert_int_equal(mkdirat(t->fd, "etc/passwd", 0755), 0);
	user_fails(t, "root", COR_INVALID_ARGUMENT, "etc/passwd is not a regular file");
	fd = openat(t->fd, "etc/group", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)1 << 30), 0);
	cor_close(fd);
	user_fails(t, "1:staff", COR_RESOURCE_EXHAUSTED, "\"etc/group\" exceeds 10485760 bytes");
}

static void the_image_user_decides_groups_by_uid(void **state)
{
	struct tree *t = *state;
	struct cor_image_config image = {.user = (char[]){"alice:staff"}, .working_dir = (char[]){""}};
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = built(&o, &image, t->fd), *replaced = NULL, *root = NULL;

	assert_json(spec, "process.user", "{\"uid\":1000,\"gid\":50,\"additionalGids\":[50,6,100]}");
	o.user = "alice:staff"; /* the same by flag drops the supplementary ones */
	replaced = built(&o, &image, t->fd);
	assert_json(replaced, "process.user", "{\"uid\":1000,\"gid\":50,\"additionalGids\":[50]}");
	image.user = (char[]){""};
	o.user = NULL;
	root = built(&o, &image, t->fd);
	assert_json(root, "process.user", "{\"uid\":0,\"gid\":0,\"additionalGids\":[0,6,101]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_and_numbers, users_make, tree_remove),
		cmocka_unit_test_setup_teardown(pairs, users_make, tree_remove),
		cmocka_unit_test_setup_teardown(numbers_out_of_range_are_never_names, users_make,
						tree_remove),
		cmocka_unit_test_setup_teardown(numeric_names_are_numbers, users_make, tree_remove),
		cmocka_unit_test_setup_teardown(bad_numbers_in_the_files_are_errors, users_make, tree_remove),
		cmocka_unit_test_setup_teardown(supplementary_groups, users_make, tree_remove),
		cmocka_unit_test_setup_teardown(missing_files, tree_make, tree_remove),
		cmocka_unit_test_setup_teardown(links_are_resolved_inside_the_root, tree_make, tree_remove),
		cmocka_unit_test_setup_teardown(only_regular_files_of_bounded_size, tree_make, tree_remove),
		cmocka_unit_test_setup_teardown(the_image_user_decides_groups_by_uid, users_make,
						tree_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
