/* SPDX-License-Identifier: Apache-2.0 */
/* `containers`: records of containers, running or not. */
#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "cmd/commands.h"
#include "cmd/containers/checkpoint.h"
#include "cmd/context.h"
#include "cmd/filter.h"
#include "cmd/run/container_flags.h"
#include "cmd/table.h"
#include "cmd/text.h"

/* ---- create ---- */

static const struct cor_option *const create_options[] = {cor_container_options, NULL};

static int run_create(struct cor_context *ctx, const void *options, int argc, char **args,
		      struct cor_error *err)
{
	const struct cor_container_flags *f = options;
	struct cor_create_options o;
	struct cor_container c = {0};
	struct cor_services *s;
	struct cor_error e = {0};
	int r = cor_container_flags_apply(f, ctx->globals.ns, argc, args, &o, &e);
	if (r < 0) /* what `run` says, with its class, as ctr's create has it */
		return cor_error_set(err, e.code, "%s: invalid argument", e.message);
	r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = cor_create_container(s, &o, &c, err);
	if (r < 0)
		return r;
	/* What is said to be made must still be there after a crash. */
	r = s->sync ? s->sync(s, err) : 0;
	if (r < 0)
		(void)cor_delete_container(s, c.id, false, NULL);
	cor_container_done(&c);
	return r;
}

static const struct cor_command create = {
	.name = "create",
	.usage = "create container",
	.args_usage = "[flags] Image|RootFS CONTAINER [COMMAND] [ARG...]",
	.more_options = create_options,
	.options_size = sizeof(struct cor_container_flags),
	.dash_args = true,
	.run = run_create,
};

/* ---- list ---- */

struct list_flags {
	bool quiet;
};
static const struct cor_option list_options[] = {
	COR_OPT(struct list_flags, COR_OPT_BOOL, quiet, "quiet", "q", "print only the container id"),
	COR_OPT_END,
};
struct listing {
	struct cor_table table;
	FILE *out; /* quiet: ids go here at once */
	const struct cor_filter *filter;
};

static const char *container_field(const char *const *path, size_t n, const void *data)
{
	const struct cor_container *c = data;
	if (n == 1 && streq(path[0], "id"))
		return c->id;
	if (n == 1 && streq(path[0], "image"))
		return c->image;
	if (n == 2 && streq(path[0], "runtime") && streq(path[1], "name"))
		return c->runtime;
	if (n >= 2 && streq(path[0], "labels"))
		return cor_filter_label(&c->labels, path + 1, n - 1);
	return NULL;
}

static int list_one(const struct cor_container *c, void *data)
{
	struct listing *l = data;
	if (!cor_filter_match(l->filter, container_field, c))
		return 0;
	if (l->out)
		cor_text_line(l->out, c->id);
	else
		cor_table_row(&l->table, c->id, cor_empty(c->image) ? "-" : c->image, c->runtime);
	return 0;
}

static int run_list(struct cor_context *ctx, const void *options, int argc, char **args,
		    struct cor_error *err)
{
	const struct list_flags *f = options;
	struct cor_services *s;
	_cleanup_filter_ struct cor_filter *filter = NULL;
	struct listing l = {.table = COR_TABLE(4, 4), .out = f->quiet ? ctx->out : NULL};
	int r = cor_filter_parse(args, &filter, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	l.filter = filter;
	if (!f->quiet)
		cor_table_row(&l.table, "CONTAINER", "IMAGE", "RUNTIME");
	r = s->containers->walk(s, list_one, &l, err);
	if (r >= 0 && !f->quiet && cor_table_print(&l.table, ctx->out) < 0)
		r = cor_error_oom(err);
	cor_table_done(&l.table);
	return r;
}

static const struct cor_command list = {
	.name = "list",
	.aliases = "ls",
	.usage = "list containers",
	.args_usage = "[flags] [<filter>, ...]",
	.options = list_options,
	.options_size = sizeof(struct list_flags),
	.run = run_list,
};

/* ---- info ---- */

struct info_flags {
	bool spec;
};
static const struct cor_option info_options[] = {
	COR_OPT(struct info_flags, COR_OPT_BOOL, spec, "spec", NULL, "only display the spec"),
	COR_OPT_END,
};

/* Bytes as Go's JSON has them: base64. */
static char *base64(const unsigned char *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	_cleanup_buf_ struct cor_buf b = {0};
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);
		for (size_t k = 0; k < 4; k++)
			cor_buf_char(&b, i + k > n ? '=' : digits[v >> (18 - 6 * k) & 63]);
	}
	return cor_buf_take(&b);
}

static json_t *any_json(const struct cor_any *a)
{
	if (!a->type_url)
		return json_null();
	_cleanup_free_ char *value = base64(a->value, a->len);
	if (!value)
		return NULL;
	return *value ? json_pack("{s:s, s:s}", "type_url", a->type_url, "value", value)
		      : json_pack("{s:s}", "type_url", a->type_url);
}

static json_t *extensions_json(const struct cor_map *m)
{
	json_t *o = json_object();
	for (size_t i = 0; i < m->n; i++) {
		json_t *v = NULL;
		if (cor_json_parse(m->values[i], strlen(m->values[i]), m->keys[i], &v, NULL) < 0)
			v = json_string(m->values[i]);
		(void)json_object_set_new(o, m->keys[i], v);
	}
	return o;
}

static json_t *container_json(const struct cor_container *c, json_t *spec)
{
	char created[COR_TIME_MAX], updated[COR_TIME_MAX];
	return json_pack("{s:s, s:o, s:s, s:{s:s, s:o}, s:O, s:s, s:s, s:s, s:s, s:o, s:s}", "ID", c->id,
			 "Labels", cor_json_from_map(&c->labels), "Image", c->image, "Runtime", "Name",
			 c->runtime, "Options", any_json(&c->runtime_options), "Spec", spec, "SnapshotKey",
			 c->snapshot_key, "Snapshotter", c->snapshotter, "CreatedAt",
			 cor_time_format(c->created_ns, created), "UpdatedAt",
			 cor_time_format(c->updated_ns, updated), "Extensions",
			 extensions_json(&c->extensions), "SandboxID", c->sandbox_id);
}

static int run_info(struct cor_context *ctx, const void *options, int argc, char **args,
		    struct cor_error *err)
{
	const struct info_flags *f = options;
	struct cor_services *s;
	struct cor_container c = {0};
	_cleanup_json_ json_t *spec = NULL, *all = NULL;
	if (argc < 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "container id must be provided: invalid argument");
	int r = cor_context_check_args(ctx, argc, 1, 1, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->containers->get(s, args[0], &c, err);
	if (r < 0)
		return r;
	r = cor_json_parse(c.spec, strlen(c.spec), "container spec", &spec, err);
	if (r >= 0 && !f->spec && !(all = container_json(&c, spec)))
		r = cor_error_oom(err);
	if (r >= 0) {
		_cleanup_free_ char *text = cor_json_dump_pretty(f->spec ? spec : all);
		if (text)
			fprintf(ctx->out, "%s\n", text);
		else
			r = cor_error_oom(err);
	}
	cor_container_done(&c);
	return r;
}

static const struct cor_command info = {
	.name = "info",
	.usage = "get info about a container",
	.args_usage = "[flags] CONTAINER",
	.options = info_options,
	.options_size = sizeof(struct info_flags),
	.run = run_info,
};

/* ---- label ---- */

static int run_label(struct cor_context *ctx, const void *options, int argc, char **args,
		     struct cor_error *err)
{
	struct cor_services *s;
	struct cor_container c = {0};
	_cleanup_map_ struct cor_map labels = {0};
	if (argc < 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "container id must be provided: invalid argument");
	int r = cor_labels_parse(args + 1, &labels, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->containers->label(s, args[0], &labels, false, err);
	if (r >= 0)
		r = s->containers->get(s, args[0], &c, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = cor_labels_format(&c.labels, "");
	if (text)
		fprintf(ctx->out, "%s\n", text);
	cor_container_done(&c);
	return text ? 0 : cor_error_oom(err);
}

static const struct cor_command label = {
	.name = "label",
	.usage = "set and clear labels for a container",
	.args_usage = "[flags] CONTAINER [LABEL=VALUE, ...]",
	.description = "An empty value clears the label. The labels are printed.",
	.run = run_label,
};

/* ---- delete ---- */

struct delete_flags {
	bool keep_snapshot;
};
static const struct cor_option delete_options[] = {
	COR_OPT(struct delete_flags, COR_OPT_BOOL, keep_snapshot, "keep-snapshot", NULL,
		"do not clean up snapshot with container"),
	COR_OPT_END,
};

static int run_delete(struct cor_context *ctx, const void *options, int argc, char **args,
		      struct cor_error *err)
{
	const struct delete_flags *f = options;
	struct cor_services *s;
	int first = 0;
	if (argc < 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "must specify at least one container to delete: invalid argument");
	int r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	/* All of them; the first failure is the command's, the others are told as they come. */
	for (int i = 0; i < argc; i++) {
		struct cor_error e = {0};
		r = cor_delete_container(s, args[i], f->keep_snapshot, &e);
		if (r >= 0)
			continue;
		if (first < 0)
			cor_warn("failed to delete container \"%s\": %s", args[i], e.message);
		else
			*err = e;
		first = first < 0 ? first : r;
	}
	return first;
}

static const struct cor_command delete_ = {
	.name = "delete",
	.aliases = "del,remove,rm",
	.usage = "delete one or more existing containers",
	.args_usage = "[flags] CONTAINER [CONTAINER, ...]",
	.options = delete_options,
	.options_size = sizeof(struct delete_flags),
	.run = run_delete,
};

static const struct cor_command *const verbs[] = {
	&create, &delete_, &info, &list, &label, &cor_cmd_containers_checkpoint, &cor_cmd_containers_restore,
	NULL};

const struct cor_command cor_cmd_containers = {
	.name = "containers",
	.aliases = "c,container",
	.usage = "manage containers",
	.subcommands = verbs,
};
