/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping the log's index between processes.
 *
 * SQLite keeps an index of its log in a shared file (metadata.db-shm). Whoever opens it while nobody else has it open empties it
 * and makes it anew by reading the whole log through, because after a crash of the machine it need not fit the log. Our processes
 * come one after the other, so nearly every one of them would: a hundred system calls and more.
 *
 * So the index is kept where it is certain to fit: it was made since this boot, on a file system that has been mounted without
 * a break since then (a link in the directory says for which boot and mount), and it names the same log (salts). "Kept" means:
 * we hold a shared lock where SQLite looks for other users (byte 128 of the file, see os_unix.c), by an open-file-description
 * lock, which counts as somebody else's for SQLite's own locks. Killed processes do no harm: SQLite's index is made to outlive
 * those, and checks itself. Where the kernel has no unique mount IDs (before 6.8) everything is as SQLite does it alone.
 *
 * POSIX locks of a process on a file go when it closes any descriptor of that file. So the descriptor must not be closed while
 * this process has the database open, however many times: hence the list, the only state of this library that is not in a handle.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "metadata/internal.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000
#endif
#define MARKER    "metadata.db-index"
#define DMS_BYTE  128
#define INDEX_MIN 32768

struct meta_index {
	dev_t dev; /* of the directory */
	ino_t ino;
	int fd; /* -1: not kept */
	unsigned int users;
	struct meta_index *next;
};

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static struct meta_index *all;

/* "<boot id>/<mount id>"; false where it cannot be told. */
static bool identity(int dirfd, char ret[META_IDENTITY_MAX])
{
	struct statx stx;
	char boot[37] = "";
	if (statx(dirfd, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &stx) < 0 ||
	    !(stx.stx_mask & STATX_MNT_ID_UNIQUE))
		return false;
	_cleanup_close_ int fd = openat(AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || cor_read_full(fd, boot, sizeof(boot) - 1) != (ssize_t)sizeof(boot) - 1)
		return false;
	(void)snprintf(ret, META_IDENTITY_MAX, "%s/%llu", boot, (unsigned long long)stx.stx_mnt_id);
	return true;
}

static bool marked(int dirfd, const char *identity_now)
{
	char text[META_IDENTITY_MAX];
	ssize_t n = readlinkat(dirfd, MARKER, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = 0;
	return streq(text, identity_now);
}

/* The beginnings of the files, as SQLite lays them out (its walformat.html): the index in this machine's byte order, the log
 * big-endian but for the salts, which both hold alike. */
struct index_head {
	uint32_t version, unused, change;
	uint8_t init, big_endian;
	uint16_t page_size; /* 1 stands for 65536 */
	uint32_t max_frame, pages, checksum[2], salt[2];
};
struct log_head {
	uint32_t magic, version, page_size, sequence, salt[2], checksum[2];
};
struct frame_head {
	uint32_t page, pages, salt[2], checksum[2]; /* of all up to here */
};

static bool read_at(int fd, void *buf, size_t n, off_t at)
{
	return pread(fd, buf, n, at) == (ssize_t)n;
}

/* Does the index belong to the log that is there? Both name the same salts, and the last frame has the checksum that the index
 * remembers. An empty log fits any. */
static bool fits_log(int dirfd, int fd)
{
	struct index_head index;
	struct log_head log;
	struct frame_head last;
	_cleanup_close_ int log_fd = openat(dirfd, COR_META_FILE "-wal", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (log_fd < 0 || !read_at(fd, &index, sizeof(index), 0) || !index.init)
		return false;
	if (index.max_frame == 0)
		return true;
	off_t frame = (index.page_size == 1 ? 65536 : index.page_size) + (off_t)sizeof(last);
	return read_at(log_fd, &log, sizeof(log), 0) && memcmp(index.salt, log.salt, sizeof(log.salt)) == 0 &&
	       read_at(log_fd, &last, sizeof(last), (off_t)sizeof(log) + (index.max_frame - 1) * frame) &&
	       memcmp(index.salt, last.salt, sizeof(last.salt)) == 0 &&
	       be32toh(last.checksum[0]) == index.checksum[0] &&
	       be32toh(last.checksum[1]) == index.checksum[1];
}

/* A descriptor that keeps the index, or -1. Only when no connection of this process is open: it may close the file. */
static int keep(int dirfd, const char *identity_now)
{
	struct stat st;
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = DMS_BYTE, .l_len = 1};
	if (!marked(dirfd, identity_now))
		return -1;
	_cleanup_close_ int fd = openat(dirfd, COR_META_FILE "-shm", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return -1;
	if (fstat(fd, &st) < 0 || st.st_size < INDEX_MIN || !fits_log(dirfd, fd))
		return -1;
	return TAKE_FD(fd);
}

static struct meta_index *find(dev_t dev, ino_t ino)
{
	struct meta_index *x = all;
	while (x && (x->dev != dev || x->ino != ino))
		x = x->next;
	return x;
}

struct meta_index *meta_index_open(int dirfd, char ret_identity[META_IDENTITY_MAX])
{
	struct stat st;
	if (!identity(dirfd, ret_identity))
		ret_identity[0] = 0;
	if (fstat(dirfd, &st) < 0)
		return NULL;
	pthread_mutex_lock(&guard);
	struct meta_index *x = find(st.st_dev, st.st_ino);
	if (!x && (x = cor_new0(struct meta_index, 1))) {
		x->dev = st.st_dev;
		x->ino = st.st_ino;
		x->fd = *ret_identity ? keep(dirfd, ret_identity) : -1;
		x->next = all;
		all = x;
	}
	if (x)
		x->users++;
	pthread_mutex_unlock(&guard);
	return x;
}

void meta_index_close(struct meta_index *x)
{
	if (!x)
		return;
	pthread_mutex_lock(&guard);
	if (--x->users == 0) {
		struct meta_index **at = &all;
		while (*at != x)
			at = &(*at)->next;
		*at = x->next;
		cor_close(x->fd);
		free(x);
	}
	pthread_mutex_unlock(&guard);
}

void meta_index_mark(int dirfd, const struct meta_index *x, const char *identity_now)
{
	char temporary[32] = MARKER "-";
	if (!*identity_now || (x && x->fd >= 0) || marked(dirfd, identity_now))
		return;
	cor_random_hex(temporary + strlen(temporary), 8);
	if (symlinkat(identity_now, dirfd, temporary) == 0 && renameat(dirfd, temporary, dirfd, MARKER) < 0)
		(void)unlinkat(dirfd, temporary, 0);
}
