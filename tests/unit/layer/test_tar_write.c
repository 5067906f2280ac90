/* SPDX-License-Identifier: Apache-2.0 */
/* The tar writer against our reader and against GNU tar. */
#include <errno.h>

#include "support.h"

static void write_ok(struct cor_tar_writer *w, struct cor_tar_entry e, const char *text)
{
	struct cor_error err = {0};

	if (text)
		e.size = strlen(text);
	if (cor_tar_write_entry(w, &e, &err) < 0)
		fail_msg("%s", err.message);
	if (text)
		assert_int_equal(cor_tar_write_data(w, text, strlen(text), &err), 0);
}

static char *repeat(char c, size_t n)
{
	char *s = calloc(1, n + 1);

	memset(s, c, n);
	return s;
}

/* What goes in comes out, at every border between ustar and pax. */
static void reads_back_what_it_wrote(void **state)
{
	static const size_t lengths[] = {1, 99, 100, 101, 155, 156, 200, 255, 256, 257, 3000};
	static const int64_t times[] = {0, 1, -1, -62135596800, 8589934591, 8589934592, 253402300800};
	static const uint32_t nsecs[] = {0, 1, 500000000, 999999999};
	static const uint32_t ids[] = {0, 2097151, 2097152, 4294967294};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (size_t j = 0; j < 4 * ARRAY_SIZE(times); j++) {
			_cleanup_free_ char *name = repeat('n', lengths[i]), *link = repeat('l', lengths[i]);
			struct cor_tar_xattr xattrs[] = {
				{(char[]){"user.a=b%c"}, (char[]){"quoted"}, 6},
				{(char[]){"user.bin"}, (char[]){"\0\n=\xff"}, 4},
				{(char[]){"user.empty"}, (char[]){""}, 0},
			};
			struct cor_tar_entry e = {
				.name = name,
				.linkname = link,
				.type = COR_TAR_SYMLINK,
				.mode = 07777,
				.uid = ids[j % 4],
				.gid = ids[(j + 1) % 4],
				.mtime_sec = times[j % ARRAY_SIZE(times)],
				.mtime_nsec = nsecs[j % 4],
				.has_atime = j % 2,
				.atime_sec = times[(j + 3) % ARRAY_SIZE(times)],
				.atime_nsec = j % 2 ? nsecs[(j + 2) % 4] : 0,
				.xattrs = xattrs,
				.n_xattrs = j % 4,
			};
			const struct cor_tar_entry *got;
			struct cor_tar_writer *w = NULL;
			struct cor_tar_reader *t = NULL;
			struct cor_buf out = {0};
			struct cor_error err = {0};

			for (size_t k = 60; k < lengths[i]; k += 61)
				name[k] = i % 2 ? '/' : 'n';
			if (e.atime_sec == 0 && !e.has_atime)
				e.atime_nsec = 0;
			if (!e.has_atime)
				e.atime_sec = 0;
			assert_int_equal(cor_tar_writer_open(buf_write, &out, &w, &err), 0);
			write_ok(w, e, NULL);
			write_ok(w, (struct cor_tar_entry){.name = (char[]){"after"}}, "text");
			assert_int_equal(cor_tar_writer_finish(w, &err), 0);
			cor_tar_writer_free(w);
			struct memory m = {.data = out.data, .n = out.len};
			assert_int_equal(cor_tar_reader_open(memory_read, &m, &t, &err), 0);
			if (cor_tar_next(t, &got, &err) < 0)
				fail_msg("%s", err.message);
			assert_string_equal(got->name, e.name);
			assert_string_equal(got->linkname, e.linkname);
			assert_int_equal(got->uid, e.uid);
			assert_int_equal(got->gid, e.gid);
			assert_int_equal(got->mtime_sec, e.mtime_sec);
			assert_int_equal(got->mtime_nsec, e.mtime_nsec);
			assert_int_equal(got->has_atime, e.has_atime);
			assert_int_equal(got->atime_sec, e.atime_sec);
			assert_int_equal(got->atime_nsec, e.atime_nsec);
			assert_int_equal(got->n_xattrs, e.n_xattrs);
			for (size_t x = 0; x < e.n_xattrs; x++) {
				assert_string_equal(got->xattrs[x].name, xattrs[x].name);
				assert_int_equal(got->xattrs[x].len, xattrs[x].len);
				assert_memory_equal(got->xattrs[x].value, xattrs[x].value, xattrs[x].len);
			}
			assert_int_equal(cor_tar_next(t, &got, &err), 1);
			assert_string_equal(got->name, "after");
			assert_int_equal(got->size, 4);
			cor_tar_reader_free(t);
			cor_buf_done(&out);
		}
	}
}

static int count_write(void *data, const void *buf, size_t n, struct cor_error *err)
{
	*(uint64_t *)data += n;
	return 0;
}

static void writes_sizes_beyond_octal(void **state)
{
	struct cor_tar_writer *w = NULL;
	struct cor_error err = {0};
	uint64_t n = 0;
	struct cor_tar_entry e = {.name = (char[]){"big"}, .size = 8589934592 + 5};

	assert_int_equal(cor_tar_writer_open(count_write, &n, &w, &err), 0);
	write_ok(w, e, NULL);
	assert_int_equal(cor_tar_write_zeros(w, e.size, &err), 0);
	assert_int_equal(cor_tar_writer_finish(w, &err), 0);
	/* pax header and records, header, contents and padding, end */
	assert_int_equal(n, 1024 + 512 + 8589934592 + 512 + 1024);
	cor_tar_writer_free(w);
}

static void insists_on_the_size(void **state)
{
	struct cor_tar_writer *w = NULL;
	struct cor_error err = {0};
	struct cor_buf out = {0};
	struct cor_tar_entry e = {.name = (char[]){"a"}, .size = 5};

	assert_int_equal(cor_tar_writer_open(buf_write, &out, &w, &err), 0);
	write_ok(w, e, NULL);
	assert_int_equal(cor_tar_write_data(w, "abc", 3, &err), 0);
	assert_true(cor_tar_write_data(w, "def", 3, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	assert_true(cor_tar_write_entry(w, &e, &err) < 0);
	assert_int_equal(err.code, COR_FAILED_PRECONDITION);
	assert_true(cor_tar_writer_finish(w, &err) < 0);
	cor_tar_writer_free(w);
	cor_buf_done(&out);
}

static int failing_write(void *data, const void *buf, size_t n, struct cor_error *err)
{
	return cor_error_errno(err, ENOSPC, "write");
}

static void passes_the_sink_s_error_on(void **state)
{
	struct cor_tar_writer *w = NULL;
	struct cor_error err = {0};

	assert_int_equal(cor_tar_writer_open(failing_write, NULL, &w, &err), 0);
	write_ok(w, (struct cor_tar_entry){.name = (char[]){"a"}}, NULL);
	assert_int_equal(cor_tar_writer_finish(w, &err), -ENOSPC);
	cor_tar_writer_free(w);
}

/* GNU tar understands it, names of every length included. */
static void agrees_with_gnu_tar(void **state)
{
	struct rig *rig = *state;
	struct cor_tar_writer *w = NULL;
	struct cor_error err = {0};
	struct cor_buf out = {0};

	assert_int_equal(cor_tar_writer_open(buf_write, &out, &w, &err), 0);
	for (size_t n = 90; n < 270; n += 3) {
		_cleanup_free_ char *name = repeat('n', n);
		name[n / 2] = '/';
		write_ok(w,
			 (struct cor_tar_entry){
				 .name = name, .mode = 0644, .mtime_sec = 5, .mtime_nsec = (uint32_t)n},
			 "x");
	}
	assert_int_equal(cor_tar_writer_finish(w, &err), 0);
	cor_tar_writer_free(w);
	assert_int_equal(cor_write_file_at(rig->dir, "t.tar", out.data, out.len, 0600, false, &err), 0);
	assert_int_equal(run_in(rig, "tar", "-C", "lower", "--no-same-owner", "-xf", "t.tar", NULL), 0);
	for (size_t n = 90; n < 270; n += 3) {
		_cleanup_free_ char *name = repeat('n', n);
		name[n / 2] = '/';
		assert_int_equal(stat_at(rig->lower, name).st_size, 1);
		assert_int_equal(stat_at(rig->lower, name).st_mtim.tv_nsec, n);
	}
	cor_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back_what_it_wrote),
		cmocka_unit_test(writes_sizes_beyond_octal),
		cmocka_unit_test(insists_on_the_size),
		cmocka_unit_test(passes_the_sink_s_error_on),
		cmocka_unit_test_setup_teardown(agrees_with_gnu_tar, rig_setup, rig_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
