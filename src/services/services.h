/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service interfaces that every operation and command is written over. Two implementations: src/engine
 * (embedded) and, later, src/containerd (a daemon over gRPC). Callers never know which one they have.
 *
 * All calls work in one namespace (services->ns). Results that are structs are filled by the callee and freed by the
 * caller's _done; they are untouched on failure. Callbacks get borrowed records, and end a walk early by returning
 * non-zero (negative errno: the walk fails with it; positive: stops, walk returns 0).
 * Listings tolerate records that vanish while they run.
 * Lookup failures are COR_NOT_FOUND with containerd's texts (`image "R": not found`).
 */
#ifndef COR_SERVICES_SERVICES_H
#define COR_SERVICES_SERVICES_H

#include "services/types.h"

struct cor_services;

/* ---- content ------------------------------------------------------------------------------------------------- */

struct cor_reader;
struct cor_reader_ops {
	ssize_t (*read)(struct cor_reader *r, void *buf, size_t n, struct cor_error *err); /* 0 at the end */
	void (*free)(struct cor_reader *r);
};
struct cor_reader {
	const struct cor_reader_ops *ops;
	int64_t size; /* of the whole blob */
	int fd;       /* a readable, seekable descriptor of the blob, or -1 */
};

/* Numbered states of a write: open -> (write)* -> commit | abandon. Nothing is visible under its digest before
 * commit has verified size and digest over the whole stream and made the data durable. */
struct cor_writer;
struct cor_writer_ops {
	int (*write)(struct cor_writer *w, const void *buf, size_t n, struct cor_error *err);
	/* size 0 and expected NULL: not checked. ALREADY_EXISTS (-EEXIST) when the blob is there already: the labels
	 * are added then, and callers usually take that as success. */
	int (*commit)(struct cor_writer *w, int64_t size, const char *expected, const struct cor_map *labels,
		      char **ret_digest, struct cor_error *err);
	int (*truncate)(struct cor_writer *w, struct cor_error *err); /* back to offset 0 */
	/* Closes; what was not committed stays as a resumable ingest unless `discard`. */
	void (*free)(struct cor_writer *w, bool discard);
};
struct cor_writer {
	const struct cor_writer_ops *ops;
	int64_t offset; /* bytes already there (resumed ingest), kept up to date by write */
};

typedef int (*cor_content_walk_fn)(const struct cor_content_info *info, void *data);
typedef int (*cor_ingest_walk_fn)(const struct cor_ingest_status *status, void *data);
struct cor_content_ops {
	int (*info)(struct cor_services *s, const char *digest, struct cor_content_info *ret,
		    struct cor_error *err);
	int (*walk)(struct cor_services *s, cor_content_walk_fn fn, void *data, struct cor_error *err);
	/* Sets each label of `labels` ("" value removes it); with replace_all the others go. */
	int (*label)(struct cor_services *s, const char *digest, const struct cor_map *labels,
		     bool replace_all, struct cor_error *err);
	int (*remove)(struct cor_services *s, const char *digest, struct cor_error *err);
	int (*reader)(struct cor_services *s, const char *digest, struct cor_reader **ret,
		      struct cor_error *err);
	/* ref identifies the ingest; a second writer on the same ref is UNAVAILABLE ("ref X locked") unless wait. */
	int (*writer)(struct cor_services *s, const char *ref, int64_t expected_size,
		      const char *expected_digest, bool wait, struct cor_writer **ret, struct cor_error *err);
	int (*ingests)(struct cor_services *s, cor_ingest_walk_fn fn, void *data, struct cor_error *err);
	int (*abort)(struct cor_services *s, const char *ref, struct cor_error *err);
};

/* ---- images -------------------------------------------------------------------------------------------------- */

typedef int (*cor_image_walk_fn)(const struct cor_image *image, void *data);
struct cor_image_ops {
	int (*get)(struct cor_services *s, const char *name, struct cor_image *ret, struct cor_error *err);
	int (*walk)(struct cor_services *s, cor_image_walk_fn fn, void *data, struct cor_error *err);
	int (*create)(struct cor_services *s, const struct cor_image *image, struct cor_error *err);
	/* Creates or replaces target and labels. */
	int (*put)(struct cor_services *s, const struct cor_image *image, struct cor_error *err);
	int (*label)(struct cor_services *s, const char *name, const struct cor_map *labels, bool replace_all,
		     struct cor_error *err);
	/* sync: garbage is collected before it returns. */
	int (*remove)(struct cor_services *s, const char *name, bool sync, struct cor_error *err);
};

/* ---- snapshots: every call names the snapshotter ("overlayfs", "native"; NULL or "": the default) ------------------ */

typedef int (*cor_snapshot_walk_fn)(const struct cor_snapshot_info *info, void *data);
struct cor_snapshot_ops {
	int (*stat)(struct cor_services *s, const char *sn, const char *key, struct cor_snapshot_info *ret,
		    struct cor_error *err);
	int (*walk)(struct cor_services *s, const char *sn, cor_snapshot_walk_fn fn, void *data,
		    struct cor_error *err);
	int (*label)(struct cor_services *s, const char *sn, const char *key, const struct cor_map *labels,
		     bool replace_all, struct cor_error *err);
	int (*usage)(struct cor_services *s, const char *sn, const char *key, struct cor_usage *ret,
		     struct cor_error *err);
	int (*mounts)(struct cor_services *s, const char *sn, const char *key, struct cor_mounts *ret,
		      struct cor_error *err);
	/* Read-only mounts of what the committed snapshot `name` shows; nothing is made. Only to look into at once: nothing
	 * keeps the snapshot meanwhile. */
	int (*look)(struct cor_services *s, const char *sn, const char *name, struct cor_mounts *ret,
		    struct cor_error *err);
	/* parent NULL or "": none. labels may be NULL. Duplicate key: ALREADY_EXISTS `snapshot "K": already exists`. */
	int (*prepare)(struct cor_services *s, const char *sn, const char *key, const char *parent,
		       const struct cor_map *labels, struct cor_mounts *ret, struct cor_error *err);
	int (*view)(struct cor_services *s, const char *sn, const char *key, const char *parent,
		    const struct cor_map *labels, struct cor_mounts *ret, struct cor_error *err);
	/* Data of the active snapshot is durable before name exists (syncfs). */
	int (*commit)(struct cor_services *s, const char *sn, const char *name, const char *key,
		      const struct cor_map *labels, struct cor_error *err);
	int (*remove)(struct cor_services *s, const char *sn, const char *key, struct cor_error *err);
	/* Whether the labels containerd.io/snapshot/{uidmapping,gidmapping} on a new snapshot make it show the mapped owners
	 * without a copy (containerd's capability "remap-ids"). */
	int (*can_remap)(struct cor_services *s, const char *sn, bool *ret, struct cor_error *err);
};

/* ---- diff ---------------------------------------------------------------------------------------------------- */

struct cor_diff_ops {
	/* Applies the layer to a prepared snapshot's mounts. Verifies the blob's digest over the whole stream; when
	 * expected_diff_id is not NULL, the diffID too. *ret_diff_id (may be NULL) is the uncompressed digest. */
	int (*apply)(struct cor_services *s, const struct cor_descriptor *layer,
		     const struct cor_mounts *mounts, const char *expected_diff_id, char **ret_diff_id,
		     struct cor_error *err);
	/* Writes the difference upper - lower as a layer blob. media_type NULL: tar+gzip. ref NULL: made up. */
	int (*compare)(struct cor_services *s, const struct cor_mounts *lower, const struct cor_mounts *upper,
		       const char *media_type, const char *ref, const struct cor_map *labels,
		       struct cor_descriptor *ret, struct cor_error *err);
};

/* ---- containers ---------------------------------------------------------------------------------------------- */

typedef int (*cor_container_walk_fn)(const struct cor_container *container, void *data);
struct cor_container_ops {
	int (*get)(struct cor_services *s, const char *id, struct cor_container *ret, struct cor_error *err);
	int (*walk)(struct cor_services *s, cor_container_walk_fn fn, void *data, struct cor_error *err);
	int (*create)(struct cor_services *s, const struct cor_container *container, struct cor_error *err);
	int (*label)(struct cor_services *s, const char *id, const struct cor_map *labels, bool replace_all,
		     struct cor_error *err);
	int (*set_extension)(struct cor_services *s, const char *id, const char *name, const char *json,
			     struct cor_error *err);
	/* COR_FAILED_PRECONDITION while a task exists. Does not touch the snapshot. */
	int (*remove)(struct cor_services *s, const char *id, struct cor_error *err);
};

/* ---- tasks: a process is (container id, exec id); exec_id NULL or "" is the init process ------------------------- */

struct cor_task_create {
	const char *id;
	const struct cor_container *container; /* spec, runtime, options */
	const struct cor_mounts *rootfs;       /* n 0: the spec's root.path is used as it is */
	struct cor_stdio stdio;
	bool no_pivot;
	bool start; /* hint: start() follows at once, nothing comes in between */
	/* NULL: a new process. Else criu's files (a checkpoint's COR_MT_CHECKPOINT), from which it goes on; needs `start`. */
	const struct cor_descriptor *checkpoint;
	uint32_t io_uid, io_gid; /* who may open its stdio anew: its root, as the host sees it */
};
struct cor_task_checkpoint {
	const char *id;
	bool exit; /* the container ends with it; else it goes on, and may be paused */
	bool file_locks;
	/* Absolute paths, or NULL. With image_path criu's files stay there, and no blobs are made. */
	const char *image_path, *work_path;
};
/* Zero-initialise; freed by _done. */
struct cor_checkpoint_result {
	struct cor_descriptor criu, config; /* COR_MT_CHECKPOINT and _CONFIG */
};
void cor_checkpoint_result_done(struct cor_checkpoint_result *r);
struct cor_exec {
	const char *id, *exec_id;
	const char *process; /* OCI process, JSON text */
	struct cor_stdio stdio;
};
typedef int (*cor_task_walk_fn)(const struct cor_task *task, void *data);
struct cor_task_ops {
	/* *ret_console: pty master (O_CLOEXEC, caller's) for INHERIT+terminal, else -1; may be NULL otherwise. */
	int (*create)(struct cor_services *s, const struct cor_task_create *req, pid_t *ret_pid,
		      int *ret_console, struct cor_error *err);
	int (*start)(struct cor_services *s, const char *id, const char *exec_id, pid_t *ret_pid,
		     struct cor_error *err);
	int (*exec)(struct cor_services *s, const struct cor_exec *req, struct cor_error *err);
	/* After start of an INHERIT+terminal exec: its pty master. */
	int (*console)(struct cor_services *s, const char *id, const char *exec_id, int *ret_fd,
		       struct cor_error *err);
	int (*state)(struct cor_services *s, const char *id, const char *exec_id, struct cor_task *ret,
		     struct cor_error *err);
	int (*walk)(struct cor_services *s, cor_task_walk_fn fn, void *data, struct cor_error *err);
	int (*kill)(struct cor_services *s, const char *id, const char *exec_id, int sig, bool all,
		    struct cor_error *err);
	int (*wait)(struct cor_services *s, const char *id, const char *exec_id, struct cor_task_exit *ret,
		    struct cor_error *err);
	/* A descriptor that becomes readable when the process has exited (then wait does not block); the caller closes
	 * it. -ENOSYS where the back end has none. */
	int (*wait_fd)(struct cor_services *s, const char *id, const char *exec_id, int *ret_fd,
		       struct cor_error *err);
	/* Only a stopped (or never started) process. Unmounts, removes the bundle, ends the shim for the init process. */
	int (*remove)(struct cor_services *s, const char *id, const char *exec_id, struct cor_task_exit *ret,
		      struct cor_error *err);
	int (*pids)(struct cor_services *s, const char *id, pid_t **ret, size_t *ret_n,
		    struct cor_error *err);
	int (*pause)(struct cor_services *s, const char *id, struct cor_error *err);
	int (*resume)(struct cor_services *s, const char *id, struct cor_error *err);
	int (*resize)(struct cor_services *s, const char *id, const char *exec_id, uint16_t rows,
		      uint16_t columns, struct cor_error *err);
	int (*close_stdin)(struct cor_services *s, const char *id, const char *exec_id,
			   struct cor_error *err);
	/* A stream socket of attached stdio: bytes written go to stdin (or the terminal); what is read is framed when
	 * the process has no terminal: {u8 stream (1 out, 2 err), u8[3] zero, u32 big-endian length} data…; raw
	 * terminal bytes otherwise. End of file when the process's output ends. */
	int (*attach)(struct cor_services *s, const char *id, const char *exec_id, int *ret_sock,
		      bool *ret_terminal, struct cor_error *err);
	/* What was made is kept by the caller's operation lease. FAILED_PRECONDITION for what does not run. */
	int (*checkpoint)(struct cor_services *s, const struct cor_task_checkpoint *req,
			  struct cor_checkpoint_result *ret, struct cor_error *err);
};

/* ---- leases, namespaces, garbage ------------------------------------------------------------------------------- */

typedef int (*cor_lease_walk_fn)(const struct cor_lease *lease, void *data);
struct cor_lease_ops {
	/* id NULL or "": made up. Labels "containerd.io/gc.expire" = RFC 3339 time. */
	int (*create)(struct cor_services *s, const char *id, const struct cor_map *labels,
		      struct cor_lease *ret, struct cor_error *err);
	int (*remove)(struct cor_services *s, const char *id, bool sync, struct cor_error *err);
	int (*walk)(struct cor_services *s, cor_lease_walk_fn fn, void *data, struct cor_error *err);
	int (*add)(struct cor_services *s, const char *id, const struct cor_lease_resource *res,
		   struct cor_error *err);
	/* A lease for the length of one operation: held by this process (it ends with it, however it ends). Everything
	 * these services write while it is on is kept from garbage collection. _end drops it (and triggers no GC). */
	int (*begin)(struct cor_services *s, struct cor_error *err);
	void (*end)(struct cor_services *s);
};

typedef int (*cor_namespace_walk_fn)(const char *name, const struct cor_map *labels, void *data);
struct cor_namespace_ops {
	int (*create)(struct cor_services *s, const char *name, const struct cor_map *labels,
		      struct cor_error *err);
	int (*label)(struct cor_services *s, const char *name, const struct cor_map *labels,
		     struct cor_error *err);
	/* FAILED_PRECONDITION while anything is in it. */
	int (*remove)(struct cor_services *s, const char *name, struct cor_error *err);
	int (*walk)(struct cor_services *s, cor_namespace_walk_fn fn, void *data, struct cor_error *err);
};

/* One garbage item or one link of a why-chain, for printing: kind "content", "snapshot", "ingest", "image",
 * "container", "lease", "orphan" …; id; size in bytes or -1; reason text for why ("" otherwise). */
struct cor_gc_item {
	const char *ns, *kind, *id, *reason;
	int64_t size;
};
typedef int (*cor_gc_fn)(const struct cor_gc_item *item, void *data);
struct cor_gc_ops {
	/* All namespaces. With dry_run nothing is removed, fn is told what would be. */
	int (*run)(struct cor_services *s, bool dry_run, cor_gc_fn fn, void *data, struct cor_error *err);
	/* The chain of references from a root down to id (digest or snapshot key); NOT_FOUND when nothing has that
	 * id; no item when nothing keeps it. */
	int (*why)(struct cor_services *s, const char *id, cor_gc_fn fn, void *data, struct cor_error *err);
};

/* ---- network namespaces of containers, for whoever sets up networks in them ------------------------------------- */

struct cor_netns_ops {
	/* One process at a time sets up or takes down a container's network: held until *ret_fd is closed by everybody who
	 * has it (child processes too). DEADLINE_EXCEEDED after timeout_ns. */
	int (*lock)(struct cor_services *s, const char *id, int64_t timeout_ns, int *ret_fd,
		    struct cor_error *err);
	/* Keeps the network namespace of process pid under *ret_path (caller frees) until unpin, whatever becomes of its
	 * processes. FAILED_PRECONDITION when it is the caller's own. */
	int (*pin)(struct cor_services *s, const char *id, pid_t pid, char **ret_path, struct cor_error *err);
	bool (*pinned)(struct cor_services *s, const char *id);
	/* Under the lock. Nothing pinned is fine. forget: the container goes, and its lock with it. */
	int (*unpin)(struct cor_services *s, const char *id, bool forget, struct cor_error *err);
};

struct cor_services {
	const char *ns; /* namespace of all calls */
	const char *default_snapshotter;
	const struct cor_content_ops *content;
	const struct cor_image_ops *images;
	const struct cor_snapshot_ops *snapshots;
	const struct cor_diff_ops *diff;
	const struct cor_container_ops *containers;
	const struct cor_task_ops *tasks;
	const struct cor_lease_ops *leases;
	const struct cor_namespace_ops *namespaces;
	const struct cor_gc_ops *gc; /* NULL: back end collects by itself */
	const struct cor_netns_ops *netns;
	/* Path of the log of a detached container (LOG stdio), or NULL where the back end keeps none. Caller frees. */
	int (*log_path)(struct cor_services *s, const char *id, char **ret, struct cor_error *err);
	/* A container will be started in a moment: what takes the kernel long can begin. May be NULL. */
	void (*start_soon)(struct cor_services *s);
	/* NOT_FOUND unless there is a sandbox of that name that a task can be started in. */
	int (*check_sandbox)(struct cor_services *s, const char *id, struct cor_error *err);
	/* Can a task of a container with this runtime and these runtime options be made? (No other member of c counts.) May be
	 * NULL: shows when it is made. */
	int (*check_runtime)(struct cor_services *s, const struct cor_container *c, struct cor_error *err);
	/* Makes everything written so far durable. Containers and snapshots are made without waiting for the disk; who is going
	 * to report them as made calls this first. Nothing pending: does nothing. On failure a power loss may undo them. */
	int (*sync)(struct cor_services *s, struct cor_error *err);
	/* Does the same for what is left; can only warn about a failure. */
	void (*close)(struct cor_services *s);
};

/* NULL is fine; returns NULL. */
struct cor_services *cor_services_free(struct cor_services *s);
void cor_services_freep(struct cor_services **s);

void cor_reader_freep(struct cor_reader **r);
/* The whole blob as a NUL-terminated string; more than max bytes: COR_OUT_OF_RANGE. The digest is verified. */
int cor_content_read_all(struct cor_services *s, const char *digest, size_t max, char **ret, size_t *ret_len,
			 struct cor_error *err);

#endif
