/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount descriptions and carrying them out.
 *
 * mount(2) takes one page of options; an image with many layers needs more for overlay's lowerdir. Newer kernels (6.7)
 * take one lower directory at a time through fsconfig; for older ones a child whose working directory is the common
 * parent mounts with relative names, as containerd does.
 */
#include "base/mount_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define DATA_MAX 4095 /* one page with its NUL */

void cor_mounts_done(struct cor_mounts *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->items[i].type);
		free(m->items[i].source);
		free(m->items[i].target);
		cor_strv_free(m->items[i].options);
	}
	free(m->items);
	*m = (struct cor_mounts){0};
}

int cor_mounts_add(struct cor_mounts *m, const char *type, const char *source, const char *target,
		   char *const *options)
{
	if (cor_grow(&m->items, &m->cap, m->n + 1, sizeof(*m->items)) < 0)
		return -ENOMEM;
	struct cor_mount item = {
		.type = strdup(type),
		.source = strdup(source),
		.target = target ? strdup(target) : NULL,
		.options = cor_strv_copy(options),
	};
	m->items[m->n++] = item;
	if (!item.type || !item.source || (target && !item.target) || !item.options) {
		m->n--;
		free(item.type);
		free(item.source);
		free(item.target);
		cor_strv_free(item.options);
		return -ENOMEM;
	}
	return 0;
}

const char *cor_mount_option(const struct cor_mount *m, const char *key)
{
	size_t n = strlen(key);
	for (size_t i = 0; m->options && m->options[i]; i++)
		if (strncmp(m->options[i], key, n) == 0 && m->options[i][n] == '=')
			return m->options[i] + n + 1;
	return NULL;
}

static const struct {
	const char *name;
	unsigned long set, clear;
} flag_names[] = {
	{"async", 0, MS_SYNCHRONOUS},
	{"atime", 0, MS_NOATIME},
	{"bind", MS_BIND, 0},
	{"rbind", MS_BIND | MS_REC, 0},
	{"defaults", 0, 0},
	{"dev", 0, MS_NODEV},
	{"diratime", 0, MS_NODIRATIME},
	{"dirsync", MS_DIRSYNC, 0},
	{"exec", 0, MS_NOEXEC},
	{"mand", MS_MANDLOCK, 0},
	{"noatime", MS_NOATIME, 0},
	{"nodev", MS_NODEV, 0},
	{"nodiratime", MS_NODIRATIME, 0},
	{"noexec", MS_NOEXEC, 0},
	{"nomand", 0, MS_MANDLOCK},
	{"norelatime", 0, MS_RELATIME},
	{"nostrictatime", 0, MS_STRICTATIME},
	{"nosuid", MS_NOSUID, 0},
	{"relatime", MS_RELATIME, 0},
	{"ro", MS_RDONLY, 0},
	{"rw", 0, MS_RDONLY},
	{"strictatime", MS_STRICTATIME, 0},
	{"suid", 0, MS_NOSUID},
	{"sync", MS_SYNCHRONOUS, 0},
	{"remount", MS_REMOUNT, 0},
};

static bool parse_flag(const char *option, unsigned long *flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_names); i++) {
		if (streq(option, flag_names[i].name)) {
			*flags = (*flags | flag_names[i].set) & ~flag_names[i].clear;
			return true;
		}
	}
	return false;
}

/* Splits options into flags and the comma-joined rest; skip: a "key=" that is left out of the rest. */
static char *split_options(const struct cor_mount *m, unsigned long *flags, const char *skip)
{
	_cleanup_buf_ struct cor_buf data = {0};
	for (size_t i = 0; m->options && m->options[i]; i++) {
		const char *o = m->options[i];
		if (parse_flag(o, flags) || (skip && cor_startswith(o, skip)))
			continue;
		if (data.len)
			(void)cor_buf_char(&data, ',');
		(void)cor_buf_str(&data, o);
	}
	return cor_buf_take(&data);
}

/* ---- a child that shares our memory and descriptors ---- */

struct shared_call {
	int (*fn)(void *arg);
	void *arg;
	int result;
};

static int run_shared(void *arg)
{
	struct shared_call *c = arg;
	c->result = c->fn(c->arg);
	/* Not _exit: the stack is not the thread's own, and sanitizers look at it there. */
	(void)syscall(SYS_exit, 0);
	__builtin_unreachable();
}

int cor_call_in_child(int flags, int (*fn)(void *arg), void *arg)
{
	struct shared_call call = {.fn = fn, .arg = arg, .result = -EIO};
	const size_t size = 256 * 1024;
	char *stack =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return -errno;
	sigset_t all, saved;
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &saved);
	/* No exit signal: a caller's SIGCHLD handling does not see this child. */
	pid_t pid = clone(run_shared, stack + size, CLONE_VM | CLONE_VFORK | CLONE_FILES | flags, &call);
	int r = pid < 0 ? -errno : 0;
	if (r == 0)
		(void)waitpid(pid, NULL, __WCLONE);
	(void)sigprocmask(SIG_SETMASK, &saved, NULL);
	(void)munmap(stack, size);
	return r < 0 ? r : call.result;
}

struct mount_call {
	const char *cwd, *source, *target, *type, *data;
	unsigned long flags;
};

static int mount_in_child(void *arg)
{
	struct mount_call *c = arg;
	if (chdir(c->cwd) < 0 || mount(c->source, c->target, c->type, c->flags, c->data) < 0)
		return -errno;
	return 0;
}

/* mount(2) with another working directory. */
static int mount_from(const char *cwd, const char *source, const char *target, const char *type,
		      unsigned long flags, const char *data)
{
	struct mount_call call = {
		.cwd = cwd, .source = source, .target = target, .type = type, .flags = flags, .data = data};
	return cor_call_in_child(0, mount_in_child, &call);
}

#ifdef FSOPEN_CLOEXEC
static int config_string(int fs, const char *key, const char *value)
{
	return fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

/* One option of the rest ("key=value" or "key"). */
static int config_option(int fs, const char *option)
{
	const char *eq = strchr(option, '=');
	if (!eq)
		return fsconfig(fs, FSCONFIG_SET_FLAG, option, NULL, 0) < 0 ? -errno : 0;
	_cleanup_free_ char *key = strndup(option, (size_t)(eq - option));
	return key ? config_string(fs, key, eq + 1) : -ENOMEM;
}

int cor_mount_overlay_detached(const struct cor_mount *m)
{
	_cleanup_close_ int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	unsigned long flags = 0;
	int r = 0;
	for (size_t i = 0; m->options[i] && r == 0; i++) {
		const char *o = m->options[i], *lower = cor_after(o, "lowerdir=");
		if (lower) {
			_cleanup_strv_ char **dirs = cor_strv_split(lower, ':');
			if (!dirs)
				return -ENOMEM;
			for (size_t k = 0; dirs[k] && r == 0; k++)
				r = config_string(fs, "lowerdir+", dirs[k]);
		} else if (!parse_flag(o, &flags)) {
			r = config_option(fs, o);
		}
	}
	if (r < 0)
		return r;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	int mnt = fsmount(fs, FSMOUNT_CLOEXEC, flags & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0);
	return mnt < 0 ? -errno : mnt;
}

static int overlay_by_fsconfig(const struct cor_mount *m, const char *target)
{
	_cleanup_close_ int mnt = cor_mount_overlay_detached(m);
	if (mnt < 0)
		return mnt;
	return move_mount(mnt, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0
		       ? -errno
		       : 0;
}
#else
int cor_mount_overlay_detached(const struct cor_mount *m)
{
	(void)m;
	return -ENOSYS;
}

static int overlay_by_fsconfig(const struct cor_mount *m, const char *target)
{
	(void)m;
	(void)target;
	return -ENOSYS;
}
#endif

/* Length of the directory prefix (with its slash) that all of dirs share. */
static size_t common_prefix(char *const *dirs)
{
	size_t n = 0;
	for (size_t i = 0; dirs[0][i]; i++) {
		for (size_t k = 1; dirs[k]; k++)
			if (dirs[k][i] != dirs[0][i])
				return n;
		if (dirs[0][i] == '/')
			n = i + 1;
	}
	return n;
}

static int overlay_relative(const struct cor_mount *m, const char *target)
{
	unsigned long flags = 0;
	_cleanup_free_ char *rest = split_options(m, &flags, "lowerdir=");
	_cleanup_strv_ char **dirs = cor_strv_split(cor_mount_option(m, "lowerdir"), ':');
	if (!rest || !dirs)
		return -ENOMEM;
	size_t n = common_prefix(dirs);
	if (n < 2)
		return -E2BIG;
	_cleanup_free_ char *cwd = strndup(dirs[0], n);
	_cleanup_buf_ struct cor_buf data = {0};
	(void)cor_buf_str(&data, rest);
	for (size_t i = 0; dirs[i]; i++)
		(void)cor_buf_printf(&data, "%s%s",
				     i         ? ":"
				     : rest[0] ? ",lowerdir="
					       : "lowerdir=",
				     dirs[i] + n);
	if (!cwd || data.failed)
		return -ENOMEM;
	if (data.len > DATA_MAX)
		return -E2BIG;
	return mount_from(cwd, m->source, target, m->type, flags, data.data);
}

/* A bind mount gets its attributes before anybody can see it (mount(2) would need a second, remounting call). */
static int bind_mount(const char *source, const char *target, unsigned long flags)
{
	static const struct {
		unsigned long flag;
		uint64_t attr;
	} attrs[] = {
		{MS_RDONLY, MOUNT_ATTR_RDONLY},   {MS_NOSUID, MOUNT_ATTR_NOSUID},
		{MS_NODEV, MOUNT_ATTR_NODEV},     {MS_NOEXEC, MOUNT_ATTR_NOEXEC},
		{MS_NOATIME, MOUNT_ATTR_NOATIME}, {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME},
	};
	unsigned recursive = flags & MS_REC ? AT_RECURSIVE : 0;
	_cleanup_close_ int tree =
		open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
	if (tree < 0)
		return -errno;
	struct mount_attr attr = {0};
	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++)
		if (flags & attrs[i].flag)
			attr.attr_set |= attrs[i].attr;
	if (attr.attr_set & MOUNT_ATTR_NOATIME)
		attr.attr_clr |= MOUNT_ATTR__ATIME;
	if (attr.attr_set && mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0
		       ? -errno
		       : 0;
}

int cor_mount_one(const struct cor_mount *m, const char *target)
{
	unsigned long flags = 0;
	if (cor_mount_is_idmapped(m))
		return cor_mount_idmapped(m, target);
	_cleanup_free_ char *data = split_options(m, &flags, NULL);
	if (!data)
		return -ENOMEM;
	if (strlen(data) > DATA_MAX) {
		if (!streq(m->type, "overlay") || !cor_mount_option(m, "lowerdir"))
			return -E2BIG;
		int r = overlay_by_fsconfig(m, target);
		return r == 0 ? 0 : overlay_relative(m, target);
	}
	if (flags & MS_BIND)
		return bind_mount(m->source, target, flags);
	return mount(m->source, target, m->type, flags, data) < 0 ? -errno : 0;
}

static int find_target(const struct cor_mount *m, int targetfd, const char *top, int *ret_fd)
{
	if (cor_empty(m->target) || streq(m->target, "/")) {
		/* By its path, so that it is the mount on top that is reached. */
		*ret_fd = open(top, O_PATH | O_CLOEXEC);
		return *ret_fd < 0 ? -errno : 0;
	}
	(void)targetfd;
	_cleanup_close_ int root = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	int fd = cor_open_in_root(root, m->target, O_PATH, 0);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

int cor_mount_all(const struct cor_mounts *m, int targetfd, struct cor_error *err)
{
	char link[64], top[PATH_MAX];
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", targetfd);
	ssize_t n = readlink(link, top, sizeof(top) - 1);
	if (n < 0)
		return cor_error_errno(err, errno, "mount target");
	top[n] = '\0';
	for (size_t i = 0; i < m->n; i++) {
		_cleanup_close_ int fd = -1;
		int r = find_target(&m->items[i], targetfd, top, &fd);
		if (r == 0) {
			(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
			r = cor_mount_one(&m->items[i], link);
		}
		if (r < 0) {
			while (i-- > 0)
				(void)umount2(top, MNT_DETACH | UMOUNT_NOFOLLOW);
			const struct cor_mount *failed = &m->items[i + 1];
			return cor_error_errno(err, r, "mount %s%s on %s", failed->type,
					       cor_mount_is_idmapped(failed) ? " with mapped IDs" : "", top);
		}
	}
	return 0;
}

int cor_unmount_at(int dirfd, const char *name, struct cor_error *err)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name) >= (int)sizeof(path))
		return cor_error_errno(err, ENAMETOOLONG, "unmount %s", name);
	for (int tries = 0; tries < 64; tries++) {
		if (umount2(path, UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno == EINVAL || errno == ENOENT) /* not a mount point (any more) */
			return 0;
		if (errno == EBUSY && umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
			continue;
		return cor_error_errno(err, errno, "unmount %s", name);
	}
	return cor_error_errno(err, EBUSY, "unmount %s", name);
}
