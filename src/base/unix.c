/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix sockets: descriptors over them, and binding/connecting below a directory descriptor. sun_path holds 108
 * bytes; going through /proc/self/fd keeps the path short whatever the directory's own path is.
 */
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define MAX_FDS 8

int cor_send_fds(int sock, const void *data, size_t n, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control = {0};
	if (nfds > MAX_FDS)
		return -EINVAL;
	size_t done = 0;
	while (done < n || (n == 0 && done == 0)) {
		struct iovec iov = {.iov_base = (char *)(uintptr_t)data + done, .iov_len = n - done};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
		if (done == 0 && nfds) {
			msg.msg_control = control.buf;
			msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
			struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
			memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
		}
		ssize_t r = sendmsg(sock, &msg, MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		done += (size_t)r;
		if (n == 0)
			break;
	}
	return 0;
}

ssize_t cor_recv_fds(int sock, void *data, size_t n, int *fds, size_t *nfds)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = data, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	ssize_t r;
	do
		r = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	size_t cap = nfds ? *nfds : 0, got = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < k; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (got < cap)
				fds[got++] = fd;
			else
				cor_close(fd);
		}
	}
	if (nfds)
		*nfds = got;
	return r;
}

static int fill_address(struct sockaddr_un *sa, int dirfd, const char *name, struct cor_error *err)
{
	sa->sun_family = AF_UNIX;
	int n = snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	if (n >= (int)sizeof(sa->sun_path) || strchr(name, '/'))
		return cor_error_errno(err, ENAMETOOLONG, "socket %s", name);
	return 0;
}

int cor_unix_listen(int dirfd, const char *name, struct cor_error *err)
{
	struct sockaddr_un sa = {0};
	int r = fill_address(&sa, dirfd, name, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cor_error_errno(err, errno, "socket");
	/* The socket file takes its mode from the socket's inode: 0600 before it has a name. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return cor_error_errno(err, errno, "bind %s", name);
	if (listen(fd, 128) < 0)
		return cor_error_errno(err, errno, "listen %s", name);
	return TAKE_FD(fd);
}

int cor_unix_connect(int dirfd, const char *name, struct cor_error *err)
{
	struct sockaddr_un sa = {0};
	int r = fill_address(&sa, dirfd, name, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cor_error_errno(err, errno, "socket");
	do
		r = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return cor_error_errno(err, errno, "connect %s", name);
	return TAKE_FD(fd);
}

int cor_unix_peer(int sock, uid_t *ret_uid, pid_t *ret_pid)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return -errno;
	if (ret_uid)
		*ret_uid = cred.uid;
	if (ret_pid)
		*ret_pid = cred.pid;
	return 0;
}
