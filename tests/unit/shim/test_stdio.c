/* SPDX-License-Identifier: Apache-2.0 */
/* Where a process's stdio can go, through a real shim and a real runtime: argv[1] names the runtime. */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
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

static char *uri(struct rig *r, const char *scheme, const char *name)
{
	return cor_asprintf("%s%s", scheme, rig_path(r, name));
}

/* Reads until text was seen, the end, or 10 seconds. Returns what was read. */
static char *read_until(int fd, const char *text)
{
	struct cor_buf b = {0};
	int64_t end = cor_monotonic_ns() + 10 * SECOND;
	while (cor_monotonic_ns() < end && !(text && b.data && strstr(b.data, text))) {
		char buf[4096];
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, 100) <= 0)
			continue;
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++) /* frames hold zeros */
			(void)cor_buf_char(&b, buf[i] ? buf[i] : '~');
	}
	return cor_buf_take(&b);
}

static void finish(struct rig *r, int sig)
{
	if (sig)
		rig_ok(rig_kill(r, "", sig, false));
	assert_int_equal(rig_wait(r, ""), sig ? 128 + sig : 0);
	assert_true(rig_delete(r, "") >= 0);
}

static void log_format(void **state)
{
	struct rig *r = *state;
	rig_run(r, "echo out; echo err >&2; printf unended", 0);
	_cleanup_free_ char *log = rig_read(r, "log/current");
	rig_assert_text(log, "Z stdout F out\n");
	rig_assert_text(log, "Z stderr F err\n");
	rig_assert_text(log, "Z stdout P unended\n");
}

/* Everything is in the log before wait returns, also when it is much. */
static void log_is_complete(void **state)
{
	struct rig *r = *state;
	rig_run(r, "seq 1 100000; echo last", 0);
	_cleanup_free_ char *log = rig_read(r, "log/current");
	size_t lines = 0;
	for (char *p = log; (p = strchr(p, '\n')); p++)
		lines++;
	assert_true(lines >= 100001);
	rig_assert_text(log, "F 99999\n");
	rig_assert_text(log, "F last\n");
}

static void log_rotates(void **state)
{
	struct rig *r = *state;
	struct stat st;
	rig_run(r, "yes 0123456789012345678901234567890123456789 | head -n 450000; echo last", 0);
	assert_int_equal(stat(rig_path(r, "log/1"), &st), 0);
	assert_true(st.st_size <= COR_LOG_MAX && st.st_size > COR_LOG_MAX - 1024);
	assert_int_equal(stat(rig_path(r, "log/current"), &st), 0);
	assert_true(st.st_size <= COR_LOG_MAX);
	_cleanup_free_ char *log = rig_read(r, "log/current");
	rig_assert_text(log, "F last\n");
}

static void stdin_is_empty(void **state)
{
	rig_run(*state, "cat; exit 8", 8);
}

static void inherited(void **state)
{
	struct rig *r = *state;
	int in[2], out[2], err[2];
	assert_true(cor_pipe(in) == 0 && cor_pipe(out) == 0 && cor_pipe(err) == 0);
	int fds[3] = {in[0], out[1], err[1]};
	rig_config(r, "cat; echo problem >&2", false);
	rig_ok(rig_create(r,
			  &(struct rig_io){.in = "fd:0", .out = "fd:1", .err = "fd:2", .fds = fds, .nfds = 3},
			  true));
	for (int i = 0; i < 3; i++)
		cor_close(fds[i]);
	assert_int_equal(cor_write_full(in[1], "through", 7), 0);
	cor_close(in[1]);
	/* End of file only comes when nobody else holds the other end: the shim has let go. */
	_cleanup_free_ char *o = read_until(out[0], NULL), *e = read_until(err[0], NULL);
	assert_string_equal(o, "through");
	assert_string_equal(e, "problem\n");
	cor_close(out[0]);
	cor_close(err[0]);
	int sock;
	assert_true(rig_attach(r, "", &sock, NULL) < 0);
	finish(r, 0);
}

/* A command that is not there is said once: nothing is printed on the caller's stderr. */
static void one_line_of_error(void **state)
{
	struct rig *r = *state;
	int err[2];
	static const struct {
		const char *args, *message;
	} cases[] = {
		{"[\"nosuch\"]", "exec: \"nosuch\": executable file not found in $PATH"},
		{"[\"/bin/nosuch\"]", "exec: \"/bin/nosuch\": stat /bin/nosuch: no such file or directory"},
		{"[\"bin/../nosuch\"]", "no such file or directory"},
		{"[\"/plain\"]", "exec: \"/plain\": permission denied"},
	};
	assert_int_equal(cor_pipe(err), 0);
	struct rig_io io = {.out = "fd:0", .err = "fd:0", .fds = &err[1], .nfds = 1};
	cor_close(openat(AT_FDCWD, rig_path(r, "rootfs/plain"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		rig_config_args(r, cases[i].args, false);
		assert_true(rig_create(r, &io, true) < 0);
		rig_assert_text(r->err.message, "OCI runtime create failed: ");
		rig_assert_text(r->err.message, cases[i].message);
	}
	rig_config_args(r, "[\"sleep\",\"100\"]", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char id[8] = {'e', (char)('0' + i)};
		assert_true(rig_exec(r, id, cases[i].args, &io) < 0);
		rig_assert_text(r->err.message, "OCI runtime exec failed: exec failed: ");
		rig_assert_text(r->err.message, cases[i].message);
	}
	finish(r, SIGKILL);
	cor_close(err[1]);
	_cleanup_free_ char *printed = read_until(err[0], NULL);
	cor_close(err[0]);
	assert_string_equal(printed, "");
}

static void bad_strings(void **state)
{
	struct rig *r = *state;
	rig_config(r, "true", false);
	static const char *const bad[] = {"fd:0",     "fd:9",       "fd:x",
					  "relative", "http://x",   "binary://relative",
					  "file://",  "/etc/passwd"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(rig_create(r, &(struct rig_io){.out = bad[i]}, true) < 0);
		assert_true(*r->err.message);
	}
	assert_true(rig_create(r, &(struct rig_io){.out = "binary:///nonexistent"}, true) < 0);
	rig_assert_text(r->err.message, "logging binary");
}

static void file_uri(void **state)
{
	struct rig *r = *state;
	_cleanup_free_ char *u = uri(r, "file://", "deep/er/out.txt");
	for (int i = 0; i < 2; i++) {
		rig_config(r, "echo out; echo err >&2", false);
		rig_ok(rig_create(r, &(struct rig_io){.out = u, .err = u}, true));
		finish(r, 0);
	}
	_cleanup_free_ char *text = rig_read(r, "deep/er/out.txt");
	assert_string_equal(text, "out\nerr\nout\nerr\n");
	struct stat st;
	assert_int_equal(stat(rig_path(r, "deep/er/out.txt"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void file_uri_terminal(void **state)
{
	struct rig *r = *state;
	_cleanup_free_ char *u = uri(r, "file://", "out.txt");
	rig_config(r, "tty; echo err >&2", true);
	rig_ok(rig_create(r, &(struct rig_io){.out = u, .terminal = true}, true));
	finish(r, 0);
	rig_wait_for(r, "out.txt", "/dev/pts/0\r\nerr\r\n");
}

static void binary_uri(void **state)
{
	struct rig *r = *state;
	static const char script[] =
		"#!/bin/sh\nexec 5>&-\n"
		"{ echo \"$CONTAINER_ID $CONTAINER_NAMESPACE $*\"; cat <&3; cat <&4; echo end; } >$OUT\n";
	_cleanup_free_ char *text =
		cor_asprintf("#!/bin/sh\nOUT=%s\n%s", rig_path(r, "logged"), script + strlen("#!/bin/sh\n"));
	_cleanup_close_ int d = openat(AT_FDCWD, r->dir, O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(cor_write_file_at(d, "logger", text, strlen(text), 0755, false, NULL), 0);
	_cleanup_free_ char *u = cor_asprintf("binary://%s?key=some%%20value&flag", rig_path(r, "logger"));
	rig_config(r, "echo out; echo err >&2", false);
	rig_ok(rig_create(r, &(struct rig_io){.out = u, .err = u}, true));
	finish(r, 0);
	rig_wait_for(r, "logged", "end\n");
	_cleanup_free_ char *logged = rig_read(r, "logged");
	assert_string_equal(logged, RIG_ID " " RIG_NS " key some value flag \nout\nerr\nend\n");
}

static void fifos(void **state)
{
	struct rig *r = *state;
	static const char *const names[] = {"in", "out", "err"};
	char path[3][256];
	for (int i = 0; i < 3; i++) {
		(void)snprintf(path[i], sizeof(path[i]), "%s", rig_path(r, names[i]));
		assert_int_equal(mkfifo(path[i], 0600), 0);
	}
	rig_config(r, "cat; echo problem >&2", false);
	rig_ok(rig_create(r, &(struct rig_io){.in = path[0], .out = path[1], .err = path[2]}, true));
	for (int round = 0; round < 2; round++) { /* a client may go and another come */
		_cleanup_close_ int in = openat(AT_FDCWD, path[0], O_WRONLY | O_CLOEXEC);
		_cleanup_close_ int out = openat(AT_FDCWD, path[1], O_RDONLY | O_CLOEXEC);
		assert_int_equal(cor_write_full(in, "hello\n", 6), 0);
		_cleanup_free_ char *got = read_until(out, "hello\n");
		assert_string_equal(got, "hello\n");
	}
	_cleanup_close_ int err = openat(AT_FDCWD, path[2], O_RDONLY | O_CLOEXEC);
	Containerd__Task__V2__CloseIORequest m = CONTAINERD__TASK__V2__CLOSE_IOREQUEST__INIT;
	m.id = (char *)(uintptr_t)RIG_ID;
	m.stdin = true;
	rig_ok(rig_call(r, "CloseIO", &m.base, NULL, NULL));
	assert_int_equal(rig_wait(r, ""), 0);
	_cleanup_free_ char *e = read_until(err, NULL); /* to its end: the shim lets go at exit */
	assert_string_equal(e, "problem\n");
	assert_int_equal(rig_delete(r, ""), 0);
}

static void fifo_terminal(void **state)
{
	struct rig *r = *state;
	char in_path[256], out_path[256];
	(void)snprintf(in_path, sizeof(in_path), "%s", rig_path(r, "in"));
	(void)snprintf(out_path, sizeof(out_path), "%s", rig_path(r, "out"));
	assert_true(mkfifo(in_path, 0600) == 0 && mkfifo(out_path, 0600) == 0);
	rig_config(r, "stty -echo; echo ready; read x; echo got $x; yes | head -n 100000; echo done", true);
	rig_ok(rig_create(r, &(struct rig_io){.in = in_path, .out = out_path, .terminal = true}, true));
	_cleanup_close_ int in = openat(AT_FDCWD, in_path, O_WRONLY | O_CLOEXEC);
	_cleanup_close_ int out = openat(AT_FDCWD, out_path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *a = read_until(out, "ready");
	rig_assert_text(a, "ready");
	assert_int_equal(cor_write_full(in, "word\n", 5), 0);
	_cleanup_free_ char *b = read_until(out, "got word");
	(void)usleep(300000); /* FIFO full: the terminal waits, nothing is lost */
	_cleanup_free_ char *c = read_until(out, "done");
	rig_assert_text(c, "done");
	size_t lines = 0;
	for (char *p = c; (p = strchr(p, 'y')); p++)
		lines++;
	for (char *p = b; (p = strchr(p, 'y')); p++)
		lines++;
	assert_int_equal(lines, 100000); /* not one byte is lost */
	finish(r, 0);
}

static void console(void **state)
{
	struct rig *r = *state;
	int master = -1;
	rig_config(r, "stty size; read x; stty size; echo got $x", true);
	rig_ok(rig_create(r, &(struct rig_io){.out = "console:", .terminal = true, .ret_console = &master},
			  false));
	assert_true(master >= 0);
	Containerd__Task__V2__ResizePtyRequest m = CONTAINERD__TASK__V2__RESIZE_PTY_REQUEST__INIT;
	m.id = (char *)(uintptr_t)RIG_ID;
	m.width = 91;
	m.height = 33;
	rig_ok(rig_call(r, "ResizePty", &m.base, NULL, NULL));
	rig_ok(rig_begin(r, "", NULL));
	_cleanup_free_ char *a = read_until(master, "33 91");
	rig_assert_text(a, "33 91");
	m.width = 120;
	rig_ok(rig_call(r, "ResizePty", &m.base, NULL, NULL));
	int sock;
	assert_true(rig_attach(r, "", &sock, NULL) < 0); /* we have it */
	assert_int_equal(cor_write_full(master, "word\n", 5), 0);
	_cleanup_free_ char *b = read_until(master, "got word");
	rig_assert_text(b, "33 120");
	rig_assert_text(b, "got word");
	assert_int_equal(rig_wait(r, ""), 0);
	cor_close(master);
	assert_int_equal(rig_delete(r, ""), 0);
}

/* The client that had the terminal dies: the process goes on, and another client can attach. */
static void console_owner_dies(void **state)
{
	struct rig *r = *state;
	int master = -1, sock = -1;
	bool terminal = false;
	struct cor_ttrpc_client *other = rig_connect(r);
	rig_config(
		r,
		"stty -echo; echo first; yes | head -n 100000; echo waiting; read x; echo got $x; sleep 0.2",
		true);
	rig_ok(rig_create(r, &(struct rig_io){.out = "console:", .terminal = true, .ret_console = &master},
			  true));
	_cleanup_free_ char *a = read_until(master, "first");
	rig_assert_text(a, "first");
	cor_close(master);
	cor_ttrpc_client_free(r->client);
	r->client = other;
	rig_ok(rig_state(r, "", NULL, NULL)); /* the shim has seen it by now, or in a moment */
	for (int i = 0; i < 500 && rig_attach(r, "", &sock, &terminal) < 0; i++)
		(void)usleep(10000);
	assert_true(sock >= 0 && terminal);
	assert_int_equal(cor_write_full(sock, "word\n", 5), 0);
	_cleanup_free_ char *b = read_until(sock, "got word");
	rig_assert_text(b, "got word");
	finish(r, 0);
	cor_close(sock);
}

static void exec_console(void **state)
{
	struct rig *r = *state;
	int master = -1;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	struct rig_io io = {.out = "console:", .terminal = true, .ret_console = &master};
	rig_ok(rig_exec(r, "e1", "[\"sh\",\"-c\",\"read x; echo got $x; exit 5\"]", &io));
	assert_true(master >= 0);
	assert_int_equal(cor_write_full(master, "word\n", 5), 0);
	_cleanup_free_ char *a = read_until(master, "got word");
	rig_assert_text(a, "got word");
	assert_int_equal(rig_wait(r, "e1"), 5);
	assert_int_equal(rig_delete(r, "e1"), 5);
	cor_close(master);
	finish(r, SIGKILL);
}

static void log_terminal_attach(void **state)
{
	struct rig *r = *state;
	int sock = -1;
	bool terminal = false;
	_cleanup_free_ char *log = uri(r, "log://", "log");
	rig_config(r, "stty -echo; echo up; read x; echo got $x; sleep 0.1", true);
	rig_ok(rig_create(r, &(struct rig_io){.out = log, .terminal = true}, true));
	rig_wait_for(r, "log/current", "stdout F up");
	rig_ok(rig_attach(r, "", &sock, &terminal));
	assert_true(terminal);
	assert_int_equal(cor_write_full(sock, "word\n", 5), 0);
	_cleanup_free_ char *a = read_until(sock, NULL); /* raw, and ends with the process */
	assert_string_equal(a, "got word\r\n");
	cor_close(sock);
	finish(r, 0);
	rig_wait_for(r, "log/current", "got word");
}

/* Frames carry both streams; a client that does not read holds nothing up. */
static void attach_framed(void **state)
{
	struct rig *r = *state;
	int slow = -1, quick = -1;
	bool terminal = true;
	_cleanup_free_ char *log = uri(r, "log://", "log");
	rig_config(r, "read x; echo out $x; echo err >&2; seq 1 200000; read y; echo bye", false);
	rig_ok(rig_create(r, &(struct rig_io){.in = "pipe:", .out = log, .err = log}, true));
	rig_ok(rig_attach(r, "", &slow, NULL));
	rig_ok(rig_attach(r, "", &quick, &terminal));
	assert_false(terminal);
	assert_int_equal(cor_write_full(quick, "word\n", 5), 0);
	uint8_t head[8];
	char text[64] = {0};
	bool out = false, err = false;
	while (!out || !err) {
		assert_int_equal(cor_read_full(quick, head, 8), 8);
		uint32_t n = ntohl(*(uint32_t *)(void *)(head + 4));
		assert_true((head[0] == 1 || head[0] == 2) && head[1] == 0 && n > 0 && n <= 65536);
		_cleanup_free_ char *payload = calloc(1, n + 1);
		assert_int_equal(cor_read_full(quick, payload, n), n);
		out |= head[0] == 1 && strstr(payload, "out word\n");
		err |= head[0] == 2 && strstr(payload, "err\n");
		(void)snprintf(text, sizeof(text), "%.60s", payload);
	}
	rig_wait_for(r, "log/current", "F 200000\n"); /* although `slow` never read */
	assert_int_equal(cor_write_full(slow, "again\n", 6), 0);
	assert_int_equal(rig_wait(r, ""), 0);
	_cleanup_free_ char *rest = read_until(quick, NULL);
	rig_assert_text(rest, "bye\n");
	assert_int_equal(rig_delete(r, ""), 0);
	cor_close(slow);
	cor_close(quick);
}

static void close_attached_stdin(void **state)
{
	struct rig *r = *state;
	_cleanup_free_ char *log = uri(r, "log://", "log");
	rig_config(r, "cat; echo ended", false);
	rig_ok(rig_create(r, &(struct rig_io){.in = "pipe:", .out = log, .err = log}, true));
	Containerd__Task__V2__CloseIORequest m = CONTAINERD__TASK__V2__CLOSE_IOREQUEST__INIT;
	m.id = (char *)(uintptr_t)RIG_ID;
	m.stdin = true;
	rig_ok(rig_call(r, "CloseIO", &m.base, NULL, NULL));
	finish(r, 0);
	rig_wait_for(r, "log/current", "ended");
}

/* A grandchild that holds the pipe delays neither wait nor delete. */
static void stuck_stdio(void **state)
{
	struct rig *r = *state;
	_cleanup_free_ char *log = uri(r, "log://", "log");
	int64_t begin;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	rig_ok(rig_exec(r, "e1", "[\"sh\",\"-c\",\"sleep 50 & echo left\"]",
			&(struct rig_io){.out = log, .err = log}));
	begin = cor_monotonic_ns();
	assert_int_equal(rig_wait(r, "e1"), 0);
	assert_int_equal(rig_delete(r, "e1"), 0);
	assert_true(cor_monotonic_ns() - begin < 5 * SECOND);
	_cleanup_free_ char *text = rig_read(r, "log/current");
	rig_assert_text(text, "left");
	finish(r, SIGKILL);
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
		T(log_format),
		T(log_is_complete),
		T(log_rotates),
		T(stdin_is_empty),
		T(inherited),
		T(bad_strings),
		T(one_line_of_error),
		T(file_uri),
		T(file_uri_terminal),
		T(binary_uri),
		T(fifos),
		T(fifo_terminal),
		T(console),
		T(console_owner_dies),
		T(exec_console),
		T(log_terminal_attach),
		T(attach_framed),
		T(close_attached_stdin),
		T(stuck_stdio),
	};
	return cmocka_run_group_tests_name(runtime, tests, NULL, NULL);
}
