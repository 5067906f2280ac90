/* SPDX-License-Identifier: Apache-2.0 */
/* Setting the shim up in its bundle, and its loop. No call here can be left out: all of them count in a start. */
#include "shim/serve.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/process.h"
#include "rpc/shim_api.h"
#include "shim/server.h"

/* Children get the default dispositions back (cor_spawn). */
static void ignore_signals(void)
{
	static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGTERM,
				      SIGUSR1, SIGUSR2, SIGTTOU, SIGTTIN};
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)signal(signals[i], SIG_IGN);
}

void cor_shim_prepare_process(struct cor_shim *s)
{
	/* One thread, small objects: give back what is not needed. */
	(void)mallopt(M_TOP_PAD, 0);
	(void)mallopt(M_TRIM_THRESHOLD, 16 * 1024);
	(void)mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	(void)umask(022);
	ignore_signals();
	s->uid = geteuid();
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

int cor_shim_set_up(struct cor_shim *s, int listen_fd, int first_fd, struct cor_error *err)
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
		r = cor_server_listen(s, listen_fd, err);
	return r < 0 || first_fd < 0 ? r : cor_server_add(s, first_fd, err);
}

int cor_shim_loop(struct cor_shim *s, struct cor_error *err)
{
	cor_shim_trim(s);
	int r = cor_loop_run(s->loop);
	return r < 0 ? cor_error_errno(err, r, "event loop") : 0;
}

void cor_shim_tear_down(struct cor_shim *s)
{
	cor_server_done(s);
	(void)unlinkat(s->bundle_fd, COR_SHIM_PID_FILE, 0);
}
