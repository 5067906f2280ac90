/* SPDX-License-Identifier: Apache-2.0 */
/* The small verbs that change image records: tag, label, delete. */
#include "base/log.h"
#include "cmd/images/images.h"
#include "cmd/text.h"
#include "oci/reference.h"

/* ---- tag ---- */

struct tag_options {
	bool force, skip_check;
};
static const struct cor_option tag_options[] = {
	COR_OPT(struct tag_options, COR_OPT_BOOL, force, "force", NULL,
		"force target_ref to be created, regardless if it already exists"),
	COR_OPT(struct tag_options, COR_OPT_BOOL, skip_check, "skip-reference-check", NULL,
		"skip the strict check for reference names"),
	COR_OPT_END,
};

static int check_reference(const char *name, struct cor_error *err)
{
	_cleanup_free_ char *full = NULL;
	int r = cor_reference_normalize(name, &full, err);

	return r < 0 ? cor_error_wrap(err, r, "error parsing reference: \"%s\" is not a valid repository/tag",
				      name)
		     : 0;
}

static int tag_one(struct cor_services *s, struct cor_image *image, char *name, const struct tag_options *o,
		   struct cor_error *err)
{
	int r = o->skip_check ? 0 : check_reference(name, err);

	if (r < 0)
		return r;
	/* The record's name is borrowed for the call: the rest is the source's. */
	char *own = image->name;
	image->name = name;
	r = o->force ? s->images->put(s, image, err) : s->images->create(s, image, err);
	image->name = own;
	return r;
}

static int run_tag(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	struct cor_services *s;
	struct cor_image image = {0};

	if (argc < 1)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "please provide an image reference to tag from");
	if (argc < 2)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "please provide an image reference to tag to");
	int r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->images->get(s, args[0], &image, err);
	for (int i = 1; r >= 0 && i < argc; i++) {
		r = tag_one(s, &image, args[i], opts, err);
		if (r >= 0)
			cor_text_line(ctx->out, args[i]);
	}
	cor_image_done(&image);
	return r;
}

const struct cor_command cor_images_tag = {
	.name = "tag",
	.usage = "tag an image",
	.complete = "IMAGE",
	.args_usage = "[flags] <source_ref> <target_ref> [<target_ref>, ...]",
	.description = "Gives an image more names.",
	.options = tag_options,
	.options_size = sizeof(struct tag_options),
	.run = run_tag,
};

/* ---- label ---- */

struct label_options {
	bool replace_all;
};
static const struct cor_option label_options[] = {
	COR_OPT(struct label_options, COR_OPT_BOOL, replace_all, "replace-all", "r", "replace all labels"),
	COR_OPT_END,
};

static int run_label(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct label_options *o = opts;
	_cleanup_map_ struct cor_map labels = {0};
	struct cor_services *s;
	struct cor_image image = {0};

	if (argc < 1 || cor_empty(args[0]))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "please specify an image");
	int r = cor_labels_parse(args + 1, &labels, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0 && (labels.n > 0 || o->replace_all))
		r = s->images->label(s, args[0], &labels, o->replace_all, err);
	if (r >= 0)
		r = s->images->get(s, args[0], &image, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = cor_labels_format(&image.labels, "");
	cor_text_line(ctx->out, text ? text : "");
	cor_image_done(&image);
	return 0;
}

const struct cor_command cor_images_label = {
	.name = "label",
	.usage = "set and clear labels for an image",
	.complete = "IMAGE",
	.args_usage = "[flags] <name> [<key>=<value>, ...]",
	.description = "Sets labels; an empty value clears one. Prints the labels that the image has then.",
	.options = label_options,
	.options_size = sizeof(struct label_options),
	.run = run_label,
};

/* ---- delete ---- */

struct delete_options {
	bool sync;
};
static const struct cor_option delete_options[] = {
	COR_OPT(struct delete_options, COR_OPT_BOOL, sync, "sync", NULL,
		"synchronously remove image and all associated resources"),
	COR_OPT_END,
};

/* As ctr: goes on after a failure and returns the first; an image that is not there is a warning. */
static int run_delete(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct delete_options *o = opts;
	struct cor_services *s;
	int first = 0;

	int r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	for (int i = 0; i < argc; i++) {
		struct cor_error e = {0};
		r = s->images->remove(s, args[i], o->sync && i + 1 == argc, &e);
		if (r >= 0) {
			cor_text_line(ctx->out, args[i]);
			continue;
		}
		if (cor_error_is(&e, COR_NOT_FOUND)) {
			cor_warn("%s: image not found", args[i]);
			continue;
		}
		cor_error_wrap(&e, r, "unable to delete %s", args[i]);
		if (first < 0) {
			cor_log(COR_LOG_ERROR, "%s", e.message);
			continue;
		}
		first = r;
		*err = e;
	}
	return first;
}

const struct cor_command cor_images_delete = {
	.name = "delete",
	.aliases = "del,remove,rm",
	.usage = "remove one or more images by reference",
	.complete = "IMAGE",
	.args_usage = "[flags] <ref> [<ref>, ...]",
	.description = "Removes image records. What only they kept is collected afterwards, with --sync "
		       "before the command ends.",
	.options = delete_options,
	.options_size = sizeof(struct delete_options),
	.run = run_delete,
};
