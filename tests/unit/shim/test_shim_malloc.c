/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests answered in-process while the Nth allocation fails, for every N: an answer or a closed connection, never a crash;
 * the task state as before; and every descriptor closed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "rpc/shim_api.h"
#include "rpc/ttrpc.h"
#include "shim/process.h"
#include "shim/server.h"
#include "task_v2.pb-c.h"

static long countdown = -1; /* < 0: nothing fails */
static bool failed;

static bool fails(void)
{
	if (countdown < 0 || countdown-- > 0)
		return false;
	failed = true;
	countdown = -1;
	return true;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}
void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}
char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}
char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

static struct cor_shim shim;
static char dir[64], bundle[128];
static struct cor_source answer_source;

static size_t count_fds(void)
{
	size_t n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static void on_answer(struct cor_source *s, uint32_t events)
{
	(void)events;
	cor_loop_stop(s->loop);
}

/* The code of the answer; -1: the connection was closed. */
static int read_answer(int fd)
{
	struct cor_ttrpc_parser p = {0};
	struct cor_ttrpc_frame f;
	struct cor_error err = {0};
	char buf[4096];
	const uint8_t *payload;
	size_t len;
	int r;
	while ((r = cor_ttrpc_parser_next(&p, &f, NULL)) == 0) {
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n <= 0) {
			cor_ttrpc_parser_done(&p);
			return -1;
		}
		assert_int_equal(cor_ttrpc_parser_feed(&p, buf, (size_t)n, NULL), 0);
	}
	assert_int_equal(r, 1);
	(void)cor_ttrpc_response_decode(f.payload, f.length, &payload, &len, &err);
	cor_ttrpc_parser_done(&p);
	return (int)err.code;
}

/* One request to a fresh shim while allocation n fails. */
static int request(const char *service, const char *method, const ProtobufCMessage *m, long n)
{
	struct cor_buf frame = {0};
	int pair[2];
	_cleanup_free_ uint8_t *packed = malloc(protobuf_c_message_get_packed_size(m) + 1);
	size_t len = protobuf_c_message_pack(m, packed);
	assert_int_equal(cor_ttrpc_request_encode(&frame, 1, service, method, packed, len, 0, NULL), 0);
	shim = (struct cor_shim){.ns = "test", .id = "c1", .bundle = bundle, .uid = geteuid()};
	shim.bundle_fd = openat(AT_FDCWD, bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	shim.loop = cor_loop_new();
	assert_int_equal(cor_loop_signals(shim.loop, cor_shim_on_child, NULL, NULL, &shim), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(cor_server_add(&shim, pair[1], NULL), 0);
	assert_int_equal(cor_loop_add(shim.loop, &answer_source, pair[0], EPOLLIN, on_answer), 0);
	assert_int_equal(cor_write_full(pair[0], frame.data, frame.len), 0);
	cor_buf_done(&frame);
	failed = false;
	countdown = n;
	assert_int_equal(cor_loop_run(shim.loop), 0);
	countdown = -1;
	int code = read_answer(pair[0]);
	assert_null(shim.init);
	cor_server_done(&shim);
	if (shim.trim_timer.loop)
		cor_loop_remove(&shim.trim_timer);
	shim.runtime = cor_runtime_free(shim.runtime);
	free(shim.loggers);
	cor_loop_remove(&answer_source);
	cor_loop_free(shim.loop);
	cor_close(pair[0]);
	cor_close(shim.bundle_fd);
	return code;
}

static void sweep(const char *service, const char *method, const ProtobufCMessage *m, int expected)
{
	assert_int_equal(request(service, method, m, -1), expected);
	size_t fds = count_fds();
	long n = 0;
	size_t refused = 0;
	do {
		int code = request(service, method, m, n++);
		assert_int_equal(count_fds(), fds);
		if (code == COR_RESOURCE_EXHAUSTED)
			refused++;
		else /* closed; or what failed could be done without */
			assert_true(code == -1 || code == expected || code == COR_UNKNOWN || !failed);
	} while (failed && n < 10000);
	assert_true(n > 5 && n < 10000);
	assert_true(refused > 0);
}

static void state_and_exec(void **state)
{
	(void)state;
	Containerd__Task__V2__StateRequest s = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	s.id = (char *)(uintptr_t) "c1";
	sweep(COR_TASK_SERVICE, "State", &s.base, COR_NOT_FOUND);
	Containerd__Task__V2__ExecProcessRequest x = CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any spec = GOOGLE__PROTOBUF__ANY__INIT;
	x.id = x.exec_id = (char *)(uintptr_t) "c1";
	x.spec = &spec;
	sweep(COR_TASK_SERVICE, "Exec", &x.base, COR_NOT_FOUND);
}

/* A runtime that fails: everything is opened, run and taken back. */
static void create(void **state)
{
	(void)state;
	static uint8_t options[] = "\x32\x0a/bin/false\x3a\x04/tmp";
	Containerd__Task__V2__CreateTaskRequest m = CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	_cleanup_free_ char *log = cor_asprintf("log://%s/log", dir);
	any.type_url = (char *)(uintptr_t)COR_RUNC_OPTIONS_TYPE;
	any.value = (ProtobufCBinaryData){.len = sizeof(options) - 1, .data = options};
	m.id = (char *)(uintptr_t) "c1";
	m.bundle = bundle;
	m.stdout = m.stderr = log;
	m.options = &any;
	sweep(COR_SHIM_SERVICE, "Run", &m.base, COR_UNKNOWN);
	m.terminal = true;
	sweep(COR_TASK_SERVICE, "Create", &m.base, COR_UNKNOWN);
}

int main(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/cor-shim-malloc-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	(void)snprintf(bundle, sizeof(bundle), "%s/state/test/c1", dir);
	cor_close(cor_mkdir_p(bundle, 0700, NULL));
	const struct CMUnitTest tests[] = {cmocka_unit_test(state_and_exec), cmocka_unit_test(create)};
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)cor_remove_tree_at(AT_FDCWD, dir, NULL);
	return r;
}
