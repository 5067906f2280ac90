/* SPDX-License-Identifier: Apache-2.0 */
/* Content descriptors (image-spec descriptor.md) and the media types in use. */
#ifndef COR_OCI_DESCRIPTOR_H
#define COR_OCI_DESCRIPTOR_H

#include <stdint.h>

#include "base/str.h"
#include "oci/platform.h"

#define COR_MT_OCI_INDEX          "application/vnd.oci.image.index.v1+json"
#define COR_MT_OCI_MANIFEST       "application/vnd.oci.image.manifest.v1+json"
#define COR_MT_OCI_CONFIG         "application/vnd.oci.image.config.v1+json"
#define COR_MT_OCI_LAYER          "application/vnd.oci.image.layer.v1.tar"
#define COR_MT_OCI_LAYER_GZIP     "application/vnd.oci.image.layer.v1.tar+gzip"
#define COR_MT_OCI_LAYER_ZSTD     "application/vnd.oci.image.layer.v1.tar+zstd"
/* containerd's checkpoints: criu's files, the spec, the options of checkpoint and of the runtime. */
#define COR_MT_CHECKPOINT         "application/vnd.containerd.container.criu.checkpoint.criu.tar"
#define COR_MT_CHECKPOINT_CONFIG  "application/vnd.containerd.container.checkpoint.config.v1+proto"
#define COR_MT_CHECKPOINT_OPTIONS "application/vnd.containerd.container.checkpoint.options.v1+proto"
#define COR_MT_CHECKPOINT_RUNTIME_OPTIONS \
	"application/vnd.containerd.container.checkpoint.runtime.options+proto"
#define COR_MT_DOCKER_LIST       "application/vnd.docker.distribution.manifest.list.v2+json"
#define COR_MT_DOCKER_MANIFEST   "application/vnd.docker.distribution.manifest.v2+json"
#define COR_MT_DOCKER_CONFIG     "application/vnd.docker.container.image.v1+json"
#define COR_MT_DOCKER_LAYER      "application/vnd.docker.image.rootfs.diff.tar"
#define COR_MT_DOCKER_LAYER_GZIP "application/vnd.docker.image.rootfs.diff.tar.gzip"

struct cor_descriptor {
	char *media_type;
	char *digest;
	int64_t size;
	struct cor_map annotations;
	struct cor_platform *platform; /* NULL: none given */
};
void cor_descriptor_done(struct cor_descriptor *d);
int cor_descriptor_copy(struct cor_descriptor *dst, const struct cor_descriptor *src);

bool cor_media_type_is_index(const char *mt);
bool cor_media_type_is_manifest(const char *mt);
bool cor_media_type_is_config(const char *mt);
bool cor_media_type_is_layer(const char *mt);
/* A part of containerd's checkpoints, or the layer beside them: what has no children in an index that has more than images. */
bool cor_media_type_is_checkpoint(const char *mt);

#endif
