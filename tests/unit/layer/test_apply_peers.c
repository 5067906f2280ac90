/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same archives unpacked by GNU tar, by umoci and by us must give the same trees: content, modes, owners, xattrs,
 * hardlinks, times to the nanosecond.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/path.h"
#include "base/process.h"
#include "support.h"

static void at_time(int dir, const char *path, time_t sec, long nsec)
{
	struct timespec times[2] = {{sec, nsec}, {sec, nsec}};

	assert_int_equal(utimensat(dir, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void set_xattr(int dir, const char *path, const char *name, const void *value, size_t n)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(fsetxattr(fd, name, value, n, 0), 0);
	cor_close(fd);
}

/* Every kind of entry, names of every kind, several levels. */
static void make_tree(int dir)
{
	char name[400];
	int fd;

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "dir-%d", i);
		assert_int_equal(mkdirat(dir, name, (mode_t)(0700 + i)), 0);
		for (int j = 0; j < 10; j++) {
			snprintf(name, sizeof(name), "dir-%d/file %d", i, j);
			put(dir, name, name);
			at_time(dir, name, 1500000000 + i, 1 + 1000L * j);
			assert_int_equal(fchownat(dir, name, (uid_t)(i * 100000), (gid_t)j, 0), 0);
		}
	}
	snprintf(name, sizeof(name), "%0120d", 0);
	assert_int_equal(mkdirat(dir, name, 01777), 0);
	snprintf(name, sizeof(name), "%0120d/%0130d", 0, 1);
	put(dir, name, "long name");
	put(dir, "caf\xc3\xa9", "NFC");
	put(dir, "cafe\xcc\x81", "NFD");
	put(dir, "bad\xff\xfe", "not UTF-8");
	put(dir, "new\nline", "x");
	put(dir, "setuid", "x");
	assert_int_equal(fchmodat(dir, "setuid", 06755, 0), 0);
	put(dir, "cap", "x");
	set_xattr(dir, "cap", "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	set_xattr(dir, "cap", "user.bin", "a\0b\n=", 5);
	set_xattr(dir, "dir-1", "user.on-a-directory", "1", 1);
	assert_int_equal(linkat(dir, "cap", dir, "cap-link", 0), 0);
	assert_int_equal(symlinkat("dir-1/file 1", dir, "symlink"), 0);
	assert_int_equal(linkat(dir, "symlink", dir, "symlink-link", 0), 0);
	assert_int_equal(fchownat(dir, "symlink", 7, 8, AT_SYMLINK_NOFOLLOW), 0);
	memset(name, 't', 300);
	name[300] = 0;
	assert_int_equal(symlinkat(name, dir, "long-target"), 0);
	assert_int_equal(mknodat(dir, "chr", S_IFCHR | 0620, makedev(4, 300)), 0);
	assert_int_equal(mknodat(dir, "blk", S_IFBLK | 0660, makedev(259, 100000)), 0);
	assert_int_equal(mknodat(dir, "fifo", S_IFIFO | 0600, 0), 0);
	fd = openat(dir, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(pwrite(fd, "x", 1, 5000000), 1);
	assert_int_equal(ftruncate(fd, 9000000), 0);
	cor_close(fd);
	put(dir, "old", "before 1970");
	at_time(dir, "old", -86400, 0);
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "dir-%d", i);
		at_time(dir, name, 1400000000 + i, i);
	}
}

static void apply_file(struct rig *rig, const char *name)
{
	_cleanup_free_ char *text = NULL;
	struct cor_apply_result result;
	struct cor_error err = {0};
	struct memory m = {0};

	if (cor_read_file_at(rig->dir, name, 1 << 26, &text, &m.n, &err) < 0)
		fail_msg("%s", err.message);
	m.data = text;
	if (cor_layer_apply(rig->root, memory_read, &m, &remove_style, &result, &err) < 0)
		fail_msg("%s", err.message);
}

static void clear_root(struct rig *rig)
{
	assert_int_equal(cor_remove_tree_at(rig->dir, "root", NULL), 0);
	assert_int_equal(mkdirat(rig->dir, "root", 0755), 0);
	cor_close(rig->root);
	rig->root = openat(rig->dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void like_gnu_tar(void **state)
{
	struct rig *rig = *state;
	static const char *const formats[] = {"--format=pax", "--format=gnu", "--format=pax -S",
					      "--format=pax -z", "--format=pax --zstd"};

	make_tree(rig->lower);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_free_ char *pack = cor_asprintf(
			"tar %s --xattrs --xattrs-include='*' --numeric-owner -C lower -cf t.tar .",
			formats[i]);
		_cleanup_free_ char *want = NULL, *got = NULL;
		int other;

		assert_int_equal(run_in(rig, "sh", "-c", pack, NULL), 0);
		clear_root(rig);
		assert_int_equal(mkdirat(rig->dir, "other", 0755), 0);
		assert_int_equal(run_in(rig, "tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-p",
					"-C", "other", "-xf", "t.tar", NULL),
				 0);
		apply_file(rig, "t.tar");
		other = openat(rig->dir, "other", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		want = describe(other);
		got = describe(rig->root);
		assert_string_equal(got, want);
		if (i != 1) {
			_cleanup_free_ char *source = describe(rig->lower);
			assert_string_equal(got, source); /* and that is what was packed */
		}
		cor_close(other);
		assert_int_equal(cor_remove_tree_at(rig->dir, "other", NULL), 0);
	}
}

/* umoci unpacks an image of two layers, the second made by itself from changes; we apply the same two layers. */
static void like_umoci(void **state)
{
	struct rig *rig = *state;
	_cleanup_free_ char *program = NULL, *want = NULL, *got = NULL, *layers = NULL;
	static const char script[] =
		"set -e; mkdir other; cd other; umoci init --layout img; umoci new --image img:one;"
		"tar --format=pax --xattrs --xattrs-include='*' --numeric-owner -C ../lower -cf ../t.tar .;"
		"umoci raw add-layer --image img:one ../t.tar;"
		"umoci unpack --image img:one bundle;"
		"rm bundle/rootfs/setuid; rm -r bundle/rootfs/dir-2; mkdir bundle/rootfs/dir-2; echo n "
		">bundle/rootfs/dir-2/n;"
		"rm -r bundle/rootfs/dir-3; echo f >bundle/rootfs/dir-3; ln -s dir-1 "
		"bundle/rootfs/dir-3-link;"
		"chmod 711 bundle/rootfs/dir-4; ln bundle/rootfs/cap bundle/rootfs/cap-third;"
		"umoci repack --image img:two bundle; umoci unpack --image img:two second;"
		"m=$(sed 's/.*\"digest\":\"sha256:\\([0-9a-f]*\\)\".*name\":\"two\".*/\\1/' img/index.json);"
		"grep -o '\"layers\":.*' img/blobs/sha256/$m | grep -o 'sha256:[0-9a-f]*' | sed "
		"'s/sha256:/other\\/img\\/blobs\\/sha256\\//' > list";
	int other;

	if (cor_find_program("umoci", NULL, &program) < 0) {
		print_message("skipped: umoci is not installed\n");
		skip();
	}
	make_tree(rig->lower);
	assert_int_equal(run_in(rig, "sh", "-c", script, NULL), 0);
	layers = content(rig->dir, "other/list");
	assert_non_null(layers);
	char **names = cor_strv_split(layers, '\n');
	assert_int_equal(cor_strv_len(names), 3);
	apply_file(rig, names[0]);
	apply_file(rig, names[1]);
	cor_strv_free(names);
	other = openat(rig->dir, "other/second/rootfs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	want = describe(other);
	got = describe(rig->root);
	cor_close(other);
	assert_string_equal(got, want);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	if (geteuid() != 0) {
		print_message("skipped: needs root (chown, mknod, trusted xattrs)\n");
		return 77;
	}
	const struct CMUnitTest tests[] = {
		T(like_gnu_tar),
		T(like_umoci),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
