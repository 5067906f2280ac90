/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's first process sees, as one JSON document on standard output: the side-by-side tests run it with ctr and
 * with coracle and compare. With arguments it does something else first:
 *
 *     probe [--exit N] [--stat PATH]... [--read PATH]... [ARG...]
 *
 * ends with this code; adds what stat and read say about paths.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *comma = "";

static void text(const char *s, size_t n)
{
	putchar('"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void name(const char *key)
{
	printf("%s\n\"%s\": ", comma, key);
	comma = ",";
}

static void string(const char *key, const char *value)
{
	name(key);
	text(value, strlen(value));
}

static void strings(const char *key, char **list)
{
	name(key);
	putchar('[');
	for (char **p = list; p && *p; p++) {
		if (p != list)
			printf(", ");
		text(*p, strlen(*p));
	}
	putchar(']');
}

/* A file's content, or "errno: …". */
static void file(const char *key, const char *path)
{
	static char buf[1 << 16];
	size_t have = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		for (ssize_t n; have < sizeof(buf) && (n = read(fd, buf + have, sizeof(buf) - have)) > 0;)
			have += (size_t)n;
		close(fd);
	} else {
		have = (size_t)snprintf(buf, sizeof(buf), "errno: %s", strerror(errno));
	}
	name(key);
	text(buf, have);
}

static void link_of(const char *key, const char *path)
{
	char buf[512];
	ssize_t n = readlink(path, buf, sizeof(buf));
	name(key);
	n < 0 ? printf("null") : text(buf, (size_t)n);
}

static void one_stat(const char *path)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		printf("\"errno: %s\"", strerror(errno));
	else
		printf("\"%o %u:%u %u,%u\"", st.st_mode, st.st_uid, st.st_gid, major(st.st_rdev),
		       minor(st.st_rdev));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void directory(const char *key, const char *path)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, by_name);
	name(key);
	putchar('{');
	const char *sep = "";
	for (int i = 0; i < n; i++) {
		char full[600];
		if (list[i]->d_name[0] == '.')
			continue;
		snprintf(full, sizeof(full), "%s/%s", path, list[i]->d_name);
		printf("%s", sep);
		sep = ", ";
		text(list[i]->d_name, strlen(list[i]->d_name));
		printf(": ");
		one_stat(full);
	}
	putchar('}');
}

static void identity(void)
{
	uid_t u[3];
	gid_t g[3], groups[256];
	int n = getgroups(256, groups);
	getresuid(&u[0], &u[1], &u[2]);
	getresgid(&g[0], &g[1], &g[2]);
	name("ids");
	printf("[%u, %u, %u, %u, %u, %u]", u[0], u[1], u[2], g[0], g[1], g[2]);
	name("groups");
	putchar('[');
	for (int i = 0; i < n; i++)
		printf("%s%u", i ? ", " : "", groups[i]);
	putchar(']');
	file("uid_map", "/proc/self/uid_map");
	file("gid_map", "/proc/self/gid_map");
	file("setgroups", "/proc/self/setgroups");
}

/* The lines of /proc/self/status that say what it may do. */
static void powers(void)
{
	static const char *const wanted[] = {"CapInh",
					     "CapPrm",
					     "CapEff",
					     "CapBnd",
					     "CapAmb",
					     "NoNewPrivs",
					     "Umask",
					     "SigBlk",
					     "SigIgn",
					     "Seccomp:",
					     "Cpus_allowed_list",
					     "Mems_allowed_list"};
	FILE *f = fopen("/proc/self/status", "re");
	char line[4096];
	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			char *value = strchr(line, ':');
			if (!value || strncmp(line, wanted[i], strlen(wanted[i])) != 0)
				continue;
			*value++ = '\0';
			value += strspn(value, "\t ");
			value[strcspn(value, "\n")] = '\0';
			string(line, value);
			break;
		}
	if (f)
		fclose(f);
	file("oom_score_adj", "/proc/self/oom_score_adj");
	file("apparmor", "/proc/self/attr/current");
}

static void namespaces(void)
{
	static const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts", "time"};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char path[64], key[64];
		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		snprintf(key, sizeof(key), "ns %s", kinds[i]);
		link_of(key, path);
	}
}

int main(int argc, char **argv, char **envp)
{
	char cwd[4096];
	struct utsname uts;
	int code = 0;
	putchar('{');
	string("cwd", getcwd(cwd, sizeof(cwd)) ? cwd : "?");
	strings("args", argv);
	strings("env", envp);
	uname(&uts);
	string("hostname", uts.nodename);
	identity();
	powers();
	namespaces();
	name("pid");
	printf("%d", getpid());
	name("leader");
	printf("%d", getsid(0) == getpid());
	name("tty");
	printf("[%d, %d, %d]", isatty(0), isatty(1), isatty(2));
	file("mounts", "/proc/self/mountinfo");
	file("cgroup", "/proc/self/cgroup");
	file("limits", "/proc/self/limits");
	directory("dev", "/dev");
	for (int i = 1; i + 1 < argc; i++) {
		if (!strcmp(argv[i], "--exit"))
			code = (int)strtol(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--read"))
			i++, file(argv[i], argv[i]);
		else if (!strcmp(argv[i], "--stat"))
			name(argv[++i]), one_stat(argv[i]);
	}
	printf("\n}\n");
	fflush(stdout);
	return code;
}
