/* SPDX-License-Identifier: Apache-2.0 */
/* Starting and ending coracle-shim (rpc/shim_api.h, one-step spawn). */
#include "engine/task_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/process.h"

#define SHIM_NAME "coracle-shim"

/* Beside the running program, then where it is installed, then PATH. */
int cor_shim_program(struct cor_engine *e, struct cor_error *err)
{
	char exe[4096];
	if (e->shim)
		return 0;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - sizeof(SHIM_NAME));
	if (n > 0) {
		exe[n] = '\0';
		char *slash = strrchr(exe, '/');
		if (slash) {
			memcpy(slash + 1, SHIM_NAME, sizeof(SHIM_NAME));
			if (faccessat(AT_FDCWD, exe, X_OK, AT_EACCESS) == 0) {
				e->shim = strdup(exe);
				return e->shim ? 0 : cor_error_oom(err);
			}
		}
	}
	static const char installed[] = COR_LIBEXECDIR "/" SHIM_NAME;
	if (faccessat(AT_FDCWD, installed, X_OK, AT_EACCESS) == 0) {
		e->shim = strdup(installed);
		return e->shim ? 0 : cor_error_oom(err);
	}
	int r = cor_find_program(SHIM_NAME, NULL, &e->shim);
	if (r == -ENOENT)
		return cor_error_set(err, COR_NOT_FOUND,
				     "%s not found: neither beside the program, nor in %s, nor in PATH",
				     SHIM_NAME, COR_LIBEXECDIR);
	return r < 0 ? cor_error_errno(err, r, "find %s", SHIM_NAME) : 0;
}

static int spawn(struct cor_engine *e, struct cor_engine_task *t, int listen_fd, int first_fd,
		 struct cor_error *err)
{
	_cleanup_free_ char *bundle = cor_asprintf("%s/%s/%s", e->state, e->ns, t->id);
	if (!bundle)
		return cor_error_oom(err);
	char *argv[] = {cor_task_text(SHIM_NAME),
			cor_task_text("-namespace"),
			e->ns,
			cor_task_text("-id"),
			t->id,
			cor_task_text("-bundle"),
			bundle,
			NULL};
	struct cor_spawn spawn = {
		.path = e->shim,
		.argv = argv,
		.cwd_fd = t->bundle_fd,
		.fds = {-1, -1, -1, [COR_SHIM_LISTEN_FD] = listen_fd, [COR_SHIM_FIRST_FD] = first_fd},
		.nfds = COR_SHIM_FIRST_FD + 1,
		.new_session = true,
		.default_signals = true,
	};
	return cor_spawn(&spawn, &t->shim_pid, &t->shim_pidfd, err);
}

int cor_shim_spawn(struct cor_engine *e, struct cor_engine_task *t, int listen_fd, struct cor_task_conn **ret,
		   struct cor_error *err)
{
	int sv[2];
	int r = cor_shim_program(e, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return cor_error_errno(err, errno, "socket");
	_cleanup_close_ int mine = sv[0], theirs = sv[1];
	struct cor_task_conn *c = cor_new0(struct cor_task_conn, 1);
	if (!c)
		return cor_error_oom(err);
	r = spawn(e, t, listen_fd, theirs, err);
	if (r == 0)
		r = cor_ttrpc_client_new(TAKE_FD(mine), &c->client, err);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

/* A descriptor of the shim that is not our child, by its pid file; -1: gone. */
static int find_running(int bundle_fd)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long start, now;
	int pid;
	if (cor_read_file_at(bundle_fd, COR_SHIM_PID_FILE, 64, &text, NULL, NULL) < 0 ||
	    sscanf(text, "%d %llu", &pid, &start) != 2 || pid <= 1)
		return -1;
	_cleanup_close_ int fd = cor_pidfd_open(pid);
	if (fd < 0 || cor_process_start_time(pid, &now) < 0 || now != start)
		return -1;
	return TAKE_FD(fd);
}

void cor_shim_find(struct cor_engine_task *t)
{
	if (t->shim_pidfd < 0)
		t->shim_pidfd = find_running(t->bundle_fd);
}

void cor_shim_kill(struct cor_engine_task *t)
{
	cor_shim_find(t);
	if (t->shim_pidfd >= 0)
		(void)cor_pidfd_kill(t->shim_pidfd, SIGKILL);
}

bool cor_process_gone(int pidfd, int64_t limit_ns)
{
	int64_t deadline = cor_monotonic_ns() + limit_ns;
	for (;;) {
		int64_t left = deadline - cor_monotonic_ns();
		struct pollfd p = {.fd = pidfd, .events = POLLIN};
		int r = poll(&p, 1, left > 0 ? (int)(left / 1000000) + 1 : 0);
		if (r > 0)
			return true;
		if (left <= 0 || (r < 0 && errno != EINTR))
			return false;
	}
}

void cor_shim_end(struct cor_engine_task *t, int64_t limit_ns)
{
	cor_shim_find(t);
	if (t->shim_pidfd < 0)
		return;
	if (!cor_process_gone(t->shim_pidfd, limit_ns)) {
		(void)cor_pidfd_kill(t->shim_pidfd, SIGKILL);
		(void)cor_process_gone(t->shim_pidfd, INT64_C(1000000000));
	}
	if (t->shim_pid)
		(void)waitpid(t->shim_pid, NULL, WNOHANG);
	t->shim_pid = 0;
	t->shim_pidfd = cor_close(t->shim_pidfd);
}
