/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime `runc` of the side-by-side tests. Where only the record and the spec matter a real container is time lost, so
 * this one takes runc's commands and has a process that does nothing instead of a container. What it was asked is one line a
 * call in RUNTIME_LOG. By the container's ID:
 *
 *     s…    the process ends with 0 as soon as it is started
 *     p…    it stays until it is killed
 *     r…    the real runc (REAL_RUNC)
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *root = "/run/runc", *verb, *id = "";
static char dir[4096], path[4200];

static const char *in_dir(const char *file)
{
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return path;
}

static const char *option(int argc, char **argv, const char *key, const char *otherwise)
{
	size_t n = strlen(key);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], key) && i + 1 < argc)
			return argv[i + 1];
		if (!strncmp(argv[i], key, n) && argv[i][n] == '=')
			return argv[i] + n + 1;
	}
	return otherwise;
}

static int has(int argc, char **argv, const char *word)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], word))
			return 1;
	return 0;
}

/* The command is the first word that is neither an option nor the value of one. */
static void find_verb(int argc, char **argv)
{
	static const char *const with_value[] = {"--root", "--log",      "--log-format",
						 "--criu", "--rootless", NULL};
	for (int i = 1; i < argc && !verb; i++) {
		if (argv[i][0] != '-') {
			verb = argv[i];
			break;
		}
		for (const char *const *w = with_value; *w; w++)
			if (!strcmp(argv[i], *w))
				i++;
	}
	if (argc > 1)
		id = argv[argc - 1];
	if (verb && !strcmp(verb, "kill") && argc > 2)
		id = argv[argc - 2];
}

static void write_log(int argc, char **argv)
{
	char line[8192];
	size_t n = (size_t)snprintf(line, sizeof(line), "%s", id);
	for (int i = 1; i < argc && n + 2 < sizeof(line); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "\t%s", argv[i]);
	if (n + 1 >= sizeof(line))
		return;
	line[n++] = '\n';
	int fd = open(RUNTIME_LOG, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, line, n) < 0)
		return;
	close(fd);
}

static long read_pid(void)
{
	char buf[32] = "";
	int fd = open(in_dir("pid"), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (fd >= 0)
		close(fd);
	return n > 0 ? strtol(buf, NULL, 10) : 0;
}

static int write_file(const char *name, const char *what)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, what, strlen(what)) < 0)
		return -1;
	return close(fd);
}

/* The process: waits until it is started, then ends or stays. */
static int container(void)
{
	char c;
	int fd = open(in_dir("go"), O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &c, 1) < 0)
		return 1;
	signal(SIGTERM, SIG_DFL);
	if (id[0] == 'p')
		for (;;)
			pause();
	return 0;
}

static int start(void)
{
	int fd = open(in_dir("go"), O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "g", 1) != 1;
}

static void make_parents(void)
{
	for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(dir, 0711);
		*p = '/';
	}
}

static int create(int argc, char **argv)
{
	char text[32];
	make_parents();
	if (mkdir(dir, 0711) < 0 || mkfifo(in_dir("go"), 0600) < 0) {
		fprintf(stderr, "%s: %s\n", dir, strerror(errno));
		return 1;
	}
	pid_t pid = fork();
	if (pid == 0)
		_exit(container());
	snprintf(text, sizeof(text), "%d", (int)pid);
	const char *pid_file = option(argc, argv, "--pid-file", NULL);
	if (write_file(in_dir("pid"), text) < 0 || (pid_file && write_file(pid_file, text) < 0))
		return 1;
	return strcmp(verb, "run") ? 0 : start();
}

static int end(int argc, char **argv)
{
	long pid = read_pid();
	if (pid <= 0)
		return 1;
	if (!strcmp(verb, "kill") && kill((pid_t)pid, (int)strtol(argv[argc - 1], NULL, 10)) < 0)
		return fprintf(stderr, "container not running\n") > 0;
	if (!strcmp(verb, "kill"))
		return 0;
	if (has(argc, argv, "--force") || has(argc, argv, "-f"))
		kill((pid_t)pid, SIGKILL);
	unlink(in_dir("go"));
	unlink(in_dir("pid"));
	return rmdir(dir) < 0;
}

int main(int argc, char **argv)
{
	find_verb(argc, argv);
	if (!verb)
		return 1;
	if (id[0] == 'r') {
		execv(REAL_RUNC, argv);
		return 127;
	}
	root = option(argc, argv, "--root", root);
	snprintf(dir, sizeof(dir), "%s/%s", root, id);
	write_log(argc, argv);
	if (!strcmp(verb, "create") || !strcmp(verb, "run"))
		return create(argc, argv);
	if (!strcmp(verb, "start"))
		return start();
	if (!strcmp(verb, "kill") || !strcmp(verb, "delete"))
		return end(argc, argv);
	if (!strcmp(verb, "pause") || !strcmp(verb, "resume"))
		return 0;
	if (!strcmp(verb, "state")) {
		printf("{\"ociVersion\": \"1.0.2\", \"id\": \"%s\", \"pid\": %ld, \"status\": \"running\"}\n",
		       id, read_pid());
		return read_pid() <= 0;
	}
	fprintf(stderr, "no command %s here\n", verb);
	return 1;
}
