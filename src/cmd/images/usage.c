/* SPDX-License-Identifier: Apache-2.0 */
/* `images usage`: what an image's snapshots take, from the top layer down. */
#include "client/client.h"
#include "cmd/images/images.h"
#include "cmd/table.h"

struct options {
	const char *snapshotter;
};
static const struct cor_option options[] = {
	COR_FLAG_SNAPSHOTTER(struct options, snapshotter),
	COR_OPT_END,
};

static int add_snapshot(struct cor_services *s, const char *sn, const char *key, struct cor_table *t,
			char **ret_parent, struct cor_error *err)
{
	struct cor_snapshot_info info = {0};
	struct cor_usage usage = {0};
	char size[32], inodes[32];

	int r = s->snapshots->usage(s, sn, key, &usage, err);
	if (r < 0)
		return cor_error_wrap(err, r, "failed to get usage for snapshot %s", key);
	snprintf(inodes, sizeof(inodes), "%lld", (long long)usage.inodes);
	cor_table_row(t, key, cor_format_iec((uint64_t)usage.size, size), inodes);
	r = s->snapshots->stat(s, sn, key, &info, err);
	if (r < 0)
		return cor_error_wrap(err, r, "failed to ensure if snapshot %s has parent or not", key);
	*ret_parent = TAKE_PTR(info.parent);
	cor_snapshot_info_done(&info);
	return 0;
}

static int print_chain(struct cor_context *ctx, struct cor_services *s, const char *sn, const char *chain_id,
		       struct cor_error *err)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(1, 1);
	_cleanup_free_ char *key = cor_asprintf("%s", chain_id);

	cor_table_row(&t, "KEY", "SIZE", "INODES");
	while (!cor_empty(key)) {
		char *parent = NULL;
		int r = add_snapshot(s, sn, key, &t, &parent, err);
		if (r < 0)
			return r;
		free(key);
		key = parent;
	}
	return cor_table_print(&t, ctx->out) < 0 ? cor_error_oom(err) : 0;
}

static int usage_of(struct cor_context *ctx, struct cor_services *s, const char *ref, const char *sn,
		    const struct cor_resolved_image *image, struct cor_error *err)
{
	bool unpacked = false;

	int r = cor_is_unpacked(s, image, sn, &unpacked, err);
	if (r < 0)
		return r;
	if (!unpacked)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "image %s isn't unpacked in snapshotter %s", ref,
				     cor_empty(sn) ? s->default_snapshotter : sn);
	return print_chain(ctx, s, sn, image->chain_id, err);
}

static int run_usage(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct options *o = opts;
	struct cor_resolved_image image = {0};
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 1, 1, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = cor_resolve_image(s, args[0], NULL, &image, err);
	if (r >= 0)
		r = usage_of(ctx, s, args[0], o->snapshotter, &image, err);
	cor_resolved_image_done(&image);
	return r;
}

const struct cor_command cor_images_usage = {
	.name = "usage",
	.usage = "display usage of snapshots for a given image ref",
	.complete = "IMAGE",
	.args_usage = "[flags] <ref>",
	.options = options,
	.options_size = sizeof(struct options),
	.run = run_usage,
};
