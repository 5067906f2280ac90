/* SPDX-License-Identifier: Apache-2.0 */
/* `run --explain`: what the run would make, and which flag, image field or default is behind each part of it. */
#ifndef COR_CMD_RUN_EXPLAIN_H
#define COR_CMD_RUN_EXPLAIN_H

#include "client/client.h"
#include "cmd/context.h"

/* Prints the table on ctx->out; makes nothing. flags: the options struct of ctx->command, which o was made from. */
int cor_run_explain(struct cor_context *ctx, struct cor_services *s, const struct cor_run_options *o,
		    const void *flags, struct cor_error *err);

#endif
