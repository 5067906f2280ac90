/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `images export`: images as an OCI layout in a tar archive, which ctr and others import. Blobs are checked while they are
 * copied. The file gets its name when it is whole.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "cmd/images/images.h"
#include "layer/tar.h"
#include "oci/digest.h"

#define CHUNK     (256u * 1024)
#define LAYOUT    "{\"imageLayoutVersion\":\"1.0.0\"}"
#define NAME_NOTE "io.containerd.image.name"
#define REF_NOTE  "org.opencontainers.image.ref.name"

struct flags {
	const char *platform;
	bool all_platforms;
};
static const struct cor_option options[] = {
	COR_OPT(struct flags, COR_OPT_STRING, platform, "platform", NULL,
		"export the manifests for this platform (default: the machine's)", .metavar = "PLATFORM"),
	COR_OPT(struct flags, COR_OPT_BOOL, all_platforms, "all-platforms", NULL,
		"export the manifests for all platforms"),
	COR_OPT_END,
};

struct archive {
	struct cor_services *s;
	struct cor_tar_writer *tar;
	const struct flags *f;
	struct cor_platform want;
	struct cor_map done; /* digests */
	json_t *manifests;
	char *buf;
};

static int write_entry(struct archive *x, const char *name, enum cor_tar_type type, uint64_t size,
		       struct cor_error *err)
{
	struct cor_tar_entry e = {
		.name = (char *)(uintptr_t)name, /* the writer only reads it */
		.type = type,
		.mode = type == COR_TAR_DIRECTORY ? 0755 : 0444,
		.size = size,
	};
	return cor_tar_write_entry(x->tar, &e, err);
}

static int write_text(struct archive *x, const char *name, const char *text, struct cor_error *err)
{
	int r = write_entry(x, name, COR_TAR_FILE, strlen(text), err);
	return r < 0 ? r : cor_tar_write_data(x->tar, text, strlen(text), err);
}

static int copy_blob(struct archive *x, struct cor_reader *reader, const char *digest, struct cor_error *err)
{
	struct cor_sha256 hash;
	char actual[COR_DIGEST_MAX];
	ssize_t n;
	int64_t left = reader->size;
	cor_sha256_init(&hash);
	while ((n = reader->ops->read(reader, x->buf, CHUNK, err)) > 0) {
		cor_sha256_update(&hash, x->buf, (size_t)n);
		int r = cor_tar_write_data(x->tar, x->buf, (size_t)n, err);
		if (r < 0)
			return r;
		left -= n;
	}
	if (n < 0)
		return (int)n;
	cor_sha256_digest(&hash, actual);
	if (left != 0 || !streq(actual, digest))
		return cor_error_set(err, COR_DATA_LOSS, "data on disk has digest %s", actual);
	return 0;
}

static int write_blob(struct archive *x, const char *digest, struct cor_error *err)
{
	_cleanup_(cor_reader_freep) struct cor_reader *reader = NULL;
	if (cor_map_get(&x->done, digest))
		return 0;
	_cleanup_free_ char *name = cor_asprintf("blobs/sha256/%s", cor_digest_hex(digest));
	if (!name || cor_map_set(&x->done, digest, "") < 0)
		return cor_error_oom(err);
	int r = x->s->content->reader(x->s, digest, &reader, err);
	if (r >= 0)
		r = write_entry(x, name, COR_TAR_FILE, (uint64_t)reader->size, err);
	if (r >= 0)
		r = copy_blob(x, reader, digest, err);
	return r < 0 ? cor_error_wrap(err, r, "content %s", digest) : 0;
}

/* What is not for the wanted platform stays away, as its blobs may. */
static int export_blob(const struct cor_blob *blob, void *data, struct cor_error *err)
{
	struct archive *x = data;
	const struct cor_platform *has = blob->desc->platform;
	if (!x->f->all_platforms && has && cor_platform_match(&x->want, has) < 0)
		return 1;
	return write_blob(x, blob->desc->digest, err);
}

static int note_image(struct archive *x, const struct cor_image *image, struct cor_error *err)
{
	struct cor_descriptor d = {0};
	const char *base = cor_path_base(image->name), *tag = strchr(base, ':');
	json_t *json = NULL;
	int r = cor_descriptor_copy(&d, &image->target);
	if (r == 0 && (cor_map_set(&d.annotations, NAME_NOTE, image->name) < 0 ||
		       cor_map_set(&d.annotations, REF_NOTE, tag ? tag + 1 : image->name) < 0))
		r = -ENOMEM;
	if (r == 0)
		json = cor_descriptor_to_json(&d);
	cor_descriptor_done(&d);
	return !json || json_array_append_new(x->manifests, json) < 0 ? cor_error_oom(err) : 0;
}

static int export_image(struct archive *x, const char *name, struct cor_error *err)
{
	struct cor_image image = {0};
	int r = x->s->images->get(x->s, name, &image, err);
	if (r < 0)
		return r;
	r = cor_image_blobs(x->s, &image.target, NULL, export_blob, x, err);
	if (r >= 0)
		r = note_image(x, &image, err);
	cor_image_done(&image);
	return r < 0 ? cor_error_wrap(err, r, "image \"%s\"", name) : 0;
}

static int write_archive(struct archive *x, char *const *names, struct cor_error *err)
{
	int r = write_entry(x, "blobs/", COR_TAR_DIRECTORY, 0, err);
	if (r >= 0)
		r = write_entry(x, "blobs/sha256/", COR_TAR_DIRECTORY, 0, err);
	for (; r >= 0 && *names; names++)
		r = export_image(x, *names, err);
	if (r < 0)
		return r;
	_cleanup_json_ json_t *index = json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType",
						 COR_MT_OCI_INDEX, "manifests", x->manifests);
	_cleanup_free_ char *text = index ? cor_json_dump(index) : NULL;
	if (!text)
		return cor_error_oom(err);
	r = write_text(x, "index.json", text, err);
	if (r >= 0)
		r = write_text(x, "oci-layout", LAYOUT, err);
	return r < 0 ? r : cor_tar_writer_finish(x->tar, err);
}

static int sink(void *data, const void *buf, size_t n, struct cor_error *err)
{
	int r = cor_write_full(*(const int *)data, buf, n);
	return r < 0 ? cor_error_errno(err, r, "write") : 0;
}

static int export_to(struct cor_services *s, const struct flags *f, int fd, char *const *names,
		     struct cor_error *err)
{
	struct archive x = {.s = s, .f = f, .manifests = json_array(), .buf = malloc(CHUNK)};
	cor_platform_host(&x.want);
	int r = cor_empty(f->platform) ? 0 : cor_platform_parse(f->platform, &x.want, err);
	if (r >= 0 && (!x.manifests || !x.buf))
		r = cor_error_oom(err);
	if (r >= 0)
		r = cor_tar_writer_open(sink, &fd, &x.tar, err);
	if (r >= 0)
		r = write_archive(&x, names, err);
	cor_tar_writer_free(x.tar);
	cor_map_done(&x.done);
	json_decref(x.manifests);
	free(x.buf);
	return r;
}

/* Through a temporary file beside it. What is there and is no plain file (a pipe, /dev/stdout) is written to as it is. */
static int export_file(struct cor_services *s, const struct flags *f, const char *path, char *const *names,
		       struct cor_error *err)
{
	char temporary[40] = ".coracle-export-";
	_cleanup_free_ char *abs = cor_path_abs(path);
	_cleanup_free_ char *parent = abs ? cor_path_join(abs, "..") : NULL;
	if (!parent)
		return cor_error_oom(err);
	_cleanup_close_ int dir = cor_open_dir(parent, err);
	if (dir < 0)
		return dir;
	struct stat st;
	if (fstatat(dir, cor_path_base(abs), &st, 0) == 0 && !S_ISREG(st.st_mode)) {
		_cleanup_close_ int there = openat(dir, cor_path_base(abs), O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return there < 0 ? cor_error_errno(err, errno, "open %s", path)
				 : export_to(s, f, there, names, err);
	}
	cor_random_hex(temporary + strlen(temporary), 12);
	_cleanup_close_ int fd =
		openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cor_error_errno(err, errno, "create %s", path);
	int r = export_to(s, f, fd, names, err);
	if (r >= 0 && (fchmod(fd, 0644) < 0 || renameat(dir, temporary, dir, cor_path_base(abs)) < 0))
		r = cor_error_errno(err, errno, "write %s", path);
	if (r < 0)
		(void)unlinkat(dir, temporary, 0);
	return r;
}

static int run_export(struct cor_context *ctx, const void *opts, int argc, char **args, struct cor_error *err)
{
	const struct flags *f = opts;
	struct cor_services *s;
	if (argc < 2)
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"please provide both an output filename and an image reference to export");
	if (f->platform && f->all_platforms)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "flags --platform and --all-platforms cannot be specified together");
	int r = cor_context_services(ctx, &s, err);
	if (r >= 0)
		r = s->leases->begin(s, err);
	if (r < 0)
		return r;
	r = streq(args[0], "-") ? export_to(s, f, STDOUT_FILENO, args + 1, err)
				: export_file(s, f, args[0], args + 1, err);
	s->leases->end(s);
	return r < 0 ? r : 0;
}

const struct cor_command cor_images_export = {
	.name = "export",
	.usage = "export images",
	.complete = "IMAGE",
	.args_usage = "[flags] <out> <image> ...",
	.description =
		"Writes the images as an OCI layout into a tar archive (- for standard output). A manifest "
		"for another platform\n"
		"than the wanted one is left out.",
	.options = options,
	.options_size = sizeof(struct flags),
	.run = run_export,
};
