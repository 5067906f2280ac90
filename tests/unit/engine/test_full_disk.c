/* SPDX-License-Identifier: Apache-2.0 */
/* A root on a small file system that is full: clear errors, nothing half-recorded, deleting works and makes room. */
#include "fixture.h"

#include <sys/mount.h>
#include <sys/statvfs.h>

static int run(const char *file, char *const *argv)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		_cleanup_close_ int null = open("/dev/null", O_WRONLY);
		dup2(null, 1);
		dup2(null, 2);
		execvp(file, argv);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static int setup_disk(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char image[80];
	snprintf(f->dir, sizeof(f->dir), "/tmp/cor-test-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(image, sizeof(image), "%s/disk", f->dir);
	snprintf(f->root, sizeof(f->root), "%s/root", f->dir);
	snprintf(f->state, sizeof(f->state), "%s/state", f->dir);
	*state = f;
	_cleanup_close_ int fd = open(image, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, 16 << 20) < 0 || mkdir(f->root, 0700) < 0)
		return -1;
	char *mkfs[] = {(char *)"mkfs.ext4", (char *)"-qF", (char *)"-m0", image, NULL};
	char *mnt[] = {(char *)"mount", (char *)"-oloop", image, f->root, NULL};
	if (run("mkfs.ext4", mkfs) != 0 || run("mount", mnt) != 0)
		return 0; /* no loop devices here: s stays NULL */
	f->s = open_services(f, NULL, &f->err);
	f->e = cor_engine_of(f->s);
	return 0;
}

static int teardown_disk(void **state)
{
	struct fixture *f = *state;
	cor_services_free(f->s);
	if (f->s && umount2(f->root, MNT_DETACH) < 0)
		return -1;
	int r = cor_remove_tree_at(AT_FDCWD, f->dir, NULL);
	free(f);
	return r;
}

#define needs_disk(f)                                \
	do {                                         \
		if (!(f)->s)                         \
			skip(); /* no loop device */ \
	} while (0)

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
		cmocka_unit_test_setup_teardown(writing, setup_disk, teardown_disk),
		cmocka_unit_test_setup_teardown(deleting, setup_disk, teardown_disk),
		cmocka_unit_test_setup_teardown(reserve_comes_back, setup_disk, teardown_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
