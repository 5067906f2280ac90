/* SPDX-License-Identifier: Apache-2.0 */
/* Files, descriptors over sockets, locks, mounts. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/lock.h"
#include "base/mount.h"
#include "base/path.h"
#include "base/str.h"

static int root = -1;
static char dir[] = "/tmp/cor-fd-XXXXXX";

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	root = cor_open_dir(dir, NULL);
	return root < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	cor_close(root);
	return cor_remove_tree_at(AT_FDCWD, dir, NULL);
}

static void files_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(cor_write_file_at(root, "a", "hello", 5, 0640, true, NULL), 0);
	struct stat st;
	assert_int_equal(fstatat(root, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	_cleanup_free_ char *s = NULL;
	size_t n;
	assert_int_equal(cor_read_file_at(root, "a", 5, &s, &n, NULL), 0);
	assert_string_equal(s, "hello");
	struct cor_error e = {0};
	char *t = (char *)(uintptr_t)1;
	assert_int_equal(cor_read_file_at(root, "a", 4, &t, NULL, &e), -EFBIG);
	assert_ptr_equal(t, (void *)(uintptr_t)1);
	assert_int_equal(cor_read_file_at(root, "none", 4, &t, NULL, &e), -ENOENT);
	/* A file that does not know its size. */
	_cleanup_free_ char *p = NULL;
	assert_int_equal(cor_read_file_at(AT_FDCWD, "/proc/self/status", 1 << 20, &p, &n, NULL), 0);
	assert_true(n > 100);
}

static void copies(void **state)
{
	(void)state;
	_cleanup_close_ int in = openat(root, "big", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(in, 3 << 20), 0);
	_cleanup_close_ int out = openat(root, "copy", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(cor_copy_fd(in, out), 3 << 20);
	int p[2];
	assert_int_equal(cor_pipe(p), 0);
	assert_int_equal(cor_write_full(p[1], "abc", 3), 0);
	p[1] = cor_close(p[1]);
	assert_int_equal(ftruncate(out, 0), 0);
	assert_int_equal(cor_copy_fd(p[0], out), 3);
	cor_close(p[0]);
}

static void descriptors_travel(void **state)
{
	(void)state;
	int sv[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	int fds[2] = {root, sv[0]};
	assert_int_equal(cor_send_fds(sv[0], "xyz", 3, fds, 2), 0);
	char buf[8];
	int got[1];
	size_t n = 1;
	/* Room for one: the other is closed, not leaked. */
	assert_int_equal(cor_recv_fds(sv[1], buf, sizeof(buf), got, &n), 3);
	assert_int_equal(n, 1);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	cor_close(got[0]);
	uid_t uid;
	assert_int_equal(cor_unix_peer(sv[0], &uid, NULL), 0);
	assert_int_equal(uid, getuid());
	cor_close(sv[0]);
	cor_close(sv[1]);
}

static void sockets_below_long_paths(void **state)
{
	(void)state;
	char name[201];
	memset(name, 'd', 200);
	name[200] = '\0';
	_cleanup_close_ int d = cor_open_or_mkdir_at(root, name, 0700, NULL);
	assert_true(d >= 0);
	_cleanup_close_ int l = cor_unix_listen(d, "shim.sock", NULL);
	assert_true(l >= 0);
	struct stat st;
	assert_int_equal(fstatat(d, "shim.sock", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	_cleanup_close_ int c = cor_unix_connect(d, "shim.sock", NULL);
	assert_true(c >= 0);
	struct cor_error e = {0};
	assert_int_equal(cor_unix_connect(d, "none.sock", &e), -ENOENT);
}

static void locks_exclude(void **state)
{
	(void)state;
	_cleanup_close_ int a = cor_lock_at(root, "lock", COR_LOCK_EXCLUSIVE, true, NULL);
	assert_true(a >= 0);
	assert_int_equal(cor_lock_at(root, "lock", COR_LOCK_SHARED, false, NULL), -EWOULDBLOCK);
	a = cor_close(a);
	_cleanup_close_ int b = cor_lock_at(root, "lock", COR_LOCK_SHARED, false, NULL);
	_cleanup_close_ int c = cor_lock_at(root, "lock", COR_LOCK_SHARED, false, NULL);
	assert_true(b >= 0 && c >= 0);
}

/* An overlay whose lower directories do not fit into one page of options. */
static void many_lower_directories(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	_cleanup_buf_ struct cor_buf lower = {0};
	(void)cor_buf_str(&lower, "lowerdir=");
	for (int i = 0; i < 100; i++) {
		char name[80];
		(void)snprintf(name, sizeof(name), "layer-with-quite-a-long-name-%040d", i);
		_cleanup_close_ int d = cor_open_or_mkdir_at(root, name, 0755, NULL);
		char file[16];
		(void)snprintf(file, sizeof(file), "f%d", i);
		assert_int_equal(cor_write_file_at(d, file, "x", 1, 0644, false, NULL), 0);
		(void)cor_buf_printf(&lower, "%s%s/%s", i ? ":" : "", dir, name);
	}
	_cleanup_close_ int target = cor_open_or_mkdir_at(root, "mnt", 0755, NULL);
	_cleanup_mounts_ struct cor_mounts m = {0};
	char *options[] = {lower.data, NULL};
	assert_int_equal(cor_mounts_add(&m, "overlay", "overlay", NULL, options), 0);
	struct cor_error e = {0};
	if (cor_mount_all(&m, target, &e) < 0)
		fail_msg("%s", e.message);
	struct stat st;
	assert_int_equal(fstatat(root, "mnt/f0", &st, 0), 0);
	assert_int_equal(fstatat(root, "mnt/f99", &st, 0), 0);
	assert_int_equal(cor_unmount_at(root, "mnt", &e), 0);
	assert_int_equal(fstatat(root, "mnt/f0", &st, 0), -1);
	assert_int_equal(cor_unmount_at(root, "mnt", &e), 0);
	/* A second mount that fails takes the first one with it; read-only binds are read-only. */
	char *ro[] = {(char *)(uintptr_t) "rbind", (char *)(uintptr_t) "ro", NULL};
	_cleanup_free_ char *src = cor_asprintf("%s/layer-with-quite-a-long-name-%040d", dir, 7);
	_cleanup_mounts_ struct cor_mounts two = {0};
	assert_int_equal(cor_mounts_add(&two, "bind", src, NULL, ro), 0);
	assert_int_equal(cor_mount_all(&two, target, &e), 0);
	assert_int_equal(fstatat(root, "mnt/f7", &st, 0), 0);
	assert_int_equal(mkdirat(root, "mnt/new", 0755), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(cor_unmount_at(root, "mnt", &e), 0);
	assert_int_equal(cor_mounts_add(&two, "nosuchfs", "x", NULL, NULL), 0);
	assert_true(cor_mount_all(&two, target, &e) < 0);
	assert_int_equal(fstatat(root, "mnt/f7", &st, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_bounded),  cmocka_unit_test(copies),
		cmocka_unit_test(descriptors_travel), cmocka_unit_test(sockets_below_long_paths),
		cmocka_unit_test(locks_exclude),      cmocka_unit_test(many_lower_directories),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
