/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `content prune references`: drops the references from manifests to their layers, so that layers which are unpacked
 * already can go (images stay runnable from their snapshots, but cannot be exported or unpacked anew).
 */
#include <errno.h>

#include "cmd/content/content.h"
#include "cmd/gc.h"
#include "cmd/text.h"

#define CONTENT_PREFIX "containerd.io/gc.ref.content."

struct options {
	bool async, dry;
};
static const struct cor_option options[] = {
	COR_OPT(struct options, COR_OPT_BOOL, async, "async", NULL,
		"allow garbage collection to cleanup asynchronously"),
	COR_OPT(struct options, COR_OPT_BOOL, dry, "dry", NULL, "just show updates without applying"),
	COR_OPT_END,
};

/* "l.N", and the bare numbers of old labels, of which 0 is the config. */
static bool is_layer_label(const char *key)
{
	const char *rest = cor_after(key, CONTENT_PREFIX);

	if (!rest)
		return false;
	if (cor_startswith(rest, "l."))
		return true;
	return *rest && strspn(rest, "0123456789") == strlen(rest) && !streq(rest, "0");
}

/* The edits, collected first: the store is not changed while it is walked. */
struct edits {
	char **digests; /* strv */
	struct cor_map *labels;
	size_t n, cap;
};

static int collect(const struct cor_content_info *info, void *data)
{
	struct edits *e = data;
	struct cor_map labels = {0};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < info->labels.n; i++)
		if (is_layer_label(info->labels.keys[i]))
			r = cor_map_set(&labels, info->labels.keys[i], "");
	if (r >= 0 && labels.n > 0) {
		r = cor_grow(&e->labels, &e->cap, e->n + 1, sizeof(*e->labels));
		if (r >= 0)
			r = cor_strv_push(&e->digests, info->digest);
		if (r >= 0) {
			e->labels[e->n++] = labels;
			labels = (struct cor_map){0};
		}
	}
	cor_map_done(&labels);
	return r;
}

static void edits_done(struct edits *e)
{
	for (size_t i = 0; i < e->n; i++)
		cor_map_done(&e->labels[i]);
	free(e->labels);
	cor_strv_free(e->digests);
}

static int apply(struct cor_context *ctx, struct cor_services *s, const struct edits *e, bool dry,
		 struct cor_error *err)
{
	for (size_t i = 0; i < e->n; i++) {
		struct cor_error one = {0};
		for (size_t k = 0; k < e->labels[i].n; k++)
			fprintf(ctx->out, "%s %s\n", e->digests[i], e->labels[i].keys[k]);
		int r = dry ? 0 : s->content->label(s, e->digests[i], &e->labels[i], false, &one);
		if (r < 0 && !cor_error_is(&one, COR_NOT_FOUND)) {
			if (err)
				*err = one;
			return r;
		}
	}
	return 0;
}

static int run_references(struct cor_context *ctx, const void *opts, int argc, char **args,
			  struct cor_error *err)
{
	const struct options *o = opts;
	struct edits edits = {0};
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 0, 0, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->content->walk(s, collect, &edits, err);
	if (r >= 0)
		r = apply(ctx, s, &edits, o->dry, err);
	edits_done(&edits);
	return r >= 0 && !o->dry && !o->async && s->gc ? cor_gc_print(ctx, false, err) : r;
}

static const struct cor_command references = {
	.name = "references",
	.usage = "prunes preference labels from the content store (layers only by default)",
	.args_usage = "[flags]",
	.description = "Drops the references that keep layers, and collects the garbage. Images that are "
		       "unpacked stay runnable.",
	.options = options,
	.options_size = sizeof(struct options),
	.run = run_references,
};

static const struct cor_command *const commands[] = {&references, NULL};

const struct cor_command cor_content_prune = {
	.name = "prune",
	.usage = "prunes content from the content store",
	.subcommands = commands,
};
