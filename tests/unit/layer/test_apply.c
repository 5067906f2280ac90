/* SPDX-License-Identifier: Apache-2.0 */
/* Applying layers: what each kind of entry becomes, merging, replacing, hardlinks, whiteouts in both styles. */
#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "support.h"

static bool is_whiteout(int dir, const char *path)
{
	struct stat st = stat_at(dir, path);

	return S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

static bool is_opaque(int dir, const char *path, const char *xattr)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char value = 0;
	bool yes = fgetxattr(fd, xattr, &value, 1) == 1 && value == 'y';

	cor_close(fd);
	return yes;
}

static void assert_content(int dir, const char *path, const char *want)
{
	_cleanup_free_ char *text = content(dir, path);

	if (!text)
		fail_msg("%s is not there", path);
	assert_string_equal(text, want);
}

static void places_every_type(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};
	struct stat st;
	static const char cap[] = {1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	_cleanup_buf_ struct cor_buf text = {0};
	char value[64];

	tb_header(&b, (struct th){.name = "./", .type = '5', .mode = 0711, .uid = 5, .gid = 6, .mtime = 77});
	tb_header(&b,
		  (struct th){.name = "d/", .type = '5', .mode = 01777, .uid = 1, .gid = 2, .mtime = 100});
	tb_pax(&b, 'x', "mtime=1500000000.123456789", "atime=1400000000.5", NULL);
	tb_header(&b, (struct th){.name = "d/suid", .size = 2, .mode = 06755, .uid = 3, .gid = 4});
	tb_data(&b, "hi", 2);
	tb_record(&text, "SCHILY.xattr.security.capability", cap, sizeof(cap));
	tb_record(&text, "SCHILY.xattr.user.x", "bin\0\n=", 6);
	tb_pax_raw(&b, 'x', text.data, text.len);
	tb_header(&b, (struct th){.name = "d/cap", .uid = 9, .gid = 9, .mode = 0755});
	tb_pax(&b, 'x', "SCHILY.xattr.trusted.t=on-a-link", NULL);
	tb_header(&b, (struct th){.name = "d/link",
				  .type = '2',
				  .link = "/etc/nowhere",
				  .uid = 10,
				  .gid = 11,
				  .mtime = 200});
	tb_header(&b, (struct th){.name = "d/chr", .type = '3', .devmajor = 1, .devminor = 3, .mode = 0666});
	tb_header(&b, (struct th){.name = "d/blk",
				  .type = '4',
				  .devmajor = 259,
				  .devminor = 70000,
				  .mode = 0660,
				  .gid = 6});
	tb_header(&b, (struct th){.name = "d/fifo", .type = '6', .mode = 0604, .mtime = -1});
	tb_hardlink(&b, "d/hard", "/d/suid");
	tb_hardlink(&b, "d/hardlink-to-link", "d/link");
	tb_header(&b, (struct th){.name = "none", .mode = -1});
	apply_ok(rig, &b, &remove_style);

	assert_int_equal(fstat(rig->root, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0711);
	assert_int_equal(st.st_uid, 5);
	assert_int_equal(st.st_mtime, 77);
	st = stat_at(rig->root, "d");
	assert_int_equal(st.st_mode, S_IFDIR | 01777);
	assert_int_equal(st.st_gid, 2);
	assert_int_equal(st.st_mtime, 100); /* not disturbed by its children */
	st = stat_at(rig->root, "d/suid");
	assert_int_equal(st.st_mode, S_IFREG | 06755);
	assert_int_equal(st.st_uid, 3);
	assert_int_equal(st.st_mtim.tv_sec, 1500000000);
	assert_int_equal(st.st_mtim.tv_nsec, 123456789);
	assert_int_equal(st.st_atim.tv_sec, 1400000000);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(stat_at(rig->root, "d/hard").st_ino, st.st_ino);
	int fd = openat(rig->root, "d/cap", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fgetxattr(fd, "security.capability", value, sizeof(value)), sizeof(cap));
	assert_memory_equal(value, cap, sizeof(cap));
	assert_int_equal(fgetxattr(fd, "user.x", value, sizeof(value)), 6);
	assert_memory_equal(value, "bin\0\n=", 6);
	cor_close(fd);
	st = stat_at(rig->root, "d/link");
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(st.st_uid, 10);
	assert_int_equal(st.st_mtime, 200);
	assert_int_equal(st.st_nlink, 2);
	st = stat_at(rig->root, "d/chr");
	assert_int_equal(st.st_mode, S_IFCHR | 0666);
	assert_int_equal(st.st_rdev, makedev(1, 3));
	st = stat_at(rig->root, "d/blk");
	assert_int_equal(st.st_mode, S_IFBLK | 0660);
	assert_int_equal(st.st_rdev, makedev(259, 70000));
	st = stat_at(rig->root, "d/fifo");
	assert_int_equal(st.st_mode, S_IFIFO | 0604);
	assert_int_equal(st.st_mtime, 0);
	assert_int_equal(stat_at(rig->root, "none").st_mode, S_IFREG);
	_cleanup_free_ char *all = describe(rig->root);
	assert_non_null(strstr(all, "trusted.t=6f6e"));
}

static void merges_and_replaces(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	tb_pax(&b, 'x', "SCHILY.xattr.user.old=1", NULL);
	tb_dir(&b, "d");
	tb_file(&b, "d/kept", "kept");
	tb_file(&b, "d/file", "old");
	tb_dir(&b, "tree");
	tb_file(&b, "tree/deep/er", "x");
	tb_symlink(&b, "s", "d");
	apply_ok(rig, &b, &remove_style);
	tb_header(&b, (struct th){.name = "d", .type = '5', .mode = 0700, .uid = 4, .mtime = 50});
	tb_file(&b, "d/file", "new");
	tb_file(&b, "tree", "now a file");
	tb_dir(&b, "s");
	tb_file(&b, "s/in", "x");
	apply_ok(rig, &b, &remove_style);
	assert_content(rig->root, "d/kept", "kept");
	assert_content(rig->root, "d/file", "new");
	assert_int_equal(stat_at(rig->root, "d").st_mode, S_IFDIR | 0700);
	assert_int_equal(stat_at(rig->root, "d").st_mtime, 50);
	assert_content(rig->root, "tree", "now a file");
	assert_true(S_ISDIR(stat_at(rig->root, "s").st_mode));
	assert_false(exists(rig->root, "d/in"));
	_cleanup_free_ char *all = describe(rig->root);
	assert_null(strstr(all, "user.old")); /* the new entry describes the whole directory */
}

static void makes_missing_parents(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	tb_file(&b, "a/b/c/d/file", "x");
	tb_symlink(&b, "dangling", "to/be/made");
	tb_file(&b, "dangling/file", "y");
	tb_symlink(&b, "a/up", "../../../other");
	tb_file(&b, "a/up/file", "z");
	apply_ok(rig, &b, &remove_style);
	assert_content(rig->root, "a/b/c/d/file", "x");
	assert_int_equal(stat_at(rig->root, "a/b").st_mode, S_IFDIR | 0755);
	assert_content(rig->root, "to/be/made/file", "y");
	assert_content(rig->root, "other/file", "z");
	tb_file(&b, "a/b/c/d/file/below", "x");
	apply_fails(rig, &b, &remove_style, COR_UNKNOWN, "not a directory");
}

/* Directories that an entry does not name keep their times, in whatever order files come. */
static void keeps_times_of_directories(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};
	char name[40];

	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "d%d/", i);
		tb_header(&b, (struct th){.name = name, .type = '5', .mtime = 1000 + i});
	}
	for (int j = 0; j < 3; j++) {
		for (int i = 0; i < 40; i++) {
			snprintf(name, sizeof(name), "d%d/f%d", i, j);
			tb_file(&b, name, "x");
		}
	}
	tb_symlink(&b, "alias", "d3");
	tb_file(&b, "d3/one", "x");
	tb_file(&b, "alias/two", "x");
	tb_file(&b, "d3/three", "x");
	apply_ok(rig, &b, &remove_style);
	for (int layer = 0; layer < 3; layer++) {
		for (int i = 0; i < 40; i++) {
			snprintf(name, sizeof(name), "d%d", i);
			assert_int_equal(stat_at(rig->root, name).st_mtime, 1000 + i);
		}
		tb_file(&b, "d7/again", "x");
		tb_hardlink(&b, "d8/link", "d7/again");
		tb_file(&b, "d9/.wh.f0", "");
		apply_ok(rig, &b, &remove_style);
	}
}

static void links_to_what_is_there(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	tb_file(&b, "dir/a", "a");
	tb_symlink(&b, "alias", "dir");
	tb_hardlink(&b, "b", "alias/a");
	tb_hardlink(&b, "b", "b");
	tb_hardlink(&b, "b", "../../dir/./a");
	tb_file(&b, "c", "replaced");
	tb_hardlink(&b, "c", "dir/a");
	apply_ok(rig, &b, &remove_style);
	assert_int_equal(stat_at(rig->root, "dir/a").st_nlink, 3);
	assert_content(rig->root, "c", "a");
	tb_hardlink(&b, "x", "missing");
	apply_fails(rig, &b, &remove_style, COR_NOT_FOUND, "\"x\": hardlink target \"missing\"");
	tb_hardlink(&b, "x", "dir");
	apply_fails(rig, &b, &remove_style, COR_PERMISSION_DENIED, "hardlink target \"dir\"");
	tb_hardlink(&b, "x", "");
	apply_fails(rig, &b, &remove_style, COR_INVALID_ARGUMENT, "invalid hardlink target");
	tb_hardlink(&b, "dir", "dir/a"); /* in place of its own target's parent */
	apply_fails(rig, &b, &remove_style, COR_NOT_FOUND, "dir");
}

/* The capability of a file outlives a hardlink entry that does not repeat it. */
static void hardlinks_leave_metadata_alone(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	tb_pax(&b, 'x', "SCHILY.xattr.user.k=v", NULL);
	tb_header(&b, (struct th){.name = "a", .mode = 04755, .uid = 3});
	tb_header(&b, (struct th){.name = "b", .type = '1', .link = "a", .mode = 0600, .uid = 0});
	apply_ok(rig, &b, &remove_style);
	assert_int_equal(stat_at(rig->root, "a").st_mode, S_IFREG | 04755);
	assert_int_equal(stat_at(rig->root, "b").st_uid, 3);
}

static void fill_lower_tree(struct cor_buf *b)
{
	tb_dir(b, "d");
	tb_file(b, "d/one", "1");
	tb_file(b, "d/two", "2");
	tb_dir(b, "d/sub");
	tb_file(b, "d/sub/three", "3");
	tb_file(b, "gone", "x");
	tb_dir(b, "gonedir");
	tb_file(b, "gonedir/x", "x");
	tb_symlink(b, "gonelink", "d");
}

static void removes_what_is_whited_out(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	fill_lower_tree(&b);
	apply_ok(rig, &b, &remove_style);
	tb_file(&b, ".wh.gone", "");
	tb_file(&b, ".wh.gonedir", "");
	tb_file(&b, ".wh.gonelink", "");
	tb_file(&b, ".wh.never-there", "");
	tb_file(&b, "no/such/dir/.wh.x", "");
	tb_file(&b, "no/such/dir/.wh..wh..opq", "");
	tb_file(&b, "d/.wh.one", "");
	apply_ok(rig, &b, &remove_style);
	assert_false(exists(rig->root, "gone"));
	assert_false(exists(rig->root, "gonedir"));
	assert_false(exists(rig->root, "gonelink"));
	assert_false(exists(rig->root, "no"));
	assert_false(exists(rig->root, "d/one"));
	assert_content(rig->root, "d/two", "2");
	assert_content(rig->root, "d/sub/three", "3");
}

/* threats.md, whiteouts: an opaque marker hides lower content only, wherever in the layer it stands. */
static void opaque_in_any_order(void **state)
{
	struct rig *rig = *state;

	for (int at = 0; at < 6; at++) {
		struct cor_buf b = {0};
		int n = 0;

		fill_lower_tree(&b);
		apply_ok(rig, &b, &remove_style);
		for (int i = 0; i < 6; i++, n++) {
			if (i == at)
				tb_file(&b, "d/.wh..wh..opq", "");
			if (i == 0)
				tb_dir(&b, "d");
			if (i == 1)
				tb_file(&b, "d/mine", "m");
			if (i == 2)
				tb_file(&b, "d/sub/new", "n"); /* d/sub itself is not listed */
			if (i == 3)
				tb_file(&b, "d/two", "new 2");
			if (i == 4)
				tb_hardlink(&b, "d/hard", "gone");
		}
		apply_ok(rig, &b, &remove_style);
		assert_content(rig->root, "d/mine", "m");
		assert_content(rig->root, "d/sub/new", "n");
		assert_content(rig->root, "d/two", "new 2");
		assert_content(rig->root, "d/hard", "x");
		assert_false(exists(rig->root, "d/one"));
		assert_false(exists(rig->root, "d/sub/three"));
		tb_file(&b, ".wh.d", "");
		apply_ok(rig, &b, &remove_style);
		assert_false(exists(rig->root, "d"));
	}
}

/* The same for a name: what the layer itself has stays. */
static void whiteout_beside_its_replacement(void **state)
{
	struct rig *rig = *state;

	for (int first = 0; first < 2; first++) {
		struct cor_buf b = {0};

		fill_lower_tree(&b);
		apply_ok(rig, &b, &remove_style);
		if (first)
			tb_file(&b, ".wh.d", "");
		tb_dir(&b, "d");
		tb_file(&b, "d/new", "n");
		tb_file(&b, "gone", "back");
		if (!first)
			tb_file(&b, ".wh.d", "");
		tb_file(&b, ".wh.gone", "");
		apply_ok(rig, &b, &remove_style);
		assert_content(rig->root, "d/new", "n");
		assert_false(exists(rig->root, "d/one"));
		assert_false(exists(rig->root, "d/sub"));
		assert_content(rig->root, "gone", "back");
		tb_file(&b, ".wh..wh..opq", ""); /* of the root: all goes */
		apply_ok(rig, &b, &remove_style);
		_cleanup_free_ char *rest = describe(rig->root);
		assert_string_equal(strchr(rest, '\n') + 1, "");
	}
}

static void overlay_whiteouts(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	tb_file(&b, "d/.wh.one", "");
	tb_file(&b, "e/.wh..wh..opq", "");
	tb_file(&b, "e/x", "x");
	tb_file(&b, ".wh.first", "");
	tb_file(&b, "first", "replaces the whiteout");
	tb_file(&b, ".wh.dir", "");
	tb_dir(&b, "dir");
	tb_file(&b, ".wh.implied", "");
	tb_file(&b, "implied/x", "x");
	tb_file(&b, "kept", "k");
	tb_file(&b, ".wh.kept", "");
	tb_dir(&b, "late");
	tb_file(&b, "late/x", "x");
	tb_file(&b, ".wh.late", "");
	tb_symlink(&b, "was-link", "d");
	tb_dir(&b, "was-link");
	apply_ok(rig, &b, &overlay_style);
	assert_true(is_whiteout(rig->root, "d/one"));
	assert_false(is_opaque(rig->root, "d", "trusted.overlay.opaque"));
	assert_true(is_opaque(rig->root, "e", "trusted.overlay.opaque"));
	assert_false(exists(rig->root, "e/.wh..wh..opq"));
	assert_content(rig->root, "first", "replaces the whiteout");
	assert_true(is_opaque(rig->root, "dir", "trusted.overlay.opaque"));
	assert_true(is_opaque(rig->root, "implied", "trusted.overlay.opaque"));
	assert_content(rig->root, "kept", "k");
	assert_true(is_opaque(rig->root, "late", "trusted.overlay.opaque"));
	assert_true(is_opaque(rig->root, "was-link", "trusted.overlay.opaque"));
}

static void overlay_user_xattrs(void **state)
{
	struct rig *rig = *state;
	struct cor_apply_options opts = {.whiteouts = COR_WHITEOUT_OVERLAY, .userxattr = true};
	struct cor_buf b = {0};

	tb_file(&b, "e/.wh..wh..opq", "");
	apply_ok(rig, &b, &opts);
	assert_true(is_opaque(rig->root, "e", "user.overlay.opaque"));
	assert_false(is_opaque(rig->root, "e", "trusted.overlay.opaque"));
}

/* The upper directory of an overlay is empty: what a hardlink or an unlisted parent needs is below. */
static void takes_from_lower_layers(void **state)
{
	struct rig *rig = *state;
	struct cor_apply_options opts = {.whiteouts = COR_WHITEOUT_OVERLAY};
	int lowers[2], root = rig->root;
	struct cor_buf b = {0};
	struct stat st;

	assert_int_equal(mkdirat(rig->dir, "other", 0755), 0);
	lowers[0] = openat(rig->dir, "other", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lowers[1] = rig->lower;
	rig->root = rig->lower;
	tb_pax(&b, 'x', "SCHILY.xattr.user.k=v", NULL);
	tb_header(&b,
		  (struct th){.name = "data", .type = '5', .mode = 0700, .uid = 5, .gid = 6, .mtime = 4321});
	tb_pax(&b, 'x', "SCHILY.xattr.user.f=w", NULL);
	tb_header(&b, (struct th){.name = "data/f", .size = 5, .mode = 04711, .uid = 8, .mtime = 9});
	tb_data(&b, "lower", 5);
	tb_symlink(&b, "data/l", "f");
	tb_file(&b, "hidden/f", "x");
	tb_file(&b, "opaque/f", "x");
	tb_file(&b, "whited", "x");
	apply_ok(rig, &b, &remove_style);
	rig->root = lowers[0];
	tb_file(&b, ".wh.hidden", "");
	tb_file(&b, "opaque/.wh..wh..opq", "");
	tb_file(&b, ".wh.whited", "");
	apply_ok(rig, &b, &overlay_style);
	rig->root = root;
	opts.lower_fds = lowers;
	opts.n_lower = 2;

	tb_hardlink(&b, "data/new", "data/f");
	tb_hardlink(&b, "elsewhere/l2", "data/l");
	apply_ok(rig, &b, &opts);
	st = stat_at(rig->root, "data");
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(st.st_uid, 5);
	assert_int_equal(st.st_mtime, 4321);
	st = stat_at(rig->root, "data/f");
	assert_int_equal(st.st_mode, S_IFREG | 04711);
	assert_int_equal(st.st_uid, 8);
	assert_int_equal(st.st_mtime, 9);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(stat_at(rig->root, "data/new").st_ino, st.st_ino);
	assert_content(rig->root, "data/f", "lower");
	assert_true(S_ISLNK(stat_at(rig->root, "elsewhere/l2").st_mode));
	_cleanup_free_ char *all = describe(rig->root);
	assert_non_null(strstr(all, "user.k=76"));
	assert_non_null(strstr(all, "user.f=77"));
	/* What a nearer layer hides is not there. */
	static const char *const targets[] = {"hidden/f", "opaque/f", "whited", "nowhere"};
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		tb_hardlink(&b, "x", targets[i]);
		apply_fails(rig, &b, &opts, COR_NOT_FOUND, targets[i]);
	}
	tb_file(&b, "data/.wh.f", "");
	tb_hardlink(&b, "y", "data/f");
	apply_ok(rig, &b, &opts); /* data/f is in the upper already: the layer's own, it stays */
	tb_file(&b, ".wh..wh..opq", "");
	apply_ok(rig, &b, &opts);
	assert_true(is_whiteout(rig->root, "opaque"));
	assert_true(is_opaque(rig->root, "data", "trusted.overlay.opaque"));
	cor_close(lowers[0]);
}

static void counts_and_digests(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};
	struct cor_apply_result result = {{0}, 0, 0};
	struct cor_error err = {0};
	char want[COR_DIGEST_MAX];

	tb_file(&b, "a", "12345");
	tb_dir(&b, "d");
	tb_end(&b);
	cor_buf_append(&b, (char[9000]){0}, 9000); /* the padding counts */
	struct memory m = {.data = b.data, .n = b.len, .chunk = 1000};
	assert_int_equal(cor_layer_apply(rig->root, memory_read, &m, &remove_style, &result, &err), 0);
	cor_digest_of(b.data, b.len, want);
	assert_string_equal(result.diff_id, want);
	assert_int_equal(result.bytes, 5);
	assert_int_equal(result.entries, 2);
	cor_buf_done(&b);
}

static void reads_compressed_layers(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};
	char want[COR_DIGEST_MAX];

	tb_file(&b, "a", "12345");
	tb_end(&b);
	cor_digest_of(b.data, b.len, want);
	for (int kind = COR_COMPRESSION_NONE; kind <= COR_COMPRESSION_ZSTD; kind++) {
		struct cor_apply_result result;
		struct cor_compress *c = NULL;
		struct cor_buf packed = {0};
		struct cor_error err = {0};

		assert_int_equal(cor_compress_open(kind, buf_write, &packed, &c, &err), 0);
		assert_int_equal(cor_compress_write(c, b.data, b.len, &err), 0);
		assert_int_equal(cor_compress_finish(c, &err), 0);
		cor_compress_free(c);
		struct memory m = {.data = packed.data, .n = packed.len};
		assert_int_equal(cor_layer_apply(rig->root, memory_read, &m, &remove_style, &result, &err),
				 0);
		assert_string_equal(result.diff_id, want);
		if (kind != COR_COMPRESSION_NONE) {
			m = (struct memory){.data = packed.data, .n = packed.len - 5};
			assert_true(cor_layer_apply(rig->root, memory_read, &m, &remove_style, &result,
						    &err) < 0);
			assert_int_equal(err.code, COR_DATA_LOSS);
		}
		cor_buf_done(&packed);
	}
	cor_buf_done(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	if (geteuid() != 0) {
		print_message("skipped: needs root (chown, mknod, trusted xattrs)\n");
		return 77;
	}
	const struct CMUnitTest tests[] = {
		T(places_every_type),          T(merges_and_replaces),     T(makes_missing_parents),
		T(keeps_times_of_directories), T(links_to_what_is_there),  T(hardlinks_leave_metadata_alone),
		T(removes_what_is_whited_out), T(opaque_in_any_order),     T(whiteout_beside_its_replacement),
		T(overlay_whiteouts),          T(overlay_user_xattrs),     T(takes_from_lower_layers),
		T(counts_and_digests),         T(reads_compressed_layers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
