/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "tasks_rig.h"

#include "runc_options.pb-c.h"

const char *runtime_name = "runc";

struct cor_services *open_engine(struct rig *r, int64_t timeout_ns)
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
void set_script(struct rig *r, const char *args, bool terminal)
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

void set_runtime(struct rig *r, const char *binary)
{
	Containerd__Runc__V1__Options o = CONTAINERD__RUNC__V1__OPTIONS__INIT;
	uint8_t packed[300];
	o.binary_name = (char *)(uintptr_t)binary;
	size_t n = containerd__runc__v1__options__pack(&o, packed);
	cor_any_done(&r->c.runtime_options);
	assert_int_equal(cor_any_set(&r->c.runtime_options, COR_RUNC_OPTIONS_TYPE, packed, n), 0);
}

int set_up(void **state)
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
void assert_nothing_left(struct rig *r)
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
	_cleanup_close_ int runtime = openat(r->fd, "state/.runc/" NS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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

int tear_down(void **state)
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

int create(struct rig *r, struct cor_stdio io, bool start, int *ret_console)
{
	struct cor_task_create req = {
		.id = r->c.id, .container = &r->c, .rootfs = &r->rootfs, .stdio = io, .start = start};
	cor_error_clear(&r->err);
	return r->s->tasks->create(r->s, &req, NULL, ret_console, &r->err);
}

const struct cor_stdio no_io = {.kind = COR_STDIO_NONE, .fds = {-1, -1, -1}};

uint32_t wait_exit(struct rig *r, const char *exec_id)
{
	struct cor_task_exit e = {0};
	OK(r, r->s->tasks->wait(r->s, "c1", exec_id, &e, &r->err));
	assert_true(e.exited_ns > 0 && e.exited_ns <= cor_now_ns());
	return e.status;
}

enum cor_task_status status_of(struct rig *r)
{
	struct cor_task t = {0};
	OK(r, r->s->tasks->state(r->s, "c1", NULL, &t, &r->err));
	enum cor_task_status st = t.status;
	cor_task_done(&t);
	return st;
}

int wait_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, ms);
}

int rig_main(int argc, char **argv)
{
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
	return 0;
}
