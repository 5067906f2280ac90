/* SPDX-License-Identifier: Apache-2.0 */
/* Any JSON document survives being dumped and read again, compact and indented, with numbers that Jansson has not. */
#include <stdlib.h>

#include "oci/json.h"

static void same(const json_t *doc, char *text_take)
{
	_cleanup_free_ char *text = text_take;
	_cleanup_json_ json_t *again = NULL;

	if (text &&
	    (cor_json_parse(text, strlen(text), "again", &again, NULL) < 0 || !json_equal(doc, again)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *doc = NULL;
	struct cor_error err = {0};

	if (cor_json_parse((const char *)data, size, "document", &doc, &err) < 0) {
		if (doc || err.code == COR_OK)
			abort();
		return 0;
	}
	same(doc, cor_json_dump(doc));
	same(doc, cor_json_dump_indented(doc, 2));
	return 0;
}
