/* SPDX-License-Identifier: Apache-2.0 */
/* From the bytes of a CDI file to a checked document. */
#include <strings.h>

#include "cdi/internal.h"
#include "oci/yaml.h"

/* The kind of a document that will perhaps be refused: who asks for that kind should hear of it. */
static char *kind_of(json_t *raw)
{
	const char *key;
	json_t *value;

	json_object_foreach(raw, key,
			    value) if (strcasecmp(key, "kind") == 0 &&
				       json_is_string(value)) return strdup(json_string_value(value));
	return NULL;
}

int cor_cdi_parse(const char *text, size_t len, json_t **ret, char **ret_kind, struct cor_error *err)
{
	_cleanup_json_ json_t *raw = NULL, *doc = NULL;
	int r = cor_yaml_parse(text, len, &raw, err);

	if (r < 0)
		return r;
	if (ret_kind)
		*ret_kind = kind_of(raw);
	r = cor_cdi_schema(raw, &doc, err);
	if (r >= 0)
		r = cor_cdi_validate(doc, err);
	if (r >= 0)
		*ret = TAKE_PTR(doc);
	return r;
}
