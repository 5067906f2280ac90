/* SPDX-License-Identifier: Apache-2.0 */
/* The content service: writing, reading, labels, namespaces that share blobs. */
#include "fixture.h"

static const char hello_digest[] = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

static void life(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	char digest[COR_DIGEST_MAX];
	struct cor_content_info info = {0};
	_cleanup_free_ char *text = NULL;
	size_t len;
	write_content(s, "hello", "containerd.io/x", "y", digest);
	assert_string_equal(digest, hello_digest);
	ok(s->content->info(s, digest, &info, &f->err), &f->err);
	assert_int_equal(info.size, 5);
	assert_string_equal(cor_map_get(&info.labels, "containerd.io/x"), "y");
	cor_content_info_done(&info);
	ok(cor_content_read_all(s, digest, 100, &text, &len, &f->err), &f->err);
	assert_string_equal(text, "hello");
	assert_int_equal(len, 5);
	assert_true(cor_content_read_all(s, digest, 4, &text, NULL, &f->err) < 0);
	assert_int_equal(f->err.code, COR_OUT_OF_RANGE);
	cor_error_clear(&f->err);
	ok(s->content->remove(s, digest, &f->err), &f->err);
	assert_false(has_blob(f, digest));
	fails(s->content->info(s, digest, &info, &f->err), &f->err, COR_NOT_FOUND,
	      "content digest sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824: not "
	      "found");
	fails(s->content->remove(s, digest, &f->err), &f->err, COR_NOT_FOUND,
	      "content digest sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824: not "
	      "found");
}

/* A digest becomes a path only after its syntax was checked. */
static void bad_digests(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	static const char *const bad[] = {"sha256:../../x", "sha256:abc",
					  "md5:d41d8cd98f00b204e9800998ecf8427e", "", "../x"};
	struct cor_content_info info = {0};
	struct cor_reader *r = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(s->content->info(s, bad[i], &info, &f->err) < 0);
		assert_int_equal(f->err.code, COR_INVALID_ARGUMENT);
		assert_true(s->content->reader(s, bad[i], &r, &f->err) < 0);
		assert_true(s->content->remove(s, bad[i], &f->err) < 0);
		assert_int_equal(f->err.code, COR_INVALID_ARGUMENT);
		cor_error_clear(&f->err);
	}
}

static void wrong_digest(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct cor_writer *w = NULL;
	char other[COR_DIGEST_MAX];
	cor_digest_of("other", 5, other);
	ok(s->content->writer(s, "r", 0, NULL, false, &w, &f->err), &f->err);
	ok(w->ops->write(w, "hello", 5, &f->err), &f->err);
	assert_true(w->ops->commit(w, 5, other, NULL, NULL, &f->err) < 0);
	assert_int_equal(f->err.code, COR_FAILED_PRECONDITION);
	w->ops->free(w, true);
	assert_false(has_content(s, other));
	assert_false(has_content(s, hello_digest));
	assert_false(has_blob(f, hello_digest));
}

static void again(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct cor_writer *w = NULL;
	struct cor_content_info info = {0};
	char digest[COR_DIGEST_MAX];
	_cleanup_map_ struct cor_map labels = {0};
	write_content(s, "hello", "a", "1", digest);
	put_map(&labels, "b", "2");
	assert_int_equal(s->content->writer(s, "r", 5, digest, false, &w, &f->err), -EEXIST);
	assert_int_equal(f->err.code, COR_ALREADY_EXISTS);
	cor_error_clear(&f->err);
	ok(s->content->writer(s, "r", 0, NULL, false, &w, &f->err), &f->err);
	ok(w->ops->write(w, "hello", 5, &f->err), &f->err);
	assert_int_equal(w->ops->commit(w, 5, digest, &labels, NULL, &f->err), -EEXIST);
	assert_int_equal(f->err.code, COR_ALREADY_EXISTS);
	w->ops->free(w, true);
	ok(s->content->info(s, digest, &info, &f->err), &f->err);
	assert_int_equal(info.labels.n, 2);
	cor_content_info_done(&info);
}

/* The record is there but the blob is lost (say, a disk fault): writing it again heals. */
static void heals(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct cor_writer *w = NULL;
	struct cor_reader *r = NULL;
	char digest[COR_DIGEST_MAX], path[200];
	write_content(s, "hello", NULL, NULL, digest);
	snprintf(path, sizeof(path), "%s/content/blobs/sha256/%s", f->root, cor_digest_hex(digest));
	assert_int_equal(unlink(path), 0);
	assert_true(s->content->reader(s, digest, &r, &f->err) < 0);
	assert_int_equal(f->err.code, COR_NOT_FOUND);
	cor_error_clear(&f->err);
	ok(s->content->writer(s, "r", 5, digest, false, &w, &f->err), &f->err);
	ok(w->ops->write(w, "hello", 5, &f->err), &f->err);
	int c = w->ops->commit(w, 5, digest, NULL, NULL, &f->err);
	assert_true(c == 0 || c == -EEXIST);
	w->ops->free(w, true);
	assert_true(has_blob(f, digest));
}

static void shared_blobs(void **state)
{
	struct fixture *f = *state;
	struct cor_services *other = open_services(f, "other", &f->err);
	char digest[COR_DIGEST_MAX];
	write_content(f->s, "hello", NULL, NULL, digest);
	assert_false(has_content(other, digest));
	write_content(other, "hello", NULL, NULL, digest);
	assert_true(has_content(other, digest));
	ok(f->s->content->remove(f->s, digest, &f->err), &f->err);
	assert_true(has_blob(f, digest));
	ok(other->content->remove(other, digest, &f->err), &f->err);
	assert_false(has_blob(f, digest));
	cor_services_free(other);
}

static int take_ref(const struct cor_ingest_status *status, void *data)
{
	snprintf(data, 64, "%s@%lld", status->ref, (long long)status->offset);
	return 0;
}

static void resumable(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s, *other = open_services(f, "other", &f->err);
	struct cor_writer *w = NULL, *second = NULL;
	_cleanup_free_ char *digest = NULL;
	char seen[64] = "";
	ok(s->content->writer(s, "r", 0, NULL, false, &w, &f->err), &f->err);
	ok(w->ops->write(w, "hel", 3, &f->err), &f->err);
	assert_int_equal(w->offset, 3);
	assert_true(s->content->writer(s, "r", 0, NULL, false, &second, &f->err) < 0);
	assert_int_equal(f->err.code, COR_UNAVAILABLE);
	cor_error_clear(&f->err);
	/* The same ref elsewhere is another one. */
	ok(other->content->writer(other, "r", 0, NULL, false, &second, &f->err), &f->err);
	assert_int_equal(second->offset, 0);
	second->ops->free(second, true);
	w->ops->free(w, false);
	ok(s->content->ingests(s, take_ref, seen, &f->err), &f->err);
	assert_string_equal(seen, "r@3");
	seen[0] = 0;
	ok(other->content->ingests(other, take_ref, seen, &f->err), &f->err);
	assert_string_equal(seen, "");
	ok(s->content->writer(s, "r", 0, NULL, false, &w, &f->err), &f->err);
	assert_int_equal(w->offset, 3);
	ok(w->ops->write(w, "lo", 2, &f->err), &f->err);
	ok(w->ops->commit(w, 5, hello_digest, NULL, &digest, &f->err), &f->err);
	w->ops->free(w, false);
	assert_string_equal(digest, hello_digest);
	assert_true(s->content->abort(s, "r", &f->err) < 0);
	assert_int_equal(f->err.code, COR_NOT_FOUND);
	cor_services_free(other);
}

static void relabel(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct cor_content_info info = {0};
	_cleanup_map_ struct cor_map labels = {0};
	char digest[COR_DIGEST_MAX];
	write_content(s, "hello", "a", "1", digest);
	put_map(&labels, "b", "2");
	ok(s->content->label(s, digest, &labels, true, &f->err), &f->err);
	ok(s->content->info(s, digest, &info, &f->err), &f->err);
	assert_int_equal(info.labels.n, 1);
	assert_string_equal(cor_map_get(&info.labels, "b"), "2");
	assert_int_equal(info.size, 5);
	cor_content_info_done(&info);
}

static int count_content(const struct cor_content_info *info, void *data)
{
	(*(int *)data)++;
	return 0;
}

static void walks(void **state)
{
	struct fixture *f = *state;
	int n = 0;
	for (int i = 0; i < 150; i++) {
		char text[16], digest[COR_DIGEST_MAX];
		snprintf(text, sizeof(text), "t%d", i);
		write_content(f->s, text, NULL, NULL, digest);
	}
	ok(f->s->content->walk(f->s, count_content, &n, &f->err), &f->err);
	assert_int_equal(n, 150);
}

/* What lies on disk is checked when it is read whole. */
static void damaged_blob(void **state)
{
	struct fixture *f = *state;
	char digest[COR_DIGEST_MAX], path[200];
	_cleanup_free_ char *text = NULL;
	write_content(f->s, "hello", NULL, NULL, digest);
	snprintf(path, sizeof(path), "%s/content/blobs/sha256/%s", f->root, cor_digest_hex(digest));
	_cleanup_close_ int fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "j", 1, 0), 1);
	assert_true(cor_content_read_all(f->s, digest, 100, &text, NULL, &f->err) < 0);
	assert_int_equal(f->err.code, COR_DATA_LOSS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(life, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_digests, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(again, setup, teardown),
		cmocka_unit_test_setup_teardown(heals, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_blobs, setup, teardown),
		cmocka_unit_test_setup_teardown(resumable, setup, teardown),
		cmocka_unit_test_setup_teardown(relabel, setup, teardown),
		cmocka_unit_test_setup_teardown(walks, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_blob, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
