/* SPDX-License-Identifier: Apache-2.0 */
/* `content list` and `content active`: blobs, and the writes under way. Padded with tabs, as ctr's. */
#include <errno.h>
#include <regex.h>

#include "base/clock.h"
#include "cmd/content/content.h"
#include "cmd/filter.h"
#include "cmd/table.h"
#include "cmd/text.h"

struct options {
	bool quiet;
};
static const struct cor_option options[] = {
	COR_OPT(struct options, COR_OPT_BOOL, quiet, "quiet", "q", "print only the blob digest"),
	COR_OPT_END,
};

struct listing {
	struct cor_context *ctx;
	const struct cor_filter *filter;
	bool quiet;
	int64_t now;
	struct cor_table table;
};

static const char *blob_field(const char *const *path, size_t n, const void *data)
{
	const struct cor_content_info *i = data;

	if (n == 1 && streq(path[0], "digest"))
		return i->digest;
	if (n > 1 && streq(path[0], "labels"))
		return cor_filter_label(&i->labels, path + 1, n - 1);
	return NULL;
}

static int add_blob(const struct cor_content_info *info, void *data)
{
	struct listing *l = data;
	char size[32], age[COR_TIME_MAX];

	if (!cor_filter_match(l->filter, blob_field, info))
		return 0;
	if (l->quiet) {
		cor_text_line(l->ctx->out, info->digest);
		return 0;
	}
	_cleanup_free_ char *labels = cor_labels_format(&info->labels, "-");
	if (!labels)
		return -ENOMEM;
	cor_table_open_row(&l->table, info->digest, cor_format_si((uint64_t)info->size, size),
			   cor_format_age(l->now - info->created_ns, age), labels);
	return 0;
}

static int run_list(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct options *o = opts;
	_cleanup_filter_ struct cor_filter *filter = NULL;
	struct cor_services *s;

	int r = cor_filter_parse(args, &filter, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	struct listing l = {.ctx = ctx,
			    .filter = filter,
			    .quiet = o->quiet,
			    .now = cor_now_ns(),
			    .table = COR_TABLE(1, 1)};
	l.table.tabs = true;
	cor_table_open_row(&l.table, "DIGEST", "SIZE", "AGE", "LABELS");
	r = s->content->walk(s, add_blob, &l, err);
	if (r >= 0 && !o->quiet && cor_table_print(&l.table, ctx->out) < 0)
		r = cor_error_oom(err);
	cor_table_done(&l.table);
	return r;
}

const struct cor_command cor_content_list = {
	.name = "list",
	.aliases = "ls",
	.usage = "list all blobs in the store",
	.args_usage = "[flags] [<filter>, ...]",
	.description = "Lists blobs. Filters: digest==DIGEST, labels.\"KEY\"==VALUE.",
	.options = options,
	.options_size = sizeof(struct options),
	.run = run_list,
};

/* ---- active ---- */

struct actives {
	int64_t now;
	const regex_t *re;
	struct cor_table table;
};

static int add_ingest(const struct cor_ingest_status *st, void *data)
{
	struct actives *a = data;
	char size[32], age[COR_TIME_MAX];

	if (a->re && regexec(a->re, st->ref, 0, NULL, 0) != 0)
		return 0;
	cor_table_row(&a->table, st->ref, cor_format_si((uint64_t)st->offset, size),
		      cor_format_age(a->now - st->started_ns, age));
	return 0;
}

static int run_active(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	struct actives a = {.now = cor_now_ns(), .table = COR_TABLE(1, 1)};
	struct cor_services *s;
	regex_t re;

	int r = cor_context_check_args(ctx, argc, 0, 1, err);
	if (r >= 0 && argc == 1) {
		if (regcomp(&re, args[0], REG_EXTENDED | REG_NOSUB) != 0)
			return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid regular expression \"%s\"",
					     args[0]);
		a.re = &re;
	}
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	a.table.tabs = true;
	cor_table_row(&a.table, "REF", "SIZE", "AGE");
	if (r >= 0)
		r = s->content->ingests(s, add_ingest, &a, err);
	if (r >= 0 && cor_table_print(&a.table, ctx->out) < 0)
		r = cor_error_oom(err);
	cor_table_done(&a.table);
	if (a.re)
		regfree(&re);
	return r;
}

const struct cor_command cor_content_active = {
	.name = "active",
	.usage = "display active transfers",
	.args_usage = "[<regexp>]",
	.description = "Lists the writes under way and those that an interrupted command left to be resumed.",
	.run = run_active,
};
