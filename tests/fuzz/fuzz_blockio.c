/* SPDX-License-Identifier: Apache-2.0 */
/* A blockio configuration (YAML) and a quantity: refused with a reason, or parameters within the runtime spec's bounds. */
#include <stdlib.h>

#include "spec/internal.h"

/* The patterns would look at the machine's own files: only the check of every class is asked for. */
static void check_file(const char *text, size_t size)
{
	struct cor_error err = {0};
	json_t *io = NULL;
	int r = cor_spec_blockio_parse(text, size, NULL, &io, &err);

	if (io || (r < 0 && err.code == COR_OK) || strchr(err.message, '\n'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	int64_t number = -1;

	if (!text)
		return 0;
	if (cor_spec_parse_quantity(text, &number) < 0 && number != -1)
		abort();
	check_file((const char *)data, size);
	return 0;
}
