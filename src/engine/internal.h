/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the embedded engine: one struct behind the service interfaces, shared by the files of src/engine.
 *
 * Invariants:
 *  1. Nothing is opened before it is needed: the metadata, the content store, each snapshot back end and a namespace's
 *     state directory are reached through the getters below, which open them at their first use.
 *  2. Data is on disk before metadata says so, and metadata forgets before data is removed. Whatever a kill leaves
 *     between the two is a file without a record, which garbage collection reaps.
 *  3. Lock order: content store lock (store.h) or snapshot lock (<root>/locks/snapshots-<name>) first, the metadata write
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
/* In <state>: the OCI runtime's own state. No namespace can have the name, and it marks the directory as ours (as the
 * database does <root>). */
#define COR_RUNTIME_DIR         ".runc"

struct cor_engine {
	struct cor_services services;
	char *root, *state;     /* absolute paths */
	char *ns, *snapshotter; /* what services.ns and services.default_snapshotter point to */
	char *shim;             /* option; NULL: to be looked for */
	int64_t timeout_ns;     /* 0: defaults */
	int root_fd, state_fd;  /* O_RDONLY | O_DIRECTORY */
	int ns_state_fd;        /* <state>/<ns>, -1 until cor_engine_ns_state */

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

	pid_t mover; /* child of cor_cgroup_expect_moves, or 0 */

	bool gc_wanted; /* something was deleted that may have left garbage: collect at close */
	/* Records made here without waiting for the disk ("container/<id>", "snapshot/<snapshotter>/<key>"): removed by this
	 * process too, they never have to reach it (run --rm); otherwise sync, or close, makes them durable. */
	char **fresh;

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
int cor_engine_backend(struct cor_engine *e, const char *name, struct cor_snapshot_backend **ret,
		       struct cor_error *err);
/* Borrowed descriptor of <state>/<ns> (0711). With make false: -ENOENT, err not set, when it is missing. */
int cor_engine_ns_state(struct cor_engine *e, bool make, struct cor_error *err);
/* Name of the snapshotter that a call means. */
static inline const char *cor_engine_snapshotter(struct cor_engine *e, const char *sn)
{
	return cor_empty(sn) ? e->snapshotter : sn;
}

/* ---- write transactions ---- */
enum {
	COR_WRITE_DURABLE = 1, /* on disk before it returns; else a power loss (not a kill) may undo it */
	COR_WRITE_RECORD = 2,  /* writes into the namespace: makes it when it is missing */
	COR_WRITE_REMOVES = 4, /* frees space: a full disk must not stop it */
};
/* Runs in the transaction; negative: rolled back. May be run again, from the start, after a full disk. */
typedef int (*cor_engine_write_fn)(struct cor_engine *e, struct cor_meta *m, void *arg,
				   struct cor_error *err);
/* BEGIN IMMEDIATE, fn, COMMIT. Returns what fn returned (>= 0), or the failure. */
int cor_engine_write(struct cor_engine *e, unsigned int flags, cor_engine_write_fn fn, void *arg,
		     struct cor_error *err);
/* The set `fresh`. forget: true when it was there. */
int cor_engine_fresh_add(struct cor_engine *e, const char *kind, const char *a, const char *b);
bool cor_engine_fresh_has(struct cor_engine *e, const char *kind, const char *a, const char *b, bool forget);
/* <root>/locks/<name>; the descriptor holds the lock. -EWOULDBLOCK, err not set, when busy and !wait. */
int cor_engine_lock(struct cor_engine *e, const char *name, enum cor_lock_mode mode, bool wait,
		    struct cor_error *err);
/* Inside a transaction: adds (type, id) to the current operation lease, if one is on. */
int cor_engine_lease_add(struct cor_engine *e, const char *type, const char *id, struct cor_error *err);
/* Are all of them within the limits? */
int cor_engine_check_labels(const struct cor_map *labels, struct cor_error *err);
/* Merges labels into *have: with replace_all they take its place; "" values remove. Checks the length limits. */
int cor_engine_merge_labels(struct cor_map *have, const struct cor_map *labels, bool replace_all,
			    struct cor_error *err);

/* ---- the services' tables ---- */
extern const struct cor_content_ops cor_engine_content_ops;
extern const struct cor_image_ops cor_engine_image_ops;
extern const struct cor_snapshot_ops cor_engine_snapshot_ops;
extern const struct cor_diff_ops cor_engine_diff_ops;
extern const struct cor_container_ops cor_engine_container_ops;
extern const struct cor_lease_ops cor_engine_lease_ops;
extern const struct cor_namespace_ops cor_engine_namespace_ops;
extern const struct cor_gc_ops cor_engine_gc_ops;
extern const struct cor_netns_ops cor_engine_netns_ops;

/* ---- engine/task*.c, engine/shim*.c ---- */
extern const struct cor_task_ops cor_engine_task_ops;
int cor_engine_log_path(struct cor_services *s, const char *id, char **ret, struct cor_error *err);
int cor_engine_check_runtime(struct cor_services *s, const struct cor_container *c, struct cor_error *err);
/* The embedded engine runs no sandboxes: none can be found. */
int cor_engine_check_sandbox(struct cor_services *s, const char *id, struct cor_error *err);
/* 0 when the container has no task; FAILED_PRECONDITION (with ctr's text) when it has one. */
int cor_engine_task_absent(struct cor_engine *e, const char *id, struct cor_error *err);
/* Removes what the container's tasks have left outside the state directory (its log). Missing is fine. */
void cor_engine_task_forget(struct cor_engine *e, const char *id);
void cor_engine_tasks_free(struct cor_engine_tasks *t); /* NULL is fine */

/* ---- snapshots.c ---- */
/* The directories of the snapshots in the set `fresh`, before their records become durable. */
int cor_engine_snapshots_persist(struct cor_engine *e, struct cor_error *err);

/* ---- leases.c ---- */
/* Descriptor of <root>/leases, made when missing; the caller closes it. */
int cor_engine_leases_dir(struct cor_engine *e, struct cor_error *err);
/* Is some process holding this operation lease? When not, *ret_lock (caller closes) keeps anybody from taking the name. */
int cor_engine_lease_alive(int leases_fd, const char *id, int *ret_lock, struct cor_error *err);

/* ---- gc.c ---- */
/* Collects when gc_wanted. When somebody else is at it, they are told to go round once more; nobody waits. */
void cor_engine_gc_if_wanted(struct cor_engine *e);
/* Waits for another collection to end. */
int cor_engine_gc(struct cor_engine *e, bool dry_run, cor_gc_fn fn, void *data, struct cor_error *err);
/* Inside a transaction that removes a container or snapshot: was it perhaps the last to keep something? (After the last
 * collection, everything was kept by images unless state "gc.pinned" says otherwise.) Sets gc_wanted. */
int cor_engine_gc_note_unpinned(struct cor_engine *e, struct cor_meta *m, struct cor_error *err);

#endif
