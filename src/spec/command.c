/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the command there? The commonest mistake in a `run` is told before anything is started, in one line; the runtime
 * would find it, too, but only after the container is half set up, and prints its own line on the container's stderr.
 *
 * Only a certain "no" is an error. Where a mount could bring the file, the runtime decides.
 */
#include "spec/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum verdict { FOUND, MISSING, NOT_EXECUTABLE, UNKNOWN };

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);
	while (n > 1 && dir[n - 1] == '/')
		n--;
	return n <= 1 || (strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]));
}

/* Do the mounts hide or bring what is at path? Those that the user asked for might in any case (links lead there). */
static bool mounts_matter(const json_t *mounts, const char *path)
{
	static const char *const usual[] = {"/proc",       "/dev", "/dev/pts", "/dev/shm",
					    "/dev/mqueue", "/sys", "/run",     "/sys/fs/cgroup"};
	size_t i;
	json_t *m;
	json_array_foreach(mounts, i, m)
	{
		const char *dst = json_string_value(json_object_get(m, "destination"));
		bool known = false;
		for (size_t k = 0; dst && k < ARRAY_SIZE(usual); k++)
			known = known || streq(dst, usual[k]);
		if (!dst || !known || below(path, dst))
			return true;
	}
	return false;
}

static enum verdict look(int rootfs_fd, const char *path)
{
	struct stat st;
	_cleanup_close_ int fd = cor_open_in_root(rootfs_fd, path, O_PATH, 0);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return MISSING;
	if (fd < 0 || fstat(fd, &st) < 0)
		return UNKNOWN;
	if (S_ISDIR(st.st_mode) || !(st.st_mode & 0111))
		return NOT_EXECUTABLE;
	return FOUND;
}

/* PATH of the process's environment: the last one wins. */
static const char *search_path(const json_t *process)
{
	const char *path = NULL;
	size_t i;
	json_t *e;
	json_array_foreach(json_object_get(process, "env"), i, e)
	{
		const char *value = json_is_string(e) ? cor_after(json_string_value(e), "PATH=") : NULL;
		path = value ? value : path;
	}
	return path ? path : DEFAULT_PATH;
}

static enum verdict search(const json_t *process, const json_t *mounts, int rootfs_fd, const char *name)
{
	_cleanup_strv_ char **dirs = cor_strv_split(search_path(process), ':');
	for (size_t i = 0; dirs && dirs[i]; i++) {
		_cleanup_free_ char *path = cor_path_join(cor_empty(dirs[i]) ? "." : dirs[i], name);
		if (!path || path[0] != '/' || mounts_matter(mounts, path))
			return UNKNOWN;
		enum verdict v = look(rootfs_fd, path);
		if (v == FOUND || v == UNKNOWN)
			return v;
	}
	return dirs ? MISSING : UNKNOWN;
}

int cor_spec_check_command(const json_t *process, const json_t *mounts, int rootfs_fd, struct cor_error *err)
{
	const char *name = json_string_value(json_array_get(json_object_get(process, "args"), 0));
	const char *cwd = json_string_value(json_object_get(process, "cwd"));
	if (cor_empty(name))
		return 0;
	if (!strchr(name, '/')) {
		if (search(process, mounts, rootfs_fd, name) != MISSING)
			return 0;
		return cor_error_set(err, COR_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH",
				     name);
	}
	_cleanup_free_ char *path = name[0] == '/' ? strdup(name) : cor_path_join(cwd ? cwd : "/", name);
	if (!path)
		return cor_error_oom(err);
	if (mounts_matter(mounts, path))
		return 0;
	switch (look(rootfs_fd, path)) {
	case MISSING:
		return cor_error_set(err, COR_NOT_FOUND, "exec: \"%s\": no such file or directory", name);
	case NOT_EXECUTABLE:
		return cor_error_set(err, COR_PERMISSION_DENIED, "exec: \"%s\": permission denied", name);
	case FOUND:
	case UNKNOWN:
		break;
	}
	return 0;
}
