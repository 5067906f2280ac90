/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `snapshots` that change existing ones: label, delete; and unpack. */
#include "client/client.h"
#include "cmd/flags.h"
#include "cmd/snapshots/snapshots.h"
#include "cmd/text.h"
#include "oci/digest.h"

/* ---- label ---- */

static int run_label(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const char *sn = cor_snapshots_snapshotter(ctx);
	_cleanup_map_ struct cor_map labels = {0};
	struct cor_snapshot_info info = {0};
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 1, -1, err);
	if (r >= 0)
		r = cor_labels_parse(args + 1, &labels, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0 && labels.n > 0)
		r = s->snapshots->label(s, sn, args[0], &labels, false, err);
	if (r >= 0)
		r = s->snapshots->stat(s, sn, args[0], &info, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = cor_labels_format(&info.labels, "");
	cor_text_line(ctx->out, text ? text : "");
	cor_snapshot_info_done(&info);
	return 0;
}

const struct cor_command cor_snapshots_label = {
	.name = "label",
	.usage = "add labels to content",
	.complete = "SNAPSHOT",
	.args_usage = "<name> [<label>=<value> ...]",
	.description = "Labels snapshots in the snapshotter; an empty value clears a label.",
	.run = run_label,
};

/* ---- delete: stops at the first failure, as ctr ---- */

static int run_delete(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	struct cor_services *s;

	int r = cor_context_services(ctx, &s, err);
	for (int i = 0; r >= 0 && i < argc; i++) {
		r = s->snapshots->remove(s, cor_snapshots_snapshotter(ctx), args[i], err);
		if (r < 0)
			return cor_error_wrap(err, r, "failed to remove \"%s\"", args[i]);
	}
	return r;
}

const struct cor_command cor_snapshots_delete = {
	.name = "delete",
	.aliases = "del,remove,rm",
	.usage = "remove snapshots",
	.complete = "SNAPSHOT",
	.args_usage = "<key> [<key>, ...]",
	.run = run_delete,
};

/* ---- unpack ---- */

struct unpack_options {
	const char *snapshotter;
};
static const struct cor_option unpack_options[] = {
	COR_FLAG_SNAPSHOTTER(struct unpack_options, snapshotter),
	COR_OPT_END,
};

struct search {
	const char *digest;
	struct cor_descriptor target; /* media_type NULL: not found */
	int failed;
};

static int match_digest(const struct cor_image *image, void *data)
{
	struct search *search = data;

	if (!streq(image->target.digest, search->digest))
		return 0;
	search->failed = cor_descriptor_copy(&search->target, &image->target);
	return search->failed < 0 ? search->failed : 1;
}

static int unpack_target(struct cor_context *ctx, struct cor_services *s, const struct cor_descriptor *target,
			 const char *sn, struct cor_error *err)
{
	struct cor_resolved_image image = {0};

	int r = cor_resolve_descriptor(s, target, NULL, &image, err);
	if (r < 0)
		return r;
	fprintf(ctx->out, "unpacking %s (%s)...", target->digest, target->media_type);
	fflush(ctx->out);
	r = cor_unpack(s, &image, sn, NULL, err);
	fputs(r < 0 ? "\n" : "done\n", ctx->out);
	cor_resolved_image_done(&image);
	return r;
}

static int run_unpack(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct unpack_options *o = opts;
	struct search search = {0};
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 1, 1, err);
	if (r >= 0)
		r = cor_digest_validate(args[0], err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	search.digest = args[0];
	r = s->images->walk(s, match_digest, &search, err);
	if (r >= 0 && !search.target.media_type)
		r = cor_error_set(err, COR_NOT_FOUND, "manifest not found");
	if (r >= 0)
		r = unpack_target(ctx, s, &search.target,
				  cor_empty(o->snapshotter) ? cor_snapshots_snapshotter(ctx) : o->snapshotter,
				  err);
	cor_descriptor_done(&search.target);
	return r;
}

const struct cor_command cor_snapshots_unpack = {
	.name = "unpack",
	.usage = "unpack applies layers from a manifest to a snapshot",
	.complete = "DIGEST",
	.args_usage = "[flags] <digest>",
	.description = "Unpacks the image whose target has that digest.",
	.options = unpack_options,
	.options_size = sizeof(struct unpack_options),
	.run = run_unpack,
};
