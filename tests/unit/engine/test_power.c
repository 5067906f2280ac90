/* SPDX-License-Identifier: Apache-2.0 */
/* Power loss: what a call has reported as done is there afterwards, whole; what was not reported leaves no half. */
#include "disk.h"

#include <fcntl.h>

static int setup_power(void **state)
{
	return setup_disk(state, 64);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	_cleanup_close_ int d = open(dir, O_RDONLY | O_DIRECTORY),
			    fd = openat(d, name, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void expect_file(const char *dir, const char *name, const char *text)
{
	_cleanup_close_ int d = open(dir, O_RDONLY | O_DIRECTORY);
	_cleanup_free_ char *have = NULL;
	assert_true(cor_read_file_at(d, name, 100000, &have, NULL, NULL) >= 0);
	assert_string_equal(have, text);
}

static void images_and_content(void **state)
{
	struct fixture *f = *state;
	needs_disk(f);
	char digests[10][COR_DIGEST_MAX];
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 10; i++) {
			char text[32], name[32];
			snprintf(text, sizeof(text), "text %d %d", round, i);
			snprintf(name, sizeof(name), "image-%d", i);
			write_content(f->s, text, NULL, NULL, digests[i]);
			struct cor_image image = image_of(name, digests[i]);
			ok(f->s->images->put(f->s, &image, &f->err), &f->err);
		}
		ok(f->s->images->remove(f->s, "image-9", false, &f->err), &f->err);
		lose_power(f);
		for (int i = 0; i < 9; i++) {
			char name[32];
			struct cor_image image = {0};
			_cleanup_free_ char *text = NULL;
			snprintf(name, sizeof(name), "image-%d", i);
			ok(f->s->images->get(f->s, name, &image, &f->err), &f->err);
			assert_string_equal(image.target.digest, digests[i]);
			ok(cor_content_read_all(f->s, digests[i], 100, &text, NULL, &f->err), &f->err);
			cor_image_done(&image);
		}
		assert_true(f->s->images->get(f->s, "image-9", &(struct cor_image){0}, NULL) < 0);
	}
}

/* An unpacked layer's files are there with their content, not just their names. */
static void committed_snapshots(void **state)
{
	struct fixture *f = *state;
	needs_disk(f);
	char path[120], text[5000];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (int round = 0; round < 3; round++) {
		char key[16], name[16];
		snprintf(key, sizeof(key), "k%d", round);
		snprintf(name, sizeof(name), "chain%d", round);
		_cleanup_mounts_ struct cor_mounts m = {0};
		ok(f->s->snapshots->prepare(f->s, NULL, key, "", NULL, &m, &f->err), &f->err);
		snprintf(path, sizeof(path), "%s", m.items[0].source);
		write_file(path, "file", text);
		ok(f->s->snapshots->commit(f->s, NULL, name, key, NULL, &f->err), &f->err);
		lose_power(f);
		assert_true(has_snapshot(f->s, name));
		assert_false(has_snapshot(f->s, key));
		expect_file(path, "file", text);
	}
}

static int make_container(struct fixture *f, const char *id)
{
	struct cor_container c = {.id = (char *)id,
				  .image = (char *)"i",
				  .runtime = (char *)"r",
				  .spec = (char *)"{}",
				  .snapshotter = (char *)"overlayfs",
				  .snapshot_key = (char *)id,
				  .sandbox_id = (char *)""};
	ok(f->s->snapshots->prepare(f->s, NULL, id, "", NULL, NULL, &f->err), &f->err);
	return f->s->containers->create(f->s, &c, &f->err);
}

static bool has_container(struct fixture *f, const char *id)
{
	struct cor_container got = {0};
	int r = f->s->containers->get(f->s, id, &got, NULL);
	cor_container_done(&got);
	return r >= 0;
}

/* What is made is durable once it has been asked for, while the command goes on; and so is a removal after that. */
static void synced(void **state)
{
	struct fixture *f = *state;
	needs_disk(f);
	struct cor_usage usage;
	ok(f->s->sync(f->s, &f->err), &f->err); /* nothing to do */
	ok(make_container(f, "a"), &f->err);
	ok(make_container(f, "b"), &f->err);
	ok(f->s->sync(f->s, &f->err), &f->err);
	ok(f->s->containers->remove(f->s, "b", &f->err), &f->err);
	lose_power(f);
	assert_true(has_container(f, "a"));
	assert_false(has_container(f, "b"));
	ok(f->s->snapshots->usage(f->s, NULL, "a", &usage, &f->err), &f->err);
	ok(f->s->snapshots->usage(f->s, NULL, "b", &usage, &f->err), &f->err);
}

/* A disk that cannot be written to: told, not warned about; close does not hide it either. */
static void sync_fails(void **state)
{
	struct fixture *f = *state;
	needs_disk(f);
	ok(make_container(f, "a"), &f->err);
	cut_power(f);
	assert_true(f->s->sync(f->s, &f->err) < 0);
	assert_int_not_equal(f->err.code, COR_OK);
	cor_error_clear(&f->err);
	assert_true(f->s->sync(f->s, NULL) < 0); /* still pending */
	restore_power(f);
	assert_false(has_container(f, "a"));
}

/* What a command that has ended made is durable, though it did not wait for each step. */
static void ended_command(void **state)
{
	struct fixture *f = *state;
	needs_disk(f);
	struct cor_usage usage;
	ok(make_container(f, "c"), &f->err);
	reopen(f);
	lose_power(f);
	assert_true(has_container(f, "c"));
	ok(f->s->snapshots->usage(f->s, NULL, "c", &usage, &f->err), &f->err);
	/* And one that had not ended: nothing is in the way afterwards. */
	ok(f->s->snapshots->prepare(f->s, NULL, "d", "", NULL, NULL, &f->err), &f->err);
	lose_power(f);
	if (has_snapshot(f->s, "d"))
		ok(f->s->snapshots->remove(f->s, NULL, "d", &f->err), &f->err);
	ok(f->s->snapshots->prepare(f->s, NULL, "d", "", NULL, NULL, &f->err), &f->err);
	ok(f->s->containers->remove(f->s, "c", &f->err), &f->err);
	ok(f->s->snapshots->remove(f->s, NULL, "c", &f->err), &f->err);
	ok(f->s->snapshots->remove(f->s, NULL, "d", &f->err), &f->err);
	ok(f->s->gc->run(f->s, false, NULL, NULL, &f->err), &f->err);
	assert_int_equal(count_entries(f, "overlayfs/snapshots"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(images_and_content, setup_power, teardown_disk),
		cmocka_unit_test_setup_teardown(committed_snapshots, setup_power, teardown_disk),
		cmocka_unit_test_setup_teardown(synced, setup_power, teardown_disk),
		cmocka_unit_test_setup_teardown(sync_fails, setup_power, teardown_disk),
		cmocka_unit_test_setup_teardown(ended_command, setup_power, teardown_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
