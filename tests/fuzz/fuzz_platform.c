/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as two platform specifiers: a platform always serves itself best, and its text parses to itself. */
#include <assert.h>
#include <stdint.h>

#include "base/str.h"
#include "oci/platform.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	struct cor_platform a, b, again;
	char *nl = text ? strchr(text, '\n') : NULL;
	char buf[COR_PLATFORM_TEXT_MAX];

	if (!text)
		return 0;
	if (nl)
		*nl = '\0';
	if (cor_platform_parse(text, &a, NULL) < 0)
		return 0;
	assert(cor_platform_match(&a, &a) == 0);
	cor_platform_format_all(&a, buf);
	if (streq(a.os, "linux"))
		assert(cor_platform_parse(buf, &again, NULL) >= 0 && cor_platform_match(&a, &again) == 0);
	if (nl && cor_platform_parse(nl + 1, &b, NULL) >= 0) {
		int m = cor_platform_match(&a, &b);

		/* Versions of Windows go with others in one direction. */
		assert(m != 0 || streq(a.os, "windows") || cor_platform_match(&b, &a) == 0);
	}
	return 0;
}
