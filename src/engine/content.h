/* SPDX-License-Identifier: Apache-2.0 */
/* Between content.c, writer.c and gc.c. */
#ifndef COR_ENGINE_CONTENT_H
#define COR_ENGINE_CONTENT_H

#include "engine/internal.h"

/* The namespace's record of a blob: 1 found, 0 not. */
int cor_engine_content_find(struct cor_engine *e, struct cor_meta *m, const char *digest,
			    struct cor_content_info *ret, struct cor_error *err);
/* Removes the blob from the store unless some namespace has a record of it. */
int cor_engine_blob_drop(struct cor_engine *e, const char *digest, struct cor_error *err);
/* "<namespace>/<ref>"; the caller frees; NULL on ENOMEM. */
static inline char *cor_engine_ingest_ref(struct cor_engine *e, const char *ref)
{
	return cor_asprintf("%s/%s", e->ns, ref);
}
int cor_engine_content_writer(struct cor_services *s, const char *ref, int64_t expected_size,
			      const char *expected_digest, bool wait, struct cor_writer **ret,
			      struct cor_error *err);

#endif
