/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the embedded engine: one struct behind the service interfaces, shared by the files of src/engine.
 *
 * Invariants:
 *  1. Nothing is opened before it is needed: the metadata, the content store, each snapshot back end and a namespace's
 *     state directory are reached through the getters below, which open them at their first use.
 *  2. Data is on disk before metadata says so, and metadata forgets before data is removed. Whatever a kill leaves
 *     between the two is a file without a record, which garbage collection reaps.
 *  3. Lock order: content store lock (store.h) or snapshot lock (<root>/locks/<snapshotter>) first, the metadata write
 *     transaction second. Nobody waits for a file lock inside a transaction.
 *  4. Single-threaded: one engine belongs to one thread at a time.
 */
#ifndef COR_ENGINE_INTERNAL_H
#define COR_ENGINE_INTERNAL_H

#include "base/fd.h"
#include "content/store.h"
#include "engine/engine.h"
#include "metadata/metadata.h"
#include "snapshot/backend.h"

struct cor_engine_tasks; /* engine/task.c's own */

#define COR_ENGINE_BACKENDS_MAX 4

struct cor_engine {
	struct cor_services services;
	char *root, *state;       /* absolute paths */
	char *ns, *snapshotter;   /* what services.ns and services.default_snapshotter point to */
	char *shim;               /* option; NULL: to be looked for */
	int64_t timeout_ns;       /* 0: defaults */
	int root_fd, state_fd;    /* O_RDONLY | O_DIRECTORY */
	int ns_state_fd;          /* <state>/<ns>, -1 until cor_engine_ns_state */

	struct cor_meta *meta;
	struct cor_store *store;
	struct {
		char *name;
		struct cor_snapshot_backend *backend;
	} backends[COR_ENGINE_BACKENDS_MAX];
	size_t n_backends;

	/* The operation lease (leases->begin), see leases.c. */
	unsigned int lease_depth; /* begin calls nest */
	char *lease_id;           /* NULL: none */
	int lease_fd;             /* holds the lock of <root>/leases/<id> */
	bool lease_recorded;      /* its row exists */

	bool gc_wanted;           /* something was deleted that may have left garbage: collect at close */
	int64_t unsynced;         /* records made here that are not yet durable and still exist */

	struct cor_engine_tasks *tasks;
};

static inline struct cor_engine *cor_engine_of(struct cor_services *s)
{
	return container_of(s, struct cor_engine, services);
}

/* ---- things opened at first use; what is returned is borrowed ---- */
int cor_engine_meta(struct cor_engine *e, struct cor_meta **ret, struct cor_error *err);
int cor_engine_store(struct cor_engine *e, struct cor_store **ret, struct cor_error *err);
/* name NULL or "": the default one. */
int cor_engine_backend(struct cor_engine *e, const char *name, struct cor_snapshot_backend **ret, struct cor_error *err);
/* Borrowed descriptor of <state>/<ns> (0711). With make false: -ENOENT, err not set, when it is missing. */
int cor_engine_ns_state(struct cor_engine *e, bool make, struct cor_error *err);
/* Name of the snapshotter that a call means. */
const char *cor_engine_snapshotter(struct cor_engine *e, const char *sn);

/* ---- write transactions ---- */
/* Begins one (BEGIN IMMEDIATE). durable: on disk when commit returns; else a power loss (not a kill) may undo it. */
int cor_engine_begin(struct cor_engine *e, bool durable, struct cor_meta **ret, struct cor_error *err);
/* Commits when r >= 0, else rolls back; returns r or the commit's failure. */
int cor_engine_end(struct cor_engine *e, int r, struct cor_error *err);
/* Inside a transaction: adds (type, id) to the current operation lease, if one is on. */
int cor_engine_lease_add(struct cor_engine *e, const char *type, const char *id, struct cor_error *err);
/* Merges labels into *have: with replace_all they take its place; "" values remove. Checks the length limits. */
int cor_engine_merge_labels(struct cor_map *have, const struct cor_map *labels, bool replace_all, struct cor_error *err);

/* ---- the services' tables ---- */
extern const struct cor_content_ops cor_engine_content_ops;
extern const struct cor_image_ops cor_engine_image_ops;
extern const struct cor_snapshot_ops cor_engine_snapshot_ops;
extern const struct cor_diff_ops cor_engine_diff_ops;
extern const struct cor_container_ops cor_engine_container_ops;
extern const struct cor_lease_ops cor_engine_lease_ops;
extern const struct cor_namespace_ops cor_engine_namespace_ops;
extern const struct cor_gc_ops cor_engine_gc_ops;

/* ---- engine/task*.c, engine/shim*.c ---- */
extern const struct cor_task_ops cor_engine_task_ops;
int cor_engine_log_path(struct cor_services *s, const char *id, char **ret, struct cor_error *err);
/* 0 when the container has no task; FAILED_PRECONDITION (with ctr's text) when it has one. */
int cor_engine_task_absent(struct cor_engine *e, const char *id, struct cor_error *err);
/* Removes what the container's tasks have left outside the state directory (its log). Missing is fine. */
void cor_engine_task_forget(struct cor_engine *e, const char *id);
void cor_engine_tasks_free(struct cor_engine_tasks *t); /* NULL is fine */

/* ---- gc.c ---- */
/* Collects when gc_wanted and nobody else is collecting (does not wait). */
void cor_engine_gc_if_wanted(struct cor_engine *e);
int cor_engine_gc(struct cor_engine *e, bool dry_run, cor_gc_fn fn, void *data, struct cor_error *err);

#endif
