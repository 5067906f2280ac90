/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records: one SQLite database (<root>/metadata.db, WAL) that every process opens for itself.
 *
 * Invariants:
 *  1. Writes happen in a transaction (cor_meta_begin … commit/rollback); it takes the database's one write lock at once,
 *     so that what it reads stays true until it commits.
 *  2. A durable transaction is on disk when commit returns, and with it every earlier one. Another one survives a kill
 *     of the process but may be undone by a power loss (never half of it).
 *  3. Opening does as little as it can: no statement but the version check; the log is kept short (see close) because
 *     the first process to open it reads it through.
 *
 * Rows are lent to callbacks: strings are borrowed and end with the call; the maps too, unless the callback takes them
 * (copies the struct and zeroes it in the row). Callbacks return 0 to go on, another value ends the walk, which returns
 * it (negative: failure with err set or not; positive: a stop). They must not use the same cor_meta.
 * Walks: ns NULL means all namespaces; `after` NULL or "" from the start, else behind that name; limit 0: no limit.
 * _get: 1 when the callback was called, 0 when there is no such row. Removals and updates: rows changed (0 or 1).
 * In rows that are passed in, NULL strings stand for "".
 */
#ifndef COR_METADATA_METADATA_H
#define COR_METADATA_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define COR_META_FILE         "metadata.db"
#define COR_META_RESERVE_FILE "reserve"
#define COR_META_RESERVE_SIZE (256 * 1024)

struct cor_meta;

/* dirfd: the directory (kept, dup'ed); path: its absolute path, for SQLite and for messages. Makes the database when it is
 * missing. DATA_LOSS with one line naming the file when it is damaged, FAILED_PRECONDITION when a newer version made it. */
int cor_meta_open(int dirfd, const char *path, struct cor_meta **ret, struct cor_error *err);
/* NULL is fine. Copies the log back into the database when it has grown long, unless somebody else is doing so. */
struct cor_meta *cor_meta_close(struct cor_meta *m);

/* ---- transactions ---- */
int cor_meta_begin(struct cor_meta *m, bool durable, struct cor_error *err);
int cor_meta_commit(struct cor_meta *m, struct cor_error *err);
void cor_meta_rollback(struct cor_meta *m);
bool cor_meta_in_transaction(const struct cor_meta *m);
/* Makes everything committed so far durable. */
int cor_meta_sync(struct cor_meta *m, struct cor_error *err);

/* A full disk must not keep anybody from deleting: <dir>/reserve holds space that is given back for that. */
/* True when there was something to release; the failed transaction (-ENOSPC) is worth another try then. The reserve is made
 * again at close, or by _restore, from what has become free (the log is made short for it). */
bool cor_meta_reserve_release(struct cor_meta *m);
void cor_meta_reserve_restore(struct cor_meta *m);
/* Hardly anything is free: only deletions should go on, after a release. */
bool cor_meta_space_low(const struct cor_meta *m);

/* ---- namespaces ---- */
typedef int (*cor_meta_ns_fn)(const char *name, struct cor_map *labels, void *data);
/* Adds it when it is missing, without labels. */
int cor_meta_ns_touch(struct cor_meta *m, const char *ns, struct cor_error *err);
int cor_meta_ns_insert(struct cor_meta *m, const char *ns, const struct cor_map *labels,
		       struct cor_error *err);
int cor_meta_ns_get(struct cor_meta *m, const char *ns, cor_meta_ns_fn fn, void *data, struct cor_error *err);
int cor_meta_ns_walk(struct cor_meta *m, const char *after, int limit, cor_meta_ns_fn fn, void *data,
		     struct cor_error *err);
int cor_meta_ns_set_labels(struct cor_meta *m, const char *ns, const struct cor_map *labels,
			   struct cor_error *err);
/* What is in it, as containerd words it ("images, blobs, snapshots on "overlayfs" snapshotter, containers"); "" when
 * it is empty. Caller frees. */
int cor_meta_ns_contents(struct cor_meta *m, const char *ns, char **ret, struct cor_error *err);
/* With its leases. */
int cor_meta_ns_remove(struct cor_meta *m, const char *ns, struct cor_error *err);

/* ---- images ---- */
struct cor_meta_image {
	const char *ns, *name;
	const char *media_type, *digest; /* of the target */
	int64_t size;
	struct cor_map annotations; /* of the target */
	struct cor_map labels;
	int64_t created_ns, updated_ns;
};
typedef int (*cor_meta_image_fn)(struct cor_meta_image *row, void *data);
int cor_meta_image_get(struct cor_meta *m, const char *ns, const char *name, cor_meta_image_fn fn, void *data,
		       struct cor_error *err);
int cor_meta_image_walk(struct cor_meta *m, const char *ns, const char *after, int limit,
			cor_meta_image_fn fn, void *data, struct cor_error *err);
/* Inserts or replaces. */
int cor_meta_image_put(struct cor_meta *m, const struct cor_meta_image *row, struct cor_error *err);
int cor_meta_image_remove(struct cor_meta *m, const char *ns, const char *name, struct cor_error *err);

/* ---- content ---- */
struct cor_meta_content {
	const char *ns, *digest;
	int64_t size;
	struct cor_map labels;
	int64_t created_ns, updated_ns;
};
typedef int (*cor_meta_content_fn)(struct cor_meta_content *row, void *data);
int cor_meta_content_get(struct cor_meta *m, const char *ns, const char *digest, cor_meta_content_fn fn,
			 void *data, struct cor_error *err);
int cor_meta_content_walk(struct cor_meta *m, const char *ns, const char *after, int limit,
			  cor_meta_content_fn fn, void *data, struct cor_error *err);
int cor_meta_content_put(struct cor_meta *m, const struct cor_meta_content *row, struct cor_error *err);
int cor_meta_content_remove(struct cor_meta *m, const char *ns, const char *digest, struct cor_error *err);
/* 1 when any namespace has it, else 0. */
int cor_meta_content_exists(struct cor_meta *m, const char *digest, struct cor_error *err);

/* ---- snapshots ---- */
enum { COR_META_SNAPSHOT_VIEW = 1, COR_META_SNAPSHOT_ACTIVE = 2, COR_META_SNAPSHOT_COMMITTED = 3 };
struct cor_meta_snapshot {
	uint64_t id; /* the name of its directory */
	const char *ns, *snapshotter, *key;
	uint64_t parent_id; /* 0: none */
	const char *parent; /* its key, "" for none; ignored on insert */
	int kind;
	struct cor_map labels;
	int64_t created_ns, updated_ns;
	int64_t size, inodes; /* at commit; 0 before */
};
typedef int (*cor_meta_snapshot_fn)(struct cor_meta_snapshot *row, void *data);
int cor_meta_snapshot_get(struct cor_meta *m, const char *ns, const char *snapshotter, const char *key,
			  cor_meta_snapshot_fn fn, void *data, struct cor_error *err);
/* Of one namespace and snapshotter; both NULL: all. `after` is a key. */
int cor_meta_snapshot_walk(struct cor_meta *m, const char *ns, const char *snapshotter, const char *after,
			   int limit, cor_meta_snapshot_fn fn, void *data, struct cor_error *err);
/* The ids from a snapshot's parent (nearest first) to the root; *ret is the caller's. */
int cor_meta_snapshot_parents(struct cor_meta *m, uint64_t parent_id, uint64_t **ret, size_t *ret_n,
			      struct cor_error *err);
/* A number above all that are in use. */
int cor_meta_snapshot_next_id(struct cor_meta *m, uint64_t *ret, struct cor_error *err);
int cor_meta_snapshot_insert(struct cor_meta *m, const struct cor_meta_snapshot *row, struct cor_error *err);
/* Turns it into a committed one called `name`. */
int cor_meta_snapshot_commit(struct cor_meta *m, uint64_t id, const char *name, const struct cor_map *labels,
			     int64_t size, int64_t inodes, int64_t now_ns, struct cor_error *err);
int cor_meta_snapshot_set_labels(struct cor_meta *m, uint64_t id, const struct cor_map *labels,
				 int64_t now_ns, struct cor_error *err);
/* 1 when some snapshot has it as its parent. */
int cor_meta_snapshot_has_children(struct cor_meta *m, uint64_t id, struct cor_error *err);
int cor_meta_snapshot_remove(struct cor_meta *m, uint64_t id, struct cor_error *err);
/* 1 when there is a row with this number. */
int cor_meta_snapshot_exists(struct cor_meta *m, uint64_t id, struct cor_error *err);

/* ---- containers ---- */
struct cor_meta_container {
	const char *ns, *id, *image, *runtime;
	const char *options_url; /* NULL: no options */
	const void *options;
	size_t options_len;
	const char *snapshotter, *snapshot_key, *sandbox_id;
	struct cor_map labels, extensions;
	const char *spec; /* NULL when it was not asked for */
	int64_t created_ns, updated_ns;
};
typedef int (*cor_meta_container_fn)(struct cor_meta_container *row, void *data);
int cor_meta_container_get(struct cor_meta *m, const char *ns, const char *id, cor_meta_container_fn fn,
			   void *data, struct cor_error *err);
int cor_meta_container_walk(struct cor_meta *m, const char *ns, const char *after, int limit, bool with_spec,
			    cor_meta_container_fn fn, void *data, struct cor_error *err);
int cor_meta_container_insert(struct cor_meta *m, const struct cor_meta_container *row,
			      struct cor_error *err);
int cor_meta_container_set_maps(struct cor_meta *m, const char *ns, const char *id,
				const struct cor_map *labels, const struct cor_map *extensions,
				int64_t now_ns, struct cor_error *err);
int cor_meta_container_remove(struct cor_meta *m, const char *ns, const char *id, struct cor_error *err);

/* ---- leases ---- */
struct cor_meta_lease {
	const char *ns, *id;
	struct cor_map labels;
	int64_t created_ns;
	bool operation; /* lives as long as a process holds its lock file */
};
typedef int (*cor_meta_lease_fn)(struct cor_meta_lease *row, void *data);
int cor_meta_lease_get(struct cor_meta *m, const char *ns, const char *id, cor_meta_lease_fn fn, void *data,
		       struct cor_error *err);
int cor_meta_lease_walk(struct cor_meta *m, const char *ns, const char *after, int limit,
			cor_meta_lease_fn fn, void *data, struct cor_error *err);
/* An operation lease that is there already stays as it is. */
int cor_meta_lease_insert(struct cor_meta *m, const struct cor_meta_lease *row, struct cor_error *err);
/* With its resources. */
int cor_meta_lease_remove(struct cor_meta *m, const char *ns, const char *id, struct cor_error *err);

struct cor_meta_lease_resource {
	const char *ns, *lease, *type, *id;
};
typedef int (*cor_meta_lease_resource_fn)(struct cor_meta_lease_resource *row, void *data);
int cor_meta_lease_resource_walk(struct cor_meta *m, cor_meta_lease_resource_fn fn, void *data,
				 struct cor_error *err);
/* Adding it twice is fine. */
int cor_meta_lease_resource_add(struct cor_meta *m, const struct cor_meta_lease_resource *row,
				struct cor_error *err);

/* ---- small numbers that outlive a process ---- */
/* 0 when it was never set. */
int cor_meta_state_get(struct cor_meta *m, const char *name, int64_t *ret, struct cor_error *err);
int cor_meta_state_set(struct cor_meta *m, const char *name, int64_t value, struct cor_error *err);

#endif
