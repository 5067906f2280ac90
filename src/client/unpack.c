/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers into snapshots: for each layer, the committed snapshot that is named by its chain ID.
 *
 *  1. A snapshot with a chain ID's name holds exactly that chain: it is committed only after the layer's digest and
 *     diffID were verified over the whole stream.
 *  2. One process on the machine extracts a chain into a snapshotter at a time: the writer lock on the ingest ref
 *     "unpack-<snapshotter>-<chain ID>" is held meanwhile. Who waited for it finds the snapshot there.
 *  3. What is extracted is kept from garbage collection by an operation lease until the config's label
 *     containerd.io/gc.ref.snapshot.<snapshotter> refers to it.
 */
#include "client/import_internal.h"

#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "oci/digest.h"

#define LABEL_SNAPSHOT_REF "containerd.io/snapshot.ref"
#define LABEL_UNCOMPRESSED "containerd.io/uncompressed"
#define LABEL_GC_SNAPSHOT  "containerd.io/gc.ref.snapshot."

struct unpack {
	struct cor_services *s;
	const struct cor_resolved_image *image;
	const char *snapshotter;
	const struct cor_progress *progress;
};

/* 1: committed, 0: not there. */
static int is_committed(struct unpack *u, const char *chain, struct cor_error *err)
{
	struct cor_snapshot_info info = {0};
	struct cor_error e = {0};
	int r = u->s->snapshots->stat(u->s, u->snapshotter, chain, &info, &e);
	bool committed = r >= 0 && info.kind == COR_SNAPSHOT_COMMITTED;

	cor_snapshot_info_done(&info);
	if (r >= 0)
		return committed;
	if (e.code == COR_NOT_FOUND)
		return 0;
	if (err)
		*err = e;
	return r;
}

static int set_label(struct cor_services *s, const char *digest, const char *key, const char *value,
		     struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};

	if (cor_map_set(&labels, key, value) < 0)
		return cor_error_oom(err);
	return s->content->label(s, digest, &labels, false, err);
}

static char *extract_key(const char *chain)
{
	char hex[9];

	cor_random_hex(hex, 8);
	return cor_asprintf("extract-%09" PRId64 "-%s %s", cor_now_ns() % 1000000000, hex, chain);
}

/* Applies the layer in a fresh active snapshot and commits that. On failure the active snapshot is gone again. */
static int extract(struct unpack *u, size_t i, const char *parent, const char *chain, struct cor_error *err)
{
	const struct cor_snapshot_ops *sn = u->s->snapshots;
	_cleanup_mounts_ struct cor_mounts mounts = {0};
	_cleanup_map_ struct cor_map labels = {0};
	_cleanup_free_ char *key = extract_key(chain);
	struct cor_error e = {0};
	int r;

	if (!key || cor_map_set(&labels, LABEL_SNAPSHOT_REF, chain) < 0)
		return cor_error_oom(err);
	r = sn->prepare(u->s, u->snapshotter, key, parent, &labels, &mounts, err);
	if (r < 0)
		return cor_error_wrap(err, r, "unpack %s", chain);
	r = u->s->diff->apply(u->s, &u->image->manifest.layers[i], &mounts, u->image->config.diff_ids[i],
			      NULL, &e);
	if (r >= 0)
		r = sn->commit(u->s, u->snapshotter, chain, key, &labels, &e);
	if (r >= 0)
		return 0;
	(void)sn->remove(u->s, u->snapshotter, key, NULL);
	if (e.code == COR_ALREADY_EXISTS) /* somebody with another lock was faster: the same data */
		return 0;
	if (err)
		*err = e;
	return r;
}

static int unpack_layer(struct unpack *u, size_t i, const char *parent, const char *chain,
			struct cor_error *err)
{
	const struct cor_descriptor *layer = &u->image->manifest.layers[i];
	_cleanup_free_ char *ref = NULL;
	struct cor_writer *lock = NULL;
	int r;

	r = is_committed(u, chain, err);
	if (r != 0)
		return r < 0 ? r : 0;
	if (!cor_media_type_is_layer(layer->media_type))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "layer %s: unsupported media type \"%.100s\"",
				     layer->digest, layer->media_type);
	ref = cor_asprintf(COR_UNPACK_REF "%s-%s", u->snapshotter, chain);
	if (!ref)
		return cor_error_oom(err);
	r = u->s->content->writer(u->s, ref, 0, NULL, true, &lock, err);
	if (r < 0)
		return r;
	r = is_committed(u, chain, err);
	if (r == 0)
		r = extract(u, i, parent, chain, err);
	lock->ops->free(lock, true);
	if (r < 0)
		return r;
	return set_label(u->s, layer->digest, LABEL_UNCOMPRESSED, u->image->config.diff_ids[i], err);
}

static int unpack_layers(struct unpack *u, struct cor_error *err)
{
	size_t n = u->image->manifest.n;
	char parent[COR_DIGEST_MAX] = "", chain[COR_DIGEST_MAX];

	for (size_t i = 0; i < n; i++) {
		int r;

		if (u->progress && u->progress->fn)
			u->progress->fn("unpack", u->image->manifest.layers[i].digest, (int64_t)i, (int64_t)n,
					u->progress->data);
		cor_chain_id(parent, u->image->config.diff_ids[i], chain);
		r = unpack_layer(u, i, parent, chain, err);
		if (r < 0)
			return r;
		memcpy(parent, chain, sizeof(parent));
	}
	return 0;
}

/* Whether the config's label keeps the snapshot: 1, 0, -errno. With set, the label is written when it is not there. */
static int label_config(struct unpack *u, bool set, struct cor_error *err)
{
	struct cor_content_info info = {0};
	_cleanup_free_ char *key = cor_asprintf(LABEL_GC_SNAPSHOT "%s", u->snapshotter);
	const char *digest = u->image->manifest.config.digest, *have;
	bool same;
	int r;

	if (!key)
		return cor_error_oom(err);
	r = u->s->content->info(u->s, digest, &info, err);
	if (r < 0)
		return r;
	have = cor_map_get(&info.labels, key);
	same = have && streq(have, u->image->chain_id);
	cor_content_info_done(&info);
	if (same || !set)
		return same;
	r = set_label(u->s, digest, key, u->image->chain_id, err);
	return r < 0 ? r : 0;
}

/* A snapshot that was there already may be collected between our look and our label: look again after it. */
static int unpack_leased(struct unpack *u, struct cor_error *err)
{
	for (int tries = 0; tries < 5; tries++) {
		int r = is_committed(u, u->image->chain_id, err);

		if (r == 0)
			r = unpack_layers(u, err);
		if (r < 0)
			return r;
		r = label_config(u, true, err);
		if (r < 0)
			return r;
		r = is_committed(u, u->image->chain_id, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return cor_error_set(err, COR_ABORTED, "snapshot %s is removed again and again", u->image->chain_id);
}

static const char *snapshotter_name(struct cor_services *s, const char *name)
{
	if (!cor_empty(name))
		return name;
	return cor_empty(s->default_snapshotter) ? "overlayfs" : s->default_snapshotter;
}

int cor_unpack(struct cor_services *s, const struct cor_resolved_image *image, const char *snapshotter,
	       const struct cor_progress *progress, struct cor_error *err)
{
	struct unpack u = {s, image, snapshotter_name(s, snapshotter), progress};
	int r;

	if (image->manifest.n == 0)
		return 0;
	/* What each run of an unpacked image comes to: two look-ups, no lease. */
	r = label_config(&u, false, err);
	if (r > 0)
		r = is_committed(&u, image->chain_id, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = s->leases->begin(s, err);
	if (r < 0)
		return r;
	r = unpack_leased(&u, err);
	s->leases->end(s);
	return r < 0 ? r : 0;
}

int cor_is_unpacked(struct cor_services *s, const struct cor_resolved_image *image, const char *snapshotter,
		    bool *ret, struct cor_error *err)
{
	struct unpack u = {s, image, snapshotter_name(s, snapshotter), NULL};
	int r = image->manifest.n == 0 ? 1 : is_committed(&u, image->chain_id, err);

	if (r < 0)
		return r;
	*ret = r > 0;
	return 0;
}
