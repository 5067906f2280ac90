/* SPDX-License-Identifier: Apache-2.0 */
/* A seccomp profile from a file: refused with a reason, or one that survives being read again unchanged. */
#include <stdlib.h>

#include "spec/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *profile = NULL, *again = NULL;
	_cleanup_free_ char *text = NULL;
	struct cor_error err = {0};

	if (cor_spec_seccomp_parse((const char *)data, size, &profile, &err) < 0) {
		if (profile || err.code == COR_OK)
			abort();
		return 0;
	}
	text = cor_json_dump(profile);
	if (text &&
	    (cor_spec_seccomp_parse(text, strlen(text), &again, &err) < 0 || !json_equal(profile, again)))
		abort();
	return 0;
}
