/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The course of an import, from the text of its index on: which entries are wanted, what they are called, unpacking
 * them, and only then recording them.
 */
#include "client/import_internal.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "oci/identifier.h"

#define NAME_LENGTH_MAX 1024

int cor_import_begin(struct cor_import *im, struct cor_error *err)
{
	const struct cor_import_options *o = im->o;
	time_t now = time(NULL);
	struct tm tm;
	int r;

	if (o->skip_digest_for_named && !o->digests)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "--skip-digest-for-named must be specified with --digests option");
	im->all = o->all_platforms;
	cor_platform_host(&im->want);
	if (!cor_empty(o->platform)) {
		r = cor_platform_parse(o->platform, &im->want, err);
		if (r < 0)
			return r;
	}
	if (!cor_empty(o->base_name)) {
		if (strlen(o->base_name) >= sizeof(im->base))
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "base name is longer than %zu characters", sizeof(im->base) - 1);
		snprintf(im->base, sizeof(im->base), "%s", o->base_name);
	} else if (!localtime_r(&now, &tm) || !strftime(im->base, sizeof(im->base), "import-%Y-%m-%d", &tm)) {
		return cor_error_set(err, COR_INTERNAL, "cannot tell the date");
	}
	cor_random_hex(im->unique, sizeof(im->unique) - 1);
	cor_import_reap(im->s);
	return im->s->leases->begin(im->s, err);
}

int cor_import_end(struct cor_import *im, int r)
{
	im->s->leases->end(im->s);
	for (size_t i = 0; i < im->n; i++) {
		free(im->images[i].name);
		cor_descriptor_done(&im->images[i].target);
	}
	free(im->images);
	cor_map_done(&im->seen);
	cor_map_done(&im->fetched);
	/* Whatever this one has written is garbage; so may other things be, which is fine to find out now. */
	if (r < 0 && im->s->gc)
		(void)im->s->gc->run(im->s, false, NULL, NULL, NULL);
	return r;
}

/* Names come from the archive: one that breaks lines or lists is refused. */
static int check_name(const char *name, struct cor_error *err)
{
	size_t n = strnlen(name, NAME_LENGTH_MAX + 1);

	if (n == 0 || n > NAME_LENGTH_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "invalid image name: it must have 1 to %d characters", NAME_LENGTH_MAX);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "invalid image name: it has control characters");
	return 0;
}

int cor_import_add(struct cor_import *im, const char *name, const struct cor_descriptor *target,
		   struct cor_error *err)
{
	struct cor_import_image image = {0};
	int r = check_name(name, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < im->n; i++)
		if (streq(im->images[i].name, name)) { /* named twice: the last one counts */
			cor_descriptor_done(&im->images[i].target);
			return cor_descriptor_copy(&im->images[i].target, target) < 0 ? cor_error_oom(err)
										      : 0;
		}
	if (cor_grow(&im->images, &im->cap, im->n + 1, sizeof(*im->images)) < 0)
		return cor_error_oom(err);
	image.name = strdup(name);
	if (!image.name || cor_descriptor_copy(&image.target, target) < 0) {
		free(image.name);
		return cor_error_oom(err);
	}
	im->images[im->n++] = image;
	return 0;
}

/* Adds the images that one entry of the index stands for. */
static int add_names(struct cor_import *im, const struct cor_descriptor *d, struct cor_error *err)
{
	_cleanup_free_ char *name = NULL, *by_digest = NULL;
	int r;

	r = cor_import_ref_name(&d->annotations, im->base, !cor_empty(im->o->base_name), &name, err);
	if (r < 0)
		return r;
	if (*name && (r = cor_import_add(im, name, d, err)) < 0)
		return r;
	if (!im->o->digests || (*name && im->o->skip_digest_for_named))
		return 0;
	by_digest = cor_asprintf("%s@%s", im->base, d->digest);
	if (!by_digest)
		return cor_error_oom(err);
	return cor_import_add(im, by_digest, d, err);
}

static int no_match(struct cor_import *im, const struct cor_index *index, struct cor_error *err)
{
	char want[128];

	if (index->n == 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "the archive has no images");
	return cor_error_set(err, COR_NOT_FOUND, "no image for platform %s in the archive: not found",
			     cor_platform_format(&im->want, want));
}

/* Walks the index's entries: which are wanted, and the labels for an index that is to be kept. */
static int walk_entries(struct cor_import *im, const struct cor_index *index, bool *wanted,
			struct cor_map *labels, struct cor_error *err)
{
	unsigned manifests = 0, others = 0;

	for (size_t i = 0; i < index->n; i++) {
		const struct cor_descriptor *d = &index->manifests[i];
		char key[64];
		int r = cor_import_walk(im, d, err);

		if (r < 0)
			return r;
		wanted[i] = r > 0;
		if (r == 0)
			continue;
		if (cor_media_type_is_manifest(d->media_type))
			snprintf(key, sizeof(key), "containerd.io/gc.ref.content.m.%u", manifests++);
		else
			snprintf(key, sizeof(key), "containerd.io/gc.ref.content.%u", others++);
		if (cor_map_set(labels, key, d->digest) < 0)
			return cor_error_oom(err);
	}
	return manifests + others > 0 ? 0 : no_match(im, index, err);
}

/* --index-name: the index itself becomes an image. */
static int add_index(struct cor_import *im, const char *text, size_t len, const struct cor_map *labels,
		     struct cor_error *err)
{
	_cleanup_(cor_descriptor_done) struct cor_descriptor self = {0};
	int r;

	if (cor_empty(im->o->index_name))
		return 0;
	r = cor_import_put(im, text, len, COR_MT_OCI_INDEX, labels, &self, err);
	return r < 0 ? r : cor_import_add(im, im->o->index_name, &self, err);
}

int cor_import_index(struct cor_import *im, const char *text, size_t len, struct cor_error *err)
{
	_cleanup_(cor_index_done) struct cor_index index = {0};
	_cleanup_map_ struct cor_map labels = {0};
	_cleanup_free_ bool *wanted = NULL;
	int r;

	r = cor_index_parse(text, len, COR_MT_OCI_INDEX, &index, err);
	if (r < 0)
		return r;
	wanted = cor_new0(bool, index.n + 1);
	if (!wanted)
		return cor_error_oom(err);
	if ((r = walk_entries(im, &index, wanted, &labels, err)) < 0 ||
	    (r = add_index(im, text, len, &labels, err)) < 0)
		return r;
	for (size_t i = 0; i < index.n; i++)
		if (wanted[i] && (r = add_names(im, &index.manifests[i], err)) < 0)
			return r;
	if (im->n == 0)
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"the archive names no image (below the base name): use --base-name, --digests or "
			"--index-name");
	return cor_import_record(im, err);
}

/* A checkpoint need not have its image in it. */
static bool is_checkpoint(struct cor_import *im, const struct cor_import_image *image)
{
	_cleanup_(cor_index_done) struct cor_index index = {0};
	_cleanup_free_ char *text = NULL;
	size_t n;

	if (!cor_media_type_is_index(image->target.media_type) ||
	    cor_content_read_all(im->s, image->target.digest, COR_MANIFEST_SIZE_MAX, &text, &n, NULL) < 0 ||
	    cor_index_parse(text, n, image->target.media_type, &index, NULL) < 0)
		return false;
	for (size_t i = 0; i < index.n; i++)
		if (cor_media_type_is_checkpoint(index.manifests[i].media_type))
			return true;
	return false;
}

static int unpack_image(struct cor_import *im, const struct cor_import_image *image, struct cor_error *err)
{
	_cleanup_(cor_resolved_image_done) struct cor_resolved_image r = {0};
	struct cor_error e = {0};
	int code;

	code = cor_resolve_descriptor(im->s, &image->target, im->o->platform, &r, &e);
	/* All platforms, but not this machine's. */
	if (code < 0 && e.code == COR_NOT_FOUND && (im->all || is_checkpoint(im, image)))
		return 0;
	if (code >= 0)
		code = cor_unpack(im->s, &r, im->o->snapshotter, &im->o->progress, &e);
	if (code < 0 && err)
		*err = e;
	return code;
}

static int parse_labels(struct cor_import *im, struct cor_map *ret, struct cor_error *err)
{
	for (char *const *l = im->o->labels; l && *l; l++) {
		const char *eq = strchr(*l, '=');
		_cleanup_free_ char *key = eq ? strndup(*l, (size_t)(eq - *l)) : strdup(*l);
		int r;

		if (!key)
			return cor_error_oom(err);
		r = cor_label_validate(key, eq ? eq + 1 : "", err);
		if (r < 0)
			return r;
		if (cor_map_set(ret, key, eq ? eq + 1 : "") < 0)
			return cor_error_oom(err);
	}
	return 0;
}

/* Labels that the image has already stay, as with containerd's update of the target alone. */
static int record(struct cor_import *im, const struct cor_import_image *image, const struct cor_map *labels,
		  struct cor_error *err)
{
	_cleanup_(cor_image_done) struct cor_image new = {0}, old = {0};
	struct cor_error e = {0};
	int r;

	r = im->s->images->get(im->s, image->name, &old, &e);
	if (r < 0 && e.code != COR_NOT_FOUND) {
		if (err)
			*err = e;
		return r;
	}
	new.name = strdup(image->name);
	if (!new.name || cor_descriptor_copy(&new.target, &image->target) < 0 ||
	    cor_map_copy(&new.labels, &old.labels) < 0)
		return cor_error_oom(err);
	for (size_t i = 0; i < labels->n; i++)
		if (cor_map_set(&new.labels, labels->keys[i], labels->values[i]) < 0)
			return cor_error_oom(err);
	return im->s->images->put(im->s, &new, err);
}

int cor_import_record(struct cor_import *im, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	int r;

	r = parse_labels(im, &labels, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < im->n && !im->o->no_unpack; i++) {
		r = unpack_image(im, &im->images[i], err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < im->n; i++) {
		r = record(im, &im->images[i], &labels, err);
		if (r < 0)
			return cor_error_wrap(err, r, "image \"%s\"", im->images[i].name);
		if (im->fn && (r = im->fn(im->images[i].name, im->images[i].target.digest, im->data)) < 0)
			return cor_error_wrap(err, r, "image \"%s\"", im->images[i].name);
	}
	return 0;
}
