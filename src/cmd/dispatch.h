/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the command that a command line names, and running it; help texts from the tables. */
#ifndef COR_CMD_DISPATCH_H
#define COR_CMD_DISPATCH_H

#include "cmd/context.h"

/* Runs argv (argv[0] is the program) on ctx->root. Returns the exit code, or -errno with err set. */
int cor_dispatch(struct cor_context *ctx, int argc, char **argv, struct cor_error *err);

/* The subcommand with that name or alias, or NULL. */
const struct cor_command *cor_command_find(const struct cor_command *parent, const char *name);

/* NAME/USAGE/COMMANDS/OPTIONS as ctr prints them. path: "coracle images". */
void cor_help_print(FILE *out, const struct cor_command *cmd, const char *path, bool is_root);
/* "--config FILE, -c FILE" (args: with the value's placeholder). 0 or -ENOMEM through the buffer's sticky flag. */
void cor_help_option_names(struct cor_buf *b, const struct cor_option *o);
/* `help text (default: "x") [$ENV]` */
void cor_help_option_text(struct cor_buf *b, const struct cor_option *o);

#endif
