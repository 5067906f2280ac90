/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces that are kept by a file, as `ip netns` does it, when no process is in them any more. */
#include "base/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"

int cor_pin_namespace_at(int nsfd, int dirfd, const char *name, struct cor_error *err)
{
	char source[64], target[PATH_MAX];
	(void)snprintf(source, sizeof(source), "/proc/self/fd/%d", nsfd);
	if (snprintf(target, sizeof(target), "/proc/self/fd/%d/%s", dirfd, name) >= (int)sizeof(target))
		return cor_error_errno(err, ENAMETOOLONG, "pin namespace %s", name);
	_cleanup_close_ int file =
		openat(dirfd, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file < 0)
		return cor_error_errno(err, errno, "pin namespace %s", name);
	if (mount(source, target, NULL, MS_BIND, NULL) < 0) {
		int r = -errno;
		(void)unlinkat(dirfd, name, 0);
		return cor_error_errno(err, r, "pin namespace %s", name);
	}
	return 0;
}

bool cor_namespace_pinned_at(int dirfd, const char *name)
{
	struct statfs fs;
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}
