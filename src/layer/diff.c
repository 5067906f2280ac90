/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The difference of two trees as a layer: both are walked together in byte order of names. What is only below becomes
 * a whiteout, what is only above or differs is written. The walk never follows a link and never leaves the trees.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "layer/apply_internal.h"
#include "layer/diff_internal.h"
#include "layer/tar_internal.h"

#define COPY_SIZE (128 * 1024)

struct names {
	char **items;
	size_t n, cap;
};

static void names_done(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i]);
	free(l->items);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Sorted; of no directory (-1), none. */
static int names_read(int dir, struct names *ret)
{
	_cleanup_close_ int fd = -1;
	_cleanup_(close_dir) DIR *stream = NULL;
	struct dirent *de;

	if (dir < 0)
		return 0;
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stream = fd < 0 ? NULL : fdopendir(fd);
	if (!stream)
		return -errno;
	TAKE_FD(fd);
	while (errno = 0, (de = readdir(stream))) {
		if (streq(de->d_name, ".") || streq(de->d_name, ".."))
			continue;
		if (cor_grow(&ret->items, &ret->cap, ret->n + 1, sizeof(*ret->items)) < 0)
			return -ENOMEM;
		ret->items[ret->n] = strdup(de->d_name);
		if (!ret->items[ret->n])
			return -ENOMEM;
		ret->n++;
	}
	if (errno)
		return -errno;
	if (ret->n > 1)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_bytes);
	return 0;
}

static int look(struct diff_node *node, int dir, const char *name, struct cor_error *err)
{
	node->dir = dir;
	node->name = name;
	if (fstatat(dir, name, &node->st, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_error_errno(err, errno, "inspect");
	return 0;
}

static int walk(struct diff *d, int lower, int upper, struct cor_error *err);

static int open_sub(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Goes into a directory of the upper tree; lower: what is at its name below, NULL when nothing is. */
static int enter(struct diff *d, const struct diff_node *lower, const struct diff_node *upper, bool written,
		 struct cor_error *err)
{
	_cleanup_close_ int up = -1, low = -1;
	int r;

	if (d->n_levels >= APPLY_MAX_DEPTH)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "more than %d directories deep",
				     APPLY_MAX_DEPTH);
	up = open_sub(upper->dir, upper->name);
	if (up < 0)
		return cor_error_errno(err, errno, "open");
	if (lower && S_ISDIR(lower->st.st_mode)) {
		low = open_sub(lower->dir, lower->name);
		if (low < 0)
			return cor_error_errno(err, errno, "open below");
	}
	if (cor_grow(&d->levels, &d->cap_levels, d->n_levels + 1, sizeof(*d->levels)) < 0)
		return cor_error_oom(err);
	d->levels[d->n_levels++] =
		(struct diff_level){.node = *upper, .path_len = d->path.len, .written = written};
	r = walk(d, low, up, err);
	d->n_levels--;
	return r;
}

/* A name of the upper tree, d->path. */
static int visit(struct diff *d, const struct diff_node *lower, const struct diff_node *upper,
		 struct cor_error *err)
{
	bool changed = true;
	int r;

	if (S_ISSOCK(upper->st.st_mode)) /* no layer holds one; what it replaced is gone all the same */
		return lower && !S_ISSOCK(lower->st.st_mode) ? diff_write_whiteout(d, err) : 0;
	if (lower) {
		r = diff_same(lower, upper);
		if (r < 0)
			return cor_error_errno(err, r, "compare");
		changed = r == 0;
	}
	if (changed && cor_startswith(upper->name, WHITEOUT_PREFIX))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "a layer cannot hold a name that begins with %s", WHITEOUT_PREFIX);
	r = changed ? diff_write_node(d, upper, err) : diff_note_unchanged(d, upper, err);
	if (r >= 0 && S_ISDIR(upper->st.st_mode))
		r = enter(d, lower, upper, changed, err);
	return r;
}

static int step(struct diff *d, int lower_dir, int upper_dir, const char *lower_name, const char *upper_name,
		struct cor_error *err)
{
	struct diff_node lower, upper;
	int r = 0;

	if (!upper_name) {
		r = look(&lower, lower_dir, lower_name, err);
		if (r < 0 || S_ISSOCK(lower.st.st_mode))
			return r;
		return diff_write_whiteout(d, err);
	}
	r = look(&upper, upper_dir, upper_name, err);
	if (r >= 0 && lower_name)
		r = look(&lower, lower_dir, lower_name, err);
	return r < 0 ? r : visit(d, lower_name ? &lower : NULL, &upper, err);
}

static int walk(struct diff *d, int lower, int upper, struct cor_error *err)
{
	_cleanup_(names_done) struct names low = {0}, up = {0};
	size_t i = 0, j = 0, len = d->path.len;
	int r = names_read(lower, &low);

	if (r >= 0)
		r = names_read(upper, &up);
	if (r < 0)
		return cor_error_errno(err, r, "read directory");
	while (i < low.n || j < up.n) {
		int order = i == low.n ? 1 : j == up.n ? -1 : strcmp(low.items[i], up.items[j]);
		const char *name = order < 0 ? low.items[i] : up.items[j];
		size_t levels = d->n_levels;

		d->path.len = len;
		if (len > 0)
			cor_buf_char(&d->path, '/');
		if (cor_buf_str(&d->path, name) < 0)
			return cor_error_oom(err);
		r = step(d, lower, upper, order <= 0 ? name : NULL, order >= 0 ? name : NULL, err);
		if (r < 0)
			return r;
		d->n_levels = levels;
		i += order <= 0;
		j += order >= 0;
	}
	d->path.len = len;
	return 0;
}

static int diff_root(struct diff *d, int lowerfd, int upperfd, struct cor_error *err)
{
	struct diff_node lower, upper;
	int r = look(&upper, upperfd, ".", err), same = 0;

	if (r >= 0 && lowerfd >= 0) {
		r = look(&lower, lowerfd, ".", err);
		same = r < 0 ? 0 : diff_same(&lower, &upper);
	}
	if (r >= 0 && same < 0)
		r = cor_error_errno(err, same, "compare");
	if (r >= 0 && same == 0)
		r = diff_write_root(d, &upper, err);
	return r < 0 ? r : walk(d, lowerfd, upperfd, err);
}

static void diff_done(struct diff *d)
{
	cor_tar_writer_free(d->tar);
	diff_links_done(&d->links);
	cor_buf_done(&d->path);
	free(d->levels);
	free(d->copy_buf);
}

int cor_layer_diff(int lowerfd, int upperfd, cor_write_fn sink, void *sink_data, struct cor_error *err)
{
	_cleanup_(diff_done) struct diff d = {.copy_buf = malloc(COPY_SIZE)};
	int r;

	if (!d.copy_buf)
		return cor_error_oom(err);
	r = cor_tar_writer_open(sink, sink_data, &d.tar, err);
	if (r < 0)
		return r;
	r = diff_root(&d, lowerfd, upperfd, err);
	if (r < 0) {
		char name[256];

		tar_quote(name, d.path.len > 0 ? d.path.data : ".");
		return cor_error_wrap(err, r, "\"%s\"", name);
	}
	return cor_tar_writer_finish(d.tar, err);
}
