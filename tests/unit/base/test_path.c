/* SPDX-License-Identifier: Apache-2.0 */
/* Paths inside a root, whole trees. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

static int root = -1;
static char dir[] = "/tmp/cor-path-XXXXXX";

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	root = cor_open_dir(dir, NULL);
	return root < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	cor_close(root);
	return cor_remove_tree_at(AT_FDCWD, dir, NULL);
}

static void cleaning_is_gos(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"", "."},
		{"/", "/"},
		{"//a//b/", "/a/b"},
		{"a/./b", "a/b"},
		{"a/../b", "b"},
		{"../../a", "../../a"},
		{"/../a", "/a"},
		{"a/b/../../..", ".."},
		{"./", "."},
		{"/a/../..", "/"},
		{"a/..", "."},
		{"../a/..", ".."},
		{"/dev/shm/", "/dev/shm"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *s = cor_path_clean(cases[i][0]);
		assert_string_equal(s, cases[i][1]);
	}
	_cleanup_free_ char *j = cor_path_join("/a/", "../b");
	assert_string_equal(j, "/b");
}

static void links_do_not_leave_the_root(void **state)
{
	(void)state;
	assert_int_equal(symlinkat("/etc", root, "out"), 0);
	assert_int_equal(symlinkat("../../../../etc", root, "up"), 0);
	assert_int_equal(cor_open_in_root(root, "out/passwd", O_RDONLY, 0), -ENOENT);
	assert_int_equal(cor_open_in_root(root, "up/passwd", O_RDONLY, 0), -ENOENT);
	assert_int_equal(cor_open_in_root(root, "/proc/self/exe", O_RDONLY, 0), -ENOENT);
	_cleanup_close_ int fd = cor_mkdir_p_in_root(root, "a/b/c", 0700);
	assert_true(fd >= 0);
	/* "out" points to /etc: inside the root that is to be made, not the host's. */
	_cleanup_close_ int etc = cor_mkdir_p_in_root(root, "etc/x", 0755);
	assert_true(etc >= 0);
	_cleanup_close_ int x = cor_mkdir_p_in_root(root, "out/x/y", 0755);
	assert_true(x >= 0);
	struct stat st;
	assert_int_equal(fstatat(root, "etc/x/y", &st, 0), 0);
	assert_int_equal(fstatat(AT_FDCWD, "/etc/x", &st, 0), -1);
	/* ".." inside a path never climbs out. */
	_cleanup_close_ int dots = cor_mkdir_p_in_root(root, "a/../../../d", 0755);
	assert_true(dots >= 0);
	assert_int_equal(fstatat(root, "d", &st, 0), 0);
}

static void parents(void **state)
{
	(void)state;
	const char *name = NULL;
	_cleanup_close_ int p = cor_open_parent_in_root(root, "/n1/n2/file", true, &name);
	assert_true(p >= 0);
	assert_string_equal(name, "file");
	_cleanup_close_ int q = cor_open_parent_in_root(root, "top", false, &name);
	assert_true(q >= 0);
	static const char *const bad[] = {"", "/", ".", "a/..", "..", "a/.", "a/"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cor_open_parent_in_root(root, bad[i], false, &name), -EINVAL);
}

static void trees_go_and_links_stay(void **state)
{
	(void)state;
	_cleanup_close_ int d = cor_mkdir_p_in_root(root, "t/u/v", 0755);
	assert_true(d >= 0);
	assert_int_equal(cor_write_file_at(d, "f", "12345", 5, 0644, true, NULL), 0);
	assert_int_equal(symlinkat(dir, d, "l"), 0);
	/* Deeper than any descriptor or path limit. */
	int at = dup(d);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(mkdirat(at, "deep", 0700), 0);
		int next = openat(at, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		cor_close(at);
		at = next;
	}
	cor_close(at);
	assert_int_equal(cor_remove_tree_at(root, "t", NULL), 0);
	struct stat st;
	assert_int_equal(fstatat(root, "t", &st, 0), -1);
	assert_int_equal(fstatat(root, ".", &st, 0), 0);
	assert_int_equal(cor_remove_tree_at(root, "t", NULL), 0);
}

static void usage_counts_links_once(void **state)
{
	(void)state;
	_cleanup_close_ int d = cor_mkdir_p_in_root(root, "usage/s", 0755);
	char block[8192] = {1};
	assert_int_equal(cor_write_file_at(d, "f", block, sizeof(block), 0644, true, NULL), 0);
	assert_int_equal(linkat(d, "f", d, "g", 0), 0);
	int64_t size, inodes;
	assert_int_equal(cor_disk_usage_at(root, "usage", &size, &inodes, NULL), 0);
	assert_int_equal(inodes, 3);
	assert_true(size >= 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleaning_is_gos),
		cmocka_unit_test(links_do_not_leave_the_root),
		cmocka_unit_test(parents),
		cmocka_unit_test(trees_go_and_links_stay),
		cmocka_unit_test(usage_counts_links_once),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
