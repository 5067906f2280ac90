/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `start`: the socket, the serving process, its place among control groups and for the OOM killer, and the address on stdout.
 *
 * The serving process is a fork, not another execution of the program: it is ready sooner. It says when it is, or why it never
 * will be, so that containerd sees the reason. containerd reads stdout and stderr to their end: the fork has closed both before
 * this process ends.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "rpc/message.h"
#include "rpc/shim_api.h"
#include "runc_options.pb-c.h"
#include "shim/v2.h"
#include "shim/v2_options.h"

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE        62
#define PR_SCHED_CORE_CREATE 1
#endif
#define SCHED_CORE_PROCESS_GROUP 2

char *cor_v2_socket_path(const char *address, const char *ns, const char *id)
{
	char hex[65];
	const char *path = cor_after(address, "unix://");
	_cleanup_free_ char *base = cor_path_join(path ? path : address, ns);
	_cleanup_free_ char *key = base ? cor_path_join(base, id) : NULL;
	if (!key)
		return NULL;
	cor_v2_sha256_hex(key, strlen(key), hex);
	return cor_asprintf("%s/%s", COR_V2_SOCKET_DIR, hex);
}

/* A socket there already: 1 when somebody listens on it, else it is removed. */
static int clear_socket(int dir, const char *name)
{
	_cleanup_close_ int fd = cor_unix_connect(dir, name, NULL);
	if (fd >= 0)
		return 1;
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* The listening socket; -EEXIST: a shim of that name serves already. */
static int listen_on(const char *path, struct cor_error *err)
{
	_cleanup_close_ int dir = cor_mkdir_p(COR_V2_SOCKET_DIR, 0711, err);
	if (dir < 0)
		return dir;
	const char *name = cor_path_base(path);
	int fd = cor_unix_listen(dir, name, err);
	if (fd != -EADDRINUSE)
		return fd;
	int r = clear_socket(dir, name);
	if (r > 0)
		return cor_error_set(err, COR_ALREADY_EXISTS, "a shim serves on %s", path);
	if (r < 0)
		return cor_error_errno(err, r, "socket %s", path);
	return cor_unix_listen(dir, name, err);
}

/* Its descriptors: nothing else of what containerd has open stays. */
enum { SERVER_LISTEN = 3, SERVER_READY, SERVER_FDS };

/* Copies far up first, so that none is overwritten by the next. */
static int claim_fds(int listen_fd, int ready)
{
	int log = openat(AT_FDCWD, "log", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	int null = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
	const int from[SERVER_FDS] = {null, null, log >= 0 ? log : null, listen_fd, ready};
	int high[SERVER_FDS];
	for (int i = 0; i < SERVER_FDS; i++) {
		high[i] = fcntl(from[i], F_DUPFD, SERVER_FDS);
		if (high[i] < 0)
			return -errno;
	}
	for (int i = 0; i < SERVER_FDS; i++)
		if (dup3(high[i], i, i < SERVER_LISTEN ? 0 : O_CLOEXEC) < 0)
			return -errno;
	return syscall(SYS_close_range, (unsigned)SERVER_FDS, ~0u, 0u) < 0 ? -errno : 0;
}

/* In the new process; never returns. */
static _Noreturn void be_server(const struct cor_v2 *v, int listen_fd, int ready, const char *path)
{
	struct cor_error err = {0};
	(void)setsid();
	/* In the list of processes it is no `start` any more. */
	memset((char *)(uintptr_t)v->action, 0, strlen(v->action));
	int r = claim_fds(listen_fd, ready);
	if (r == 0)
		ready = SERVER_READY;
	r = r < 0 ? cor_error_errno(&err, r, "descriptors")
		  : cor_v2_serve(v, SERVER_LISTEN, &ready, path, &err);
	if (r < 0 && ready >= 0)
		(void)cor_write_full(ready, err.message, strlen(err.message));
	_exit(r < 0);
}

/* The server's first word: a single 0 byte when it is ready, or what went wrong. */
static int wait_ready(int fd, struct cor_error *err)
{
	char text[COR_ERROR_MESSAGE_MAX];
	ssize_t n = cor_read_full(fd, text, sizeof(text) - 1);
	if (n == 1 && text[0] == '\0')
		return 0;
	if (n <= 0)
		return cor_error_set(err, COR_INTERNAL, "the shim ended before it was ready");
	text[n] = '\0';
	return cor_error_set(err, COR_INTERNAL, "%s", text);
}

static int write_at(const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : cor_write_full(fd, text, strlen(text));
}

/* One more than containerd's own, which is our parent: it shall live longer. */
static int adjust_oom_score(pid_t pid, struct cor_error *err)
{
	char path[64], value[16];
	_cleanup_free_ char *text = NULL;
	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)getppid());
	int64_t score;
	int r = cor_read_file_at(AT_FDCWD, path, 32, &text, NULL, err);
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	if (cor_parse_i64(text, &score) < 0)
		return cor_error_set(err, COR_INTERNAL, "%s: \"%s\" is no number", path, text);
	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	(void)snprintf(value, sizeof(value), "%d", (int)(score < 1000 ? score + 1 : 1000));
	r = write_at(path, value);
	/* Lowering it needs a capability that a container of ours may lack. */
	return r < 0 && r != -EACCES && r != -EPERM ? cor_error_errno(err, r, "adjust OOM score") : 0;
}

static int launch(const struct cor_v2 *v, const runc_options *o, int listen_fd, const char *path,
		  struct cor_error *err)
{
	int pipe[2];
	int r = cor_pipe(pipe);
	if (r < 0)
		return cor_error_errno(err, r, "start");
	const char *core = getenv("SCHED_CORE");
	pid_t pid = fork();
	if (pid == 0) {
		cor_close(pipe[0]);
		if (!cor_empty(core)) {
			(void)setpgid(0, 0);
			(void)prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, SCHED_CORE_PROCESS_GROUP, 0);
		}
		be_server(v, listen_fd, pipe[1], path);
	}
	r = pid < 0 ? cor_error_errno(err, errno, "fork") : 0;
	cor_close(pipe[1]);
	if (r == 0)
		r = wait_ready(pipe[0], err);
	cor_close(pipe[0]);
	if (r == 0 && o && !cor_empty(o->shim_cgroup))
		r = cor_v2_join_cgroup(o->shim_cgroup, pid, err);
	if (r == 0)
		r = adjust_oom_score(pid, err);
	if (r < 0 && pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	return r;
}

/* Protocol 3 is 2 with another name for the Task service; who knows only 2 wants the bare address. */
static int print_address(const char *address, struct cor_error *err)
{
	uint32_t version = 0;
	const char *max = getenv("MAX_SHIM_VERSION");
	_cleanup_free_ char *text = NULL;
	if (max)
		(void)cor_parse_u32(max, &version);
	text = version >= 3
		       ? cor_asprintf("{\"version\":3,\"address\":\"%s\",\"protocol\":\"ttrpc\"}", address)
		       : strdup(address);
	if (!text)
		return cor_error_oom(err);
	int r = cor_write_full(STDOUT_FILENO, text, strlen(text));
	return r < 0 ? cor_error_errno(err, r, "stdout") : 0;
}

static int start_on(const struct cor_v2 *v, const char *path, struct cor_error *err)
{
	runc_options *o = NULL;
	_cleanup_free_ char *address = cor_asprintf("unix://%s", path);
	if (!address)
		return cor_error_oom(err);
	_cleanup_close_ int fd = listen_on(path, err);
	if (fd < 0 && fd != -EEXIST)
		return fd;
	int r = fd < 0 ? 0 : cor_v2_read_options(STDIN_FILENO, &o, err);
	if (r == 0)
		r = cor_write_file_at(AT_FDCWD, "address", address, strlen(address), 0644, false, err);
	if (r == 0 && fd >= 0)
		r = launch(v, o, fd, path, err);
	if (r == 0)
		r = print_address(address, err);
	else if (fd >= 0)
		(void)unlinkat(AT_FDCWD, path, 0);
	cor_message_free(o ? &o->base : NULL);
	return r;
}

int cor_v2_start(const struct cor_v2 *v, struct cor_error *err)
{
	if (cor_empty(v->address))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "shim address cannot be empty");
	_cleanup_free_ char *path = cor_v2_socket_path(v->address, v->ns, v->id);
	return path ? start_on(v, path, err) : cor_error_oom(err);
}
