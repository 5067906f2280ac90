/* SPDX-License-Identifier: Apache-2.0 */
/* Records that pass through the service interfaces. Zero-initialise; freed by their _done functions. */
#ifndef COR_SERVICES_TYPES_H
#define COR_SERVICES_TYPES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/mount.h"
#include "base/str.h"
#include "oci/descriptor.h"

/* A typeurl-wrapped value, as containerd's google.protobuf.Any. */
struct cor_any {
	char *type_url; /* NULL: absent */
	void *value;
	size_t len;
};
void cor_any_done(struct cor_any *a);
int cor_any_set(struct cor_any *a, const char *type_url, const void *value, size_t len);
int cor_any_copy(struct cor_any *dst, const struct cor_any *src);

struct cor_image {
	char *name;
	struct cor_descriptor target;
	struct cor_map labels;
	int64_t created_ns, updated_ns; /* CLOCK_REALTIME */
};
void cor_image_done(struct cor_image *i);

struct cor_content_info {
	char *digest;
	int64_t size;
	struct cor_map labels;
	int64_t created_ns, updated_ns;
};
void cor_content_info_done(struct cor_content_info *i);

struct cor_ingest_status {
	char *ref;
	int64_t offset, total; /* total 0: unknown */
	char *expected;        /* digest or NULL */
	int64_t started_ns, updated_ns;
};
void cor_ingest_status_done(struct cor_ingest_status *s);

enum cor_snapshot_kind { COR_SNAPSHOT_VIEW = 1, COR_SNAPSHOT_ACTIVE = 2, COR_SNAPSHOT_COMMITTED = 3 };

struct cor_snapshot_info {
	char *key;    /* or name, once committed */
	char *parent; /* "" for none, never NULL */
	enum cor_snapshot_kind kind;
	struct cor_map labels;
	int64_t created_ns, updated_ns;
};
void cor_snapshot_info_done(struct cor_snapshot_info *i);
/* "View", "Active", "Committed". */
const char *cor_snapshot_kind_name(enum cor_snapshot_kind kind);

struct cor_usage {
	int64_t size, inodes;
};

struct cor_container {
	char *id;
	char *image;   /* "" when none */
	char *runtime; /* "io.containerd.runc.v2" */
	struct cor_any runtime_options;
	char *spec;         /* OCI runtime spec, JSON text */
	char *snapshotter;  /* "" when none */
	char *snapshot_key; /* "" when none */
	char *sandbox_id;   /* "" when none */
	struct cor_map labels;
	struct cor_map extensions; /* name -> JSON text */
	int64_t created_ns, updated_ns;
};
void cor_container_done(struct cor_container *c);

struct cor_lease {
	char *id;
	struct cor_map labels;
	int64_t created_ns;
};
void cor_lease_done(struct cor_lease *l);

struct cor_lease_resource {
	const char *type; /* "content", "ingests", "snapshots/overlayfs" */
	const char *id;   /* digest, ref, key */
};

enum cor_task_status {
	COR_TASK_UNKNOWN = 0,
	COR_TASK_CREATED = 1,
	COR_TASK_RUNNING = 2,
	COR_TASK_STOPPED = 3,
	COR_TASK_PAUSED = 4,
	COR_TASK_PAUSING = 5
};
/* "UNKNOWN", "CREATED", "RUNNING", "STOPPED", "PAUSED", "PAUSING". */
const char *cor_task_status_name(enum cor_task_status status);

struct cor_task {
	char *id, *exec_id; /* exec_id "" for the init process */
	char *bundle;
	pid_t pid;
	enum cor_task_status status;
	bool terminal;
	char *stdin_path, *stdout_path, *stderr_path;
	uint32_t exit_status;
	int64_t exited_ns; /* 0: has not exited */
};
void cor_task_done(struct cor_task *t);

struct cor_task_exit {
	uint32_t status; /* 0-255; 128 + n for a signal */
	int64_t exited_ns;
};

/*
 * Where a process's stdio goes.
 *   INHERIT   fds[0..2] are given to the process as they are, without copying (without terminal); with terminal the
 *             client gets the pty's master back in *ret_console and copies itself.
 *   LOG       output goes to the engine's log file for the container; `tasks attach` can follow (with terminal too).
 *   NONE      /dev/null all over.
 *   URI       `uri` is file:///path or binary:///path?k=v.
 *   FIFO      fifo paths in stdin_path.. (NULL each: none).
 */
enum cor_stdio_kind { COR_STDIO_NONE, COR_STDIO_INHERIT, COR_STDIO_LOG, COR_STDIO_URI, COR_STDIO_FIFO };
struct cor_stdio {
	enum cor_stdio_kind kind;
	bool terminal;
	int fds[3]; /* INHERIT without terminal; borrowed; -1: /dev/null */
	const char *uri;
	const char *stdin_path, *stdout_path, *stderr_path;
	uint16_t rows, columns; /* initial terminal size, 0: unset */
};

#endif
