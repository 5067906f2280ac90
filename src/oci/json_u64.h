/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of 2^63 to 2^64-1, which Jansson does not have: of json.c alone. */
#ifndef COR_OCI_JSON_U64_H
#define COR_OCI_JSON_U64_H

#include <jansson.h>

#define COR_JSON_FLAGS JSON_REJECT_DUPLICATES

/* As json_loadb for a document that Jansson refused for a number: with those numbers in it as nodes that cor_json_u64
 * knows. NULL and *e otherwise, positions being those in text; an empty e->text is a failed allocation. */
json_t *cor_json_u64_load(const char *text, size_t len, json_error_t *e);
/* What Jansson dumped (NULL too), each of those nodes a number again; in place. */
char *cor_json_u64_fold(char *text);

#endif
