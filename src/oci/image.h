/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image documents (image-spec manifest.md, image-index.md, config.md; docker schema 2): parsing with checks.
 * Limits: index and manifest 4 MiB, config 8 MiB. manifest+index hybrids, mediaType members that contradict the
 * descriptor, schema 1, negative sizes and bad digests are INVALID_ARGUMENT.
 */
#ifndef COR_OCI_IMAGE_H
#define COR_OCI_IMAGE_H

#include "oci/descriptor.h"
#include "oci/json.h"

#define COR_MANIFEST_SIZE_MAX (4u << 20)
#define COR_CONFIG_SIZE_MAX   (8u << 20)

struct cor_index {
	struct cor_descriptor *manifests;
	size_t n;
	struct cor_map annotations;
};
void cor_index_done(struct cor_index *i);
/* media_type: the one of the descriptor that led here, or NULL (index.json of a layout). */
int cor_index_parse(const char *text, size_t len, const char *media_type, struct cor_index *ret,
		    struct cor_error *err);

struct cor_manifest {
	char *media_type;
	struct cor_descriptor config;
	struct cor_descriptor *layers;
	size_t n;
	struct cor_map annotations;
};
void cor_manifest_done(struct cor_manifest *m);
int cor_manifest_parse(const char *text, size_t len, const char *media_type, struct cor_manifest *ret,
		       struct cor_error *err);

struct cor_image_config {
	struct cor_platform platform;           /* normalised */
	char **diff_ids;                        /* strv of validated digests */
	char **env, **entrypoint, **cmd;        /* strv */
	char *user, *working_dir, *stop_signal; /* "" when absent */
	struct cor_map labels;
	bool args_escaped;
};
void cor_image_config_done(struct cor_image_config *c);
int cor_image_config_parse(const char *text, size_t len, struct cor_image_config *ret, struct cor_error *err);

/* An image's labels as labels for its container: reserved ones (containerd.io/…, io.cri-containerd…) and those over
 * 4096 bytes are left out, so that an image cannot steer what reads a container's labels. */
int cor_image_container_labels(const struct cor_map *image_labels, struct cor_map *ret,
			       struct cor_error *err);

/* Parses one descriptor object. */
int cor_descriptor_parse(const json_t *obj, struct cor_descriptor *ret, struct cor_error *err);
json_t *cor_descriptor_to_json(const struct cor_descriptor *d);

#endif
