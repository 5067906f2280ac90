/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criu's files as a blob in the content store, and back. containerd's form: an uncompressed tar of one flat directory, next
 * to it the container's spec as a packed google.protobuf.Any.
 *
 * A checkpoint may come from anywhere, so what is read is bounded and checked here: names without a slash, plain files only,
 * each written once, none of the archive's owners, modes or links taken over.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/checkpoint.h"
#include "layer/tar.h"
#include "rpc/message.h"
#include "rpc/shim_api.h"

#define FILES_MAX 1000000
#define CHUNK     (128 * 1024)

/* ---- writing ------------------------------------------------------------------------------------------------- */

static int write_blob(void *data, const void *buf, size_t n, struct cor_error *err)
{
	struct cor_writer *w = data;
	return w->ops->write(w, buf, n, err);
}

static int open_writer(struct cor_services *s, struct cor_writer **ret, struct cor_error *err)
{
	char ref[40] = "checkpoint-";
	cor_random_hex(ref + strlen(ref), 24);
	return s->content->writer(s, ref, 0, NULL, false, ret, err);
}

static int commit(struct cor_writer *w, const char *media_type, struct cor_descriptor *ret,
		  struct cor_error *err)
{
	_cleanup_free_ char *digest = NULL, *type = strdup(media_type);
	if (!type)
		return cor_error_oom(err);
	int64_t size = w->offset;
	int r = w->ops->commit(w, 0, NULL, NULL, &digest, err);
	if (r < 0 && r != -EEXIST)
		return r;
	cor_error_clear(err);
	*ret = (struct cor_descriptor){
		.media_type = TAKE_PTR(type), .digest = TAKE_PTR(digest), .size = size};
	return 0;
}

int cor_checkpoint_pack(struct cor_services *s, int dir_fd, struct cor_descriptor *ret, struct cor_error *err)
{
	struct cor_writer *w = NULL;
	int r = open_writer(s, &w, err);
	if (r < 0)
		return r;
	r = cor_layer_diff(-1, dir_fd, write_blob, w, err);
	if (r >= 0)
		r = commit(w, COR_MT_CHECKPOINT, ret, err);
	w->ops->free(w, true);
	return r < 0 ? cor_error_wrap(err, r, "store checkpoint") : 0;
}

int cor_checkpoint_pack_spec(struct cor_services *s, const char *spec, struct cor_descriptor *ret,
			     struct cor_error *err)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	_cleanup_free_ uint8_t *data = NULL;
	size_t n;
	struct cor_writer *w = NULL;
	/* protobuf-c's fields are not const; the message only borrows them. */
	any.type_url = (char *)(uintptr_t)COR_SPEC_TYPE;
	any.value = (ProtobufCBinaryData){strlen(spec), (uint8_t *)(uintptr_t)spec};
	if (cor_message_pack(&any.base, &data, &n) < 0)
		return cor_error_oom(err);
	int r = open_writer(s, &w, err);
	if (r < 0)
		return r;
	r = w->ops->write(w, data, n, err);
	if (r >= 0)
		r = commit(w, COR_MT_CHECKPOINT_CONFIG, ret, err);
	w->ops->free(w, true);
	return r < 0 ? cor_error_wrap(err, r, "store spec of checkpoint") : 0;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

struct source {
	struct cor_reader *reader;
	struct cor_sha256 hash;
	int64_t size, limit;
};

static ssize_t read_blob(void *data, void *buf, size_t n, struct cor_error *err)
{
	struct source *s = data;
	ssize_t got = s->reader->ops->read(s->reader, buf, n, err);
	if (got <= 0)
		return got;
	cor_sha256_update(&s->hash, buf, (size_t)got);
	s->size += got;
	if (s->size > s->limit)
		return cor_error_set(err, COR_DATA_LOSS, "blob is longer than its %lld bytes",
				     (long long)s->limit);
	return got;
}

static int bad_entry(const struct cor_tar_entry *e, const char *what, struct cor_error *err)
{
	return cor_error_set(err, COR_INVALID_ARGUMENT, "entry \"%.200s\": %s: invalid argument", e->name,
			     what);
}

/* The plain name; "" for the directory itself. NULL: there is none. */
static const char *plain_name(const struct cor_tar_entry *e)
{
	const char *name = e->name;
	while (cor_startswith(name, "./"))
		name += 2;
	if (e->type == COR_TAR_DIRECTORY)
		return streq(name, "") || streq(name, ".") ? "" : NULL;
	/* criu's archives have no holes: what would be written has the size of what was read. */
	bool plain = e->type == COR_TAR_FILE && !e->sparse && *name && !strchr(name, '/') &&
		     !streq(name, ".") && !streq(name, "..");
	return plain ? name : NULL;
}

static int write_file(struct cor_tar_reader *t, int dir, const char *name, const struct cor_tar_entry *e,
		      char *buf, struct cor_error *err)
{
	ssize_t n;
	int r = 0;
	_cleanup_close_ int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno == EEXIST ? bad_entry(e, "is there twice", err)
				       : cor_error_errno(err, errno, "write %.200s", name);
	/* Whatever our umask: in a user namespace criu reads it as the mapped root. */
	if (fchmod(fd, 0644) < 0)
		return cor_error_errno(err, errno, "write %.200s", name);
	while ((n = cor_tar_read(t, buf, CHUNK, err)) > 0) {
		r = cor_write_full(fd, buf, (size_t)n);
		if (r < 0)
			return cor_error_errno(err, r, "write %.200s", name);
	}
	return n < 0 ? (int)n : 0;
}

static int place_files(struct cor_tar_reader *t, int dir, struct cor_error *err)
{
	const struct cor_tar_entry *e;
	_cleanup_free_ char *buf = malloc(CHUNK);
	int r, files = 0;
	if (!buf)
		return cor_error_oom(err);
	while ((r = cor_tar_next(t, &e, err)) > 0) {
		const char *name = plain_name(e);
		if (!name)
			return bad_entry(e, "not a plain file of one directory", err);
		if (!*name)
			continue;
		if (++files > FILES_MAX)
			return bad_entry(e, "too many files", err);
		r = write_file(t, dir, name, e, buf, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : cor_tar_drain(t, err);
}

static int check_blob(struct source *s, const struct cor_descriptor *blob, struct cor_error *err)
{
	char digest[COR_DIGEST_MAX];
	cor_sha256_digest(&s->hash, digest);
	if (s->size != blob->size || !streq(digest, blob->digest))
		return cor_error_set(err, COR_DATA_LOSS, "blob has %lld bytes and digest %s",
				     (long long)s->size, digest);
	return 0;
}

int cor_checkpoint_unpack(struct cor_services *s, const struct cor_descriptor *blob, int dir_fd,
			  struct cor_error *err)
{
	struct source src = {.limit = blob->size};
	struct cor_tar_reader *t = NULL;
	int r = s->content->reader(s, blob->digest, &src.reader, err);
	if (r < 0)
		return r;
	cor_sha256_init(&src.hash);
	r = cor_tar_reader_open(read_blob, &src, &t, err);
	if (r >= 0)
		r = place_files(t, dir_fd, err);
	if (r >= 0)
		r = check_blob(&src, blob, err);
	cor_tar_reader_free(t);
	cor_reader_freep(&src.reader);
	return r < 0 ? cor_error_wrap(err, r, "read checkpoint %s", blob->digest) : 0;
}
