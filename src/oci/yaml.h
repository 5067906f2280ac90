/* SPDX-License-Identifier: Apache-2.0 */
/* YAML documents from outside (CDI files, blockio configuration) as JSON values, with bounds. Linked on its own
 * (`yaml` in meson.build): most programs have no YAML to read. */
#ifndef COR_OCI_YAML_H
#define COR_OCI_YAML_H

#include "oci/json.h"

#define COR_YAML_DEPTH_MAX    32     /* of nesting */
#define COR_YAML_NODES_MAX    200000 /* values in one document, those that aliases repeat counted each time */
/* Percent signs in a text: see too_many_directives in yaml.c. */
#define COR_YAML_PERCENTS_MAX 1024

/* One YAML document (JSON is one, too) as a JSON value. Duplicate keys, keys that are no scalars, foreign tags, strings with
 * NUL bytes, aliases into themselves and whatever exceeds the bounds are INVALID_ARGUMENT "line N: …". */
int cor_yaml_parse(const char *text, size_t len, json_t **ret, struct cor_error *err);
/* The value of a plain scalar by YAML 1.1's rules, as the Go library reads it; NULL on ENOMEM. */
json_t *cor_yaml_scalar(const char *s);

#endif
