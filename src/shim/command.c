/* SPDX-License-Identifier: Apache-2.0 */
/* Looking a command up in a container's root, as the runtime will. */
#include "shim/command.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "shim/json_scan.h"

#define CONFIG_MAX (16u << 20)

enum verdict { FOUND, NOT_FOUND, NOT_EXECUTABLE };

static enum verdict look_at(int root, const char *path)
{
	struct stat st;
	_cleanup_close_ int fd = cor_open_in_root(root, path, O_PATH, 0);
	if (fd == -ENOENT || fd == -ENOTDIR) {
		/* A link that leads nowhere here may lead somewhere when everything is mounted. */
		_cleanup_close_ int link = cor_open_in_root(root, path, O_PATH | O_NOFOLLOW, 0);
		return link >= 0 ? FOUND : NOT_FOUND;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return FOUND;
	bool runnable = !S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || (st.st_mode & 0111));
	return runnable ? FOUND : NOT_EXECUTABLE;
}

/* The value of PATH in "env" (caller's), or NULL. */
static char *path_of(const char *process)
{
	for (const char *p = cor_scan_first(cor_scan_member(process, "env")); p; p = cor_scan_next(p)) {
		_cleanup_free_ char *entry = cor_scan_string(p);
		const char *value = entry ? cor_after(entry, "PATH=") : NULL;
		if (value)
			return strdup(value);
	}
	return NULL;
}

static enum verdict search(int root, const char *path, const char *name)
{
	enum verdict worst = NOT_FOUND;
	_cleanup_strv_ char **dirs = cor_strv_split(path, ':');
	if (!dirs)
		return FOUND;
	for (char **d = dirs; *d; d++) {
		_cleanup_free_ char *full = cor_path_join(*d, name);
		if (!full || **d != '/')
			return FOUND; /* relative entries: the runtime's affair */
		enum verdict v = look_at(root, full);
		if (v == FOUND)
			return FOUND;
		if (v == NOT_EXECUTABLE)
			worst = v;
	}
	return worst;
}

static int check(int root, const char *process, struct cor_error *err)
{
	_cleanup_free_ char *name = cor_scan_string(cor_scan_first(cor_scan_member(process, "args")));
	if (cor_empty(name))
		return 0;
	enum verdict v;
	if (strchr(name, '/')) {
		_cleanup_free_ char *cwd = cor_scan_string(cor_scan_member(process, "cwd"));
		_cleanup_free_ char *full = name[0] == '/' ? strdup(name)
					    : cwd          ? cor_path_join(cwd, name)
							   : NULL;
		v = full ? look_at(root, full) : FOUND;
		if (v == NOT_FOUND)
			return cor_error_set(
				err, COR_UNKNOWN,
				"unable to start container process: exec: \"%s\": stat %s: no such file or "
				"directory",
				name, name);
	} else {
		_cleanup_free_ char *path = path_of(process);
		v = path ? search(root, path, name) : FOUND;
		if (v == NOT_FOUND)
			return cor_error_set(
				err, COR_UNKNOWN,
				"unable to start container process: exec: \"%s\": executable file not found "
				"in $PATH",
				name);
	}
	if (v == NOT_EXECUTABLE)
		return cor_error_set(err, COR_UNKNOWN,
				     "unable to start container process: exec: \"%s\": permission denied",
				     name);
	return 0;
}

/* True when something is mounted over the root that may hold commands. */
static bool has_volumes(const char *config)
{
	static const char *const plain[] = {
		"/proc", "/dev", "/sys", "/run", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname"};
	for (const char *m = cor_scan_first(cor_scan_member(config, "mounts")); m; m = cor_scan_next(m)) {
		_cleanup_free_ char *at = cor_scan_string(cor_scan_member(m, "destination"));
		bool known = false;
		for (size_t i = 0; at && i < ARRAY_SIZE(plain); i++) {
			const char *rest = cor_after(at, plain[i]);
			known |= rest && (*rest == '\0' || *rest == '/');
		}
		if (!known)
			return true;
	}
	return false;
}

int cor_command_check_init(int bundle_fd, struct cor_error *err)
{
	_cleanup_free_ char *config = NULL;
	if (cor_read_file_at(bundle_fd, "config.json", CONFIG_MAX, &config, NULL, NULL) < 0 ||
	    has_volumes(config))
		return 0;
	_cleanup_free_ char *path = cor_scan_string(cor_scan_member(cor_scan_member(config, "root"), "path"));
	if (cor_empty(path))
		return 0;
	_cleanup_close_ int root = openat(bundle_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? 0 : check(root, cor_scan_member(config, "process"), err);
}

int cor_command_check_exec(pid_t init, const char *process, struct cor_error *err)
{
	char path[32];
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)init);
	_cleanup_close_ int root = openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? 0 : check(root, process, err);
}
