/* SPDX-License-Identifier: Apache-2.0 */
/* The value of --mount. What is taken has a destination, no empty type or source, and only strings as options. */
#include <stdlib.h>

#include "spec/internal.h"

static void check_string(const json_t *m, const char *key, bool required)
{
	const json_t *v = json_object_get(m, key);

	if (v ? !json_is_string(v) || (!required && !*json_string_value(v)) : required)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *flag = strndup((const char *)data, size);
	_cleanup_json_ json_t *m = NULL;
	struct cor_error err = {0};
	json_t *option;
	size_t i;

	if (!flag)
		return 0;
	if (cor_spec_mount_parse(flag, &m, &err) < 0) {
		if (m || err.code == COR_OK || strchr(err.message, '\n'))
			abort();
		return 0;
	}
	check_string(m, "destination", true);
	check_string(m, "type", false);
	check_string(m, "source", false);
	json_array_foreach(json_object_get(m, "options"), i, option) if (!json_is_string(option)) abort();
	return 0;
}
