/* SPDX-License-Identifier: Apache-2.0 */
/* Images, containers, namespaces and leases: what is stored comes back, and errors read as containerd's. */
#include "fixture.h"

static void image_life(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	char digest[COR_DIGEST_MAX], other[COR_DIGEST_MAX];
	struct cor_image got = {0};
	write_content(s, "abc", NULL, NULL, digest);
	write_content(s, "def", NULL, NULL, other);
	struct cor_image image = image_of("docker.io/library/x:1", digest);
	put_map(&image.labels, "a", "1");
	put_map(&image.target.annotations, "org.x", "y");
	ok(s->images->create(s, &image, &f->err), &f->err);
	fails(s->images->create(s, &image, &f->err), &f->err, COR_ALREADY_EXISTS,
	      "image \"docker.io/library/x:1\": already exists");
	ok(s->images->get(s, image.name, &got, &f->err), &f->err);
	assert_string_equal(got.target.digest, digest);
	assert_string_equal(got.target.media_type, COR_MT_OCI_MANIFEST);
	assert_string_equal(cor_map_get(&got.labels, "a"), "1");
	assert_string_equal(cor_map_get(&got.target.annotations, "org.x"), "y");
	assert_true(got.created_ns > 0 && got.updated_ns >= got.created_ns);
	int64_t created = got.created_ns;
	cor_image_done(&got);
	struct cor_image moved = image_of(image.name, other);
	ok(s->images->put(s, &moved, &f->err), &f->err);
	ok(s->images->get(s, image.name, &got, &f->err), &f->err);
	assert_string_equal(got.target.digest, other);
	assert_int_equal(got.created_ns, created);
	assert_int_equal(got.labels.n, 0);
	cor_image_done(&got);
	ok(s->images->remove(s, image.name, false, &f->err), &f->err);
	fails(s->images->get(s, image.name, &got, &f->err), &f->err, COR_NOT_FOUND,
	      "image \"docker.io/library/x:1\": not found");
	fails(s->images->remove(s, image.name, false, &f->err), &f->err, COR_NOT_FOUND,
	      "image \"docker.io/library/x:1\": not found");
	cor_map_done(&image.labels);
	cor_map_done(&image.target.annotations);
}

static void image_labels(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	char digest[COR_DIGEST_MAX];
	struct cor_image got = {0};
	_cleanup_map_ struct cor_map labels = {0};
	write_content(s, "abc", NULL, NULL, digest);
	struct cor_image image = image_of("x", digest);
	put_map(&image.labels, "keep", "1");
	put_map(&image.labels, "drop", "2");
	ok(s->images->create(s, &image, &f->err), &f->err);
	put_map(&labels, "drop", "");
	put_map(&labels, "new", "3");
	ok(s->images->label(s, "x", &labels, false, &f->err), &f->err);
	ok(s->images->get(s, "x", &got, &f->err), &f->err);
	assert_int_equal(got.labels.n, 2);
	assert_string_equal(cor_map_get(&got.labels, "new"), "3");
	cor_image_done(&got);
	ok(s->images->label(s, "x", &labels, true, &f->err), &f->err);
	ok(s->images->get(s, "x", &got, &f->err), &f->err);
	assert_int_equal(got.labels.n, 1);
	cor_image_done(&got);
	char *big = malloc(5000);
	memset(big, 'x', 4999);
	big[4999] = 0;
	put_map(&labels, "big", big);
	assert_true(s->images->label(s, "x", &labels, false, &f->err) < 0);
	assert_int_equal(f->err.code, COR_INVALID_ARGUMENT);
	free(big);
	cor_map_done(&image.labels);
}

static int count_images(const struct cor_image *image, void *data)
{
	int *n = data;
	char want[16];
	snprintf(want, sizeof(want), "i%04d", (*n)++);
	assert_string_equal(image->name, want);
	return 0;
}

static int remove_while_walking(const struct cor_image *image, void *data)
{
	struct fixture *f = data;
	ok(f->s->images->remove(f->s, image->name, false, &f->err), &f->err);
	return 0;
}

static int stop_at_third(const struct cor_image *image, void *data)
{
	return ++*(int *)data == 3;
}

static int fail_at_once(const struct cor_image *image, void *data)
{
	return -ENOTTY;
}

/* More than one batch, in order; a callback may delete what it is shown. */
static void image_walks(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	char digest[COR_DIGEST_MAX];
	write_content(s, "abc", NULL, NULL, digest);
	for (int i = 0; i < 300; i++) {
		char name[16];
		snprintf(name, sizeof(name), "i%04d", i);
		struct cor_image image = image_of(name, digest);
		ok(s->images->create(s, &image, &f->err), &f->err);
	}
	int n = 0;
	ok(s->images->walk(s, count_images, &n, &f->err), &f->err);
	assert_int_equal(n, 300);
	n = 0;
	assert_int_equal(s->images->walk(s, stop_at_third, &n, &f->err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(s->images->walk(s, fail_at_once, NULL, &f->err), -ENOTTY);
	ok(s->images->walk(s, remove_while_walking, f, &f->err), &f->err);
	n = 0;
	ok(s->images->walk(s, count_images, &n, &f->err), &f->err);
	assert_int_equal(n, 0);
}

static struct cor_container container_of_id(const char *id)
{
	return (struct cor_container){.id = (char *)id,
				      .image = (char *)"img",
				      .runtime = (char *)"io.containerd.runc.v2",
				      .spec = (char *)"{\"ociVersion\":\"1\"}",
				      .snapshotter = (char *)"",
				      .snapshot_key = (char *)"",
				      .sandbox_id = (char *)""};
}

static void container_life(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct cor_container c = container_of_id("c1"), got = {0};
	put_map(&c.labels, "l", "v");
	put_map(&c.extensions, "ext", "{}");
	ok(cor_any_set(&c.runtime_options, "type.example/x", "\0\1\2", 3), &f->err);
	ok(s->containers->create(s, &c, &f->err), &f->err);
	fails(s->containers->create(s, &c, &f->err), &f->err, COR_ALREADY_EXISTS,
	      "container \"c1\": already exists");
	ok(s->containers->get(s, "c1", &got, &f->err), &f->err);
	assert_string_equal(got.spec, c.spec);
	assert_string_equal(got.image, "img");
	assert_string_equal(got.runtime_options.type_url, "type.example/x");
	assert_int_equal(got.runtime_options.len, 3);
	assert_memory_equal(got.runtime_options.value, "\0\1\2", 3);
	assert_string_equal(cor_map_get(&got.extensions, "ext"), "{}");
	cor_container_done(&got);
	ok(s->containers->set_extension(s, "c1", "other", "[1]", &f->err), &f->err);
	ok(s->containers->set_extension(s, "c1", "ext", "", &f->err), &f->err);
	_cleanup_map_ struct cor_map labels = {0};
	put_map(&labels, "l", "w");
	ok(s->containers->label(s, "c1", &labels, false, &f->err), &f->err);
	ok(s->containers->get(s, "c1", &got, &f->err), &f->err);
	assert_int_equal(got.extensions.n, 1);
	assert_string_equal(cor_map_get(&got.extensions, "other"), "[1]");
	assert_string_equal(cor_map_get(&got.labels, "l"), "w");
	cor_container_done(&got);
	ok(s->containers->remove(s, "c1", &f->err), &f->err);
	fails(s->containers->get(s, "c1", &got, &f->err), &f->err, COR_NOT_FOUND,
	      "container \"c1\" in namespace \"default\": not found");
	fails(s->containers->remove(s, "c1", &f->err), &f->err, COR_NOT_FOUND,
	      "container \"c1\" in namespace \"default\": not found");
	cor_map_done(&c.labels);
	cor_map_done(&c.extensions);
	cor_any_done(&c.runtime_options);
}

static void container_ids(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"../../x", "", "a/b", ".", "a b", "-x", "x-"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cor_container c = container_of_id(bad[i]);
		assert_true(f->s->containers->create(f->s, &c, &f->err) < 0);
		assert_int_equal(f->err.code, COR_INVALID_ARGUMENT);
		cor_error_clear(&f->err);
	}
	struct cor_container c = container_of_id("../../x");
	fails(f->s->containers->create(f->s, &c, &f->err), &f->err, COR_INVALID_ARGUMENT,
	      "container.ID: identifier \"../../x\" must match ^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$: "
	      "invalid argument");
}

/* A record that was only just made and one that had been there before both survive the process. */
static void container_survives(void **state)
{
	struct fixture *f = *state;
	struct cor_container c = container_of_id("c1"), got = {0};
	ok(f->s->containers->create(f->s, &c, &f->err), &f->err);
	assert_true(cor_engine_fresh_has(f->e, "container", "c1", NULL, false));
	reopen(f);
	assert_false(cor_engine_fresh_has(f->e, "container", "c1", NULL, false));
	ok(f->s->containers->get(f->s, "c1", &got, &f->err), &f->err);
	cor_container_done(&got);
	ok(f->s->containers->remove(f->s, "c1", &f->err), &f->err);
	reopen(f);
	assert_true(f->s->containers->get(f->s, "c1", &got, &f->err) < 0);
}

static int count_namespaces(const char *name, const struct cor_map *labels, void *data)
{
	(*(int *)data)++;
	return 0;
}

static void namespace_life(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s, *other;
	_cleanup_map_ struct cor_map labels = {0};
	char digest[COR_DIGEST_MAX];
	int n = 0;
	ok(s->namespaces->walk(s, count_namespaces, &n, &f->err), &f->err);
	assert_int_equal(n, 0);
	put_map(&labels, "x", "y");
	ok(s->namespaces->create(s, "blue", &labels, &f->err), &f->err);
	fails(s->namespaces->create(s, "blue", NULL, &f->err), &f->err, COR_ALREADY_EXISTS,
	      "namespace \"blue\": already exists");
	ok(s->namespaces->label(s, "blue", &labels, &f->err), &f->err);
	ok(s->namespaces->label(s, "made", &labels, &f->err), &f->err);
	ok(s->namespaces->remove(s, "made", &f->err), &f->err);
	ok(s->namespaces->remove(s, "blue", &f->err), &f->err);
	fails(s->namespaces->remove(s, "blue", &f->err), &f->err, COR_NOT_FOUND,
	      "namespace \"blue\": not found");

	/* By the first thing written. */
	other = open_services(f, "green", &f->err);
	write_content(other, "abc", NULL, NULL, digest);
	struct cor_image image = image_of("i", digest);
	ok(other->images->create(other, &image, &f->err), &f->err);
	ok(other->snapshots->prepare(other, "overlayfs", "k", NULL, NULL, NULL, &f->err), &f->err);
	n = 0;
	ok(s->namespaces->walk(s, count_namespaces, &n, &f->err), &f->err);
	assert_int_equal(n, 1);
	assert_false(has_content(s, digest));
	fails(s->namespaces->remove(s, "green", &f->err), &f->err, COR_FAILED_PRECONDITION,
	      "namespace \"green\" must be empty, but it still has images, blobs, snapshots on \"overlayfs\" "
	      "snapshotter: "
	      "failed precondition");
	ok(other->images->remove(other, "i", false, &f->err), &f->err);
	ok(other->snapshots->remove(other, NULL, "k", &f->err), &f->err);
	ok(other->content->remove(other, digest, &f->err), &f->err);
	ok(s->namespaces->remove(s, "green", &f->err), &f->err);
	cor_services_free(other);
}

static int count_leases(const struct cor_lease *lease, void *data)
{
	(*(int *)data)++;
	return 0;
}

static void lease_life(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct cor_lease lease = {0};
	_cleanup_map_ struct cor_map labels = {0};
	put_map(&labels, "containerd.io/gc.expire", "2031-01-01T00:00:00Z");
	ok(s->leases->create(s, "", &labels, &lease, &f->err), &f->err);
	assert_true(strlen(lease.id) >= 8);
	fails(s->leases->add(s, "none", &(struct cor_lease_resource){"content", "sha256:x"}, &f->err),
	      &f->err, COR_NOT_FOUND, "lease \"none\": not found");
	assert_true(s->leases->add(s, lease.id, &(struct cor_lease_resource){"bicycles", "x"}, &f->err) < 0);
	cor_error_clear(&f->err);
	int n = 0;
	ok(s->leases->walk(s, count_leases, &n, &f->err), &f->err);
	assert_int_equal(n, 1);
	ok(s->leases->remove(s, lease.id, true, &f->err), &f->err);
	char text[80];
	snprintf(text, sizeof(text), "lease \"%s\": not found", lease.id);
	fails(s->leases->remove(s, lease.id, false, &f->err), &f->err, COR_NOT_FOUND, text);
	cor_lease_done(&lease);
	put_map(&labels, "containerd.io/gc.expire", "tomorrow");
	assert_true(s->leases->create(s, "bad", &labels, NULL, &f->err) < 0);
	assert_int_equal(f->err.code, COR_INVALID_ARGUMENT);
}

/* The operation's lease: no row before there is something to protect, none after, nested ones are one. */
static void operation_lease(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	char digest[COR_DIGEST_MAX];
	int n = 0;
	ok(s->leases->begin(s, &f->err), &f->err);
	ok(s->leases->begin(s, &f->err), &f->err);
	assert_int_equal(count_entries(f, "leases"), 1);
	ok(s->leases->walk(s, count_leases, &n, &f->err), &f->err);
	assert_int_equal(n, 0);
	write_content(s, "abc", NULL, NULL, digest);
	s->leases->end(s);
	ok(s->leases->walk(s, count_leases, &n, &f->err), &f->err);
	assert_int_equal(n, 1);
	s->leases->end(s);
	n = 0;
	ok(s->leases->walk(s, count_leases, &n, &f->err), &f->err);
	assert_int_equal(n, 0);
	assert_int_equal(count_entries(f, "leases"), 0);
}

static void directory_modes(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	assert_int_equal(stat(f->root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(f->state, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(chmod(f->root, 0755) + chmod(f->state, 0777), 0);
	ok(cor_engine_ns_state(f->e, true, &f->err), &f->err);
	char path[100];
	snprintf(path, sizeof(path), "%s/default", f->state);
	assert_int_equal(chmod(path, 0777), 0);
	reopen(f);
	ok(cor_engine_ns_state(f->e, true, &f->err), &f->err);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(stat(f->root, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(f->state, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
}

static void opens_lazily(void **state)
{
	struct fixture *f = *state;
	assert_null(f->e->meta);
	assert_null(f->e->store);
	assert_int_equal(count_entries(f, "content"), -1);
	reopen(f);
	assert_int_equal(f->e->n_backends, 0);
	assert_string_equal(f->s->default_snapshotter, "overlayfs");
}

static void bad_namespace(void **state)
{
	struct fixture *f = *state;
	struct cor_engine_options o = {.root = f->root, .state = f->state, .ns = "../x"};
	struct cor_services *s = NULL;
	assert_true(cor_engine_open(&o, &s, &f->err) < 0);
	assert_int_equal(f->err.code, COR_INVALID_ARGUMENT);
	assert_null(s);
}

static int open_unprivileged(struct fixture *f, int i)
{
	struct cor_engine_options o = {.root = f->root, .state = f->state};
	struct cor_services *s = NULL;
	struct cor_error err = {0};
	if (setuid(1000) < 0)
		return 2;
	int r = cor_engine_open(&o, &s, &err);
	return !(r < 0 && err.code == COR_PERMISSION_DENIED && strstr(err.message, "root is needed"));
}

static void not_root(void **state)
{
	in_processes(*state, 1, open_unprivileged);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(image_life, setup, teardown),
		cmocka_unit_test_setup_teardown(image_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(image_walks, setup, teardown),
		cmocka_unit_test_setup_teardown(container_life, setup, teardown),
		cmocka_unit_test_setup_teardown(container_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(container_survives, setup, teardown),
		cmocka_unit_test_setup_teardown(namespace_life, setup, teardown),
		cmocka_unit_test_setup_teardown(lease_life, setup, teardown),
		cmocka_unit_test_setup_teardown(operation_lease, setup, teardown),
		cmocka_unit_test_setup_teardown(directory_modes, setup, teardown),
		cmocka_unit_test_setup_teardown(opens_lazily, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_namespace, setup, teardown),
		cmocka_unit_test_setup_teardown(not_root, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
