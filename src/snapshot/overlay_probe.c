/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Can overlayfs have its upper directory here? Asked by doing it: a small overlay is mounted (detached: nothing is left in
 * the host's mount table, whatever happens), a lower file and a lower directory are replaced in it, and the upper must show
 * a whiteout and an opaque directory. File systems that are themselves overlays, or lack whiteouts or xattrs, fail.
 *
 * The answer is remembered for the file system that was asked: <path>/supported, a link whose text is the device number (to
 * be read in one call), or <path>/unsupported, which also names the boot (a new kernel may know more). A store that was moved,
 * or over which something else is mounted, is asked again.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "snapshot/internal.h"

/* Not in every libc yet; the numbers are the kernel's. */
#define SET_FLAG   0
#define SET_STRING 1
#define CMD_CREATE 6

#define DEVICE_MAX 24

bool snapshot_in_userns(void)
{
	_cleanup_free_ char *map = NULL;
	if (cor_read_file_at(AT_FDCWD, "/proc/self/uid_map", 65536, &map, NULL, NULL) < 0)
		return false;
	unsigned long long inside, outside, size;
	return sscanf(map, "%llu %llu %llu", &inside, &outside, &size) == 3 &&
	       !(inside == 0 && outside == 0 && size == 4294967295ULL);
}

static int set_string(int fsfd, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fsfd, SET_STRING, key, value, 0);
}

static int set_directory(int fsfd, const char *key, int dirfd, const char *sub)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, sub);
	return set_string(fsfd, key, path);
}

/* A detached overlay of dirfd/{lower,upper,work}. */
static int mount_detached(int dirfd, bool userxattr)
{
	_cleanup_close_ int fsfd = (int)syscall(SYS_fsopen, "overlay", 1 /* FSOPEN_CLOEXEC */);
	if (fsfd < 0)
		return -errno;
	if (set_string(fsfd, "source", "overlay") < 0 ||
	    set_directory(fsfd, "lowerdir", dirfd, "lower") < 0 ||
	    set_directory(fsfd, "upperdir", dirfd, "upper") < 0 ||
	    set_directory(fsfd, "workdir", dirfd, "work") < 0)
		return -errno;
	if (userxattr && syscall(SYS_fsconfig, fsfd, SET_FLAG, "userxattr", NULL, 0) < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fsfd, CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	int fd = (int)syscall(SYS_fsmount, fsfd, 1 /* FSMOUNT_CLOEXEC */, 0);
	return fd >= 0 ? fd : -errno;
}

static int make_trees(int dirfd)
{
	if (mkdirat(dirfd, "lower", 0700) < 0 || mkdirat(dirfd, "upper", 0700) < 0 ||
	    mkdirat(dirfd, "work", 0700) < 0 || mkdirat(dirfd, "lower/dir", 0700) < 0 ||
	    mkdirat(dirfd, "lower/dir/sub", 0700) < 0)
		return -errno;
	_cleanup_close_ int fd = openat(dirfd, "lower/file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd >= 0 ? 0 : -errno;
}

static int check_upper(int dirfd, bool userxattr)
{
	struct stat st;
	char value[4];
	if (fstatat(dirfd, "upper/file", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(0, 0))
		return -EOPNOTSUPP;
	_cleanup_close_ int fd = openat(dirfd, "upper/dir", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 ||
	    fgetxattr(fd, userxattr ? "user.overlay.opaque" : "trusted.overlay.opaque", value,
		      sizeof(value)) != 1 ||
	    value[0] != 'y')
		return -EOPNOTSUPP;
	return 0;
}

/* dirfd: an empty directory. */
static int try_overlay(int dirfd, bool userxattr, const char **ret_step)
{
	*ret_step = "make test directories";
	int r = make_trees(dirfd);
	if (r < 0)
		return r;
	*ret_step = "mount overlay";
	_cleanup_close_ int mnt = mount_detached(dirfd, userxattr);
	if (mnt < 0)
		return mnt;
	*ret_step = "replace files in an overlay";
	if (unlinkat(mnt, "file", 0) < 0 || unlinkat(mnt, "dir/sub", AT_REMOVEDIR) < 0 ||
	    unlinkat(mnt, "dir", AT_REMOVEDIR) < 0 || mkdirat(mnt, "dir", 0700) < 0)
		return -errno;
	return check_upper(dirfd, userxattr);
}

/* The file system that a directory is on, as text. */
static bool device_of(int dirfd, const char *name, char buf[DEVICE_MAX])
{
	struct stat st;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	(void)snprintf(buf, DEVICE_MAX, "%u:%u", major(st.st_dev), minor(st.st_dev));
	return true;
}

bool cor_overlayfs_remembered(int dirfd, const char *name)
{
	char path[64], have[DEVICE_MAX], want[DEVICE_MAX];
	if (snprintf(path, sizeof(path), "%s/supported", name) >= (int)sizeof(path))
		return false;
	ssize_t n = readlinkat(dirfd, path, have, sizeof(have) - 1);
	if (n <= 0 || !device_of(dirfd, name, want))
		return false;
	have[n] = '\0';
	return streq(have, want);
}

static void remember_yes(struct snapshot_dir *d)
{
	char device[DEVICE_MAX];
	(void)unlinkat(d->fd, "unsupported", 0);
	(void)unlinkat(d->fd, "supported", 0);
	/* Not remembered is asked again. */
	if (device_of(d->fd, ".", device) && symlinkat(device, d->fd, "supported") < 0)
		return;
}

/* What a "no" is good for: this boot, this file system. "" when that cannot be told. */
static void here_and_now(struct snapshot_dir *d, char buf[96])
{
	_cleanup_free_ char *boot = NULL;
	char device[DEVICE_MAX];
	buf[0] = 0;
	if (device_of(d->fd, ".", device) &&
	    cor_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 48, &boot, NULL, NULL) >= 0)
		(void)snprintf(buf, 96, "%s%s\n", boot, device);
}

static void remember_no(struct snapshot_dir *d, const char *reason)
{
	char key[96];
	here_and_now(d, key);
	_cleanup_free_ char *text = cor_asprintf("%s%s", key, reason);
	(void)unlinkat(d->fd, "supported", 0);
	if (text)
		(void)cor_write_file_at(d->fd, "unsupported", text, strlen(text), 0600, false, NULL);
}

static bool remembered_no(struct snapshot_dir *d, char **ret_reason)
{
	_cleanup_free_ char *text = NULL;
	char key[96];
	if (cor_read_file_at(d->fd, "unsupported", 4096, &text, NULL, NULL) < 0)
		return false;
	here_and_now(d, key);
	const char *reason = *key ? cor_after(text, key) : NULL;
	return reason && (*ret_reason = strdup(reason));
}

static int run_probe(struct snapshot_dir *d, const char **ret_step, struct cor_error *err)
{
	char name[32] = SNAPSHOT_PROBE;
	cor_random_hex(name + strlen(name), 16);
	_cleanup_close_ int fd = cor_open_or_mkdir_at(d->fd, name, 0700, err);
	if (fd < 0)
		return fd;
	int r = try_overlay(fd, d->userxattr, ret_step);
	(void)cor_remove_tree_at(d->fd, name, NULL);
	return r;
}

int snapshot_overlay_probe(struct cor_snapshot_backend *b, bool *ret_fresh, struct cor_error *err)
{
	struct snapshot_dir *d = snapshot_dir_of(b);
	_cleanup_free_ char *reason = NULL;
	bool fresh = false;
	if (strpbrk(d->path, ",:\\"))
		reason = strdup("mount options cannot hold its path");
	else if (!cor_overlayfs_remembered(d->fd, ".") && !remembered_no(d, &reason)) {
		const char *step = "probe";
		fresh = true;
		int r = run_probe(d, &step, err);
		if (r == -ENOSPC || r == -ENOMEM || r == -EMFILE || r == -ENFILE)
			return cor_error_errno(err, r, "probe overlay support in %s", d->path);
		if (r < 0) {
			reason = cor_asprintf("%s: %s", step, cor_strerror(r));
			if (!reason)
				return cor_error_oom(err);
			remember_no(d, reason);
		} else {
			remember_yes(d);
		}
	}
	if (ret_fresh)
		*ret_fresh = fresh;
	if (!reason)
		return 0;
	return cor_error_set(err, COR_FAILED_PRECONDITION, "overlayfs cannot work in %s: %s", d->path,
			     reason);
}
