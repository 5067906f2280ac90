/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 at any moment: a child imports, runs and deletes in a loop and is killed after a while that grows in small steps.
 * After each kill, with no repair: every record has its data, what an image refers to is there, and at the end all of it can
 * be deleted and nothing is left.
 */
#include "fixture.h"

#include <signal.h>
#include <time.h>

#define ROUNDS 150

/* The longest way through the engine, again and again. */
static void work(struct fixture *f)
{
	struct cor_error err = {0};
	for (int i = 0;; i++) {
		struct cor_services *s = open_services(f, NULL, &err);
		char layer[COR_DIGEST_MAX], manifest[COR_DIGEST_MAX], text[64], name[32], key[48];
		_cleanup_map_ struct cor_map labels = {0};
		snprintf(name, sizeof(name), "image-%d", i % 5);
		ok(s->leases->begin(s, &err), &err);
		snprintf(text, sizeof(text), "layer %d", i % 7);
		write_content(s, text, NULL, NULL, layer);
		snprintf(text, sizeof(text), "manifest %d", i % 7);
		write_content(s, text, "containerd.io/gc.ref.content.0", layer, manifest);
		put_map(&labels, "containerd.io/gc.ref.snapshot.overlayfs", "chain");
		ok(s->content->label(s, manifest, &labels, false, &err), &err);
		snprintf(key, sizeof(key), "extract-%d-%d", getpid(), i);
		ok(s->snapshots->prepare(s, NULL, key, "", NULL, NULL, &err), &err);
		if (s->snapshots->commit(s, NULL, "chain", key, NULL, &err) < 0)
			ok(s->snapshots->remove(s, NULL, key, &err), &err);
		struct cor_image image = image_of(name, manifest);
		ok(s->images->put(s, &image, &err), &err);
		s->leases->end(s);
		snprintf(key, sizeof(key), "run-%d-%d", getpid(), i);
		ok(s->snapshots->prepare(s, NULL, key, "chain", NULL, NULL, &err), &err);
		struct cor_container c = {.id = key,
					  .image = name,
					  .runtime = key,
					  .spec = key,
					  .snapshotter = (char *)"overlayfs",
					  .snapshot_key = key,
					  .sandbox_id = (char *)""};
		ok(s->containers->create(s, &c, &err), &err);
		ok(s->containers->remove(s, key, &err), &err);
		ok(s->snapshots->remove(s, NULL, key, &err), &err);
		ok(s->images->remove(s, name, i % 2, &err), &err);
		cor_services_free(s);
	}
}

static int check_content(const struct cor_content_info *info, void *data)
{
	struct fixture *f = data;
	_cleanup_free_ char *text = NULL;
	size_t len;
	ok(cor_content_read_all(f->s, info->digest, 1000, &text, &len, &f->err), &f->err);
	assert_int_equal(info->size, len);
	return 0;
}

static int check_snapshot(const struct cor_snapshot_info *info, void *data)
{
	struct fixture *f = data;
	struct cor_usage usage;
	if (info->kind != COR_SNAPSHOT_COMMITTED)
		ok(f->s->snapshots->usage(f->s, NULL, info->key, &usage, &f->err), &f->err);
	if (*info->parent)
		assert_true(has_snapshot(f->s, info->parent));
	return 0;
}

static int check_image(const struct cor_image *image, void *data)
{
	struct fixture *f = data;
	struct cor_content_info info = {0};
	ok(f->s->content->info(f->s, image->target.digest, &info, &f->err), &f->err);
	const char *layer = cor_map_get(&info.labels, "containerd.io/gc.ref.content.0");
	const char *chain = cor_map_get(&info.labels, "containerd.io/gc.ref.snapshot.overlayfs");
	assert_non_null(layer);
	assert_true(has_content(f->s, layer));
	if (chain)
		assert_true(has_snapshot(f->s, chain));
	cor_content_info_done(&info);
	return 0;
}

static void check_store(struct fixture *f)
{
	ok(f->s->content->walk(f->s, check_content, f, &f->err), &f->err);
	ok(f->s->snapshots->walk(f->s, NULL, check_snapshot, f, &f->err), &f->err);
	ok(f->s->images->walk(f->s, check_image, f, &f->err), &f->err);
}

static int delete_image(const struct cor_image *image, void *data)
{
	struct fixture *f = data;
	ok(f->s->images->remove(f->s, image->name, false, &f->err), &f->err);
	return 0;
}

static int delete_container(const struct cor_container *c, void *data)
{
	struct fixture *f = data;
	ok(f->s->containers->remove(f->s, c->id, &f->err), &f->err);
	return 0;
}

static void killed_anywhere(void **state)
{
	struct fixture *f = *state;
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			setenv("CMOCKA_TEST_ABORT", "1", 1);
			work(f);
		}
		assert_true(pid > 0);
		nanosleep(&(struct timespec){.tv_nsec = 1000000 + round * 173000L}, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		/* Not by an error of its own. */
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		check_store(f);
		reopen(f);
		if (round % 10 == 9) {
			ok(f->s->gc->run(f->s, false, NULL, NULL, &f->err), &f->err);
			check_store(f);
		}
	}
	ok(f->s->images->walk(f->s, delete_image, f, &f->err), &f->err);
	ok(f->s->containers->walk(f->s, delete_container, f, &f->err), &f->err);
	ok(f->s->gc->run(f->s, false, NULL, NULL, &f->err), &f->err);
	assert_int_equal(count_entries(f, "content/blobs/sha256"), 0);
	assert_int_equal(count_entries(f, "overlayfs/snapshots"), 0);
	assert_int_equal(count_entries(f, "leases"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(killed_anywhere, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
