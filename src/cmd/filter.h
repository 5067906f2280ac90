/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd's list filters: `name==x`, `name!=x`, `name~=regex`, `labels."a.b/c"` (is there), several selectors
 * joined by commas (all must match), several arguments (one must match). Values may be quoted with "", // or ||.
 */
#ifndef COR_CMD_FILTER_H
#define COR_CMD_FILTER_H

#include "base/error.h"
#include "base/str.h"

/* Value of the field path[0..n) of the record behind data (borrowed), NULL when the record has no such field. */
typedef const char *(*cor_filter_field_fn)(const char *const *path, size_t n, const void *data);

struct cor_filter;
/* args: strv; empty gives a filter that matches everything. INVALID_ARGUMENT with the place of a syntax error. */
int cor_filter_parse(char *const *args, struct cor_filter **ret, struct cor_error *err);
bool cor_filter_match(const struct cor_filter *f, cor_filter_field_fn field, const void *data);
struct cor_filter *cor_filter_free(struct cor_filter *f);
void cor_filter_freep(struct cor_filter **f);
#define _cleanup_filter_ _cleanup_(cor_filter_freep)

/* For the field function of a record with labels: path behind "labels", joined with dots. */
const char *cor_filter_label(const struct cor_map *labels, const char *const *path, size_t n);

#endif
