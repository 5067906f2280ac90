/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the documents at the top of an archive to import: index.json with its names, manifest.json, oci-layout. */
#include <assert.h>
#include <stdint.h>

#include "client/import_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_names(const struct cor_index *index)
{
	for (size_t i = 0; i < index->n; i++) {
		_cleanup_free_ char *loose = NULL, *strict = NULL;

		assert(cor_import_ref_name(&index->manifests[i].annotations, "base", false, &loose, NULL) >=
		       0);
		assert(cor_import_ref_name(&index->manifests[i].annotations, "base", true, &strict, NULL) >=
		       0);
		assert(!*strict || streq(strict, loose));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(cor_docker_images_done) struct cor_docker_images images = {0};
	_cleanup_(cor_index_done) struct cor_index index = {0};
	const char *text = (const char *)data;
	struct cor_error err = {0};

	if (cor_docker_images_parse(text, size, &images, &err) >= 0) {
		assert(images.n > 0);
		for (size_t i = 0; i < images.n; i++)
			assert(images.items[i].config && *images.items[i].config);
	}
	if (cor_index_parse(text, size, COR_MT_OCI_INDEX, &index, &err) >= 0)
		check_names(&index);
	(void)cor_import_check_layout(text, size, &err);
	return 0;
}
