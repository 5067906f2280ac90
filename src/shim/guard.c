/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container without its shim has nobody who reads its output, knows its exit or can be asked about it; and where no daemon
 * runs, nobody notices. So a child of the shim waits for what comes first: the end of init (then it ends too), or the end of
 * the shim, however it came about (then it kills the container, and whoever looks next cleans up).
 *
 * The end of the shim is the end of a pipe whose other end only the shim has. The guard shares the shim's pages as they were
 * when it was made and writes hardly any, so it costs a stack and its page tables.
 */
#include "shim/guard.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "shim/config_facts.h"

/* Its descriptors, from 3 up. */
enum { ALIVE = 3, INIT, BUNDLE, FDS_END };

static void kill_container(const struct cor_shim *s)
{
	(void)cor_pidfd_kill(INIT, SIGKILL);
	cor_config_facts_kill_rest(BUNDLE, s->ns, s->id);
}

static _Noreturn void guard(const struct cor_shim *s)
{
	struct pollfd fds[] = {{.fd = INIT, .events = POLLIN}, {.fd = ALIVE, .events = POLLIN}};
	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (!fds[0].revents)
			kill_container(s);
		_exit(0);
	}
}

/* The pipe's end first and far up, so that no copy is overwritten by the next. */
static bool claim(const int from[FDS_END - ALIVE])
{
	int high[FDS_END - ALIVE];
	for (int i = 0; i < FDS_END - ALIVE; i++) {
		high[i] = fcntl(from[i], F_DUPFD, FDS_END);
		if (high[i] < 0)
			return false;
	}
	for (int i = 0; i < FDS_END - ALIVE; i++)
		if (dup2(high[i], ALIVE + i) < 0)
			return false;
	return syscall(SYS_close_range, (unsigned)FDS_END, ~0u, 0u) == 0;
}

void cor_guard_start(const struct cor_shim_process *init)
{
	static int alive = -1; /* open for as long as the shim lives */
	int ends[2];
	if (init->pidfd < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return;
	cor_close(alive);
	alive = ends[1];
	_cleanup_close_ int theirs = ends[0];
	const int fds[] = {theirs, init->pidfd, init->shim->bundle_fd};
	if (fork() != 0)
		return;
	sigset_t all;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)prctl(PR_SET_NAME, "coracle-guard");
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	if (claim(fds))
		guard(init->shim);
	_exit(1);
}
