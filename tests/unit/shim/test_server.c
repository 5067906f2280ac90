/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients and runtimes can do wrong, against a real shim: broken and excessive requests, clients that do not read or go
 * away, strangers, runtimes that hang or die. argv[1] names the runtime behind it all.
 */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"

static const char *runtime;
static struct rig rig_of_test;

static int setup(void **state)
{
	rig_start(&rig_of_test, runtime);
	*state = &rig_of_test;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	return 0;
}

static void assert_alive(struct rig *r)
{
	struct cor_ttrpc_client *mine = r->client;
	r->client = rig_connect(r);
	assert_non_null(r->client);
	assert_true(rig_state(r, "", NULL, NULL) == 0 || r->err.code == COR_NOT_FOUND);
	cor_ttrpc_client_free(r->client);
	r->client = mine;
}

static int raw_connect(struct rig *r)
{
	int fd = cor_unix_connect(r->bundle_fd, COR_SHIM_SOCKET, NULL);
	assert_true(fd >= 0);
	return fd;
}

/* True when the shim has closed it (answers before that do not matter). */
static bool is_closed(int fd)
{
	char buf[4096];
	for (int64_t end = cor_monotonic_ns() + 5 * SECOND; cor_monotonic_ns() < end;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, 100) > 0 && recv(fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0)
			return true;
	}
	return false;
}

static void unknown_method(void **state)
{
	struct rig *r = *state;
	Containerd__Task__V2__StateRequest m = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	assert_true(rig_call(r, "Frobnicate", &m.base, NULL, NULL) < 0);
	assert_int_equal(r->err.code, COR_UNIMPLEMENTED);
	/* Protocol 3's name of the service is known: then it is the task that is not. */
	struct cor_ttrpc_call v3 = {.service = "containerd.task.v3.Task",
				    .method = "Stats",
				    .request = &m.base,
				    .timeout_ns = SECOND};
	assert_true(cor_ttrpc_client_call(r->client, &v3, NULL, NULL, NULL, &r->err) < 0);
	assert_int_equal(r->err.code, COR_NOT_FOUND);
	struct cor_ttrpc_call call = {
		.service = "x.y.Z", .method = "State", .request = &m.base, .timeout_ns = SECOND};
	assert_true(cor_ttrpc_client_call(r->client, &call, NULL, NULL, NULL, &r->err) < 0);
	assert_int_equal(r->err.code, COR_UNIMPLEMENTED);
}

static void malformed_payload(void **state)
{
	struct rig *r = *state;
	struct cor_buf b = {0};
	static const char junk[] = "\x0a\xff\xff\xff\xff\x0fjunk";
	assert_int_equal(
		cor_ttrpc_request_encode(&b, 1, COR_TASK_SERVICE, "State", junk, sizeof(junk) - 1, 0, NULL),
		0);
	assert_int_equal(cor_ttrpc_request_encode(&b, 3, COR_TASK_SERVICE, "Connect", "", 0, 0, NULL), 0);
	_cleanup_close_ int fd = raw_connect(r);
	assert_int_equal(cor_write_full(fd, b.data, b.len), 0);
	cor_buf_done(&b);
	struct cor_ttrpc_parser p = {0};
	struct cor_ttrpc_frame f;
	for (uint32_t stream = 1; stream <= 3; stream += 2) {
		char buf[512];
		int q;
		while ((q = cor_ttrpc_parser_next(&p, &f, NULL)) == 0) {
			ssize_t n = read(fd, buf, sizeof(buf));
			assert_true(n > 0);
			assert_int_equal(cor_ttrpc_parser_feed(&p, buf, (size_t)n, NULL), 0);
		}
		const uint8_t *payload;
		size_t len;
		struct cor_error err = {0};
		assert_int_equal(q, 1);
		assert_int_equal(f.stream, stream);
		q = cor_ttrpc_response_decode(f.payload, f.length, &payload, &len, &err);
		assert_int_equal(err.code, stream == 1 ? COR_INVALID_ARGUMENT : COR_OK);
	}
	cor_ttrpc_parser_done(&p);
}

static void broken_frames(void **state)
{
	struct rig *r = *state;
	static const uint8_t oversized[10] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 1, 0};
	_cleanup_close_ int a = raw_connect(r), b = raw_connect(r);
	assert_int_equal(cor_write_full(a, oversized, sizeof(oversized)), 0);
	assert_true(is_closed(a));
	assert_int_equal(cor_write_full(b, oversized, 5), 0); /* half a header, then nothing */
	assert_alive(r);
}

static void many_connections(void **state)
{
	struct rig *r = *state;
	int fds[300];
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = raw_connect(r);
	assert_true(is_closed(fds[ARRAY_SIZE(fds) - 1])); /* beyond the bound */
	assert_true(rig_state(r, "", NULL, NULL) < 0);
	assert_int_equal(r->err.code, COR_NOT_FOUND);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		cor_close(fds[i]);
	assert_alive(r);
}

/* A stopped client looks like this: it sends no more, and takes nothing. */
static void client_that_never_reads(void **state)
{
	struct rig *r = *state;
	_cleanup_close_ int fd = raw_connect(r);
	assert_int_equal(cor_set_nonblock(fd, true), 0);
	struct cor_buf b = {0};
	for (uint32_t i = 0; i < 40000; i++) {
		Containerd__Task__V2__StateRequest m = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
		uint8_t packed[64];
		m.id = (char *)(uintptr_t)RIG_ID;
		size_t n = protobuf_c_message_pack(&m.base, packed);
		assert_int_equal(cor_ttrpc_request_encode(&b, 2 * i + 1, COR_TASK_SERVICE, "State", packed, n,
							  0, NULL),
				 0);
	}
	size_t done = 0;
	for (int64_t end = cor_monotonic_ns() + 3 * SECOND; done < b.len && cor_monotonic_ns() < end;) {
		ssize_t n = send(fd, b.data + done, b.len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			break; /* dropped: good */
		if (n > 0)
			done += (size_t)n;
		else
			(void)usleep(1000);
	}
	cor_buf_done(&b);
	assert_alive(r);
}

static void stranger(void **state)
{
	struct rig *r = *state;
	assert_int_equal(chmod(r->dir, 0777) | fchmod(r->bundle_fd, 0777) |
				 fchmodat(r->bundle_fd, COR_SHIM_SOCKET, 0777, 0),
			 0);
	for (const char *const *d = (const char *const[]){"state", "state/" RIG_NS, NULL}; *d; d++)
		assert_int_equal(chmod(rig_path(r, *d), 0777), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (setgid(1000) < 0 || setuid(1000) < 0)
			_exit(2);
		int fd = cor_unix_connect(r->bundle_fd, COR_SHIM_SOCKET, NULL);
		if (fd < 0)
			_exit(3);
		_exit(is_closed(fd) ? 0 : 4);
	}
	int status;
	assert_int_equal(cor_wait_exit(pid, &status), 0);
	assert_int_equal(status, 0);
	assert_alive(r);
}

/* A runtime of our own: a script in the rig's directory. */
static void make_runtime(struct rig *r, const char *text)
{
	_cleanup_close_ int d = openat(AT_FDCWD, r->dir, O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *script = cor_asprintf("#!/bin/sh\n%s\n", text);
	assert_int_equal(cor_write_file_at(d, "rt", script, strlen(script), 0755, false, NULL), 0);
	r->runtime = rig_path(r, "rt");
}

static uint32_t begin_create(struct rig *r, struct cor_ttrpc_call *call, uint8_t packed[64])
{
	static Containerd__Task__V2__CreateTaskRequest m;
	static Google__Protobuf__Any options;
	uint32_t stream = 0;
	size_t n = strlen(r->runtime);
	containerd__task__v2__create_task_request__init(&m);
	google__protobuf__any__init(&options);
	packed[0] = 6 << 3 | 2;
	packed[1] = (uint8_t)n;
	memcpy(packed + 2, r->runtime, n);
	options.type_url = (char *)(uintptr_t)COR_RUNC_OPTIONS_TYPE;
	options.value = (ProtobufCBinaryData){.len = n + 2, .data = packed};
	m.id = (char *)(uintptr_t)RIG_ID;
	m.bundle = r->bundle;
	m.options = &options;
	*call = (struct cor_ttrpc_call){.service = COR_SHIM_SERVICE,
					.method = "Run",
					.request = &m.base,
					.response_type =
						&containerd__task__v2__create_task_response__descriptor,
					.timeout_ns = 30 * SECOND};
	assert_int_equal(cor_ttrpc_client_begin(r->client, call, &stream, &r->err), 0);
	return stream;
}

static void hanging_runtime(void **state)
{
	struct rig *r = *state;
	struct cor_ttrpc_call call;
	uint8_t packed[64];
	int status = 0;
	pid_t pid = 99;
	rig_config(r, "sleep 100", false);
	make_runtime(r, "case \"$*\" in *delete*) exit 1;; esac; exec sleep 1000");
	uint32_t stream = begin_create(r, &call, packed);
	struct cor_ttrpc_client *first = r->client;
	r->client = rig_connect(r);
	rig_ok(rig_state(r, "", &status, &pid));
	assert_int_equal(status, CONTAINERD__V1__TYPES__STATUS__CREATED);
	assert_int_equal(pid, 0);
	assert_true(rig_kill(r, "", SIGTERM, false) < 0);
	assert_int_equal(r->err.code, COR_FAILED_PRECONDITION);
	assert_true(rig_delete(r, "") < 0);
	assert_int_equal(r->err.code, COR_FAILED_PRECONDITION);
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_true(cor_ttrpc_client_finish(first, stream, &call, NULL, &r->err) < 0);
	assert_non_null(strstr(r->err.message, "killed by SIGKILL"));
	cor_ttrpc_client_free(first);
	assert_alive(r);
}

static void client_dies_in_create(void **state)
{
	struct rig *r = *state;
	struct cor_ttrpc_call call;
	uint8_t packed[64];
	int status = 0;
	char script[64];
	rig_config(r, "sleep 100", false);
	(void)snprintf(script, sizeof(script), "sleep 0.3; exec %s \"$@\"", runtime);
	make_runtime(r, script);
	(void)begin_create(r, &call, packed);
	(void)usleep(50000);
	cor_ttrpc_client_free(r->client);
	r->client = rig_connect(r);
	for (int i = 0; i < 500 && status != CONTAINERD__V1__TYPES__STATUS__RUNNING; i++) {
		rig_ok(rig_state(r, "", &status, NULL));
		(void)usleep(10000);
	}
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

/* What a failing runtime says, and what it does not. */
static void complaining_runtimes(void **state)
{
	struct rig *r = *state;
	static const struct {
		const char *script, *message;
	} cases[] = {
		{"exit 3", "OCI runtime create failed: rt create failed: rt: exit status 3"},
		{"kill -SEGV $$", "OCI runtime create failed: rt create failed: rt: killed by SIGSEGV"},
		{"exit 0", "pid file of the runtime"},
		{"echo x >\"$PWD/init.pid\"", "is no process number"},
		{"echo '{\"level\":\"error\",\"msg\":\"first\"}' >\"$4\"; "
		 "echo '{\"level\":\"error\",\"msg\":\"runc run failed: a \\\"b\\\"\"}' >>\"$4\"; exit 1",
		 "OCI runtime create failed: rt create failed: a \"b\""},
		{"echo broken json >\"$4\"; exit 1", "rt: exit status 1"},
	};
	rig_config(r, "true", false);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_runtime(r, cases[i].script);
		assert_true(rig_create(r, &(struct rig_io){0}, true) < 0);
		if (!strstr(r->err.message, cases[i].message))
			fail_msg("%s: %s", cases[i].script, r->err.message);
	}
}

/* A name that the runtime knows from elsewhere is not touched. */
static void existing_container(void **state)
{
	struct rig *r = *state;
	rig_config(r, "true", false);
	_cleanup_free_ char *path = cor_asprintf("%s/state/.runc/%s/%s", r->dir, RIG_NS, RIG_ID);
	_cleanup_free_ char *command = cor_asprintf("mkdir -p %s && touch %s/mine", path, path);
	char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", command, NULL};
	struct cor_spawn s = {.path = "/bin/sh", .argv = argv, .cwd_fd = -1, .fds = {-1, -1, -1}, .nfds = 3};
	pid_t pid;
	int status;
	assert_int_equal(cor_spawn(&s, &pid, NULL, NULL), 0);
	assert_int_equal(cor_wait_exit(pid, &status) | status, 0);
	assert_true(rig_create(r, &(struct rig_io){0}, true) < 0);
	assert_int_equal(r->err.code, COR_ALREADY_EXISTS);
	_cleanup_free_ char *mine = cor_asprintf("%s/mine", path);
	assert_int_equal(faccessat(AT_FDCWD, mine, F_OK, 0), 0);
	assert_int_equal(unlink(mine) | rmdir(path), 0);
}

static void many_waiters(void **state)
{
	struct rig *r = *state;
	struct cor_ttrpc_client *clients[40];
	uint32_t streams[40];
	Containerd__Task__V2__WaitRequest m = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	m.id = (char *)(uintptr_t)RIG_ID;
	struct cor_ttrpc_call call = {.service = COR_TASK_SERVICE,
				      .method = "Wait",
				      .request = &m.base,
				      .response_type = &containerd__task__v2__wait_response__descriptor,
				      .timeout_ns = 30 * SECOND};
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
		clients[i] = rig_connect(r);
		assert_int_equal(cor_ttrpc_client_begin(clients[i], &call, &streams[i], &r->err), 0);
	}
	for (size_t i = 0; i < 20; i++) /* half of them go */
		cor_ttrpc_client_free(clients[i]);
	rig_ok(rig_kill(r, "", SIGKILL, false));
	for (size_t i = 20; i < ARRAY_SIZE(clients); i++) {
		ProtobufCMessage *ret = NULL;
		assert_int_equal(cor_ttrpc_client_finish(clients[i], streams[i], &call, &ret, &r->err), 0);
		assert_int_equal(((Containerd__Task__V2__WaitResponse *)ret)->exit_status, 137);
		protobuf_c_message_free_unpacked(ret, NULL);
		cor_ttrpc_client_free(clients[i]);
	}
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

/* What the engine reads after a shim that was killed. */
static void runtime_file(void **state)
{
	struct rig *r = *state;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	_cleanup_free_ char *text = rig_read(r, "state/" RIG_NS "/" RIG_ID "/runtime");
	_cleanup_free_ char *program = NULL;
	assert_int_equal(cor_find_program(runtime, NULL, &program), 0);
	_cleanup_free_ char *expected = cor_asprintf("%s\n%s/state/.runc/%s\n", program, r->dir, RIG_NS);
	assert_string_equal(text, expected);
	_cleanup_free_ char *pid_file = rig_read(r, "state/" RIG_NS "/" RIG_ID "/" COR_SHIM_PID_FILE);
	unsigned long long start = 0, given = 0;
	int pid = 0;
	assert_int_equal(sscanf(pid_file, "%d %llu\n", &pid, &given), 2);
	assert_int_equal(pid, r->shim);
	assert_int_equal(cor_process_start_time(pid, &start), 0);
	assert_true(start == given);
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

static unsigned long cpu_ticks(pid_t pid)
{
	char path[32];
	unsigned long user = 0, system = 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	_cleanup_free_ char *text = rig_read_path(path);
	const char *rest = strrchr(text, ')');
	assert_non_null(rest);
	assert_int_equal(
		sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
	return user + system;
}

/* A connection that cannot be accepted waits; the shim does not spin over it, and takes it when it can. */
static void out_of_descriptors(void **state)
{
	struct rig *r = *state;
	struct rlimit saved, none;
	rig_ok(rig_state(r, "", NULL, NULL) == 0 || r->err.code == COR_NOT_FOUND ? 0 : -1); /* it is up */
	assert_int_equal(prlimit(r->shim, RLIMIT_NOFILE, NULL, &saved), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = saved.rlim_max};
	assert_int_equal(prlimit(r->shim, RLIMIT_NOFILE, &none, NULL), 0);
	struct cor_ttrpc_client *mine = r->client;
	r->client = rig_connect(r);
	assert_non_null(r->client);
	(void)usleep(200000);
	unsigned long before = cpu_ticks(r->shim);
	(void)usleep(1000000);
	unsigned long used = cpu_ticks(r->shim) - before;
	assert_int_equal(prlimit(r->shim, RLIMIT_NOFILE, &saved, NULL), 0);
	assert_true(rig_state(r, "", NULL, NULL) == 0 || r->err.code == COR_NOT_FOUND);
	cor_ttrpc_client_free(r->client);
	r->client = mine;
	assert_true(used * 10 < (unsigned long)sysconf(_SC_CLK_TCK));
	assert_alive(r);
}

/* The shim and with it the container keep the OOM score that they were started with, from their first moment on: the shim
 * does not change its own, which the runtime would inherit. The rest too is an ordinary process's: signal dispositions,
 * umask; and no descriptor of ours. */
static void clean_inheritance(void **state)
{
	struct rig *r = *state;
	char path[48];
	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)r->shim);
	rig_run(r,
		"cat /proc/self/oom_score_adj; grep -E 'Sig(Blk|Ign)' /proc/self/status; umask; ls "
		"/proc/self/fd",
		0);
	_cleanup_free_ char *log = rig_read(r, "log/current");
	_cleanup_free_ char *own = rig_read_path("/proc/self/oom_score_adj");
	_cleanup_free_ char *shim = rig_read_path(path);
	assert_string_equal(shim, own);
	_cleanup_free_ char *line = cor_asprintf("stdout F %s", own);
	assert_non_null(strstr(log, line));
	assert_non_null(strstr(log, "SigBlk:\t0000000000000000\n"));
	assert_non_null(strstr(log, "SigIgn:\t0000000000000000\n"));
	assert_non_null(strstr(log, "F 0022\n"));
	assert_null(strstr(log, "F 4\n")); /* 3 is ls's own */
}

/* What an idle shim may hold; also when it is the only one, and the only program that maps its files. */
static void idle_memory(void **state)
{
	struct rig *r = *state;
	char path[64];
	unsigned pss = 0, clean = 0, dirty = 0;
	if (!getenv("CORACLE_SHIM_STATIC")) {
		print_message("skipped: a build with sanitizers or shared libraries\n");
		skip();
	}
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)r->shim);
	(void)usleep(500000);
	rig_ok(rig_state(r, "", NULL, NULL)); /* being asked does not change it for long */
	for (int i = 0; i < 50; i++) {        /* soon after its last request */
		(void)usleep(100000);
		_cleanup_free_ char *text = rig_read_path(path);
		const char *a = strstr(text, "\nPss:"), *b = strstr(text, "Private_Clean:"),
			   *c = strstr(text, "Private_Dirty:");
		assert_true(a && b && c);
		assert_int_equal(sscanf(a, "\nPss: %u", &pss), 1);
		assert_int_equal(sscanf(b, "Private_Clean: %u", &clean), 1);
		assert_int_equal(sscanf(c, "Private_Dirty: %u", &dirty), 1);
		if (clean + dirty <= 200)
			break;
	}
	print_message("idle: PSS %u KiB, private %u KiB\n", pss, clean + dirty);
	assert_true(pss <= 500);
	assert_true(clean + dirty <= 300);
	rig_ok(rig_kill(r, "", SIGKILL, false)); /* and it wakes up */
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

static void missing_bundle(void **state)
{
	(void)state;
	static const char *const args[][8] = {
		{"coracle-shim", NULL},
		{"coracle-shim", "-id", "x", NULL},
		{"coracle-shim", "-namespace", "n", "-id", "x", "-bundle", "relative", NULL},
		{"coracle-shim", "-namespace", "n", "-id", "x", "-bundle", "/nonexistent", NULL},
		{"coracle-shim", "-namespace", "n", "-id", "x", "-frobnicate", "x", NULL},
	};
	for (size_t i = 0; i < ARRAY_SIZE(args); i++) {
		struct cor_spawn s = {.path = getenv("CORACLE_SHIM"),
				      .argv = (char *const *)(uintptr_t)args[i],
				      .cwd_fd = -1,
				      .fds = {-1, -1, -1},
				      .nfds = 3};
		pid_t pid;
		int status;
		assert_int_equal(cor_spawn(&s, &pid, NULL, NULL), 0);
		assert_int_equal(cor_wait_exit(pid, &status), 0);
		assert_int_equal(status, i == 3 ? 1 : 2);
	}
}

int main(int argc, char **argv)
{
	runtime = argc > 1 ? argv[1] : "runc";
	const char *why = rig_missing(runtime);
	if (why) {
		print_message("skipped: %s: %s\n", runtime, why);
		return 77;
	}
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(unknown_method),
		T(malformed_payload),
		T(broken_frames),
		T(many_connections),
		T(client_that_never_reads),
		T(stranger),
		T(hanging_runtime),
		T(client_dies_in_create),
		T(complaining_runtimes),
		T(existing_container),
		T(many_waiters),
		T(runtime_file),
		T(out_of_descriptors),
		T(clean_inheritance),
		T(idle_memory),
		cmocka_unit_test(missing_bundle),
	};
	return cmocka_run_group_tests_name(runtime, tests, NULL, NULL);
}
