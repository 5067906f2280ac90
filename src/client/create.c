/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a container: image -> snapshot -> spec -> record, in that order, because the spec's user comes from the root
 * file system. Each step undoes the ones before it when it fails.
 */
#include "client/network.h"

#include <errno.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "client/remap.h"
#include "client/runtime.h"
#include "oci/identifier.h"

struct builder {
	struct cor_services *s;
	const struct cor_create_options *o;
	const char *snapshotter;
	struct cor_resolved_image image;
	bool have_image;
	struct cor_map labels;
	struct cor_remap remap; /* parent NULL: none */
	const char *key;        /* of the snapshot made, NULL: none */
	struct cor_mounts mounts;
};

static void builder_done(struct builder *b)
{
	cor_resolved_image_done(&b->image);
	cor_map_done(&b->labels);
	cor_remap_done(&b->remap);
	cor_mounts_done(&b->mounts);
}

static int resolve(struct builder *b, struct cor_error *err)
{
	int r = cor_resolve_image(b->s, b->o->image, b->o->platform, &b->image, err);
	if (r < 0)
		return r;
	b->have_image = true;
	/* Unpacks only what is missing; a later `images delete` cannot pull it away: the snapshot's parent stays. */
	return cor_unpack(b->s, &b->image, b->snapshotter, NULL, err);
}

/* view: only to look into; else the container's own, writable one. */
static int make_snapshot(struct builder *b, const char *key, bool view, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	int r = cor_labels_from_strv(b->o->snapshotter_labels, &labels, err);
	if (r < 0)
		return r;
	const struct cor_snapshot_ops *ops = b->s->snapshots;
	const char *parent = b->remap.parent ? b->remap.parent : b->image.chain_id;
	r = (view ? ops->view : ops->prepare)(b->s, b->snapshotter, key, parent,
					      b->remap.parent ? &b->remap.labels : &labels, &b->mounts, err);
	if (r >= 0)
		b->key = key;
	return r;
}

/* The root file system, to look users up in; -1 (and 0) when nothing is to be looked up. */
static int open_rootfs(struct builder *b, int *ret_fd, struct cor_error *err)
{
	const struct cor_spec_options *so = &b->o->spec;
	*ret_fd = -1;
	if (!cor_spec_needs_rootfs(so, b->have_image ? &b->image.config : NULL))
		return 0;
	int fd = so->rootfs ? cor_open_dir(so->rootfs, err) : cor_mounts_open_view(&b->mounts, true, err);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

int cor_reclaim_snapshot(struct cor_services *s, const char *key, struct cor_error *err)
{
	struct cor_container c = {0};
	if (!s->gc)
		return 0;
	if (s->containers->get(s, key, &c, NULL) >= 0) {
		cor_container_done(&c);
		return 0;
	}
	s->leases->end(s); /* our own lease holds the name, too */
	int r = s->gc->run(s, false, NULL, NULL, err);
	if (r >= 0)
		r = s->leases->begin(s, err);
	return r < 0 ? r : 1;
}

static int make_own_snapshot(struct builder *b, const char *key, bool view, struct cor_error *err)
{
	struct cor_error e = {0}, found = {0};
	int r = make_snapshot(b, key, view, &found);
	if (r < 0 && found.code == COR_ALREADY_EXISTS) {
		int again = cor_reclaim_snapshot(b->s, key, &e);
		if (again < 0)
			found = e;
		if (again > 0) {
			cor_error_clear(&found);
			r = make_snapshot(b, key, view, &found);
		}
	}
	if (r < 0 && err)
		*err = found;
	return r;
}

static int build_spec(struct builder *b, json_t **ret, struct cor_error *err)
{
	_cleanup_close_ int rootfs = -1;
	int r = open_rootfs(b, &rootfs, err);
	return r < 0 ? r
		     : cor_spec_build(&b->o->spec, b->have_image ? &b->image.config : NULL, rootfs, ret, err);
}

static int record(struct builder *b, const json_t *spec, struct cor_container *ret, struct cor_error *err)
{
	const struct cor_create_options *o = b->o;
	struct cor_container c = {
		.id = strdup(o->spec.id),
		.image = strdup(b->have_image ? b->image.image.name : ""),
		.runtime = strdup(o->runtime ? o->runtime : COR_RUNTIME_DEFAULT),
		.spec = cor_json_dump(spec),
		.snapshotter = strdup(b->key ? b->snapshotter : ""),
		.snapshot_key = strdup(b->key ? b->key : ""),
		.sandbox_id = strdup(o->sandbox ? o->sandbox : ""),
	};
	int r = 0;
	if (!c.id || !c.image || !c.runtime || !c.spec || !c.snapshotter || !c.snapshot_key ||
	    !c.sandbox_id || cor_map_copy(&c.labels, &b->labels) < 0)
		r = cor_error_oom(err);
	if (r == 0)
		r = cor_runtime_options(o, &c.runtime_options, err);
	if (r == 0)
		r = cor_network_extensions(o, &c.extensions, err);
	if (r == 0)
		r = b->s->containers->create(b->s, &c, err);
	if (r < 0) {
		cor_container_done(&c);
		return r;
	}
	*ret = c;
	return 0;
}

int cor_create_check(const struct cor_create_options *o, struct cor_error *err)
{
	int r = cor_identifier_validate("container.ID", o->spec.id, err);
	if (r < 0)
		return cor_error_wrap(err, r, "create container failed validation");
	/* What the flags alone get wrong shows before anything is made. */
	if (o->spec.rootfs && cor_strv_len(o->spec.args) == 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "a command must be given with a custom rootfs");
	if (o->remap_labels && !cor_spec_has_userns(&o->spec))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "flag --remap-labels needs --uidmap and --gidmap");
	if (o->spec.config_file && cor_spec_has_userns(&o->spec))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "--uidmap and --gidmap need an image: give the maps in the config file");
	r = cor_spec_check(&o->spec, err);
	if (r < 0)
		return r;
	struct cor_any ignored = {0};
	r = cor_runtime_options(o, &ignored, err);
	cor_any_done(&ignored);
	return r;
}

static int prepare(struct builder *b, const char *key, bool view, json_t **ret, struct cor_error *err)
{
	int r = 0;
	if (b->o->image)
		r = resolve(b, err);
	if (r >= 0)
		r = cor_container_labels(b->have_image ? &b->image : NULL, b->o->spec.labels, &b->labels,
					 err);
	if (r >= 0 && !view)
		r = cor_spec_prepare_host(&b->o->spec, err);
	if (r >= 0)
		r = b->s->leases->begin(b->s, err);
	if (r < 0)
		return r;
	/* The spec is the same without it. */
	if (b->have_image && !view && cor_spec_has_userns(&b->o->spec))
		r = cor_remap_image(b->s, &b->image, b->snapshotter, b->o, &b->remap, err);
	if (r >= 0 && b->o->signals)
		r = cor_signals_block(b->o->signals, err);
	if (r >= 0 && b->have_image)
		r = make_own_snapshot(b, key, view, err);
	if (r >= 0)
		r = build_spec(b, ret, err);
	return r;
}

static void undo_snapshot(struct builder *b)
{
	struct cor_error e = {0};
	if (b->key && b->s->snapshots->remove(b->s, b->snapshotter, b->key, &e) < 0)
		cor_warn("remove snapshot %s: %s", b->key, e.message);
}

int cor_create_container(struct cor_services *s, const struct cor_create_options *o,
			 struct cor_container *ret, struct cor_error *err)
{
	struct builder b = {.s = s, .o = o};
	b.snapshotter = cor_empty(o->snapshotter) ? s->default_snapshotter : o->snapshotter;
	_cleanup_json_ json_t *spec = NULL;
	int r = cor_create_check(o, err);
	if (r >= 0)
		r = cor_network_check(o, err);
	if (r < 0)
		return r;
	r = prepare(&b, o->spec.id, false, &spec, err);
	if (r >= 0)
		r = cor_network_check_spec(o, spec, err);
	if (r >= 0)
		r = record(&b, spec, ret, err);
	if (r < 0)
		undo_snapshot(&b);
	s->leases->end(s);
	builder_done(&b);
	return r < 0 ? r : 0;
}

int cor_dump_spec(struct cor_services *s, const struct cor_create_options *o, json_t **ret,
		  struct cor_error *err)
{
	struct builder b = {.s = s, .o = o};
	b.snapshotter = cor_empty(o->snapshotter) ? s->default_snapshotter : o->snapshotter;
	char key[40], random[17];
	cor_random_hex(random, 16);
	(void)snprintf(key, sizeof(key), "dump-%s", random);
	int r = cor_create_check(o, err);
	if (r < 0)
		return r;
	r = prepare(&b, key, true, ret, err);
	undo_snapshot(&b);
	s->leases->end(s);
	builder_done(&b);
	return r < 0 ? r : 0;
}
