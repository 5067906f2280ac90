/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving a tree to the users of a user namespace.
 *
 * A change of owner takes from a file what makes it privileged: set-user-ID, set-group-ID and capabilities. Here that is put
 * back, because the privilege is the container's own. Capabilities name the user namespace in which they count by the host's
 * ID of its root (revision 3, Linux 4.14); those of an image name none, which means the host.
 *
 * On overlayfs (without its index) the change copies one name of a file with several; the others would go on to show the
 * lower file. So each file is changed once, by the name met first, and its other names are made anew as links to that. The
 * directories' times are put back.
 */
#include "base/idmap.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/inodes.h"
#include "base/str.h"

/* One descriptor per level. Layers cannot make deeper trees. */
#define DEPTH_MAX 400
#define NAMES_MAX 65536 /* the kernel's bounds of xattrs */
#define VALUE_MAX 65536

#define XATTR_CAPS        "security.capability"
#define XATTR_ACL         "system.posix_acl_access"
#define XATTR_ACL_DEFAULT "system.posix_acl_default"

struct remap {
	int root;
	const struct cor_id_map *uids, *gids;
	struct cor_buf path;     /* of the directory at hand, with a slash at the end; "" for the root */
	struct cor_inodes links; /* files with several names: the one met first, from the root */
	char *names, *value;     /* xattr buffers */
	struct cor_error *err;
};

/* 1: another name of a file that is done, now a link to it; 0: met for the first time. */
static int link_or_remember(struct remap *m, int dir, const char *name, const struct stat *st)
{
	struct cor_inode *l;
	bool fresh;
	if (cor_inodes_add(&m->links, st, &l, &fresh) < 0)
		return -ENOMEM;
	if (!fresh)
		return unlinkat(dir, name, 0) < 0 || linkat(m->root, l->path, dir, name, 0) < 0 ? -errno : 1;
	l->path = cor_asprintf("%s%s", m->path.data ? m->path.data : "", name);
	return l->path ? 0 : -ENOMEM;
}

static int map_id(struct remap *m, const struct cor_id_map *map, uint32_t id, const char *name, uint32_t *ret)
{
	if (cor_id_map_to_host(map, id, ret) == 0)
		return 0;
	cor_error_clear(m->err);
	return cor_error_set(m->err, COR_INVALID_ARGUMENT,
			     "container ID %u cannot be mapped to a host ID: %s of /%s%s", id,
			     map == m->uids ? "owner" : "group", m->path.data ? m->path.data : "",
			     streq(name, ".") ? "" : name);
}

/* ---- extended attributes; path: /proc/self/fd/<directory>/<name>, which is no symbolic link ---- */

/* Capabilities as they were before the change of owner: 0 when there are none, else their length in m->value. */
static ssize_t get_value(struct remap *m, const char *path, const char *xattr)
{
	ssize_t n = lgetxattr(path, xattr, m->value, VALUE_MAX);
	if (n < 0)
		return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
	return n;
}

static int put_caps(struct remap *m, const char *path, const char *name, const void *value, size_t n)
{
	struct vfs_ns_cap_data caps = {0};
	uint32_t root = 0, magic;
	if (n < XATTR_CAPS_SZ_1 || n > sizeof(caps))
		return -EINVAL;
	memcpy(&caps, value, n);
	magic = le32toh(caps.magic_etc);
	if ((magic & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_3)
		root = le32toh(caps.rootid);
	int r = map_id(m, m->uids, root, name, &root);
	if (r < 0)
		return r;
	caps.magic_etc = htole32(VFS_CAP_REVISION_3 | (magic & VFS_CAP_FLAGS_MASK));
	caps.rootid = htole32(root);
	return lsetxattr(path, XATTR_CAPS, &caps, sizeof(caps), 0) < 0 ? -errno : 0;
}

static int map_acl(struct remap *m, const char *path, const char *xattr, const char *name)
{
	ssize_t n = get_value(m, path, xattr);
	const size_t head = sizeof(struct posix_acl_xattr_header);
	if (n <= 0)
		return n < 0 ? (int)n : 0;
	for (size_t at = head; at + sizeof(struct posix_acl_xattr_entry) <= (size_t)n;
	     at += sizeof(struct posix_acl_xattr_entry)) {
		struct posix_acl_xattr_entry e;
		memcpy(&e, m->value + at, sizeof(e));
		uint16_t tag = le16toh(e.e_tag);
		uint32_t id = le32toh(e.e_id);
		if (tag != ACL_USER && tag != ACL_GROUP)
			continue;
		int r = map_id(m, tag == ACL_USER ? m->uids : m->gids, id, name, &id);
		if (r < 0)
			return r;
		e.e_id = htole32(id);
		memcpy(m->value + at, &e, sizeof(e));
	}
	return lsetxattr(path, xattr, m->value, (size_t)n, 0) < 0 ? -errno : 0;
}

static bool has_name(const char *names, ssize_t n, const char *name)
{
	for (const char *p = names; p < names + n; p += strlen(p) + 1)
		if (streq(p, name))
			return true;
	return false;
}

static int map_acls(struct remap *m, const char *path, const char *name, ssize_t n)
{
	static const char *const acls[] = {XATTR_ACL, XATTR_ACL_DEFAULT};
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(acls); i++)
		if (has_name(m->names, n, acls[i]))
			r = map_acl(m, path, acls[i], name);
	return r;
}

/* ---- the walk ---- */

static int chown_link(struct remap *m, int dir, const char *name, const struct stat *st)
{
	uint32_t uid, gid;
	int r = map_id(m, m->uids, st->st_uid, name, &uid);
	if (r == 0)
		r = map_id(m, m->gids, st->st_gid, name, &gid);
	if (r < 0)
		return r;
	return fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Not inlined: its buffers would lie in every frame of the recursion. */
__attribute__((noinline)) static int chown_entry(struct remap *m, int dir, const char *name,
						 const struct stat *st)
{
	char path[NAME_MAX + 40], caps[sizeof(struct vfs_ns_cap_data)];
	ssize_t ncaps = 0;
	if (S_ISLNK(st->st_mode))
		return chown_link(m, dir, name, st);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);
	ssize_t n = llistxattr(path, m->names, NAMES_MAX);
	if (n < 0 && errno != EOPNOTSUPP)
		return -errno;
	if (n < 0)
		n = 0;
	if (S_ISREG(st->st_mode) && has_name(m->names, n, XATTR_CAPS)) {
		ncaps = get_value(m, path, XATTR_CAPS);
		if (ncaps < 0 || (size_t)ncaps > sizeof(caps))
			return ncaps < 0 ? (int)ncaps : -EINVAL;
		memcpy(caps, m->value, (size_t)ncaps);
	}
	int r = chown_link(m, dir, name, st);
	if (r == 0)
		r = map_acls(m, path, name, n);
	if (r == 0 && st->st_mode & (S_ISUID | S_ISGID) && fchmodat(dir, name, st->st_mode & 07777, 0) < 0)
		r = -errno;
	if (r == 0 && ncaps > 0)
		r = put_caps(m, path, name, caps, (size_t)ncaps);
	return r;
}

static int remap_directory(struct remap *m, int fd, unsigned int depth);

static int remap_subdirectory(struct remap *m, int dir, const char *name, unsigned int depth)
{
	if (depth == DEPTH_MAX)
		return -ELOOP;
	_cleanup_close_ int fd =
		openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	size_t len = m->path.len;
	if (cor_buf_str(&m->path, name) < 0 || cor_buf_char(&m->path, '/') < 0)
		return -ENOMEM;
	int r = remap_directory(m, fd, depth + 1);
	if (r >= 0) {
		m->path.len = len;
		m->path.data[len] = 0;
	}
	return r;
}

static int remap_entry(struct remap *m, int dir, const char *name, unsigned int depth, bool *relinked)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	int r = 0;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
		r = link_or_remember(m, dir, name, &st);
	if (r > 0)
		*relinked = true;
	if (r == 0)
		r = chown_entry(m, dir, name, &st);
	if (r == 0 && S_ISDIR(st.st_mode))
		r = remap_subdirectory(m, dir, name, depth);
	return r < 0 ? r : 0;
}

/* NUL-terminated, one behind the other. */
static int read_names(int fd, struct cor_buf *ret)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	if (!d) {
		int r = -errno;
		cor_close(copy);
		return r;
	}
	int r = 0;
	while (r == 0) {
		errno = 0;
		struct dirent *e = readdir(d);
		if (!e) {
			r = -errno;
			break;
		}
		if (!streq(e->d_name, ".") && !streq(e->d_name, ".."))
			r = cor_buf_append(ret, e->d_name, strlen(e->d_name) + 1);
	}
	closedir(d);
	return r;
}

/* The names first: a directory that is changed while it is read may show one twice, and twice mapped is wrong. */
static int remap_directory(struct remap *m, int fd, unsigned int depth)
{
	_cleanup_buf_ struct cor_buf names = {0};
	struct stat st;
	bool relinked = false;
	int r = fstat(fd, &st) < 0 ? -errno : read_names(fd, &names);
	for (size_t at = 0; r == 0 && at < names.len; at += strlen(names.data + at) + 1) {
		const char *name = names.data + at;
		r = remap_entry(m, fd, name, depth, &relinked);
		/* Named once, by the innermost level. */
		if (r < 0 && m->err->code == COR_OK)
			(void)cor_error_errno(m->err, r, "change owner of /%s%s",
					      m->path.data ? m->path.data : "", name);
	}
	if (r == 0 && relinked) {
		struct timespec times[2] = {st.st_atim, st.st_mtim};
		r = futimens(fd, times) < 0 ? -errno : 0;
	}
	return r;
}

int cor_remap_tree(int rootfd, const struct cor_id_map *uids, const struct cor_id_map *gids,
		   struct cor_error *err)
{
	struct cor_error local = {0};
	struct remap m = {.root = rootfd, .uids = uids, .gids = gids, .err = &local};
	struct stat st;
	m.names = malloc(NAMES_MAX);
	m.value = malloc(VALUE_MAX);
	int r = m.names && m.value ? 0 : -ENOMEM;
	if (r == 0 && fstat(rootfd, &st) < 0)
		r = -errno;
	if (r == 0)
		r = chown_entry(&m, rootfd, ".", &st);
	if (r == 0)
		r = remap_directory(&m, rootfd, 0);
	cor_inodes_done(&m.links);
	free(m.names);
	free(m.value);
	cor_buf_done(&m.path);
	if (r < 0 && local.code == COR_OK)
		(void)cor_error_errno(&local, r, "change owner of the root file system");
	if (r < 0 && err)
		*err = local;
	return r < 0 ? r : 0;
}
