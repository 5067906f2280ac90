/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `images import`: a tar stream (a file or standard input), an OCI layout directory, or with --rootfs a root file system
 * that becomes a one-layer image.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "client/client.h"
#include "cmd/images/images.h"
#include "cmd/text.h"

struct options {
	const char *base_name, *index_name, *platform, *snapshotter;
	bool digests, skip_digest_for_named, all_platforms, no_unpack, rootfs;
	char **labels;
};
static const struct cor_option options[] = {
	COR_OPT(struct options, COR_OPT_STRING, base_name, "base-name", NULL,
		"base image name for added images, when provided only images with this name prefix are "
		"imported",
		.metavar = "NAME"),
	COR_OPT(struct options, COR_OPT_BOOL, digests, "digests", NULL, "whether to create digest images"),
	COR_OPT(struct options, COR_OPT_BOOL, skip_digest_for_named, "skip-digest-for-named", NULL,
		"skip applying --digests option to images named in the importing tar (use it in conjunction "
		"with --digests)"),
	COR_OPT(struct options, COR_OPT_STRING, index_name, "index-name", NULL,
		"image name to keep index as, by default index is discarded", .metavar = "NAME"),
	COR_OPT(struct options, COR_OPT_BOOL, all_platforms, "all-platforms", NULL,
		"imports content for all platforms, false by default"),
	COR_OPT(struct options, COR_OPT_STRING, platform, "platform", NULL,
		"imports content for specific platform", .metavar = "PLATFORM"),
	COR_OPT(struct options, COR_OPT_BOOL, no_unpack, "no-unpack", NULL,
		"skip unpacking the images, false by default"),
	COR_OPT(struct options, COR_OPT_BOOL, rootfs, "rootfs", NULL,
		"<in> is a root filesystem (tar or directory), to become the one layer of the image <name>"),
	COR_FLAG_SNAPSHOTTER(struct options, snapshotter),
	COR_FLAG_LABEL(struct options, labels, "labels to attach to the image"),
	COR_OPT_END,
};

struct output {
	struct cor_context *ctx;
	bool unpacked;
};

static int print_image(const char *name, const char *digest, void *data)
{
	struct output *out = data;
	_cleanup_free_ char *safe = cor_text_escape(name);

	if (!safe)
		return -ENOMEM;
	if (out->unpacked)
		fprintf(out->ctx->out, "unpacking %s (%s)...done\n", safe, digest);
	else
		fprintf(out->ctx->out, "saved %s (%s)\n", safe, digest);
	fflush(out->ctx->out);
	return 0;
}

static int open_input(const char *path, struct cor_error *err)
{
	if (streq(path, "-")) {
		int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? cor_error_errno(err, errno, "standard input") : fd;
	}
	int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? cor_error_errno(err, errno, "open %s", path) : fd;
}

static int import_fd(struct cor_services *s, int fd, const char *name, const struct cor_import_options *o,
		     struct output *out, struct cor_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return cor_error_errno(err, errno, "stat input");
	if (name)
		return cor_import_rootfs(s, fd, name, o, print_image, out, err);
	if (S_ISDIR(st.st_mode))
		return cor_import_layout(s, fd, o, print_image, out, err);
	return cor_import_stream(s, fd, o, print_image, out, err);
}

/* "k=v" texts again, "k" alone having become "k=true" as ctr has it. */
static int label_texts(char *const *args, char ***ret, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	int r = cor_labels_parse(args, &labels, err);

	for (size_t i = 0; r >= 0 && i < labels.n; i++)
		if (cor_strv_push_take(ret, cor_asprintf("%s=%s", labels.keys[i], labels.values[i])) < 0)
			r = cor_error_oom(err);
	return r;
}

static int check_options(struct cor_context *ctx, const struct options *o, int argc, struct cor_error *err)
{
	int want = o->rootfs ? 2 : 1;
	struct cor_platform p;

	if (argc != want)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s arguments, usage: %s %s",
				     argc < want ? "missing" : "too many", ctx->path,
				     o->rootfs ? "--rootfs [flags] <tar|dir|-> <name>"
					       : "[flags] <file|dir|->");
	if (o->all_platforms && !cor_empty(o->platform))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "flags --all-platforms and --platform cannot be specified together");
	if (o->skip_digest_for_named && !o->digests)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "--skip-digest-for-named must be specified with --digests option");
	if (o->rootfs && (o->index_name || o->base_name))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "--%s does not go with --rootfs",
				     o->index_name ? "index-name" : "base-name");
	return cor_empty(o->platform) ? 0 : cor_platform_parse(o->platform, &p, err);
}

static int run_import(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct options *o = opts;
	_cleanup_close_ int fd = -1;
	_cleanup_strv_ char **labels = NULL;
	struct cor_services *s;

	int r = check_options(ctx, o, argc, err);
	if (r >= 0)
		r = label_texts(o->labels, &labels, err);
	if (r < 0)
		return r;
	fd = open_input(args[0], err);
	if (fd < 0)
		return fd;
	r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	struct cor_import_options io = {
		.base_name = o->base_name,
		.index_name = o->index_name,
		.digests = o->digests,
		.skip_digest_for_named = o->skip_digest_for_named,
		.all_platforms = o->all_platforms,
		.platform = cor_empty(o->platform) ? NULL : o->platform,
		.no_unpack = o->no_unpack,
		.snapshotter = o->snapshotter,
		.labels = labels,
	};
	struct output out = {.ctx = ctx, .unpacked = !o->no_unpack};
	return import_fd(s, fd, o->rootfs ? args[1] : NULL, &io, &out, err);
}

const struct cor_command cor_images_import = {
	.name = "import",
	.usage = "import images",
	.complete = "FILE",
	.args_usage = "[flags] <file|dir|->, or --rootfs [flags] <tar|dir|-> <name>",
	.description = "Imports images from a tar stream (plain, gzip or zstd) or a directory. Implemented "
		       "formats:\n"
		       "- oci.v1 (image layout)\n"
		       "- docker.v1.1, docker.v1.2 (docker save)\n"
		       "- with --rootfs, a root filesystem\n"
		       "\n"
		       "For OCI v1, you may need to specify --base-name because an OCI archive may contain "
		       "only partial image\n"
		       "references (tags without the base image name). Without a base name, "
		       "\"import-%{yyyy-MM-dd}\" is used.\n"
		       "With --base-name foo/bar, a ref \"latest\" and an anonymous \"sha256:deadbeef\" in "
		       "the archive become the\n"
		       "images \"foo/bar:latest\" and, with --digests, \"foo/bar@sha256:deadbeef\".",
	.options = options,
	.options_size = sizeof(struct options),
	.run = run_import,
};
