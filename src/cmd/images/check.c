/* SPDX-License-Identifier: Apache-2.0 */
/* `images check`: is everything an image needs here? REF TYPE DIGEST STATUS SIZE UNPACKED. */
#include "base/log.h"
#include "client/client.h"
#include "cmd/images/images.h"
#include "cmd/table.h"
#include "cmd/text.h"

struct options {
	bool quiet;
	const char *snapshotter;
};
static const struct cor_option options[] = {
	COR_OPT(struct options, COR_OPT_BOOL, quiet, "quiet", "q",
		"print only the ready image refs (fully downloaded and unpacked)"),
	COR_FLAG_SNAPSHOTTER(struct options, snapshotter),
	COR_OPT_END,
};

struct state {
	struct cor_services *s;
	size_t required, present;
	int64_t required_size, present_size;
};

/* What counts is what a container needs: config and layers of this machine's manifest. */
static int count(const struct cor_blob *blob, void *data, struct cor_error *err)
{
	struct state *st = data;
	struct cor_content_info info = {0};
	struct cor_error missing = {0};

	if (blob->kind != COR_BLOB_CONFIG && blob->kind != COR_BLOB_LAYER)
		return 0;
	st->required++;
	st->required_size += blob->desc->size;
	int r = st->s->content->info(st->s, blob->desc->digest, &info, &missing);
	if (r >= 0) {
		st->present++;
		st->present_size += blob->desc->size;
		cor_content_info_done(&info);
	} else if (!cor_error_is(&missing, COR_NOT_FOUND)) {
		if (err)
			*err = missing;
		return r;
	}
	return 0;
}

/* false when it is not, or cannot be known because parts are missing (the status says so). */
static int check_unpacked(struct cor_services *s, const struct cor_image *image, const char *snapshotter,
			  bool *ret, struct cor_error *err)
{
	struct cor_resolved_image resolved = {0};
	struct cor_error e = {0};

	int r = cor_resolve_descriptor(s, &image->target, NULL, &resolved, &e);
	if (r >= 0)
		r = cor_is_unpacked(s, &resolved, snapshotter, ret, &e);
	cor_resolved_image_done(&resolved);
	if (r >= 0 || cor_error_is(&e, COR_NOT_FOUND))
		return 0;
	*err = e;
	return cor_error_wrap(err, r, "unable to check unpack for %s", image->name);
}

struct row {
	char status[96], size[80];
	bool complete, unpacked;
};

/* Fills the row; a failure is told in it and returned. */
static int check_image(struct cor_services *s, const struct cor_image *image, const char *snapshotter,
		       struct row *row, struct cor_error *err)
{
	struct state st = {.s = s};
	struct cor_platform host;
	struct cor_error e = {0};
	char present[32], required[32];

	cor_platform_host(&host);
	int r = cor_image_blobs(s, &image->target, &host, count, &st, &e);
	cor_format_iec((uint64_t)st.present_size, present);
	cor_format_iec((uint64_t)st.required_size, required);
	if (r < 0 && !cor_error_is(&e, COR_NOT_FOUND)) {
		*err = e;
		snprintf(row->status, sizeof(row->status), "error");
		snprintf(row->size, sizeof(row->size), "-");
		return cor_error_wrap(err, r, "unable to check %s", image->name);
	}
	if (r < 0) {
		snprintf(row->status, sizeof(row->status), "unavailable (%zu/?)", st.present);
		snprintf(row->size, sizeof(row->size), "%s/?", present);
		return 0;
	}
	row->complete = st.present == st.required;
	snprintf(row->status, sizeof(row->status), "%s (%zu/%zu)", row->complete ? "complete" : "incomplete",
		 st.present, st.required);
	snprintf(row->size, sizeof(row->size), "%s/%s", present, required);
	return check_unpacked(s, image, snapshotter, &row->unpacked, err);
}

static int check_all(struct cor_context *ctx, struct cor_services *s, const struct options *o,
		     const struct cor_image_list *list, struct cor_error *err)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(1, 1);
	int first = 0;

	cor_table_row(&t, "REF", "TYPE", "DIGEST", "STATUS", "SIZE", "UNPACKED");
	for (size_t i = 0; i < list->n; i++) {
		const struct cor_image *image = &list->items[i];
		struct row row = {0};
		struct cor_error e = {0};
		int r = check_image(s, image, o->snapshotter, &row, &e);
		if (r < 0 && first < 0)
			cor_warn("%s", e.message);
		if (r < 0 && first == 0) {
			first = r;
			*err = e;
		}
		if (o->quiet && row.complete && row.unpacked)
			cor_text_line(ctx->out, image->name);
		cor_table_open_row(&t, image->name, image->target.media_type, image->target.digest,
				   row.status, row.size, row.unpacked ? "true" : "false");
	}
	if (!o->quiet && list->n > 0 && cor_table_print(&t, ctx->out) < 0)
		return cor_error_oom(err);
	return first;
}

static int run_check(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	_cleanup_image_list_ struct cor_image_list list = {0};
	struct cor_services *s;

	int r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = cor_image_list_fill(&list, s, args, err);
	return r < 0 ? r : check_all(ctx, s, opts, &list, err);
}

const struct cor_command cor_images_check = {
	.name = "check",
	.usage = "check existing images to ensure all content is available locally",
	.args_usage = "[flags] [<filter>, ...]",
	.options = options,
	.options_size = sizeof(struct options),
	.run = run_check,
};
