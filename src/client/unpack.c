/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers into snapshots: for each layer, the committed snapshot that is named by its chain ID.
 *
 *  1. A snapshot with a chain ID's name holds exactly that chain: it is committed only after the layer's digest and
 *     diffID were verified over the whole stream.
 *  2. One process on the machine extracts a chain into a snapshotter at a time (client/committed.h). Who waited for it finds
 *     the snapshot there.
 *  3. What is extracted is kept from garbage collection by an operation lease until the config's label
 *     containerd.io/gc.ref.snapshot.<snapshotter> refers to it.
 */
#include "client/committed.h"
#include "client/import_internal.h"
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

static int is_committed(struct unpack *u, const char *chain, struct cor_error *err)
{
	return cor_is_committed(u->s, u->snapshotter, chain, err);
}

static int set_label(struct cor_services *s, const char *digest, const char *key, const char *value,
		     struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};

	if (cor_map_set(&labels, key, value) < 0)
		return cor_error_oom(err);
	return s->content->label(s, digest, &labels, false, err);
}

struct extraction {
	struct unpack *u;
	size_t layer;
};

static int extract(const struct cor_mounts *mounts, void *data, struct cor_error *err)
{
	const struct extraction *x = data;
	const struct cor_resolved_image *image = x->u->image;

	return x->u->s->diff->apply(x->u->s, &image->manifest.layers[x->layer], mounts,
				    image->config.diff_ids[x->layer], NULL, err);
}

static int unpack_layer(struct unpack *u, size_t i, const char *parent, const char *chain,
			struct cor_error *err)
{
	const struct cor_descriptor *layer = &u->image->manifest.layers[i];
	_cleanup_map_ struct cor_map labels = {0};
	struct extraction x = {u, i};
	const struct cor_committed c = {.snapshotter = u->snapshotter,
					.name = chain,
					.parent = parent,
					.labels = &labels,
					.prefix = "extract",
					.what = "unpack",
					.subject = chain,
					.fill = extract,
					.data = &x};
	int r = is_committed(u, chain, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (!cor_media_type_is_layer(layer->media_type))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "layer %s: unsupported media type \"%.100s\"",
				     layer->digest, layer->media_type);
	if (cor_map_set(&labels, LABEL_SNAPSHOT_REF, chain) < 0)
		return cor_error_oom(err);
	r = cor_make_committed(u->s, &c, err);
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
