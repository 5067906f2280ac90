/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Killing what runs in a container's cgroups without its runtime, and removing them: the last resort when shim or runtime
 * are gone. Cgroup v2, v1 and both at once: the path is looked for in every hierarchy mounted below /sys/fs/cgroup.
 */
#include "engine/task_internal.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>

#include "base/path.h"
#include "oci/json.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CONFIG_MAX  (16u << 20)
#define PROCS_MAX   (4u << 20)

char *cor_cgroup_path(int bundle_fd)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *doc = NULL;
	const char *path = NULL;
	size_t n;
	if (cor_read_file_at(bundle_fd, "config.json", CONFIG_MAX, &text, &n, NULL) < 0 ||
	    cor_json_parse(text, n, "config.json", &doc, NULL) < 0 ||
	    cor_json_get_str(json_object_get(doc, "linux"), "cgroupsPath", &path, NULL) < 0 ||
	    cor_empty(path))
		return NULL;
	_cleanup_free_ char *clean = cor_path_join("/", path);
	/* "slice:prefix:name" is systemd's, and "/" is everybody's. */
	if (!clean || strchr(path, ':') || streq(clean, "/"))
		return NULL;
	return TAKE_PTR(clean);
}

static void write_word(int dir, const char *file, const char *word)
{
	_cleanup_close_ int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)cor_write_full(fd, word, strlen(word));
}

static void kill_listed(int dir)
{
	_cleanup_free_ char *text = NULL;
	if (cor_read_file_at(dir, "cgroup.procs", PROCS_MAX, &text, NULL, NULL) < 0)
		return;
	_cleanup_strv_ char **lines = cor_strv_split(text, '\n');
	for (char **l = lines; l && *l; l++) {
		uint32_t pid;
		if (cor_parse_u32(*l, &pid) == 0 && pid > 1 && pid <= INT32_MAX)
			(void)kill((pid_t)pid, SIGKILL);
	}
}

static void kill_in(int dir)
{
	write_word(dir, "cgroup.kill", "1");
	kill_listed(dir);
	write_word(dir, "freezer.state", "THAWED");
	write_word(dir, "cgroup.freeze", "0");
}

/* Calls fn for the path in each hierarchy: the root itself and every directory in it that has one. */
static void in_each_hierarchy(const char *path, void (*fn)(int base, const char *path))
{
	_cleanup_close_ int root = openat(AT_FDCWD, CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int again = root < 0 ? -1 : openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	if (!d) {
		cor_close(again);
		return;
	}
	fn(root, path);
	struct dirent *ent;
	while ((ent = readdir(d))) {
		if (ent->d_name[0] == '.' || ent->d_type == DT_REG)
			continue;
		_cleanup_close_ int base =
			openat(root, ent->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (base >= 0)
			fn(base, path);
	}
	(void)closedir(d);
}

static void kill_below(int base, const char *path)
{
	_cleanup_close_ int dir = cor_open_in_root(base, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir >= 0)
		kill_in(dir);
}

static void remove_below(int base, const char *path)
{
	const char *name;
	_cleanup_close_ int dir = cor_open_parent_in_root(base, path, false, &name);
	if (dir >= 0)
		(void)unlinkat(dir, name, AT_REMOVEDIR);
}

void cor_cgroup_kill(const char *cgroups_path)
{
	in_each_hierarchy(cgroups_path, kill_below);
}

void cor_cgroup_remove(const char *cgroups_path)
{
	in_each_hierarchy(cgroups_path, remove_below);
}
