/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot back ends by themselves: directories and numbers, faithful copies, and where overlayfs can work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "snapshot/internal.h"

struct fixture {
	char dir[40];
	struct cor_error err;
};

#define ok(r, err)                                                     \
	do {                                                           \
		int _r = (int)(r);                                     \
		if (_r < 0)                                            \
			fail_msg("%s: %d %s", #r, _r, (err)->message); \
	} while (0)

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "/tmp/cor-snap-XXXXXX");
	*state = f;
	return mkdtemp(f->dir) ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r = cor_remove_tree_at(AT_FDCWD, f->dir, NULL);
	free(f);
	return r;
}

/* What the command prints, run in the test's directory. */
static char *shell(struct fixture *f, const char *command)
{
	int out[2], status;
	assert_int_equal(pipe(out), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (chdir(f->dir) < 0 || dup2(out[1], 1) < 0)
			_exit(126);
		close(out[0]);
		execlp("bash", "bash", "-euc", command, NULL);
		_exit(127);
	}
	close(out[1]);
	char *text = NULL;
	assert_int_equal(cor_read_fd(out[0], 1 << 20, &text, NULL, NULL), 0);
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s: status %x", command, status);
	return text;
}

static struct cor_snapshot_backend *open_backend(struct fixture *f, const char *name, const char *sub)
{
	struct cor_snapshot_backend *b = NULL;
	_cleanup_free_ char *path = cor_asprintf("%s/%s", f->dir, sub);
	ok(cor_snapshot_backend_open(name, path, &b, &f->err), &f->err);
	assert_string_equal(b->ops->name, name);
	return b;
}

static int sum(uint64_t id, void *data)
{
	*(uint64_t *)data += id;
	return 0;
}

static uint64_t ids(struct cor_snapshot_backend *b)
{
	uint64_t total = 0;
	assert_int_equal(b->ops->walk(b, sum, &total, NULL), 0);
	return total;
}

static void numbers(struct fixture *f, const char *name)
{
	struct cor_snapshot_backend *b = open_backend(f, name, "b");
	int64_t size, inodes;
	ok(b->ops->create(b, 3, NULL, 0, false, &f->err), &f->err);
	ok(b->ops->create(b, 4, (uint64_t[]){3}, 1, true, &f->err), &f->err);
	assert_int_equal(b->ops->create(b, 3, NULL, 0, false, &f->err), -EEXIST);
	assert_int_equal(f->err.code, COR_OK);
	assert_int_equal(ids(b), 7);
	ok(b->ops->usage(b, 3, &size, &inodes, &f->err), &f->err);
	assert_int_equal(inodes, 1);
	ok(b->ops->sync(b, 3, &f->err), &f->err);
	ok(b->ops->remove(b, 3, &f->err), &f->err);
	ok(b->ops->remove(b, 3, &f->err), &f->err);
	assert_int_equal(ids(b), 4);
	ok(b->ops->detach(b, 4, &f->err), &f->err);
	assert_int_equal(ids(b), 0);
	/* The number is free although the data is still there. */
	ok(b->ops->create(b, 4, NULL, 0, false, &f->err), &f->err);
	ok(b->ops->purge(b, &f->err), &f->err);
	assert_int_equal(ids(b), 4);
	assert_true(b->ops->create(b, 5, (uint64_t[]){99}, 1, false, &f->err) < 0);
	assert_int_equal(ids(b), 4);
	b->ops->free(b);
	_cleanup_free_ char *left = shell(f, "ls b/snapshots | tr '\\n' ' '");
	assert_string_equal(left, "4 ");
	_cleanup_free_ char *modes = shell(f, "stat -c %a b b/snapshots | tr '\\n' ' '");
	assert_string_equal(modes, "700 700 ");
}

static void overlayfs_numbers(void **state)
{
	numbers(*state, "overlayfs");
}

static void native_numbers(void **state)
{
	numbers(*state, "native");
}

#define SNAPSHOT_SUM                                                                                         \
	"tar --sort=name --format=pax --pax-option=delete=atime,delete=ctime --xattrs --xattrs-include='*' " \
	"--acls "                                                                                            \
	"--numeric-owner -C \"$1\" -cf - . | sha256sum"

/* A copy that tar cannot tell from the original: with every kind of entry. */
static void faithful_copy(void **state)
{
	struct fixture *f = *state;
	struct cor_snapshot_backend *b = open_backend(f, "native", "b");
	ok(b->ops->create(b, 1, NULL, 0, false, &f->err), &f->err);
	free(shell(f,
		   "cd b/snapshots/1; mkdir -p d/e; echo text > d/file; ln d/file d/e/hard; ln d/file hard2; "
		   "ln -s d/file link; "
		   "ln -s /nowhere dangling; mkfifo -m 640 pipe; mknod -m 600 null c 1 3; mknod block b 7 0; "
		   "truncate -s 10M sparse; echo end >> sparse; echo mid | dd of=sparse bs=1 seek=5000000 "
		   "conv=notrunc 2>/dev/null; "
		   "cp /bin/true suid; chmod 6755 suid; chown 12:34 suid d; chmod 1777 d/e; touch -h -d "
		   "'2001-02-03 04:05:06.123456789' link d/file d; "
		   "setfattr -n user.x -v y d/file; setfattr -n trusted.t -v u d; setfattr -h -n trusted.l "
		   "-v m link; "
		   "setfattr -n trusted.p -v q pipe; setfacl -m u:99:r d/file 2>/dev/null || true; "
		   "setcap cap_net_raw+ep d/file 2>/dev/null || setfattr -n security.capability -v "
		   "0x0100000200200000000000000000000000000000 suid; "
		   "chmod 750 .; chown 5:6 .; touch -d '2002-02-02 02:02:02.02' ."));
	ok(b->ops->create(b, 2, (uint64_t[]){1}, 1, false, &f->err), &f->err);
	_cleanup_free_ char *one = shell(f, "set -- b/snapshots/1; " SNAPSHOT_SUM);
	_cleanup_free_ char *two = shell(f, "set -- b/snapshots/2; " SNAPSHOT_SUM);
	assert_string_equal(one, two);
	_cleanup_free_ char *facts = shell(
		f, "cd b/snapshots/2; [ d/file -ef hard2 ] && [ d/e/hard -ef hard2 ] && stat -c %h hard2; "
		   "[ $(stat -c %b sparse) -lt 200 ] && echo sparse; "
		   "[ $(stat -c %i d/file) != $(stat -c %i ../1/d/file) ] && echo copy; getfattr -h "
		   "--only-values -n trusted.l link");
	assert_string_equal(facts, "3\nsparse\ncopy\nm");
	b->ops->free(b);
}

static void too_deep(void **state)
{
	struct fixture *f = *state;
	struct cor_snapshot_backend *b = open_backend(f, "native", "b");
	ok(b->ops->create(b, 1, NULL, 0, false, &f->err), &f->err);
	free(shell(f, "cd b/snapshots/1; for i in $(seq 420); do mkdir d; cd d; done"));
	assert_true(b->ops->create(b, 2, (uint64_t[]){1}, 1, false, &f->err) < 0);
	assert_int_equal(ids(b), 1);
	b->ops->free(b);
}

static void supported_here(void **state)
{
	struct fixture *f = *state;
	bool fresh = false;
	struct cor_snapshot_backend *b = open_backend(f, "overlayfs", "b");
	ok(b->ops->probe(b, &fresh, &f->err), &f->err);
	assert_true(fresh);
	ok(b->ops->probe(b, &fresh, &f->err), &f->err);
	assert_false(fresh);
	_cleanup_free_ char *left = shell(f, "ls b | tr '\\n' ' '");
	assert_string_equal(left, "snapshots supported ");
	b->ops->free(b);
}

/* What was found out on another file system does not hold here: a store that was moved. */
static void answer_of_another_file_system(void **state)
{
	struct fixture *f = *state;
	bool fresh = false;
	struct cor_snapshot_backend *b = open_backend(f, "overlayfs", "b");
	ok(b->ops->probe(b, &fresh, &f->err), &f->err);
	_cleanup_close_ int dir = cor_open_dir(f->dir, NULL);
	assert_true(cor_overlayfs_remembered(dir, "b"));
	assert_false(cor_overlayfs_remembered(dir, "c"));
	free(shell(f, "rm b/supported; : >b/supported")); /* no answer at all */
	assert_false(cor_overlayfs_remembered(dir, "b"));
	free(shell(f, "rm b/supported; ln -s 0:0 b/supported"));
	assert_false(cor_overlayfs_remembered(dir, "b"));
	ok(b->ops->probe(b, &fresh, &f->err), &f->err);
	assert_true(fresh);
	assert_true(cor_overlayfs_remembered(dir, "b"));
	/* A "no" neither. */
	free(shell(f, "rm b/supported; { cat /proc/sys/kernel/random/boot_id; echo 0:0; echo no; } "
		      ">b/unsupported"));
	ok(b->ops->probe(b, &fresh, &f->err), &f->err);
	assert_true(fresh);
	_cleanup_free_ char *left = shell(f, "ls b | tr '\\n' ' '");
	assert_string_equal(left, "snapshots supported ");
	b->ops->free(b);
}

/* On an overlay there can be no upper directory: found out once, said with the reason. */
static void unsupported_on_overlay(void **state)
{
	struct fixture *f = *state;
	bool fresh = false;
	char options[200], mnt[60];
	free(shell(f, "mkdir l u w m"));
	snprintf(options, sizeof(options), "lowerdir=%s/l,upperdir=%s/u,workdir=%s/w", f->dir, f->dir,
		 f->dir);
	snprintf(mnt, sizeof(mnt), "%s/m", f->dir);
	if (mount("overlay", mnt, "overlay", 0, options) < 0)
		skip();
	struct cor_snapshot_backend *b = open_backend(f, "overlayfs", "m/b");
	int r = b->ops->probe(b, &fresh, &f->err);
	int again = b->ops->probe(b, NULL, NULL);
	b->ops->free(b);
	_cleanup_free_ char *left = shell(f, "ls m/b | tr '\\n' ' '");
	assert_int_equal(umount2(mnt, MNT_DETACH), 0);
	assert_true(r < 0 && again < 0 && fresh);
	assert_int_equal(f->err.code, COR_FAILED_PRECONDITION);
	assert_non_null(strstr(f->err.message, "overlayfs cannot work in"));
	assert_string_equal(left, "snapshots unsupported ");
}

static void awkward_path(void **state)
{
	struct fixture *f = *state;
	struct cor_snapshot_backend *b = open_backend(f, "overlayfs", "a:b");
	assert_true(b->ops->probe(b, NULL, &f->err) < 0);
	assert_int_equal(f->err.code, COR_FAILED_PRECONDITION);
	b->ops->free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(overlayfs_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(native_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(faithful_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(too_deep, setup, teardown),
		cmocka_unit_test_setup_teardown(supported_here, setup, teardown),
		cmocka_unit_test_setup_teardown(answer_of_another_file_system, setup, teardown),
		cmocka_unit_test_setup_teardown(unsupported_on_overlay, setup, teardown),
		cmocka_unit_test_setup_teardown(awkward_path, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
