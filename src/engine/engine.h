/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded engine: the service interfaces over files, SQLite, mounts and shims. No daemon: every process opens the
 * store for itself, and locks between processes keep them apart.
 *
 * <root> (0700):  metadata.db (SQLite, WAL) · content/ (content/store.h) · overlayfs/, native/ (snapshot/backend.h)
 *                 leases/ (lock files of leases held by running processes) · locks/ · logs/<ns>/<id>/
 * <state> (0711): <ns>/<id>/ = bundle (0700): config.json, rootfs/, shim.sock, shim.pid, log.json … · .runc/<ns>/ (runtime's state)
 */
#ifndef COR_ENGINE_ENGINE_H
#define COR_ENGINE_ENGINE_H

#include "services/services.h"

struct cor_engine_options {
	const char *root, *state; /* NULL: /var/lib/coracle, /run/coracle */
	const char *ns;           /* NULL: "default" */
	/* The default for calls that name none; NULL: overlayfs, or native where it cannot work. */
	const char *snapshotter;
	/* Path of coracle-shim; NULL: beside the running program, then libexecdir, then PATH. */
	const char *shim;
	int64_t timeout_ns; /* of each shim call but Wait; 0: 0 means the defaults */
};
int cor_engine_open(const struct cor_engine_options *opts, struct cor_services **ret, struct cor_error *err);

#endif
