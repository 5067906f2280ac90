/* SPDX-License-Identifier: Apache-2.0 */
/* Operations over the services: import, unpack, run. What the commands and the library's API call. */
#ifndef COR_CLIENT_CLIENT_H
#define COR_CLIENT_CLIENT_H

#include "services/services.h"
#include "spec/spec.h"

/* Progress of long operations: called now and then; may be NULL. Borrowed strings. */
struct cor_progress {
	void (*fn)(const char *what, const char *item, int64_t done, int64_t total, void *data);
	void *data;
};

/* ---- resolving (client/resolve.c) ---- */
struct cor_resolved_image {
	struct cor_image image;
	struct cor_descriptor manifest_desc;
	struct cor_manifest manifest;
	struct cor_image_config config;
	char *chain_id; /* of the top layer; "" for an image without layers */
};
void cor_resolved_image_done(struct cor_resolved_image *r);
/* The named image's best manifest for the platform (NULL: the host's) and its config. NOT_FOUND for no such image,
 * missing blobs, or no matching platform ("no match for platform in manifest sha256:…: not found"). */
int cor_resolve_image(struct cor_services *s, const char *name, const char *platform,
		      struct cor_resolved_image *ret, struct cor_error *err);
int cor_resolve_descriptor(struct cor_services *s, const struct cor_descriptor *target, const char *platform,
			   struct cor_resolved_image *ret, struct cor_error *err);

/* ---- unpack (client/unpack.c) ---- */
/* Makes sure the committed snapshot with the top chain ID exists. Layers are verified (digest, diffID) before they are
 * recorded; one process unpacks a chain, others wait for it. */
int cor_unpack(struct cor_services *s, const struct cor_resolved_image *image, const char *snapshotter,
	       const struct cor_progress *progress, struct cor_error *err);
int cor_is_unpacked(struct cor_services *s, const struct cor_resolved_image *image, const char *snapshotter,
		    bool *ret, struct cor_error *err);

/* ---- import (client/import*.c) ---- */
struct cor_import_options {
	const char *base_name, *index_name;
	bool digests, skip_digest_for_named;
	bool all_platforms;
	const char *platform;
	bool no_unpack;
	const char *snapshotter;
	char *const *labels; /* strv "k=v" for the image records */
	struct cor_progress progress;
};
typedef int (*cor_imported_fn)(const char *name, const char *digest, void *data);
/* fd: a tar stream (plain, gzip, zstd) of an OCI layout or `docker save`. */
int cor_import_stream(struct cor_services *s, int fd, const struct cor_import_options *o, cor_imported_fn fn,
		      void *data, struct cor_error *err);
/* dirfd: an OCI layout directory. */
int cor_import_layout(struct cor_services *s, int dirfd, const struct cor_import_options *o,
		      cor_imported_fn fn, void *data, struct cor_error *err);
/* fd: a root file system as a tar stream or a directory; one-layer image `name`. */
int cor_import_rootfs(struct cor_services *s, int fd, const char *name, const struct cor_import_options *o,
		      cor_imported_fn fn, void *data, struct cor_error *err);

/* ---- containers and tasks (client/create.c, run.c, task_io.c) ---- */
struct cor_signals;
struct cor_create_options {
	const char *image; /* image name; NULL with spec.rootfs or spec.config_file */
	const char *platform, *snapshotter;
	char *const *snapshotter_labels;               /* strv k=v; not used with spec.uid_maps, as in ctr */
	bool remap_labels;                             /* client/remap.c */
	const char *runtime, *runc_binary, *runc_root; /* runtime NULL: io.containerd.runc.v2 */
	bool runc_systemd_cgroup;
	const char *runtime_config_path;
	bool cni;             /* run --cni: networks by CNI plugins */
	char *const *publish; /* strv [HOST-IP:]HOST-PORT:CONTAINER-PORT[/PROTOCOL], with cni */
	const char *sandbox;  /* the sandbox that the container is to belong to */
	struct cor_spec_options spec;
	/* Not NULL: signals are blocked into it before the first thing is made (client/task_io.h); the caller restores. */
	struct cor_signals *signals;
};
/* Record and snapshot; on failure neither is left behind. */
int cor_create_container(struct cor_services *s, const struct cor_create_options *o,
			 struct cor_container *ret, struct cor_error *err);
/* Builds the spec without making anything durable (run --dump-config). */
int cor_dump_spec(struct cor_services *s, const struct cor_create_options *o, json_t **ret,
		  struct cor_error *err);

/* Tells x (spec/explain.h) who sets what in the spec and in the record ("container.…") that a run with these options makes.
 * Of snapshotter and runtime it tells the defaults alone: the caller knows who has set o's, and adds that.
 * Makes nothing, therefore FAILED_PRECONDITION for an image that is not unpacked. (client/explain.c) */
int cor_explain_container(struct cor_services *s, const struct cor_create_options *o, struct cor_explain *x,
			  struct cor_error *err);

struct cor_task_options {
	bool detach, null_io, no_pivot, tty;
	bool ephemeral; /* the root file system goes with the task: what is written to it need never reach the disk */
	const char *log_uri, *fifo_dir, *pid_file;
	struct cor_signals *
		signals; /* detach: of who has blocked them already; may stop setting up the network. Or NULL */
	const struct cor_descriptor *checkpoint; /* NULL, or what the process goes on from */
};
/* Creates and starts the container's task with the caller's stdio, forwards signals, waits (unless detach).
 * *ret_status: exit status 0..255. -ECANCELED: a signal came before the start; the status is 128 + its number. */
int cor_run_task(struct cor_services *s, const struct cor_container *c, const struct cor_task_options *o,
		 uint32_t *ret_status, struct cor_error *err);
/* UNIMPLEMENTED or INVALID_ARGUMENT for flags of a task that cannot be fulfilled. cor_run_task finds the same, but later. */
int cor_task_options_check(const struct cor_task_options *o, struct cor_error *err);
/* From a checkpoint image instead of by a spec of flags. Of the create options count id, namespace, labels, snapshot labels
 * and, when create.image is given, snapshotter and runtime (`run --checkpoint`); otherwise image, snapshotter and runtime
 * are those that the checkpoint names (`containers restore`). */
struct cor_restore_options {
	const char *ref; /* name of the checkpoint's image */
	bool rw;   /* with the changes to the root file system (an error when there are none, unless live) */
	bool live; /* the process goes on; else it starts anew */
};
struct cor_run_options {
	const struct cor_restore_options
		*restore;        /* NULL: a new container. Else the terminal is the checkpoint's */
	bool detach_without_tty; /* with restore: stay only where there is a terminal to serve */
	struct cor_create_options create;
	struct cor_task_options task;
	bool rm;
	/* Called with the new record before there is a task; may be NULL. A failure fails the run. */
	int (*created)(const struct cor_container *c, void *data, struct cor_error *err);
	void *created_data;
};
/* All of `run`. A failure before the start leaves nothing behind, but for a container whose network could not be taken down
 * (warned about). After the start only rm removes the container. */
int cor_run(struct cor_services *s, const struct cor_run_options *o, uint32_t *ret_status,
	    struct cor_error *err);

/* ---- checkpoints (client/checkpoint*.c, restore.c) ---- */
struct cor_checkpoint_task_options {
	const char *id;
	bool exit;                          /* the container ends when the checkpoint is made */
	const char *image_path, *work_path; /* absolute; NULL: an image, criu's log not kept */
};
/* *ret_name: of the image made (caller's); NULL with image_path. A failure leaves the task running and nothing behind. */
int cor_checkpoint_task(struct cor_services *s, const struct cor_checkpoint_task_options *o, char **ret_name,
			struct cor_error *err);
struct cor_checkpoint_container_options {
	const char *id, *ref;
	bool rw, image, task;
};
int cor_checkpoint_container(struct cor_services *s, const struct cor_checkpoint_container_options *o,
			     struct cor_error *err);

struct cor_exec_request {
	const char *id, *exec_id;
	struct cor_exec_options spec;
	struct cor_task_options task;
};
int cor_exec(struct cor_services *s, const struct cor_exec_request *o, uint32_t *ret_status,
	     struct cor_error *err);
/* stop: sig is what the container is to be stopped with. When init has ended the container's network is taken down. */
int cor_kill_task(struct cor_services *s, const char *id, const char *exec_id, int sig, bool stop, bool all,
		  struct cor_error *err);
/* For a task that is gone: takes down the container's network, if it has one. Failures are warned about. */
void cor_detach_network(struct cor_services *s, const char *id);
int cor_attach(struct cor_services *s, const char *id, uint32_t *ret_status, struct cor_error *err);
/* Deletes container, snapshot and, when stopped (or force: killed), the task. */
int cor_delete_container(struct cor_services *s, const char *id, bool keep_snapshot, struct cor_error *err);

/* ---- logs of detached containers (client/logs.c) ---- */

struct cor_logs_options {
	bool follow; /* until the container has stopped */
	bool tail_set;
	uint64_t tail; /* last lines only */
};
/* One piece of a line: text[0..n) without a newline; `full`: the line ends here. stream 1 stdout, 2 stderr. Non-zero ends
 * the reading (negative: with that error). */
typedef int (*cor_log_line_fn)(const char *time, size_t time_len, int stream, const char *text, size_t n,
			       bool full, void *data);
int cor_logs(struct cor_services *s, const char *id, const struct cor_logs_options *o, cor_log_line_fn fn,
	     void *data, struct cor_error *err);

#endif
