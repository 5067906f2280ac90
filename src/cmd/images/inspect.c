/* SPDX-License-Identifier: Apache-2.0 */
/* `images inspect`: the tree of an image's documents and layers, as ctr draws it. */
#include <errno.h>

#include "cmd/images/images.h"
#include "cmd/text.h"
#include "oci/json.h"

#define MIDDLE    "├── "
#define LAST      "└── "
#define SKIP      "│   "
#define SPACER    "    "
#define DEPTH_MAX 16

struct options {
	bool content;
};
static const struct cor_option options[] = {
	COR_OPT(struct options, COR_OPT_BOOL, content, "content", NULL, "show labels and JSON content"),
	COR_OPT_END,
};

struct tree {
	struct cor_services *s;
	FILE *out;
	bool content;
	bool last[DEPTH_MAX]; /* of each level above: was that the last child? */
};

static void print_prefix(const struct tree *t, size_t depth)
{
	for (size_t i = 0; i < depth; i++)
		fputs(t->last[i] ? SPACER : SKIP, t->out);
}

/* One line of a box beside the children of the blob at depth - 1 (of its siblings, for a config). */
static void print_boxed(const struct tree *t, size_t depth, const char *lead, const char *text)
{
	print_prefix(t, depth);
	fprintf(t->out, "%s%s\n", lead, text);
}

static void print_label(const struct tree *t, size_t depth, const char *lead, const char *key,
			const char *value)
{
	_cleanup_free_ char *k = cor_text_escape(key), *v = cor_text_escape(value);
	_cleanup_free_ char *line = k && v ? cor_asprintf("│\"%s\": \"%s\"", k, v) : NULL;

	print_boxed(t, depth, lead, line ? line : "│");
}

static int print_labels(struct tree *t, const struct cor_descriptor *d, size_t depth, const char *lead,
			struct cor_error *err)
{
	struct cor_content_info info = {0};

	int r = t->s->content->info(t->s, d->digest, &info, err);
	if (r < 0)
		return r;
	if (info.labels.n > 0) {
		print_boxed(t, depth, lead, "┌────────Labels─────────");
		for (size_t i = 0; i < info.labels.n; i++)
			print_label(t, depth, lead, info.labels.keys[i], info.labels.values[i]);
		print_boxed(t, depth, lead, "└───────────────────────");
	}
	cor_content_info_done(&info);
	return 0;
}

static int print_document(struct tree *t, const struct cor_descriptor *d, size_t depth, const char *lead,
			  struct cor_error *err)
{
	_cleanup_free_ char *text = NULL, *pretty = NULL;
	_cleanup_json_ json_t *doc = NULL;
	size_t len = 0;

	int r = cor_content_read_all(t->s, d->digest, COR_CONFIG_SIZE_MAX, &text, &len, err);
	if (r >= 0)
		r = cor_json_parse(text, len, d->digest, &doc, err);
	if (r < 0)
		return r;
	pretty = cor_json_dump_pretty(doc);
	if (!pretty)
		return cor_error_oom(err);
	print_boxed(t, depth, lead, "┌────────Content────────");
	for (const char *p = pretty; *p;) {
		size_t n = strcspn(p, "\n");
		_cleanup_free_ char *line = cor_asprintf("%.*s", (int)n, p);
		_cleanup_free_ char *safe = line ? cor_text_escape(line) : NULL;
		print_prefix(t, depth);
		fprintf(t->out, "%s│%s\n", lead, safe ? safe : "");
		p += n + (p[n] == '\n');
	}
	print_boxed(t, depth, lead, "└───────────────────────");
	return 0;
}

static int print_content(struct tree *t, const struct cor_descriptor *d, size_t depth, const char *lead,
			 struct cor_error *err)
{
	if (!t->content)
		return 0;
	int r = print_labels(t, d, depth, lead, err);
	return r >= 0 && cor_endswith(d->media_type, "json") ? print_document(t, d, depth, lead, err) : r;
}

static void print_platform(struct tree *t, const struct cor_descriptor *d, size_t depth)
{
	char text[128];

	if (!d->platform || !d->platform->architecture[0])
		return;
	_cleanup_free_ char *safe = cor_text_escape(cor_platform_format(d->platform, text));
	print_prefix(t, depth);
	fprintf(t->out, SKIP " Platform: %s\n", safe ? safe : "");
}

static int print_blob(const struct cor_blob *blob, void *data, struct cor_error *err)
{
	struct tree *t = data;
	struct cor_content_info info = {0};
	struct cor_error e = {0};
	size_t depth = MIN(blob->depth, (size_t)DEPTH_MAX - 2);
	_cleanup_free_ char *media_type = cor_text_escape(blob->desc->media_type);

	/* The image's name stands at the left margin; its target is its only child. */
	t->last[0] = true;
	if (depth > 0)
		print_prefix(t, depth);
	fprintf(t->out, "%s%s @%s (%lld bytes)\n", blob->last ? LAST : MIDDLE, media_type ? media_type : "",
		blob->desc->digest, (long long)blob->desc->size);
	t->last[depth] = blob->last;
	if (blob->kind == COR_BLOB_LAYER || blob->kind == COR_BLOB_OTHER)
		return 0;
	if (blob->kind != COR_BLOB_CONFIG)
		print_platform(t, blob->desc, depth + 1);
	int r = t->s->content->info(t->s, blob->desc->digest, &info, &e);
	if (r < 0 && cor_error_is(&e, COR_NOT_FOUND)) {
		print_prefix(t, depth + 1);
		fputs(LAST " Content does not exist locally, skipping\n", t->out);
		return 1;
	}
	if (r < 0) {
		if (err)
			*err = e;
		return r;
	}
	cor_content_info_done(&info);
	return print_content(t, blob->desc, depth + 1, blob->kind == COR_BLOB_CONFIG ? "" : SKIP, err);
}

static void print_head(FILE *out, const struct cor_image *image)
{
	char created[COR_TIME_MAX], updated[COR_TIME_MAX];

	cor_text_line(out, image->name);
	fprintf(out, SKIP " Created: %s\n", cor_time_format(image->created_ns, created));
	fprintf(out, SKIP " Updated: %s\n", cor_time_format(image->updated_ns, updated));
	for (size_t i = 0; i < image->labels.n; i++) {
		_cleanup_free_ char *key = cor_text_escape(image->labels.keys[i]);
		_cleanup_free_ char *value = cor_text_escape(image->labels.values[i]);
		fprintf(out, SKIP " Label \"%s\": \"%s\"\n", key ? key : "", value ? value : "");
	}
}

static int run_inspect(struct cor_context *ctx, const void *opts, int argc, char **args,
		       struct cor_error *err)
{
	const struct options *o = opts;
	struct cor_services *s;
	struct cor_image image = {0};

	int r = cor_context_check_args(ctx, argc, 1, 1, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->images->get(s, args[0], &image, err);
	if (r < 0)
		return r;
	struct tree t = {.s = s, .out = ctx->out, .content = o->content};
	print_head(ctx->out, &image);
	r = cor_image_blobs(s, &image.target, NULL, print_blob, &t, err);
	cor_image_done(&image);
	return r;
}

const struct cor_command cor_images_inspect = {
	.name = "inspect",
	.aliases = "i",
	.usage = "inspect an image",
	.complete = "IMAGE",
	.args_usage = "[flags] <image>",
	.options = options,
	.options_size = sizeof(struct options),
	.run = run_inspect,
};
