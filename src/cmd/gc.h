/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting garbage, for `gc` and `content prune references`. */
#ifndef COR_CMD_GC_H
#define COR_CMD_GC_H

#include "cmd/context.h"

/* Collects and prints what went (with dry_run: what would go). */
int cor_gc_print(struct cor_context *ctx, bool dry_run, struct cor_error *err);

#endif
