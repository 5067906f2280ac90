/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of one plugin. Its configuration comes from a file in memory, so that writing it cannot block; what it prints is
 * read as it comes, within bounds; it has a time limit, can be cancelled, and ends with us: a plugin that nobody waits for
 * would go on while its container is being deleted.
 */
#include "cni/internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"

const char *const cor_cni_plugin_dirs[] = {"/opt/cni/bin", "/usr/lib/cni", NULL};

#define STDERR_KEPT 4096

struct running {
	const struct cor_cni_call *call;
	pid_t pid;
	int pidfd, out_fd, err_fd;
	struct cor_buf out, err;
	bool ended;
};

extern char **environ;

/* ---- before ----------------------------------------------------------------------------------------------------- */

static int find_plugin(const char *const *dirs, const char *type, char **ret, struct cor_error *err)
{
	_cleanup_free_ char *where = cor_strv_join((char *const *)dirs, " ");
	for (size_t i = 0; dirs[i]; i++) {
		struct stat st;
		char *path = cor_asprintf("%s/%s", dirs[i], type);
		if (!path)
			return cor_error_oom(err);
		if (fstatat(AT_FDCWD, path, &st, 0) == 0 && S_ISREG(st.st_mode)) {
			*ret = path;
			return 0;
		}
		free(path);
	}
	return cor_error_set(err, COR_NOT_FOUND, "failed to find plugin \"%s\" in path [%s]", type,
			     where ? where : "");
}

static int push_env(char ***env, const char *name, const char *value)
{
	return cor_strv_push_take(env, cor_asprintf("%s=%s", name, value));
}

/* Ours, without CNI variables of a caller, and theirs. */
static int make_env(const struct cor_cni_call *c, const char *const *dirs, const char *command, char ***ret,
		    struct cor_error *err)
{
	_cleanup_strv_ char **env = NULL;
	_cleanup_free_ char *path = cor_strv_join((char *const *)dirs, ":");
	int r = path ? 0 : -ENOMEM;
	for (char **p = environ; r == 0 && *p; p++)
		if (!cor_startswith(*p, "CNI_"))
			r = cor_strv_push(&env, *p);
	/* Plugins call iptables and the like. */
	if (r == 0 && cor_empty(getenv("PATH")))
		r = push_env(&env, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (r == 0)
		r = push_env(&env, "CNI_COMMAND", command);
	if (r == 0)
		r = push_env(&env, "CNI_CONTAINERID", c->container_id);
	if (r == 0)
		r = push_env(&env, "CNI_NETNS", c->netns);
	if (r == 0)
		r = push_env(&env, "CNI_IFNAME", c->interface);
	if (r == 0)
		r = push_env(&env, "CNI_ARGS", "");
	if (r == 0)
		r = push_env(&env, "CNI_PATH", path);
	if (r < 0)
		return cor_error_oom(err);
	*ret = TAKE_PTR(env);
	return 0;
}

/* The text in a file of its own, read from the start. */
static int make_input(const json_t *config, struct cor_error *err)
{
	_cleanup_free_ char *text = cor_json_dump(config);
	if (!text)
		return cor_error_oom(err);
	_cleanup_close_ int fd = memfd_create("cni-config", MFD_CLOEXEC);
	if (fd < 0)
		return cor_error_errno(err, errno, "memfd");
	int r = cor_write_full(fd, text, strlen(text));
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? cor_error_errno(err, r, "write configuration") : TAKE_FD(fd);
}

static int start(struct running *p, const char *path, const char *type, char **env, int input,
		 struct cor_error *err)
{
	int out[2] = {-1, -1}, error[2] = {-1, -1};
	char *argv[] = {(char *)path, NULL};
	int r = cor_pipe(out);
	if (r == 0)
		r = cor_pipe(error);
	if (r == 0)
		r = cor_set_nonblock(out[0], true);
	if (r == 0)
		r = cor_set_nonblock(error[0], true);
	if (r < 0) {
		r = cor_error_errno(err, r, "pipe");
	} else {
		struct cor_spawn spawn = {
			.path = path,
			.argv = argv,
			.env = env,
			.cwd_fd = -1,
			.fds = {input, out[1], error[1], p->call->hold_fd},
			.nfds = p->call->hold_fd >= 0 ? 4 : 3,
			.new_session = true,
			.default_signals = true,
			.pdeathsig_of = getpid(),
		};
		r = cor_spawn(&spawn, &p->pid, &p->pidfd, err);
	}
	if (r >= 0) {
		p->out_fd = TAKE_FD(out[0]);
		p->err_fd = TAKE_FD(error[0]);
	}
	for (int i = 0; i < 2; i++) {
		cor_close(out[i]);
		cor_close(error[i]);
	}
	(void)type;
	return r;
}

/* ---- while it runs ---------------------------------------------------------------------------------------------- */

/* Takes what is there. max: kept; more is dropped, or (whole) an error. */
static int take_output(int *fd, struct cor_buf *b, size_t max, bool whole, struct cor_error *err)
{
	char chunk[16384];
	for (;;) {
		ssize_t n = read(*fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0) {
			*fd = cor_close(*fd);
			return 0;
		}
		size_t k = MIN((size_t)n, max - b->len);
		if (whole && k < (size_t)n)
			return cor_error_set(err, COR_INVALID_ARGUMENT, "printed more than %zu bytes", max);
		if (cor_buf_append(b, chunk, k) < 0)
			return cor_error_oom(err);
		if (!whole && k == 0)
			return 0; /* a flood is taken in turns with everything else */
	}
}

static int take_both(struct running *p, struct cor_error *err)
{
	int r = p->out_fd >= 0 ? take_output(&p->out_fd, &p->out, COR_CNI_RESULT_MAX, true, err) : 0;
	if (r == 0 && p->err_fd >= 0)
		r = take_output(&p->err_fd, &p->err, STDERR_KEPT, false, err);
	return r;
}

/* Until it has ended; what its children still hold of the pipes is not waited for. */
static int watch(struct running *p, struct cor_error *err)
{
	const struct cor_cni_call *c = p->call;
	int64_t end = cor_monotonic_ns() + c->timeout_ns;
	for (;;) {
		struct pollfd fds[] = {{.fd = p->pidfd, .events = POLLIN},
				       {.fd = p->out_fd, .events = POLLIN},
				       {.fd = p->err_fd, .events = POLLIN},
				       {.fd = c->cancelled ? c->cancel_fd : -1, .events = POLLIN}};
		int64_t left = end - cor_monotonic_ns();
		if (left <= 0)
			return cor_error_set(err, COR_DEADLINE_EXCEEDED,
					     "did not end within %lld s and was killed",
					     (long long)(c->timeout_ns / 1000000000));
		int n = poll(fds, ARRAY_SIZE(fds), (int)MIN(left / 1000000 + 1, (int64_t)60000));
		if (n < 0 && errno != EINTR)
			return cor_error_errno(err, errno, "poll");
		int r = n > 0 ? take_both(p, err) : 0;
		if (r < 0)
			return r;
		if (n > 0 && fds[3].revents && c->cancelled(c->data))
			return cor_error_set(err, COR_CANCELLED, "interrupted");
		if (n > 0 && fds[0].revents)
			return take_both(p, err);
	}
}

/* Nothing of it stays when it did not end by itself; exit as a wait status. */
static int finish(struct running *p, bool kill_all)
{
	siginfo_t si = {0};
	/* Its group first: while it is not reaped, the number is its own. */
	if (kill_all)
		(void)kill(-p->pid, SIGKILL);
	if (kill_all)
		(void)cor_pidfd_kill(p->pidfd, SIGKILL);
	while (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	int status = 0;
	return cor_wait_exit(p->pid, &status) < 0 ? -1 : status;
}

static int judge(struct running *p, int status, struct cor_error *err)
{
	char how[64];
	if (status == 0)
		return 0;
	if (status > 128)
		(void)snprintf(how, sizeof(how), "signal %d", status - 128);
	else
		(void)snprintf(how, sizeof(how), "exit status %d", status);
	_cleanup_free_ char *text =
		cor_cni_failure_text(p->out.data, p->out.len, p->err.data, p->err.len, how);
	return text ? cor_error_set(err, COR_UNKNOWN, "%s", text) : cor_error_oom(err);
}

int cni_plugin_run(const struct cor_cni_call *c, const char *command, const char *type, const json_t *config,
		   char **ret_out, size_t *ret_len, struct cor_error *err)
{
	const char *const *dirs = c->dirs ? c->dirs : cor_cni_plugin_dirs;
	struct running p = {.call = c, .pidfd = -1, .out_fd = -1, .err_fd = -1};
	_cleanup_free_ char *path = NULL;
	_cleanup_strv_ char **env = NULL;
	_cleanup_close_ int input = -1;
	int r = find_plugin(dirs, type, &path, err);
	if (r >= 0)
		r = make_env(c, dirs, command, &env, err);
	if (r >= 0)
		r = input = make_input(config, err);
	if (r >= 0)
		r = start(&p, path, type, env, input, err);
	if (r < 0)
		return r;
	cor_debug("cni: %s %s for %s", path, command, c->container_id);
	r = watch(&p, err);
	int status = finish(&p, r < 0);
	if (r >= 0)
		r = judge(&p, status, err);
	if (r >= 0) {
		*ret_len = p.out.len;
		*ret_out = cor_buf_take(&p.out);
		r = *ret_out ? 0 : cor_error_oom(err);
	}
	cor_buf_done(&p.out);
	cor_buf_done(&p.err);
	cor_close(p.out_fd);
	cor_close(p.err_fd);
	cor_close(p.pidfd);
	return r;
}
