/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `snapshots` that make one and show how to mount it: prepare, view, mounts, commit. */
#include "base/clock.h"
#include "base/path.h"
#include "cmd/snapshots/snapshots.h"
#include "cmd/text.h"
#include "oci/json.h"

#define GC_ROOT "containerd.io/gc.root"

/* What a person makes by hand is a root of garbage collection, with the time as its value. */
static int root_label(struct cor_map *labels, struct cor_error *err)
{
	char now[COR_TIME_MAX];
	int64_t seconds = cor_now_ns() / 1000000000;

	if (cor_map_set(labels, GC_ROOT, cor_time_format(seconds * 1000000000, now)) < 0)
		return cor_error_oom(err);
	return 0;
}

static int print_mounts(struct cor_context *ctx, const char *target, const struct cor_mounts *mounts,
			struct cor_error *err)
{
	for (size_t i = 0; i < mounts->n; i++) {
		const struct cor_mount *m = &mounts->items[i];
		_cleanup_free_ char *at = cor_path_join(target, m->target ? m->target : "");
		_cleanup_free_ char *options = cor_strv_join(m->options, ",");
		if (!at || !options)
			return cor_error_oom(err);
		fprintf(ctx->out, "mount -t %s %s %s%s%s\n", m->type, m->source, at, *options ? " -o " : "",
			options);
	}
	return 0;
}

static int mount_json(const struct cor_mount *m, json_t *list)
{
	_cleanup_json_ json_t *j = json_object();
	int bad = json_object_set_new(j, "Type", json_string(m->type)) |
		  json_object_set_new(j, "Source", json_string(m->source));

	if (!cor_empty(m->target))
		bad |= json_object_set_new(j, "Target", json_string(m->target));
	bad |= json_object_set_new(j, "Options", cor_json_from_strv(m->options));
	return bad | json_array_append(list, j);
}

static int print_mounts_json(struct cor_context *ctx, const struct cor_mounts *mounts, struct cor_error *err)
{
	_cleanup_json_ json_t *list = json_array();
	int bad = !list;

	for (size_t i = 0; !bad && i < mounts->n; i++)
		bad = mount_json(&mounts->items[i], list);
	_cleanup_free_ char *text = bad ? NULL : cor_json_dump_pretty(list);
	if (!text)
		return cor_error_oom(err);
	fprintf(ctx->out, "%s\n", text);
	return 0;
}

/* ---- prepare, view ---- */

struct make_options {
	const char *target;
	bool mounts;
};
static const struct cor_option make_options[] = {
	COR_OPT(struct make_options, COR_OPT_STRING, target, "target", "t",
		"mount target path, will print mount, if provided", .metavar = "DIR"),
	COR_OPT(struct make_options, COR_OPT_BOOL, mounts, "mounts", NULL,
		"print out snapshot mounts as JSON"),
	COR_OPT_END,
};

static int make(struct cor_context *ctx, const struct make_options *o, int argc, char **args, bool read_only,
		struct cor_error *err)
{
	const char *sn = cor_snapshots_snapshotter(ctx), *parent = argc > 1 ? args[1] : NULL;
	_cleanup_mounts_ struct cor_mounts mounts = {0};
	_cleanup_map_ struct cor_map labels = {0};
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 1, 2, err);
	if (r >= 0)
		r = root_label(&labels, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	r = read_only ? s->snapshots->view(s, sn, args[0], parent, &labels, &mounts, err)
		      : s->snapshots->prepare(s, sn, args[0], parent, &labels, &mounts, err);
	if (r >= 0 && !cor_empty(o->target))
		r = print_mounts(ctx, o->target, &mounts, err);
	if (r >= 0 && o->mounts)
		r = print_mounts_json(ctx, &mounts, err);
	return r;
}

static int run_prepare(struct cor_context *ctx, const void *opts, int argc, char **args,
		       struct cor_error *err)
{
	return make(ctx, opts, argc, args, false, err);
}

static int run_view(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	return make(ctx, opts, argc, args, true, err);
}

const struct cor_command cor_snapshots_prepare = {
	.name = "prepare",
	.usage = "prepare a snapshot from a committed snapshot",
	.complete = "SNAPSHOT",
	.args_usage = "[flags] <key> [<parent>]",
	.options = make_options,
	.options_size = sizeof(struct make_options),
	.run = run_prepare,
};

const struct cor_command cor_snapshots_view = {
	.name = "view",
	.usage = "create a read-only snapshot from a committed snapshot",
	.complete = "SNAPSHOT",
	.args_usage = "[flags] <key> [<parent>]",
	.options = make_options,
	.options_size = sizeof(struct make_options),
	.run = run_view,
};

/* ---- mounts ---- */

struct mounts_options {
	bool temp;
};
static const struct cor_option mounts_options[] = {
	COR_OPT(struct mounts_options, COR_OPT_BOOL, temp, "temp", NULL,
		"as for a mount that is only looked at: never changes the snapshot"),
	COR_OPT_END,
};

/* ctr's --temp mounts overlays without their upper directory, so that several can look at one snapshot at once. */
static int make_temporary(struct cor_mounts *mounts, struct cor_error *err)
{
	for (size_t i = 0; i < mounts->n; i++) {
		struct cor_mount *m = &mounts->items[i];
		_cleanup_strv_ char **options = NULL;
		const char *upper = cor_mount_option(m, "upperdir"), *lower = cor_mount_option(m, "lowerdir");
		int r = 0;
		for (char **o = m->options; r >= 0 && o && *o; o++) {
			if (cor_startswith(*o, "upperdir=") || cor_startswith(*o, "workdir=") ||
			    cor_startswith(*o, "lowerdir=") || streq(*o, "rw"))
				continue;
			r = cor_strv_push(&options, *o);
		}
		if (r >= 0 && upper)
			r = cor_strv_push_take(&options, cor_asprintf("lowerdir=%s%s%s", upper,
								      lower ? ":" : "", lower ? lower : ""));
		else if (r >= 0 && lower)
			r = cor_strv_push_take(&options, cor_asprintf("lowerdir=%s", lower));
		if (r >= 0 && !cor_strv_contains(options, "ro"))
			r = cor_strv_push(&options, "ro");
		if (r < 0)
			return cor_error_oom(err);
		cor_strv_free(m->options);
		m->options = TAKE_PTR(options);
	}
	return 0;
}

static int run_mounts(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct mounts_options *o = opts;
	_cleanup_mounts_ struct cor_mounts mounts = {0};
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 2, 2, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->snapshots->mounts(s, cor_snapshots_snapshotter(ctx), args[1], &mounts, err);
	if (r >= 0 && o->temp)
		r = make_temporary(&mounts, err);
	return r < 0 ? r : print_mounts(ctx, args[0], &mounts, err);
}

const struct cor_command cor_snapshots_mounts = {
	.name = "mounts",
	.aliases = "m,mount",
	.usage = "mount gets mount commands for the snapshots",
	.complete = "SNAPSHOT",
	.args_usage = "[flags] <target> <key>",
	.options = mounts_options,
	.options_size = sizeof(struct mounts_options),
	.run = run_mounts,
};

/* ---- commit ---- */

static int run_commit(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 2, 2, err);
	if (r >= 0)
		r = root_label(&labels, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	return r < 0 ? r
		     : s->snapshots->commit(s, cor_snapshots_snapshotter(ctx), args[0], args[1], &labels,
					    err);
}

const struct cor_command cor_snapshots_commit = {
	.name = "commit",
	.usage = "commit an active snapshot into the provided name",
	.complete = "SNAPSHOT",
	.args_usage = "<key> <active>",
	.run = run_commit,
};
