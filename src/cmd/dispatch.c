/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk down the command tree. Each level parses its own flags into a struct on this function's stack and goes on with
 * what follows; a group's struct stays alive while its subcommand runs (ctx->group), so that
 * `snapshots --snapshotter native list` works without any global.
 */
#include <errno.h>
#include <stdalign.h>

#include "cmd/dispatch.h"
#include "cmd/options.h"

#define OPTIONS_SIZE_MAX 8192

static int walk(struct cor_context *ctx, const struct cor_command *cmd, const char *path, int argc,
		char **argv, struct cor_error *err);

static bool name_matches(const struct cor_command *cmd, const char *name)
{
	size_t n = strlen(name);

	if (streq(cmd->name, name))
		return true;
	for (const char *a = cmd->aliases; a && *a;) {
		size_t len = strcspn(a, ",");
		if (len == n && memcmp(a, name, n) == 0)
			return true;
		a += len + (a[len] == ',');
	}
	return false;
}

const struct cor_command *cor_command_find(const struct cor_command *parent, const char *name)
{
	for (const struct cor_command *const *c = parent->subcommands; c && *c; c++)
		if (name_matches(*c, name))
			return *c;
	return NULL;
}

static int no_topic(const char *name)
{
	fprintf(stderr, "No help topic for '%s'\n", name);
	return 3;
}

/* `help [command [subcommand …]]` below cmd. */
static int help_topic(struct cor_context *ctx, const struct cor_command *cmd, const char *path, char **names)
{
	_cleanup_free_ char *full = cor_asprintf("%s", path);

	for (; full && *names; names++) {
		cmd = cor_command_find(cmd, *names);
		if (!cmd)
			return no_topic(*names);
		char *longer = cor_asprintf("%s %s", full, cmd->name);
		free(full);
		full = longer;
	}
	if (!full)
		return -ENOMEM;
	cor_help_print(ctx->out, cmd, full, cmd == ctx->root);
	return 0;
}

static int walk_group(struct cor_context *ctx, const struct cor_command *cmd, const char *path, int argc,
		      char **argv, const void *values, struct cor_error *err)
{
	if (argc == 0) {
		cor_help_print(ctx->out, cmd, path, cmd == ctx->root);
		return 0;
	}
	if (streq(argv[0], "help") || streq(argv[0], "h")) {
		int r = help_topic(ctx, cmd, path, argv + 1);
		return r == -ENOMEM ? cor_error_oom(err) : r;
	}
	const struct cor_command *sub = cor_command_find(cmd, argv[0]);
	if (!sub)
		return no_topic(argv[0]);
	_cleanup_free_ char *sub_path = cor_asprintf("%s %s", path, sub->name);
	if (!sub_path)
		return cor_error_oom(err);
	const void *outer = ctx->group;
	if (cmd != ctx->root && cmd->options_size > 0)
		ctx->group = values;
	int r = walk(ctx, sub, sub_path, argc - 1, argv + 1, err);
	ctx->group = outer;
	return r;
}

/* ctr takes a flag behind a positional for a name, silently. Here it is an error, unless it follows a "--". */
static int check_positionals(const struct cor_command *cmd, const struct cor_parsed *p, int argc, char **argv,
			     struct cor_error *err)
{
	if (cmd->dash_args || p->terminated)
		return 0;
	for (int i = 0; i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1] != '\0')
			return cor_error_set(err, COR_INVALID_ARGUMENT, "flag must come before arguments: %s",
					     argv[i]);
	return 0;
}

static int run_leaf(struct cor_context *ctx, const struct cor_command *cmd, const char *path,
		    const struct cor_parsed *p, int argc, char **argv, const void *values,
		    struct cor_error *err)
{
	int r = check_positionals(cmd, p, argc, argv, err);
	if (r < 0)
		return r;
	ctx->path = path;
	ctx->command = cmd;
	return cmd->run(ctx, values, argc, argv, err);
}

static int walk_parsed(struct cor_context *ctx, const struct cor_command *cmd, const char *path,
		       const struct cor_parsed *p, int argc, char **argv, const void *values,
		       struct cor_error *err)
{
	bool is_root = cmd == ctx->root;

	if (p->help) {
		cor_help_print(ctx->out, cmd, path, is_root);
		return 0;
	}
	if (is_root && ctx->globals.version) {
		fprintf(ctx->out, "%s %s\n", ctx->program, COR_VERSION);
		return 0;
	}
	if (cmd->subcommands)
		return walk_group(ctx, cmd, path, argc, argv, values, err);
	return run_leaf(ctx, cmd, path, p, argc, argv, values, err);
}

static int walk(struct cor_context *ctx, const struct cor_command *cmd, const char *path, int argc,
		char **argv, struct cor_error *err)
{
	alignas(max_align_t) char storage[OPTIONS_SIZE_MAX];
	void *values = cmd == ctx->root ? (void *)&ctx->globals : (void *)storage;
	struct cor_parsed p;

	if (cmd->options_size > sizeof(storage))
		return cor_error_set(err, COR_INTERNAL, "options of %s are larger than %d bytes", path,
				     OPTIONS_SIZE_MAX);
	if (cmd != ctx->root)
		memset(storage, 0, cmd->options_size);
	int r = cor_options_parse(cmd, argc, argv, values, &p, err);
	if (r >= 0)
		r = walk_parsed(ctx, cmd, path, &p, argc - p.first, argv + p.first, values, err);
	cor_options_done(cmd, values);
	return r;
}

int cor_dispatch(struct cor_context *ctx, int argc, char **argv, struct cor_error *err)
{
	return walk(ctx, ctx->root, ctx->program, argc > 0 ? argc - 1 : 0, argc > 0 ? argv + 1 : argv, err);
}
