/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What belongs to others is not touched when tasks are looked for, created, or cleaned up after: directories that are no
 * bundles, the runtime's state, a creator's log, a cgroup without a container of ours. The argument: runc or crun.
 */
#include "tasks_rig.h"

#include <sys/prctl.h>

#define CGROUP "/sys/fs/cgroup"

static int count_any(const struct cor_task *t, void *data)
{
	(void)t;
	++*(int *)data;
	return 0;
}

static int tasks_of(struct rig *r, struct cor_services *s)
{
	int n = 0;
	OK(r, s->tasks->walk(s, count_any, &n, &r->err));
	return n;
}

/* `coracle -n runc tasks ls` took the runtime's directories for dead tasks. */
static void listing_of_a_namespace_named_like_the_runtime(void **state)
{
	struct rig *r = *state;
	static const char *const names[] = {"runc", "crun"};
	set_script(r, "[\"sleep\",\"100\"]", false);
	OK(r, create(r, no_io, true, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *root = cor_asprintf("%s/root", r->dir),
				    *st = cor_asprintf("%s/state", r->dir);
		struct cor_engine_options o = {.root = root, .state = st, .ns = names[i]};
		struct cor_services *s = NULL;
		OK(r, cor_engine_open(&o, &s, &r->err));
		assert_int_equal(tasks_of(r, s), 0);
		cor_services_free(s);
	}
	assert_int_equal(faccessat(r->fd, "state/.runc/" NS "/c1", F_OK, 0), 0);
	OK(r, r->s->tasks->kill(r->s, "c1", NULL, SIGKILL, false, &r->err));
	assert_int_equal(wait_exit(r, NULL), 137);
	OK(r, r->s->tasks->remove(r->s, "c1", NULL, NULL, &r->err));
}

static void put_file(struct rig *r, const char *name)
{
	_cleanup_close_ int fd = openat(r->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
}

/* Directories beside the bundles were removed with all that was in them. */
static void directories_of_others_are_no_tasks(void **state)
{
	struct rig *r = *state;
	struct cor_task t = {0};
	_cleanup_close_ int a = cor_mkdir_p_in_root(r->fd, "state/" NS "/c1", 0755);
	_cleanup_close_ int b = cor_mkdir_p_in_root(r->fd, "state/" NS "/empty", 0755);
	_cleanup_close_ int c = cor_mkdir_p_in_root(r->fd, "state/" NS "/half", 0755);
	assert_true(a >= 0 && b >= 0 && c >= 0);
	put_file(r, "state/" NS "/c1/precious");
	put_file(r, "state/" NS "/half/config.json");
	put_file(r, "state/" NS "/half/" COR_SHIM_SOCKET);
	set_script(r, "[\"true\"]", false);
	assert_int_equal(tasks_of(r, r->s), 0);
	assert_int_equal(r->s->tasks->state(r->s, "c1", NULL, &t, &r->err), -ENOENT);
	assert_string_equal(r->err.message, "no running task found: task c1 not found");
	assert_int_equal(r->s->tasks->kill(r->s, "c1", NULL, SIGKILL, true, &r->err), -ENOENT);
	assert_int_equal(r->s->tasks->remove(r->s, "c1", NULL, NULL, &r->err), -ENOENT);
	assert_true(create(r, no_io, true, NULL) < 0);
	assert_int_equal(r->err.code, COR_FAILED_PRECONDITION);
	if (!strstr(r->err.message, "/state/" NS "/c1\" is in the way"))
		fail_msg("unexpected text: %s", r->err.message);
	static const char *const names[] = {"c1/precious", "empty", "half/config.json"};
	_cleanup_close_ int ns = openat(r->fd, "state/" NS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (faccessat(ns, names[i], F_OK, 0) < 0)
			fail_msg("%s was removed", names[i]);
	static const char *const tops[] = {"c1", "empty", "half"};
	for (size_t i = 0; i < ARRAY_SIZE(tops); i++)
		assert_int_equal(cor_remove_tree_at(ns, tops[i], NULL), 0);
}

/* A bundle whose shim is dead, as a creator that was killed leaves it. */
static int dead_bundle(struct rig *r)
{
	int bundle = cor_mkdir_p_in_root(r->fd, "state/" NS "/c1", 0700);
	cor_close(cor_unix_listen(bundle, COR_SHIM_SOCKET, NULL));
	OK(r, cor_write_file_at(bundle, "config.json", r->c.spec, strlen(r->c.spec), 0600, false, &r->err));
	return bundle;
}

static void wait_for_blocked(pid_t pid)
{
	char needle[64];
	snprintf(needle, sizeof(needle), "WRITE %d ", pid);
	for (int i = 0; i < 1000; i++) {
		_cleanup_free_ char *text = NULL;
		assert_int_equal(cor_read_file_at(AT_FDCWD, "/proc/locks", 1u << 20, &text, NULL, NULL), 0);
		for (char *l = strstr(text, "-> FLOCK"); l; l = strstr(l + 1, "-> FLOCK")) {
			char *end = strchr(l, '\n'), *at = strstr(l, needle);
			if (at && end && at < end)
				return;
		}
		usleep(10000);
	}
	fail_msg("process %d does not wait for a lock", pid);
}

/* Two starts, one wins: the other one, which came too late, removed the winner's log. */
static void loser_of_a_race_leaves_the_log(void **state)
{
	struct rig *r = *state;
	const struct cor_stdio log = {.kind = COR_STDIO_LOG, .fds = {-1, -1, -1}};
	int status = -1;
	set_script(r, "[\"true\"]", false);
	_cleanup_close_ int bundle = dead_bundle(r);
	assert_int_equal(flock(bundle, LOCK_EX | LOCK_NB), 0);
	pid_t pid = fork();
	if (pid == 0) {
		r->s = open_engine(r, 0);
		_exit(create(r, log, true, NULL) == -EEXIST ? 0 : 1);
	}
	wait_for_blocked(pid);
	/* Meanwhile the task is the winner's, and has come to its end. */
	_cleanup_close_ int dir = cor_mkdir_p_in_root(r->fd, "root/logs/" NS "/c1", 0700);
	assert_true(dir >= 0);
	put_file(r, "root/logs/" NS "/c1/current");
	OK(r, cor_write_file_at(bundle, "exited", "0 1\n", 4, 0600, false, &r->err));
	assert_int_equal(flock(bundle, LOCK_UN), 0);
	assert_int_equal(cor_wait_exit(pid, &status), 0);
	assert_int_equal(status, 0);
	assert_int_equal(faccessat(r->fd, "root/logs/" NS "/c1/current", F_OK, 0), 0);
}

static int open_cgroup(void)
{
	static const char *const bases[] = {CGROUP "/unified", CGROUP "/pids", CGROUP};
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		_cleanup_close_ int base = openat(AT_FDCWD, bases[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (base >= 0 && faccessat(base, "cgroup.procs", F_OK, 0) == 0)
			return cor_mkdir_p_in_root(base, "cor-engine-test/c1", 0755);
	}
	return -1;
}

/* The spec names a cgroup in which there was never a container of ours: what runs there was killed. */
static void cgroup_without_a_container_is_left_alone(void **state)
{
	struct rig *r = *state;
	_cleanup_close_ int group = open_cgroup();
	if (group < 0)
		skip();
	set_script(r, "[\"true\"]", false);
	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	char text[16];
	int status = -1, n = snprintf(text, sizeof(text), "%d", pid);
	_cleanup_close_ int procs = openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	bool in = procs >= 0 && cor_write_full(procs, text, (size_t)n) == 0;
	_cleanup_close_ int bundle = dead_bundle(r);
	int k = r->s->tasks->state(r->s, "c1", NULL, NULL, &r->err);
	usleep(100000);
	pid_t gone = waitpid(pid, &status, WNOHANG);
	/* With a container that once was there, it is that one's remains. */
	bundle = cor_close(bundle);
	bundle = gone == 0 ? dead_bundle(r) : -1;
	if (gone == 0) {
		put_file(r, "state/" NS "/c1/init.pid");
		assert_int_equal(r->s->tasks->state(r->s, "c1", NULL, NULL, &r->err), -ENOENT);
		for (int i = 0; i < 500 && waitpid(pid, &status, WNOHANG) == 0; i++)
			usleep(10000);
	}
	_cleanup_close_ int parent = openat(group, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 100 && unlinkat(parent, "c1", AT_REMOVEDIR) < 0 && errno == EBUSY; i++)
		usleep(10000);
	assert_true(in);
	assert_int_equal(k, -ENOENT);
	assert_int_equal(gone, 0);
	assert_true(WIFSIGNALED(status));
}

/* A removal that was interrupted is finished by who looks next; a hidden directory of somebody else is not. */
static void interrupted_removals_are_finished(void **state)
{
	struct rig *r = *state;
	static const char *const names[] = {".c9.01234567.gone/log.json", ".git/config",
					    ".c9.01234567x.gone/a", ".c9.gone/a"};
	_cleanup_close_ int ns = cor_mkdir_p_in_root(r->fd, "state/" NS, 0711);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *dir = strndup(names[i], strcspn(names[i], "/"));
		cor_close(cor_mkdir_p_in_root(ns, dir, 0700));
		_cleanup_close_ int fd = openat(ns, names[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
	}
	assert_int_equal(tasks_of(r, r->s), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(faccessat(ns, names[i], F_OK, 0) == 0, i > 0);
	for (size_t i = 1; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *dir = strndup(names[i], strcspn(names[i], "/"));
		assert_int_equal(cor_remove_tree_at(ns, dir, NULL), 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(listing_of_a_namespace_named_like_the_runtime),
		TEST(directories_of_others_are_no_tasks),
		TEST(interrupted_removals_are_finished),
		TEST(loser_of_a_race_leaves_the_log),
		TEST(cgroup_without_a_container_is_left_alone),
	};
	int r = rig_main(argc, argv);
	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
