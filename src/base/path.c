/* SPDX-License-Identifier: Apache-2.0 */
/* Path strings: lexical cleaning, and turning them into descriptors inside a root. See path.h's invariants. */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

char *cor_path_clean(const char *path)
{
	bool rooted = path[0] == '/';
	size_t n = strlen(path);
	char *out = malloc(n + 2);
	if (!out)
		return NULL;
	size_t len = 0, floor = rooted ? 1 : 0; /* what ".." cannot take away */
	if (rooted)
		out[len++] = '/';
	for (const char *p = path; *p;) {
		const char *e = strchrnul(p, '/');
		size_t m = (size_t)(e - p);
		if (m == 0 || (m == 1 && p[0] == '.')) {
			/* nothing */
		} else if (m == 2 && p[0] == '.' && p[1] == '.') {
			if (len > floor) {
				while (len > floor && out[--len] != '/')
					;
			} else if (!rooted) {
				if (len)
					out[len++] = '/';
				out[len++] = '.';
				out[len++] = '.';
				floor = len;
			}
		} else {
			if (len && out[len - 1] != '/')
				out[len++] = '/';
			memcpy(out + len, p, m);
			len += m;
		}
		p = *e ? e + 1 : e;
	}
	if (len == 0)
		out[len++] = '.';
	out[len] = '\0';
	return out;
}

char *cor_path_join(const char *a, const char *b)
{
	_cleanup_free_ char *s = cor_empty(a) ? strdup(b) : cor_asprintf("%s/%s", a, b);
	return s ? cor_path_clean(s) : NULL;
}

char *cor_path_abs(const char *path)
{
	if (path[0] == '/')
		return cor_path_clean(path);
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	return cwd ? cor_path_join(cwd, path) : NULL;
}

const char *cor_path_base(const char *path)
{
	const char *s = strrchr(path, '/');
	return s ? s + 1 : path;
}

int cor_open_in_root(int rootfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
		.mode = (flags & (O_CREAT | O_TMPFILE)) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	if (!*path)
		path = ".";
	/* EAGAIN: a rename raced with a ".." in the path. An attacker can cause it, so the tries are bounded. */
	for (int tries = 0; tries < 128; tries++) {
		long fd = syscall(SYS_openat2, rootfd, path, &how, sizeof(how));
		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

int cor_open_parent_in_root(int rootfd, const char *path, bool make, const char **ret_name)
{
	size_t n = strlen(path);
	while (n && path[n - 1] == '/')
		n--;
	size_t start = n;
	while (start && path[start - 1] != '/')
		start--;
	size_t len = n - start;
	if (len == 0 || (len == 1 && path[start] == '.') ||
	    (len == 2 && path[start] == '.' && path[start + 1] == '.') || path[n] == '/')
		return -EINVAL;
	_cleanup_free_ char *dir = strndup(path, start);
	if (!dir)
		return -ENOMEM;
	int fd = make ? cor_mkdir_p_in_root(rootfd, dir, 0755)
		      : cor_open_in_root(rootfd, dir, O_PATH | O_DIRECTORY, 0);
	if (fd >= 0)
		*ret_name = path + start;
	return fd;
}

/* The first n bytes of path, opened as a directory in the root. */
static int open_prefix(int rootfd, const char *path, size_t n)
{
	char prefix[PATH_MAX];
	if (n >= sizeof(prefix))
		return -ENAMETOOLONG;
	memcpy(prefix, path, n);
	prefix[n] = '\0';
	return cor_open_in_root(rootfd, prefix, O_RDONLY | O_DIRECTORY, 0);
}

int cor_mkdir_p_in_root(int rootfd, const char *path, mode_t mode)
{
	size_t n = strlen(path);
	int fd = open_prefix(rootfd, path, n);
	if (fd != -ENOENT)
		return fd;
	/* Component by component. Each prefix is resolved from the root again, so links met on the way stay inside. */
	size_t done = 0;
	_cleanup_close_ int dir = open_prefix(rootfd, "", 0);
	if (dir < 0)
		return dir;
	while (done < n) {
		while (done < n && path[done] == '/')
			done++;
		size_t end = done;
		while (end < n && path[end] != '/')
			end++;
		size_t len = end - done;
		if (len == 0)
			break;
		char name[NAME_MAX + 1];
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path + done, len);
		name[len] = '\0';
		bool dots = streq(name, ".") || streq(name, "..");
		if (!dots && mkdirat(dir, name, mode) < 0 && errno != EEXIST)
			return -errno;
		int next = open_prefix(rootfd, path, end);
		if (next < 0)
			return next;
		cor_close(dir);
		dir = next;
		done = end;
	}
	return TAKE_FD(dir);
}

int cor_open_dir(const char *path, struct cor_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cor_error_errno(err, errno, "open directory %s", path) : fd;
}

int cor_mkdir_p(const char *path, mode_t mode, struct cor_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return cor_error_errno(err, errno, "open directory %s", path);
	_cleanup_free_ char *copy = cor_path_clean(path);
	if (!copy)
		return cor_error_oom(err);
	for (char *p = copy + 1;; p++) {
		if (*p && *p != '/')
			continue;
		char c = *p;
		*p = '\0';
		if (mkdir(copy, c ? 0755 : mode) < 0 && errno != EEXIST)
			return cor_error_errno(err, errno, "make directory %s", copy);
		*p = c;
		if (!c)
			break;
	}
	return cor_open_dir(copy, err);
}

int cor_open_or_mkdir_at(int dirfd, const char *name, mode_t mode, struct cor_error *err)
{
	bool made = mkdirat(dirfd, name, mode) == 0;
	if (!made && errno != EEXIST)
		return cor_error_errno(err, errno, "make directory %s", name);
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return cor_error_errno(err, errno, "open directory %s", name);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return cor_error_errno(err, errno, "stat directory %s", name);
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		return cor_error_errno(err, errno, "set mode of directory %s", name);
	return TAKE_FD(fd);
}
