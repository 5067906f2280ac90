/* SPDX-License-Identifier: Apache-2.0 */
/* `run --dump-config`: the spec as a file, or on standard output. */
#ifndef COR_CMD_RUN_DUMP_H
#define COR_CMD_RUN_DUMP_H

#include "client/client.h"
#include "cmd/context.h"

/* --dump-config -: prints the spec that the run would have; nothing is made, nothing runs. */
int cor_run_print_spec(struct cor_context *ctx, struct cor_services *s, const struct cor_create_options *o,
		       struct cor_error *err);
/* --dump-config FILE, as ctr has it: cor_run_options.created with the path as its data; the run goes on after it. */
int cor_run_write_spec(const struct cor_container *c, void *path, struct cor_error *err);

#endif
