/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of src/client: containerd's checkpoint images. One is an index whose children are criu's files, the container's
 * spec, the changes to its root file system, its image, options; each as far as it was asked for.
 */
#ifndef COR_CLIENT_CHECKPOINT_H
#define COR_CLIENT_CHECKPOINT_H

#include "client/client.h"

/* Annotations of the index: by `containers checkpoint` the first three, by `tasks checkpoint` the fourth; and our own, the
 * container's labels as JSON. */
#define COR_CHECKPOINT_IMAGE       "org.opencontainers.image.ref.name"
#define COR_CHECKPOINT_RUNTIME     "io.containerd.checkpoint.runtime"
#define COR_CHECKPOINT_SNAPSHOTTER "io.containerd.checkpoint.snapshotter"
#define COR_CHECKPOINT_TASK_IMAGE  "image.name"
#define COR_CHECKPOINT_LABELS      "io.coracle.checkpoint.labels"

/* ---- checkpoint_index.c: the index while it is made ---- */
struct cor_checkpoint_index {
	struct cor_services *s;
	json_t *manifests, *annotations;
	struct cor_map labels; /* that keep the children */
	size_t n;
};
int cor_checkpoint_index_init(struct cor_checkpoint_index *x, struct cor_services *s, struct cor_error *err);
void cor_checkpoint_index_done(struct cor_checkpoint_index *x);
int cor_checkpoint_index_annotate(struct cor_checkpoint_index *x, const char *key, const char *value,
				  struct cor_error *err);
/* platform: this machine's is noted with it. */
int cor_checkpoint_index_add(struct cor_checkpoint_index *x, const struct cor_descriptor *d, bool platform,
			     struct cor_error *err);
/* A packed google.protobuf.Any as a child of that media type. */
int cor_checkpoint_index_add_any(struct cor_checkpoint_index *x, const char *media_type, const char *type_url,
				 const void *value, size_t n, struct cor_error *err);
/* The image that the container was made of. */
int cor_checkpoint_index_add_image(struct cor_checkpoint_index *x, const char *name, struct cor_error *err);
/* What the container has changed in its root file system, as a layer. */
int cor_checkpoint_index_add_rw(struct cor_checkpoint_index *x, const struct cor_container *c,
				struct cor_error *err);
/* Writes the index and records it as an image (labels may be NULL). ALREADY_EXISTS when there is one of that name. */
int cor_checkpoint_index_record(struct cor_checkpoint_index *x, const char *name,
				const struct cor_map *image_labels, struct cor_error *err);

/* ---- restore.c ---- */
/* Makes the container of a checkpoint: snapshot and record, as cor_create_container; on failure neither is left behind.
 * *ret_criu: what its task is to be restored from (zeroed unless o->live), to be freed by the caller. *ret_tty: the process
 * has a terminal. */
int cor_restore_container(struct cor_services *s, const struct cor_create_options *create,
			  const struct cor_restore_options *o, struct cor_container *ret,
			  struct cor_descriptor *ret_criu, bool *ret_tty, struct cor_error *err);

#endif
