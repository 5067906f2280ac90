/* SPDX-License-Identifier: Apache-2.0 */
/* `tasks kill`, `delete`, `pause` and `resume`. */
#include <signal.h>

#include "base/log.h"
#include "base/process.h"
#include "client/client.h"
#include "cmd/context.h"
#include "cmd/tasks/tasks.h"

#define STOP_SIGNAL_LABEL "io.containerd.image.config.stop-signal"

struct kill_flags {
	const char *signal, *exec_id;
	bool all;
};
static const struct cor_option kill_options[] = {
	COR_OPT(struct kill_flags, COR_OPT_STRING, signal, "signal", "s", "signal to send to the container",
		.metavar = "SIGNAL"),
	COR_OPT(struct kill_flags, COR_OPT_STRING, exec_id, "exec-id", NULL, "process ID to kill",
		.metavar = "ID"),
	COR_OPT(struct kill_flags, COR_OPT_BOOL, all, "all", "a",
		"send signal to all processes inside the container"),
	COR_OPT_END,
};

/* What the image asks to be stopped with; SIGTERM otherwise. */
static int stop_signal(struct cor_services *s, const char *id, int *ret, struct cor_error *err)
{
	struct cor_container c = {0};
	int r = s->containers->get(s, id, &c, err);
	if (r < 0)
		return r;
	const char *label = cor_map_get(&c.labels, STOP_SIGNAL_LABEL);
	if (!label || cor_signal_parse(label, ret) < 0)
		*ret = SIGTERM;
	cor_container_done(&c);
	return 0;
}

static int run_kill(struct cor_context *ctx, const void *options, int argc, char **args,
		    struct cor_error *err)
{
	const struct kill_flags *f = options;
	struct cor_services *s;
	int sig = 0;
	if (argc < 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "container id must be provided");
	if (argc > 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "unexpected argument \"%s\" (flags go before the container id)",
				     args[1]);
	if (f->all && f->exec_id)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "specify an exec-id or all; not both");
	int r = cor_context_services(ctx, &s, err);
	if (r >= 0) /* ctr looks for the container first */
		r = stop_signal(s, args[0], &sig, err);
	if (r >= 0 && f->signal && cor_signal_parse(f->signal, &sig) < 0)
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "invalid signal: %s", f->signal);
	return r < 0 ? r : cor_kill_task(s, args[0], f->exec_id, sig, !f->signal, f->all, err);
}

const struct cor_command cor_cmd_tasks_kill = {
	.name = "kill",
	.usage = "signal a container (default: the image's stop signal, else SIGTERM)",
	.args_usage = "[flags] CONTAINER",
	.options = kill_options,
	.options_size = sizeof(struct kill_flags),
	.run = run_kill,
};

struct delete_flags {
	bool force;
	const char *exec_id;
};
static const struct cor_option delete_options[] = {
	COR_OPT(struct delete_flags, COR_OPT_BOOL, force, "force", "f", "force delete task process"),
	COR_OPT(struct delete_flags, COR_OPT_STRING, exec_id, "exec-id", NULL, "process ID to kill",
		.metavar = "ID"),
	COR_OPT_END,
};

static int delete_one(struct cor_services *s, const struct delete_flags *f, const char *id,
		      struct cor_task_exit *ret, struct cor_error *err)
{
	if (f->force) {
		struct cor_error e = {0};
		struct cor_task_exit ended;
		if (s->tasks->kill(s, id, f->exec_id, SIGKILL, !f->exec_id, &e) == 0)
			(void)s->tasks->wait(s, id, f->exec_id, &ended, &e);
	}
	int r = s->tasks->remove(s, id, f->exec_id, ret, err);
	if (r >= 0 && !f->exec_id)
		cor_detach_network(s, id);
	return r;
}

static int run_delete(struct cor_context *ctx, const void *options, int argc, char **args,
		      struct cor_error *err)
{
	const struct delete_flags *f = options;
	struct cor_services *s;
	int first = 0;
	struct cor_task_exit ended = {0};
	if (argc < 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "container id must be provided");
	int r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	for (int i = 0; i < argc; i++) {
		struct cor_error e = {0};
		r = cor_tasks_result(s, args[i], delete_one(s, f, args[i], &ended, &e), &e);
		if (r >= 0)
			continue;
		if (argc > 1)
			(void)cor_error_wrap(&e, r, "unable to delete %s", args[i]);
		if (first < 0)
			cor_warn("%s", e.message);
		else
			*err = e;
		first = first < 0 ? first : r;
	}
	if (first < 0)
		return first;
	/* As ctr: an exec's exit code is the command's; a container's is only told. */
	if (f->exec_id)
		return (int)ended.status;
	if (argc == 1 && ended.status)
		cor_warn("task %s exit with non-zero exit code %u", args[0], ended.status);
	return 0;
}

const struct cor_command cor_cmd_tasks_delete = {
	.name = "delete",
	.aliases = "del,remove,rm",
	.usage = "delete one or more tasks",
	.args_usage = "[flags] CONTAINER [CONTAINER, ...]",
	.options = delete_options,
	.options_size = sizeof(struct delete_flags),
	.run = run_delete,
};

static int one_id(struct cor_context *ctx, int argc, char **args, struct cor_services **ret,
		  struct cor_error *err)
{
	if (argc != 1 || cor_empty(args[0]))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     argc > 1 ? "one container id only" : "container id must be provided");
	return cor_context_services(ctx, ret, err);
}

static int run_pause(struct cor_context *ctx, const void *options, int argc, char **args,
		     struct cor_error *err)
{
	struct cor_services *s;
	int r = one_id(ctx, argc, args, &s, err);
	return r < 0 ? r : cor_tasks_result(s, args[0], s->tasks->pause(s, args[0], err), err);
}

const struct cor_command cor_cmd_tasks_pause = {
	.name = "pause",
	.usage = "pause an existing container",
	.args_usage = "CONTAINER",
	.run = run_pause,
};

static int run_resume(struct cor_context *ctx, const void *options, int argc, char **args,
		      struct cor_error *err)
{
	struct cor_services *s;
	int r = one_id(ctx, argc, args, &s, err);
	return r < 0 ? r : cor_tasks_result(s, args[0], s->tasks->resume(s, args[0], err), err);
}

const struct cor_command cor_cmd_tasks_resume = {
	.name = "resume",
	.usage = "resume a paused container",
	.args_usage = "CONTAINER",
	.run = run_resume,
};
