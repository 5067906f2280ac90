/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting snapshots for a while, for reading or writing their trees, without the host seeing it. */
#ifndef COR_ENGINE_VIEW_H
#define COR_ENGINE_VIEW_H

#include "engine/internal.h"

/* A directory descriptor (caller closes) of what the mounts show. The mounts live as long as the descriptor: nothing is left
 * in any mount table, however the process ends. */
int cor_engine_view(struct cor_engine *e, const struct cor_mounts *mounts, struct cor_error *err);

#endif
