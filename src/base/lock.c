/* SPDX-License-Identifier: Apache-2.0 */
/* flock-based locks between processes. */
#include "base/lock.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"

int cor_lock_at(int dirfd, const char *name, enum cor_lock_mode mode, bool wait, struct cor_error *err)
{
	int op = (mode == COR_LOCK_EXCLUSIVE ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB);
	for (;;) {
		_cleanup_close_ int fd =
			openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
		if (fd < 0)
			return cor_error_errno(err, errno, "open lock %s", name);
		int r;
		do
			r = flock(fd, op);
		while (r < 0 && errno == EINTR);
		if (r < 0 && errno == EWOULDBLOCK)
			return -EWOULDBLOCK;
		if (r < 0)
			return cor_error_errno(err, errno, "lock %s", name);
		/* The file may have been removed (and made anew) while we waited: lock what has the name now. */
		struct stat ours, there;
		if (fstat(fd, &ours) < 0)
			return cor_error_errno(err, errno, "stat lock %s", name);
		if (fstatat(dirfd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == there.st_ino &&
		    ours.st_dev == there.st_dev)
			return TAKE_FD(fd);
	}
}
