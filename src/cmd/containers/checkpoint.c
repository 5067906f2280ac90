/* SPDX-License-Identifier: Apache-2.0 */
/* `containers checkpoint` and `containers restore`: a container as an image, and back. */
#include "client/client.h"
#include "cmd/containers/checkpoint.h"
#include "cmd/context.h"

static int two_args(const struct cor_context *ctx, int argc, char **args, struct cor_error *err)
{
	if (argc < 1 || cor_empty(args[0]))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "container id must be provided");
	if (argc < 2 || cor_empty(args[1]))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "ref must be provided");
	return cor_context_check_args(ctx, argc, 2, 2, err);
}

struct checkpoint_flags {
	bool rw, image, task;
};
static const struct cor_option checkpoint_options[] = {
	COR_OPT(struct checkpoint_flags, COR_OPT_BOOL, rw, "rw", NULL,
		"include the rw layer in the checkpoint"),
	COR_OPT(struct checkpoint_flags, COR_OPT_BOOL, image, "image", NULL,
		"include the image in the checkpoint"),
	COR_OPT(struct checkpoint_flags, COR_OPT_BOOL, task, "task", NULL, "checkpoint container task"),
	COR_OPT_END,
};

static int run_checkpoint(struct cor_context *ctx, const void *opts, int argc, char **args,
			  struct cor_error *err)
{
	const struct checkpoint_flags *f = opts;
	struct cor_services *s;
	int r = two_args(ctx, argc, args, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	struct cor_checkpoint_container_options o = {
		.id = args[0], .ref = args[1], .rw = f->rw, .image = f->image, .task = f->task};
	return cor_checkpoint_container(s, &o, err);
}

const struct cor_command cor_cmd_containers_checkpoint = {
	.name = "checkpoint",
	.usage = "checkpoint a container",
	.args_usage = "[flags] CONTAINER REF",
	.description =
		"Makes the image REF of the container. `containers restore` needs the spec, which comes with "
		"--task.",
	.complete = "CONTAINER",
	.options = checkpoint_options,
	.options_size = sizeof(struct checkpoint_flags),
	.run = run_checkpoint,
};

struct restore_flags {
	bool rw, live;
};
static const struct cor_option restore_options[] = {
	COR_OPT(struct restore_flags, COR_OPT_BOOL, rw, "rw", NULL,
		"restore the rw layer from the checkpoint"),
	COR_OPT(struct restore_flags, COR_OPT_BOOL, live, "live", NULL,
		"restore the runtime and memory data from the checkpoint"),
	COR_OPT_END,
};

static int run_restore(struct cor_context *ctx, const void *opts, int argc, char **args,
		       struct cor_error *err)
{
	const struct restore_flags *f = opts;
	struct cor_services *s;
	uint32_t status = 0;
	int r = two_args(ctx, argc, args, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	struct cor_restore_options restore = {.ref = args[1], .rw = f->rw, .live = f->live};
	struct cor_run_options o = {
		.restore = &restore,
		.detach_without_tty = true,
		.create.spec = {.ns = ctx->globals.ns, .id = args[0]},
	};
	r = cor_run(s, &o, &status, err);
	return r < 0 ? r : (int)status;
}

const struct cor_command cor_cmd_containers_restore = {
	.name = "restore",
	.usage = "restore a container from checkpoint",
	.args_usage = "[flags] CONTAINER REF",
	.description =
		"Makes the container of a checkpoint and starts it: its process goes on with --live, and "
		"starts "
		"anew\n"
		"without. It stays in the foreground only where the process has a terminal. The spec is the "
		"checkpoint's:\n"
		"restore only what you trust.",
	.options = restore_options,
	.options_size = sizeof(struct restore_flags),
	.run = run_restore,
};
