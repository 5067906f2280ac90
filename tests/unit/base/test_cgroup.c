/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups: a real one of this test's, in every hierarchy of the machine. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cgroup.h"
#include "base/fd.h"
#include "base/path.h"

#define ROOT "/sys/fs/cgroup"

/* Where groups are made: v2 alone, or two hierarchies of v1. */
static size_t hierarchies(const char *ret[2])
{
	static const char *const v1[] = {ROOT "/pids", ROOT "/freezer"};
	struct stat st;
	size_t n = 0;
	if (stat(ROOT "/cgroup.controllers", &st) == 0) {
		ret[0] = ROOT;
		return 1;
	}
	for (size_t i = 0; i < 2; i++)
		if (stat(v1[i], &st) == 0)
			ret[n++] = v1[i];
	return n;
}

static void make(const char *name)
{
	const char *where[2];
	char path[200];
	size_t n = hierarchies(where);
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", where[i], name);
		assert_int_equal(mkdir(path, 0755), 0);
	}
}

static void paths_of_ones_own(void **state)
{
	assert_true(cor_cgroup_path_is_own("/a/b"));
	assert_true(cor_cgroup_path_is_own("/a"));
	assert_false(cor_cgroup_path_is_own(NULL));
	assert_false(cor_cgroup_path_is_own(""));
	assert_false(cor_cgroup_path_is_own("/"));
	assert_false(cor_cgroup_path_is_own("//./"));
	assert_false(cor_cgroup_path_is_own("a/b"));
	assert_false(cor_cgroup_path_is_own("machine.slice:a:b"));
}

static void removes_empty_groups_only(void **state)
{
	const char *where[2];
	char name[64], path[200], number[16];
	size_t n = hierarchies(where);
	if (n == 0)
		skip();
	snprintf(name, sizeof(name), "cor-test-%d", getpid());
	make(name);
	snprintf(path, sizeof(path), "/%s", name);
	assert_int_equal(cor_cgroup_remove(path), n);
	assert_int_equal(cor_cgroup_remove(path), 0);

	make(name);
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	char procs[220];
	snprintf(procs, sizeof(procs), "%s%s/cgroup.procs", where[0], path);
	int fd = open(procs, O_WRONLY);
	int len = snprintf(number, sizeof(number), "%d", pid);
	assert_int_equal(write(fd, number, (size_t)len), len);
	close(fd);
	assert_int_equal(cor_cgroup_remove(path), -EBUSY);
	cor_cgroup_kill(path);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(cor_cgroup_remove(path), 1);
}

/* Where there is nothing but v2, what lies in the root are groups, and those below them others'. */
static int only_the_root(const char *outer, const char *name)
{
	char dir[200], inner[264], path[80];
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("cgroup2", ROOT, "cgroup2", 0, NULL) < 0)
		return 1;
	snprintf(dir, sizeof(dir), ROOT "/%s", outer);
	snprintf(inner, sizeof(inner), "%s/%s", dir, name);
	snprintf(path, sizeof(path), "/%s", name);
	if (mkdir(dir, 0755) < 0 || mkdir(inner, 0755) < 0)
		return 2;
	struct stat st;
	int bad = cor_cgroup_remove(path) != 0 || stat(inner, &st) < 0 ? 3 : 0;
	if (rmdir(inner) < 0 || rmdir(dir) < 0)
		return 4;
	snprintf(dir, sizeof(dir), ROOT "/%s", name);
	if (mkdir(dir, 0755) < 0 || cor_cgroup_remove(path) != 1)
		return 5;
	return bad;
}

static void others_of_the_same_name_stay(void **state)
{
	char outer[64], name[64];
	int status;
	snprintf(outer, sizeof(outer), "cor-outer-%d", getpid());
	snprintf(name, sizeof(name), "cor-inner-%d", getpid());
	pid_t pid = fork();
	if (pid == 0)
		_exit(only_the_root(outer, name));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* It ends, leaves no child, moves nobody, and does not keep others' descriptors open. */
static void expecting_changes_nothing(void **state)
{
	char before[4096] = {0}, after[4096] = {0};
	int fd = open("/proc/self/cgroup", O_RDONLY);
	assert_true(read(fd, before, sizeof(before) - 1) > 0);
	close(fd);
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = cor_cgroup_expect_moves();
	cor_cgroup_moves_done(pid);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	fd = open("/proc/self/cgroup", O_RDONLY);
	assert_true(read(fd, after, sizeof(after) - 1) > 0);
	close(fd);
	assert_string_equal(before, after);
	cor_cgroup_moves_done(0);
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_ones_own),
		cmocka_unit_test(removes_empty_groups_only),
		cmocka_unit_test(others_of_the_same_name_stay),
		cmocka_unit_test(expecting_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
