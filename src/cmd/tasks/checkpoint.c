/* SPDX-License-Identifier: Apache-2.0 */
/* `tasks checkpoint`: what runs, as an image to go on from. */
#include "base/path.h"
#include "client/client.h"
#include "cmd/context.h"
#include "cmd/tasks/tasks.h"
#include "cmd/text.h"

struct flags {
	bool exit;
	const char *image_path, *work_path;
};
static const struct cor_option options[] = {
	COR_OPT(struct flags, COR_OPT_BOOL, exit, "exit", NULL, "stop the container after the checkpoint"),
	COR_OPT(struct flags, COR_OPT_STRING, image_path, "image-path", NULL,
		"path to criu image files (no image is made then)", .metavar = "DIR"),
	COR_OPT(struct flags, COR_OPT_STRING, work_path, "work-path", NULL,
		"path to criu work files and logs", .metavar = "DIR"),
	COR_OPT_END,
};

/* NULL and "" are none. */
static int absolute(const char *path, char **ret, struct cor_error *err)
{
	if (cor_empty(path))
		return 0;
	*ret = cor_path_abs(path);
	return *ret ? 0 : cor_error_oom(err);
}

static int run_checkpoint(struct cor_context *ctx, const void *opts, int argc, char **args,
			  struct cor_error *err)
{
	const struct flags *f = opts;
	struct cor_services *s;
	_cleanup_free_ char *image_path = NULL, *work_path = NULL, *name = NULL;
	if (argc != 1 || cor_empty(args[0]))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     argc > 1 ? "one container id only" : "container id must be provided");
	int r = absolute(f->image_path, &image_path, err);
	if (r >= 0)
		r = absolute(f->work_path, &work_path, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	struct cor_checkpoint_task_options o = {
		.id = args[0], .exit = f->exit, .image_path = image_path, .work_path = work_path};
	r = cor_checkpoint_task(s, &o, &name, err);
	if (r >= 0 && name)
		cor_text_line(ctx->out, name);
	return r;
}

const struct cor_command cor_cmd_tasks_checkpoint = {
	.name = "checkpoint",
	.usage = "checkpoint a container",
	.args_usage = "[flags] CONTAINER",
	.description = "Writes memory and state of the container's processes (by criu, which the OCI runtime "
		       "calls), its "
		       "spec\n"
		       "and what it has changed in its root file system into an image, and prints the "
		       "image's name. The\n"
		       "container is paused meanwhile and goes on afterwards. `run --checkpoint` restores "
		       "it, here or "
		       "with a\ncopy of the image elsewhere.",
	.options = options,
	.options_size = sizeof(struct flags),
	.run = run_checkpoint,
};
