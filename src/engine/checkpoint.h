/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's part in checkpoints: the files of criu, and how they come into the content store and out again. */
#ifndef COR_ENGINE_CHECKPOINT_H
#define COR_ENGINE_CHECKPOINT_H

#include "engine/internal.h"

#define COR_CHECKPOINTS_DIR "checkpoints" /* in <root> */

/* ---- checkpoint_dir.c ---- */
struct cor_checkpoint_dir {
	char *path; /* NULL: none */
	int fd;     /* holds its lock */
};
int cor_checkpoint_dir_make(struct cor_engine *e, struct cor_checkpoint_dir *ret, struct cor_error *err);
/* Removes it. Nothing to do for one that was not made. */
void cor_checkpoint_dir_drop(struct cor_engine *e, struct cor_checkpoint_dir *d);
/* Removes those that nobody uses (part of a collection). */
int cor_checkpoint_dirs_sweep(struct cor_engine *e, struct cor_error *err);

/* ---- checkpoint_blob.c ---- */
/* All files of the directory as a tar blob, of containerd's checkpoint type. */
int cor_checkpoint_pack(struct cor_services *s, int dir_fd, struct cor_descriptor *ret,
			struct cor_error *err);
/* The other way round. The blob is untrusted: anything but plain files in one directory is INVALID_ARGUMENT, and its size
 * and digest must be the descriptor's. */
int cor_checkpoint_unpack(struct cor_services *s, const struct cor_descriptor *blob, int dir_fd,
			  struct cor_error *err);
/* The container's spec as a blob, of containerd's type. */
int cor_checkpoint_pack_spec(struct cor_services *s, const char *spec, struct cor_descriptor *ret,
			     struct cor_error *err);

#endif
