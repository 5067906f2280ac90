/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots for user namespaces, by containerd's labels: the root directory of one with "containerd.io/snapshot/uidmapping" and
 * ".../gidmapping" belongs to the mapped root, and its mounts get the options "uidmap=" and "gidmap=", which
 * base/mount_idmap.c understands. Where nothing lies below (a snapshot without a parent) there is nothing to map.
 */
#include "engine/snapshot_remap.h"

#include <errno.h>

#include "base/idmap.h"

#define LABEL_UIDS "containerd.io/snapshot/uidmapping"
#define LABEL_GIDS "containerd.io/snapshot/gidmapping"

static int root_of(const struct cor_map *labels, const char *key, uint32_t *ret, struct cor_error *err)
{
	_cleanup_id_map_ struct cor_id_map m = {0};
	const char *text = cor_map_get(labels, key);
	int r = text ? cor_id_map_parse(text, &m) : -EINVAL;
	if (r == -ENOMEM)
		return cor_error_oom(err);
	if (r < 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "label %s=\"%.100s\" is no list of container-id:host-id:size: invalid "
				     "argument",
				     key, text ? text : "");
	if (cor_id_map_to_host(&m, 0, ret) < 0)
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"failed to find root pair: container ID 0 cannot be mapped to a host ID");
	return 0;
}

int cor_engine_remap_own(struct cor_snapshot_backend *b, uint64_t id, const struct cor_map *labels,
			 struct cor_error *err)
{
	uint32_t uid, gid;
	if (!b->ops->set_owner || !labels ||
	    (!cor_map_get(labels, LABEL_UIDS) && !cor_map_get(labels, LABEL_GIDS)))
		return 0;
	int r = root_of(labels, LABEL_UIDS, &uid, err);
	if (r == 0)
		r = root_of(labels, LABEL_GIDS, &gid, err);
	return r < 0 ? r : b->ops->set_owner(b, id, uid, gid, err);
}

/* containerd puts the two first. */
static int add_options(struct cor_mount *m, const char *uids, const char *gids)
{
	_cleanup_strv_ char **options = NULL;
	int r = cor_strv_push_take(&options, cor_asprintf("uidmap=%s", uids));
	if (r >= 0)
		r = cor_strv_push_take(&options, cor_asprintf("gidmap=%s", gids));
	for (size_t i = 0; r >= 0 && m->options[i]; i++)
		r = cor_strv_push(&options, m->options[i]);
	if (r < 0)
		return r;
	cor_strv_free(m->options);
	m->options = TAKE_PTR(options);
	return 0;
}

int cor_engine_remap_mounts(struct cor_snapshot_backend *b, const struct cor_map *labels, size_t parents,
			    struct cor_mounts *mounts, struct cor_error *err)
{
	const char *uids = labels ? cor_map_get(labels, LABEL_UIDS) : NULL;
	const char *gids = labels ? cor_map_get(labels, LABEL_GIDS) : NULL;
	if (!b->ops->set_owner || !uids || !gids || parents == 0)
		return 0;
	for (size_t i = 0; i < mounts->n; i++)
		if (add_options(&mounts->items[i], uids, gids) < 0)
			return cor_error_oom(err);
	return 0;
}

int cor_engine_can_remap(struct cor_services *s, const char *sn, bool *ret, struct cor_error *err)
{
	struct cor_snapshot_backend *b;
	int r = cor_engine_backend(cor_engine_of(s), sn, &b, err);
	if (r < 0)
		return r;
	*ret = false;
	return b->ops->can_map_ids ? b->ops->can_map_ids(b, ret, err) : 0;
}
