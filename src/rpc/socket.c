/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. MSG_DONTWAIT instead of O_NONBLOCK: the socket's own mode stays what its owner wants. */
#include "rpc/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

ssize_t cor_socket_send(int sock, const void *data, size_t n, const int *fds, size_t nfds)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(COR_SOCKET_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = (char *)(uintptr_t)data, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (nfds > COR_SOCKET_FDS_MAX)
		return -EINVAL;
	if (nfds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	ssize_t r;
	do
		r = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}
