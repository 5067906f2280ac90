/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device nodes of the host: --device PATH (one node, or a directory of nodes) and, for --privileged, all of /dev.
 * Nodes are looked at, never opened: opening a device can have effects. Inside a directory, links and plain files are
 * passed over, as are fifos, consoles and the directories that a container has of its own; a path that itself is a
 * link is "not a device node" (ctr's rule: what is granted is what was named).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/path.h"
#include "cdi/cdi.h"
#include "spec/internal.h"

/* A directory tree of devices deeper than this is a loop of mounts, or not meant. */
#define DEPTH_MAX 32

/* Where nodes go. rules NULL: no cgroup rules. */
struct sink {
	json_t *devices, *rules;
};

static json_t *make_rule(const char *type, json_int_t major, json_int_t minor)
{
	_cleanup_json_ json_t *rule =
		json_pack("{s:b, s:s, s:I, s:s}", "allow", 1, "type", type, "major", major, "access", "rwm");

	if (!rule || (minor >= 0 && json_object_set_new(rule, "minor", json_integer(minor)) < 0))
		return NULL;
	return TAKE_PTR(rule);
}

int cor_spec_allow_default_devices(json_t *spec, struct cor_error *err)
{
	/* null, random, full, tty, zero, urandom, console, pts/<n>, ptmx */
	static const short nodes[][2] = {{1, 3}, {1, 8}, {1, 7},    {5, 0}, {1, 5},
					 {1, 9}, {5, 1}, {136, -1}, {5, 2}};
	json_t *resources, *rules;
	int r = cor_spec_resources(spec, &resources, err);

	if (r >= 0)
		r = cor_spec_array(resources, "devices", &rules, err);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(nodes); i++)
		r = cor_spec_push(rules, make_rule("c", nodes[i][0], nodes[i][1]), err);
	return r;
}

static const char *node_type(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFBLK:
		return "b";
	case S_IFCHR:
		return "c";
	case S_IFIFO:
		return "p";
	default:
		return NULL;
	}
}

static int add_node(const struct sink *sink, const char *path, const struct stat *st, struct cor_error *err)
{
	json_int_t major = major(st->st_rdev), minor = minor(st->st_rdev);
	json_t *device, *json_path;
	int r = cor_spec_string("device", path, &json_path, err);

	if (r < 0)
		return r;
	device = json_pack("{s:o, s:s, s:I, s:I, s:i, s:I, s:I}", "path", json_path, "type", node_type(st),
			   "major", major, "minor", minor, "fileMode", (int)(st->st_mode & ~(mode_t)S_IFMT),
			   "uid", (json_int_t)st->st_uid, "gid", (json_int_t)st->st_gid);
	r = cor_spec_push(sink->devices, device, err);
	if (r < 0 || !sink->rules)
		return r;
	return cor_spec_push(sink->rules, make_rule(node_type(st), major, minor), err);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in dir, sorted (the document does not depend on the directory's order). Consumes fd. */
static int list_names(int fd_take, const char *path, char ***ret, struct cor_error *err)
{
	_cleanup_strv_ char **names = NULL;
	DIR *dir = fdopendir(fd_take);
	struct dirent *e;
	int r = 0;

	if (!dir) {
		r = cor_error_errno(err, errno, "read %s", path);
		cor_close(fd_take);
		return r;
	}
	while (r >= 0 && (errno = 0, e = readdir(dir)))
		if (!streq(e->d_name, ".") && !streq(e->d_name, "..") && cor_strv_push(&names, e->d_name) < 0)
			r = cor_error_oom(err);
	if (r >= 0 && errno)
		r = cor_error_errno(err, errno, "read %s", path);
	closedir(dir);
	if (r < 0)
		return r;
	if (names)
		qsort(names, cor_strv_len(names), sizeof(*names), compare_names);
	*ret = TAKE_PTR(names);
	return 0;
}

static bool skip_directory(const char *name)
{
	static const char *const skipped[] = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"};

	for (size_t i = 0; i < ARRAY_SIZE(skipped); i++)
		if (streq(name, skipped[i]))
			return true;
	return false;
}

static int add_tree(const struct sink *sink, int dirfd, const char *name, const char *path, int depth,
		    struct cor_error *err);

/* One entry of a directory; one that has gone meanwhile is passed over. */
static int add_entry(const struct sink *sink, int dirfd, const char *name, const char *parent, int depth,
		     struct cor_error *err)
{
	_cleanup_free_ char *path = cor_path_join(parent, name);
	struct stat st;

	if (!path)
		return cor_error_oom(err);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : cor_error_errno(err, errno, "lstat %s", path);
	if (S_ISDIR(st.st_mode))
		return skip_directory(name) ? 0 : add_tree(sink, dirfd, name, path, depth + 1, err);
	if (streq(name, "console") || S_ISFIFO(st.st_mode) || !node_type(&st))
		return 0;
	return add_node(sink, path, &st, err);
}

static int add_tree(const struct sink *sink, int dirfd, const char *name, const char *path, int depth,
		    struct cor_error *err)
{
	_cleanup_strv_ char **names = NULL;
	/* The path that was named may lead through a link; what is found below it may not. */
	int nofollow = depth > 0 ? O_NOFOLLOW : 0, r = 0;
	_cleanup_close_ int fd = -1;

	if (depth > DEPTH_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: too many levels of directories", path);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | nofollow);
	if (fd < 0)
		return errno == ENOENT && depth > 0 ? 0 : cor_error_errno(err, errno, "open %s", path);
	r = list_names(fcntl(fd, F_DUPFD_CLOEXEC, 0), path, &names, err);
	for (size_t i = 0; r >= 0 && names && names[i]; i++)
		r = add_entry(sink, fd, names[i], path, depth, err);
	return r;
}

static int add_path(const struct sink *sink, const char *path, struct cor_error *err)
{
	_cleanup_free_ char *quoted = NULL;
	struct stat st;

	if (fstatat(AT_FDCWD, path, &st, 0) < 0)
		return cor_error_errno(err, errno, "error stating device path: stat %s", path);
	if (S_ISDIR(st.st_mode))
		return add_tree(sink, AT_FDCWD, path, path, 0, err);
	if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_error_errno(err, errno, "lstat %s", path);
	if (node_type(&st))
		return add_node(sink, path, &st, err);
	quoted = cor_spec_quote(path);
	return cor_error_set(err, COR_INVALID_ARGUMENT,
			     "get device path: %s containerPath: \"\" error: not a device node",
			     COR_SPEC_QUOTED(quoted));
}

static int get_devices(json_t *spec, json_t **ret, struct cor_error *err)
{
	json_t *lnx;
	int r = cor_spec_linux(spec, &lnx, err);

	return r < 0 ? r : cor_spec_array(lnx, "devices", ret, err);
}

int cor_spec_add_host_devices(json_t *spec, struct cor_error *err)
{
	struct sink sink = {0};
	int r = get_devices(spec, &sink.devices, err);

	return r < 0 ? r : add_path(&sink, "/dev", err);
}

int cor_spec_apply_devices(struct cor_spec_build *b, struct cor_error *err)
{
	struct sink sink = {0};
	json_t *resources;
	int r;

	if (cor_strv_len(b->options->devices) == 0)
		return 0;
	r = get_devices(b->spec, &sink.devices, err);
	if (r >= 0)
		r = cor_spec_resources(b->spec, &resources, err);
	if (r >= 0)
		r = cor_spec_array(resources, "devices", &sink.rules, err);
	for (char *const *d = b->options->devices; r >= 0 && *d; d++)
		if (!cor_cdi_is_qualified(*d))
			r = add_path(&sink, *d, err);
	if (r >= 0 && json_array_size(sink.devices) == 0 && cor_spec_linux(b->spec, &resources, err) >= 0)
		json_object_del(resources, "devices"); /* directories without a device */
	return r;
}
