/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors as values, and what kind of document or layer a media type stands for. */
#include "oci/descriptor.h"

#include <errno.h>

void cor_descriptor_done(struct cor_descriptor *d)
{
	free(d->media_type);
	free(d->digest);
	cor_map_done(&d->annotations);
	free(d->platform);
	*d = (struct cor_descriptor){0};
}

int cor_descriptor_copy(struct cor_descriptor *dst, const struct cor_descriptor *src)
{
	struct cor_descriptor d = {.size = src->size};

	if (src->media_type && !(d.media_type = strdup(src->media_type)))
		goto fail;
	if (src->digest && !(d.digest = strdup(src->digest)))
		goto fail;
	if (cor_map_copy(&d.annotations, &src->annotations) < 0)
		goto fail;
	if (src->platform) {
		d.platform = malloc(sizeof(*d.platform));
		if (!d.platform)
			goto fail;
		*d.platform = *src->platform;
	}
	*dst = d;
	return 0;
fail:
	cor_descriptor_done(&d);
	return -ENOMEM;
}

static bool is_one_of(const char *mt, const char *a, const char *b)
{
	return mt && (streq(mt, a) || streq(mt, b));
}

bool cor_media_type_is_index(const char *mt)
{
	return is_one_of(mt, COR_MT_OCI_INDEX, COR_MT_DOCKER_LIST);
}

bool cor_media_type_is_manifest(const char *mt)
{
	return is_one_of(mt, COR_MT_OCI_MANIFEST, COR_MT_DOCKER_MANIFEST);
}

bool cor_media_type_is_config(const char *mt)
{
	return is_one_of(mt, COR_MT_OCI_CONFIG, COR_MT_DOCKER_CONFIG);
}

bool cor_media_type_is_layer(const char *mt)
{
	return mt && (cor_startswith(mt, "application/vnd.oci.image.layer.") ||
		      cor_startswith(mt, "application/vnd.docker.image.rootfs.diff.tar") ||
		      cor_startswith(mt, "application/vnd.docker.image.rootfs.foreign.diff.tar"));
}

bool cor_media_type_is_checkpoint(const char *mt)
{
	return mt &&
	       (cor_startswith(mt, "application/vnd.containerd.container.") || cor_media_type_is_layer(mt));
}
