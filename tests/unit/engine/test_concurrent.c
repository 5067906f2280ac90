/* SPDX-License-Identifier: Apache-2.0 */
/* Several processes on one store at once, each with its own engine, some collecting garbage all the time. */
#include "fixture.h"

#include <fcntl.h>

#define ROUNDS 12

static struct cor_services *fresh_services(struct fixture *f)
{
	struct cor_error err = {0};
	return open_services(f, NULL, &err);
}

/* What an import does: under a lease, content first, then snapshots, then what refers to them. */
static int import_one(struct cor_services *s, const char *name, struct cor_error *err)
{
	char layer[COR_DIGEST_MAX], config[COR_DIGEST_MAX], manifest[COR_DIGEST_MAX], text[64], key[64];
	_cleanup_map_ struct cor_map labels = {0};
	ok(s->leases->begin(s, err), err);
	write_content(s, "shared layer", NULL, NULL, layer);
	snprintf(text, sizeof(text), "config %s", name);
	write_content(s, text, "containerd.io/gc.ref.snapshot.overlayfs", "chain-shared", config);
	snprintf(text, sizeof(text), "manifest %s", name);
	write_content(s, text, "containerd.io/gc.ref.content.config", config, manifest);
	put_map(&labels, "containerd.io/gc.ref.content.l.0", layer);
	ok(s->content->label(s, manifest, &labels, false, err), err);
	snprintf(key, sizeof(key), "extract-%s-%d", name, getpid());
	int r = s->snapshots->prepare(s, NULL, key, "", NULL, NULL, err);
	ok(r, err);
	r = s->snapshots->commit(s, NULL, "chain-shared", key, NULL, err);
	if (r == -EEXIST)
		ok(s->snapshots->remove(s, NULL, key, err), err);
	else
		ok(r, err);
	cor_error_clear(err);
	struct cor_image image = image_of(name, manifest);
	ok(s->images->put(s, &image, err), err);
	s->leases->end(s);
	/* All of it is there, whatever collectors did meanwhile. */
	struct cor_content_info info = {0};
	ok(s->content->info(s, manifest, &info, err), err);
	cor_content_info_done(&info);
	ok(s->content->info(s, layer, &info, err), err);
	cor_content_info_done(&info);
	struct cor_snapshot_info si = {0};
	ok(s->snapshots->stat(s, NULL, "chain-shared", &si, err), err);
	cor_snapshot_info_done(&si);
	return 0;
}

static int ignore_image(const struct cor_image *image, void *data)
{
	return 0;
}

/* Odd ones import and delete, even ones collect and list. */
static int import_or_collect(struct fixture *f, int i)
{
	struct cor_error err = {0};
	char name[32];
	snprintf(name, sizeof(name), "image-%d", i);
	for (int round = 0; round < ROUNDS; round++) {
		struct cor_services *s = fresh_services(f);
		if (i % 2) {
			import_one(s, name, &err);
			ok(s->images->remove(s, name, round % 3 == 0, &err), &err);
		} else {
			ok(s->gc->run(s, false, NULL, NULL, &err), &err);
			ok(s->images->walk(s, ignore_image, NULL, &err), &err);
		}
		cor_services_free(s);
	}
	return 0;
}

static void imports_against_collection(void **state)
{
	struct fixture *f = *state;
	in_processes(f, 6, import_or_collect);
	ok(f->s->gc->run(f->s, false, NULL, NULL, &f->err), &f->err);
	assert_int_equal(count_entries(f, "content/blobs/sha256"), 0);
	assert_int_equal(count_entries(f, "overlayfs/snapshots"), 0);
	assert_int_equal(count_entries(f, "leases"), 0);
}

/* `run --rm` in many processes: each gets a snapshot number and a directory of its own. */
static int run_rm(struct fixture *f, int i)
{
	struct cor_error err = {0};
	char id[32];
	for (int round = 0; round < ROUNDS; round++) {
		struct cor_services *s = fresh_services(f);
		snprintf(id, sizeof(id), "c%d-%d", i, round);
		_cleanup_mounts_ struct cor_mounts m = {0};
		ok(s->snapshots->prepare(s, NULL, id, "base", NULL, &m, &err), &err);
		const char *upper = cor_mount_option(&m.items[0], "upperdir");
		_cleanup_close_ int dir = open(upper, O_RDONLY | O_DIRECTORY);
		_cleanup_close_ int fd = openat(dir, "mine", O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd < 0)
			return 3;
		struct cor_container c = {.id = id,
					  .image = id,
					  .runtime = id,
					  .spec = id,
					  .snapshotter = (char *)"overlayfs",
					  .snapshot_key = id,
					  .sandbox_id = (char *)""};
		ok(s->containers->create(s, &c, &err), &err);
		ok(s->containers->remove(s, id, &err), &err);
		ok(s->snapshots->remove(s, NULL, id, &err), &err);
		cor_services_free(s);
	}
	return 0;
}

static void many_runs(void **state)
{
	struct fixture *f = *state;
	_cleanup_map_ struct cor_map labels = {0};
	put_map(&labels, "containerd.io/gc.root", "1");
	commit_snapshot(f->s, "base", "", &labels);
	in_processes(f, 16, run_rm);
	assert_int_equal(count_entries(f, "overlayfs/snapshots"), 1);
}

/* Two deletions of one thing: one succeeds, the other is told that there is none. */
static int delete_all(struct fixture *f, int i)
{
	struct cor_error err = {0};
	struct cor_services *s = fresh_services(f);
	for (int k = 0; k < 40; k++) {
		char name[16];
		snprintf(name, sizeof(name), "i%d", k);
		int r = s->images->remove(s, name, k % 7 == 0, &err);
		if (r < 0 && err.code != COR_NOT_FOUND)
			fail_msg("%s", err.message);
		cor_error_clear(&err);
	}
	cor_services_free(s);
	return 0;
}

static void deletions_at_once(void **state)
{
	struct fixture *f = *state;
	char digest[COR_DIGEST_MAX];
	for (int k = 0; k < 40; k++) {
		char name[16];
		snprintf(name, sizeof(name), "i%d", k);
		write_content(f->s, name, NULL, NULL, digest);
		struct cor_image image = image_of(name, digest);
		ok(f->s->images->create(f->s, &image, &f->err), &f->err);
	}
	in_processes(f, 4, delete_all);
	/* Whoever came last has seen to it all, also what the others left because somebody was at it. */
	assert_int_equal(count_entries(f, "content/blobs/sha256"), 0);
}

/* One name, many creators: exactly one wins. */
static int create_same(struct fixture *f, int i)
{
	struct cor_error err = {0};
	struct cor_services *s = fresh_services(f);
	int won = 0;
	for (int k = 0; k < 20; k++) {
		char key[16];
		snprintf(key, sizeof(key), "k%d", k);
		int r = s->snapshots->prepare(s, NULL, key, "", NULL, NULL, &err);
		if (r < 0 && err.code != COR_ALREADY_EXISTS)
			fail_msg("%s", err.message);
		cor_error_clear(&err);
		won += r >= 0;
	}
	cor_services_free(s);
	char path[200];
	snprintf(path, sizeof(path), "%s/won", f->dir);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	for (int k = 0; k < won; k++)
		if (write(fd, "x", 1) != 1)
			return 1;
	return 0;
}

static void one_wins(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char path[200];
	in_processes(f, 8, create_same);
	snprintf(path, sizeof(path), "%s/won", f->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 20);
	assert_int_equal(count_entries(f, "overlayfs/snapshots"), 20);
}

/* The very first start, many at once: one makes the store, all find it whole. */
static int first_start(struct fixture *f, int i)
{
	struct cor_error err = {0};
	struct fixture mine = *f;
	snprintf(mine.root, sizeof(mine.root), "%s/new", f->dir);
	struct cor_services *s = fresh_services(&mine);
	char digest[COR_DIGEST_MAX];
	write_content(s, "same", NULL, NULL, digest);
	struct cor_image image = image_of("same", digest);
	ok(s->images->put(s, &image, &err), &err);
	cor_services_free(s);
	return 0;
}

static void first_starts(void **state)
{
	in_processes(*state, 16, first_start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(imports_against_collection, setup, teardown),
		cmocka_unit_test_setup_teardown(many_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(deletions_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(one_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(first_starts, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
