/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Global options and standard output. Nothing here knows the engine: opening the services is in open.c, so that help,
 * completions and tests need no store.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "cmd/context.h"

const struct cor_option cor_global_options[] = {
	COR_OPT(struct cor_globals, COR_OPT_BOOL, debug, "debug", NULL, "enable debug output in logs"),
	COR_OPT(struct cor_globals, COR_OPT_STRING, root, "root", NULL,
		"directory of images, snapshots and container records", .env = "CORACLE_ROOT",
		.def = "/var/lib/coracle", .metavar = "DIR"),
	COR_OPT(struct cor_globals, COR_OPT_STRING, state, "state", NULL, "directory of running containers",
		.env = "CORACLE_STATE", .def = "/run/coracle", .metavar = "DIR"),
	COR_OPT_SET(struct cor_globals, COR_OPT_STRING, address, address_given, "address", "a",
		    "address of a containerd's GRPC server to drive instead of the built-in engine (not "
		    "built in yet)",
		    .env = "CONTAINERD_ADDRESS", .metavar = "SOCKET"),
	COR_OPT(struct cor_globals, COR_OPT_DURATION, timeout_ns, "timeout", NULL,
		"timeout of each request to a container's monitor, but not of waiting for a process (0s: the "
		"built-in limits)",
		.metavar = "DURATION"),
	COR_OPT(struct cor_globals, COR_OPT_DURATION, connect_timeout_ns, "connect-timeout", NULL,
		"timeout for connecting to containerd (the built-in engine connects to nothing)",
		.metavar = "DURATION"),
	COR_OPT_SET(struct cor_globals, COR_OPT_STRING, ns, ns_given, "namespace", "n",
		    "namespace to use with commands", .env = "CONTAINERD_NAMESPACE", .def = "default",
		    .metavar = "NAMESPACE"),
	COR_OPT(struct cor_globals, COR_OPT_BOOL, version, "version", "v", "print the version"),
	COR_OPT_END,
};

void cor_context_init(struct cor_context *ctx, const char *argv0, const struct cor_command *root)
{
	const char *base = cor_path_base(cor_empty(argv0) ? "coracle" : argv0);

	*ctx = (struct cor_context){
		.program = streq(base, "ctr") ? "ctr" : "coracle",
		.root = root,
		.out = stdout,
	};
}

int cor_context_check_args(const struct cor_context *ctx, int argc, int min, int max, struct cor_error *err)
{
	if (argc >= min && (max < 0 || argc <= max))
		return 0;
	return cor_error_set(err, COR_INVALID_ARGUMENT, "%s arguments, usage: %s %s",
			     argc < min ? "missing" : "too many", ctx->path,
			     cor_empty(ctx->command->args_usage) ? "" : ctx->command->args_usage);
}

static ssize_t write_output(void *cookie, const char *buf, size_t n)
{
	struct cor_context *ctx = cookie;
	int r = cor_write_full(STDOUT_FILENO, buf, n);

	if (r >= 0)
		return (ssize_t)n;
	if (ctx->write_errno == 0)
		ctx->write_errno = -r;
	return 0;
}

int cor_context_open_output(struct cor_context *ctx)
{
	cookie_io_functions_t io = {.write = write_output};
	FILE *out = fopencookie(ctx, "w", io);

	if (!out)
		return -ENOMEM;
	if (isatty(STDOUT_FILENO))
		setvbuf(out, NULL, _IOLBF, 0);
	ctx->out = out;
	return 0;
}

int cor_context_flush(struct cor_context *ctx, struct cor_error *err)
{
	bool failed = ferror(ctx->out);

	if (fflush(ctx->out) == 0 && !failed)
		return 0;
	int e = ctx->write_errno ? ctx->write_errno : EIO;
	clearerr(ctx->out);
	ctx->write_errno = 0;
	if (e == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	return cor_error_errno(err, e, "write standard output");
}
