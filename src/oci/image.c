/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image documents. A document is only accepted as what its descriptor says it is: one that could be read both as an
 * index and as a manifest (CVE-2021-41190), whose mediaType says otherwise, or that is schema 1, is an error.
 */
#include "oci/image.h"

#include <errno.h>
#include <stdio.h>

#include "oci/digest.h"
#include "oci/identifier.h"

/* Bounds what one document makes us walk and allocate. */
#define DESCRIPTORS_MAX 10000
#define LAYERS_MAX      1000

static int copy_str(const json_t *obj, const char *key, char **ret, struct cor_error *err)
{
	const char *s;
	int r = cor_json_get_str(obj, key, &s, err);

	if (r < 0)
		return r;
	*ret = strdup(s ? s : "");
	return *ret ? 0 : cor_error_oom(err);
}

static int copy_field(const json_t *obj, const char *key, char *field, size_t size, struct cor_error *err)
{
	const char *s;
	int r = cor_json_get_str(obj, key, &s, err);

	if (r < 0)
		return r;
	if (s && strlen(s) >= size)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: longer than %zu characters", key,
				     size - 1);
	snprintf(field, size, "%s", s ? s : "");
	return 0;
}

static int features_parse(const json_t *obj, struct cor_platform *p, struct cor_error *err)
{
	_cleanup_strv_ char **features = NULL;
	int r = cor_json_get_strv(obj, "os.features", &features, err);

	for (char **f = features; r >= 0 && f && *f; f++) {
		r = cor_platform_add_feature(p, *f);
		if (r == -ENOSPC)
			r = cor_error_set(err, COR_INVALID_ARGUMENT,
					  "os.features: longer than %zu characters",
					  sizeof(p->os_features) - 1);
		else if (r < 0)
			r = cor_error_oom(err);
	}
	return r;
}

static int platform_parse(const json_t *obj, struct cor_platform *p, struct cor_error *err)
{
	int r;

	if ((r = copy_field(obj, "os", p->os, sizeof(p->os), err)) < 0 ||
	    (r = copy_field(obj, "architecture", p->architecture, sizeof(p->architecture), err)) < 0 ||
	    (r = copy_field(obj, "variant", p->variant, sizeof(p->variant), err)) < 0 ||
	    (r = copy_field(obj, "os.version", p->os_version, sizeof(p->os_version), err)) < 0)
		return r;
	return features_parse(obj, p, err);
}

static int descriptor_fill(const json_t *obj, struct cor_descriptor *d, struct cor_error *err)
{
	const json_t *platform = json_object_get(obj, "platform");
	int r;

	if ((r = copy_str(obj, "mediaType", &d->media_type, err)) < 0 ||
	    (r = copy_str(obj, "digest", &d->digest, err)) < 0 ||
	    (r = cor_digest_validate(d->digest, err)) < 0 ||
	    (r = cor_json_get_i64(obj, "size", &d->size, err)) < 0 ||
	    (r = cor_json_get_map(obj, "annotations", &d->annotations, err)) < 0)
		return r;
	if (d->size < 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "descriptor of %s: negative size", d->digest);
	if (!platform || json_is_null(platform))
		return 0;
	if (!json_is_object(platform))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "platform: expected object");
	d->platform = calloc(1, sizeof(*d->platform));
	if (!d->platform)
		return cor_error_oom(err);
	return platform_parse(platform, d->platform, err);
}

int cor_descriptor_parse(const json_t *obj, struct cor_descriptor *ret, struct cor_error *err)
{
	struct cor_descriptor d = {0};
	int r;

	if (!json_is_object(obj))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "descriptor: expected object");
	r = descriptor_fill(obj, &d, err);
	if (r < 0) {
		cor_descriptor_done(&d);
		return r;
	}
	*ret = d;
	return 0;
}

static int set_str(json_t *obj, const char *key, const char *value)
{
	return cor_empty(value) ? 0 : json_object_set_new(obj, key, json_string(value));
}

static json_t *features_json(const struct cor_platform *p)
{
	_cleanup_json_ json_t *list = json_array();
	_cleanup_strv_ char **features = cor_strv_split(p->os_features, '+');

	for (char **f = features; f && *f; f++)
		if (**f &&
		    (cor_platform_unescape(*f) < 0 || json_array_append_new(list, json_string(*f)) < 0))
			return NULL;
	return features ? TAKE_PTR(list) : NULL;
}

json_t *cor_descriptor_to_json(const struct cor_descriptor *d)
{
	_cleanup_json_ json_t *obj = json_object();

	if (!obj || set_str(obj, "mediaType", d->media_type) < 0 || set_str(obj, "digest", d->digest) < 0 ||
	    json_object_set_new(obj, "size", json_integer(d->size)) < 0)
		return NULL;
	if (d->annotations.n > 0 &&
	    json_object_set_new(obj, "annotations", cor_json_from_map(&d->annotations)) < 0)
		return NULL;
	if (d->platform) {
		json_t *p = json_object();
		_cleanup_json_ json_t *features = features_json(d->platform);

		if (json_object_set_new(obj, "platform", p) < 0 ||
		    set_str(p, "architecture", d->platform->architecture) < 0 ||
		    set_str(p, "os", d->platform->os) < 0 ||
		    set_str(p, "os.version", d->platform->os_version) < 0 ||
		    set_str(p, "variant", d->platform->variant) < 0)
			return NULL;
		if (!features ||
		    (json_array_size(features) > 0 && json_object_set(p, "os.features", features) < 0))
			return NULL;
	}
	return TAKE_PTR(obj);
}

static int descriptors_parse(const json_t *list, const char *key, size_t max, struct cor_descriptor **ret,
			     size_t *ret_n, struct cor_error *err)
{
	size_t n = json_array_size(list);
	int r;

	if (list && !json_is_null(list) && !json_is_array(list))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: expected array", key);
	if (n > max)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: more than %zu entries", key, max);
	*ret = cor_new0(struct cor_descriptor, n ? n : 1);
	if (!*ret)
		return cor_error_oom(err);
	for (size_t i = 0; i < n; i++, *ret_n = i) {
		r = cor_descriptor_parse(json_array_get(list, i), &(*ret)[i], err);
		if (r < 0)
			return cor_error_wrap(err, r, "%s", key);
	}
	return 0;
}

static void descriptors_free(struct cor_descriptor *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		cor_descriptor_done(&list[i]);
	free(list);
}

static bool is_present(const json_t *doc, const char *key)
{
	const json_t *v = json_object_get(doc, key);

	return v && !json_is_null(v);
}

/* What every index and manifest must fulfil; `kind` is "index" or "manifest". */
static int check_document(const json_t *doc, const char *kind, const char *expected,
			  const char **ret_media_type, struct cor_error *err)
{
	bool index = streq(kind, "index");
	const char *mt;
	int64_t version;
	int r;

	if (!json_is_object(doc))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: expected a JSON object", kind);
	if ((r = cor_json_get_i64(doc, "schemaVersion", &version, err)) < 0 ||
	    (r = cor_json_get_str(doc, "mediaType", &mt, err)) < 0)
		return cor_error_wrap(err, r, "%s", kind);
	if (version == 1 || is_present(doc, "fsLayers"))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "media-type: schema 1 not supported");
	if (version != 0 && version != 2)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: unsupported schemaVersion %lld", kind,
				     (long long)version);
	if (index &&
	    (is_present(doc, "config") || is_present(doc, "layers") || cor_media_type_is_manifest(mt)))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "media-type: expected index but found manifest");
	if (!index && (is_present(doc, "manifests") || cor_media_type_is_index(mt)))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "media-type: expected manifest but found index");
	if (!cor_empty(mt) && !(index ? cor_media_type_is_index(mt) : cor_media_type_is_manifest(mt)))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: unsupported media type \"%.100s\"", kind,
				     mt);
	if (!cor_empty(mt) && !cor_empty(expected) && !streq(mt, expected))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "media-type: descriptor says \"%.100s\" but the document \"%.100s\"",
				     expected, mt);
	*ret_media_type = !cor_empty(mt) ? mt : expected;
	return 0;
}

static int check_size(const char *kind, size_t len, size_t max, struct cor_error *err)
{
	if (len > max)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: %zu bytes is more than the limit of %zu",
				     kind, len, max);
	return 0;
}

void cor_index_done(struct cor_index *i)
{
	descriptors_free(i->manifests, i->n);
	cor_map_done(&i->annotations);
	*i = (struct cor_index){0};
}

int cor_index_parse(const char *text, size_t len, const char *media_type, struct cor_index *ret,
		    struct cor_error *err)
{
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_(cor_index_done) struct cor_index i = {0};
	const char *mt;
	int r;

	if ((r = check_size("index", len, COR_MANIFEST_SIZE_MAX, err)) < 0 ||
	    (r = cor_json_parse(text, len, "index", &doc, err)) < 0 ||
	    (r = check_document(doc, "index", media_type, &mt, err)) < 0 ||
	    (r = descriptors_parse(json_object_get(doc, "manifests"), "manifests", DESCRIPTORS_MAX,
				   &i.manifests, &i.n, err)) < 0 ||
	    (r = cor_json_get_map(doc, "annotations", &i.annotations, err)) < 0)
		return r;
	*ret = i;
	i = (struct cor_index){0};
	return 0;
}

void cor_manifest_done(struct cor_manifest *m)
{
	free(m->media_type);
	cor_descriptor_done(&m->config);
	descriptors_free(m->layers, m->n);
	cor_map_done(&m->annotations);
	*m = (struct cor_manifest){0};
}

int cor_manifest_parse(const char *text, size_t len, const char *media_type, struct cor_manifest *ret,
		       struct cor_error *err)
{
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_(cor_manifest_done) struct cor_manifest m = {0};
	const char *mt;
	int r;

	if ((r = check_size("manifest", len, COR_MANIFEST_SIZE_MAX, err)) < 0 ||
	    (r = cor_json_parse(text, len, "manifest", &doc, err)) < 0 ||
	    (r = check_document(doc, "manifest", media_type, &mt, err)) < 0)
		return r;
	r = cor_descriptor_parse(json_object_get(doc, "config"), &m.config, err);
	if (r < 0)
		return cor_error_wrap(err, r, "manifest: config");
	if ((r = descriptors_parse(json_object_get(doc, "layers"), "layers", LAYERS_MAX, &m.layers, &m.n,
				   err)) < 0 ||
	    (r = cor_json_get_map(doc, "annotations", &m.annotations, err)) < 0)
		return cor_error_wrap(err, r, "manifest");
	m.media_type = strdup(mt ? mt : COR_MT_OCI_MANIFEST);
	if (!m.media_type)
		return cor_error_oom(err);
	*ret = m;
	m = (struct cor_manifest){0};
	return 0;
}

void cor_image_config_done(struct cor_image_config *c)
{
	cor_strv_free(c->diff_ids);
	cor_strv_free(c->env);
	cor_strv_free(c->entrypoint);
	cor_strv_free(c->cmd);
	free(c->user);
	free(c->working_dir);
	free(c->stop_signal);
	cor_map_done(&c->labels);
	*c = (struct cor_image_config){0};
}

static int diff_ids_parse(const json_t *rootfs, struct cor_image_config *c, struct cor_error *err)
{
	const char *type;
	int r;

	if (rootfs && !json_is_null(rootfs) && !json_is_object(rootfs))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "rootfs: expected object");
	if ((r = cor_json_get_str(rootfs, "type", &type, err)) < 0 ||
	    (r = cor_json_get_strv(rootfs, "diff_ids", &c->diff_ids, err)) < 0)
		return r;
	if (!cor_empty(type) && !streq(type, "layers"))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "rootfs: unsupported type \"%.64s\"", type);
	for (char **d = c->diff_ids; d && *d; d++)
		if ((r = cor_digest_validate(*d, err)) < 0)
			return cor_error_wrap(err, r, "rootfs: diff_ids");
	return 0;
}

static int process_parse(const json_t *config, struct cor_image_config *c, struct cor_error *err)
{
	int r;

	if (config && !json_is_null(config) && !json_is_object(config))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "config: expected object");
	if ((r = cor_json_get_strv(config, "Env", &c->env, err)) < 0 ||
	    (r = cor_json_get_strv(config, "Entrypoint", &c->entrypoint, err)) < 0 ||
	    (r = cor_json_get_strv(config, "Cmd", &c->cmd, err)) < 0 ||
	    (r = copy_str(config, "User", &c->user, err)) < 0 ||
	    (r = copy_str(config, "WorkingDir", &c->working_dir, err)) < 0 ||
	    (r = copy_str(config, "StopSignal", &c->stop_signal, err)) < 0 ||
	    (r = cor_json_get_map(config, "Labels", &c->labels, err)) < 0 ||
	    (r = cor_json_get_bool(config, "ArgsEscaped", &c->args_escaped, err)) < 0)
		return r;
	return 0;
}

int cor_image_config_parse(const char *text, size_t len, struct cor_image_config *ret, struct cor_error *err)
{
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_(cor_image_config_done) struct cor_image_config c = {0};
	int r;

	if ((r = check_size("image config", len, COR_CONFIG_SIZE_MAX, err)) < 0 ||
	    (r = cor_json_parse(text, len, "image config", &doc, err)) < 0)
		return r;
	if (!json_is_object(doc))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "image config: expected a JSON object");
	if ((r = platform_parse(doc, &c.platform, err)) < 0 ||
	    (r = diff_ids_parse(json_object_get(doc, "rootfs"), &c, err)) < 0 ||
	    (r = process_parse(json_object_get(doc, "config"), &c, err)) < 0)
		return cor_error_wrap(err, r, "image config");
	cor_platform_normalize(&c.platform);
	*ret = c;
	c = (struct cor_image_config){0};
	return 0;
}

int cor_image_container_labels(const struct cor_map *image_labels, struct cor_map *ret, struct cor_error *err)
{
	_cleanup_map_ struct cor_map m = {0};

	for (size_t i = 0; i < image_labels->n; i++) {
		const char *key = image_labels->keys[i], *value = image_labels->values[i];

		if (cor_startswith(key, "containerd.io/") || cor_startswith(key, "io.cri-containerd") ||
		    cor_label_validate(key, value, NULL) < 0)
			continue;
		if (cor_map_set(&m, key, value) < 0)
			return cor_error_oom(err);
	}
	*ret = m;
	m = (struct cor_map){0};
	return 0;
}
