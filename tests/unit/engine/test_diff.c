/* SPDX-License-Identifier: Apache-2.0 */
/* The diff service: layers into snapshots of both back ends and back into layers; what is verified; no mounts left. */
#include "fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

/* A tar of the directory that the shell commands make, as content; its digest, size and diffID. */
static void make_layer(struct fixture *f, const char *commands, const char *compress,
		       struct cor_descriptor *ret, char diff_id[COR_DIGEST_MAX])
{
	_cleanup_free_ char *script =
		cor_asprintf("set -e; d=$(mktemp -d %s/layer-XXXXXX); cd $d; %s\n"
			     "tar --sort=name -cf %s/tar .; rm -rf $d; cat %s/tar %s > %s/blob",
			     f->dir, commands, f->dir, f->dir, compress, f->dir);
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		execlp("sh", "sh", "-c", script, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	_cleanup_close_ int dir = cor_open_dir(f->dir, &f->err);
	_cleanup_free_ char *tar = NULL, *blob = NULL;
	size_t tar_len, blob_len;
	ok(cor_read_file_at(dir, "tar", 10 << 20, &tar, &tar_len, &f->err), &f->err);
	ok(cor_read_file_at(dir, "blob", 10 << 20, &blob, &blob_len, &f->err), &f->err);
	cor_digest_of(tar, tar_len, diff_id);
	struct cor_writer *w = NULL;
	*ret = (struct cor_descriptor){.media_type = strdup(COR_MT_OCI_LAYER_GZIP),
				       .size = (int64_t)blob_len};
	ok(f->s->content->writer(f->s, "layer", 0, NULL, false, &w, &f->err), &f->err);
	ok(w->ops->write(w, blob, blob_len, &f->err), &f->err);
	int r = w->ops->commit(w, 0, NULL, NULL, &ret->digest, &f->err);
	if (r != -EEXIST)
		ok(r, &f->err);
	w->ops->free(w, true);
}

static void apply(struct fixture *f, const char *sn, const char *name, const char *parent,
		  const char *commands, const char *compress)
{
	struct cor_descriptor layer = {0};
	char diff_id[COR_DIGEST_MAX], key[64];
	_cleanup_mounts_ struct cor_mounts m = {0};
	_cleanup_free_ char *got = NULL;
	snprintf(key, sizeof(key), "extract-%s", name);
	make_layer(f, commands, compress, &layer, diff_id);
	ok(f->s->snapshots->prepare(f->s, sn, key, parent, NULL, &m, &f->err), &f->err);
	ok(f->s->diff->apply(f->s, &layer, &m, diff_id, &got, &f->err), &f->err);
	assert_string_equal(got, diff_id);
	ok(f->s->snapshots->commit(f->s, sn, name, key, NULL, &f->err), &f->err);
	cor_descriptor_done(&layer);
}

/* Runs a shell test in a view of the snapshot. */
static void check(struct fixture *f, const char *sn, const char *name, const char *test)
{
	_cleanup_mounts_ struct cor_mounts m = {0};
	int status;
	ok(f->s->snapshots->view(f->s, sn, "check", name, NULL, &m, &f->err), &f->err);
	pid_t pid = fork();
	if (pid == 0) {
		_cleanup_free_ char *mnt = cor_asprintf("%s/mnt", f->dir);
		if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(1);
		(void)mkdir(mnt, 0700);
		_cleanup_close_ int fd = open(mnt, O_PATH | O_DIRECTORY);
		if (cor_mount_all(&m, fd, &f->err) < 0 || chdir(mnt) < 0)
			_exit(2);
		execlp("sh", "sh", "-ec", test, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s: %s: status %x", name, test, status);
	ok(f->s->snapshots->remove(f->s, sn, "check", &f->err), &f->err);
}

/* No mount of ours is seen by the host. */
static void no_mounts(struct fixture *f)
{
	_cleanup_free_ char *text = NULL;
	assert_true(cor_read_file_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &text, NULL, NULL) >= 0);
	assert_null(strstr(text, f->dir));
}

static void layers(struct fixture *f, const char *sn)
{
	apply(f, sn, "one", "",
	      "mkdir -p dir/sub opq; echo a > dir/a; echo b > dir/b; echo o > opq/old; ln dir/a hard; chmod "
	      "4755 dir/b",
	      "");
	apply(f, sn, "two", "one",
	      "mkdir -p dir opq; touch dir/.wh.a opq/.wh..wh..opq; echo n > opq/new; ln -s dir/b link; mknod "
	      "fifo p",
	      "| gzip");
	apply(f, sn, "three", "two", "echo zstd > z; touch .wh.link", "| zstd -q");
	check(f, sn, "one", "test \"$(cat dir/a)\" = a; test hard -ef dir/a; test -u dir/b; test -f opq/old");
	check(f, sn, "two",
	      "test ! -e dir/a; test \"$(cat hard)\" = a; test -f opq/new; test ! -e opq/old; test \"$(cat "
	      "link)\" = b; "
	      "test -p fifo; test -d dir/sub; test -z \"$(find . -name '.wh.*')\"");
	check(f, sn, "three", "test \"$(cat z)\" = zstd; test ! -L link; test -p fifo");
}

static void apply_overlayfs(void **state)
{
	layers(*state, "overlayfs");
	no_mounts(*state);
}

static void apply_native(void **state)
{
	layers(*state, "native");
}

/* A hardlink to a file of a lower layer, which the layer above does not have itself. */
static void link_to_lower(void **state)
{
	struct fixture *f = *state;
	apply(f, "overlayfs", "one", "", "echo lower > file; chmod 640 file", "");
	struct cor_descriptor layer = {0};
	char diff_id[COR_DIGEST_MAX];
	_cleanup_mounts_ struct cor_mounts m = {0};
	/* The tar has the link only: its target is deleted from the archive. */
	make_layer(f,
		   "echo lower > file; ln file link; tar --sort=name -cf ../t ./file ./link; tar --delete -f "
		   "../t ./file",
		   "", &layer, diff_id);
	_cleanup_close_ int dir = cor_open_dir(f->dir, &f->err);
	_cleanup_free_ char *tar = NULL;
	size_t len;
	ok(cor_read_file_at(dir, "t", 1 << 20, &tar, &len, &f->err), &f->err);
	struct cor_writer *w = NULL;
	ok(f->s->content->writer(f->s, "t", 0, NULL, false, &w, &f->err), &f->err);
	ok(w->ops->write(w, tar, len, &f->err), &f->err);
	free(layer.digest);
	layer.digest = NULL;
	ok(w->ops->commit(w, 0, NULL, NULL, &layer.digest, &f->err), &f->err);
	w->ops->free(w, true);
	layer.size = (int64_t)len;
	ok(f->s->snapshots->prepare(f->s, "overlayfs", "x", "one", NULL, &m, &f->err), &f->err);
	ok(f->s->diff->apply(f->s, &layer, &m, NULL, NULL, &f->err), &f->err);
	ok(f->s->snapshots->commit(f->s, "overlayfs", "two", "x", NULL, &f->err), &f->err);
	check(f, "overlayfs", "two",
	      "test \"$(cat link)\" = lower; test file -ef link; test \"$(stat -c %a link)\" = 640");
	cor_descriptor_done(&layer);
}

static void verified(void **state)
{
	struct fixture *f = *state;
	struct cor_descriptor layer = {0};
	char diff_id[COR_DIGEST_MAX], wrong[COR_DIGEST_MAX], path[200];
	_cleanup_mounts_ struct cor_mounts m = {0};
	make_layer(f, "echo a > a; head -c 100000 /dev/urandom > b", "", &layer, diff_id);
	ok(f->s->snapshots->prepare(f->s, NULL, "x", "", NULL, &m, &f->err), &f->err);
	cor_digest_of("x", 1, wrong);
	assert_true(f->s->diff->apply(f->s, &layer, &m, wrong, NULL, &f->err) < 0);
	assert_non_null(strstr(f->err.message, "wrong diff id calculated on extraction"));
	cor_error_clear(&f->err);
	layer.size++;
	assert_true(f->s->diff->apply(f->s, &layer, &m, NULL, NULL, &f->err) < 0);
	assert_non_null(strstr(f->err.message, "bytes, expected"));
	cor_error_clear(&f->err);
	layer.size--;
	/* One bit of file data in the blob: the tar is well formed, the digest tells. */
	snprintf(path, sizeof(path), "%s/content/blobs/sha256/%s", f->root, cor_digest_hex(layer.digest));
	_cleanup_close_ int fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "?", 1, layer.size / 2), 1);
	assert_true(f->s->diff->apply(f->s, &layer, &m, diff_id, NULL, &f->err) < 0);
	assert_int_equal(f->err.code, COR_DATA_LOSS);
	cor_error_clear(&f->err);
	assert_int_equal(truncate(path, layer.size / 2), 0);
	assert_true(f->s->diff->apply(f->s, &layer, &m, NULL, NULL, &f->err) < 0);
	cor_error_clear(&f->err);
	assert_true(f->s->diff->apply(f->s, &layer, &(struct cor_mounts){0}, NULL, NULL, &f->err) < 0);
	assert_int_equal(f->err.code, COR_INVALID_ARGUMENT);
	cor_descriptor_done(&layer);
}

/* What compare writes makes, applied, the same tree; mounts stay out of sight; the uncompressed digest is a label. */
static void round_trip(struct fixture *f, const char *sn, const char *media_type)
{
	struct cor_services *s = f->s;
	struct cor_descriptor layer = {0};
	_cleanup_mounts_ struct cor_mounts lower = {0}, upper = {0}, again = {0};
	_cleanup_free_ char *diff_id = NULL;
	struct cor_content_info info = {0};
	apply(f, sn, "base", "", "mkdir d; echo 1 > d/one; echo 2 > two; echo 3 > three", "");
	apply(f, sn, "top", "base",
	      "mkdir d; touch d/.wh.one .wh.two; echo 33 > three; mkdir -p n/m; echo x > n/m/x; ln n/m/x l",
	      "");
	ok(s->snapshots->view(s, sn, "lo", "base", NULL, &lower, &f->err), &f->err);
	ok(s->snapshots->view(s, sn, "up", "top", NULL, &upper, &f->err), &f->err);
	ok(s->diff->compare(s, &lower, &upper, media_type, NULL, NULL, &layer, &f->err), &f->err);
	no_mounts(f);
	assert_string_equal(layer.media_type, media_type ? media_type : COR_MT_OCI_LAYER_GZIP);
	ok(s->content->info(s, layer.digest, &info, &f->err), &f->err);
	assert_int_equal(info.size, layer.size);
	ok(s->snapshots->prepare(s, sn, "again", "base", NULL, &again, &f->err), &f->err);
	ok(s->diff->apply(s, &layer, &again, NULL, &diff_id, &f->err), &f->err);
	assert_string_equal(diff_id, cor_map_get(&info.labels, "containerd.io/uncompressed"));
	ok(s->snapshots->commit(s, sn, "copy", "again", NULL, &f->err), &f->err);
	check(f, sn, "copy",
	      "test ! -e d/one; test ! -e two; test \"$(cat three)\" = 33; test n/m/x -ef l; test \"$(cat "
	      "l)\" = x; test -d d");
	cor_content_info_done(&info);
	cor_descriptor_done(&layer);
}

static void compare_overlayfs(void **state)
{
	round_trip(*state, "overlayfs", NULL);
}

static void compare_native_zstd(void **state)
{
	round_trip(*state, "native", COR_MT_OCI_LAYER_ZSTD);
}

static void compare_plain(void **state)
{
	round_trip(*state, "overlayfs", COR_MT_DOCKER_LAYER);
}

static void unknown_media_type(void **state)
{
	struct fixture *f = *state;
	struct cor_descriptor d = {0};
	_cleanup_mounts_ struct cor_mounts m = {0};
	ok(f->s->snapshots->prepare(f->s, NULL, "x", "", NULL, &m, &f->err), &f->err);
	assert_true(f->s->diff->compare(f->s, NULL, &m, "text/plain", NULL, NULL, &d, &f->err) < 0);
	assert_int_equal(f->err.code, COR_UNIMPLEMENTED);
	cor_error_clear(&f->err);
	/* No lower: all of upper. */
	ok(f->s->diff->compare(f->s, NULL, &m, NULL, "ref", NULL, &d, &f->err), &f->err);
	assert_true(has_content(f->s, d.digest));
	cor_descriptor_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(apply_overlayfs, setup, teardown),
		cmocka_unit_test_setup_teardown(apply_native, setup, teardown),
		cmocka_unit_test_setup_teardown(link_to_lower, setup, teardown),
		cmocka_unit_test_setup_teardown(verified, setup, teardown),
		cmocka_unit_test_setup_teardown(compare_overlayfs, setup, teardown),
		cmocka_unit_test_setup_teardown(compare_native_zstd, setup, teardown),
		cmocka_unit_test_setup_teardown(compare_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_media_type, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
