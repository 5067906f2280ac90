/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `snapshots diff`: what a snapshot changes against its parent (or what B changes against A), as a layer on standard output.
 * A committed snapshot is looked at through a view of a name of our own, which goes again; should this process be killed
 * in between, garbage collection takes the view, since only our operation lease keeps it.
 */
#include "base/clock.h"
#include "cmd/flags.h"
#include "cmd/snapshots/snapshots.h"
#include "cmd/text.h"

#define CHUNK (256u * 1024)

struct options {
	const char *media_type, *ref;
	bool keep;
	char **labels;
};
static const struct cor_option options[] = {
	COR_OPT(struct options, COR_OPT_STRING, media_type, "media-type", NULL,
		"media type to use for creating diff", .def = COR_MT_OCI_LAYER_GZIP, .metavar = "TYPE"),
	COR_OPT(struct options, COR_OPT_STRING, ref, "ref", NULL, "content upload reference to use",
		.metavar = "REF"),
	COR_OPT(struct options, COR_OPT_BOOL, keep, "keep", NULL,
		"keep diff content. up to creator to delete it."),
	COR_FLAG_LABEL(struct options, labels, "labels to attach to the image"),
	COR_OPT_END,
};

/* A snapshot's mounts, and the view that had to be made for them (NULL: none). */
struct side {
	struct cor_mounts mounts;
	char *view;
};

static void side_done(struct cor_services *s, const char *sn, struct side *side)
{
	struct cor_error ignored = {0};

	if (side->view)
		s->snapshots->remove(s, sn, side->view, &ignored);
	free(side->view);
	cor_mounts_done(&side->mounts);
}

static int view(struct cor_services *s, const char *sn, const char *key, struct side *side,
		struct cor_error *err)
{
	char hex[13];

	cor_random_hex(hex, 12);
	_cleanup_free_ char *name = cor_asprintf("diff-%s %s", hex, key);
	if (!name)
		return cor_error_oom(err);
	int r = s->snapshots->view(s, sn, name, key, NULL, &side->mounts, err);
	if (r >= 0)
		side->view = TAKE_PTR(name);
	return r;
}

/* *ret_parent (may be NULL): the caller's. */
static int look_at(struct cor_services *s, const char *sn, const char *key, struct side *side,
		   char **ret_parent, struct cor_error *err)
{
	struct cor_snapshot_info info = {0};

	int r = s->snapshots->stat(s, sn, key, &info, err);
	if (r < 0)
		return r;
	if (info.kind == COR_SNAPSHOT_COMMITTED)
		r = view(s, sn, key, side, err);
	else
		r = s->snapshots->mounts(s, sn, key, &side->mounts, err);
	if (r >= 0 && ret_parent)
		*ret_parent = TAKE_PTR(info.parent);
	cor_snapshot_info_done(&info);
	return r;
}

static int labels_of(const struct options *o, struct cor_map *ret, struct cor_error *err)
{
	char now[COR_TIME_MAX];
	int r = cor_labels_parse(o->labels, ret, err);

	if (r >= 0 && o->keep &&
	    cor_map_set(ret, "containerd.io/gc.root",
			cor_time_format(cor_now_ns() / 1000000000 * 1000000000, now)) < 0)
		r = cor_error_oom(err);
	return r;
}

static int compare(struct cor_services *s, const struct options *o, const struct cor_mounts *lower,
		   const struct cor_mounts *upper, struct cor_descriptor *ret, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	int r = labels_of(o, &labels, err);

	if (r < 0)
		return r;
	return s->diff->compare(s, lower, upper, o->media_type, cor_empty(o->ref) ? NULL : o->ref, &labels,
				ret, err);
}

/* a alone: its parent is the lower side. */
static int diff(struct cor_services *s, const char *sn, const struct options *o, const char *a, const char *b,
		struct cor_descriptor *ret, struct cor_error *err)
{
	struct side one = {0}, two = {0};
	_cleanup_free_ char *parent = NULL;

	int r = look_at(s, sn, a, &one, &parent, err);
	if (r >= 0 && b)
		r = look_at(s, sn, b, &two, NULL, err);
	else if (r >= 0 && !cor_empty(parent))
		r = look_at(s, sn, parent, &two, NULL, err);
	if (r >= 0)
		r = b ? compare(s, o, &one.mounts, &two.mounts, ret, err)
		      : compare(s, o, &two.mounts, &one.mounts, ret, err);
	side_done(s, sn, &two);
	side_done(s, sn, &one);
	return r;
}

static int copy_out(struct cor_context *ctx, struct cor_services *s, const char *digest,
		    struct cor_error *err)
{
	_cleanup_(cor_reader_freep) struct cor_reader *reader = NULL;
	_cleanup_free_ char *buf = malloc(CHUNK);

	if (!buf)
		return cor_error_oom(err);
	int r = s->content->reader(s, digest, &reader, err);
	if (r < 0)
		return r;
	for (;;) {
		ssize_t n = reader->ops->read(reader, buf, CHUNK, err);
		if (n <= 0)
			return (int)n;
		if (fwrite(buf, 1, (size_t)n, ctx->out) != (size_t)n)
			return cor_context_flush(ctx, err);
	}
}

static int run_diff(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	struct cor_descriptor layer = {0};
	struct cor_services *s;

	if (argc < 1 || cor_empty(args[0]))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "snapshot id must be provided");
	int r = cor_context_check_args(ctx, argc, 1, 2, err);
	if (r >= 0)
		r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->leases->begin(s, err);
	if (r < 0)
		return r;
	r = diff(s, cor_snapshots_snapshotter(ctx), opts, args[0], argc > 1 ? args[1] : NULL, &layer, err);
	if (r >= 0)
		r = copy_out(ctx, s, layer.digest, err);
	s->leases->end(s);
	cor_descriptor_done(&layer);
	return r;
}

const struct cor_command cor_snapshots_diff = {
	.name = "diff",
	.usage = "get the diff of two snapshots. the default second snapshot is the first snapshot's parent.",
	.complete = "SNAPSHOT",
	.args_usage = "[flags] <idA> [<idB>]",
	.description = "Writes a layer to standard output: what idA changes against its parent, or what idB "
		       "changes against idA.",
	.options = options,
	.options_size = sizeof(struct options),
	.run = run_diff,
};
