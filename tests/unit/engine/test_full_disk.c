/* SPDX-License-Identifier: Apache-2.0 */
/* A root on a small file system that is full: clear errors, nothing half-recorded, deleting works and makes room. */
#include "disk.h"

static int setup_small_disk(void **state)
{
	return setup_disk(state, 16);
}

/* Fills the disk to the last block with a file of the test's own. */
static void fill(struct fixture *f)
{
	char path[100], block[4096];
	snprintf(path, sizeof(path), "%s/filler", f->root);
	memset(block, 'x', sizeof(block));
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	while (write(fd, block, 1) > 0)
		;
	assert_int_equal(fsync(fd), 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
}

static int write_until_full(struct fixture *f, int *ret_n, char last[COR_DIGEST_MAX])
{
	char *text = malloc(256 * 1024);
	int r = 0;
	for (*ret_n = 0; r >= 0; (*ret_n)++) {
		struct cor_writer *w = NULL;
		char ref[32];
		snprintf(ref, sizeof(ref), "r%d", *ret_n);
		memset(text, 'a' + *ret_n % 26, 256 * 1024);
		snprintf(text, 32, "%d", *ret_n);
		cor_digest_of(text, 256 * 1024, last);
		r = f->s->content->writer(f->s, ref, 0, NULL, false, &w, &f->err);
		if (r >= 0)
			r = w->ops->write(w, text, 256 * 1024, &f->err);
		if (r >= 0)
			r = w->ops->commit(w, 0, NULL, NULL, NULL, &f->err);
		if (w)
			w->ops->free(w, true);
		if (r >= 0) {
			char name[32];
			snprintf(name, sizeof(name), "image-%d", *ret_n);
			struct cor_image image = image_of(name, last);
			r = f->s->images->create(f->s, &image, &f->err);
		}
	}
	free(text);
	return r;
}

static void writing(void **state)
{
	struct fixture *f = *state;
	needs_disk(f);
	char last[COR_DIGEST_MAX];
	int n;
	int r = write_until_full(f, &n, last);
	assert_int_equal(r, -ENOSPC);
	assert_non_null(strstr(f->err.message, "no space left on device"));
	assert_true(n > 10);
	/* A record has its blob, always. */
	if (has_content(f->s, last))
		assert_true(has_blob(f, last));
	cor_error_clear(&f->err);
}

static void deleting(void **state)
{
	struct fixture *f = *state;
	needs_disk(f);
	char digest[COR_DIGEST_MAX];
	for (int i = 0; i < 8; i++) {
		char text[32], name[32];
		snprintf(text, sizeof(text), "text %d", i);
		snprintf(name, sizeof(name), "image-%d", i);
		write_content(f->s, text, NULL, NULL, digest);
		struct cor_image image = image_of(name, digest);
		ok(f->s->images->create(f->s, &image, &f->err), &f->err);
		commit_snapshot(f->s, name, "", NULL);
	}
	/* Close: the log may have been copied back; the next one to write starts with nothing in hand. */
	reopen(f);
	fill(f);
	char other[COR_DIGEST_MAX];
	struct cor_writer *w = NULL;
	memset(other, 'x', sizeof(other));
	int r = f->s->content->writer(f->s, "new", 0, NULL, false, &w, &f->err);
	if (r >= 0)
		r = w->ops->write(w, other, sizeof(other), &f->err);
	if (r >= 0)
		r = w->ops->commit(w, 0, NULL, NULL, NULL, &f->err);
	if (w)
		w->ops->free(w, true);
	assert_int_equal(r, -ENOSPC);
	cor_error_clear(&f->err);
	for (int i = 0; i < 8; i++) {
		char name[32];
		snprintf(name, sizeof(name), "image-%d", i);
		ok(f->s->images->remove(f->s, name, i % 2, &f->err), &f->err);
		reopen(f);
		fill(f);
	}
	assert_false(has_content(f->s, digest));
	assert_int_equal(count_entries(f, "content/blobs/sha256"), 0);
	assert_int_equal(count_entries(f, "overlayfs/snapshots"), 0);
}

/* The reserve is made again once there is room, and serves the next time too. */
static void reserve_comes_back(void **state)
{
	struct fixture *f = *state;
	needs_disk(f);
	char digest[COR_DIGEST_MAX], path[100];
	struct stat st;
	for (int round = 0; round < 3; round++) {
		write_content(f->s, "text", NULL, NULL, digest);
		struct cor_image image = image_of("x", digest);
		ok(f->s->images->create(f->s, &image, &f->err), &f->err);
		fill(f);
		ok(f->s->images->remove(f->s, "x", true, &f->err), &f->err);
		snprintf(path, sizeof(path), "%s/filler", f->root);
		assert_int_equal(unlink(path), 0);
		ok(f->s->gc->run(f->s, false, NULL, NULL, &f->err), &f->err);
		snprintf(path, sizeof(path), "%s/" COR_META_RESERVE_FILE, f->root);
		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_blocks * 512 >= COR_META_RESERVE_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writing, setup_small_disk, teardown_disk),
		cmocka_unit_test_setup_teardown(deleting, setup_small_disk, teardown_disk),
		cmocka_unit_test_setup_teardown(reserve_comes_back, setup_small_disk, teardown_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
