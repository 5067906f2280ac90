/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing a command's flags from its option tables (see cmd/command.h for the rules). */
#ifndef COR_CMD_OPTIONS_H
#define COR_CMD_OPTIONS_H

#include "cmd/command.h"

/* The i-th option over all tables of the command (own table first), or NULL behind the last one. */
const struct cor_option *cor_options_at(const struct cor_command *cmd, size_t i);
/* The option with that name or alias (n bytes), or NULL. */
const struct cor_option *cor_options_find(const struct cor_command *cmd, const char *name, size_t n);

struct cor_parsed {
	int first;       /* index in argv of the first positional */
	bool help;       /* -h or --help was there: nothing is checked for being required */
	bool terminated; /* the flags ended with "--": positionals may begin with '-' */
};

/* Fills values (cmd->options_size zeroed bytes) with the defaults, then the environment, then the flags at the front of
 * argv[0..argc). INVALID_ARGUMENT with Go's texts: `flag provided but not defined: -x`, `flag needs an argument: -x`,
 * `invalid value "abc" for flag -cpus: parse error`, `Required flag "exec-id" not set`. values must be given to
 * cor_options_done whatever is returned. A variable in the environment that is empty counts as not there. */
int cor_options_parse(const struct cor_command *cmd, int argc, char **argv, void *values,
		      struct cor_parsed *ret, struct cor_error *err);
void cor_options_done(const struct cor_command *cmd, void *values);

/* Stores the text into the field of values that o describes. -EINVAL with *ret_why "parse error" or "value out of
 * range", -ENOMEM. */
int cor_option_store(const struct cor_option *o, const char *text, void *values, const char **ret_why);
/* Takes no value of its own: "--flag" alone is complete. */
bool cor_option_is_bool(const struct cor_option *o);

#endif
