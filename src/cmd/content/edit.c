/* SPDX-License-Identifier: Apache-2.0 */
/* The small verbs of `content`: label, delete. */
#include "base/log.h"
#include "cmd/content/content.h"
#include "cmd/text.h"
#include "oci/digest.h"

static int check_digest(const char *digest, struct cor_error *err)
{
	struct cor_error why = {0};

	if (cor_digest_validate(digest ? digest : "", &why) >= 0)
		return 0;
	return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: invalid checksum digest format",
			     digest ? digest : "\"\"");
}

static int run_label(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	struct cor_content_info info = {0};
	struct cor_services *s;

	int r = cor_context_check_args(ctx, argc, 1, -1, err);
	if (r >= 0)
		r = check_digest(args[0], err);
	if (r >= 0)
		r = cor_labels_parse(args + 1, &labels, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0 && labels.n > 0)
		r = s->content->label(s, args[0], &labels, false, err);
	if (r >= 0)
		r = s->content->info(s, args[0], &info, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = cor_labels_format(&info.labels, "");
	cor_text_line(ctx->out, text ? text : "");
	cor_content_info_done(&info);
	return 0;
}

const struct cor_command cor_content_label = {
	.name = "label",
	.usage = "add labels to content",
	.complete = "DIGEST",
	.args_usage = "<digest> [<label>=<value> ...]",
	.description = "Labels blobs in the content store; an empty value clears a label.",
	.run = run_label,
};

static int delete_one(struct cor_context *ctx, struct cor_services *s, const char *digest,
		      struct cor_error *err)
{
	int r = check_digest(digest, err);

	if (r >= 0)
		r = s->content->remove(s, digest, err);
	if (r >= 0)
		cor_text_line(ctx->out, digest);
	return r;
}

/* As ctr: goes on after a failure and returns the first; what is not there is silently fine. */
static int run_delete(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	struct cor_services *s;
	int first = 0;

	int r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	for (int i = 0; i < argc; i++) {
		struct cor_error e = {0};
		r = delete_one(ctx, s, args[i], &e);
		if (r >= 0 || cor_error_is(&e, COR_NOT_FOUND))
			continue;
		if (first < 0) {
			cor_log(COR_LOG_ERROR, "could not delete %s: %s", args[i], e.message);
			continue;
		}
		first = r;
		*err = e;
	}
	return first;
}

const struct cor_command cor_content_delete = {
	.name = "delete",
	.aliases = "del,remove,rm",
	.usage = "permanently delete one or more blobs",
	.complete = "DIGEST",
	.args_usage = "[<digest>, ...]",
	.description = "Deletes blobs, whatever still refers to them. Those that are deleted are printed.",
	.run = run_delete,
};
