/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `completion bash|zsh` and `gendoc man`, hidden: the build runs them and installs what they print, so that completions and
 * manual cannot fall behind the tables.
 */
#include <errno.h>

#include "cmd/commands.h"
#include "cmd/generate/generate.h"

static int walk(const struct cor_command *cmd, const char *path, cor_tree_fn fn, void *data)
{
	int r = fn(cmd, path, data);

	for (const struct cor_command *const *c = cmd->subcommands; r >= 0 && c && *c; c++) {
		if ((*c)->hidden)
			continue;
		_cleanup_free_ char *below = cor_asprintf("%s %s", path, (*c)->name);
		r = below ? walk(*c, below, fn, data) : -ENOMEM;
	}
	return r;
}

int cor_tree_walk(const struct cor_command *root, const char *name, cor_tree_fn fn, void *data)
{
	return walk(root, name, fn, data);
}

const char *cor_complete_kind(const struct cor_command *cmd)
{
	if (cmd->complete)
		return cmd->complete;
	if (cmd->args_usage && strstr(cmd->args_usage, "CONTAINER"))
		return "CONTAINER";
	return cmd->args_usage && strstr(cmd->args_usage, "Image") ? "IMAGE" : "";
}

static int generated(int r, struct cor_error *err)
{
	return r < 0 ? cor_error_errno(err, r, "generate") : 0;
}

static int run_completion(struct cor_context *ctx, const void *opts, int argc, char **args,
			  struct cor_error *err)
{
	int r = cor_context_check_args(ctx, argc, 1, 1, err);

	if (r < 0)
		return r;
	if (streq(args[0], "bash"))
		return generated(cor_generate_bash(ctx->root, ctx->out), err);
	if (streq(args[0], "zsh"))
		return generated(cor_generate_zsh(ctx->root, ctx->out), err);
	return cor_error_set(err, COR_INVALID_ARGUMENT, "no completions for \"%s\": bash or zsh", args[0]);
}

const struct cor_command cor_cmd_completion = {
	.name = "completion",
	.usage = "print the completions of a shell",
	.complete = "SHELL",
	.args_usage = "bash|zsh",
	.hidden = true,
	.run = run_completion,
};

static int run_man(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	int r = cor_context_check_args(ctx, argc, 0, 0, err);

	return r < 0 ? r : generated(cor_generate_man(ctx->root, ctx->out), err);
}

static const struct cor_command man = {
	.name = "man",
	.usage = "print coracle(1)",
	.run = run_man,
};
static const struct cor_command *const documents[] = {&man, NULL};

const struct cor_command cor_cmd_gendoc = {
	.name = "gendoc",
	.usage = "print documentation",
	.hidden = true,
	.subcommands = documents,
};
