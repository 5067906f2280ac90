/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of Stats: containerd's metrics messages, from the files of the container's control groups. They are written field by
 * field from tables that need no relocation (rpc/wire.h): generated code would be 20 KiB of private memory in every shim.
 */
#ifndef COR_SHIM_METRICS_H
#define COR_SHIM_METRICS_H

#include <sys/types.h>

#include "base/str.h"

#define COR_METRICS_V1 "io.containerd.cgroups.v1.Metrics"
#define COR_METRICS_V2 "io.containerd.cgroups.v2.Metrics"

/* Whose groups: those that a process is in, or, when it has ended (pid 0), those of a path. */
struct cor_metrics_source {
	pid_t pid;
	const char *path;
};
/* As cor_cgroup_open_of. */
int cor_metrics_open(const struct cor_metrics_source *src, const char *controller);
/* The message. 0, -ENOENT when there is no group, or another -errno. */
int cor_metrics_v1(const struct cor_metrics_source *src, struct cor_buf *out);
int cor_metrics_v2(const struct cor_metrics_source *src, struct cor_buf *out);

/* "name value" lines: which field a name goes to. Ends with field 0. */
struct cor_metrics_row {
	unsigned char field;
	char name[31];
};
/* Appends the fields that the file's lines name. Missing files are empty. */
void cor_metrics_put_rows(struct cor_buf *b, int dir, const char *file, const struct cor_metrics_row *rows);
/* A file with one number; "max" and what is missing are `otherwise`. */
uint64_t cor_metrics_number(int dir, const char *file, uint64_t otherwise);
/* The value of one line "name value". */
uint64_t cor_metrics_line(int dir, const char *file, const char *name);
/* A file's text (caller's), or NULL. */
char *cor_metrics_text(int dir, const char *file);
/* Appends the message m as a field, and empties m. Written even when it is empty: it is there. */
void cor_metrics_put_message(struct cor_buf *b, uint32_t field, struct cor_buf *m);
/* "device hca_handle=N hca_object=N|max" lines as RdmaEntry. */
void cor_metrics_put_rdma(struct cor_buf *b, uint32_t field, int dir);
/* For each size of huge pages that the kernel has ("2MB"): fn. */
void cor_metrics_each_page_size(void (*fn)(struct cor_buf *b, int dir, const char *size), struct cor_buf *b,
				int dir);

#endif
