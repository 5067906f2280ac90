/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks of the embedded engine with the real shim and a real OCI runtime (the argument: runc or crun) on a busybox root
 * file system: life cycle, stdio, errors and what they leave (nothing), dead and hung shims, many at once.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "engine/engine.h"
#include "rpc/shim_api.h"
#include "runc_options.pb-c.h"

#define NS     "test"
#define SECOND INT64_C(1000000000)

static const char *runtime_name = "runc";

struct rig {
	char dir[32]; /* root, state, fs (root file system) */
	int fd;
	struct cor_services *s;
	struct cor_container c;
	struct cor_mounts rootfs;
	struct cor_error err;
};

static struct cor_services *open_engine(struct rig *r, int64_t timeout_ns)
{
	struct cor_services *s = NULL;
	_cleanup_free_ char *root = cor_asprintf("%s/root", r->dir),
			    *state = cor_asprintf("%s/state", r->dir);
	struct cor_engine_options o = {.root = root,
				       .state = state,
				       .ns = NS,
				       .shim = getenv("CORACLE_SHIM"),
				       .timeout_ns = timeout_ns};
	assert_int_equal(cor_engine_open(&o, &s, &r->err), 0);
	return s;
}

static void make_rootfs(struct rig *r)
{
	static const char *const links[] = {"sh",   "sleep", "true", "cat", "echo",
					    "kill", "stty",  "tty",  "ps",  "head"};
	static const char *const dirs[] = {"proc", "dev", "sys", "tmp"};
	_cleanup_close_ int bin = cor_mkdir_p_in_root(r->fd, "fs/bin", 0755);
	_cleanup_close_ int fs = openat(r->fd, "fs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int in = openat(AT_FDCWD, "/bin/busybox", O_RDONLY | O_CLOEXEC);
	bin = bin < 0 ? bin : openat(r->fd, "fs/bin", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int out = openat(bin, "busybox", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	assert_true(cor_copy_fd(in, out) > 0);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		assert_int_equal(symlinkat("busybox", bin, links[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		assert_int_equal(mkdirat(fs, dirs[i], 0755), 0);
}

/* The container runs `sh -c script`. */
static void set_script(struct rig *r, const char *args, bool terminal)
{
	free(r->c.spec);
	r->c.spec = cor_asprintf(
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":%s,\"user\":{\"uid\":0,\"gid\":0},"
		"\"args\":%s,"
		"\"env\":[\"PATH=/bin\",\"TERM=xterm\"],\"cwd\":\"/\",\"noNewPrivileges\":true},"
		"\"root\":{\"path\":\"rootfs\"},\"hostname\":\"t\",\"mounts\":["
		"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
		"{\"destination\":\"/dev/"
		"pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"newinstance\","
		"\"ptmxmode=0666\"]}],\"linux\":{\"cgroupsPath\":\"/cor-engine-test/"
		"%s\",\"namespaces\":[{\"type\":\"pid\"},"
		"{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"network\"}]}}",
		terminal ? "true" : "false", args, r->c.id);
	assert_non_null(r->c.spec);
}

static void set_runtime(struct rig *r, const char *binary)
{
	Containerd__Runc__V1__Options o = CONTAINERD__RUNC__V1__OPTIONS__INIT;
	uint8_t packed[300];
	o.binary_name = (char *)(uintptr_t)binary;
	size_t n = containerd__runc__v1__options__pack(&o, packed);
	cor_any_done(&r->c.runtime_options);
	assert_int_equal(cor_any_set(&r->c.runtime_options, COR_RUNC_OPTIONS_TYPE, packed, n), 0);
}

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "/tmp/cor-tasks-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	r->fd = cor_open_dir(r->dir, NULL);
	make_rootfs(r);
	r->c.id = strdup("c1");
	r->c.runtime = strdup("io.containerd.runc.v2");
	set_runtime(r, runtime_name);
	_cleanup_free_ char *fs = cor_asprintf("%s/fs", r->dir);
	_cleanup_strv_ char **options = cor_strv_split("rbind,rw", ',');
	cor_mounts_add(&r->rootfs, "bind", fs, NULL, options);
	r->s = open_engine(r, 0);
	*state = r;
	return 0;
}

/* Everything of a task is gone: bundle, runtime state, mounts, cgroups, shim. */
static void assert_nothing_left(struct rig *r)
{
	_cleanup_free_ char *mounts = NULL;
	char needle[64];
	_cleanup_close_ int ns = openat(r->fd, "state/" NS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ns >= 0) {
		DIR *d = fdopendir(fcntl(ns, F_DUPFD_CLOEXEC, 3));
		for (struct dirent *e; (e = readdir(d));)
			if (e->d_name[0] != '.' || e->d_name[1] > '.')
				fail_msg("left in the state directory: %s", e->d_name);
		closedir(d);
	}
	_cleanup_close_ int runtime = openat(r->fd, "state/runc/" NS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (runtime >= 0) {
		DIR *d = fdopendir(fcntl(runtime, F_DUPFD_CLOEXEC, 3));
		for (struct dirent *e; (e = readdir(d));)
			if (e->d_name[0] != '.')
				fail_msg("left in the runtime's directory: %s", e->d_name);
		closedir(d);
	}
	assert_int_equal(cor_read_file_at(AT_FDCWD, "/proc/self/mountinfo", 1u << 22, &mounts, NULL, NULL),
			 0);
	snprintf(needle, sizeof(needle), "%s/", r->dir);
	assert_null(strstr(mounts, needle));
	static const char *const groups[] = {
		"/sys/fs/cgroup/cor-engine-test/c1", "/sys/fs/cgroup/pids/cor-engine-test/c1",
		"/sys/fs/cgroup/unified/cor-engine-test/c1", "/sys/fs/cgroup/memory/cor-engine-test/c1"};
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (faccessat(AT_FDCWD, groups[i], F_OK, 0) == 0)
			fail_msg("left: %s", groups[i]);
}

static int tear_down(void **state)
{
	struct rig *r = *state;
	struct cor_error e = {0};
	(void)r->s->tasks->kill(r->s, "c1", NULL, SIGKILL, true, &e);
	(void)r->s->tasks->wait(r->s, "c1", NULL, NULL, &e);
	(void)r->s->tasks->remove(r->s, "c1", NULL, NULL, &e);
	assert_nothing_left(r);
	cor_services_free(r->s);
	/* No zombie: every shim that was our child is reaped. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	cor_container_done(&r->c);
	cor_mounts_done(&r->rootfs);
	assert_int_equal(cor_remove_tree_at(AT_FDCWD, r->dir, &e), 0);
	cor_close(r->fd);
	free(r);
	return 0;
}

#define OK(r, call)                                                          \
	do {                                                                 \
		int r_ = (call);                                             \
		if (r_ < 0)                                                  \
			fail_msg("%s: %d: %s", #call, r_, (r)->err.message); \
	} while (0)

static int create(struct rig *r, struct cor_stdio io, bool start, int *ret_console)
{
	struct cor_task_create req = {
		.id = r->c.id, .container = &r->c, .rootfs = &r->rootfs, .stdio = io, .start = start};
	cor_error_clear(&r->err);
	return r->s->tasks->create(r->s, &req, NULL, ret_console, &r->err);
}

static const struct cor_stdio no_io = {.kind = COR_STDIO_NONE, .fds = {-1, -1, -1}};

static uint32_t wait_exit(struct rig *r, const char *exec_id)
{
	struct cor_task_exit e = {0};
	OK(r, r->s->tasks->wait(r->s, "c1", exec_id, &e, &r->err));
	assert_true(e.exited_ns > 0 && e.exited_ns <= cor_now_ns());
	return e.status;
}

static enum cor_task_status status_of(struct rig *r)
{
	struct cor_task t = {0};
	OK(r, r->s->tasks->state(r->s, "c1", NULL, &t, &r->err));
	enum cor_task_status st = t.status;
	cor_task_done(&t);
	return st;
}

static int wait_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, ms);
}

/* ---- life cycle ---------------------------------------------------------------------------------------------- */

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

/* ---- what goes wrong ----------------------------------------------------------------------------------------- */

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
	assert_int_equal(create(r, no_io, true, NULL), -ENOSYS);
	assert_non_null(strstr(r->err.message, "io.containerd.kata.v2"));
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
	_cleanup_close_ int ns = cor_mkdir_p_in_root(r->fd, "state/" NS, 0711);
	_cleanup_close_ int bundle = cor_mkdir_p_in_root(r->fd, "state/" NS "/c1", 0700);
	_cleanup_close_ int sock = cor_unix_listen(bundle, COR_SHIM_SOCKET, NULL);
	assert_true(sock >= 0);
	sock = cor_close(sock); /* its socket is there, and refuses */
	assert_int_equal(r->s->tasks->state(r->s, "c1", NULL, NULL, &r->err), -ENOENT);
	assert_nothing_left(r);
	bundle = cor_close(bundle);
	bundle = cor_mkdir_p_in_root(r->fd, "state/" NS "/c1", 0700);
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
	OK(r, r->s->tasks->walk(r->s, count_running, &seen, &r->err));
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

static int count_any(const struct cor_task *t, void *data)
{
	(void)t;
	++*(int *)data;
	return 0;
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
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(run_to_its_end),
		TEST(create_start_pause_kill),
		TEST(exec_in_it),
		TEST(terminals),
		TEST(detached_log_and_attach),
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
	_cleanup_free_ char *path = NULL;
	if (argc > 1)
		runtime_name = argv[1];
	if (argc > 2)
		cmocka_set_test_filter(argv[2]);
	if (geteuid() != 0 || !getenv("CORACLE_SHIM") || faccessat(AT_FDCWD, "/bin/busybox", X_OK, 0) < 0 ||
	    cor_find_program(runtime_name, NULL, &path) < 0) {
		printf("1..0 # SKIP needs root, busybox-static, %s and CORACLE_SHIM\n", runtime_name);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
