/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept and what goes; who notices; why a thing is kept. */
#include "fixture.h"

struct image_tree {
	char manifest[COR_DIGEST_MAX], config[COR_DIGEST_MAX], layer[COR_DIGEST_MAX];
};

/* An image as an unpacked import leaves it: manifest -> config and layer, config -> snapshot chain L1 <- L2. */
static void make_image(struct fixture *f, const char *name, struct image_tree *t)
{
	struct cor_services *s = f->s;
	char text[64];
	_cleanup_map_ struct cor_map labels = {0};
	_cleanup_free_ char *top = cor_asprintf("%s-L2", name), *bottom = cor_asprintf("%s-L1", name);
	snprintf(text, sizeof(text), "layer %s", name);
	write_content(s, text, NULL, NULL, t->layer);
	snprintf(text, sizeof(text), "config %s", name);
	write_content(s, text, "containerd.io/gc.ref.snapshot.overlayfs", top, t->config);
	snprintf(text, sizeof(text), "manifest %s", name);
	write_content(s, text, "containerd.io/gc.ref.content.config", t->config, t->manifest);
	put_map(&labels, "containerd.io/gc.ref.content.l.0", t->layer);
	ok(s->content->label(s, t->manifest, &labels, false, &f->err), &f->err);
	commit_snapshot(s, bottom, "", NULL);
	commit_snapshot(s, top, bottom, NULL);
	struct cor_image image = image_of(name, t->manifest);
	ok(s->images->create(s, &image, &f->err), &f->err);
}

struct seen {
	char *text;
	int n;
};

static int note_item(const struct cor_gc_item *item, void *data)
{
	struct seen *s = data;
	char *longer = cor_asprintf("%s%s %s\n", s->text ? s->text : "", item->kind, item->id);
	free(s->text);
	s->text = longer;
	s->n++;
	return 0;
}

static int collect(struct fixture *f, bool dry_run)
{
	struct seen seen = {0};
	ok(f->s->gc->run(f->s, dry_run, note_item, &seen, &f->err), &f->err);
	free(seen.text);
	return seen.n;
}

static void image_keeps_its_tree(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct image_tree t;
	char stray[COR_DIGEST_MAX];
	make_image(f, "x", &t);
	write_content(s, "stray", NULL, NULL, stray);
	assert_int_equal(collect(f, true), 1);
	assert_true(has_content(s, stray));
	assert_int_equal(collect(f, false), 1);
	assert_false(has_content(s, stray));
	assert_false(has_blob(f, stray));
	assert_true(has_content(s, t.manifest) && has_content(s, t.config) && has_content(s, t.layer));
	assert_true(has_snapshot(s, "x-L1") && has_snapshot(s, "x-L2"));
	ok(s->images->remove(s, "x", true, &f->err), &f->err);
	assert_false(has_content(s, t.manifest) || has_content(s, t.config) || has_content(s, t.layer));
	assert_false(has_blob(f, t.layer));
	assert_false(has_snapshot(s, "x-L1") || has_snapshot(s, "x-L2"));
	assert_int_equal(count_entries(f, "overlayfs/snapshots"), 0);
	assert_int_equal(collect(f, true), 0);
}

/* Without --sync it happens when the deleting command ends. */
static void at_close(void **state)
{
	struct fixture *f = *state;
	struct image_tree t;
	make_image(f, "x", &t);
	ok(f->s->images->remove(f->s, "x", false, &f->err), &f->err);
	assert_true(has_content(f->s, t.manifest));
	reopen(f);
	assert_false(has_content(f->s, t.manifest));
	assert_false(has_blob(f, t.manifest));
}

/* Layers that two images share stay with the other; a name that moves leaves its old tree behind. */
static void shared_and_moved(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct image_tree t, u;
	make_image(f, "x", &t);
	make_image(f, "y", &u);
	struct cor_image again = image_of("x2", t.manifest);
	ok(s->images->create(s, &again, &f->err), &f->err);
	ok(s->images->remove(s, "x", true, &f->err), &f->err);
	assert_true(has_content(s, t.layer) && has_snapshot(s, "x-L1"));
	struct cor_image moved = image_of("x2", u.manifest);
	ok(s->images->put(s, &moved, &f->err), &f->err);
	assert_true(f->e->gc_wanted);
	reopen(f);
	assert_false(has_content(f->s, t.layer) || has_snapshot(f->s, "x-L1"));
	assert_true(has_content(f->s, u.layer) && has_snapshot(f->s, "y-L2"));
}

static void make_container(struct fixture *f, const char *id, const char *key)
{
	struct cor_container c = {.id = (char *)id,
				  .image = (char *)"x",
				  .runtime = (char *)"r",
				  .spec = (char *)"{}",
				  .snapshotter = (char *)"overlayfs",
				  .snapshot_key = (char *)key,
				  .sandbox_id = (char *)""};
	ok(f->s->containers->create(f->s, &c, &f->err), &f->err);
}

/* An image goes, its chain stays under the container; with the container it goes too, at the end of that command. */
static void container_keeps_its_chain(void **state)
{
	struct fixture *f = *state;
	struct image_tree t;
	make_image(f, "x", &t);
	ok(f->s->snapshots->prepare(f->s, NULL, "c1", "x-L2", NULL, NULL, &f->err), &f->err);
	make_container(f, "c1", "c1");
	assert_int_equal(collect(f, false), 0);
	ok(f->s->images->remove(f->s, "x", true, &f->err), &f->err);
	assert_false(has_content(f->s, t.manifest));
	assert_true(has_snapshot(f->s, "x-L1") && has_snapshot(f->s, "x-L2") && has_snapshot(f->s, "c1"));
	ok(f->s->containers->remove(f->s, "c1", &f->err), &f->err);
	ok(f->s->snapshots->remove(f->s, NULL, "c1", &f->err), &f->err);
	assert_true(f->e->gc_wanted);
	reopen(f);
	assert_false(has_snapshot(f->s, "x-L1") || has_snapshot(f->s, "x-L2"));
	assert_int_equal(count_entries(f, "overlayfs/snapshots"), 0);
}

/* What `run --rm` does at its end makes no garbage, and must not cost a collection. */
static void plain_removal_is_cheap(void **state)
{
	struct fixture *f = *state;
	struct image_tree t;
	make_image(f, "x", &t);
	collect(f, false);
	ok(f->s->snapshots->prepare(f->s, NULL, "c1", "x-L2", NULL, NULL, &f->err), &f->err);
	make_container(f, "c1", "c1");
	ok(f->s->containers->remove(f->s, "c1", &f->err), &f->err);
	ok(f->s->snapshots->remove(f->s, NULL, "c1", &f->err), &f->err);
	assert_false(f->e->gc_wanted);
	assert_int_equal(cor_strv_len(f->e->fresh), 0);
}

static void root_labels(void **state)
{
	struct fixture *f = *state;
	char digest[COR_DIGEST_MAX];
	_cleanup_map_ struct cor_map labels = {0};
	write_content(f->s, "kept", "containerd.io/gc.root", "2026-01-01T00:00:00Z", digest);
	put_map(&labels, "containerd.io/gc.root", "x");
	commit_snapshot(f->s, "base", "", NULL);
	commit_snapshot(f->s, "top", "base", &labels);
	ok(f->s->snapshots->prepare(f->s, NULL, "loose", "base", NULL, NULL, &f->err), &f->err);
	assert_int_equal(collect(f, false), 1);
	assert_true(has_content(f->s, digest) && has_snapshot(f->s, "base") && has_snapshot(f->s, "top"));
	assert_false(has_snapshot(f->s, "loose"));
}

static void leases_keep(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct image_tree t;
	char flat[COR_DIGEST_MAX], child[COR_DIGEST_MAX];
	_cleanup_map_ struct cor_map labels = {0};
	make_image(f, "x", &t);
	write_content(s, "child", NULL, NULL, child);
	write_content(s, "flat", "containerd.io/gc.ref.content.0", child, flat);
	ok(s->leases->create(s, "l", NULL, NULL, &f->err), &f->err);
	ok(s->leases->add(s, "l", &(struct cor_lease_resource){"content", t.manifest}, &f->err), &f->err);
	put_map(&labels, "containerd.io/gc.flat", "1");
	ok(s->leases->create(s, "f", &labels, NULL, &f->err), &f->err);
	ok(s->leases->add(s, "f", &(struct cor_lease_resource){"content", flat}, &f->err), &f->err);
	ok(s->images->remove(s, "x", true, &f->err), &f->err);
	assert_true(has_content(s, t.layer) && has_snapshot(s, "x-L1"));
	assert_true(has_content(s, flat));
	assert_false(has_content(s, child));
	ok(s->leases->remove(s, "l", true, &f->err), &f->err);
	assert_false(has_content(s, t.layer) || has_snapshot(s, "x-L1"));
}

static void expiry(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	char digest[COR_DIGEST_MAX];
	_cleanup_map_ struct cor_map labels = {0};
	write_content(s, "abc", NULL, NULL, digest);
	put_map(&labels, "containerd.io/gc.expire", "2020-01-01T00:00:00Z");
	ok(s->leases->create(s, "old", &labels, NULL, &f->err), &f->err);
	ok(s->leases->add(s, "old", &(struct cor_lease_resource){"content", digest}, &f->err), &f->err);
	assert_int_equal(collect(f, false), 2);
	assert_false(has_content(s, digest));
	assert_true(s->leases->remove(s, "old", false, &f->err) < 0);
}

static int write_and_die(struct fixture *f, int i)
{
	char digest[COR_DIGEST_MAX];
	struct cor_error err = {0};
	struct cor_services *s = open_services(f, NULL, &err);
	ok(s->leases->begin(s, &err), &err);
	write_content(s, "orphaned", NULL, NULL, digest);
	ok(s->snapshots->prepare(s, NULL, "orphan", "", NULL, NULL, &err), &err);
	return s->gc->run(s, false, NULL, NULL, &err) < 0 || !has_content(s, digest) ||
	       !has_snapshot(s, "orphan");
}

/* An operation's lease ends with its process, however that ends; the next collection clears up. */
static void dead_operation(void **state)
{
	struct fixture *f = *state;
	char digest[COR_DIGEST_MAX];
	in_processes(f, 1, write_and_die);
	cor_digest_of("orphaned", 8, digest);
	assert_true(has_content(f->s, digest));
	assert_int_equal(count_entries(f, "leases"), 1);
	assert_int_equal(collect(f, false), 3);
	assert_false(has_content(f->s, digest) || has_snapshot(f->s, "orphan"));
	assert_int_equal(count_entries(f, "leases"), 0);
	assert_int_equal(count_entries(f, "overlayfs/snapshots"), 0);
}

static void orphans_on_disk(void **state)
{
	struct fixture *f = *state;
	char digest[COR_DIGEST_MAX], path[200];
	write_content(f->s, "abc", "containerd.io/gc.root", "1", digest);
	snprintf(path, sizeof(path), "%s/content/blobs/sha256/%064d", f->root, 7);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	ok(f->s->snapshots->stat(f->s, NULL, "none", &(struct cor_snapshot_info){0}, NULL) == -ENOENT ? 0
												      : -1,
	   &f->err);
	snprintf(path, sizeof(path), "%s/overlayfs/snapshots/77", f->root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/overlayfs/snapshots/gone-00", f->root);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(collect(f, true), 2);
	assert_int_equal(collect(f, false), 2);
	assert_int_equal(count_entries(f, "overlayfs/snapshots"), 0);
	assert_int_equal(count_entries(f, "content/blobs/sha256"), 1);
	assert_true(has_blob(f, digest));
}

static void unfinished_writes(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct cor_writer *w = NULL, *busy = NULL;
	ok(s->content->writer(s, "old", 0, NULL, false, &w, &f->err), &f->err);
	ok(w->ops->write(w, "x", 1, &f->err), &f->err);
	w->ops->free(w, false);
	ok(s->content->writer(s, "busy", 0, NULL, false, &busy, &f->err), &f->err);
	ok(busy->ops->write(busy, "x", 1, &f->err), &f->err);
	assert_int_equal(collect(f, false), 0);
	/* As if a day had gone by. */
	_cleanup_free_ char *cmd = cor_asprintf("%s/content/ingest", f->root);
	pid_t pid = fork();
	if (pid == 0) {
		execlp("find", "find", cmd, "-exec", "touch", "-d", "2 days ago", "{}", "+", NULL);
		_exit(127);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(collect(f, false), 1);
	assert_int_equal(count_entries(f, "content/ingest"), 1);
	busy->ops->free(busy, true);
}

static void other_namespaces(void **state)
{
	struct fixture *f = *state;
	struct cor_services *other = open_services(f, "other", &f->err);
	struct image_tree t;
	char digest[COR_DIGEST_MAX];
	make_image(f, "x", &t);
	write_content(other, "layer x", NULL, NULL, digest);
	/* The other namespace's record goes, the blob stays for this one's sake. */
	ok(other->gc->run(other, false, NULL, NULL, &f->err), &f->err);
	assert_false(has_content(other, digest));
	assert_true(has_content(f->s, digest));
	assert_true(has_blob(f, digest));
	cor_services_free(other);
}

static int note_why(const struct cor_gc_item *item, void *data)
{
	char **text = data;
	char *longer = cor_asprintf("%s%s %s: %s\n", *text ? *text : "", item->kind, item->id, item->reason);
	free(*text);
	*text = longer;
	return 0;
}

static void why(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct image_tree t;
	_cleanup_free_ char *text = NULL, *want = NULL;
	make_image(f, "x", &t);
	ok(s->gc->why(s, "x-L1", note_why, &text, &f->err), &f->err);
	want = cor_asprintf("image x: the image is recorded\ncontent %s: target\n"
			    "content %s: containerd.io/gc.ref.content.config\n"
			    "snapshot x-L2: containerd.io/gc.ref.snapshot.overlayfs\nsnapshot x-L1: parent\n",
			    t.manifest, t.config);
	assert_string_equal(text, want);
	fails(s->gc->why(s, "nothing", note_why, &text, &f->err), &f->err, COR_NOT_FOUND,
	      "\"nothing\": not found");
	ok(s->snapshots->prepare(s, NULL, "loose", "", NULL, NULL, &f->err), &f->err);
	text[0] = 0;
	ok(s->gc->why(s, "loose", note_why, &text, &f->err), &f->err);
	assert_string_equal(text, "");
}

static void back_references(void **state)
{
	struct fixture *f = *state;
	struct image_tree t;
	char extra[COR_DIGEST_MAX];
	make_image(f, "x", &t);
	write_content(f->s, "signature", "containerd.io/gc.bref.content.0", t.manifest, extra);
	assert_int_equal(collect(f, false), 0);
	assert_true(has_content(f->s, extra));
	ok(f->s->images->remove(f->s, "x", true, &f->err), &f->err);
	assert_false(has_content(f->s, extra));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(image_keeps_its_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(at_close, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_and_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(container_keeps_its_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(plain_removal_is_cheap, setup, teardown),
		cmocka_unit_test_setup_teardown(root_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(leases_keep, setup, teardown),
		cmocka_unit_test_setup_teardown(expiry, setup, teardown),
		cmocka_unit_test_setup_teardown(dead_operation, setup, teardown),
		cmocka_unit_test_setup_teardown(orphans_on_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(unfinished_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(other_namespaces, setup, teardown),
		cmocka_unit_test_setup_teardown(why, setup, teardown),
		cmocka_unit_test_setup_teardown(back_references, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
