/* SPDX-License-Identifier: Apache-2.0 */
/* Files with more than one name, met again in a walk over a tree: a table by device and inode. */
#ifndef COR_BASE_INODES_H
#define COR_BASE_INODES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/alloc.h"

struct cor_inode {
	dev_t dev;
	ino_t ino;  /* 0: a free slot; no file has it */
	char *path; /* for the caller's use: NULL at first, freed with the table */
};
struct cor_inodes {
	struct cor_inode *slots; /* open addressing */
	size_t n, cap;
};

/* The file's entry, valid until the next call; *ret_new: it was not there before. 0 or -ENOMEM. */
int cor_inodes_add(struct cor_inodes *s, const struct stat *st, struct cor_inode **ret, bool *ret_new);
void cor_inodes_done(struct cor_inodes *s);

#endif
