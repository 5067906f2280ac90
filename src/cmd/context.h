/* SPDX-License-Identifier: Apache-2.0 */
/* What every command gets: the program's name, the global options, the services (opened when first asked for). */
#ifndef COR_CMD_CONTEXT_H
#define COR_CMD_CONTEXT_H

#include <stdio.h>

#include "cmd/command.h"

struct cor_globals {
	bool debug, version;
	const char *root, *state, *ns;
	const char *address; /* containerd's socket; NULL or "": the built-in engine */
	bool ns_given, address_given;
	int64_t timeout_ns, connect_timeout_ns;
};

struct cor_context {
	const char *program;            /* "coracle" or "ctr": prefix of messages */
	const struct cor_command *root; /* the whole tree, for help and completions */
	struct cor_globals globals;
	const void *group; /* options struct of the nearest enclosing group that has one, or NULL */
	const struct cor_command *command; /* the running command … */
	const char *path;                  /* … and the words that led to it: "coracle images list" */
	FILE *out;       /* standard output; write errors are noticed at the end (cor_context_flush) */
	int write_errno; /* of the first failed write to out */
	struct cor_services *services; /* NULL until cor_context_services */
};

/* Option table of the root command (on struct cor_globals). */
extern const struct cor_option cor_global_options[];

void cor_context_init(struct cor_context *ctx, const char *argv0, const struct cor_command *root);
/* Makes out a stream on standard output that remembers why a write failed, which stdio forgets. 0 or -ENOMEM. */
int cor_context_open_output(struct cor_context *ctx);
void cor_context_done(struct cor_context *ctx);

/* The services, opened on the first call; borrowed, closed by cor_context_done. */
int cor_context_services(struct cor_context *ctx, struct cor_services **ret, struct cor_error *err);

/* INVALID_ARGUMENT with the usage line unless min <= argc <= max (max < 0: any number). */
int cor_context_check_args(const struct cor_context *ctx, int argc, int min, int max, struct cor_error *err);

/* Writes out what is buffered. A failure (full disk) is an error of the command; a closed pipe ends the program as
 * SIGPIPE would. Call it before anything else writes to descriptor 1 (a container, a child). */
int cor_context_flush(struct cor_context *ctx, struct cor_error *err);

#endif
