/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system of a container in a user namespace: the image's files have to belong to the mapped users.
 *
 *  1. A copy of the image's snapshot whose owners are changed (base/tree_remap.c) is committed under a name that follows from
 *     chain ID and maps, the one that containerd has used since 2.0: the digest of their JSON. So all containers of one image
 *     and map share it, and it has that name only when it is whole. (containerd 1.6's "<chain ID>-<uid>-<gid>" leaves the
 *     size out.)
 *  2. One process on the machine makes it (client/committed.h).
 *  3. It is garbage when the image is: the image's config refers to it by a label. What a kill has left, an active snapshot
 *     that nothing refers to, is garbage at once.
 *
 * With --remap-labels no copy is made where the mounts themselves can map (engine/snapshot_remap.c).
 */
#include "client/remap.h"

#include <errno.h>

#include "base/fd.h"
#include "client/committed.h"
#include "oci/digest.h"
#include "oci/json.h"

#define LABEL_UIDS        "containerd.io/snapshot/uidmapping"
#define LABEL_GIDS        "containerd.io/snapshot/gidmapping"
#define LABEL_GC_SNAPSHOT "containerd.io/gc.ref.snapshot."
/* On the copy, for people: what it was made of. */
#define LABEL_FROM        "coracle/remapped-from"
#define LABEL_WITH_UIDS   "coracle/uidmapping"
#define LABEL_WITH_GIDS   "coracle/gidmapping"

struct remapping {
	struct cor_services *s;
	const struct cor_resolved_image *image;
	const char *snapshotter;
	struct cor_id_map uids, gids;
	char name[COR_DIGEST_MAX];
};

void cor_remap_done(struct cor_remap *r)
{
	free(r->parent);
	cor_map_done(&r->labels);
	*r = (struct cor_remap){0};
}

static void put_ranges(struct cor_buf *b, const struct cor_id_map *m)
{
	for (size_t i = 0; i < m->n; i++)
		(void)cor_buf_printf(b, "%s{\"containerID\":%u,\"hostID\":%u,\"size\":%u}", i ? "," : "",
				     m->items[i].container, m->items[i].host, m->items[i].size);
}

/* client/snapshotter_opts_unix.go: remappedSnapshot.ID, byte for byte. */
static int make_name(struct remapping *m)
{
	_cleanup_buf_ struct cor_buf b = {0};
	(void)cor_buf_printf(&b, "{\"Parent\":\"%s\",\"IDMap\":{\"UidMap\":[", m->image->chain_id);
	put_ranges(&b, &m->uids);
	(void)cor_buf_str(&b, "],\"GidMap\":[");
	put_ranges(&b, &m->gids);
	(void)cor_buf_str(&b, "]}}");
	if (b.failed)
		return -ENOMEM;
	cor_digest_of(b.data, b.len, m->name);
	return 0;
}

static int map_labels(const struct remapping *m, const char *uids_key, const char *gids_key,
		      struct cor_map *labels)
{
	_cleanup_free_ char *uids = cor_id_map_text(&m->uids), *gids = cor_id_map_text(&m->gids);
	if (!uids || !gids || cor_map_set(labels, uids_key, uids) < 0 ||
	    cor_map_set(labels, gids_key, gids) < 0)
		return -ENOMEM;
	return 0;
}

static int is_committed(struct remapping *m, struct cor_error *err)
{
	return cor_is_committed(m->s, m->snapshotter, m->name, err);
}

static int change_owners(const struct cor_mounts *mounts, void *data, struct cor_error *err)
{
	const struct remapping *m = data;
	_cleanup_close_ int root = cor_mounts_open_tree(mounts, err);
	return root < 0 ? root : cor_remap_tree(root, &m->uids, &m->gids, err);
}

static int make_copy(struct remapping *m, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	const struct cor_committed c = {.snapshotter = m->snapshotter,
					.name = m->name,
					.parent = m->image->chain_id,
					.labels = &labels,
					.prefix = "remap",
					.what = "remap",
					.subject = m->image->chain_id,
					.fill = change_owners,
					.data = m};
	if (map_labels(m, LABEL_WITH_UIDS, LABEL_WITH_GIDS, &labels) < 0 ||
	    cor_map_set(&labels, LABEL_FROM, m->image->chain_id) < 0)
		return cor_error_oom(err);
	return cor_make_committed(m->s, &c, err);
}

/* "containerd.io/gc.ref.snapshot.<snapshotter>/remap.<start of the name>" on the image's config. */
static int refer(struct remapping *m, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	struct cor_content_info info = {0};
	const char *config = m->image->manifest.config.digest;
	_cleanup_free_ char *key =
		cor_asprintf(LABEL_GC_SNAPSHOT "%s/remap.%.16s", m->snapshotter, cor_digest_hex(m->name));
	if (!key || cor_map_set(&labels, key, m->name) < 0)
		return cor_error_oom(err);
	int r = m->s->content->info(m->s, config, &info, err);
	if (r < 0)
		return r;
	const char *have = cor_map_get(&info.labels, key);
	bool same = have && streq(have, m->name);
	cor_content_info_done(&info);
	return same ? 0 : m->s->content->label(m->s, config, &labels, false, err);
}

/* A copy that was there already may be collected between our look and our label: look again after it. */
static int have_copy(struct remapping *m, struct cor_error *err)
{
	for (int tries = 0; tries < 5; tries++) {
		int r = is_committed(m, err);
		if (r == 0)
			r = make_copy(m, err);
		if (r >= 0)
			r = refer(m, err);
		if (r >= 0)
			r = is_committed(m, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return cor_error_set(err, COR_ABORTED, "snapshot %s is removed again and again", m->name);
}

static int remap(struct remapping *m, bool by_labels, struct cor_remap *ret, struct cor_error *err)
{
	struct cor_remap out = {0};
	bool mapped = false;
	int r = make_name(m) < 0 ? cor_error_oom(err) : 0;
	if (r >= 0 && by_labels)
		r = m->s->snapshots->can_remap(m->s, m->snapshotter, &mapped, err);
	if (r >= 0 && !mapped)
		r = have_copy(m, err);
	if (r < 0)
		return r;
	out.parent = strdup(mapped ? m->image->chain_id : m->name);
	if (!out.parent || (mapped && map_labels(m, LABEL_UIDS, LABEL_GIDS, &out.labels) < 0)) {
		cor_remap_done(&out);
		return cor_error_oom(err);
	}
	*ret = out;
	return 0;
}

int cor_remap_image(struct cor_services *s, const struct cor_resolved_image *image, const char *snapshotter,
		    const struct cor_create_options *o, struct cor_remap *ret, struct cor_error *err)
{
	struct remapping m = {.s = s, .image = image, .snapshotter = snapshotter};
	int r = cor_spec_id_maps(&o->spec, &m.uids, &m.gids, err);
	if (r >= 0)
		r = remap(&m, o->remap_labels, ret, err);
	cor_id_map_done(&m.uids);
	cor_id_map_done(&m.gids);
	return r < 0 ? r : 0;
}

/* ---- the owner of the stdio ---- */

static uint32_t root_of(const json_t *lnx, const char *key)
{
	const json_t *maps = json_object_get(lnx, key), *m;
	for (size_t i = 0; (m = json_array_get(maps, i)); i++) {
		int64_t id = -1, host = -1;
		if (cor_json_get_i64(m, "containerID", &id, NULL) == 0 &&
		    cor_json_get_i64(m, "hostID", &host, NULL) == 0 && id == 0 && host >= 0 &&
		    host < UINT32_MAX)
			return (uint32_t)host;
	}
	return 0;
}

void cor_io_owner(const char *spec, uint32_t *ret_uid, uint32_t *ret_gid)
{
	*ret_uid = *ret_gid = 0;
	/* Parsing it costs more than the rest of many a start. */
	if (!strstr(spec, "\"uidMappings\"") && !strstr(spec, "\"gidMappings\""))
		return;
	_cleanup_json_ json_t *doc = NULL;
	if (cor_json_parse(spec, strlen(spec), "spec", &doc, NULL) < 0)
		return;
	const json_t *lnx = json_object_get(doc, "linux");
	*ret_uid = root_of(lnx, "uidMappings");
	*ret_gid = root_of(lnx, "gidMappings");
}
