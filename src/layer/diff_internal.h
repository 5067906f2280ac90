/* SPDX-License-Identifier: Apache-2.0 */
/* What diff's files share: the walk's state, the xattrs of a node, hardlinks. */
#ifndef COR_LAYER_DIFF_INTERNAL_H
#define COR_LAYER_DIFF_INTERNAL_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/str.h"
#include "layer/layer.h"
#include "layer/tar.h"

/* A node as (descriptor of its directory, name), never followed. */
struct diff_node {
	int dir;
	const char *name;
	struct stat st;
};

/* Sorted by name; overlay's own and SELinux's are left out. */
struct diff_xattrs {
	struct cor_tar_xattr *items;
	size_t n, cap;
};
void diff_xattrs_done(struct diff_xattrs *x);
/* 0 or -errno. */
int diff_xattrs_read(const struct diff_node *node, struct diff_xattrs *ret);

/* 1: nothing that a layer holds differs; 0; -errno. Contents are compared only when the times are so coarse that they
 * prove nothing. */
int diff_same(const struct diff_node *lower, const struct diff_node *upper);

/* An inode with several names: the one written with the contents, or those seen unchanged so far. */
struct diff_link {
	dev_t dev;
	ino_t ino;
	char *source;
	char **unchanged;
	struct diff_link *next;
};
struct diff_links {
	struct diff_link **buckets;
};
/* The record of an inode, made when missing; NULL on ENOMEM. */
struct diff_link *diff_links_get(struct diff_links *l, const struct stat *st);
void diff_links_done(struct diff_links *l);

/* A directory of the upper tree that the walk is in. */
struct diff_level {
	struct diff_node node;
	size_t path_len;
	bool written;
};

struct diff {
	struct cor_tar_writer *tar;
	struct diff_links links;
	struct cor_buf path; /* of the node at hand, without a leading slash */
	struct diff_level *levels;
	size_t n_levels, cap_levels;
	void *copy_buf;
};

/* Writes the node at d->path, with the directories above it that are not written yet. */
int diff_write_node(struct diff *d, const struct diff_node *node, struct cor_error *err);
/* Notes a node that has not changed; it matters when another name of its inode is written. */
int diff_note_unchanged(struct diff *d, const struct diff_node *node, struct cor_error *err);
/* Writes a whiteout for d->path. */
int diff_write_whiteout(struct diff *d, struct cor_error *err);
/* Writes the root's own entry. */
int diff_write_root(struct diff *d, const struct diff_node *root, struct cor_error *err);

#endif
