/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting children. vfork-like (CLONE_VM|CLONE_VFORK, own stack) so that the cost does not grow with the parent's
 * memory; the child runs only async-signal-safe code, and reports a failed exec through shared memory.
 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

extern char **environ;

struct start {
	const struct cor_spawn *spawn;
	const char *path;
	char *const *env;
	sigset_t mask; /* to restore in the child */
	int failed;    /* errno of the step that failed */
};

/* Descriptor i of the child becomes fds[i]; sources that lie below nfds are moved up first. */
static int place_fds(const struct cor_spawn *s)
{
	int src[16];
	for (size_t i = 0; i < s->nfds; i++) {
		src[i] = s->fds[i];
		if (src[i] >= 0 && src[i] < (int)s->nfds) {
			src[i] = fcntl(src[i], F_DUPFD_CLOEXEC, (int)s->nfds);
			if (src[i] < 0)
				return -errno;
		}
	}
	for (size_t i = 0; i < s->nfds; i++) {
		if (src[i] < 0 && i < 3) {
			src[i] = openat(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);
			if (src[i] < 0)
				return -errno;
		}
		if (src[i] < 0) {
			(void)close((int)i);
			continue;
		}
		if (src[i] == (int)i) { /* /dev/null landed on its own number */
			if (fcntl(src[i], F_SETFD, 0) < 0)
				return -errno;
		} else if (dup2(src[i], (int)i) < 0) {
			return -errno;
		}
	}
	(void)syscall(SYS_close_range, (unsigned)s->nfds, ~0u, 0u);
	return 0;
}

/* Handlers go with exec anyway, but one must not run in our shared memory; ignored signals stay ignored unless `all`. By
 * the system call: glibc's sigaction refuses the two numbers that it keeps for itself, and somebody above may have them ignored. */
static void reset_signals(bool all)
{
	struct {
		void (*handler)(int);
		unsigned long flags, restorer, mask;
	} now, fallback = {.handler = SIG_DFL};
	for (int sig = 1; sig <= 64; sig++) {
		if (syscall(SYS_rt_sigaction, sig, NULL, &now, sizeof(now.mask)) < 0 ||
		    now.handler == SIG_DFL)
			continue;
		if (now.handler != SIG_IGN || all || sig == SIGPIPE)
			(void)syscall(SYS_rt_sigaction, sig, &fallback, NULL, sizeof(fallback.mask));
	}
}

static int child(void *arg)
{
	struct start *st = arg;
	const struct cor_spawn *s = st->spawn;
	int r = 0;
	reset_signals(s->default_signals);
	if (s->new_session && setsid() < 0)
		r = -errno;
	if (r == 0 && s->pdeathsig_of && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	if (r == 0 && s->pdeathsig_of && getppid() != s->pdeathsig_of) /* it has ended meanwhile */
		r = -ESRCH;
	if (r == 0 && s->cwd_fd >= 0 && fchdir(s->cwd_fd) < 0)
		r = -errno;
	if (r == 0)
		r = place_fds(s);
	if (r == 0) {
		(void)sigprocmask(SIG_SETMASK, &st->mask, NULL);
		(void)execve(st->path, s->argv, st->env);
		r = -errno;
	}
	st->failed = -r;
	/* Not _exit: the stack is not the thread's own, and sanitizers look at it there. */
	(void)syscall(SYS_exit, 127);
	__builtin_unreachable();
}

int cor_spawn(const struct cor_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, struct cor_error *err)
{
	_cleanup_free_ char *path = NULL;
	if (spawn->nfds > ARRAY_SIZE(spawn->fds))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "exec %s: too many descriptors", spawn->path);
	int r = strchr(spawn->path, '/') ? ((path = strdup(spawn->path)) ? 0 : -ENOMEM)
					 : cor_find_program(spawn->path, NULL, &path);
	if (r < 0)
		return cor_error_errno(err, r, "exec %s", spawn->path);
	struct start st = {.spawn = spawn, .path = path, .env = spawn->env ? spawn->env : environ};
	const size_t stack_size = 64 * 1024;
	char *stack = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
			   -1, 0);
	if (stack == MAP_FAILED)
		return cor_error_errno(err, errno, "exec %s", spawn->path);
	/* No signal handler of ours may run in the child, which shares our memory. */
	sigset_t all;
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &st.mask);
	sigset_t saved = st.mask;
	if (spawn->default_signals)
		sigemptyset(&st.mask);
	int pidfd = -1;
	int flags = CLONE_VM | CLONE_VFORK | SIGCHLD | (ret_pidfd ? CLONE_PIDFD : 0);
	pid_t pid = clone(child, stack + stack_size, flags, &st, &pidfd);
	r = pid < 0 ? -errno : 0;
	(void)sigprocmask(SIG_SETMASK, &saved, NULL);
	(void)munmap(stack, stack_size);
	if (r == 0 && st.failed) {
		(void)waitpid(pid, NULL, 0);
		cor_close(pidfd);
		r = -st.failed;
	}
	if (r < 0)
		return cor_error_errno(err, r, "exec %s", spawn->path);
	*ret_pid = pid;
	if (ret_pidfd)
		*ret_pidfd = pidfd;
	return 0;
}

int cor_wait_exit(pid_t pid, int *ret_status)
{
	int status;
	pid_t r;
	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}

static bool is_program(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

static int try_dir(const char *dir, size_t n, const char *name, char **ret)
{
	_cleanup_free_ char *p = cor_asprintf("%.*s/%s", (int)n, dir, name);
	if (!p)
		return -ENOMEM;
	if (n == 0 || p[0] != '/' || !is_program(p)) /* relative PATH entries are not for root */
		return -ENOENT;
	*ret = TAKE_PTR(p);
	return 0;
}

int cor_find_program(const char *name, const char *const *extra, char **ret)
{
	if (cor_empty(name) || strchr(name, '/'))
		return -ENOENT;
	const char *path = getenv("PATH");
	if (cor_empty(path))
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (const char *p = path;;) {
		const char *e = strchrnul(p, ':');
		int r = try_dir(p, (size_t)(e - p), name, ret);
		if (r != -ENOENT)
			return r;
		if (!*e)
			break;
		p = e + 1;
	}
	for (size_t i = 0; extra && extra[i]; i++) {
		int r = try_dir(extra[i], strlen(extra[i]), name, ret);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

int cor_pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);
	return fd < 0 ? -errno : (int)fd;
}

int cor_pidfd_kill(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

int cor_process_start_time(pid_t pid, unsigned long long *ret)
{
	char name[64], buf[1024];
	(void)snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	_cleanup_close_ int fd = openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ssize_t n = cor_read_full(fd, buf, sizeof(buf) - 1);
	if (n < 0)
		return (int)n;
	buf[n] = '\0';
	/* The command name may hold anything; the fields begin after its last ')'. Field 3 comes first. */
	char *p = strrchr(buf, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -ESRCH;
	*ret = strtoull(p + 1, NULL, 10);
	return 0;
}
