/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources.cpu.burst. OCI runtimes learned it late (Debian's runc 1.1 and crun 1.8 leave it out without a word), so
 * it is written here, between the runtime's create and its start. A runtime that knows it has written the same number.
 * Cgroup v1 and v2 both count it in microseconds.
 */
#include "engine/task_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/path.h"
#include "oci/json.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define PROC_MAX    (64u << 10)

int64_t cor_task_burst(const char *spec)
{
	_cleanup_json_ json_t *doc = NULL;
	uint64_t n = 0;
	json_t *v;
	/* Nearly no container has one: not worth parsing each document. */
	if (!spec || !strstr(spec, "\"burst\"") ||
	    cor_json_parse(spec, strlen(spec), "config.json", &doc, NULL) < 0)
		return 0;
	v = json_object_get(json_object_get(doc, "linux"), "resources");
	v = json_object_get(json_object_get(v, "cpu"), "burst");
	return cor_json_u64(v, &n) ? (int64_t)MIN(n, (uint64_t)INT64_MAX) : 0;
}

/* "4:cpu,cpuacct:/a/b" -> the path, where the controllers are those asked for; NULL otherwise. */
static char *match(char *line, const char *controller, char **ret_names)
{
	char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
	if (!path)
		return NULL;
	*path++ = '\0';
	*ret_names = ++names;
	if (!*controller)
		return *names ? NULL : path;
	for (const char *p = names; *p; p = strchrnul(p, ','), p += *p == ',')
		if (cor_startswith(p, controller) && strchr(",", p[strlen(controller)]))
			return path;
	return NULL;
}

/* A file of the process's cgroup in the hierarchy that has the CPU controller. A cgroup that is also ours is not the
 * container's, and is left alone. */
static int open_file(pid_t pid, int *ret, const char **ret_name)
{
	char proc[32];
	_cleanup_free_ char *text = NULL, *own_text = NULL;
	(void)snprintf(proc, sizeof(proc), "/proc/%d/cgroup", (int)pid);
	int r = cor_read_file_at(AT_FDCWD, proc, PROC_MAX, &text, NULL, NULL);
	if (r >= 0)
		r = cor_read_file_at(AT_FDCWD, "/proc/self/cgroup", PROC_MAX, &own_text, NULL, NULL);
	if (r < 0)
		return r;
	_cleanup_strv_ char **own = cor_strv_split(own_text, '\n');
	_cleanup_close_ int root = openat(AT_FDCWD, CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	for (int v1 = 1; v1 >= 0; v1--) {
		_cleanup_strv_ char **lines = cor_strv_split(text, '\n');
		*ret_name = v1 ? "cpu.cfs_burst_us" : "cpu.max.burst";
		for (char **l = lines; l && *l; l++) {
			if (cor_strv_contains(own, *l))
				continue;
			char *names = NULL, *path = match(*l, v1 ? "cpu" : "", &names);
			_cleanup_free_ char *file =
				path ? cor_asprintf("%s/%s/%s", v1 ? names : "", path, *ret_name) : NULL;
			int fd = file ? cor_open_in_root(root, file, O_WRONLY, 0) : -ENOENT;
			if (fd < 0)
				continue;
			*ret = fd;
			return 0;
		}
	}
	return -ENOENT;
}

int cor_task_burst_apply(int64_t burst, pid_t pid, struct cor_error *err)
{
	_cleanup_close_ int fd = -1;
	char number[24];
	const char *name = NULL;
	if (burst == 0)
		return 0;
	int r = open_file(pid, &fd, &name);
	if (r < 0)
		return cor_error_errno(err, r, "cpu burst: no control of it in the container's cgroup");
	(void)snprintf(number, sizeof(number), "%" PRId64, burst);
	r = cor_write_full(fd, number, strlen(number));
	return r < 0 ? cor_error_errno(err, r, "cpu burst: write %s to %s", number, name) : 0;
}
