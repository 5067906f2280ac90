/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who set what: a list of the parts of a document (or of anything that has named parts), each with its value, the flag,
 * image field or default that set it last, and what that overrode. `run --explain` prints it.
 *
 * Nobody has to say what he sets: after each step of a build the document is compared with what it was before the step. So
 * a new step of spec.c is explained by its row in the table there.
 *
 * Paths are members joined by dots. Elements of lists go by what tells them apart ("process.env[PATH]", "mounts[/proc]",
 * "linux.namespaces[pid]", "process.capabilities[CAP_KILL]") and only where nothing does by their number. Of elements with
 * the same key the last one has the plain path, as it is the one that counts; the ones before it are "… #1", "… #2".
 */
#ifndef COR_SPEC_EXPLAIN_H
#define COR_SPEC_EXPLAIN_H

#include "oci/json.h"

struct cor_explain;

struct cor_explained {
	const char *source; /* "--user", "image User=alice", "default" */
	const char *value;  /* as text; NULL: took it out */
};

/* NULL on ENOMEM. */
struct cor_explain *cor_explain_new(void);
void cor_explain_free(struct cor_explain *x);
COR_DEFINE_CLEANUP(struct cor_explain, cor_explain_free)
#define _cleanup_explain_ _cleanup_(cor_explain_freep)

/* doc is as `source` has left it. What is new, has another value, was set once more to the same one, or is gone since the last
 * call is put down to source. Keeps references to parts of doc, so that they are not mistaken for new ones. */
int cor_explain_step(struct cor_explain *x, json_t *doc, const char *source, struct cor_error *err);
/* source sets the part to value (NULL: takes it out), over what was there. Steps do not touch parts that were set so. */
int cor_explain_set(struct cor_explain *x, const char *path, const char *source, const char *value,
		    struct cor_error *err);
/* source would have set the part, had not something else come before it: the first of what was overridden. Nothing when there
 * is no such part. */
int cor_explain_beneath(struct cor_explain *x, const char *path, const char *source, const char *value,
			struct cor_error *err);

/* The parts in the order of their paths: i counts from 0; NULL behind the last one. *ret_history, *ret_n: what set it, the first
 * setter first, at least one; the last one is how it is. Borrowed until the next change. */
const char *cor_explain_at(const struct cor_explain *x, size_t i, const struct cor_explained **ret_history,
			   size_t *ret_n);

#endif
