/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing what has changed. A directory above a change is written too, so that applying the layer to an empty upper
 * directory gives it the right owner and mode. Names of one inode stay links of each other: the first that is written
 * has the contents, the others (also those that have not changed) are links to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "layer/apply_internal.h"
#include "layer/diff_internal.h"

#define COPY_SIZE (128 * 1024)
#define BUCKETS   4096

struct diff_link *diff_links_get(struct diff_links *l, const struct stat *st)
{
	struct diff_link **at, *link;

	if (!l->buckets && !(l->buckets = cor_new0(struct diff_link *, BUCKETS)))
		return NULL;
	for (at = &l->buckets[st->st_ino % BUCKETS]; *at; at = &(*at)->next)
		if ((*at)->ino == st->st_ino && (*at)->dev == st->st_dev)
			return *at;
	link = calloc(1, sizeof(*link));
	if (!link)
		return NULL;
	link->dev = st->st_dev;
	link->ino = st->st_ino;
	*at = link;
	return link;
}

void diff_links_done(struct diff_links *l)
{
	for (size_t i = 0; l->buckets && i < BUCKETS; i++) {
		for (struct diff_link *link = l->buckets[i], *next; link; link = next) {
			next = link->next;
			free(link->source);
			cor_strv_free(link->unchanged);
			free(link);
		}
	}
	free(l->buckets);
	l->buckets = NULL;
}

static int entry_type(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return COR_TAR_FILE;
	case S_IFDIR:
		return COR_TAR_DIRECTORY;
	case S_IFLNK:
		return COR_TAR_SYMLINK;
	case S_IFCHR:
		return COR_TAR_CHAR;
	case S_IFBLK:
		return COR_TAR_BLOCK_DEVICE;
	case S_IFIFO:
		return COR_TAR_FIFO;
	default:
		return -EINVAL;
	}
}

static void fill_entry(struct cor_tar_entry *e, const struct stat *st)
{
	e->mode = st->st_mode & 07777;
	e->uid = st->st_uid;
	e->gid = st->st_gid;
	e->mtime_sec = st->st_mtim.tv_sec;
	e->mtime_nsec = (uint32_t)st->st_mtim.tv_nsec;
	if (e->type == COR_TAR_CHAR || e->type == COR_TAR_BLOCK_DEVICE) {
		e->devmajor = major(st->st_rdev);
		e->devminor = minor(st->st_rdev);
	}
}

/* One run of data from a file; it must not have become shorter meanwhile. */
static int copy_run(struct diff *d, int fd, off_t from, off_t to, struct cor_error *err)
{
	while (from < to) {
		size_t want = (size_t)MIN(to - from, (off_t)COPY_SIZE);
		ssize_t n = pread(fd, d->copy_buf, want, from);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cor_error_errno(err, errno, "read");
		if (n == 0)
			return cor_error_set(err, COR_ABORTED, "became shorter while it was read");
		r = cor_tar_write_data(d->tar, d->copy_buf, (size_t)n, err);
		if (r < 0)
			return r;
		from += n;
	}
	return 0;
}

/* The contents; holes are not read. */
static int copy_contents(struct diff *d, int fd, off_t size, struct cor_error *err)
{
	off_t at = 0;
	int r = 0;

	while (r >= 0 && at < size) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			data = size; /* only a hole is left */
		else if (data < 0)
			data = at; /* a file system that does not know */
		data = MIN(data, size);
		hole = data < size ? lseek(fd, data, SEEK_HOLE) : size;
		hole = hole < 0 ? size : MIN(hole, size);
		r = cor_tar_write_zeros(d->tar, (uint64_t)(data - at), err);
		if (r >= 0)
			r = copy_run(d, fd, data, hole, err);
		at = hole;
	}
	return r;
}

static int write_file(struct diff *d, const struct diff_node *node, struct cor_tar_entry *e,
		      struct cor_error *err)
{
	_cleanup_close_ int fd =
		openat(node->dir, node->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return cor_error_errno(err, errno, "open");
	if (!S_ISREG(st.st_mode))
		return cor_error_set(err, COR_ABORTED, "changed while it was read");
	fill_entry(e, &st);
	e->size = (uint64_t)st.st_size;
	r = cor_tar_write_entry(d->tar, e, err);
	return r < 0 ? r : copy_contents(d, fd, st.st_size, err);
}

/* One entry under a name of its own; contents and xattrs included. */
static int write_entry(struct diff *d, const struct diff_node *node, char *name, struct cor_error *err)
{
	_cleanup_(diff_xattrs_done) struct diff_xattrs xattrs = {0};
	struct cor_tar_entry e = {.name = name};
	char target[PATH_MAX + 1];
	int r = entry_type(&node->st);
	ssize_t n;

	if (r < 0)
		return cor_error_errno(err, r, "unknown type");
	e.type = (enum cor_tar_type)r;
	r = diff_xattrs_read(node, &xattrs);
	if (r < 0)
		return cor_error_errno(err, r, "read xattrs");
	e.xattrs = xattrs.items;
	e.n_xattrs = xattrs.n;
	if (e.type == COR_TAR_FILE)
		return write_file(d, node, &e, err);
	fill_entry(&e, &node->st);
	if (e.type == COR_TAR_SYMLINK) {
		n = readlinkat(node->dir, node->name, target, sizeof(target) - 1);
		if (n < 0)
			return cor_error_errno(err, errno, "read link");
		target[n] = 0;
		e.linkname = target;
	}
	return cor_tar_write_entry(d->tar, &e, err);
}

static int write_directory(struct diff *d, const struct diff_node *node, size_t path_len,
			   struct cor_error *err)
{
	_cleanup_free_ char *name = malloc(path_len + 2);

	if (!name)
		return cor_error_oom(err);
	memcpy(name, d->path.data, path_len);
	memcpy(name + path_len, "/", 2);
	return write_entry(d, node, name, err);
}

static int write_parents(struct diff *d, struct cor_error *err)
{
	for (size_t i = 0; i < d->n_levels; i++) {
		struct diff_level *level = &d->levels[i];
		int r;

		if (level->written)
			continue;
		r = write_directory(d, &level->node, level->path_len, err);
		if (r < 0)
			return r;
		level->written = true;
	}
	return 0;
}

static int write_link(struct diff *d, const struct stat *st, char *name, char *source, struct cor_error *err)
{
	struct cor_tar_entry e = {.name = name, .linkname = source, .type = COR_TAR_HARDLINK};

	fill_entry(&e, st);
	return cor_tar_write_entry(d->tar, &e, err);
}

/* A name of an inode that has several. */
static int write_linked(struct diff *d, const struct diff_node *node, struct diff_link *link,
			struct cor_error *err)
{
	int r;

	if (link->source)
		return write_link(d, &node->st, d->path.data, link->source, err);
	link->source = strdup(d->path.data);
	if (!link->source)
		return cor_error_oom(err);
	r = write_entry(d, node, d->path.data, err);
	for (char **name = link->unchanged; r >= 0 && name && *name; name++)
		r = write_link(d, &node->st, *name, link->source, err);
	link->unchanged = cor_strv_free(link->unchanged);
	return r;
}

int diff_write_node(struct diff *d, const struct diff_node *node, struct cor_error *err)
{
	int r = write_parents(d, err);

	if (r < 0)
		return r;
	if (S_ISDIR(node->st.st_mode))
		return write_directory(d, node, d->path.len, err);
	if (node->st.st_nlink > 1) {
		struct diff_link *link = diff_links_get(&d->links, &node->st);
		return link ? write_linked(d, node, link, err) : cor_error_oom(err);
	}
	return write_entry(d, node, d->path.data, err);
}

int diff_note_unchanged(struct diff *d, const struct diff_node *node, struct cor_error *err)
{
	struct diff_link *link;
	int r;

	if (S_ISDIR(node->st.st_mode) || node->st.st_nlink < 2)
		return 0;
	link = diff_links_get(&d->links, &node->st);
	if (!link)
		return cor_error_oom(err);
	if (!link->source)
		return cor_strv_push(&link->unchanged, d->path.data) < 0 ? cor_error_oom(err) : 0;
	r = write_parents(d, err);
	return r < 0 ? r : write_link(d, &node->st, d->path.data, link->source, err);
}

int diff_write_whiteout(struct diff *d, struct cor_error *err)
{
	struct place p = apply_split(d->path.data);
	_cleanup_free_ char *name =
		cor_asprintf("%.*s" WHITEOUT_PREFIX "%s", (int)(p.base - p.path), p.path, p.base);
	struct cor_tar_entry e = {.name = name, .type = COR_TAR_FILE};
	int r = write_parents(d, err);

	if (r < 0)
		return r;
	return name ? cor_tar_write_entry(d->tar, &e, err) : cor_error_oom(err);
}

int diff_write_root(struct diff *d, const struct diff_node *root, struct cor_error *err)
{
	return write_entry(d, root, (char[]){"./"}, err);
}
