/* SPDX-License-Identifier: Apache-2.0 */
/* Sparse files: the four formats as GNU tar writes them, and maps that must be refused. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

static enum cor_code first_error(struct cor_buf *tar, struct cor_error *err)
{
	struct memory m = {.data = tar->data, .n = tar->len};
	struct cor_tar_reader *t = NULL;
	const struct cor_tar_entry *e;
	char buf[4096];
	ssize_t n = 0;
	int r;

	*err = (struct cor_error){0};
	assert_int_equal(cor_tar_reader_open(memory_read, &m, &t, err), 0);
	while ((r = cor_tar_next(t, &e, err)) > 0 && n >= 0)
		while ((n = cor_tar_read(t, buf, sizeof(buf), err)) > 0)
			;
	cor_tar_reader_free(t);
	cor_buf_done(tar);
	return err->code;
}

static void refuses(struct cor_buf *tar, const char *part)
{
	struct cor_error err;

	assert_int_not_equal(first_error(tar, &err), COR_OK);
	if (!strstr(err.message, part))
		fail_msg("\"%s\" is not in: %s", part, err.message);
}

static void slot(struct cor_buf *b, size_t at, unsigned long offset, unsigned long length)
{
	char text[32];

	snprintf(text, sizeof(text), "%011lo", offset);
	memcpy(b->data + at, text, 12);
	snprintf(text, sizeof(text), "%011lo", length);
	memcpy(b->data + at + 12, text, 12);
}

static size_t old_header(struct cor_buf *b, long stored, unsigned long real, bool extended)
{
	size_t at = tb_header(b, (struct th){.name = "s", .type = 'S', .magic = "gnu", .size = stored});
	char text[32];

	snprintf(text, sizeof(text), "%011lo", real);
	memcpy(b->data + at + 483, text, 12);
	b->data[at + 482] = extended;
	return at;
}

static void reads_old_format(void **state)
{
	struct cor_buf b = {0};
	struct cor_error err = {0};
	size_t at = old_header(&b, 8, 2000, true);
	struct cor_tar_reader *t = NULL;
	const struct cor_tar_entry *e;
	char *text = NULL;
	char want[2000] = {0};
	size_t len;

	slot(&b, at + 386, 0, 2);
	slot(&b, at + 386 + 24, 100, 2);
	slot(&b, at + 386 + 48, 200, 0);
	slot(&b, at + 386 + 72, 300, 2);
	tb_checksum(&b, at);
	at = b.len;
	cor_buf_append(&b, (char[512]){0}, 512);
	slot(&b, at, 1000, 2);
	slot(&b, at + 24, 2000, 0);
	tb_data(&b, "aabbccdd", 8);
	tb_file(&b, "after", "x");
	memcpy(want, "aa", 2);
	memcpy(want + 100, "bb", 2);
	memcpy(want + 300, "cc", 2);
	memcpy(want + 1000, "dd", 2);
	struct memory m = {.data = b.data, .n = b.len, .chunk = 100};
	assert_int_equal(cor_tar_reader_open(memory_read, &m, &t, &err), 0);
	assert_int_equal(cor_tar_next(t, &e, &err), 1);
	assert_true(e->sparse);
	assert_int_equal(e->size, 2000);
	assert_int_equal(cor_tar_read_all(t, 4000, &text, &len, &err), 0);
	assert_int_equal(len, 2000);
	assert_memory_equal(text, want, 2000);
	assert_int_equal(cor_tar_next(t, &e, &err), 1);
	assert_string_equal(e->name, "after");
	free(text);
	cor_tar_reader_free(t);
	cor_buf_done(&b);
}

static void refuses_old_maps(void **state)
{
	struct {
		unsigned long o1, l1, o2, l2, real;
		long stored;
		const char *part;
	} cases[] = {
		{100, 2, 50, 2, 2000, 4, "malformed sparse map"},          /* out of order */
		{0, 10, 5, 2, 2000, 12, "malformed sparse map"},           /* overlap */
		{0, 2, 1999, 2, 2000, 4, "malformed sparse map"},          /* beyond the end */
		{0, 2, 100, 2, 2000, 5, "does not match the stored data"}, /* more stored */
		{0, 2, 100, 2, 2000, 3, "does not match the stored data"}, /* less stored */
		{077777777777, 077777777777, 0, 0, 2000, 4, "malformed sparse map"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_buf b = {0};
		size_t at = old_header(&b, cases[i].stored, cases[i].real, false);

		slot(&b, at + 386, cases[i].o1, cases[i].l1);
		slot(&b, at + 410, cases[i].o2, cases[i].l2);
		tb_checksum(&b, at);
		tb_data(&b, "xxxxxxxxxxxx", (size_t)cases[i].stored);
		refuses(&b, cases[i].part);
	}
	/* Not in a format that has no such map. */
	struct cor_buf b = {0};
	tb_header(&b, (struct th){.name = "s", .type = 'S'});
	refuses(&b, "format that has none");
}

/* threats.md, allocation: a chain of extension headers without an end. */
static void caps_old_chain(void **state)
{
	struct cor_buf b = {0};
	size_t at = old_header(&b, -1, 2000, true);
	char block[512] = {0};

	tb_checksum(&b, at);
	block[504] = 1;
	for (int i = 0; i < 3000; i++)
		cor_buf_append(&b, block, 512);
	refuses(&b, "sparse map is too large");
}

static void refuses_pax_maps(void **state)
{
	static const struct {
		const char *a, *b, *c, *part;
	} cases[] = {
		{"GNU.sparse.map=0,1,2", "GNU.sparse.size=10", "x=y", "malformed sparse map"},
		{"GNU.sparse.map=0,1,", "GNU.sparse.size=10", "x=y", "malformed sparse map"},
		{"GNU.sparse.map=0,,1", "GNU.sparse.size=10", "x=y", "malformed sparse map"},
		{"GNU.sparse.map=0,-1", "GNU.sparse.size=10", "x=y", "malformed sparse map"},
		{"GNU.sparse.map=0,18446744073709551615", "GNU.sparse.size=10", "x=y",
		 "malformed sparse map"},
		{"GNU.sparse.map=9223372036854775807,9223372036854775807", "GNU.sparse.size=10", "x=y",
		 "malformed sparse map"},
		{"GNU.sparse.map=0,11", "GNU.sparse.size=10", "x=y", "malformed sparse map"},
		{"GNU.sparse.map=0,4", "x=y", "x=z", "without the file's size"},
		{"GNU.sparse.map=0,3", "GNU.sparse.size=10", "x=y", "does not match"},
		{"GNU.sparse.offset=0", "GNU.sparse.size=10", "x=y", "malformed"},
		{"GNU.sparse.numbytes=4", "GNU.sparse.size=10", "x=y", "malformed"},
		{"GNU.sparse.major=2", "GNU.sparse.minor=0", "GNU.sparse.realsize=4",
		 "unsupported sparse format 2.0"},
		{"GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=4", "too large"},
		{"GNU.sparse.size=-1", "x=y", "x=y", "malformed"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_buf b = {0};

		tb_pax(&b, 'x', cases[i].a, cases[i].b, cases[i].c, NULL);
		tb_file(&b, "s", "data");
		refuses(&b, cases[i].part);
	}
	struct cor_buf b = {0};
	tb_pax(&b, 'x', "GNU.sparse.map=0,0", "GNU.sparse.size=10", NULL);
	tb_dir(&b, "s");
	refuses(&b, "not a file");
}

static void refuses_map_1_0(void **state)
{
	static const struct {
		const char *map, *part;
	} cases[] = {
		{"500\n0\n1\n", "too large"},
		{"x\n", "malformed sparse map"},
		{"1\n0\n-1\n", "malformed sparse map"},
		{"99999999999999999999999999999\n", "malformed sparse map"},
		{"9999999999\n0\n10\n", "too large"},
		{"2\n0\n1\n0\n1\n", "malformed sparse map"},
		{"1\n0\n5\n", "does not match"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_buf b = {0};
		char block[512];

		memset(block, '1', sizeof(block));
		memcpy(block, cases[i].map, strlen(cases[i].map));
		if (strstr(cases[i].part, "large")) /* digits to the end of the block, and no more data */
			for (size_t j = strlen(cases[i].map); j < 512; j++)
				block[j] = j % 2 ? '\n' : '0';
		tb_pax(&b, 'x', "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=100000",
		       NULL);
		tb_header(&b, (struct th){.name = "s", .size = 513});
		tb_data(&b, block, 512);
		tb_data(&b, "x", 1);
		refuses(&b, cases[i].part);
	}
}

/* GNU tar writes a file with holes in every format it knows; the result must be that file, with its holes. */
static void agrees_with_gnu_tar(void **state)
{
	struct rig *rig = *state;
	static const char *const formats[] = {"--format=gnu", "--sparse-version=0.0", "--sparse-version=0.1",
					      "--sparse-version=1.0"};
	int fd = openat(rig->lower, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	NEEDS_ROOT();
	for (int i = 0; i < 60; i++) /* more runs than the old header and one extension hold */
		assert_int_equal(pwrite(fd, "data", 4, i * 200000L), 4);
	assert_int_equal(ftruncate(fd, 60 * 200000L), 0);
	cor_close(fd);
	put(rig->lower, "zz-after", "after");
	_cleanup_free_ char *want = describe(rig->lower);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct cor_apply_result result;
		struct cor_error err = {0};
		_cleanup_free_ char *text = NULL, *got = NULL;
		size_t len;
		struct memory m;

		assert_int_equal(run_in(rig, "tar", "-S", i ? "--format=posix" : "--format=gnu", formats[i],
					"-C", "lower", "-cf", "t.tar", "sparse", "zz-after", NULL),
				 0);
		assert_true(cor_read_file_at(rig->dir, "t.tar", 1 << 24, &text, &len, &err) >= 0);
		assert_true(len < 1000000);
		m = (struct memory){.data = text, .n = len};
		if (cor_layer_apply(rig->root, memory_read, &m, &remove_style, &result, &err) < 0)
			fail_msg("%s: %s", formats[i], err.message);
		got = i ? describe(rig->root) : describe_untimed(rig->root);
		if (i) {
			assert_string_equal(got, want);
		} else {
			_cleanup_free_ char *untimed = describe_untimed(rig->lower);
			assert_string_equal(got, untimed);
		}
		assert_true(stat_at(rig->root, "sparse").st_blocks * 512 < 1000000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_old_format),
		cmocka_unit_test(refuses_old_maps),
		cmocka_unit_test(caps_old_chain),
		cmocka_unit_test(refuses_pax_maps),
		cmocka_unit_test(refuses_map_1_0),
		cmocka_unit_test_setup_teardown(agrees_with_gnu_tar, rig_setup, rig_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
