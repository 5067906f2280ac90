/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `gc`: removes what nothing refers to and prints it; --dry-run only prints; --why ID explains what keeps a blob or
 * a snapshot. Not in ctr, whose daemon collects by itself (so does Coracle, after deletions).
 */
#include "cmd/gc.h"
#include "cmd/commands.h"
#include "cmd/table.h"
#include "cmd/text.h"

struct options {
	bool dry_run;
	const char *why;
};
static const struct cor_option options[] = {
	COR_OPT(struct options, COR_OPT_BOOL, dry_run, "dry-run", NULL,
		"print what would be removed, remove nothing"),
	COR_OPT(struct options, COR_OPT_STRING, why, "why", NULL,
		"print what keeps a blob (by digest) or a snapshot (by key)", .metavar = "ID"),
	COR_OPT_END,
};

struct removed {
	struct cor_table table;
	size_t n;
};

static int add_item(const struct cor_gc_item *item, void *data)
{
	struct removed *r = data;
	char size[32] = "-";

	if (item->size >= 0)
		cor_format_iec((uint64_t)item->size, size);
	if (r->n++ == 0)
		cor_table_row(&r->table, "NAMESPACE", "KIND", "ID", "SIZE");
	cor_table_row(&r->table, cor_empty(item->ns) ? "-" : item->ns, item->kind, item->id, size);
	return 0;
}

static int need_gc(const struct cor_services *s, struct cor_error *err)
{
	if (s->gc)
		return 0;
	return cor_error_set(err, COR_UNIMPLEMENTED, "this containerd collects its garbage by itself");
}

int cor_gc_print(struct cor_context *ctx, bool dry_run, struct cor_error *err)
{
	struct removed removed = {.table = COR_TABLE(1, 1)};
	struct cor_services *s;

	int r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = need_gc(s, err);
	if (r >= 0)
		r = s->gc->run(s, dry_run, add_item, &removed, err);
	/* What went before a failure is told, too. */
	if (cor_table_print(&removed.table, ctx->out) < 0 && r >= 0)
		r = cor_error_oom(err);
	cor_table_done(&removed.table);
	return r;
}

struct chain {
	FILE *out;
	size_t depth;
};

static int print_link(const struct cor_gc_item *item, void *data)
{
	struct chain *c = data;
	_cleanup_free_ char *id = cor_text_escape(item->id);
	_cleanup_free_ char *reason = cor_text_escape(item->reason ? item->reason : "");

	if (c->depth > 0)
		fprintf(c->out, "%*s└── ", (int)(4 * (c->depth - 1)), "");
	fprintf(c->out, "%s %s", item->kind, id ? id : "");
	if (!cor_empty(reason))
		fprintf(c->out, " (%s)", reason);
	fputc('\n', c->out);
	c->depth++;
	return 0;
}

static int print_why(struct cor_context *ctx, const char *id, struct cor_error *err)
{
	struct chain chain = {.out = ctx->out};
	struct cor_services *s;

	int r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = need_gc(s, err);
	if (r >= 0)
		r = s->gc->why(s, id, print_link, &chain, err);
	if (r >= 0 && chain.depth == 0)
		fputs("nothing keeps it: the next collection removes it\n", ctx->out);
	return r;
}

static int run_gc(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct options *o = opts;

	int r = cor_context_check_args(ctx, argc, 0, 0, err);
	if (r < 0)
		return r;
	if (o->why && o->dry_run)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "flags --why and --dry-run cannot be specified together");
	return o->why ? print_why(ctx, o->why, err) : cor_gc_print(ctx, o->dry_run, err);
}

const struct cor_command cor_cmd_gc = {
	.name = "gc",
	.usage = "remove content and snapshots that nothing refers to",
	.args_usage = "[flags]",
	.description = "Removes, in all namespaces, what is reachable from no image, container, lease or "
		       "live snapshot, and\n"
		       "what interrupted commands left behind. It also happens by itself after deletions.",
	.options = options,
	.options_size = sizeof(struct options),
	.run = run_gc,
};
