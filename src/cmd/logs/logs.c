/* SPDX-License-Identifier: Apache-2.0 */
/* `logs`: what a detached container has written. */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "client/client.h"
#include "cmd/commands.h"
#include "cmd/context.h"

struct flags {
	bool follow, timestamps;
	const char *tail;
};
static const struct cor_option options[] = {
	COR_OPT(struct flags, COR_OPT_BOOL, follow, "follow", "f",
		"follow the output until the container stops"),
	COR_OPT(struct flags, COR_OPT_STRING, tail, "tail", "n",
		"number of lines from the end (\"all\" for all of them)", .metavar = "N"),
	COR_OPT(struct flags, COR_OPT_BOOL, timestamps, "timestamps", "t", "show the time of each line"),
	COR_OPT_END,
};

struct printer {
	bool timestamps;
	bool inside[3]; /* stream is in the middle of a line */
};

static int print_piece(const char *time, size_t time_len, int stream, const char *text, size_t n, bool full,
		       void *data)
{
	struct printer *p = data;
	_cleanup_buf_ struct cor_buf line = {0};
	if (p->timestamps && !p->inside[stream]) {
		(void)cor_buf_append(&line, time, time_len);
		(void)cor_buf_char(&line, ' ');
	}
	(void)cor_buf_append(&line, text, n);
	if (full)
		(void)cor_buf_char(&line, '\n');
	p->inside[stream] = !full;
	if (line.failed)
		return -ENOMEM;
	return cor_write_full(stream == 2 ? STDERR_FILENO : STDOUT_FILENO, line.data, line.len);
}

static int run_logs(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct flags *f = opts;
	struct cor_services *s;
	struct cor_logs_options o = {.follow = f->follow};
	struct printer p = {.timestamps = f->timestamps};
	if (argc != 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     argc > 1 ? "one container id only" : "container id must be provided");
	if (f->tail && !streq(f->tail, "all")) {
		o.tail_set = true;
		if (cor_parse_u64(f->tail, &o.tail) < 0)
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "--tail: \"%s\" is not a number of lines", f->tail);
	}
	int r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = cor_logs(s, args[0], &o, print_piece, &p, err);
	/* Nobody reads any more: not an error to tell. */
	if (r == -EPIPE)
		return 128 + 13;
	if (r < 0 && err->code == COR_OK)
		return cor_error_errno(err, r, "write log");
	return r;
}

const struct cor_command cor_cmd_logs = {
	.name = "logs",
	.usage = "show the output of a detached container",
	.args_usage = "[flags] CONTAINER",
	.options = options,
	.options_size = sizeof(struct flags),
	.run = run_logs,
};
