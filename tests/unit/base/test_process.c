/* SPDX-License-Identifier: Apache-2.0 */
/* Spawning, signals, the event loop. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/str.h"

static void sh(const char *script, struct cor_spawn *s, char *const **keep)
{
	static char *argv[4];
	argv[0] = (char *)(uintptr_t) "sh";
	argv[1] = (char *)(uintptr_t) "-c";
	argv[2] = (char *)(uintptr_t)script;
	*s = (struct cor_spawn){.path = "sh", .argv = argv, .cwd_fd = -1, .fds = {0, 1, 2}, .nfds = 3};
	*keep = argv;
}

static void exit_codes_as_a_shell(void **state)
{
	(void)state;
	struct cor_spawn s;
	char *const *keep;
	pid_t pid;
	int status, pidfd = -1;
	sh("exit 7", &s, &keep);
	assert_int_equal(cor_spawn(&s, &pid, &pidfd, NULL), 0);
	assert_true(pidfd >= 0);
	assert_int_equal(cor_wait_exit(pid, &status), 0);
	assert_int_equal(status, 7);
	assert_int_equal(cor_pidfd_kill(pidfd, SIGTERM), -ESRCH);
	cor_close(pidfd);
	sh("kill -TERM $$", &s, &keep);
	assert_int_equal(cor_spawn(&s, &pid, NULL, NULL), 0);
	assert_int_equal(cor_wait_exit(pid, &status), 0);
	assert_int_equal(status, 128 + SIGTERM);
}

static void exec_failures_are_synchronous(void **state)
{
	(void)state;
	struct cor_spawn s;
	char *const *keep;
	pid_t pid = 1;
	struct cor_error e = {0};
	sh("", &s, &keep);
	s.path = "/no/such/program";
	assert_int_equal(cor_spawn(&s, &pid, NULL, &e), -ENOENT);
	assert_string_equal(e.message, "exec /no/such/program: no such file or directory");
	s.path = "no-such-program-in-path";
	assert_int_equal(cor_spawn(&s, &pid, NULL, &e), -ENOENT);
	assert_int_equal(pid, 1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void exactly_these_descriptors(void **state)
{
	(void)state;
	int p[2], q[2];
	assert_int_equal(cor_pipe(p), 0);
	assert_int_equal(cor_pipe(q), 0);
	int leak = fcntl(0, F_DUPFD, 60); /* without O_CLOEXEC */
	struct cor_spawn s;
	char *const *keep;
	/* Descriptors crossed over: 3 <- what is 4 here, and so on; 0 is /dev/null. */
	sh("echo via4 >&4; echo via3 >&3; ls /proc/self/fd | tr '\\n' ' '; read x || echo eof", &s, &keep);
	s.fds[0] = -1;
	s.fds[1] = p[1];
	s.fds[2] = p[1];
	s.fds[3] = q[1];
	s.fds[4] = p[1];
	s.nfds = 5;
	pid_t pid;
	assert_int_equal(cor_spawn(&s, &pid, NULL, NULL), 0);
	int status;
	assert_int_equal(cor_wait_exit(pid, &status), 0);
	cor_close(p[1]);
	cor_close(q[1]);
	cor_close(leak);
	char a[256] = {0}, b[256] = {0};
	assert_true(cor_read_full(p[0], a, sizeof(a) - 1) > 0);
	assert_true(cor_read_full(q[0], b, sizeof(b) - 1) > 0);
	assert_string_equal(b, "via3\n");
	assert_non_null(strstr(a, "via4\n"));
	assert_non_null(strstr(a, "eof"));
	assert_null(strstr(a, "60"));
	cor_close(p[0]);
	cor_close(q[0]);
}

static void signal_names(void **state)
{
	(void)state;
	int sig;
	static const struct {
		const char *s;
		int sig;
	} good[] = {{"TERM", SIGTERM}, {"SIGTERM", SIGTERM}, {"sigkill", SIGKILL},
		    {"15", 15},        {"RTMIN+3", 37},      {"SIGRTMAX-1", 63}};
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(cor_signal_parse(good[i].s, &sig), 0);
		assert_int_equal(sig, good[i].sig);
	}
	static const char *const bad[] = {"", "0", "65", "NOPE", "RTMIN+31", "-9", "SIGSIGTERM"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cor_signal_parse(bad[i], &sig), -EINVAL);
	assert_string_equal(cor_signal_name(SIGWINCH), "SIGWINCH");
}

static struct {
	struct cor_loop *loop;
	struct cor_source a, b, timer;
	int calls, children, status;
} t;

static void on_a(struct cor_source *s, uint32_t events)
{
	(void)events;
	/* Both are ready in this round; b must not be called once it is removed. */
	t.calls++;
	cor_loop_remove(s == &t.a ? &t.b : &t.a);
	cor_loop_remove(s);
}

static void on_timer(struct cor_source *s)
{
	cor_loop_remove(s);
	cor_loop_stop(t.loop);
}

static void on_child(pid_t pid, int status, void *data)
{
	(void)pid;
	(void)data;
	t.children++;
	t.status = status;
}

static void the_loop(void **state)
{
	(void)state;
	int p[2], q[2];
	assert_int_equal(cor_pipe(p), 0);
	assert_int_equal(cor_pipe(q), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(write(q[1], "x", 1), 1);
	t.loop = cor_loop_new();
	assert_int_equal(cor_loop_signals(t.loop, on_child, NULL, NULL, NULL), 0);
	assert_int_equal(cor_loop_add(t.loop, &t.a, p[0], EPOLLIN, on_a), 0);
	assert_int_equal(cor_loop_add(t.loop, &t.b, q[0], EPOLLIN, on_a), 0);
	assert_int_equal(cor_loop_timer(t.loop, &t.timer, 200000000, 0, on_timer), 0);
	struct cor_spawn s;
	char *const *keep;
	pid_t pid;
	sh("exit 3", &s, &keep);
	assert_int_equal(cor_spawn(&s, &pid, NULL, NULL), 0);
	assert_int_equal(cor_loop_run(t.loop), 0);
	assert_int_equal(t.calls, 1);
	assert_int_equal(t.children, 1);
	assert_int_equal(WEXITSTATUS(t.status), 3);
	cor_loop_free(t.loop);
	sigset_t set;
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	for (int i = 0; i < 2; i++) {
		cor_close(p[i]);
		cor_close(q[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes_as_a_shell),
		cmocka_unit_test(exec_failures_are_synchronous),
		cmocka_unit_test(exactly_these_descriptors),
		cmocka_unit_test(signal_names),
		cmocka_unit_test(the_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
