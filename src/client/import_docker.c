/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `docker save` archives: manifest.json names a config file, layer files and tags. From these come the manifest and
 * index that containerd makes of the same archive, byte for byte, so that an image has one digest in both.
 */
#include "client/import_internal.h"

#include <errno.h>

#include "layer/layer.h"
#include "oci/reference.h"

#define IMAGES_MAX 1000
#define LAYERS_MAX 1000
#define TAGS_MAX   1000

#define COR_MT_DOCKER_LAYER_ZSTD "application/vnd.docker.image.rootfs.diff.tar.zstd"

static void docker_image_done(struct cor_docker_image *i)
{
	free(i->config);
	cor_strv_free(i->repo_tags);
	cor_strv_free(i->layers);
}

void cor_docker_images_done(struct cor_docker_images *d)
{
	for (size_t i = 0; d->items && i < d->n; i++)
		docker_image_done(&d->items[i]);
	free(d->items);
	*d = (struct cor_docker_images){0};
}

static int docker_image_parse(const json_t *obj, struct cor_docker_image *ret, struct cor_error *err)
{
	const char *config;
	int r;

	if (!json_is_object(obj))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "expected an array of objects");
	if ((r = cor_json_get_str(obj, "Config", &config, err)) < 0 ||
	    (r = cor_json_get_strv(obj, "RepoTags", &ret->repo_tags, err)) < 0 ||
	    (r = cor_json_get_strv(obj, "Layers", &ret->layers, err)) < 0)
		return r;
	if (cor_strv_len(ret->layers) > LAYERS_MAX || cor_strv_len(ret->repo_tags) > TAGS_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "too many layers or tags");
	if (cor_empty(config))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "no Config");
	ret->config = strdup(config);
	return ret->config ? 0 : cor_error_oom(err);
}

int cor_docker_images_parse(const char *text, size_t len, struct cor_docker_images *ret,
			    struct cor_error *err)
{
	_cleanup_(cor_docker_images_done) struct cor_docker_images d = {0};
	_cleanup_json_ json_t *doc = NULL;
	size_t n;
	int r;

	r = cor_json_parse(text, len, "manifest.json", &doc, err);
	if (r < 0)
		return r;
	n = json_array_size(doc);
	if (!json_is_array(doc) || n == 0 || n > IMAGES_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "manifest.json: expected an array of 1 to %d images", IMAGES_MAX);
	d.items = cor_new0(struct cor_docker_image, n);
	if (!d.items)
		return cor_error_oom(err);
	d.n = n;
	for (size_t i = 0; i < n; i++) {
		r = docker_image_parse(json_array_get(doc, i), &d.items[i], err);
		if (r < 0)
			return cor_error_wrap(err, r, "manifest.json");
	}
	*ret = d;
	d = (struct cor_docker_images){0};
	return 0;
}

/* By what the file is, not by its name: archives hold gzip layers called layer.tar. */
static int layer_media_type(struct cor_import *im, const char *digest, const char **ret,
			    struct cor_error *err)
{
	_cleanup_(cor_reader_freep) struct cor_reader *reader = NULL;
	enum cor_compression kind;
	unsigned char head[16];
	size_t n = 0;
	int r;

	r = im->s->content->reader(im->s, digest, &reader, err);
	if (r < 0)
		return r;
	while (n < sizeof(head)) {
		ssize_t got = reader->ops->read(reader, head + n, sizeof(head) - n, err);

		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	r = cor_compression_detect(head, n, &kind, err);
	if (r < 0)
		return r;
	*ret = kind == COR_COMPRESSION_GZIP   ? COR_MT_DOCKER_LAYER_GZIP
	       : kind == COR_COMPRESSION_ZSTD ? COR_MT_DOCKER_LAYER_ZSTD
					      : COR_MT_DOCKER_LAYER;
	return 0;
}

/* {"mediaType", "digest", "size"}: consumes nothing, NULL on ENOMEM. */
static json_t *entry(const char *media_type, const char *digest, int64_t size)
{
	return json_pack("{s:s, s:s, s:I}", "mediaType", media_type, "digest", digest, "size",
			 (json_int_t)size);
}

static int make_layers(struct cor_import *im, const struct cor_docker_image *i, cor_docker_lookup_fn lookup,
		       void *data, json_t **ret, struct cor_error *err)
{
	_cleanup_json_ json_t *list = json_array();

	for (char **name = i->layers; name && *name; name++) {
		char digest[COR_DIGEST_MAX];
		const char *mt = NULL;
		int64_t size;
		int r;

		if (lookup(*name, digest, &size, data) < 0)
			return cor_error_set(err, COR_NOT_FOUND, "layer \"%.200s\": not found in the archive",
					     *name);
		r = layer_media_type(im, digest, &mt, err);
		if (r < 0)
			return cor_error_wrap(err, r, "layer \"%.200s\"", *name);
		if (json_array_append_new(list, entry(mt, digest, size)) < 0)
			return cor_error_oom(err);
	}
	if (!list)
		return cor_error_oom(err);
	*ret = TAKE_PTR(list);
	return 0;
}

/* The platform of the manifest's descriptor, from the config. */
static int set_platform(struct cor_import *im, const char *config_digest, struct cor_descriptor *d,
			struct cor_error *err)
{
	_cleanup_(cor_image_config_done) struct cor_image_config c = {0};
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = cor_content_read_all(im->s, config_digest, COR_CONFIG_SIZE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	r = cor_image_config_parse(text, len, &c, err);
	if (r < 0)
		return r;
	if (!c.platform.architecture[0])
		return 0;
	d->platform = malloc(sizeof(*d->platform));
	if (!d->platform)
		return cor_error_oom(err);
	*d->platform = c.platform;
	return 0;
}

static int make_manifest(struct cor_import *im, const struct cor_docker_image *i, cor_docker_lookup_fn lookup,
			 void *data, struct cor_descriptor *ret, struct cor_error *err)
{
	_cleanup_json_ json_t *doc = NULL, *layers = NULL;
	_cleanup_free_ char *text = NULL;
	char config[COR_DIGEST_MAX];
	int64_t size;
	int r;

	if (lookup(i->config, config, &size, data) < 0)
		return cor_error_set(err, COR_NOT_FOUND, "image config \"%.200s\": not found in the archive",
				     i->config);
	r = make_layers(im, i, lookup, data, &layers, err);
	if (r < 0)
		return r;
	doc = json_pack("{s:i, s:s, s:o, s:O}", "schemaVersion", 2, "mediaType", COR_MT_DOCKER_MANIFEST,
			"config", entry(COR_MT_DOCKER_CONFIG, config, size), "layers", layers);
	text = doc ? cor_json_dump(doc) : NULL;
	if (!text)
		return cor_error_oom(err);
	r = cor_import_put(im, text, strlen(text), COR_MT_DOCKER_MANIFEST, NULL, ret, err);
	return r < 0 ? r : set_platform(im, config, ret, err);
}

/* The tag of a normalised reference, or all of it when it has none. */
static const char *tag_of(const char *name)
{
	const char *slash = strrchr(name, '/'), *colon = strchr(slash ? slash : name, ':');

	return strchr(name, '@') || !colon ? name : colon + 1;
}

static int add_tag(json_t *manifests, struct cor_descriptor *d, const char *tag, struct cor_error *err)
{
	_cleanup_free_ char *name = NULL;
	int r;

	r = cor_reference_normalize(tag, &name, err);
	if (r < 0)
		return cor_error_wrap(err, r, "normalize image ref \"%.200s\"", tag);
	if (cor_map_set(&d->annotations, COR_ANNOTATION_NAME, name) < 0 ||
	    cor_map_set(&d->annotations, COR_ANNOTATION_REF, tag_of(name)) < 0 ||
	    json_array_append_new(manifests, cor_descriptor_to_json(d)) < 0)
		return cor_error_oom(err);
	return 0;
}

static int add_image(struct cor_import *im, const struct cor_docker_image *i, cor_docker_lookup_fn lookup,
		     void *data, json_t *manifests, struct cor_error *err)
{
	_cleanup_(cor_descriptor_done) struct cor_descriptor d = {0};
	int r;

	r = make_manifest(im, i, lookup, data, &d, err);
	if (r < 0)
		return r;
	if (cor_strv_len(i->repo_tags) == 0 &&
	    json_array_append_new(manifests, cor_descriptor_to_json(&d)) < 0)
		return cor_error_oom(err);
	for (char **tag = i->repo_tags; tag && *tag; tag++) {
		r = add_tag(manifests, &d, *tag, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int cor_import_docker(struct cor_import *im, const struct cor_docker_images *d, cor_docker_lookup_fn lookup,
		      void *data, char **ret, struct cor_error *err)
{
	_cleanup_json_ json_t *manifests = json_array(), *doc = NULL;
	char *text;

	if (!manifests)
		return cor_error_oom(err);
	for (size_t i = 0; i < d->n; i++) {
		int r = add_image(im, &d->items[i], lookup, data, manifests, err);

		if (r < 0)
			return r;
	}
	doc = json_pack("{s:i, s:O}", "schemaVersion", 2, "manifests", manifests);
	text = doc ? cor_json_dump(doc) : NULL;
	if (!text)
		return cor_error_oom(err);
	*ret = text;
	return 0;
}
