/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of src/spec: between the list of parts and what takes a document apart. */
#ifndef COR_SPEC_EXPLAIN_INTERNAL_H
#define COR_SPEC_EXPLAIN_INTERNAL_H

#include "spec/explain.h"

/* Calls cor_explain_seen for each part of doc, in the order of the document. 0 or -ENOMEM. */
int cor_explain_walk(struct cor_explain *x, json_t *doc, const char *source);
/* node: of a member, or NULL when only values count. repeated: a later element has the same key. 0 or -ENOMEM. */
int cor_explain_seen(struct cor_explain *x, const char *path, const char *source, const char *value,
		     json_t *node, bool repeated);

#endif
