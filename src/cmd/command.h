/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands and their options as const tables. The same tables parse the command line, print help, and make the man page
 * and the shell completions. Go's flag rules: -long equals --long, --flag=value, parsing stops at the first positional (and
 * at --), short aliases, defaults from the environment.
 */
#ifndef COR_CMD_COMMAND_H
#define COR_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "services/services.h"

enum cor_option_type {
	COR_OPT_BOOL,     /* bool */
	COR_OPT_STRING,   /* const char * (borrowed from argv/environ; NULL when not given and no default) */
	COR_OPT_STRINGS,  /* char ** strv (owned by the options; freed by cor_options_done) */
	COR_OPT_INT,      /* int64_t */
	COR_OPT_UINT,     /* uint64_t */
	COR_OPT_FLOAT,    /* double */
	COR_OPT_DURATION, /* int64_t nanoseconds */
	COR_OPT_PRESENCE /* bool: true when the flag is there at all, whatever its value (ctr's --allow-new-privs) */
};

struct cor_option {
	const char *name;  /* "memory-limit" */
	const char *alias; /* "m" or NULL; several separated by commas */
	enum cor_option_type type;
	size_t offset;     /* of the value in the command's options struct */
	size_t set_offset; /* of a bool "was given" in that struct; SIZE_MAX: none */
	const char *env;   /* environment variable with the default, or NULL */
	const char *def;   /* default as text, or NULL */
	const char *help;
	const char *metavar; /* what completions offer: "FILE", "IMAGE", "CONTAINER", … or NULL */
	bool required;
};
/* One row of an option table. What follows `help_` are further designated initialisers: `.env = "X", .metavar = "FILE"`. */
#define COR_OPT(T, type_, field, name_, alias_, help_, ...)                                        \
	{                                                                                          \
		.name = (name_), .alias = (alias_), .type = (type_), .offset = offsetof(T, field), \
		.set_offset = SIZE_MAX, .help = (help_), __VA_ARGS__                               \
	}
/* The same, with a bool `set_field` that says whether the flag (or its environment variable) was given. */
#define COR_OPT_SET(T, type_, field, set_field, name_, alias_, help_, ...)                         \
	{                                                                                          \
		.name = (name_), .alias = (alias_), .type = (type_), .offset = offsetof(T, field), \
		.set_offset = offsetof(T, set_field), .help = (help_), __VA_ARGS__                 \
	}
#define COR_OPT_END          \
	{                    \
		.name = NULL \
	}

struct cor_context; /* global options, opened services on demand: cmd/context.h */

struct cor_command {
	const char *name;
	const char *aliases;     /* comma-separated or NULL */
	const char *usage;       /* one line */
	const char *args_usage;  /* "[flags] Image|RootFS ID [COMMAND] [ARG...]" */
	const char *description; /* longer text or NULL */
	const char *complete;    /* kind of the positionals for completions: "IMAGE", …; NULL: a guess */
	const struct cor_option *options; /* ends with .name NULL; NULL: none */
	/* NULL-terminated list of shared tables on the same struct, or NULL */
	const struct cor_option *const *more_options;
	size_t options_size; /* of the options struct (on the stack of the dispatcher) */
	bool hidden;         /* not in help, man page, completions */
	bool dash_args; /* positionals may begin with '-' after the first one (run, exec); else an error */
	/* args: NULL-terminated positionals. Returns the exit code, or -errno with err set (exit 1, "coracle: <err>"). */
	int (*run)(struct cor_context *ctx, const void *options, int argc, char **args,
		   struct cor_error *err);
	/* NULL-terminated, or NULL. A group's own options are ctx->group while a subcommand runs. */
	const struct cor_command *const *subcommands;
};

#endif
