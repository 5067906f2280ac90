/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `snapshots` that show: list, tree, usage, info. */
#include <errno.h>

#include "base/clock.h"
#include "cmd/snapshots/snapshots.h"
#include "cmd/table.h"
#include "cmd/text.h"
#include "oci/json.h"

/* ---- list ---- */

static int add_row(const struct cor_snapshot_info *info, void *data)
{
	cor_table_row((struct cor_table *)data, info->key, info->parent, cor_snapshot_kind_name(info->kind));
	return 0;
}

static int run_list(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(1, 1);
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 0, 0, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	cor_table_row(&t, "KEY", "PARENT", "KIND");
	if (r >= 0)
		r = s->snapshots->walk(s, cor_snapshots_snapshotter(ctx), add_row, &t, err);
	if (r >= 0 && cor_table_print(&t, ctx->out) < 0)
		r = cor_error_oom(err);
	return r;
}

const struct cor_command cor_snapshots_list = {
	.name = "list",
	.aliases = "ls",
	.usage = "list snapshots",
	.run = run_list,
};

/* ---- tree ---- */

struct node {
	char *key, *parent;
};
struct tree {
	struct node *nodes;
	size_t n, cap;
	FILE *out;
};

static int add_node(const struct cor_snapshot_info *info, void *data)
{
	struct tree *t = data;

	if (cor_grow(&t->nodes, &t->cap, t->n + 1, sizeof(*t->nodes)) < 0)
		return -ENOMEM;
	struct node *n = &t->nodes[t->n++];
	n->key = strdup(info->key);
	n->parent = strdup(info->parent);
	return n->key && n->parent ? 0 : -ENOMEM;
}

static int by_parent(const void *a, const void *b)
{
	const struct node *x = a, *y = b;
	int c = strcmp(x->parent, y->parent);

	return c ? c : strcmp(x->key, y->key);
}

static int parent_vs_node(const void *parent, const void *node)
{
	return strcmp(parent, ((const struct node *)node)->parent);
}

static void print_node(struct tree *t, const char *key, size_t level)
{
	_cleanup_free_ char *safe = cor_text_escape(key);

	fprintf(t->out, "%*s%s %s\n", (int)(2 * level), "", level > 0 ? "\\_" : "", safe ? safe : "");
	const struct node *child = bsearch(key, t->nodes, t->n, sizeof(*t->nodes), parent_vs_node);
	if (!child)
		return;
	while (child > t->nodes && streq(child[-1].parent, key))
		child--;
	/* A chain of parents cannot be longer than there are snapshots, whatever the records say. */
	for (; level < t->n && child < t->nodes + t->n && streq(child->parent, key); child++)
		print_node(t, child->key, level + 1);
}

static void print_tree(struct tree *t)
{
	if (t->n > 0)
		qsort(t->nodes, t->n, sizeof(*t->nodes), by_parent);
	for (size_t i = 0; i < t->n && cor_empty(t->nodes[i].parent); i++)
		print_node(t, t->nodes[i].key, 0);
}

static int run_tree(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	struct tree t = {.out = ctx->out};
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 0, 0, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->snapshots->walk(s, cor_snapshots_snapshotter(ctx), add_node, &t, err);
	if (r >= 0)
		print_tree(&t);
	for (size_t i = 0; i < t.n; i++) {
		free(t.nodes[i].key);
		free(t.nodes[i].parent);
	}
	free(t.nodes);
	return r;
}

const struct cor_command cor_snapshots_tree = {
	.name = "tree",
	.usage = "display tree view of snapshot branches",
	.run = run_tree,
};

/* ---- usage ---- */

struct usage_options {
	bool bytes;
};
static const struct cor_option usage_options[] = {
	COR_OPT(struct usage_options, COR_OPT_BOOL, bytes, "b", NULL, "display size in bytes"),
	COR_OPT_END,
};

static int push_key(const struct cor_snapshot_info *info, void *data)
{
	return cor_strv_push(data, info->key);
}

/* must: a snapshot that is gone is an error (it was named), else it is left out (it vanished after it was listed). */
static int add_usage(struct cor_services *s, const char *sn, const char *key, bool bytes, bool must,
		     struct cor_table *t, struct cor_error *err)
{
	struct cor_usage usage = {0};
	struct cor_error e = {0};
	char size[32], inodes[32];

	int r = s->snapshots->usage(s, sn, key, &usage, &e);
	if (r < 0 && !must && cor_error_is(&e, COR_NOT_FOUND))
		return 0;
	if (r < 0) {
		if (err)
			*err = e;
		return r;
	}
	snprintf(inodes, sizeof(inodes), "%lld", (long long)usage.inodes);
	if (bytes)
		snprintf(size, sizeof(size), "%lld", (long long)usage.size);
	else
		cor_format_iec((uint64_t)usage.size, size);
	cor_table_row(t, key, size, inodes);
	return 0;
}

static int run_usage(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct usage_options *o = opts;
	const char *sn = cor_snapshots_snapshotter(ctx);
	_cleanup_table_ struct cor_table t = COR_TABLE(1, 1);
	_cleanup_strv_ char **keys = NULL;
	struct cor_services *s;

	int r = cor_context_services(ctx, &s, err);
	if (r >= 0 && argc == 0)
		r = s->snapshots->walk(s, sn, push_key, &keys, err);
	char *const *names = argc > 0 ? args : keys;
	cor_table_row(&t, "KEY", "SIZE", "INODES");
	for (size_t i = 0; r >= 0 && names && names[i]; i++)
		r = add_usage(s, sn, names[i], o->bytes, argc > 0, &t, err);
	if (r >= 0 && cor_table_print(&t, ctx->out) < 0)
		r = cor_error_oom(err);
	return r;
}

const struct cor_command cor_snapshots_usage = {
	.name = "usage",
	.usage = "usage snapshots",
	.complete = "SNAPSHOT",
	.args_usage = "[flags] [<key>, ...]",
	.options = usage_options,
	.options_size = sizeof(struct usage_options),
	.run = run_usage,
};

/* ---- info ---- */

static int info_json(const struct cor_snapshot_info *info, json_t **ret, struct cor_error *err)
{
	char created[COR_TIME_MAX], updated[COR_TIME_MAX];
	_cleanup_json_ json_t *j = json_object();
	int bad = json_object_set_new(j, "Kind", json_string(cor_snapshot_kind_name(info->kind))) |
		  json_object_set_new(j, "Name", json_string(info->key));

	if (*info->parent)
		bad |= json_object_set_new(j, "Parent", json_string(info->parent));
	if (info->labels.n > 0)
		bad |= json_object_set_new(j, "Labels", cor_json_from_map(&info->labels));
	bad |= json_object_set_new(j, "Created", json_string(cor_time_format(info->created_ns, created)));
	bad |= json_object_set_new(j, "Updated", json_string(cor_time_format(info->updated_ns, updated)));
	if (bad)
		return cor_error_oom(err);
	*ret = TAKE_PTR(j);
	return 0;
}

static int run_info(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	struct cor_snapshot_info info = {0};
	_cleanup_json_ json_t *j = NULL;
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 1, 1, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->snapshots->stat(s, cor_snapshots_snapshotter(ctx), args[0], &info, err);
	if (r < 0)
		return r;
	r = info_json(&info, &j, err);
	cor_snapshot_info_done(&info);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = cor_json_dump_pretty(j);
	if (!text)
		return cor_error_oom(err);
	fprintf(ctx->out, "%s\n", text);
	return 0;
}

const struct cor_command cor_snapshots_info = {
	.name = "info",
	.usage = "get info about a snapshot",
	.complete = "SNAPSHOT",
	.args_usage = "<key>",
	.run = run_info,
};
