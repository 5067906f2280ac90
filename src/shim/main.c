/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coracle-shim: the parent of one container's processes. rpc/shim_api.h says how it is started and what it answers.
 *
 * Being ready fast and holding little memory are what it is for: no library but libc is loaded, nothing is read from disk,
 * and no call here can be left out.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "rpc/shim_api.h"
#include "shim/process.h"
#include "shim/server.h"

/* Children get the default dispositions back (cor_spawn). */
static void ignore_signals(void)
{
	static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGTERM,
				      SIGUSR1, SIGUSR2, SIGTTOU, SIGTTIN};
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)signal(signals[i], SIG_IGN);
}

static int usage(void)
{
	static const char text[] =
		"usage: coracle-shim -namespace NS -id ID -bundle DIR [-debug]\n"
		"The monitor of one container; coracle starts it (descriptors 3 and 4 are its sockets).\n";
	(void)cor_write_full(STDERR_FILENO, text, sizeof(text) - 1);
	return 2;
}

static bool parse_args(struct cor_shim *s, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		const char **value = NULL;
		if (a[0] != '-')
			return false;
		a += a[1] == '-' ? 2 : 1;
		if (streq(a, "debug")) {
			s->debug = true;
			continue;
		}
		value = streq(a, "namespace") ? &s->ns
			: streq(a, "id")      ? &s->id
			: streq(a, "bundle")  ? &s->bundle
					      : NULL;
		if (!value || ++i >= argc)
			return false;
		*value = argv[i];
	}
	return !cor_empty(s->ns) && !cor_empty(s->id) && !cor_empty(s->bundle) && s->bundle[0] == '/';
}

static int write_pid_file(const struct cor_shim *s, struct cor_error *err)
{
	char text[64];
	unsigned long long start;
	int r = cor_process_start_time(getpid(), &start);
	if (r < 0)
		return cor_error_errno(err, r, "start time");
	int n = snprintf(text, sizeof(text), "%d %llu\n", (int)getpid(), start);
	return cor_write_file_at(s->bundle_fd, COR_SHIM_PID_FILE, text, (size_t)n, 0644, false, err);
}

static int set_up(struct cor_shim *s, struct cor_error *err)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return cor_error_errno(err, errno, "subreaper");
	s->bundle_fd = openat(AT_FDCWD, s->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->bundle_fd < 0 || fchdir(s->bundle_fd) < 0)
		return cor_error_errno(err, errno, "%s", s->bundle);
	s->loop = cor_loop_new();
	if (!s->loop)
		return cor_error_oom(err);
	int r = cor_loop_signals(s->loop, cor_shim_on_child, NULL, NULL, s);
	if (r < 0)
		return cor_error_errno(err, r, "signals");
	r = write_pid_file(s, err);
	if (r == 0)
		r = cor_server_listen(s, COR_SHIM_LISTEN_FD, err);
	return r < 0 ? r : cor_server_add(s, COR_SHIM_FIRST_FD, err);
}

/* The sockets came without close-on-exec; nothing else should have come. */
static int claim_fds(struct cor_error *err)
{
	for (int fd = COR_SHIM_LISTEN_FD; fd <= COR_SHIM_FIRST_FD; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			return cor_error_errno(err, errno, "descriptor %d", fd);
	(void)syscall(SYS_close_range, (unsigned)COR_SHIM_FIRST_FD + 1, ~0u, 0u);
	return 0;
}

static int serve(struct cor_shim *s, struct cor_error *err)
{
	int r = claim_fds(err);
	if (r == 0)
		r = set_up(s, err);
	if (r < 0)
		return r;
	cor_shim_trim(s);
	r = cor_loop_run(s->loop);
	return r < 0 ? cor_error_errno(err, r, "event loop") : 0;
}

int main(int argc, char **argv)
{
	static struct cor_shim shim = {.bundle_fd = -1};
	struct cor_error err = {0};
	if (!parse_args(&shim, argc, argv))
		return usage();
	/* One thread, small objects: give back what is not needed. */
	(void)mallopt(M_TOP_PAD, 0);
	(void)mallopt(M_TRIM_THRESHOLD, 16 * 1024);
	(void)mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	(void)umask(022);
	ignore_signals();
	shim.uid = geteuid();
	int r = serve(&shim, &err);
	if (r < 0) {
		char line[COR_ERROR_MESSAGE_MAX + 32];
		int n = snprintf(line, sizeof(line), "coracle-shim: %s\n", err.message);
		(void)cor_write_full(STDERR_FILENO, line, (size_t)n);
	}
	cor_server_done(&shim);
	/* The socket stays: it is what a bundle is known by. Whoever connects is refused. */
	(void)unlinkat(shim.bundle_fd, COR_SHIM_PID_FILE, 0);
	return r < 0;
}
