/* SPDX-License-Identifier: Apache-2.0 */
/* Committed snapshots that many share, and one process makes: the chains of images, remapped copies. */
#ifndef COR_CLIENT_COMMITTED_H
#define COR_CLIENT_COMMITTED_H

#include "services/services.h"

struct cor_committed {
	const char *snapshotter, *name, *parent;
	const struct cor_map *labels;
	const char *prefix;         /* of the active snapshot's key while it is filled */
	const char *what, *subject; /* for errors: "unpack", "sha256:…" */
	/* Into the mounts of the active snapshot. */
	int (*fill)(const struct cor_mounts *mounts, void *data, struct cor_error *err);
	void *data;
};

/* 1: it is there and committed, 0: it is not. */
int cor_is_committed(struct cor_services *s, const char *snapshotter, const char *name,
		     struct cor_error *err);
/* Makes it, unless another process has: one at a time, the others wait (the writer lock on the ingest ref
 * "unpack-<snapshotter>-<name>"). It has its name only when it is whole; on failure nothing is left. Call with an operation
 * lease on, which keeps it until something refers to it. */
int cor_make_committed(struct cor_services *s, const struct cor_committed *c, struct cor_error *err);

#endif
