/* SPDX-License-Identifier: Apache-2.0 */
/* One collection: between gc.c (records), sweep.c (data) and why.c. */
#ifndef COR_ENGINE_GC_H
#define COR_ENGINE_GC_H

#include "engine/internal.h"

struct gc_item {
	char *ns;
	const char *kind;
	char *id;
	int64_t size;
	uint64_t snapshot_id; /* 0: no snapshot */
};
struct gc {
	cor_gc_fn fn; /* may be NULL */
	void *data;
	bool dry_run;
	struct gc_item *items; /* records found to be garbage */
	size_t n, cap;
	char **leased_ingests; /* "<ns>/<ref>" */
};

void gc_reset(struct gc *gc);
/* Tells the caller of an item; what its callback returned. */
int gc_tell(struct gc *gc, const char *ns, const char *kind, const char *id, int64_t size);
/* Data without records. 0, a positive stop of the callback, or a failure. */
int gc_sweep(struct cor_engine *e, struct gc *gc, struct cor_error *err);
int gc_why(struct cor_services *s, const char *id, cor_gc_fn fn, void *data, struct cor_error *err);

#endif
