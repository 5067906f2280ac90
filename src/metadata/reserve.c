/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space set aside for deletions. SQLite writes to its log before it can remove a row; on a full disk that would keep a
 * person from freeing space. So a file of COR_META_RESERVE_SIZE lies ready, is truncated when a deletion meets a full disk,
 * and made again once there is room.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "metadata/internal.h"

/* Below this SQLite may not be able to do its work: its shared index is a memory-mapped file, and where a page of that
 * cannot be had on disk the process is killed (SIGBUS), which must not happen. */
#define SPACE_LOW (64 * 1024)

bool meta_space_low(int dirfd)
{
	struct statvfs vfs;
	if (fstatvfs(dirfd, &vfs) < 0)
		return false;
	/* ext4 keeps some blocks to itself beyond what it keeps for root, and counts them as free. */
	fsblkcnt_t low = SPACE_LOW / vfs.f_frsize, own = MIN(vfs.f_blocks / 50, 4096);
	return vfs.f_bavail <= low && vfs.f_bfree <= low + own;
}

bool meta_reserve_release(int dirfd)
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

static bool fill(int fd, off_t size)
{
	if (fallocate(fd, 0, 0, size) == 0)
		return true;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return false;
	char zeros[16384] = {0};
	for (off_t at = 0; at < size; at += (off_t)sizeof(zeros))
		if (cor_pwrite_full(fd, zeros, sizeof(zeros), at) < 0)
			return false;
	return true;
}

void meta_reserve_refill(int dirfd)
{
	struct stat st;
	if (fstatat(dirfd, COR_META_RESERVE_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (off_t)st.st_blocks * 512 >= COR_META_RESERVE_SIZE)
		return;
	_cleanup_close_ int fd =
		openat(dirfd, COR_META_RESERVE_FILE, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* As much as there is. */
	for (off_t size = COR_META_RESERVE_SIZE; fd >= 0 && size >= 16384; size /= 2)
		if (fill(fd, size))
			return;
}
