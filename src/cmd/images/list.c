/* SPDX-License-Identifier: Apache-2.0 */
/* `images list`: REF TYPE DIGEST SIZE PLATFORMS LABELS. */
#include <errno.h>

#include "base/log.h"
#include "cmd/images/images.h"
#include "cmd/table.h"
#include "cmd/text.h"

struct options {
	bool quiet;
};
static const struct cor_option options[] = {
	COR_OPT(struct options, COR_OPT_BOOL, quiet, "quiet", "q", "print only the image refs"),
	COR_OPT_END,
};

static int add_size(const struct cor_blob *blob, void *data, struct cor_error *err)
{
	int64_t *size = data;

	if (__builtin_add_overflow(*size, blob->desc->size, size))
		return cor_error_set(err, COR_OUT_OF_RANGE, "sizes overflow");
	return 0;
}

struct platforms {
	struct cor_services *s;
	struct cor_map names; /* a sorted set */
};

static int add_platform(struct platforms *p, const struct cor_platform *platform)
{
	char text[128];

	return cor_map_set(&p->names, cor_platform_format(platform, text), "");
}

static int platform_of_config(struct platforms *p, const struct cor_descriptor *desc, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	struct cor_image_config config = {0};

	int r = cor_content_read_all(p->s, desc->digest, COR_CONFIG_SIZE_MAX, &text, &len, err);
	if (r >= 0)
		r = cor_image_config_parse(text, len, &config, err);
	if (r >= 0 && add_platform(p, &config.platform) < 0)
		r = cor_error_oom(err);
	cor_image_config_done(&config);
	return r;
}

/* A manifest's platform is its descriptor's, or its config's. Manifests that say "unknown" (attestations) have none. */
static int collect_platform(const struct cor_blob *blob, void *data, struct cor_error *err)
{
	struct platforms *p = data;
	const struct cor_platform *have = blob->desc->platform;

	if (blob->kind == COR_BLOB_CONFIG)
		return platform_of_config(p, blob->desc, err);
	if (blob->kind != COR_BLOB_MANIFEST || !have || !have->os[0])
		return 0;
	if (!streq(have->os, "unknown") && add_platform(p, have) < 0)
		return cor_error_oom(err);
	return 1;
}

static char *platforms_text(struct cor_services *s, const struct cor_image *image)
{
	struct platforms p = {.s = s};
	struct cor_error err = {0};
	_cleanup_buf_ struct cor_buf b = {0};

	if (cor_image_blobs(s, &image->target, NULL, collect_platform, &p, &err) < 0)
		cor_warn("failed resolving platform for image %s: %s", image->name, err.message);
	for (size_t i = 0; i < p.names.n; i++)
		cor_buf_printf(&b, "%s%s", i ? "," : "", p.names.keys[i]);
	if (p.names.n == 0)
		cor_buf_str(&b, "-");
	cor_map_done(&p.names);
	return cor_buf_take(&b);
}

static int64_t image_size(struct cor_services *s, const struct cor_image *image)
{
	struct cor_platform host;
	struct cor_error err = {0};
	int64_t size = 0;

	cor_platform_host(&host);
	if (cor_image_blobs(s, &image->target, &host, add_size, &size, &err) < 0)
		cor_warn("failed calculating size for image %s: %s", image->name, err.message);
	return size;
}

static int print_table(struct cor_context *ctx, struct cor_services *s, const struct cor_image_list *list,
		       struct cor_error *err)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(1, 1);
	char size[32];

	cor_table_row(&t, "REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS");
	for (size_t i = 0; i < list->n; i++) {
		const struct cor_image *image = &list->items[i];
		_cleanup_free_ char *platforms = platforms_text(s, image);
		_cleanup_free_ char *labels = cor_labels_format(&image->labels, "-");
		if (!platforms || !labels)
			return cor_error_oom(err);
		cor_format_iec((uint64_t)image_size(s, image), size);
		cor_table_row(&t, image->name, image->target.media_type, image->target.digest, size,
			      platforms, labels);
	}
	return cor_table_print(&t, ctx->out) < 0 ? cor_error_oom(err) : 0;
}

static int run_list(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct options *o = opts;
	_cleanup_image_list_ struct cor_image_list list = {0};
	struct cor_services *s;

	int r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = cor_image_list_fill(&list, s, args, err);
	if (r < 0)
		return r;
	if (!o->quiet)
		return print_table(ctx, s, &list, err);
	for (size_t i = 0; i < list.n; i++)
		cor_text_line(ctx->out, list.items[i].name);
	return 0;
}

const struct cor_command cor_images_list = {
	.name = "list",
	.aliases = "ls",
	.usage = "list images known to coracle",
	.args_usage = "[flags] [<filter>, ...]",
	.description = "Lists images. Filters are containerd's: name==REF, name~=REGEX, labels.KEY==VALUE, "
		       "target.digest==…;\n"
		       "those joined by commas must all match, of several arguments one must.",
	.options = options,
	.options_size = sizeof(struct options),
	.run = run_list,
};
