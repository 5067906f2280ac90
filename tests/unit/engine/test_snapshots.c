/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot service over both back ends: kinds, parents, mounts, texts, what is left on disk. */
#include "fixture.h"

static void life(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct cor_snapshot_info info = {0};
	struct cor_usage usage;
	_cleanup_map_ struct cor_map labels = {0};
	put_map(&labels, "l", "v");
	ok(s->snapshots->prepare(s, NULL, "a", "", &labels, NULL, &f->err), &f->err);
	fails(s->snapshots->prepare(s, NULL, "a", "", NULL, NULL, &f->err), &f->err, COR_ALREADY_EXISTS,
	      "snapshot \"a\": already exists");
	fails(s->snapshots->prepare(s, NULL, "b", "none", NULL, NULL, &f->err), &f->err, COR_NOT_FOUND,
	      "parent snapshot none does not exist: not found");
	fails(s->snapshots->prepare(s, NULL, "b", "a", NULL, NULL, &f->err), &f->err, COR_INVALID_ARGUMENT,
	      "failed to create snapshot: parent \"a\" is not committed snapshot: invalid argument");
	ok(s->snapshots->stat(s, NULL, "a", &info, &f->err), &f->err);
	assert_int_equal(info.kind, COR_SNAPSHOT_ACTIVE);
	assert_string_equal(info.parent, "");
	assert_string_equal(cor_map_get(&info.labels, "l"), "v");
	cor_snapshot_info_done(&info);
	ok(s->snapshots->usage(s, NULL, "a", &usage, &f->err), &f->err);
	assert_int_equal(usage.inodes, 1);
	ok(s->snapshots->commit(s, NULL, "A", "a", &labels, &f->err), &f->err);
	assert_false(has_snapshot(s, "a"));
	ok(s->snapshots->usage(s, NULL, "A", &usage, &f->err), &f->err);
	assert_int_equal(usage.inodes, 1);
	ok(s->snapshots->prepare(s, NULL, "b", "A", NULL, NULL, &f->err), &f->err);
	fails(s->snapshots->commit(s, NULL, "A", "b", NULL, &f->err), &f->err, COR_ALREADY_EXISTS,
	      "snapshot \"A\": already exists");
	ok(s->snapshots->view(s, NULL, "v", "A", NULL, NULL, &f->err), &f->err);
	assert_true(s->snapshots->commit(s, NULL, "V", "v", NULL, &f->err) < 0);
	assert_int_equal(f->err.code, COR_FAILED_PRECONDITION);
	cor_error_clear(&f->err);
	ok(s->snapshots->stat(s, NULL, "v", &info, &f->err), &f->err);
	assert_int_equal(info.kind, COR_SNAPSHOT_VIEW);
	assert_string_equal(info.parent, "A");
	cor_snapshot_info_done(&info);
	fails(s->snapshots->remove(s, NULL, "A", &f->err), &f->err, COR_FAILED_PRECONDITION,
	      "cannot remove snapshot with child: failed precondition");
	ok(s->snapshots->remove(s, NULL, "v", &f->err), &f->err);
	ok(s->snapshots->remove(s, NULL, "b", &f->err), &f->err);
	ok(s->snapshots->remove(s, NULL, "A", &f->err), &f->err);
	fails(s->snapshots->remove(s, NULL, "A", &f->err), &f->err, COR_NOT_FOUND,
	      "snapshot A does not exist: not found");
	assert_int_equal(count_entries(f, "overlayfs/snapshots"), 0);
}

static void labels(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct cor_snapshot_info info = {0};
	_cleanup_map_ struct cor_map l = {0};
	put_map(&l, "x", "1");
	put_map(&l, "y", "2");
	ok(s->snapshots->prepare(s, NULL, "a", "", &l, NULL, &f->err), &f->err);
	put_map(&l, "x", "");
	ok(s->snapshots->label(s, NULL, "a", &l, false, &f->err), &f->err);
	ok(s->snapshots->stat(s, NULL, "a", &info, &f->err), &f->err);
	assert_int_equal(info.labels.n, 1);
	cor_snapshot_info_done(&info);
	fails(s->snapshots->label(s, NULL, "none", &l, false, &f->err), &f->err, COR_NOT_FOUND,
	      "snapshot none does not exist: not found");
}

static char *mount_text(struct cor_services *s, const char *sn, const char *key)
{
	struct cor_error err = {0};
	_cleanup_mounts_ struct cor_mounts m = {0};
	ok(s->snapshots->mounts(s, sn, key, &m, &err), &err);
	assert_int_equal(m.n, 1);
	_cleanup_free_ char *options = cor_strv_join(m.items[0].options, ",");
	return cor_asprintf("%s %s %s", m.items[0].type, m.items[0].source, options);
}

static void expect_mount(struct fixture *f, const char *sn, const char *key, const char *format)
{
	_cleanup_free_ char *have = mount_text(f->s, sn, key);
	_cleanup_buf_ struct cor_buf want = {0};
	/* % stands for the root. */
	for (const char *p = format; *p; p++)
		(void)(*p == '%' ? cor_buf_str(&want, f->root) : cor_buf_char(&want, *p));
	if (faccessat(AT_FDCWD, "/sys/module/overlay/parameters/index", F_OK, 0) < 0 &&
	    cor_endswith(want.data, ",index=off"))
		want.data[want.len - strlen(",index=off")] = 0;
	assert_string_equal(have, want.data);
}

/* Option for option what containerd 2.x returns. */
static void overlay_mounts(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	_cleanup_mounts_ struct cor_mounts m = {0};
	ok(s->snapshots->prepare(s, NULL, "a", "", NULL, &m, &f->err), &f->err);
	assert_int_equal(m.n, 1);
	expect_mount(f, NULL, "a", "bind %/overlayfs/snapshots/1/fs rw,rbind");
	ok(s->snapshots->commit(s, NULL, "A", "a", NULL, &f->err), &f->err);
	assert_true(s->snapshots->mounts(s, NULL, "A", &(struct cor_mounts){0}, &f->err) < 0);
	assert_int_equal(f->err.code, COR_FAILED_PRECONDITION);
	cor_error_clear(&f->err);
	commit_snapshot(s, "B", "A", NULL);
	ok(s->snapshots->prepare(s, NULL, "c", "B", NULL, NULL, &f->err), &f->err);
	expect_mount(
		f, NULL, "c",
		"overlay overlay workdir=%/overlayfs/snapshots/3/work,upperdir=%/overlayfs/snapshots/3/fs,"
		"lowerdir=%/overlayfs/snapshots/2/fs:%/overlayfs/snapshots/1/fs,index=off");
	ok(s->snapshots->view(s, NULL, "v1", "A", NULL, NULL, &f->err), &f->err);
	expect_mount(f, NULL, "v1", "bind %/overlayfs/snapshots/1/fs ro,rbind");
	ok(s->snapshots->view(s, NULL, "v2", "B", NULL, NULL, &f->err), &f->err);
	expect_mount(
		f, NULL, "v2",
		"overlay overlay lowerdir=%/overlayfs/snapshots/2/fs:%/overlayfs/snapshots/1/fs,index=off");
	ok(s->snapshots->view(s, NULL, "v0", "", NULL, NULL, &f->err), &f->err);
	expect_mount(f, NULL, "v0", "bind %/overlayfs/snapshots/6/fs ro,rbind");
}

static void native_mounts(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	ok(s->snapshots->prepare(s, "native", "a", "", NULL, NULL, &f->err), &f->err);
	expect_mount(f, "native", "a", "bind %/native/snapshots/1 rbind,rw");
	char path[200];
	snprintf(path, sizeof(path), "%s/native/snapshots/1/file", f->root);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT, 0640);
	assert_true(fd >= 0);
	ok(s->snapshots->commit(s, "native", "A", "a", NULL, &f->err), &f->err);
	ok(s->snapshots->prepare(s, "native", "b", "A", NULL, NULL, &f->err), &f->err);
	expect_mount(f, "native", "b", "bind %/native/snapshots/2 rbind,rw");
	snprintf(path, sizeof(path), "%s/native/snapshots/2/file", f->root);
	assert_int_equal(access(path, F_OK), 0);
	ok(s->snapshots->view(s, "native", "v", "A", NULL, NULL, &f->err), &f->err);
	expect_mount(f, "native", "v", "bind %/native/snapshots/1 rbind,ro");
	/* One name in each snapshotter. */
	ok(s->snapshots->prepare(s, "overlayfs", "a", "", NULL, NULL, &f->err), &f->err);
	assert_true(s->snapshots->prepare(s, "overlayfs", "x", "A", NULL, NULL, &f->err) < 0);
}

static void unknown_snapshotter(void **state)
{
	struct fixture *f = *state;
	fails(f->s->snapshots->prepare(f->s, "zfs", "a", "", NULL, NULL, &f->err), &f->err,
	      COR_INVALID_ARGUMENT, "snapshotter not loaded: zfs: invalid argument");
	assert_int_equal(count_entries(f, "zfs"), -1);
}

static int count_snapshots(const struct cor_snapshot_info *info, void *data)
{
	(*(int *)data)++;
	return 0;
}

static void walks(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	int n = 0;
	for (int i = 0; i < 260; i++) {
		char key[16];
		snprintf(key, sizeof(key), "k%d", i);
		ok(s->snapshots->prepare(s, NULL, key, "", NULL, NULL, &f->err), &f->err);
	}
	ok(s->snapshots->walk(s, NULL, count_snapshots, &n, &f->err), &f->err);
	assert_int_equal(n, 260);
	n = 0;
	ok(s->snapshots->walk(s, "native", count_snapshots, &n, &f->err), &f->err);
	assert_int_equal(n, 0);
}

/* A directory that a crash has left is in nobody's way. */
static void leftover_directory(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	char path[200];
	ok(s->snapshots->prepare(s, NULL, "a", "", NULL, NULL, &f->err), &f->err);
	snprintf(path, sizeof(path), "%s/overlayfs/snapshots/2", f->root);
	assert_int_equal(mkdir(path, 0700), 0);
	ok(s->snapshots->prepare(s, NULL, "b", "", NULL, NULL, &f->err), &f->err);
	expect_mount(f, NULL, "b", "bind %/overlayfs/snapshots/3/fs rw,rbind");
	ok(s->gc->run(s, false, NULL, NULL, &f->err), &f->err);
	assert_int_equal(access(path, F_OK), -1);
}

/* The root directory of a child looks as its parent's. */
static void root_mode(void **state)
{
	struct fixture *f = *state;
	struct cor_services *s = f->s;
	struct stat st;
	char path[200];
	ok(s->snapshots->prepare(s, NULL, "a", "", NULL, NULL, &f->err), &f->err);
	snprintf(path, sizeof(path), "%s/overlayfs/snapshots/1/fs", f->root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(chmod(path, 01750) + chown(path, 7, 8), 0);
	ok(s->snapshots->commit(s, NULL, "A", "a", NULL, &f->err), &f->err);
	ok(s->snapshots->prepare(s, NULL, "b", "A", NULL, NULL, &f->err), &f->err);
	snprintf(path, sizeof(path), "%s/overlayfs/snapshots/2/fs", f->root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01750);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_gid, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(life, setup, teardown),
		cmocka_unit_test_setup_teardown(labels, setup, teardown),
		cmocka_unit_test_setup_teardown(overlay_mounts, setup, teardown),
		cmocka_unit_test_setup_teardown(native_mounts, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_snapshotter, setup, teardown),
		cmocka_unit_test_setup_teardown(walks, setup, teardown),
		cmocka_unit_test_setup_teardown(leftover_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(root_mode, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
