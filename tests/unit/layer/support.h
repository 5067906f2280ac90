/* SPDX-License-Identifier: Apache-2.0 */
/* For the layer tests: tars made by hand (and made wrong by hand), trees described as text, a canary beside the root. */
#ifndef COR_TESTS_LAYER_SUPPORT_H
#define COR_TESTS_LAYER_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "layer/layer.h"
#include "layer/tar.h"

/* One header; what is 0 or NULL gets a sensible value. */
struct th {
	const char *name, *link;
	char type; /* '0' */
	long mode; /* 0644; directories 0755; -1: 0 */
	long uid, gid;
	long mtime; /* 1000000000; -1: 0 */
	long size;  /* of the data; -1: 0 */
	unsigned devmajor, devminor;
	const char *magic; /* "ustar\0" "00"; "gnu"; "v7" */
	const char *prefix;
};

/* Appends a header block with a right checksum; returns where it begins. */
size_t tb_header(struct cor_buf *b, struct th h);
/* Recomputes the checksum of the block at `at` after it was changed. */
void tb_checksum(struct cor_buf *b, size_t at);
/* Data and its padding. */
void tb_data(struct cor_buf *b, const void *data, size_t n);
void tb_file(struct cor_buf *b, const char *name, const char *content);
void tb_dir(struct cor_buf *b, const char *name);
void tb_symlink(struct cor_buf *b, const char *name, const char *target);
void tb_hardlink(struct cor_buf *b, const char *name, const char *target);
/* A pax header ('x' or 'g') with "key=value" records, NULL at the end. */
void tb_pax(struct cor_buf *b, char type, const char *first, ...);
/* The same from a finished text. */
void tb_pax_raw(struct cor_buf *b, char type, const void *text, size_t n);
/* One record into a text, for values with NULs. */
void tb_record(struct cor_buf *text, const char *key, const void *value, size_t n);
/* GNU 'L' or 'K'. */
void tb_long(struct cor_buf *b, char type, const char *name);
void tb_end(struct cor_buf *b);

/* A source over memory that gives at most `chunk` bytes at a time (0: all). */
struct memory {
	const void *data;
	size_t n, pos, chunk;
};
ssize_t memory_read(void *data, void *buf, size_t n, struct cor_error *err);
/* A sink into a struct cor_buf. */
int buf_write(void *data, const void *buf, size_t n, struct cor_error *err);

/* A temporary directory with root/, lower/ and canary/ in it; the canary is filled. */
struct rig {
	char path[64];
	int dir, root, lower;
	char *canary; /* description when it was made */
};
int rig_setup(void **state);
/* Fails the test when the canary has changed. */
int rig_teardown(void **state);
/* Skips the test with a reason unless it runs as root. */
#define NEEDS_ROOT()                                                                           \
	do {                                                                                   \
		if (geteuid() != 0) {                                                          \
			print_message("skipped: needs root (chown, mknod, trusted xattrs)\n"); \
			skip();                                                                \
		}                                                                              \
	} while (0)

/* Path, type, mode, owner, mtime, contents, xattrs, hardlinks of everything below dir, a line each. NULL never. */
char *describe(int dir);
/* The same without times. */
char *describe_untimed(int dir);

/* Applies a tar to the rig's root. */
int apply_to(struct rig *rig, const struct cor_buf *tar, const struct cor_apply_options *opts,
	     struct cor_error *err);
extern const struct cor_apply_options remove_style, overlay_style;
/* Applies and expects success / this class of error. */
void apply_ok(struct rig *rig, struct cor_buf *tar, const struct cor_apply_options *opts);
void apply_fails(struct rig *rig, struct cor_buf *tar, const struct cor_apply_options *opts,
		 enum cor_code code, const char *message_part);

/* Small looks at the tree. */
char *content(int dir, const char *path); /* NULL when there is no such file */
bool exists(int dir, const char *path);
struct stat stat_at(int dir, const char *path);
void put(int dir, const char *path, const char *text); /* makes or replaces a file */

/* Runs a program in the rig's directory; its exit status. */
int run_in(struct rig *rig, const char *first, ...);

#endif
