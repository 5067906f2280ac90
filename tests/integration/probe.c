/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe: a static program that tests put into a container (or run beside one) to say what is so in there, or to do on
 * purpose what containers should survive. `probe VERB [ARG...]`. Output is one fact a line, made to be compared.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 1;
}

/* Open descriptors but the one used for looking. */
static int show_fds(int argc, char **argv)
{
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return fail("/proc/self/fd");
	for (struct dirent *e; (e = readdir(dir));) {
		char target[512];
		if (e->d_name[0] == '.' || strtol(e->d_name, NULL, 10) == dirfd(dir))
			continue;
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		printf("%s %s\n", e->d_name, target);
	}
	closedir(dir);
	return 0;
}

static int show_caps(int argc, char **argv)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	if (!f)
		return fail("/proc/self/status");
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs", 10) ||
		    !strncmp(line, "Seccomp:", 8))
			fputs(line, stdout);
	fclose(f);
	return 0;
}

/* Real, effective and saved. */
static int show_ids(int argc, char **argv)
{
	uid_t u[3];
	gid_t g[3];
	if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
		return fail("ids");
	printf("uid %u %u %u\ngid %u %u %u\n", u[0], u[1], u[2], g[0], g[1], g[2]);
	return 0;
}

static int exit_with(int argc, char **argv)
{
	return argc > 0 ? (int)strtol(argv[0], NULL, 10) : 0;
}

static int die_by(int argc, char **argv)
{
	int sig = argc > 0 ? (int)strtol(argv[0], NULL, 10) : SIGKILL;
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	/* The first process of a pid namespace is immune to its own signals: a child dies in its place. */
	if (getpid() == 1) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			signal(sig, SIG_DFL);
			raise(sig);
			_exit(99);
		}
		waitpid(pid, &status, 0);
		return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : 98;
	}
	signal(sig, SIG_DFL);
	raise(sig);
	return 99;
}

/* Prints each signal's number; ends after the number of signals in argv[0] (0: never). */
static int show_signals(int argc, char **argv)
{
	long left = argc > 0 ? strtol(argv[0], NULL, 10) : 0;
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		siginfo_t info;
		int sig = sigwaitinfo(&all, &info);
		if (sig <= 0)
			continue;
		printf("signal %d\n", sig);
		fflush(stdout);
		if (left && --left == 0)
			return 0;
	}
}

static int ignore_signals(int argc, char **argv)
{
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_IGN);
	printf("ready\n");
	fflush(stdout);
	while (pause() < 0)
		continue;
	return 0;
}

static int allocate(int argc, char **argv)
{
	size_t mib = argc > 0 ? strtoul(argv[0], NULL, 10) : 1;
	char *p = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return fail("mmap");
	for (size_t i = 0; i < mib << 20; i += 4096)
		p[i] = 1;
	printf("allocated %zu MiB\n", mib);
	return 0;
}

/* Copies standard input to standard output until its end; says how much it was on standard error. */
static int echo(int argc, char **argv)
{
	static char buf[1 << 20];
	unsigned long long total = 0;
	for (ssize_t n; (n = read(0, buf, sizeof(buf))) != 0;) {
		if (n < 0)
			return fail("read");
		for (ssize_t done = 0, w; done < n; done += w)
			if ((w = write(1, buf + done, (size_t)(n - done))) < 0)
				return fail("write");
		total += (unsigned long long)n;
	}
	fprintf(stderr, "copied %llu\n", total);
	return 0;
}

/* Writes lines of 64 bytes, argv[0] bytes in all, as fast as they are taken; then says so in the file argv[1]. */
static int spew(int argc, char **argv)
{
	unsigned long long total = argc > 0 ? strtoull(argv[0], NULL, 10) : 0;
	char line[65];
	for (unsigned long long done = 0, n = 0; done < total; done += 64, n++) {
		snprintf(line, sizeof(line), "%020llu %042d\n", n, 0);
		for (size_t off = 0; off < 64;) {
			ssize_t w = write(1, line + off, 64 - off);
			if (w < 0)
				return fail("write");
			off += (size_t)w;
		}
	}
	if (argc > 1) {
		int fd = open(argv[1], O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0)
			return fail(argv[1]);
		close(fd);
	}
	return 0;
}

/* Leaves a child behind that holds the standard streams for argv[0] seconds, and ends at once. */
static int leave_child(int argc, char **argv)
{
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		sleep(argc > 0 ? (unsigned)strtoul(argv[0], NULL, 10) : 5);
		_exit(0);
	}
	printf("left\n");
	return pid < 0 ? fail("fork") : 0;
}

static int show_terminal(int argc, char **argv)
{
	struct winsize size = {0};
	for (int fd = 0; fd < 3; fd++)
		printf("isatty %d %d\n", fd, isatty(fd));
	if (ioctl(0, TIOCGWINSZ, &size) == 0)
		printf("size %d %d\n", size.ws_row, size.ws_col);
	printf("leader %d\n", getsid(0) == getpid());
	printf("foreground %d\n", tcgetpgrp(0) == getpgrp());
	return 0;
}

static volatile sig_atomic_t resized;

static void on_resize(int sig)
{
	resized = 1;
}

/* The window size now and after each change; ends at end of file or at a line "q". */
static int watch_size(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_resize};
	struct winsize size = {0};
	char c;
	sigaction(SIGWINCH, &action, NULL);
	resized = 1;
	for (;;) {
		if (resized) {
			resized = 0;
			ioctl(0, TIOCGWINSZ, &size);
			printf("size %d %d\n", size.ws_row, size.ws_col);
			fflush(stdout);
		}
		ssize_t n = read(0, &c, 1);
		if (n == 0 || (n == 1 && c == 'q'))
			return 0;
		if (n < 0 && errno != EINTR)
			return 0;
	}
}

static int show_limits(int argc, char **argv)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	printf("nofile %llu %llu\n", (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
	return 0;
}

static int make_node(int argc, char **argv)
{
	if (argc < 1 || mknod(argv[0], S_IFCHR | 0600, makedev(1, 7)) < 0)
		return fail("mknod");
	int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail("open");
	printf("opened\n");
	return 0;
}

/* Connects to the unix socket argv[0] and reads: what the other side does with a stranger. */
static int connect_to(int argc, char **argv)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char buf[64];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (argc < 1 || fd < 0)
		return 2;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", argv[0]);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return fail("connect");
	if (argc > 1) {
		/* A frame header that announces argv[1] bytes on stream 1, type 1. */
		uint32_t length = (uint32_t)strtoul(argv[1], NULL, 0);
		uint8_t head[10] = {(uint8_t)(length >> 24),
				    (uint8_t)(length >> 16),
				    (uint8_t)(length >> 8),
				    (uint8_t)length,
				    0,
				    0,
				    0,
				    1,
				    1,
				    0};
		if (write(fd, head, sizeof(head)) != sizeof(head))
			return fail("write");
		struct timeval limit = {.tv_sec = 3};
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	}
	ssize_t n = read(fd, buf, sizeof(buf));
	if (n < 0)
		return fail("read");
	printf("read %zd\n", n);
	return 0;
}

/* ---- system calls: what a seccomp profile makes of them ---- */

/* Runs in a child, so that a call which ends the process, or makes another, harms nobody. */
static long call_by_name(const char *name)
{
	char stack[1] = {0};
	if (!strcmp(name, "keyctl"))
		return syscall(SYS_keyctl, 0 /* get keyring ID */, -3 /* session */, 0);
	if (!strcmp(name, "unshare"))
		return unshare(CLONE_NEWUTS);
	if (!strcmp(name, "clone-ns"))
		return syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);
	if (!strcmp(name, "clone"))
		return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!strcmp(name, "clone3"))
		return syscall(SYS_clone3, stack, 0); /* EINVAL when it gets there */
	if (!strcmp(name, "ptrace"))
		return ptrace(PTRACE_TRACEME, 0, 0, 0);
	if (!strcmp(name, "io_uring"))
		return syscall(SYS_io_uring_setup, 0, 0); /* EFAULT when it gets there */
	if (!strcmp(name, "unix"))
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!strcmp(name, "alg"))
		return socket(AF_ALG, SOCK_SEQPACKET, 0);
	if (!strcmp(name, "vsock"))
		return socket(AF_VSOCK, SOCK_STREAM, 0);
	if (!strcmp(name, "personality"))
		return personality(0xffffffff);
	if (!strcmp(name, "no-randomize"))
		return personality(ADDR_NO_RANDOMIZE);
	if (!strcmp(name, "settime"))
		return syscall(SYS_settimeofday, 0, 0);
	if (!strcmp(name, "mkdir"))
		return mkdir("/tmp/made", 0700);
	return -2;
}

/* syscall NAME... : "NAME: ok", the error's name, or "killed". */
static int try_calls(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		int status = 0;
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			long r = call_by_name(argv[i]);
			_exit(r == -2 ? 255 : r < 0 ? errno : 0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			return fail("fork");
		if (WIFSIGNALED(status))
			printf("%s: killed\n", argv[i]);
		else if (WEXITSTATUS(status) == 255)
			return 2;
		else
			printf("%s: %s\n", argv[i],
			       WEXITSTATUS(status) ? strerrorname_np(WEXITSTATUS(status)) : "ok");
	}
	return 0;
}

static int sleep_for(int argc, char **argv)
{
	struct timespec t = {.tv_sec = argc > 0 ? strtol(argv[0], NULL, 10) : 3600};
	signal(SIGTERM, SIG_DFL);
	/* As the first process a default action would not end us. */
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int sig = sigtimedwait(&set, NULL, &t);
	return sig > 0 ? 128 + sig : 0;
}

static volatile sig_atomic_t told_to_end;

static void on_term(int sig)
{
	told_to_end = sig;
}

/* "<n> <hash>" ten times a second: n counts on, the hash is that of argv[0] MiB of memory, filled once with numbers from the
 * seed argv[1] and read anew each time. SIGTERM ends it with code 42. */
static int count_on(int argc, char **argv)
{
	size_t n = (argc > 0 ? strtoul(argv[0], NULL, 10) : 1) << 17;
	unsigned long long x = argc > 1 ? strtoull(argv[1], NULL, 10) | 1 : 1;
	unsigned long long *p = malloc(n * sizeof(*p));
	if (!p)
		return fail("malloc");
	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = x;
	}
	signal(SIGTERM, on_term);
	for (unsigned long k = 1; !told_to_end; k++) {
		unsigned long long h = 14695981039346656037ull;
		for (size_t i = 0; i < n; i++)
			h = (h ^ p[i]) * 1099511628211ull;
		printf("%lu %016llx\n", k, h);
		fflush(stdout);
		usleep(100000);
	}
	return 42;
}

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{"fds", show_fds},
	{"caps", show_caps},
	{"ids", show_ids},
	{"exit", exit_with},
	{"die", die_by},
	{"signals", show_signals},
	{"ignore", ignore_signals},
	{"alloc", allocate},
	{"echo", echo},
	{"spew", spew},
	{"leave", leave_child},
	{"terminal", show_terminal},
	{"size", watch_size},
	{"limits", show_limits},
	{"mknod", make_node},
	{"connect", connect_to},
	{"syscall", try_calls},
	{"sleep", sleep_for},
	{"count", count_on},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[1], verbs[i].name))
			continue;
		int r = verbs[i].run(argc - 2, argv + 2);
		fflush(stdout);
		return r;
	}
	fprintf(stderr, "probe: no such verb\n");
	return 127;
}
