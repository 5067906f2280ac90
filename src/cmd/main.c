/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program: standard descriptors, signals, the log sink, the dispatcher, and how an error reaches a person (one line
 * on standard error, "coracle: …" or "ctr: …", exit status 1).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/dispatch.h"
#include "cmd/root.h"
#include "cmd/text.h"

/* A closed standard descriptor would be taken by the next file that is opened, a database say, and then be written over.
 * /dev/null takes its place: for standard output one that cannot be written, so that output lost is noticed. */
static int reserve_standard_fds(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		if (openat(AT_FDCWD, "/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) !=
		    fd) /* not O_CLOEXEC: inherited */
			return -1;
	}
	return 0;
}

static void print_line(const char *program, const char *level, const char *line)
{
	_cleanup_free_ char *safe = cor_text_escape(line);

	fprintf(stderr, "%s: %s%s\n", program, level, safe ? safe : line);
}

static void log_line(enum cor_log_level level, const char *line, void *data)
{
	static const char *const names[] = {
		[COR_LOG_DEBUG] = "debug: ",
		[COR_LOG_INFO] = "",
		[COR_LOG_WARNING] = "warning: ",
		[COR_LOG_ERROR] = "error: ",
	};
	const struct cor_context *ctx = data;

	if (level == COR_LOG_DEBUG && !ctx->globals.debug)
		return;
	fflush(ctx->out);
	print_line(ctx->program, names[level], line);
}

int main(int argc, char **argv)
{
	struct cor_error err = {0}, flush_err = {0};
	struct cor_context ctx;

	if (reserve_standard_fds() < 0)
		return 1;
	/* A peer that goes away is an error code, not the end of this process; a closed pipe on standard output
	 * still ends it as usual (cor_context_flush). */
	signal(SIGPIPE, SIG_IGN);
	cor_context_init(&ctx, argv[0], &cor_root_command);
	if (cor_context_open_output(&ctx) < 0)
		return 1;
	cor_log_set_sink(log_line, COR_LOG_DEBUG, &ctx);
	int r = cor_dispatch(&ctx, argc, argv, &err);
	cor_context_done(&ctx);
	int f = cor_context_flush(&ctx, &flush_err);
	if (r < 0)
		print_line(ctx.program, "", err.code != COR_OK ? err.message : cor_strerror(r));
	if (f < 0)
		print_line(ctx.program, "", flush_err.message);
	cor_log_set_sink(NULL, COR_LOG_DEBUG, NULL);
	fclose(ctx.out);
	if (r < 0)
		return 1;
	return f < 0 && r == 0 ? 1 : r;
}
