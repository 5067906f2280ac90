/* SPDX-License-Identifier: Apache-2.0 */
/* Sending on stream sockets without blocking, descriptors with the first byte. (Receiving: base/fd.h, cor_recv_fds.) */
#ifndef COR_RPC_SOCKET_H
#define COR_RPC_SOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define COR_SOCKET_FDS_MAX 8

/* One sendmsg that neither blocks nor raises SIGPIPE (EINTR handled). Descriptors, up to COR_SOCKET_FDS_MAX, go with the
 * first byte: they are sent when anything was. n > 0. Bytes sent (> 0), or -errno (-EAGAIN: full). */
ssize_t cor_socket_send(int sock, const void *data, size_t n, const int *fds, size_t nfds);

#endif
