/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a checkpoint image to a container: its image's snapshot with the changes of back then, and its spec.
 *
 * `containers restore` takes image, snapshotter and runtime from the index, as ctr does; `run --checkpoint` is told them, and
 * checks that the image is the one. The spec is taken as it is, so restoring a checkpoint is trusting it; only the control
 * group is the new container's own: the old one may be in use.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/log.h"
#include "client/checkpoint.h"
#include "client/remap.h"
#include "client/runtime.h"
#include "client/task_io.h"
#include "oci/identifier.h"
#include "rpc/shim_api.h"
#include "rpc/wire.h"

#define SPEC_MAX    (16u << 20)
#define OPTIONS_MAX (1u << 20)

struct restorer {
	struct cor_services *s;
	const struct cor_create_options *create;
	const struct cor_restore_options *o;
	struct cor_index index;
	char *digest; /* of the index */
	struct cor_resolved_image image;
	const char *snapshotter, *runtime;
	json_t *spec;
	bool have_snapshot;
	struct cor_container c;
};

static void restorer_done(struct restorer *x)
{
	cor_index_done(&x->index);
	cor_resolved_image_done(&x->image);
	json_decref(x->spec);
	free(x->digest);
	cor_container_done(&x->c);
}

/* ---- reading the checkpoint ---------------------------------------------------------------------------------- */

static const struct cor_descriptor *child(const struct restorer *x, const char *media_type)
{
	for (size_t i = 0; i < x->index.n; i++)
		if (x->index.manifests[i].media_type && streq(x->index.manifests[i].media_type, media_type))
			return &x->index.manifests[i];
	return NULL;
}

static int open_index(struct restorer *x, struct cor_error *err)
{
	struct cor_image image = {0};
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r = x->s->images->get(x->s, x->o->ref, &image, err);
	if (r < 0)
		return r;
	if (!cor_media_type_is_index(image.target.media_type))
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "image \"%s\" is no checkpoint: %s", x->o->ref,
				  image.target.media_type);
	if (r >= 0)
		r = cor_content_read_all(x->s, image.target.digest, COR_MANIFEST_SIZE_MAX, &text, &n, err);
	if (r >= 0)
		r = cor_index_parse(text, n, image.target.media_type, &x->index, err);
	if (r >= 0 && !(x->digest = strdup(image.target.digest)))
		r = cor_error_oom(err);
	cor_image_done(&image);
	return r < 0 ? cor_error_wrap(err, r, "checkpoint %s", x->o->ref) : 0;
}

/* A packed google.protobuf.Any. The value is borrowed from data; *ret_type is the caller's. */
static int parse_any(const char *data, size_t n, char **ret_type, const uint8_t **ret_value, size_t *ret_len,
		     struct cor_error *err)
{
	struct cor_wire_reader reader;
	struct cor_wire_field f;
	_cleanup_free_ char *type = NULL;
	int r;
	*ret_value = (const uint8_t *)"";
	*ret_len = 0;
	cor_wire_reader_init(&reader, data, n);
	while ((r = cor_wire_next(&reader, &f)) > 0) {
		if (f.type != COR_WIRE_BYTES || f.number < 1 || f.number > 2)
			continue;
		if (f.number == 2) {
			*ret_value = f.data;
			*ret_len = f.len;
			continue;
		}
		free(type);
		type = strndup((const char *)f.data, f.len);
		if (!type)
			return cor_error_oom(err);
	}
	if (r < 0 || !type)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "not a packed value with a type");
	*ret_type = TAKE_PTR(type);
	return 0;
}

static int read_any(struct restorer *x, const char *media_type, size_t max, char **ret_text, char **ret_type,
		    const uint8_t **ret_value, size_t *ret_len, struct cor_error *err)
{
	const struct cor_descriptor *d = child(x, media_type);
	size_t n;
	if (!d)
		return cor_error_set(err, COR_NOT_FOUND, "media type not found");
	int r = cor_content_read_all(x->s, d->digest, max, ret_text, &n, err);
	if (r >= 0)
		r = parse_any(*ret_text, n, ret_type, ret_value, ret_len, err);
	return r < 0 ? cor_error_wrap(err, r, "%s", d->digest) : 0;
}

/* The old path is not the new container's: theirs may run beside it, and the end of one would be the end of both. systemd's
 * form (slice:prefix:name) has no place for the new name and is left. */
static int set_cgroup(struct restorer *x, struct cor_error *err)
{
	json_t *linux_part = json_object_get(x->spec, "linux");
	const char *old = json_string_value(json_object_get(linux_part, "cgroupsPath"));
	if (cor_empty(old) || strchr(old, ':'))
		return 0;
	json_t *path = json_sprintf("/%s/%s", x->create->spec.ns, x->create->spec.id);
	return json_object_set_new(linux_part, "cgroupsPath", path) < 0 ? cor_error_oom(err) : 0;
}

static int read_spec(struct restorer *x, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL, *type = NULL;
	const uint8_t *value;
	size_t n;
	int r = read_any(x, COR_MT_CHECKPOINT_CONFIG, SPEC_MAX, &text, &type, &value, &n, err);
	if (r >= 0 && !streq(type, COR_SPEC_TYPE))
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "type \"%.200s\" is no spec", type);
	if (r >= 0)
		r = cor_json_parse((const char *)value, n, "container spec", &x->spec, err);
	if (r >= 0 && (!json_is_object(x->spec) || !json_is_object(json_object_get(x->spec, "process"))))
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "the spec has no process");
	if (r >= 0)
		r = set_cgroup(x, err);
	return r < 0 ? cor_error_wrap(err, r, "spec of checkpoint %s", x->o->ref) : 0;
}

static int annotated(const struct restorer *x, const char *key, const char *what, const char **ret,
		     struct cor_error *err)
{
	*ret = cor_map_get(&x->index.annotations, key);
	return cor_empty(*ret) ? cor_error_set(err, COR_NOT_FOUND, "%s not found in index", what) : 0;
}

/* Is it the image that the checkpoint was made of? Its root file system counts; where that cannot be told, its digest. */
static int check_image(struct restorer *x, struct cor_error *err)
{
	for (size_t i = 0; i < x->index.n; i++) {
		const struct cor_descriptor *d = &x->index.manifests[i];
		struct cor_resolved_image theirs = {0};
		if (!cor_media_type_is_manifest(d->media_type) && !cor_media_type_is_index(d->media_type))
			continue;
		bool same = streq(d->digest, x->image.image.target.digest) ||
			    streq(d->digest, x->image.manifest_desc.digest);
		if (!same && cor_resolve_descriptor(x->s, d, NULL, &theirs, NULL) >= 0) {
			same = streq(theirs.chain_id, x->image.chain_id);
			cor_resolved_image_done(&theirs);
		}
		if (!same)
			return cor_error_set(err, COR_FAILED_PRECONDITION,
					     "checkpoint %s was made of image %s, which is not %s", x->o->ref,
					     d->digest, x->create->image);
	}
	return 0;
}

static int find_image(struct restorer *x, struct cor_error *err)
{
	const char *name = x->create->image;
	int r = 0;
	x->snapshotter = x->create->snapshotter;
	x->runtime = x->create->runtime;
	if (!name) {
		r = annotated(x, COR_CHECKPOINT_IMAGE, "image name", &name, err);
		if (r >= 0)
			r = annotated(x, COR_CHECKPOINT_SNAPSHOTTER, "snapshotter", &x->snapshotter, err);
		if (r >= 0)
			r = annotated(x, COR_CHECKPOINT_RUNTIME, "runtime", &x->runtime, err);
	}
	if (r >= 0)
		r = cor_resolve_image(x->s, name, NULL, &x->image, err);
	if (r >= 0 && x->create->image)
		r = check_image(x, err);
	if (cor_empty(x->snapshotter))
		x->snapshotter = x->s->default_snapshotter;
	return r;
}

/* ---- making the container ------------------------------------------------------------------------------------ */

/* A checkpoint may say what an image may: reserved labels are left out, but for the stop signal. */
static int restore_labels(struct restorer *x, struct cor_error *err)
{
	const char *text = cor_map_get(&x->index.annotations, COR_CHECKPOINT_LABELS);
	_cleanup_json_ json_t *all = NULL;
	_cleanup_map_ struct cor_map theirs = {0}, allowed = {0};
	int r = cor_container_labels(&x->image, x->create->spec.labels, &x->c.labels, err);
	if (r < 0 || cor_empty(text))
		return r;
	r = cor_json_parse(text, strlen(text), COR_CHECKPOINT_LABELS, &all, err);
	_cleanup_json_ json_t *outer = r >= 0 ? json_pack("{s:O}", "labels", all) : NULL;
	if (r >= 0)
		r = cor_json_get_map(outer, "labels", &theirs, err);
	if (r >= 0)
		r = cor_image_container_labels(&theirs, &allowed, err);
	for (size_t i = 0; r >= 0 && i < allowed.n; i++)
		if (!cor_map_get(&x->c.labels, allowed.keys[i]) &&
		    cor_map_set(&x->c.labels, allowed.keys[i], allowed.values[i]) < 0)
			r = cor_error_oom(err);
	return r < 0 ? cor_error_wrap(err, r, "checkpoint %s", x->o->ref) : 0;
}

static int restore_runtime_options(struct restorer *x, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL, *type = NULL;
	const uint8_t *value;
	size_t n;
	if (x->create->runtime)
		return cor_runtime_options(x->create, &x->c.runtime_options, err);
	if (!child(x, COR_MT_CHECKPOINT_RUNTIME_OPTIONS))
		return 0;
	int r = read_any(x, COR_MT_CHECKPOINT_RUNTIME_OPTIONS, OPTIONS_MAX, &text, &type, &value, &n, err);
	if (r >= 0 && *type && cor_any_set(&x->c.runtime_options, type, value, n) < 0)
		r = cor_error_oom(err);
	return r < 0 ? cor_error_wrap(err, r, "runtime options of checkpoint %s", x->o->ref) : 0;
}

/* The spec's maps as the flags have them. */
static int read_maps(const struct restorer *x, const char *key, char ***ret, struct cor_error *err)
{
	const json_t *list = json_object_get(json_object_get(x->spec, "linux"), key), *map;
	size_t i;
	json_array_foreach(list, i, map)
	{
		int64_t inside, outside, size;
		int r = cor_json_get_i64(map, "containerID", &inside, err);
		if (r >= 0)
			r = cor_json_get_i64(map, "hostID", &outside, err);
		if (r >= 0)
			r = cor_json_get_i64(map, "size", &size, err);
		if (r < 0)
			return r;
		if (cor_strv_push_take(
			    ret, cor_asprintf("%" PRId64 ":%" PRId64 ":%" PRId64, inside, outside, size)) < 0)
			return cor_error_oom(err);
	}
	return 0;
}

/* With a user namespace the container stands on a copy of its image with other owners, as it did. */
static int find_parent(struct restorer *x, struct cor_remap *ret, struct cor_error *err)
{
	struct cor_create_options o = *x->create;
	_cleanup_strv_ char **uids = NULL, **gids = NULL;
	int r = read_maps(x, "uidMappings", &uids, err);
	if (r >= 0)
		r = read_maps(x, "gidMappings", &gids, err);
	if (r < 0 || (!uids && !gids))
		return r;
	o.spec.uid_maps = uids;
	o.spec.gid_maps = gids;
	return cor_remap_image(x->s, &x->image, x->snapshotter, &o, ret, err);
}

static int prepare(struct restorer *x, const struct cor_remap *remap, const struct cor_map *labels,
		   struct cor_mounts *ret, struct cor_error *err)
{
	const char *key = x->create->spec.id, *parent = remap->parent ? remap->parent : x->image.chain_id;
	struct cor_error e = {0};
	int r = x->s->snapshots->prepare(x->s, x->snapshotter, key, parent, labels, ret, &e);
	if (r < 0 && e.code == COR_ALREADY_EXISTS) {
		int again = cor_reclaim_snapshot(x->s, key, err);
		if (again < 0)
			return again;
		if (again > 0)
			return x->s->snapshots->prepare(x->s, x->snapshotter, key, parent, labels, ret, err);
	}
	if (r < 0 && err)
		*err = e;
	return r;
}

static int make_snapshot(struct restorer *x, struct cor_error *err)
{
	struct cor_remap remap = {0};
	_cleanup_map_ struct cor_map labels = {0};
	_cleanup_mounts_ struct cor_mounts mounts = {0};
	const struct cor_descriptor *rw = child(x, COR_MT_OCI_LAYER_GZIP);
	if (x->o->rw && !rw && !x->o->live)
		return cor_error_set(err, COR_NOT_FOUND, "checkpoint %s: media type not found", x->o->ref);
	int r = cor_labels_from_strv(x->create->snapshotter_labels, &labels, err);
	if (r >= 0)
		r = find_parent(x, &remap, err);
	if (r >= 0)
		r = prepare(x, &remap, &labels, &mounts, err);
	cor_remap_done(&remap);
	if (r < 0)
		return r;
	x->have_snapshot = true;
	return x->o->rw && rw ? x->s->diff->apply(x->s, rw, &mounts, NULL, NULL, err) : 0;
}

static int record(struct restorer *x, struct cor_error *err)
{
	struct cor_container *c = &x->c;
	c->id = strdup(x->create->spec.id);
	c->image = strdup(x->image.image.name);
	c->runtime = strdup(x->runtime);
	c->spec = cor_json_dump(x->spec);
	c->snapshotter = strdup(x->snapshotter);
	c->snapshot_key = strdup(x->create->spec.id);
	c->sandbox_id = strdup("");
	if (!c->id || !c->image || !c->runtime || !c->spec || !c->snapshotter || !c->snapshot_key ||
	    !c->sandbox_id)
		return cor_error_oom(err);
	int r = restore_labels(x, err);
	if (r >= 0)
		r = restore_runtime_options(x, err);
	return r < 0 ? r : x->s->containers->create(x->s, c, err);
}

static int read_checkpoint(struct restorer *x, struct cor_descriptor *ret_criu, struct cor_error *err)
{
	int r = cor_identifier_validate("container.ID", x->create->spec.id, err);
	if (r >= 0)
		r = open_index(x, err);
	if (r >= 0)
		r = find_image(x, err);
	if (r >= 0)
		r = read_spec(x, err);
	if (r < 0 || !x->o->live)
		return r;
	const struct cor_descriptor *criu = child(x, COR_MT_CHECKPOINT);
	if (!criu)
		return cor_error_set(err, COR_NOT_FOUND, "checkpoint not found in index %s", x->digest);
	return cor_descriptor_copy(ret_criu, criu) < 0 ? cor_error_oom(err) : 0;
}

static int make_container(struct restorer *x, struct cor_error *err)
{
	struct cor_error e = {0};
	int r = cor_unpack(x->s, &x->image, x->snapshotter, NULL, err);
	if (r >= 0 && x->create->signals)
		r = cor_signals_block(x->create->signals, err);
	if (r >= 0)
		r = make_snapshot(x, err);
	if (r >= 0)
		r = record(x, err);
	if (r < 0 && x->have_snapshot &&
	    x->s->snapshots->remove(x->s, x->snapshotter, x->create->spec.id, &e) < 0)
		cor_warn("remove snapshot %s: %s", x->create->spec.id, e.message);
	return r;
}

int cor_restore_container(struct cor_services *s, const struct cor_create_options *create,
			  const struct cor_restore_options *o, struct cor_container *ret,
			  struct cor_descriptor *ret_criu, bool *ret_tty, struct cor_error *err)
{
	struct restorer x = {.s = s, .create = create, .o = o};
	struct cor_descriptor criu = {0};
	int r = read_checkpoint(&x, &criu, err);
	if (r >= 0)
		r = s->leases->begin(s, err);
	if (r >= 0) {
		r = make_container(&x, err);
		s->leases->end(s);
	}
	if (r >= 0)
		*ret_tty = json_is_true(json_object_get(json_object_get(x.spec, "process"), "terminal"));
	if (r >= 0) {
		*ret = x.c;
		*ret_criu = criu;
		x.c = (struct cor_container){0};
	} else {
		cor_descriptor_done(&criu);
	}
	restorer_done(&x);
	return r < 0 ? r : 0;
}
