/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults at every step: the Nth allocation fails, the Nth system call that changes the tree fails, the source fails or
 * ends at every byte. Each time: an error that says so, nothing leaked (ASan looks), the canary untouched, and the same
 * work succeeds afterwards. The functions are replaced at link time (--wrap).
 */
#include <errno.h>
#include <fcntl.h>

#include "base/path.h"
#include "support.h"

static long countdown = -1; /* calls until one fails; -1: none does */
static bool count_allocations, count_calls, failed;

static bool fails(bool counted)
{
	if (!counted || countdown < 0 || countdown-- > 0)
		return false;
	failed = true;
	return true;
}

#define WRAP_ALLOCATION(type, name, params, args) \
	type __real_##name params;                \
	type __wrap_##name params;                \
	type __wrap_##name params                 \
	{                                         \
		if (fails(count_allocations)) {   \
			errno = ENOMEM;           \
			return NULL;              \
		}                                 \
		return __real_##name args;        \
	}
WRAP_ALLOCATION(void *, malloc, (size_t n), (n))
WRAP_ALLOCATION(void *, calloc, (size_t n, size_t m), (n, m))
WRAP_ALLOCATION(void *, realloc, (void *p, size_t n), (p, n))
WRAP_ALLOCATION(void *, reallocarray, (void *p, size_t n, size_t m), (p, n, m))
WRAP_ALLOCATION(char *, strdup, (const char *s), (s))
WRAP_ALLOCATION(char *, strndup, (const char *s, size_t n), (s, n))

#define WRAP_CALL(type, name, params, args) \
	type __real_##name params;          \
	type __wrap_##name params;          \
	type __wrap_##name params           \
	{                                   \
		if (fails(count_calls)) {   \
			errno = EIO;        \
			return -1;          \
		}                           \
		return __real_##name args;  \
	}
WRAP_CALL(int, mkdirat, (int fd, const char *name, mode_t mode), (fd, name, mode))
WRAP_CALL(int, mknodat, (int fd, const char *name, mode_t mode, dev_t dev), (fd, name, mode, dev))
WRAP_CALL(int, symlinkat, (const char *to, int fd, const char *name), (to, fd, name))
WRAP_CALL(int, linkat, (int a, const char *x, int b, const char *y, int flags), (a, x, b, y, flags))
WRAP_CALL(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAP_CALL(int, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP_CALL(int, futimens, (int fd, const struct timespec times[2]), (fd, times))
WRAP_CALL(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n))
WRAP_CALL(int, fsetxattr, (int fd, const char *name, const void *v, size_t n, int f), (fd, name, v, n, f))
WRAP_CALL(int, unlinkat, (int fd, const char *name, int flags), (fd, name, flags))
WRAP_CALL(int, fchownat, (int fd, const char *name, uid_t u, gid_t g, int f), (fd, name, u, g, f))

static void make_layer(struct cor_buf *b)
{
	char name[201];

	memset(name, 'n', 200);
	name[200] = 0;
	tb_pax(b, 'g', "comment=x", NULL);
	tb_pax(b, 'x', "SCHILY.xattr.user.a=b", "mtime=5.5", NULL);
	tb_dir(b, "d");
	tb_file(b, "d/f", "contents");
	tb_file(b, "a/b/c", "missing parents");
	tb_long(b, 'L', name);
	tb_file(b, "x", "long");
	tb_hardlink(b, "d/h", "d/f");
	tb_symlink(b, "l", "d");
	tb_file(b, "l/through", "x");
	tb_dir(b, "l");
	tb_header(b, (struct th){.name = "p", .type = '6'});
	tb_pax(b, 'x', "GNU.sparse.map=0,2,10,2", "GNU.sparse.size=20", NULL);
	tb_file(b, "sparse", "abcd");
	tb_file(b, "d/.wh.f2", "");
	tb_file(b, "a/.wh..wh..opq", "");
	tb_hardlink(b, "from-lower", "low/er");
	tb_end(b);
}

static void clear(struct rig *rig)
{
	assert_int_equal(cor_remove_tree_at(rig->dir, "root", NULL), 0);
	assert_int_equal(mkdirat(rig->dir, "root", 0755), 0);
	cor_close(rig->root);
	rig->root = openat(rig->dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* One run with the Nth counted thing failing; false when nothing failed any more. */
static bool run_apply(struct rig *rig, const struct cor_buf *tar, enum cor_whiteout_style style,
		      bool allocations, long n)
{
	struct cor_apply_options opts = {.whiteouts = style, .lower_fds = &rig->lower, .n_lower = 1};
	struct cor_error err = {0};
	int r;

	clear(rig);
	if (style == COR_WHITEOUT_REMOVE) {
		assert_int_equal(mkdirat(rig->root, "low", 0755), 0);
		put(rig->root, "low/er", "lower");
	}
	failed = false;
	count_allocations = allocations;
	count_calls = !allocations;
	countdown = n;
	r = apply_to(rig, tar, &opts, &err);
	countdown = -1;
	if (failed) {
		if (r >= 0)
			fail_msg("failure %ld went unnoticed", n);
		assert_true(err.message[0] != 0 && !strchr(err.message, '\n'));
		assert_int_equal(r, allocations ? -ENOMEM : -EIO);
	} else if (r < 0) {
		fail_msg("%s", err.message);
	}
	return failed;
}

static void sweep(struct rig *rig, bool allocations)
{
	for (int style = 0; style < 2; style++) {
		struct cor_buf tar = {0};
		long n = 0;

		if (!exists(rig->lower, "low"))
			assert_int_equal(mkdirat(rig->lower, "low", 0755), 0);
		put(rig->lower, "low/er", "lower");
		make_layer(&tar);
		while (run_apply(rig, &tar, style, allocations, n))
			n++;
		assert_true(n > 20);
		cor_buf_done(&tar);
	}
}

static void apply_with_failing_allocations(void **state)
{
	sweep(*state, true);
}

static void apply_with_failing_calls(void **state)
{
	sweep(*state, false);
}

static void diff_with_failing_allocations(void **state)
{
	struct rig *rig = *state;
	struct cor_buf tar = {0};
	long n = 0;

	make_layer(&tar);
	assert_int_equal(mkdirat(rig->lower, "low", 0755), 0);
	put(rig->lower, "low/er", "lower");
	assert_false(run_apply(rig, &tar, COR_WHITEOUT_REMOVE, true, 1 << 20));
	do {
		struct cor_buf out = {0};
		struct cor_error err = {0};
		int r;

		failed = false;
		count_allocations = true;
		cor_buf_append(&out, (char[1 << 17]){0}, 1 << 17); /* the sink's own memory is there */
		out.len = 0;
		countdown = n;
		r = cor_layer_diff(rig->lower, rig->root, buf_write, &out, &err);
		countdown = -1;
		if (failed)
			assert_int_equal(r, -ENOMEM);
		else if (r < 0)
			fail_msg("%s", err.message);
		cor_buf_done(&out);
		n++;
	} while (failed);
	assert_true(n > 20);
	cor_buf_done(&tar);
}

/* A source that fails at byte `at`. */
struct broken {
	struct memory memory;
	size_t at;
};
static ssize_t broken_read(void *data, void *buf, size_t n, struct cor_error *err)
{
	struct broken *b = data;

	if (b->memory.pos >= b->at)
		return cor_error_errno(err, EIO, "read blob");
	return memory_read(&b->memory, buf, MIN(n, b->at - b->memory.pos), err);
}

static void apply_from_failing_sources(void **state)
{
	struct rig *rig = *state;

	for (int kind = COR_COMPRESSION_NONE; kind <= COR_COMPRESSION_ZSTD; kind++) {
		struct cor_buf tar = {0}, packed = {0};
		struct cor_compress *c = NULL;

		tb_file(&tar, "a", "12345");
		tb_file(&tar, "b", "12345");
		tb_end(&tar);
		assert_int_equal(cor_compress_open(kind, buf_write, &packed, &c, NULL), 0);
		assert_int_equal(cor_compress_write(c, tar.data, tar.len, NULL), 0);
		assert_int_equal(cor_compress_finish(c, NULL), 0);
		cor_compress_free(c);
		for (size_t at = 0; at <= packed.len; at++) {
			struct broken b = {.memory = {.data = packed.data, .n = packed.len}, .at = at};
			struct cor_apply_result result;
			struct cor_error err = {0};

			assert_int_equal(
				cor_layer_apply(rig->root, broken_read, &b, &remove_style, &result, &err),
				-EIO);
			assert_string_equal(err.message, "read blob: input/output error");
		}
		cor_buf_done(&tar);
		cor_buf_done(&packed);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	if (geteuid() != 0) {
		print_message("skipped: needs root (chown, mknod, trusted xattrs)\n");
		return 77;
	}
	const struct CMUnitTest tests[] = {
		T(apply_with_failing_allocations),
		T(apply_with_failing_calls),
		T(diff_with_failing_allocations),
		T(apply_from_failing_sources),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
