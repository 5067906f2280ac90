/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File descriptors: cleanup, whole reads and writes, bounded file reads, durable atomic writes, passing over
 * sockets. Everything opened here is O_CLOEXEC. Paths are relative to a directory descriptor; what must stay
 * inside a root goes through base/path.h instead.
 */
#ifndef COR_BASE_FD_H
#define COR_BASE_FD_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

/* Closes fd >= 0 once (never retried, errno preserved); returns -1. */
int cor_close(int fd);
static inline void cor_closep(int *fd)
{
	cor_close(*fd);
}
#define _cleanup_close_ _cleanup_(cor_closep)
#define TAKE_FD(fd)               \
	({                        \
		int *_fp = &(fd); \
		int _f = *_fp;    \
		*_fp = -1;        \
		_f;               \
	})

/* Reads until n bytes or EOF (EINTR handled); bytes read or -errno. */
ssize_t cor_read_full(int fd, void *buf, size_t n);
/* Writes all n bytes; 0 or -errno. */
int cor_write_full(int fd, const void *buf, size_t n);
int cor_pwrite_full(int fd, const void *buf, size_t n, off_t off);

/* The whole of a file as a NUL-terminated string; more than max bytes is -EFBIG. *ret_len may be NULL. */
int cor_read_file_at(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len,
		     struct cor_error *err);
int cor_read_fd(int fd, size_t max, char **ret, size_t *ret_len, struct cor_error *err);
/* Writes name through a temporary file in dirfd and a rename. durable: fsync of file and directory. */
int cor_write_file_at(int dirfd, const char *name, const void *data, size_t n, mode_t mode, bool durable,
		      struct cor_error *err);

/* Sets/clears O_NONBLOCK; 0 or -errno. */
int cor_set_nonblock(int fd, bool on);
/* A pipe, O_CLOEXEC. */
int cor_pipe(int ret_fds[2]);
/* Copies everything from in to out (copy_file_range/splice/read-write as fits). Bytes or -errno. */
int64_t cor_copy_fd(int in, int out);

/* One sendmsg with up to 8 descriptors; all n bytes are sent. 0 or -errno. */
int cor_send_fds(int sock, const void *data, size_t n, const int *fds, size_t nfds);
/* One recvmsg; up to 8 descriptors (O_CLOEXEC) into fds, *nfds in: capacity, out: received.
 * Descriptors beyond capacity are closed. Bytes, 0 at EOF, or -errno. */
ssize_t cor_recv_fds(int sock, void *data, size_t n, int *fds, size_t *nfds);

/* Unix stream sockets by path, without the 108-byte limit (through /proc/self/fd of the directory).
 * listen: 0600 socket. Returns the descriptor or -errno with err set. */
int cor_unix_listen(int dirfd, const char *name, struct cor_error *err);
int cor_unix_connect(int dirfd, const char *name, struct cor_error *err);
/* Effective uid of the peer; 0 or -errno. */
int cor_unix_peer(int sock, uid_t *ret_uid, pid_t *ret_pid);

#endif
