/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an image reference and as a digest: what is accepted is a fixed point of normalisation. */
#include <assert.h>
#include <stdint.h>

#include "base/str.h"
#include "oci/digest.h"
#include "oci/identifier.h"
#include "oci/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size), *once = NULL, *twice = NULL;
	struct cor_error err = {0};

	if (!text)
		return 0;
	if (cor_reference_normalize(text, &once, &err) >= 0) {
		assert(cor_reference_normalize(once, &twice, &err) >= 0);
		assert(streq(once, twice));
		assert(strchr(once, '/') && (strchr(once, ':') || strchr(once, '@')));
		assert(!strstr(once, "/.") && !strpbrk(once, " \n\\"));
	}
	if (cor_digest_validate(text, &err) >= 0)
		assert(strlen(cor_digest_hex(text)) == 64 && !strchr(text, '/'));
	if (cor_identifier_validate("id", text, &err) >= 0)
		assert(*text && !strchr(text, '/') && *text != '.' && strlen(text) <= 76);
	return 0;
}
