/* SPDX-License-Identifier: Apache-2.0 */
/* `tasks list` and `tasks ps`. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd/context.h"
#include "cmd/table.h"
#include "cmd/tasks/tasks.h"
#include "cmd/text.h"

struct list_flags {
	bool quiet;
};
static const struct cor_option list_options[] = {
	COR_OPT(struct list_flags, COR_OPT_BOOL, quiet, "quiet", "q", "print only the task id"),
	COR_OPT_END,
};
struct listing {
	struct cor_table table;
	FILE *out;
};

static int list_one(const struct cor_task *t, void *data)
{
	struct listing *l = data;
	char pid[24];
	(void)snprintf(pid, sizeof(pid), "%d", (int)t->pid);
	if (l->out)
		cor_text_line(l->out, t->id);
	else
		cor_table_row(&l->table, t->id, pid, cor_task_status_name(t->status));
	return 0;
}

static int run_list(struct cor_context *ctx, const void *options, int argc, char **args,
		    struct cor_error *err)
{
	const struct list_flags *f = options;
	struct cor_services *s;
	struct listing l = {.table = COR_TABLE(4, 4), .out = f->quiet ? ctx->out : NULL};
	int r = cor_context_check_args(ctx, argc, 0, 0, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	if (!f->quiet)
		cor_table_row(&l.table, "TASK", "PID", "STATUS");
	r = s->tasks->walk(s, list_one, &l, err);
	if (r >= 0 && !f->quiet && cor_table_print(&l.table, ctx->out) < 0)
		r = cor_error_oom(err);
	cor_table_done(&l.table);
	return r;
}

const struct cor_command cor_cmd_tasks_list = {
	.name = "list",
	.aliases = "ls",
	.usage = "list tasks",
	.args_usage = "[flags]",
	.options = list_options,
	.options_size = sizeof(struct list_flags),
	.run = run_list,
};

static int run_ps(struct cor_context *ctx, const void *options, int argc, char **args, struct cor_error *err)
{
	struct cor_services *s;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;
	if (argc < 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "container id must be provided");
	int r = cor_context_check_args(ctx, argc, 1, 1, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = cor_tasks_result(s, args[0], s->tasks->pids(s, args[0], &pids, &n, err), err);
	if (r < 0)
		return r;
	struct cor_table t = COR_TABLE(1, 4);
	cor_table_row(&t, "PID", "INFO");
	for (size_t i = 0; i < n; i++) {
		char pid[24];
		(void)snprintf(pid, sizeof(pid), "%d", (int)pids[i]);
		cor_table_row(&t, pid, "-");
	}
	r = cor_table_print(&t, ctx->out) < 0 ? cor_error_oom(err) : 0;
	cor_table_done(&t);
	return r;
}

const struct cor_command cor_cmd_tasks_ps = {
	.name = "ps",
	.usage = "list processes for container",
	.args_usage = "CONTAINER",
	.run = run_ps,
};
