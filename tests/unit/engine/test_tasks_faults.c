/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks that go wrong, with the real shim and a real OCI runtime (the argument: runc or crun): what failed creates leave
 * (nothing), dead and hung shims, killed creators, many at once.
 */
#include "tasks_rig.h"

static int count_any(const struct cor_task *t, void *data)
{
	(void)t;
	++*(int *)data;
	return 0;
}

static void failed_creates_leave_nothing(void **state)
{
	struct rig *r = *state;
	const struct cor_stdio log = {.kind = COR_STDIO_LOG, .fds = {-1, -1, -1}};
	static const bool starts[] = {false, true};
	for (size_t i = 0; i < 2; i++) {
		set_script(r, "[\"/no/such/program\"]", false);
		assert_true(create(r, log, starts[i], NULL) < 0);
		/* After this it is the runtime's own words. */
		const char *own =
			cor_after(r->err.message, "failed to create shim task: OCI runtime create failed: ");
		if (!own || (streq(runtime_name, "runc") && !cor_startswith(own, "runc create failed: ")))
			fail_msg("unexpected text: %s", r->err.message);
		assert_nothing_left(r);
		assert_true(faccessat(r->fd, "root/logs/" NS "/c1", F_OK, 0) < 0);
	}
	struct cor_mounts saved = r->rootfs;
	r->rootfs = (struct cor_mounts){0};
	cor_mounts_add(&r->rootfs, "bind", "/no/such/directory", NULL, saved.items[0].options);
	assert_true(create(r, log, true, NULL) < 0);
	if (!strstr(r->err.message, "mount") || !strstr(r->err.message, "no such file or directory"))
		fail_msg("unexpected text: %s", r->err.message);
	cor_mounts_done(&r->rootfs);
	r->rootfs = saved;
	assert_nothing_left(r);
	free(r->c.spec);
	r->c.spec = strdup("{ not json");
	assert_true(create(r, log, true, NULL) < 0);
	assert_nothing_left(r);
}

static void unknown_and_missing_runtimes(void **state)
{
	struct rig *r = *state;
	set_script(r, "[\"true\"]", false);
	set_runtime(r, "no-such-runc");
	assert_int_equal(create(r, no_io, true, NULL), -ENOENT);
	assert_non_null(strstr(r->err.message, "no-such-runc"));
	set_runtime(r, "/no/such/runc");
	assert_int_equal(create(r, no_io, true, NULL), -ENOENT);
	set_runtime(r, runtime_name);
	free(r->c.runtime);
	r->c.runtime = strdup("io.containerd.kata.v2");
	assert_int_equal(create(r, no_io, true, NULL), -ENOENT);
	assert_non_null(strstr(r->err.message, "io.containerd.kata.v2"));
	free(r->c.runtime);
	r->c.runtime = strdup("/bin/true");
	assert_int_equal(create(r, no_io, true, NULL), -ENOSYS);
	free(r->c.runtime);
	r->c.runtime = strdup("io.containerd.coracle.v2");
	free(r->c.runtime_options.type_url);
	r->c.runtime_options.type_url = strdup("runtimeoptions.v1.Options");
	assert_int_equal(create(r, no_io, true, NULL), -EINVAL);
	assert_true(faccessat(r->fd, "state/" NS, F_OK, 0) < 0);
}

static void names_stay_inside(void **state)
{
	struct rig *r = *state;
	static const char *const bad[] = {"..", "../x", "a/b", "", ".hidden", "x\n"};
	set_script(r, "[\"true\"]", false);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cor_task t = {0};
		assert_int_equal(r->s->tasks->state(r->s, bad[i], NULL, &t, &r->err), -ENOENT);
		struct cor_task_create req = {
			.id = bad[i], .container = &r->c, .rootfs = &r->rootfs, .stdio = no_io};
		assert_int_equal(r->s->tasks->create(r->s, &req, NULL, NULL, &r->err), -EINVAL);
	}
}

static void one_of_many_creators_wins(void **state)
{
	struct rig *r = *state;
	enum { MANY = 8 };
	pid_t pids[MANY];
	int won = 0, lost = 0, go[2];
	set_script(r, "[\"sleep\",\"100\"]", false);
	assert_int_equal(cor_pipe(go), 0);
	for (int i = 0; i < MANY; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char b;
			close(go[1]);
			(void)!read(go[0], &b, 1);
			r->s = open_engine(r, 0);
			int k = create(r, no_io, true, NULL);
			_exit(k == 0                                                             ? 0
			      : k == -EEXIST && streq(r->err.message, "task c1: already exists") ? 1
												 : 2);
		}
	}
	cor_close(go[0]);
	cor_close(go[1]);
	for (int i = 0; i < MANY; i++) {
		int status = -1;
		assert_int_equal(cor_wait_exit(pids[i], &status), 0);
		won += status == 0;
		lost += status == 1;
	}
	assert_int_equal(won, 1);
	assert_int_equal(lost, MANY - 1);
	/* The winner is gone; its task is not. */
	assert_int_equal(status_of(r), COR_TASK_RUNNING);
}

/* What a creator that was killed leaves behind is no task, and in nobody's way. */
static void killed_creators_are_cleaned_up_after(void **state)
{
	struct rig *r = *state;
	set_script(r, "[\"true\"]", false);
	cor_close(cor_mkdir_p_in_root(r->fd, "state/" NS, 0711));
	_cleanup_close_ int bundle = cor_mkdir_p_in_root(r->fd, "state/" NS "/c1", 0700);
	_cleanup_close_ int sock = cor_unix_listen(bundle, COR_SHIM_SOCKET, NULL);
	assert_true(sock >= 0);
	sock = cor_close(sock); /* its socket is there, and refuses */
	OK(r, cor_write_file_at(bundle, "config.json", "{}", 2, 0600, false, &r->err));
	assert_int_equal(r->s->tasks->state(r->s, "c1", NULL, NULL, &r->err), -ENOENT);
	assert_nothing_left(r);
	bundle = cor_close(bundle);
	bundle = cor_mkdir_p_in_root(r->fd, "state/" NS "/c1", 0700);
	cor_close(cor_unix_listen(bundle, COR_SHIM_SOCKET, NULL));
	OK(r, cor_write_file_at(bundle, "config.json", "{}", 2, 0600, false, &r->err));
	OK(r, create(r, no_io, true, NULL));
	assert_int_equal(wait_exit(r, NULL), 0);
}

static pid_t shim_pid(struct rig *r)
{
	_cleanup_free_ char *text = NULL;
	int pid = 0;
	OK(r, cor_read_file_at(r->fd, "state/" NS "/c1/" COR_SHIM_PID_FILE, 64, &text, NULL, &r->err));
	assert_int_equal(sscanf(text, "%d", &pid), 1);
	return pid;
}

static void wait_gone(pid_t pid)
{
	for (int i = 0; i < 500; i++) {
		char path[32], *stat = NULL;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		if (cor_read_file_at(AT_FDCWD, path, 4096, &stat, NULL, NULL) < 0)
			return;
		bool zombie = strstr(stat, ") Z ");
		free(stat);
		if (zombie)
			return;
		usleep(10000);
	}
	fail_msg("process %d is still there", pid);
}

static void dead_shim_while_waiting(void **state)
{
	struct rig *r = *state;
	int fd = -1;
	struct cor_task t = {0};
	struct cor_task_exit e;
	set_script(r, "[\"sleep\",\"100\"]", false);
	OK(r, create(r, no_io, true, NULL));
	OK(r, r->s->tasks->state(r->s, "c1", NULL, &t, &r->err));
	pid_t init = t.pid;
	cor_task_done(&t);
	OK(r, r->s->tasks->wait_fd(r->s, "c1", NULL, &fd, &r->err));
	assert_int_equal(kill(shim_pid(r), SIGKILL), 0);
	assert_int_equal(wait_readable(fd, 5000), 1);
	assert_int_equal(wait_exit(r, NULL), 137);
	cor_close(fd);
	wait_gone(init);
	assert_int_equal(status_of(r), COR_TASK_STOPPED);
	assert_int_equal(wait_exit(r, NULL), 137); /* and again */
	OK(r, r->s->tasks->wait_fd(r->s, "c1", NULL, &fd, &r->err));
	assert_int_equal(wait_readable(fd, 0), 1);
	cor_close(fd);
	assert_int_equal(r->s->tasks->kill(r->s, "c1", NULL, SIGTERM, false, &r->err), -ENOENT);
	assert_string_equal(r->err.message, "process already finished: not found");
	assert_int_equal(r->s->tasks->start(r->s, "c1", "e1", NULL, &r->err), -EBUSY);
	assert_int_equal(create(r, no_io, true, NULL), -EEXIST);
	OK(r, r->s->tasks->remove(r->s, "c1", NULL, &e, &r->err));
	assert_int_equal(e.status, 137);
	assert_nothing_left(r);
}

/* The same, noticed by another process that only lists, in each state that a task can be in. */
static void dead_shim_found_by_others(void **state)
{
	struct rig *r = *state;
	static const bool starts[] = {false, true};
	for (size_t i = 0; i < 3; i++) {
		set_script(r, "[\"sleep\",\"100\"]", false);
		OK(r, create(r, no_io, starts[i > 0], NULL));
		if (i == 2)
			OK(r, r->s->tasks->pause(r->s, "c1", &r->err));
		pid_t shim = shim_pid(r);
		assert_int_equal(kill(shim, SIGKILL), 0);
		wait_gone(shim);
		struct cor_services *mine = r->s;
		r->s = open_engine(r, 0);
		assert_int_equal(status_of(r), COR_TASK_STOPPED);
		OK(r, r->s->tasks->remove(r->s, "c1", NULL, NULL, &r->err));
		assert_nothing_left(r);
		cor_services_free(r->s);
		r->s = mine;
		struct cor_task t = {0};
		assert_int_equal(r->s->tasks->state(r->s, "c1", NULL, &t, &r->err), -ENOENT);
	}
}

static int see_unknown(const struct cor_task *t, void *data)
{
	enum cor_task_status *seen = data;
	seen[streq(t->id, "c1") ? 0 : 1] = t->status;
	return 0;
}

static void hung_shim_costs_its_own_calls_only(void **state)
{
	struct rig *r = *state;
	enum cor_task_status seen[2] = {COR_TASK_STOPPED, COR_TASK_UNKNOWN};
	struct cor_task t = {0};
	set_script(r, "[\"sleep\",\"100\"]", false);
	OK(r, create(r, no_io, true, NULL));
	pid_t shim = shim_pid(r);
	free(r->c.id);
	r->c.id = strdup("c2");
	set_script(r, "[\"sleep\",\"100\"]", false);
	OK(r, create(r, no_io, true, NULL));
	assert_int_equal(kill(shim, SIGSTOP), 0);
	struct cor_services *mine = r->s;
	r->s = open_engine(r, SECOND / 5);
	int64_t start = cor_monotonic_ns();
	assert_int_equal(r->s->tasks->state(r->s, "c1", NULL, &t, &r->err), -ETIMEDOUT);
	assert_int_equal(r->err.code, COR_DEADLINE_EXCEEDED);
	OK(r, r->s->tasks->walk(r->s, see_unknown, seen, &r->err));
	assert_true(cor_monotonic_ns() - start < 5 * SECOND);
	assert_int_equal(seen[0], COR_TASK_UNKNOWN);
	assert_int_equal(seen[1], COR_TASK_RUNNING);
	cor_services_free(r->s);
	r->s = mine;
	assert_int_equal(kill(shim, SIGCONT), 0);
	assert_int_equal(status_of(r), COR_TASK_RUNNING);
	OK(r, r->s->tasks->kill(r->s, "c2", NULL, SIGKILL, false, &r->err));
	OK(r, r->s->tasks->wait(r->s, "c2", NULL, NULL, &r->err));
	OK(r, r->s->tasks->remove(r->s, "c2", NULL, NULL, &r->err));
	free(r->c.id);
	r->c.id = strdup("c1");
}

/* A program that takes long to create: the deadline passes, and everything is taken back. */
static void create_beyond_its_deadline(void **state)
{
	struct rig *r = *state;
	static const char script[] = "#!/bin/sh\nexec sleep 100\n";
	OK(r, cor_write_file_at(r->fd, "slow-runc", script, sizeof(script) - 1, 0755, false, &r->err));
	_cleanup_free_ char *path = cor_asprintf("%s/slow-runc", r->dir);
	set_runtime(r, path);
	set_script(r, "[\"true\"]", false);
	struct cor_services *mine = r->s;
	r->s = open_engine(r, SECOND / 2);
	assert_int_equal(create(r, no_io, true, NULL), -ETIMEDOUT);
	assert_true(cor_startswith(r->err.message, "failed to create shim task: "));
	assert_nothing_left(r);
	cor_services_free(r->s);
	r->s = mine;
}

static void reboot_means_absent(void **state)
{
	struct rig *r = *state;
	struct cor_task t = {0};
	set_script(r, "[\"true\"]", false);
	OK(r, create(r, no_io, true, NULL));
	assert_int_equal(wait_exit(r, NULL), 0);
	OK(r, r->s->tasks->remove(r->s, "c1", NULL, NULL, &r->err));
	cor_services_free(r->s);
	assert_int_equal(cor_remove_tree_at(r->fd, "state", &r->err), 0);
	r->s = open_engine(r, 0);
	int seen = 0;
	OK(r, r->s->tasks->walk(r->s, count_any, &seen, &r->err));
	assert_int_equal(seen, 0);
	assert_int_equal(r->s->tasks->state(r->s, "c1", NULL, &t, &r->err), -ENOENT);
	assert_string_equal(r->err.message, "no running task found: task c1 not found");
	assert_int_equal(r->s->tasks->remove(r->s, "c1", NULL, NULL, &r->err), -ENOENT);
}

static size_t count_fds(void)
{
	size_t n = 0;
	_cleanup_close_ int fd = openat(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3));
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void rounds_leak_nothing(void **state)
{
	struct rig *r = *state;
	size_t baseline = 0;
	for (int i = 0; i < 12; i++) {
		set_script(r, i % 3 == 2 ? "[\"nope\"]" : "[\"true\"]", false);
		int k = create(r, no_io, i % 2, NULL), fd = -1;
		if (i % 3 == 2) {
			assert_true(k < 0);
		} else {
			OK(r, r->s->tasks->start(r->s, "c1", NULL, NULL, &r->err));
			OK(r, r->s->tasks->wait_fd(r->s, "c1", NULL, &fd, &r->err));
			assert_int_equal(wait_exit(r, NULL), 0);
			OK(r, r->s->tasks->remove(r->s, "c1", NULL, NULL, &r->err));
			cor_close(fd);
		}
		if (i == 2)
			baseline = count_fds();
	}
	assert_int_equal(count_fds(), baseline);
	assert_nothing_left(r);
}

/* Another process signals and removes while this one waits. */
static void removed_by_somebody_else(void **state)
{
	struct rig *r = *state;
	int fd = -1;
	set_script(r, "[\"sleep\",\"100\"]", false);
	OK(r, create(r, no_io, true, NULL));
	OK(r, r->s->tasks->wait_fd(r->s, "c1", NULL, &fd, &r->err));
	struct cor_services *other = open_engine(r, 0);
	OK(r, other->tasks->kill(other, "c1", NULL, SIGTERM, true, &r->err));
	(void)other->tasks->kill(other, "c1", NULL, SIGKILL, true, NULL);
	OK(r, other->tasks->wait(other, "c1", NULL, NULL, &r->err));
	OK(r, other->tasks->remove(other, "c1", NULL, NULL, &r->err));
	cor_services_free(other);
	assert_int_equal(wait_exit(r, NULL), 137);
	cor_close(fd);
	assert_int_equal(r->s->tasks->remove(r->s, "c1", NULL, NULL, &r->err), -ENOENT);
	/* And the name is free at once. */
	set_script(r, "[\"true\"]", false);
	OK(r, create(r, no_io, true, NULL));
	assert_int_equal(wait_exit(r, NULL), 0);
}

/* Others look on while tasks come and go under one name; none of them may take a new bundle for a dead one. */
static void rounds_while_others_look(void **state)
{
	struct rig *r = *state;
	pid_t lookers[3];
	int ready[2];
	set_script(r, "[\"true\"]", false);
	assert_int_equal(cor_pipe(ready), 0);
	for (size_t i = 0; i < ARRAY_SIZE(lookers); i++) {
		lookers[i] = fork();
		if (lookers[i] == 0) {
			struct cor_services *s = open_engine(r, 0);
			(void)!write(ready[1], "x", 1);
			for (;;) {
				struct cor_task t = {0};
				int n = 0;
				if (s->tasks->state(s, "c1", NULL, &t, NULL) == 0)
					cor_task_done(&t);
				(void)s->tasks->walk(s, count_any, &n, NULL);
			}
		}
	}
	char b[3];
	assert_int_equal(cor_read_full(ready[0], b, 3), 3);
	for (int i = 0; i < 25; i++) {
		struct cor_task_exit e;
		OK(r, create(r, no_io, i % 2, NULL));
		OK(r, r->s->tasks->start(r->s, "c1", NULL, NULL, &r->err));
		assert_int_equal(wait_exit(r, NULL), 0);
		OK(r, r->s->tasks->remove(r->s, "c1", NULL, &e, &r->err));
		assert_int_equal(e.status, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(lookers); i++) {
		int status;
		kill(lookers[i], SIGKILL);
		assert_int_equal(cor_wait_exit(lookers[i], &status), 0);
		assert_int_equal(status, 137); /* it was still looking */
	}
	cor_close(ready[0]);
	cor_close(ready[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(failed_creates_leave_nothing),
		TEST(unknown_and_missing_runtimes),
		TEST(names_stay_inside),
		TEST(one_of_many_creators_wins),
		TEST(killed_creators_are_cleaned_up_after),
		TEST(dead_shim_while_waiting),
		TEST(dead_shim_found_by_others),
		TEST(hung_shim_costs_its_own_calls_only),
		TEST(create_beyond_its_deadline),
		TEST(reboot_means_absent),
		TEST(rounds_leak_nothing),
		TEST(removed_by_somebody_else),
		TEST(rounds_while_others_look),
	};
	int r = rig_main(argc, argv);
	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
