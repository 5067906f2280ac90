/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of src/client: root file systems for user namespaces. */
#ifndef COR_CLIENT_REMAP_H
#define COR_CLIENT_REMAP_H

#include "client/client.h"

/* What the container's snapshot stands on, and the labels it gets. */
struct cor_remap {
	char *parent;
	struct cor_map labels;
};
void cor_remap_done(struct cor_remap *r);
/* For an unpacked image and options with maps. With remap_labels, where the snapshotter can map IDs in its mounts: the
 * image's own snapshot, and labels that ask for it. Else a committed copy with the mapped owners, made when there is none yet;
 * one process makes it, others wait. Call with an operation lease on, which keeps it until something stands on it. */
int cor_remap_image(struct cor_services *s, const struct cor_resolved_image *image, const char *snapshotter,
		    const struct cor_create_options *o, struct cor_remap *ret, struct cor_error *err);
/* The host's IDs of the container's root, by its spec's maps; 0 without maps (where the root is root). */
void cor_io_owner(const char *spec, uint32_t *ret_uid, uint32_t *ret_gid);

#endif
