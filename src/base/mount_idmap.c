/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts whose files show other owners than they have: containerd's mount options "uidmap=" and "gidmap=" (both, lists
 * "container:host:size"). Of an overlay it is the lower directories that are mapped (Linux 5.19): what is written goes to the
 * upper directory with the owners that the mount shows. Of a bind mount, what it shows.
 *
 * A child with mounts of its own covers each of those directories with a mapped copy of its mount, makes the mount as it would
 * be made without the options, and hands out a copy that is mounted nowhere. So paths and options are the usual ones, nobody
 * else sees the mapped directories, and nothing is left when one of us is killed. The inodes are not touched.
 */
#include "base/mount_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "base/idmap.h"
#include "base/str.h"

bool cor_mount_is_idmapped(const struct cor_mount *m)
{
	return cor_mount_option(m, "uidmap") && cor_mount_option(m, "gidmap");
}

static int open_userns(const struct cor_mount *m)
{
	_cleanup_id_map_ struct cor_id_map uids = {0}, gids = {0};
	int r = cor_id_map_parse(cor_mount_option(m, "uidmap"), &uids);
	if (r == 0)
		r = cor_id_map_parse(cor_mount_option(m, "gidmap"), &gids);
	return r < 0 ? r : cor_userns_open(&uids, &gids, NULL);
}

struct idmap_call {
	struct cor_mount plain; /* without the two options; borrowed strings */
	char **covered;         /* the directories that are mapped */
	int userns;
};

static int cover(const char *path, int userns)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
	_cleanup_close_ int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0)
		return -errno;
	return 0;
}

static int mount_here(void *arg)
{
	const struct idmap_call *c = arg;
	struct mount_attr private = {.propagation = MS_PRIVATE};
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof(private)) < 0)
		return -errno;
	int r = 0;
	for (size_t i = 0; r == 0 && c->covered[i]; i++)
		r = cover(c->covered[i], c->userns);
	/* Anywhere will do: the layers have been found by then. */
	if (r == 0)
		r = cor_mount_one(&c->plain, c->covered[0]);
	if (r < 0)
		return r;
	int fd = open_tree(AT_FDCWD, c->covered[0], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A descriptor of the mount, mounted nowhere. */
static int mount_detached(const struct cor_mount *m)
{
	_cleanup_strv_ char **options = NULL, **covered = NULL;
	const char *lower = cor_mount_option(m, "lowerdir");
	int r = 0;
	for (size_t i = 0; r == 0 && m->options[i]; i++)
		if (!cor_startswith(m->options[i], "uidmap=") && !cor_startswith(m->options[i], "gidmap="))
			r = cor_strv_push(&options, m->options[i]);
	if (r == 0 && streq(m->type, "overlay") && lower)
		covered = cor_strv_split(lower, ':');
	else if (r == 0 && (cor_strv_contains(options, "bind") || cor_strv_contains(options, "rbind")))
		r = cor_strv_push(&covered, m->source);
	else if (r == 0)
		return -EOPNOTSUPP;
	if (r < 0 || !covered)
		return -ENOMEM;
	_cleanup_close_ int userns = open_userns(m);
	if (userns < 0)
		return userns;
	struct idmap_call call = {
		.plain = {.type = m->type, .source = m->source, .options = options},
		.covered = covered,
		.userns = userns,
	};
	return cor_call_in_child(CLONE_NEWNS, mount_here, &call);
}

int cor_mount_idmapped(const struct cor_mount *m, const char *target)
{
	_cleanup_close_ int mnt = mount_detached(m);
	if (mnt < 0)
		return mnt;
	return move_mount(mnt, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0
		       ? -errno
		       : 0;
}

int cor_mount_open_idmapped(const struct cor_mount *m)
{
	return cor_mount_is_idmapped(m) ? mount_detached(m) : -EINVAL;
}
