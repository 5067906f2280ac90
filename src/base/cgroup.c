/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups, as files. Nothing is remembered: what is mounted is looked at each time. */
#include "base/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define PROCS_MAX   (4u << 20)
#define KILL_ROUNDS 100

bool cor_cgroup_path_is_own(const char *path)
{
	if (cor_empty(path) || path[0] != '/' || strchr(path, ':'))
		return false;
	_cleanup_free_ char *clean = cor_path_join("/", path);
	return clean && !streq(clean, "/");
}

static void write_word(int dir, const char *file, const char *word)
{
	_cleanup_close_ int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)cor_write_full(fd, word, strlen(word));
}

/* The number of processes that were there. */
static size_t kill_listed(int dir)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	if (cor_read_file_at(dir, "cgroup.procs", PROCS_MAX, &text, NULL, NULL) < 0)
		return 0;
	_cleanup_strv_ char **lines = cor_strv_split(text, '\n');
	for (char **l = lines; l && *l; l++) {
		uint32_t pid;
		if (cor_parse_u32(*l, &pid) == 0 && pid > 1 && pid <= INT32_MAX && ++n)
			(void)kill((pid_t)pid, SIGKILL);
	}
	return n;
}

static bool is_hierarchy(int fd)
{
	struct statfs fs;
	return fstatfs(fd, &fs) == 0 && (fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC);
}

/* Calls fn for the path in each hierarchy: the root itself, where that is v2 (what lies in it are groups then), else every
 * directory in it that is one. The sum of what it returns, or its first negative result. */
static int in_each_hierarchy(const char *path, int (*fn)(int base, const char *path, const void *arg),
			     const void *arg)
{
	_cleanup_close_ int root = openat(AT_FDCWD, CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int again = root < 0 ? -1 : openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	if (!d) {
		cor_close(again);
		return -ENOENT;
	}
	bool unified = is_hierarchy(root);
	int sum = unified ? fn(root, path, arg) : 0, failure = sum < 0 ? sum : 0;
	for (struct dirent *ent; !unified && (ent = readdir(d));) {
		if (ent->d_name[0] == '.' || ent->d_type == DT_REG)
			continue;
		_cleanup_close_ int base =
			openat(root, ent->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		int r = base >= 0 && is_hierarchy(base) ? fn(base, path, arg) : 0;
		if (r < 0 && failure == 0)
			failure = r;
		sum += r;
	}
	(void)closedir(d);
	return failure < 0 ? failure : sum;
}

static void thaw(int dir)
{
	write_word(dir, "freezer.state", "THAWED");
	write_word(dir, "cgroup.freeze", "0");
}

static int thaw_below(int base, const char *path, const void *arg)
{
	(void)arg;
	_cleanup_close_ int dir = cor_open_in_root(base, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return 0;
	thaw(dir);
	return 1;
}

static int kill_below(int base, const char *path, const void *arg)
{
	(void)arg;
	_cleanup_close_ int dir = cor_open_in_root(base, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return 0;
	write_word(dir, "cgroup.kill", "1");
	/* v1: what one of them has forked meanwhile comes in the next round; a frozen one dies when thawed. */
	for (int rounds = 0; kill_listed(dir) && rounds < KILL_ROUNDS; rounds++) {
		thaw(dir);
		(void)usleep(1000);
	}
	thaw(dir);
	return 1;
}

static int remove_below(int base, const char *path, const void *arg)
{
	const char *name;
	(void)arg;
	_cleanup_close_ int dir = cor_open_parent_in_root(base, path, false, &name);
	if (dir < 0)
		return 0;
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static int join_below(int base, const char *path, const void *word)
{
	_cleanup_close_ int dir = cor_open_in_root(base, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	_cleanup_close_ int fd = dir < 0 ? -1 : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	int r = cor_write_full(fd, word, strlen(word));
	return r < 0 ? r : 1;
}

int cor_cgroup_join(const char *path, pid_t pid)
{
	char word[16];
	(void)snprintf(word, sizeof(word), "%d", (int)pid);
	return in_each_hierarchy(path, join_below, word);
}

bool cor_cgroup_is_unified(void)
{
	struct statfs fs;
	return statfs(CGROUP_ROOT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* True when the comma-separated list has the word. */
static bool lists(const char *list, size_t n, const char *word)
{
	size_t k = strlen(word);
	for (size_t i = 0; i + k <= n; i++)
		if (memcmp(list + i, word, k) == 0 && (i == 0 || list[i - 1] == ',') &&
		    (i + k == n || list[i + k] == ','))
			return true;
	return false;
}

/* The path in the line "number:controllers:path" of that controller; cut off behind it. */
static char *find_path(char *text, const char *controller)
{
	for (char *line = text, *end; line && *line; line = end ? end + 1 : NULL) {
		end = strchr(line, '\n');
		if (end)
			*end = '\0';
		char *list = strchr(line, ':');
		char *path = list ? strchr(++list, ':') : NULL;
		if (!path)
			continue;
		size_t n = (size_t)(path - list);
		if (*controller ? lists(list, n, controller) : n == 0)
			return path + 1;
	}
	return NULL;
}

int cor_cgroup_open(const char *path, const char *controller)
{
	const char *sub = *controller ? controller : cor_cgroup_is_unified() ? "." : "unified";
	_cleanup_close_ int root = openat(AT_FDCWD, CGROUP_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int base = root < 0 ? -1 : openat(root, sub, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return base < 0 ? -ENOENT : cor_open_in_root(base, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
}

int cor_cgroup_open_of(pid_t pid, const char *controller)
{
	char name[64];
	_cleanup_free_ char *text = NULL;
	(void)snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
	int r = cor_read_file_at(AT_FDCWD, name, 1 << 16, &text, NULL, NULL);
	if (r < 0)
		return r;
	const char *path = find_path(text, controller);
	return path ? cor_cgroup_open(path, controller) : -ENOENT;
}

void cor_cgroup_kill(const char *path)
{
	(void)in_each_hierarchy(path, kill_below, NULL);
}

void cor_cgroup_thaw(const char *path)
{
	(void)in_each_hierarchy(path, thaw_below, NULL);
}

int cor_cgroup_remove(const char *path)
{
	return in_each_hierarchy(path, remove_below, NULL);
}

/* The directory of the group that this process is in: v2's, where that is mounted. A descriptor or -1. */
static int open_own_group(void)
{
	static const char *const roots[] = {CGROUP_ROOT, CGROUP_ROOT "/unified"};
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int proc = openat(AT_FDCWD, "/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0 || cor_read_file_at(proc, "cgroup", 1 << 16, &text, NULL, NULL) < 0)
		return -1;
	char *path = strstr(text, "0::/");
	if (!path || (path != text && path[-1] != '\n'))
		return -1;
	path += strlen("0::");
	path[strcspn(path, "\n")] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		_cleanup_close_ int root = openat(AT_FDCWD, roots[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		int fd = root < 0 ? -1 : cor_open_in_root(root, path, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0 && faccessat(fd, "cgroup.procs", W_OK, AT_EACCESS) == 0)
			return fd;
		cor_close(fd);
	}
	return -1;
}

pid_t cor_cgroup_expect_moves(void)
{
	_cleanup_close_ int group = open_own_group();
	_cleanup_close_ int procs = group < 0 ? -1 : openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (procs < 0)
		return 0;
	pid_t pid = fork();
	if (pid == 0) {
		/* Nobody shall wait for the ends of pipes and locks that it has inherited. */
		if (dup2(procs, 0) == 0 && syscall(SYS_close_range, 1u, ~0u, 0u) == 0)
			(void)!write(0, "0", 1);
		_exit(0);
	}
	return pid > 0 ? pid : 0;
}

void cor_cgroup_moves_done(pid_t child)
{
	if (child > 0)
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
}
