/* SPDX-License-Identifier: Apache-2.0 */
/* Jansson with our rules: size caps, duplicate keys rejected, one-line errors; small typed getters. */
#ifndef COR_OCI_JSON_H
#define COR_OCI_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"

static inline void cor_json_decrefp(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(cor_json_decrefp)

/* Parses a whole document (object or array); unknown members kept. INVALID_ARGUMENT with position. `what` names the
 * document in errors. Depth is bounded by jansson (2048). Numbers of 2^63 to 2^64-1 are nodes that only cor_json_u64 and
 * the dumps below know as numbers (to all else they are an array of an array); other integers beyond 64 bits are refused. */
int cor_json_parse(const char *text, size_t len, const char *what, json_t **ret, struct cor_error *err);
/* Compact text, keys in insertion order. Caller frees; NULL on ENOMEM. */
char *cor_json_dump(const json_t *j);
/* Indented by 4 blanks, as ctr prints. */
char *cor_json_dump_pretty(const json_t *j);
char *cor_json_dump_indented(const json_t *j, unsigned blanks);

/* v is an integer of 0 to 2^64-1; otherwise (NULL too) false, and ret is left alone. */
bool cor_json_u64(const json_t *v, uint64_t *ret);

/* Members: absent gives the default (NULL / 0 / false); the wrong type is INVALID_ARGUMENT ("<key>: expected string"). */
int cor_json_get_str(const json_t *obj, const char *key, const char **ret, struct cor_error *err);
int cor_json_get_i64(const json_t *obj, const char *key, int64_t *ret, struct cor_error *err);
int cor_json_get_bool(const json_t *obj, const char *key, bool *ret, struct cor_error *err);
int cor_json_get_strv(const json_t *obj, const char *key, char ***ret, struct cor_error *err);
int cor_json_get_map(const json_t *obj, const char *key, struct cor_map *ret, struct cor_error *err);
json_t *cor_json_from_map(const struct cor_map *m);
json_t *cor_json_from_strv(char *const *v);

#endif
