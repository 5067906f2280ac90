/* SPDX-License-Identifier: Apache-2.0 */
/* Diff: what it writes, and that applying it to the lower tree gives the upper one. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "support.h"

/* "type name[ -> link]" a line for each entry. */
static char *entries(const struct cor_buf *tar)
{
	struct memory m = {.data = tar->data, .n = tar->len};
	struct cor_tar_reader *t = NULL;
	const struct cor_tar_entry *e;
	struct cor_error err = {0};
	struct cor_buf out = {0};
	int r;

	assert_int_equal(cor_tar_reader_open(memory_read, &m, &t, &err), 0);
	while ((r = cor_tar_next(t, &e, &err)) > 0) {
		cor_buf_printf(&out, "%c %s", "fhlcbdp"[e->type], e -> name);
		if (e->linkname[0])
			cor_buf_printf(&out, " -> %s", e->linkname);
		cor_buf_char(&out, '\n');
	}
	if (r < 0)
		fail_msg("%s", err.message);
	cor_tar_reader_free(t);
	return cor_buf_take(&out);
}

static void diff_ok(int lower, int upper, struct cor_buf *out)
{
	struct cor_error err = {0};

	if (cor_layer_diff(lower, upper, buf_write, out, &err) < 0)
		fail_msg("%s", err.message);
}

static void at_time(int dir, const char *path, time_t sec, long nsec)
{
	struct timespec times[2] = {{sec, nsec}, {sec, nsec}};

	assert_int_equal(utimensat(dir, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void make_tree(int dir)
{
	int fd;

	assert_int_equal(mkdirat(dir, "d", 0750), 0);
	assert_int_equal(mkdirat(dir, "d/sub", 0755), 0);
	put(dir, "d/file", "content");
	put(dir, "d/sub/deep", "deep");
	put(dir, "same", "same");
	put(dir, "gone", "gone");
	assert_int_equal(mkdirat(dir, "gonedir", 0755), 0);
	put(dir, "gonedir/x", "x");
	assert_int_equal(symlinkat("d/file", dir, "link"), 0);
	assert_int_equal(mknodat(dir, "fifo", S_IFIFO | 0600, 0), 0);
	put(dir, "h1", "hard");
	assert_int_equal(linkat(dir, "h1", dir, "h2", 0), 0);
	fd = openat(dir, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(pwrite(fd, "end", 3, 3000000), 3);
	assert_int_equal(pwrite(fd, "begin", 5, 4096), 5);
	cor_close(fd);
	at_time(dir, "same", 100, 0);
}

/* Copies the lower tree by a diff of everything; times and all are equal then. */
static void copy_tree(struct rig *rig)
{
	struct cor_buf b = {0};

	diff_ok(-1, rig->lower, &b);
	assert_int_equal(apply_to(rig, &b, &remove_style, NULL), 0);
	cor_buf_done(&b);
}

static void whole_tree(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0}, again = {0};

	make_tree(rig->lower);
	assert_int_equal(mknodat(rig->lower, "dev", S_IFBLK | 0640, makedev(8, 1000)), 0);
	assert_int_equal(fchownat(rig->lower, "d/file", 3000000, 4, 0), 0);
	assert_int_equal(fchmodat(rig->lower, "d/file", 06755, 0), 0);
	at_time(rig->lower, "d/file", -5, 123456789);
	int fd = openat(rig->lower, "same", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "user.bin", "\0\n=", 3, 0), 0);
	assert_int_equal(
		fsetxattr(fd, "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0), 0);
	assert_int_equal(fsetxattr(fd, "trusted.overlay.origin", "x", 1, 0), 0);
	cor_close(fd);
	diff_ok(-1, rig->lower, &b);
	diff_ok(-1, rig->lower, &again);
	assert_int_equal(b.len, again.len);
	assert_memory_equal(b.data, again.data, b.len);
	_cleanup_free_ char *list = entries(&b);
	assert_string_equal(
		list, "d ./\nd d/\nf d/file\nd d/sub/\nf d/sub/deep\nb dev\np fifo\nf gone\nd gonedir/\n"
		      "f gonedir/x\nf h1\nh h2 -> h1\nl link -> d/file\nf same\nf sparse\n");
	assert_int_equal(apply_to(rig, &b, &remove_style, NULL), 0);
	fd = openat(rig->lower, "same", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fremovexattr(fd, "trusted.overlay.origin"), 0); /* is not in the layer */
	cor_close(fd);
	_cleanup_free_ char *want = describe(rig->lower), *got = describe(rig->root);
	assert_string_equal(got, want);
	cor_buf_done(&b);
	cor_buf_done(&again);
}

static void no_change_is_an_empty_layer(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	make_tree(rig->lower);
	copy_tree(rig);
	diff_ok(rig->lower, rig->root, &b);
	assert_int_equal(b.len, 1024);
	cor_buf_done(&b);
}

static void writes_what_changed(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};
	int root = rig->root, sock;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	make_tree(rig->lower);
	copy_tree(rig);
	put(root, "d/sub/deep", "new");
	put(root, "d/sub/added", "a");
	assert_int_equal(unlinkat(root, "gone", 0), 0);
	assert_int_equal(unlinkat(root, "gonedir/x", 0), 0);
	assert_int_equal(unlinkat(root, "gonedir", AT_REMOVEDIR), 0);
	put(root, "gonedir", "a file now");
	assert_int_equal(unlinkat(root, "same", 0), 0);
	assert_int_equal(mkdirat(root, "same", 0700), 0);
	put(root, "same/in", "x");
	assert_int_equal(fchownat(root, "link", 5, 5, AT_SYMLINK_NOFOLLOW), 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/sock", root);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	cor_close(sock);
	diff_ok(rig->lower, root, &b);
	_cleanup_free_ char *list = entries(&b);
	assert_string_equal(
		list, "d d/\nd d/sub/\nf d/sub/added\nf d/sub/deep\nf .wh.gone\nf gonedir\nl link -> d/file\n"
		      "d same/\nf same/in\n");
	assert_int_equal(unlinkat(root, "sock", 0), 0);
	/* Applied to a copy of the lower tree it gives the upper one. */
	assert_int_equal(mkdirat(rig->dir, "other", 0755), 0);
	rig->root = openat(rig->dir, "other", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	copy_tree(rig);
	assert_int_equal(apply_to(rig, &b, &remove_style, NULL), 0);
	_cleanup_free_ char *want = describe(root), *got = describe(rig->root);
	assert_string_equal(got, want);
	cor_close(rig->root);
	rig->root = root;
	cor_buf_done(&b);
}

static void sees_metadata_alone(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};
	int fd;

	make_tree(rig->lower);
	copy_tree(rig);
	assert_int_equal(fchmodat(rig->root, "d", 0700, 0), 0);
	at_time(rig->root, "d/sub", 7, 7); /* a directory's time alone is no change */
	fd = openat(rig->root, "gone", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "user.new", "1", 1, 0), 0);
	cor_close(fd);
	/* Equal size, and times without nanoseconds: only the contents can tell. */
	put(rig->root, "same", "SAME");
	at_time(rig->root, "same", 100, 0);
	at_time(rig->root, "sparse", 100, 1);
	diff_ok(rig->lower, rig->root, &b);
	_cleanup_free_ char *list = entries(&b);
	assert_string_equal(list, "d d/\nf gone\nf same\nf sparse\n");
	cor_buf_done(&b);
}

/* The links of an inode stay together, the unchanged names too. */
static void keeps_hardlinks(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	make_tree(rig->lower);
	copy_tree(rig);
	assert_int_equal(linkat(rig->root, "h1", rig->root, "a-new", 0), 0);
	assert_int_equal(linkat(rig->root, "h1", rig->root, "z-new", 0), 0);
	diff_ok(rig->lower, rig->root, &b);
	_cleanup_free_ char *list = entries(&b);
	assert_string_equal(list, "f a-new\nh h1 -> a-new\nh h2 -> a-new\nh z-new -> a-new\n");
	b.len = 0;
	assert_int_equal(unlinkat(rig->root, "a-new", 0), 0);
	diff_ok(rig->lower, rig->root, &b);
	_cleanup_free_ char *list2 = entries(&b);
	assert_string_equal(list2, "f z-new\nh h1 -> z-new\nh h2 -> z-new\n");
	cor_buf_done(&b);
}

static void refuses_names_that_mean_whiteouts(void **state)
{
	struct rig *rig = *state;
	struct cor_error err = {0};
	struct cor_buf b = {0};

	put(rig->root, ".wh.x", "x");
	assert_true(cor_layer_diff(-1, rig->root, buf_write, &b, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	assert_string_equal(err.message, "\".wh.x\": a layer cannot hold a name that begins with .wh.");
	cor_buf_done(&b);
}

static void never_follows_links(void **state)
{
	struct rig *rig = *state;
	struct cor_buf b = {0};

	assert_int_equal(symlinkat("../canary", rig->root, "up"), 0);
	assert_int_equal(mkdirat(rig->lower, "up", 0755), 0);
	diff_ok(rig->lower, rig->root, &b);
	_cleanup_free_ char *list = entries(&b);
	assert_string_equal(list, "l up -> ../canary\n");
	b.len = 0;
	diff_ok(rig->root, rig->lower, &b);
	_cleanup_free_ char *list2 = entries(&b);
	assert_string_equal(list2, "d up/\n");
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
		T(whole_tree),          T(no_change_is_an_empty_layer),
		T(writes_what_changed), T(sees_metadata_alone),
		T(keeps_hardlinks),     T(refuses_names_that_mean_whiteouts),
		T(never_follows_links),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
