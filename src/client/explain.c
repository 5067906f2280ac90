/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `run --explain`: the way of create.c, without making anything. The image's users are looked up in its committed snapshot,
 * which needs no snapshot of its own.
 */
#include "client/network.h"

#include "base/fd.h"
#include "base/path.h"
#include "client/runtime.h"

struct explainer {
	struct cor_services *s;
	const struct cor_create_options *o;
	struct cor_explain *x;
	const char *snapshotter;
	struct cor_resolved_image image;
	bool have_image;
};

/* The part from a flag when that was given, over its default (NULL: none); nothing where there is neither. */
static int part(struct explainer *e, const char *path, const char *def, const char *flag, const char *value,
		struct cor_error *err)
{
	int r = def ? cor_explain_set(e->x, path, "default", def, err) : 0;
	if (r >= 0 && !cor_empty(value) && !(def && streq(def, value)))
		r = cor_explain_set(e->x, path, flag, value, err);
	return r;
}

static int resolve(struct explainer *e, struct cor_error *err)
{
	bool unpacked = false;
	int r = cor_resolve_image(e->s, e->o->image, e->o->platform, &e->image, err);
	if (r < 0)
		return r;
	e->have_image = true;
	r = cor_is_unpacked(e->s, &e->image, e->snapshotter, &unpacked, err);
	if (r >= 0 && !unpacked)
		r = cor_error_set(err, COR_FAILED_PRECONDITION,
				  "image \"%s\" is not unpacked, and nothing is to be made: "
				  "unpack it first, with \"snapshots unpack %s\"",
				  e->o->image, e->image.manifest_desc.digest);
	return r;
}

/* An image without layers has an empty root. */
static int empty_root(struct cor_mounts *ret, struct cor_error *err)
{
	_cleanup_strv_ char **options = NULL;
	if (cor_strv_push(&options, "ro") < 0 || cor_mounts_add(ret, "tmpfs", "tmpfs", NULL, options) < 0)
		return cor_error_oom(err);
	return 0;
}

/* As open_rootfs of create.c; *ret_fd stays -1 where nothing is to be looked up. */
static int open_rootfs(struct explainer *e, int *ret_fd, struct cor_error *err)
{
	const struct cor_spec_options *so = &e->o->spec;
	_cleanup_mounts_ struct cor_mounts m = {0};
	int fd, r = 0;
	if (!cor_spec_needs_rootfs(so, e->have_image ? &e->image.config : NULL))
		return 0;
	if (so->rootfs) {
		fd = cor_open_dir(so->rootfs, err);
	} else {
		r = *e->image.chain_id
			    ? e->s->snapshots->look(e->s, e->snapshotter, e->image.chain_id, &m, err)
			    : empty_root(&m, err);
		fd = r < 0 ? r : cor_mounts_open_view(&m, false, err);
	}
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int explain_spec(struct explainer *e, struct cor_error *err)
{
	_cleanup_close_ int rootfs = -1;
	_cleanup_json_ json_t *spec = NULL;
	struct cor_spec_options o = e->o->spec;
	int r = open_rootfs(e, &rootfs, err);
	if (r < 0)
		return r;
	o.explain = e->x;
	r = cor_spec_build(&o, e->have_image ? &e->image.config : NULL, rootfs, &spec, err);
	return r < 0 ? r : cor_network_check_spec(e->o, spec, err);
}

static int explain_image(struct explainer *e, struct cor_error *err)
{
	char host[128];
	struct cor_platform p;
	cor_platform_host(&p);
	_cleanup_free_ char *source = cor_empty(e->o->platform)
					      ? cor_asprintf("default %s", cor_platform_format(&p, host))
					      : strdup("--platform");
	if (!source)
		return cor_error_oom(err);
	int r = cor_explain_set(e->x, "container.image", "argument", e->image.image.name, err);
	if (r >= 0)
		r = cor_explain_set(e->x, "container.image.manifest", source, e->image.manifest_desc.digest,
				    err);
	return r < 0 ? r
		     : cor_explain_set(e->x, "container.image.platform", "image",
				       cor_platform_format(&e->image.config.platform, host), err);
}

static int explain_snapshot(struct explainer *e, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	int r = cor_labels_from_strv(e->o->snapshotter_labels, &labels, err);
	if (r >= 0)
		r = cor_explain_set(e->x, "container.snapshotter", "default", e->s->default_snapshotter, err);
	if (r >= 0)
		r = cor_explain_set(e->x, "container.snapshot_key", "argument", e->o->spec.id, err);
	if (r >= 0)
		r = part(e, "container.snapshot.parent", NULL, "image", e->image.chain_id, err);
	if (r >= 0 && cor_strv_len(e->o->spec.uid_maps) > 0)
		r = cor_explain_set(e->x, "container.snapshot.owners", "--uidmap, --gidmap",
				    "changed in a copy of the image's", err);
	if (r >= 0 && e->o->remap_labels)
		r = cor_explain_set(e->x, "container.snapshot.owners", "--remap-labels",
				    "mapped by the mounts where they can", err);
	for (size_t i = 0; r >= 0 && i < labels.n; i++) {
		_cleanup_free_ char *path = cor_asprintf("container.snapshot.labels[%s]", labels.keys[i]);
		r = path ? cor_explain_set(e->x, path, "--snapshotter-label", labels.values[i], err)
			 : cor_error_oom(err);
	}
	return r;
}

static int explain_runtime(struct explainer *e, struct cor_error *err)
{
	const struct cor_create_options *o = e->o;
	int r = cor_explain_set(e->x, "container.runtime", "default", COR_RUNTIME_DEFAULT, err);
	if (r >= 0)
		r = part(e, "container.runtime.options.binary_name", NULL, "--runc-binary", o->runc_binary,
			 err);
	if (r >= 0)
		r = part(e, "container.runtime.options.root", NULL, "--runc-root", o->runc_root, err);
	if (r >= 0)
		r = part(e, "container.runtime.options.systemd_cgroup", NULL, "--runc-systemd-cgroup",
			 o->runc_systemd_cgroup ? "true" : NULL, err);
	return r < 0 ? r
		     : part(e, "container.runtime.options.config_path", NULL, "--runtime-config-path",
			    o->runtime_config_path, err);
}

static int explain_network(struct explainer *e, struct cor_error *err)
{
	_cleanup_map_ struct cor_map extensions = {0};
	int r = cor_network_extensions(e->o, &extensions, err);
	for (size_t i = 0; r >= 0 && i < extensions.n; i++) {
		bool ports = streq(extensions.keys[i], COR_NETWORK_EXTENSION);
		_cleanup_free_ char *path = cor_asprintf("container.extensions[%s]", extensions.keys[i]);
		r = path ? cor_explain_set(e->x, path, ports ? "--publish" : "--cni", extensions.values[i],
					   err)
			 : cor_error_oom(err);
	}
	return r < 0 ? r : part(e, "container.sandbox_id", NULL, "--sandbox", e->o->sandbox, err);
}

static int explain_record(struct explainer *e, struct cor_error *err)
{
	int r = cor_explain_set(e->x, "container.id", "argument", e->o->spec.id, err);
	if (r >= 0 && e->have_image)
		r = explain_image(e, err);
	if (r >= 0)
		r = cor_explain_labels(e->have_image ? &e->image : NULL, e->o->spec.labels, e->x, err);
	if (r >= 0 && e->have_image)
		r = explain_snapshot(e, err);
	if (r >= 0)
		r = explain_network(e, err);
	return r < 0 ? r : explain_runtime(e, err);
}

int cor_explain_container(struct cor_services *s, const struct cor_create_options *o, struct cor_explain *x,
			  struct cor_error *err)
{
	struct explainer e = {.s = s, .o = o, .x = x};
	e.snapshotter = cor_empty(o->snapshotter) ? s->default_snapshotter : o->snapshotter;
	int r = cor_create_check(o, err);
	if (r >= 0)
		r = cor_network_check(o, err);
	if (r >= 0 && o->image)
		r = resolve(&e, err);
	if (r >= 0)
		r = explain_spec(&e, err);
	if (r >= 0)
		r = explain_record(&e, err);
	cor_resolved_image_done(&e.image);
	return r < 0 ? r : 0;
}
