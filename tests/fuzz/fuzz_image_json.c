/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as each of the image documents: no document is both an index and a manifest, and what is accepted has
 * nothing but checked digests and sizes. */
#include <assert.h>
#include <stdint.h>

#include "oci/digest.h"
#include "oci/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct cor_descriptor *d)
{
	assert(cor_digest_validate(d->digest, NULL) >= 0 && d->size >= 0 && d->media_type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(cor_index_done) struct cor_index index = {0};
	_cleanup_(cor_manifest_done) struct cor_manifest manifest = {0};
	_cleanup_(cor_image_config_done) struct cor_image_config config = {0};
	_cleanup_map_ struct cor_map labels = {0};
	const char *text = (const char *)data;
	struct cor_error err = {0};
	bool is_index = cor_index_parse(text, size, NULL, &index, &err) >= 0;
	bool is_manifest = cor_manifest_parse(text, size, NULL, &manifest, &err) >= 0;

	assert(!is_index || !is_manifest);
	for (size_t i = 0; i < index.n; i++) {
		_cleanup_json_ json_t *j = cor_descriptor_to_json(&index.manifests[i]);
		struct cor_descriptor again = {0};

		check(&index.manifests[i]);
		assert(j && cor_descriptor_parse(j, &again, &err) >= 0);
		assert(again.size == index.manifests[i].size &&
		       streq(again.digest, index.manifests[i].digest));
		cor_descriptor_done(&again);
	}
	for (size_t i = 0; i < manifest.n; i++)
		check(&manifest.layers[i]);
	if (is_manifest)
		check(&manifest.config);
	if (cor_image_config_parse(text, size, &config, &err) >= 0) {
		for (char **d = config.diff_ids; d && *d; d++)
			assert(cor_digest_validate(*d, NULL) >= 0);
		assert(cor_image_container_labels(&config.labels, &labels, &err) >= 0);
		for (size_t i = 0; i < labels.n; i++)
			assert(!cor_startswith(labels.keys[i], "containerd.io/"));
	}
	return 0;
}
