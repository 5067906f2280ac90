/* SPDX-License-Identifier: Apache-2.0 */
/* `content get` and `content ingest`: a blob to standard output, standard input to a blob. */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "cmd/content/content.h"
#include "cmd/text.h"
#include "oci/digest.h"

#define CHUNK (256u * 1024)

/* ---- get ---- */

static int copy_out(struct cor_context *ctx, struct cor_reader *reader, struct cor_error *err)
{
	_cleanup_free_ char *buf = malloc(CHUNK);

	if (!buf)
		return cor_error_oom(err);
	for (;;) {
		ssize_t n = reader->ops->read(reader, buf, CHUNK, err);
		if (n <= 0)
			return (int)n;
		if (fwrite(buf, 1, (size_t)n, ctx->out) != (size_t)n)
			return cor_context_flush(ctx, err);
	}
}

static int run_get(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	_cleanup_(cor_reader_freep) struct cor_reader *reader = NULL;
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 1, 1, err);
	if (r >= 0)
		r = cor_digest_validate(args[0], err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->content->reader(s, args[0], &reader, err);
	return r < 0 ? r : copy_out(ctx, reader, err);
}

const struct cor_command cor_content_get = {
	.name = "get",
	.usage = "get the data for an object",
	.complete = "DIGEST",
	.args_usage = "<digest>",
	.description = "Writes a blob to standard output.",
	.run = run_get,
};

/* ---- ingest ---- */

struct ingest_options {
	int64_t size;
	const char *digest;
};
static const struct cor_option ingest_options[] = {
	COR_OPT(struct ingest_options, COR_OPT_INT, size, "expected-size", NULL,
		"validate against provided size", .metavar = "BYTES"),
	COR_OPT(struct ingest_options, COR_OPT_STRING, digest, "expected-digest", NULL,
		"verify content against expected digest", .metavar = "DIGEST"),
	COR_OPT_END,
};

static int copy_in(struct cor_writer *w, int64_t limit, struct cor_error *err)
{
	_cleanup_free_ char *buf = malloc(CHUNK);
	int r = 0;

	if (!buf)
		return cor_error_oom(err);
	/* Standard input cannot be wound forward to where an earlier try ended. */
	if (w->offset > 0)
		r = w->ops->truncate(w, err);
	while (r >= 0) {
		ssize_t n = cor_read_full(STDIN_FILENO, buf, CHUNK);
		if (n < 0)
			return cor_error_errno(err, (int)-n, "read standard input");
		if (n == 0)
			return 0;
		if (limit > 0 && w->offset + n > limit)
			return cor_error_set(
				err, COR_FAILED_PRECONDITION,
				"input is larger than the expected size %lld: failed precondition",
				(long long)limit);
		r = w->ops->write(w, buf, (size_t)n, err);
	}
	return r;
}

static int ingest(struct cor_services *s, const char *ref, const struct ingest_options *o,
		  struct cor_error *err)
{
	struct cor_writer *w = NULL;
	struct cor_error e = {0};

	int r = s->content->writer(s, ref, o->size, o->digest, false, &w, err);
	if (r < 0)
		return r;
	r = copy_in(w, o->size, err);
	if (r >= 0) {
		r = w->ops->commit(w, o->size, o->digest, NULL, NULL, &e);
		if (r < 0 && cor_error_is(&e, COR_ALREADY_EXISTS))
			r = 0;
		else if (r < 0 && err)
			*err = e;
	}
	w->ops->free(w, true);
	return r;
}

static int run_ingest(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct ingest_options *o = opts;
	struct ingest_options checked = *o;
	struct cor_services *s;

	if (argc < 1 || cor_empty(args[0]))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "must specify a transaction reference");
	int r = cor_context_check_args(ctx, argc, 1, 1, err);
	if (r >= 0 && o->size < 0)
		r = cor_error_set(err, COR_INVALID_ARGUMENT,
				  "invalid value \"%lld\" for flag -expected-size: negative",
				  (long long)o->size);
	if (cor_empty(o->digest))
		checked.digest = NULL;
	else if (r >= 0)
		r = cor_digest_validate(o->digest, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	return r < 0 ? r : ingest(s, args[0], &checked, err);
}

const struct cor_command cor_content_ingest = {
	.name = "ingest",
	.usage = "accept content into the store",
	.args_usage = "[flags] <key>",
	.description =
		"Stores standard input as a blob. <key> names the transaction: two writers cannot share one.",
	.options = ingest_options,
	.options_size = sizeof(struct ingest_options),
	.run = run_ingest,
};
