/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space set aside for deletions. SQLite writes to its log before it can remove a row; on a full disk that would keep a
 * person from freeing space. So a file of COR_META_RESERVE_SIZE lies ready, is truncated when a deletion meets a full disk,
 * and made again once there is room.
 */
#include "metadata/metadata.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

bool cor_meta_reserve_release(int dirfd)
{
	struct stat st;
	_cleanup_close_ int fd = openat(dirfd, COR_META_RESERVE_FILE, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_blocks == 0)
		return false;
	if (ftruncate(fd, 0) < 0)
		return false;
	/* Some file systems give blocks back only with the next journal commit. */
	(void)fsync(fd);
	return true;
}

static bool fill(int fd)
{
	if (fallocate(fd, 0, 0, COR_META_RESERVE_SIZE) == 0)
		return true;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return false;
	char zeros[16384] = {0};
	for (off_t at = 0; at < COR_META_RESERVE_SIZE; at += (off_t)sizeof(zeros))
		if (cor_pwrite_full(fd, zeros, sizeof(zeros), at) < 0)
			return false;
	return true;
}

void cor_meta_reserve_refill(int dirfd)
{
	struct stat st;
	if (fstatat(dirfd, COR_META_RESERVE_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_blocks > 0)
		return;
	_cleanup_close_ int fd =
		openat(dirfd, COR_META_RESERVE_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && !fill(fd))
		(void)unlinkat(dirfd, COR_META_RESERVE_FILE, 0);
}
