/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks of the embedded engine with the real shim and a real OCI runtime (the argument: runc or crun): life cycle, exec,
 * terminals, logs, attaching.
 */
#include "tasks_rig.h"

static void run_to_its_end(void **state)
{
	struct rig *r = *state;
	int out[2], fd = -1;
	char text[16];
	struct cor_task_exit e;
	assert_int_equal(cor_pipe(out), 0);
	set_script(r, "[\"sh\",\"-c\",\"echo hello; sleep 0.2; exit 3\"]", false);
	OK(r,
	   create(r, (struct cor_stdio){.kind = COR_STDIO_INHERIT, .fds = {-1, out[1], out[1]}}, true, NULL));
	cor_close(out[1]);
	OK(r, r->s->tasks->start(r->s, "c1", NULL, NULL, &r->err)); /* it is started: nothing to do */
	OK(r, r->s->tasks->wait_fd(r->s, "c1", NULL, &fd, &r->err));
	assert_int_equal(wait_readable(fd, 0), 0);
	assert_int_equal(status_of(r), COR_TASK_RUNNING); /* beside the wait */
	assert_int_equal(wait_readable(fd, 10000), 1);
	assert_int_equal(wait_exit(r, NULL), 3);
	cor_close(fd);
	assert_int_equal(cor_read_full(out[0], text, sizeof(text)), 6);
	assert_memory_equal(text, "hello\n", 6);
	cor_close(out[0]);
	assert_int_equal(status_of(r), COR_TASK_STOPPED);
	assert_int_equal(r->s->tasks->kill(r->s, "c1", NULL, SIGTERM, false, &r->err), -ENOENT);
	assert_string_equal(r->err.message, "process already finished: not found");
	OK(r, r->s->tasks->remove(r->s, "c1", NULL, &e, &r->err));
	assert_int_equal(e.status, 3);
	assert_int_equal(r->s->tasks->state(r->s, "c1", NULL, NULL, &r->err), -ENOENT);
	assert_string_equal(r->err.message, "no running task found: task c1 not found");
	assert_nothing_left(r);
}

static int count_running(const struct cor_task *t, void *data)
{
	assert_string_equal(t->id, "c1");
	assert_int_equal(t->status, COR_TASK_RUNNING);
	++*(int *)data;
	return 0;
}

static void create_start_pause_kill(void **state)
{
	struct rig *r = *state;
	struct cor_task_exit e;
	pid_t *pids = NULL, pid = 0;
	size_t n = 0;
	int seen = 0;
	set_script(r, "[\"sleep\",\"100\"]", false);
	OK(r, create(r, no_io, false, NULL));
	assert_int_equal(status_of(r), COR_TASK_CREATED);
	OK(r, r->s->tasks->start(r->s, "c1", NULL, &pid, &r->err));
	assert_true(pid > 1);
	assert_int_equal(status_of(r), COR_TASK_RUNNING);
	OK(r, r->s->tasks->walk(r->s, count_running, &seen, &r->err));
	assert_int_equal(seen, 1);
	OK(r, r->s->tasks->pids(r->s, "c1", &pids, &n, &r->err));
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], pid);
	free(pids);
	OK(r, r->s->tasks->pause(r->s, "c1", &r->err));
	assert_int_equal(status_of(r), COR_TASK_PAUSED);
	OK(r, r->s->tasks->resume(r->s, "c1", &r->err));
	assert_int_equal(r->s->tasks->remove(r->s, "c1", NULL, &e, &r->err), -EBUSY);
	assert_string_equal(r->err.message,
			    "task must be stopped before deletion: running: failed precondition");
	OK(r, r->s->tasks->kill(r->s, "c1", NULL, SIGKILL, false, &r->err));
	assert_int_equal(wait_exit(r, NULL), 137);
	OK(r, r->s->tasks->remove(r->s, "c1", NULL, &e, &r->err));
	assert_int_equal(e.status, 137);
}

static void exec_in_it(void **state)
{
	struct rig *r = *state;
	int out[2];
	char text[16];
	struct cor_task_exit e;
	set_script(r, "[\"sleep\",\"100\"]", false);
	OK(r, create(r, no_io, true, NULL));
	assert_int_equal(cor_pipe(out), 0);
	struct cor_exec x = {
		.id = "c1",
		.exec_id = "e1",
		.process = "{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\",\"-c\",\"echo in; exit "
			   "7\"],\"env\":[\"PATH=/bin\"],"
			   "\"cwd\":\"/\"}",
		.stdio = {.kind = COR_STDIO_INHERIT, .fds = {-1, out[1], -1}},
	};
	OK(r, r->s->tasks->exec(r->s, &x, &r->err));
	OK(r, r->s->tasks->start(r->s, "c1", "e1", NULL, &r->err));
	cor_close(out[1]);
	assert_int_equal(wait_exit(r, "e1"), 7);
	assert_int_equal(cor_read_full(out[0], text, sizeof(text)), 3);
	cor_close(out[0]);
	OK(r, r->s->tasks->remove(r->s, "c1", "e1", &e, &r->err));
	assert_int_equal(e.status, 7);
	assert_int_equal(r->s->tasks->state(r->s, "c1", "e1", NULL, &r->err), -ENOENT);
	x.exec_id = "../e";
	assert_int_equal(r->s->tasks->exec(r->s, &x, &r->err), -EINVAL);
	assert_int_equal(status_of(r), COR_TASK_RUNNING);
}

static void read_until(int fd, const char *needle)
{
	char text[4096];
	size_t n = 0;
	while (wait_readable(fd, 10000) == 1) {
		ssize_t k = read(fd, text + n, sizeof(text) - 1 - n);
		if (k <= 0)
			break;
		n += (size_t)k;
		text[n] = '\0';
		if (strstr(text, needle))
			return;
	}
	fail_msg("\"%s\" did not come", needle);
}

static void terminals(void **state)
{
	struct rig *r = *state;
	int console = -1;
	const struct cor_stdio tty = {.kind = COR_STDIO_INHERIT, .terminal = true, .fds = {-1, -1, -1}};
	set_script(r, "[\"sh\",\"-c\",\"tty; read x; stty size; exit 4\"]", true);
	OK(r, create(r, tty, false, &console));
	assert_true(console >= 0);
	assert_true(fcntl(console, F_GETFD) & FD_CLOEXEC);
	OK(r, r->s->tasks->start(r->s, "c1", NULL, NULL, &r->err));
	read_until(console, "/dev/pts/");
	OK(r, r->s->tasks->resize(r->s, "c1", NULL, 33, 77, &r->err));

	struct cor_exec x = {.id = "c1",
			     .exec_id = "e1",
			     .process =
				     "{\"terminal\":true,\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"tty\"],"
				     "\"env\":[\"PATH=/bin\"],\"cwd\":\"/\"}",
			     .stdio = tty};
	int exec_console = -1;
	OK(r, r->s->tasks->exec(r->s, &x, &r->err));
	assert_int_equal(r->s->tasks->console(r->s, "c1", "e1", &exec_console, NULL), -ENOENT);
	OK(r, r->s->tasks->start(r->s, "c1", "e1", NULL, &r->err));
	OK(r, r->s->tasks->console(r->s, "c1", "e1", &exec_console, &r->err));
	read_until(exec_console, "/dev/pts/");
	assert_int_equal(wait_exit(r, "e1"), 0);
	cor_close(exec_console);

	int fd = -1;
	OK(r, r->s->tasks->wait_fd(r->s, "c1", NULL, &fd, &r->err));
	assert_int_equal(cor_write_full(console, "\n", 1), 0);
	read_until(console, "33 77");
	assert_int_equal(wait_exit(r, NULL), 4);
	cor_close(fd);
	cor_close(console);
}

static void detached_log_and_attach(void **state)
{
	struct rig *r = *state;
	_cleanup_free_ char *path = NULL, *log = NULL;
	int sock = -1;
	bool terminal = true;
	char frame[32];
	set_script(r, "[\"sh\",\"-c\",\"echo one; read x; echo got $x; exit 5\"]", false);
	OK(r, create(r, (struct cor_stdio){.kind = COR_STDIO_LOG, .fds = {-1, -1, -1}}, true, NULL));
	OK(r, r->s->tasks->attach(r->s, "c1", NULL, &sock, &terminal, &r->err));
	assert_false(terminal);
	assert_int_equal(cor_write_full(sock, "x\n", 2), 0);
	assert_int_equal(wait_exit(r, NULL), 5);
	assert_true(cor_read_full(sock, frame, sizeof(frame)) >= 8);
	assert_int_equal(frame[0], 1);
	cor_close(sock);
	OK(r, r->s->log_path(r->s, "c1", &path, &r->err));
	_cleanup_close_ int dir = cor_open_dir(path, &r->err);
	assert_true(dir >= 0);
	OK(r, cor_read_file_at(dir, COR_LOG_CURRENT, 4096, &log, NULL, &r->err));
	assert_non_null(strstr(log, "stdout F one\n"));
	assert_non_null(strstr(log, "stdout F got x\n"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(run_to_its_end), TEST(create_start_pause_kill), TEST(exec_in_it),
		TEST(terminals),      TEST(detached_log_and_attach),
	};
	int r = rig_main(argc, argv);
	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
