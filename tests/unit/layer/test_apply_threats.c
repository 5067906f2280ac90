/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threats.md part 1, the rows that extraction can meet, each beside a canary tree (support.h) that must not change.
 * The names of the tests are the rows'.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "support.h"

static const struct cor_apply_options *const styles[] = {&remove_style, &overlay_style};

static ino_t root_ino(struct rig *rig)
{
	struct stat st;

	assert_int_equal(fstat(rig->root, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	return st.st_ino;
}

/* CVE-2025-47290: a cached or checked parent that turns into a symlink. */
static void parent_becomes_symlink(void **state)
{
	struct rig *rig = *state;
	static const char *const targets[] = {
		"/", "..", "../..", "../canary", "../../../../../../..", "/proc/self/root", "/proc/self/cwd"};
	static const char *const replacements[] = {"foo", "foo/", "./foo", "a/../foo", "/foo"};

	for (size_t style = 0; style < 2; style++) {
		for (size_t t = 0; t < ARRAY_SIZE(targets); t++) {
			for (size_t r = 0; r < ARRAY_SIZE(replacements); r++) {
				struct cor_buf b = {0};
				_cleanup_free_ char *abs = cor_asprintf("%s/canary", rig->path);

				tb_dir(&b, "foo/");
				tb_file(&b, "foo/tmp/x", "first");
				tb_symlink(&b, replacements[r], t == 0 ? abs : targets[t]);
				tb_file(&b, "foo/x", "overwritten");
				tb_file(&b, "foo/tmp/x", "overwritten");
				tb_file(&b, "foo/.wh.x", "");
				tb_file(&b, "foo/.wh..wh..opq", "");
				tb_dir(&b, "foo/dir");
				tb_hardlink(&b, "stolen", "foo/x");
				tb_end(&b);
				/* Some end in an error (links into a /proc that is not in the root); none may get out. */
				struct cor_error err = {0};
				apply_to(rig, &b, styles[style], &err);
				cor_buf_done(&b);
				assert_true(S_ISLNK(stat_at(rig->root, "foo").st_mode) || style == 1);
				assert_false(exists(rig->dir, "tmp"));
				assert_false(exists(rig->dir, "dir"));
			}
		}
	}
}

/* A deeper component is exchanged while the parent below it is in the cache. */
static void cached_parent_survives_no_exchange(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	tb_file(&b, "a/b/c/one", "1");
	tb_symlink(&b, "a/b", "../elsewhere");
	tb_file(&b, "a/b/c/two", "2");
	tb_dir(&b, "a/b");
	tb_file(&b, "a/b/c/three", "3");
	tb_symlink(&b, "a", "/elsewhere");
	tb_file(&b, "a/b/c/four", "4");
	apply_ok(rig, &b, &remove_style);
	assert_true(exists(rig->root, "elsewhere/c/two"));
	assert_false(exists(rig->root, "elsewhere/c/one"));
	assert_true(exists(rig->root, "elsewhere/b/c/four"));
	assert_false(exists(rig->root, "elsewhere/b/c/three"));
}

/* CVE-2021-29136: the root inode is never replaced, in the first layer or the second. */
static void root_replaced(void **state)
{
	struct rig *rig = *state;
	static const char *const names[] = {"/.", ".", "/", "", "./", "..", "../..", "a/..", "/./"};
	static const char types[] = "0123467";
	ino_t ino = root_ino(rig);

	for (int layer = 0; layer < 2; layer++) {
		struct cor_buf b = {0};

		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			for (size_t t = 0; types[t]; t++) {
				tb_header(&b,
					  (struct th){.name = names[i], .type = types[t], .link = "/etc"});
				apply_fails(rig, &b, &remove_style, COR_INVALID_ARGUMENT,
					    "replace the root directory");
				assert_int_equal(root_ino(rig), ino);
			}
		}
		tb_file(&b, ".wh..", "");
		apply_fails(rig, &b, &remove_style, COR_INVALID_ARGUMENT, "invalid whiteout name");
		assert_int_equal(root_ino(rig), ino);
		tb_dir(&b, "d");
		tb_file(&b, "d/f", "x");
		apply_ok(rig, &b, &remove_style);
		for (size_t i = 0; i < ARRAY_SIZE(names); i++)
			tb_dir(&b, names[i]);
		apply_ok(rig, &b, &remove_style);
		assert_int_equal(root_ino(rig), ino);
		assert_true(exists(rig->root, "d/f"));
	}
}

/* CVE-2021-32760: neither a hardlink to a symlink nor metadata follow it outwards. */
static void link_then_chmod(void **state)
{
	struct rig *rig = *state;
	_cleanup_free_ char *x = cor_asprintf("%s/canary/x", rig->path);
	struct cor_buf b = {0};

	tb_symlink(&b, "abs", x);
	tb_symlink(&b, "rel", "../canary/x");
	tb_header(&b, (struct th){.name = "h1", .type = '1', .link = "abs", .mode = 0777, .uid = 77});
	tb_header(&b, (struct th){.name = "h2", .type = '1', .link = "rel", .mode = 04777, .uid = 77});
	tb_pax(&b, 'x', "SCHILY.xattr.trusted.bad=1", NULL);
	tb_header(&b, (struct th){.name = "abs2", .type = '2', .link = x, .mode = 0777, .uid = 77});
	tb_header(&b, (struct th){.name = "h1", .mode = 0777, .size = 3});
	tb_data(&b, "bad", 3);
	apply_ok(rig, &b, &remove_style);
	assert_true(S_ISLNK(stat_at(rig->root, "h2").st_mode));
	assert_true(S_ISREG(stat_at(rig->root, "h1").st_mode)); /* replaced, not written through */
	assert_int_equal(stat_at(rig->root, "abs2").st_uid, 77);
	tb_hardlink(&b, "h3", "../canary/x");
	apply_fails(rig, &b, &remove_style, COR_NOT_FOUND, "hardlink target");
	tb_hardlink(&b, "h3", x);
	apply_fails(rig, &b, &remove_style, COR_NOT_FOUND, "hardlink target");
	tb_hardlink(&b, "h3", "abs/../../canary/x");
	apply_fails(rig, &b, &remove_style, COR_NOT_FOUND, "hardlink target");
}

/* Names that resolve outside the directory are rejected, a symlinked parent stays inside. */
static void whiteouts(void **state)
{
	struct rig *rig = *state;
	static const char *const bad[] = {".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."};
	static const char *const fine[] = {"../canary/.wh.x", "up/.wh.x",         "abs/.wh.x",
					   "up/.wh..wh..opq", "abs/.wh..wh..opq", "abs/.wh.canary",
					   "magic/.wh.x"};
	_cleanup_free_ char *canary = cor_asprintf("%s/canary", rig->path);

	for (size_t style = 0; style < 2; style++) {
		struct cor_buf b = {0};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			tb_file(&b, "d/kept", "x");
			tb_file(&b, bad[i], "");
			apply_fails(rig, &b, styles[style], COR_INVALID_ARGUMENT, "invalid whiteout name");
			assert_true(exists(rig->root, "d/kept"));
		}
		tb_symlink(&b, "up", "../canary");
		tb_symlink(&b, "abs", canary);
		tb_symlink(&b, "magic", "/proc/self/cwd");
		for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
			tb_file(&b, fine[i], "");
		if (style == 0 || geteuid() == 0)
			apply_ok(rig, &b, styles[style]);
		cor_buf_done(&b);
	}
}

/* aufs's bookkeeping is nothing of the image. */
static void aufs_files_are_ignored(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	tb_dir(&b, ".wh..wh.plnk");
	tb_file(&b, ".wh..wh.plnk/123.456", "data");
	tb_file(&b, ".wh..wh.aufs", "");
	tb_file(&b, "d/.wh..wh.orph", "");
	tb_file(&b, "f", "x");
	apply_ok(rig, &b, &remove_style);
	_cleanup_free_ char *all = describe(rig->root);
	assert_null(strstr(all, ".wh"));
	assert_true(exists(rig->root, "f"));
}

/* umoci: trusted.overlay.redirect in a layer; mounted, the directory it names must not show. */
static void overlay_xattrs(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};
	static const char *const names[] = {"redirect", "opaque", "metacopy", "origin", "overlay.opaque"};

	for (size_t style = 0; style < 2; style++) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			_cleanup_free_ char *t =
				cor_asprintf("SCHILY.xattr.trusted.overlay.%s=/secret", names[i]);
			_cleanup_free_ char *u = cor_asprintf("SCHILY.xattr.user.overlay.%s=y", names[i]);
			_cleanup_free_ char *l =
				cor_asprintf("LIBARCHIVE.xattr.trusted.overlay.%s=eQ", names[i]);

			tb_pax(&b, 'x', t, u, l, "SCHILY.xattr.user.fine=1", NULL);
			tb_dir(&b, "d");
			tb_pax(&b, 'x', t, u, l, NULL);
			tb_file(&b, "f", "x");
			tb_pax(&b, 'x', t, NULL);
			tb_symlink(&b, "l", "x");
			tb_pax(&b, 'g', t, u, NULL);
			tb_dir(&b, "e");
			tb_dir(&b, ".");
			apply_ok(rig, &b, styles[style]);
		}
		_cleanup_free_ char *all = describe(rig->root);
		assert_null(strstr(all, "overlay"));
		assert_non_null(strstr(all, "user.fine=31"));
	}
}

/* Lower: secret/s. Layer: whites out secret, and a directory that redirects to it. */
static void overlay_redirect_shows_nothing_when_mounted(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};
	_cleanup_free_ char *opts = NULL, *where = cor_asprintf("%s/other", rig->path);
	int r;

	assert_int_equal(mkdirat(rig->lower, "secret", 0755), 0);
	put(rig->lower, "secret/s", "s");
	tb_file(&b, ".wh.secret", "");
	tb_pax(&b, 'x', "SCHILY.xattr.trusted.overlay.redirect=/secret", NULL);
	tb_dir(&b, "shown");
	apply_ok(rig, &b, &overlay_style);
	assert_int_equal(mkdirat(rig->dir, "other", 0755), 0);
	opts = cor_asprintf("redirect_dir=follow,lowerdir=%s/root:%s/lower", rig->path, rig->path);
	if (mount("overlay", where, "overlay", MS_RDONLY, opts) < 0) {
		print_message("skipped: cannot mount an overlay here: %s\n", strerror(errno));
		skip();
	}
	r = exists(rig->dir, "other/secret") || exists(rig->dir, "other/shown/s");
	assert_int_equal(umount2(where, MNT_DETACH), 0);
	assert_int_equal(r, 0);
}

/* Whiteouts and opaque directories, seen through a real overlay mount, are what removal makes of the same layers. */
static void overlay_and_removal_agree(void **state)
{
	struct rig *rig = *state;
	int root = rig->root, other, merged;
	_cleanup_free_ char *opts = NULL, *where = cor_asprintf("%s/other/m", rig->path), *flat = NULL,
			    *seen = NULL;
	struct cor_apply_options overlay = {
		.whiteouts = COR_WHITEOUT_OVERLAY, .lower_fds = &rig->lower, .n_lower = 1};

	assert_int_equal(mkdirat(rig->dir, "other", 0755), 0);
	other = openat(rig->dir, "other", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(other, "up", 0755), 0);
	assert_int_equal(mkdirat(other, "m", 0755), 0);
	int up = openat(other, "up", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int pass = 0; pass < 3; pass++) {
		/* 0: layer one to root; 1: to lower; 2: then layer two to both */
		struct cor_buf b = {0};

		if (pass < 2) {
			tb_dir(&b, "a");
			tb_file(&b, "a/1", "1");
			tb_file(&b, "a/2", "2");
			tb_file(&b, "b/keep", "k");
			tb_file(&b, "b/sub/x", "x");
			tb_header(&b,
				  (struct th){.name = "b", .type = '5', .mode = 0700, .uid = 4, .mtime = 44});
			tb_file(&b, "c", "c");
			tb_file(&b, "d/deep/er", "x");
			tb_file(&b, "linked", "l");
			tb_dir(&b, "e");
			tb_file(&b, "e/1", "1");
			rig->root = pass ? rig->lower : root;
			apply_ok(rig, &b, &remove_style);
			continue;
		}
		for (int style = 0; style < 2; style++) {
			tb_file(&b, "a/new", "n");
			tb_file(&b, "a/.wh..wh..opq", "");
			tb_file(&b, "a/2", "two");
			tb_file(&b, "b/sub/.wh.x", "");
			tb_file(&b, "b/sub/y", "y");
			tb_file(&b, ".wh.c", "");
			tb_dir(&b, "c");
			tb_file(&b, "c/now-a-dir", "x");
			tb_symlink(&b, "d", "b");
			tb_hardlink(&b, "b/hard", "linked");
			tb_file(&b, ".wh.e", "");
			tb_file(&b, "e/2", "2");
			rig->root = style ? up : root;
			apply_ok(rig, &b, style ? &overlay : &remove_style);
		}
	}
	rig->root = root;
	opts = cor_asprintf("lowerdir=%s/other/up:%s/lower", rig->path, rig->path);
	if (mount("overlay", where, "overlay", MS_RDONLY, opts) < 0) {
		print_message("skipped: cannot mount an overlay here: %s\n", strerror(errno));
		skip();
	}
	flat = describe_untimed(root);
	merged = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	seen = describe_untimed(merged);
	cor_close(merged);
	assert_int_equal(umount2(where, MNT_DETACH), 0);
	cor_close(up);
	cor_close(other);
	assert_string_equal(seen, flat);
}

/* CVE-2025-62518: nothing inside a file's data is ever taken for an entry. */
static void tar_desync(void **state)
{
	struct rig *rig = *state;
	struct cor_buf inner = {0}, b = {0};

	tb_file(&inner, "smuggled", "evil");
	tb_end(&inner);
	_cleanup_free_ char *size = cor_asprintf("size=%zu", inner.len);
	tb_pax(&b, 'x', size, NULL);
	tb_header(&b, (struct th){.name = "nested.tar", .size = -1});
	tb_data(&b, inner.data, inner.len);
	tb_file(&b, "after", "");
	apply_ok(rig, &b, &remove_style);
	assert_false(exists(rig->root, "smuggled"));
	assert_true(exists(rig->root, "after"));
	assert_int_equal(stat_at(rig->root, "nested.tar").st_size, inner.len);
	/* A smaller pax size than the header's: what follows is no header, and an error. */
	tb_pax(&b, 'x', "size=512", NULL);
	tb_header(&b, (struct th){.name = "short", .size = 1024});
	for (int i = 0; i < 2; i++)
		cor_buf_append(&b, memset((char[512]){0}, 'z', 512), 512);
	apply_fails(rig, &b, &remove_style, COR_DATA_LOSS, "invalid checksum");
	cor_buf_done(&inner);
}

/* CVE-2025-58183 and the like: extensions and maps may ask for gigabytes; memory stays small. */
static void tar_allocation(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < 4; i++) {
		tb_header(&b, (struct th){.name = "x", .type = "xgLK"[i], .size = 077777777777});
		apply_fails(rig, &b, &remove_style, COR_INVALID_ARGUMENT, "larger than");
	}
	tb_pax(&b, 'x', "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=9223372036854775807",
	       NULL);
	tb_header(&b, (struct th){.name = "s", .size = 512});
	tb_data(&b, "99999999999999\n0\n1\n", 19);
	apply_fails(rig, &b, &remove_style, COR_DATA_LOSS, "sparse map");
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 64 * 1024);
}

/* An endless gzip of zeros as one file: bytes are limited, memory is not used. */
struct bomb {
	struct cor_buf head;
	size_t pos;
};
static ssize_t bomb_read(void *data, void *buf, size_t n, struct cor_error *err)
{
	struct bomb *s = data;

	if (s->pos < s->head.len) {
		n = MIN(n, s->head.len - s->pos);
		memcpy(buf, s->head.data + s->pos, n);
		s->pos += n;
		return (ssize_t)n;
	}
	memset(buf, 0, n);
	return (ssize_t)n;
}

static void bombs_bytes(void **state)
{
	struct rig *rig = *state;
	struct bomb bomb = {{0}, 0};
	struct cor_apply_options opts = {.whiteouts = COR_WHITEOUT_REMOVE, .max_bytes = 1 << 20};
	struct cor_apply_result result;
	struct cor_error err = {0};

	tb_header(&bomb.head, (struct th){.name = "big", .size = 077777777777});
	assert_true(cor_layer_apply(rig->root, bomb_read, &bomb, &opts, &result, &err) < 0);
	assert_int_equal(err.code, COR_RESOURCE_EXHAUSTED);
	assert_string_equal(err.message, "\"big\": layer has more than 1048576 bytes of data");
	assert_true(stat_at(rig->root, "big").st_size <= 1 << 20);
	cor_buf_done(&bomb.head);
}

static void bombs_entries(void **state)
{
	struct rig *rig = *state;
	struct cor_apply_options opts = {.whiteouts = COR_WHITEOUT_REMOVE, .max_entries = 10};
	struct cor_buf b = {0};

	for (int i = 0; i < 10; i++)
		tb_file(&b, "f", "");
	apply_ok(rig, &b, &opts);
	for (int i = 0; i < 11; i++)
		tb_file(&b, "f", "");
	apply_fails(rig, &b, &opts, COR_RESOURCE_EXHAUSTED, "more than 10 entries");
}

static void bombs_depth(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0}, name = {0};

	for (int i = 0; i < 511; i++)
		cor_buf_str(&name, "d/");
	cor_buf_str(&name, "f");
	tb_long(&b, 'L', name.data);
	tb_file(&b, "x", "");
	apply_ok(rig, &b, &remove_style);
	cor_buf_str(&name, "/g");
	tb_long(&b, 'L', name.data);
	tb_file(&b, "x", "");
	apply_fails(rig, &b, &remove_style, COR_INVALID_ARGUMENT, "more than 512 components");
	/* An opaque marker and a whiteout walk it without harm. */
	tb_file(&b, "d/.wh..wh..opq", "");
	tb_file(&b, ".wh.d", "");
	apply_ok(rig, &b, &remove_style);
	assert_false(exists(rig->root, "d"));
	name.len = 0;
	for (int i = 0; i < 300; i++)
		cor_buf_str(&name, "a-component-that-is-long/");
	tb_long(&b, 'L', name.data);
	tb_dir(&b, "x");
	apply_fails(rig, &b, &remove_style, COR_INVALID_ARGUMENT, "");
	cor_buf_done(&name);
}

/* Dangling symlinks, each to the end of a deep path that begins with the next one: an error, not a stack overflow. */
static void bombs_symlinks(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	for (int i = 0; i < 38; i++) {
		_cleanup_buf_ struct cor_buf target = {0};
		_cleanup_free_ char *name = cor_asprintf("l%d", i);

		cor_buf_printf(&target, "l%d", i + 1);
		for (int j = 0; j < 500; j++)
			cor_buf_str(&target, "/d");
		tb_long(&b, 'K', target.data);
		tb_symlink(&b, name, "x");
	}
	tb_file(&b, "l0/f", "x");
	apply_fails(rig, &b, &remove_style, COR_UNKNOWN, "too many levels of symbolic links");
}

/* On a file system of a few megabytes: a clear error, no crash, and what was there before can be removed. */
static void bombs_full_disk(void **state)
{
	struct rig *rig = *state;
	_cleanup_free_ char *where = cor_asprintf("%s/other", rig->path);
	struct bomb bomb = {{0}, 0};
	struct cor_apply_result result;
	struct cor_error err = {0};
	int root;

	assert_int_equal(mkdirat(rig->dir, "other", 0755), 0);
	if (mount("tmpfs", where, "tmpfs", 0, "size=4m") < 0) {
		print_message("skipped: cannot mount a tmpfs here: %s\n", strerror(errno));
		skip();
	}
	root = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tb_header(&bomb.head, (struct th){.name = "big", .size = 077777777777});
	int r = cor_layer_apply(root, bomb_read, &bomb, &remove_style, &result, &err);
	cor_close(root);
	assert_int_equal(umount2(where, MNT_DETACH), 0);
	assert_int_equal(r, -ENOSPC);
	assert_string_equal(err.message, "\"big\": write: no space left on device");
	cor_buf_done(&bomb.head);
}

/* No descriptor stays open, whatever happens. */
static void leaks_no_descriptors(void **state)
{
	struct rig *rig = *state;
	int first = dup(0), last;

	for (int i = 0; i < 50; i++) {
		struct cor_buf b = {0};

		for (int d = 0; d < 30; d++) {
			_cleanup_free_ char *name = cor_asprintf("d%d/sub/f", d);
			tb_file(&b, name, "x");
		}
		if (i % 2)
			tb_hardlink(&b, "x", "missing");
		tb_end(&b);
		apply_to(rig, &b, &remove_style, NULL);
		cor_buf_done(&b);
	}
	last = dup(0);
	assert_int_equal(last, first + 1);
	cor_close(first);
	cor_close(last);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	if (geteuid() != 0) {
		print_message("skipped: needs root (chown, mknod, trusted xattrs)\n");
		return 77;
	}
	const struct CMUnitTest tests[] = {
		T(parent_becomes_symlink),
		T(cached_parent_survives_no_exchange),
		T(root_replaced),
		T(link_then_chmod),
		T(whiteouts),
		T(aufs_files_are_ignored),
		T(overlay_xattrs),
		T(overlay_redirect_shows_nothing_when_mounted),
		T(overlay_and_removal_agree),
		T(tar_desync),
		T(tar_allocation),
		T(bombs_bytes),
		T(bombs_entries),
		T(bombs_depth),
		T(bombs_symlinks),
		T(bombs_full_disk),
		T(leaks_no_descriptors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
