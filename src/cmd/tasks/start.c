/* SPDX-License-Identifier: Apache-2.0 */
/* `tasks start`, `exec` and `attach`: the ones that may stay in the foreground. */
#include <errno.h>

#include "client/client.h"
#include "cmd/context.h"
#include "cmd/tasks/tasks.h"

struct start_flags {
	bool null_io, detach, no_pivot;
	const char *log_uri, *pid_file, *fifo_dir;
};
static const struct cor_option start_options[] = {
	COR_OPT(struct start_flags, COR_OPT_BOOL, null_io, "null-io", NULL, "send all IO to /dev/null"),
	COR_OPT(struct start_flags, COR_OPT_STRING, log_uri, "log-uri", NULL,
		"log uri (file:///path or binary:///path?key=value)", .metavar = "URI"),
	COR_OPT(struct start_flags, COR_OPT_STRING, fifo_dir, "fifo-dir", NULL,
		"directory used for storing IO FIFOs (not supported: there are none)", .metavar = "DIR"),
	COR_OPT(struct start_flags, COR_OPT_STRING, pid_file, "pid-file", NULL,
		"file path to write the task's pid", .metavar = "FILE"),
	COR_OPT(struct start_flags, COR_OPT_BOOL, detach, "detach", "d",
		"detach from the task after it has started execution"),
	COR_OPT(struct start_flags, COR_OPT_BOOL, no_pivot, "no-pivot", NULL,
		"disable use of pivot-root (linux only)"),
	COR_OPT_END,
};

static int spec_has_terminal(const struct cor_container *c, bool *ret, struct cor_error *err)
{
	_cleanup_json_ json_t *spec = NULL;
	int r = cor_json_parse(c->spec, strlen(c->spec), "container spec", &spec, err);
	if (r >= 0)
		r = cor_json_get_bool(json_object_get(spec, "process"), "terminal", ret, err);
	return r;
}

static int run_start(struct cor_context *ctx, const void *options, int argc, char **args,
		     struct cor_error *err)
{
	const struct start_flags *f = options;
	struct cor_services *s;
	struct cor_container c = {0};
	struct cor_task_options o = {
		.detach = f->detach,
		.null_io = f->null_io,
		.no_pivot = f->no_pivot,
		.log_uri = f->log_uri,
		.fifo_dir = f->fifo_dir,
		.pid_file = f->pid_file,
	};
	uint32_t status = 0;
	if (argc != 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     argc > 1 ? "one container id only" : "container id must be provided");
	int r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->containers->get(s, args[0], &c, err);
	if (r < 0)
		return r;
	r = spec_has_terminal(&c, &o.tty, err);
	if (r >= 0)
		r = cor_run_task(s, &c, &o, &status, err);
	if (r == -ECANCELED && status)
		r = 0;
	cor_container_done(&c);
	return r < 0 ? r : (int)status;
}

const struct cor_command cor_cmd_tasks_start = {
	.name = "start",
	.usage = "start a container that has been created",
	.args_usage = "[flags] CONTAINER",
	.options = start_options,
	.options_size = sizeof(struct start_flags),
	.run = run_start,
};

struct exec_flags {
	const char *cwd, *exec_id, *log_uri, *fifo_dir, *user;
	bool tty, detach;
};
static const struct cor_option exec_options[] = {
	COR_OPT(struct exec_flags, COR_OPT_STRING, cwd, "cwd", NULL, "working directory of the new process",
		.metavar = "DIR"),
	COR_OPT(struct exec_flags, COR_OPT_BOOL, tty, "tty", "t", "allocate a TTY for the container"),
	COR_OPT(struct exec_flags, COR_OPT_BOOL, detach, "detach", "d",
		"detach from the task after it has started execution"),
	COR_OPT(struct exec_flags, COR_OPT_STRING, exec_id, "exec-id", NULL,
		"exec specific id for the process", .metavar = "ID", .required = true),
	COR_OPT(struct exec_flags, COR_OPT_STRING, log_uri, "log-uri", NULL,
		"log uri for custom shim logging (file:///path or binary:///path?key=value)",
		.metavar = "URI"),
	COR_OPT(struct exec_flags, COR_OPT_STRING, fifo_dir, "fifo-dir", NULL,
		"directory used for storing IO FIFOs (not supported: there are none)", .metavar = "DIR"),
	COR_OPT(struct exec_flags, COR_OPT_STRING, user, "user", NULL,
		"user id or name, group optional (format: <name|uid>[:<group|gid>])", .metavar = "USER"),
	COR_OPT_END,
};

static int run_exec(struct cor_context *ctx, const void *options, int argc, char **args,
		    struct cor_error *err)
{
	const struct exec_flags *f = options;
	struct cor_services *s;
	uint32_t status = 0;
	if (argc < 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "container id must be provided");
	if (argc < 2)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "command must be provided");
	struct cor_exec_request o = {
		.id = args[0],
		.exec_id = f->exec_id,
		.spec = {.args = args + 1, .cwd = f->cwd, .user = f->user, .tty = f->tty},
		.task = {.detach = f->detach, .tty = f->tty, .log_uri = f->log_uri, .fifo_dir = f->fifo_dir},
	};
	int r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = cor_exec(s, &o, &status, err);
	return r < 0 ? r : (int)status;
}

const struct cor_command cor_cmd_tasks_exec = {
	.name = "exec",
	.usage = "execute additional processes in an existing container",
	.args_usage = "[flags] CONTAINER CMD [ARG...]",
	.options = exec_options,
	.options_size = sizeof(struct exec_flags),
	.dash_args = true,
	.run = run_exec,
};

static int run_attach(struct cor_context *ctx, const void *options, int argc, char **args,
		      struct cor_error *err)
{
	struct cor_services *s;
	uint32_t status = 0;
	if (argc != 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     argc > 1 ? "one container id only" : "container id must be provided");
	int r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = cor_tasks_result(s, args[0], cor_attach(s, args[0], &status, err), err);
	return r < 0 ? r : (int)status;
}

const struct cor_command cor_cmd_tasks_attach = {
	.name = "attach",
	.usage = "attach to the IO of a running container",
	.args_usage = "CONTAINER",
	.run = run_attach,
};
