/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a network's configuration, a plugin's result and a failed plugin's words: what is accepted has only what its
 * users rely on, and what is told is one line. */
#include <assert.h>
#include <stdint.h>

#include "cni/cni.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_line(const char *s)
{
	for (; *s; s++)
		assert((unsigned char)*s >= ' ' && *s != 0x7f);
}

static void check_network(const struct cor_cni_network *n)
{
	_cleanup_cni_network_ struct cor_cni_network again = {0};
	_cleanup_json_ json_t *doc = cor_cni_network_json(n);
	size_t plugins = json_array_size(n->plugins);
	assert(doc && !strchr(n->name, '/') && plugins > 0 && plugins <= COR_CNI_PLUGINS_MAX);
	for (size_t i = 0; i < plugins; i++) {
		const char *type = json_string_value(json_object_get(json_array_get(n->plugins, i), "type"));
		assert(type && *type && !strchr(type, '/') && !streq(type, ".."));
	}
	(void)cor_cni_has_capability(n, "portMappings");
	assert(cor_cni_network_from_json(doc, &again, NULL) == 0);
	assert(streq(n->name, again.name) && streq(n->version, again.version));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	for (int list = 0; list < 2; list++) {
		_cleanup_cni_network_ struct cor_cni_network n = {0};
		struct cor_error err = {0};
		if (cor_cni_parse(text, size, list, &n, &err) >= 0)
			check_network(&n);
		else
			assert(!n.name && err.message[0]);
	}
	_cleanup_json_ json_t *result = NULL;
	struct cor_error err = {0};
	if (cor_cni_result_parse(text, size, "1.0.0", &result, &err) >= 0) {
		_cleanup_json_ json_t *addresses = cor_cni_result_addresses(result);
		assert(json_string_value(json_object_get(result, "cniVersion")));
		for (size_t i = 0; i < json_array_size(addresses); i++)
			assert(json_is_string(json_array_get(addresses, i)));
	}
	size_t half = size / 2;
	_cleanup_free_ char *all = cor_cni_failure_text(text, size, "", 0, "exit status 1");
	_cleanup_free_ char *words = cor_cni_failure_text(NULL, 0, text + half, size - half, "exit status 1");
	assert(all && words);
	one_line(all);
	one_line(words);
	return 0;
}
