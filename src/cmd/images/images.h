/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `images`, and the walk over an image's blobs that several of them share. */
#ifndef COR_CMD_IMAGES_H
#define COR_CMD_IMAGES_H

#include "cmd/context.h"
#include "cmd/filter.h"
#include "cmd/flags.h"
#include "oci/image.h"

extern const struct cor_command cor_images_check, cor_images_delete, cor_images_import, cor_images_inspect,
	cor_images_label, cor_images_list, cor_images_tag, cor_images_usage, cor_images_export;

/* Images that a filter matches, as copies: a listing must not hold the store while it reads every manifest. */
struct cor_image_list {
	struct cor_image *items;
	size_t n, cap;
};
void cor_image_list_done(struct cor_image_list *l);
#define _cleanup_image_list_ _cleanup_(cor_image_list_done)
/* filters: strv. On failure l holds what was collected. */
int cor_image_list_fill(struct cor_image_list *l, struct cor_services *s, char *const *filters,
			struct cor_error *err);

enum cor_blob_kind { COR_BLOB_INDEX, COR_BLOB_MANIFEST, COR_BLOB_CONFIG, COR_BLOB_LAYER, COR_BLOB_OTHER };

struct cor_blob {
	const struct cor_descriptor *desc;
	enum cor_blob_kind kind;
	size_t depth; /* 0: the image's target */
	bool last;    /* of its parent's children */
};
/* >= 0 goes on; with an index or a manifest, 1 skips its children. */
typedef int (*cor_blob_fn)(const struct cor_blob *blob, void *data, struct cor_error *err);
/* Calls fn for the target and, depth first, for everything below it. want: of each index only the manifest that serves
 * that platform best (NULL: all). An index or manifest that is not there is COR_NOT_FOUND after fn was called for it. */
int cor_image_blobs(struct cor_services *s, const struct cor_descriptor *target,
		    const struct cor_platform *want, cor_blob_fn fn, void *data, struct cor_error *err);

#endif
