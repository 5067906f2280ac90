/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps between the IDs of a user namespace ("container") and the host's, as user_namespaces(7) and the OCI runtime spec have
 * them; what is made of them: a user namespace, and files that belong to the mapped owners.
 */
#ifndef COR_BASE_IDMAP_H
#define COR_BASE_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The kernel takes no more (since 4.15). */
#define COR_ID_MAP_MAX 340

struct cor_id_range {
	uint32_t container, host, size;
};
struct cor_id_map {
	struct cor_id_range *items;
	size_t n, cap;
};
void cor_id_map_done(struct cor_id_map *m);
#define _cleanup_id_map_ _cleanup_(cor_id_map_done)
/* 0 or -ENOMEM. */
int cor_id_map_add(struct cor_id_map *m, struct cor_id_range range);
/* By container ID. */
void cor_id_map_sort(struct cor_id_map *m);
/* What the kernel would refuse: NULL when nothing is wrong, else what is ("ranges overlap"). Not empty, not too many, no
 * empty range, nothing above 2^32-2, no overlap on either side. */
const char *cor_id_map_fault(const struct cor_id_map *m);
/* -ENOENT: the ID has no place on the host. */
int cor_id_map_to_host(const struct cor_id_map *m, uint32_t id, uint32_t *ret);
/* "container:host:size,…", the form of containerd's labels and mount options. Parsing: -EINVAL for a wrong form or a fault,
 * -ENOMEM. Text: caller frees, NULL on ENOMEM. */
int cor_id_map_parse(const char *text, struct cor_id_map *ret);
char *cor_id_map_text(const struct cor_id_map *m);

/* A descriptor of a new user namespace with these maps, which goes with it. Needs the right to map these IDs (root's). */
int cor_userns_open(const struct cor_id_map *uids, const struct cor_id_map *gids, struct cor_error *err);

/*
 * Everything below rootfd, and rootfd itself, gets the owner on the host that its owner (read as IDs of the container) has in
 * the maps. Kept as they are: set-user-ID and set-group-ID bits, hard links (also on overlayfs, where a copy-up breaks them),
 * times. Mapped as well: the user namespace of file capabilities, and the IDs in ACLs. No link is followed.
 * INVALID_ARGUMENT "container ID N cannot be mapped to a host ID: <path>" for an owner that the maps do not have: the tree
 * is then half done.
 */
int cor_remap_tree(int rootfd, const struct cor_id_map *uids, const struct cor_id_map *gids,
		   struct cor_error *err);

#endif
