/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim as containerd starts it: `containerd-shim-coracle-v2`, for the runtime io.containerd.coracle.v2. (The way of the
 * embedded engine, one step and two descriptors, is rpc/shim_api.h's.) Facts: containerd runtime/v2/README.md, and what 1.6 and
 * 2.x send.
 *
 *     -v                   the version
 *     -info                runtime options (Any) on stdin, RuntimeInfo on stdout
 *     start                options on stdin; makes the socket and the serving process, writes the address on stdout: plain, or
 *                          {"version":3,…} when MAX_SHIM_VERSION is 3 or more
 *     delete               the serving process is dead: removes what it left, DeleteResponse on stdout
 *     (nothing)            serves on -socket PATH, or on descriptor 3
 *
 * The working directory is the bundle. Environment: TTRPC_ADDRESS (where events go), MAX_SHIM_VERSION, SCHED_CORE.
 * Files in the bundle besides those of rpc/shim_api.h: `address` (of the socket), `log` (containerd's FIFO, our stderr).
 */
#ifndef COR_SHIM_V2_H
#define COR_SHIM_V2_H

#include "shim/shim.h"

#define COR_V2_RUNTIME_NAME "io.containerd.coracle.v2"
#define COR_V2_RUNTIME_ROOT "/run/containerd/runc"
#define COR_V2_SOCKET_DIR   "/run/containerd/s"
#define COR_V2_STDIN_MAX    (1u << 20)
#define COR_V2_BUNDLE_MAX   4096

struct cor_v2 {
	const char *ns, *id, *bundle, *address, *publish_binary, *socket, *action;
	bool debug, version, info;
};

/* True when the program was called by a name of containerd's shims. */
bool cor_v2_wanted(const char *argv0);
int cor_v2_main(int argc, char **argv);

/* The parts; 0 or -errno with err set. start, delete and info write their answer on stdout. */
int cor_v2_start(const struct cor_v2 *v, struct cor_error *err);
int cor_v2_delete(const struct cor_v2 *v, struct cor_error *err);
int cor_v2_info(struct cor_error *err);
/* Serves on listen_fd (taken) until the end; then socket, when not NULL, is removed. *ready (-1: nobody waits) is told, by a 0
 * byte, once all is set up, and closed. */
int cor_v2_serve(const struct cor_v2 *v, int listen_fd, int *ready, const char *socket,
		 struct cor_error *err);

/* Where the shim of a container (or of a group of them) listens, as `ctr shim` looks for it: COR_V2_SOCKET_DIR/<sha256 of
 * address/ns/id>. Caller's; NULL on ENOMEM. */
char *cor_v2_socket_path(const char *address, const char *ns, const char *id);
/* SHA-256 in lower-case hex. Our own: libcrypto's comes with start-up code that every shim would run. */
void cor_v2_sha256_hex(const void *data, size_t n, char ret[65]);

#endif
