/* SPDX-License-Identifier: Apache-2.0 */
/* The tar reader: what it makes of each format, and what it must refuse. */
#include <errno.h>
#include <string.h>

#include "support.h"

struct reading {
	struct cor_buf tar;
	struct memory memory;
	struct cor_tar_reader *t;
	const struct cor_tar_entry *e;
	struct cor_error err;
};

static void begin(struct reading *r, size_t chunk)
{
	r->memory = (struct memory){.data = r->tar.data, .n = r->tar.len, .chunk = chunk};
	assert_int_equal(cor_tar_reader_open(memory_read, &r->memory, &r->t, &r->err), 0);
}

static const struct cor_tar_entry *next(struct reading *r)
{
	int n = cor_tar_next(r->t, &r->e, &r->err);

	if (n < 0)
		fail_msg("%s", r->err.message);
	return n > 0 ? r->e : NULL;
}

static void end(struct reading *r)
{
	cor_tar_reader_free(r->t);
	cor_buf_done(&r->tar);
}

/* Reads everything (data too); the first error's class. */
static enum cor_code read_all(struct cor_buf *tar, struct cor_error *err)
{
	struct reading r = {.tar = *tar};
	char buf[700];
	ssize_t n = 0;
	int got;

	begin(&r, 0);
	while ((got = cor_tar_next(r.t, &r.e, err)) > 0 && n >= 0)
		while ((n = cor_tar_read(r.t, buf, sizeof(buf), err)) > 0)
			;
	if (got < 0 || n < 0) {
		struct cor_error again = {0};
		/* Sticky: the reader does not go on behind an error. */
		assert_true(cor_tar_next(r.t, &r.e, &again) < 0);
		assert_null(strchr(err->message, '\n'));
	}
	end(&r);
	*tar = (struct cor_buf){0};
	return err->code;
}

static void refuses(struct cor_buf *tar, enum cor_code code, const char *part)
{
	struct cor_error err = {0};

	assert_int_equal(read_all(tar, &err), code);
	if (!strstr(err.message, part))
		fail_msg("\"%s\" is not in: %s", part, err.message);
}

static void reads_ustar(void **state)
{
	for (size_t chunk = 0; chunk <= 1000; chunk += 333) {
		struct reading r = {0};
		char *text = NULL;

		tb_header(&r.tar, (struct th){.name = "a",
					      .prefix = "some/dir",
					      .size = 5,
					      .mode = 04751,
					      .uid = 7,
					      .gid = 8});
		tb_data(&r.tar, "hello", 5);
		tb_header(&r.tar, (struct th){.name = "l", .type = '2', .link = "target"});
		tb_header(&r.tar,
			  (struct th){.name = "c", .type = '3', .devmajor = 0xfff, .devminor = 0xfffff});
		tb_dir(&r.tar, "d/");
		tb_end(&r.tar);
		begin(&r, chunk);
		assert_non_null(next(&r));
		assert_string_equal(r.e->name, "some/dir/a");
		assert_int_equal(r.e->type, COR_TAR_FILE);
		assert_int_equal(r.e->mode, 04751);
		assert_int_equal(r.e->uid, 7);
		assert_int_equal(r.e->gid, 8);
		assert_int_equal(r.e->size, 5);
		assert_int_equal(r.e->mtime_sec, 1000000000);
		assert_int_equal(cor_tar_read_all(r.t, 4, &text, NULL, &r.err) < 0, 1);
		assert_int_equal(cor_tar_read_all(r.t, 5, &text, NULL, &r.err), 0);
		assert_string_equal(text, "hello");
		free(text);
		assert_non_null(next(&r));
		assert_int_equal(r.e->type, COR_TAR_SYMLINK);
		assert_string_equal(r.e->linkname, "target");
		assert_non_null(next(&r));
		assert_int_equal(r.e->devmajor, 0xfff);
		assert_int_equal(r.e->devminor, 0xfffff);
		assert_non_null(next(&r));
		assert_string_equal(r.e->name, "d/");
		assert_null(next(&r));
		assert_null(next(&r));
		end(&r);
	}
}

static void reads_v7_and_gnu(void **state)
{
	struct reading r = {0};
	char name[301];

	memset(name, 'n', 300);
	name[300] = 0;
	tb_header(&r.tar, (struct th){.name = "dir/", .magic = "v7"});
	tb_header(&r.tar, (struct th){.name = "file", .magic = "v7"});
	tb_long(&r.tar, 'L', name);
	tb_long(&r.tar, 'K', "a/long/target");
	tb_header(&r.tar, (struct th){.name = "cut", .type = '2', .link = "cut", .magic = "gnu"});
	/* GNU keeps other things where ustar has the prefix. */
	tb_header(&r.tar, (struct th){.name = "plain", .magic = "gnu", .prefix = "15000000000"});
	tb_end(&r.tar);
	begin(&r, 0);
	assert_int_equal(next(&r)->type, COR_TAR_DIRECTORY);
	assert_int_equal(next(&r)->type, COR_TAR_FILE);
	assert_string_equal(next(&r)->name, name);
	assert_string_equal(r.e->linkname, "a/long/target");
	assert_string_equal(next(&r)->name, "plain");
	assert_null(next(&r));
	end(&r);
}

static void base256(struct cor_buf *b, size_t at, size_t n, int64_t value)
{
	for (size_t i = 0; i < n; i++)
		b->data[at + n - 1 - i] = (char)(i < 8 ? value >> (8 * i) : value < 0 ? -1 : 0);
	b->data[at] = (char)(b->data[at] | 0x80);
}

static void reads_base256(void **state)
{
	struct reading r = {0};
	size_t at = tb_header(&r.tar, (struct th){.name = "a", .magic = "gnu"});

	base256(&r.tar, at + 108, 8, 4000000000);
	base256(&r.tar, at + 136, 12, -5);
	tb_checksum(&r.tar, at);
	begin(&r, 0);
	assert_int_equal(next(&r)->uid, 4000000000);
	assert_int_equal(r.e->mtime_sec, -5);
	assert_null(next(&r)); /* an archive may end without its zero blocks */
	end(&r);
}

static void refuses_bad_numbers(void **state)
{
	static const struct {
		size_t field, len;
		int64_t value;
		const char *what;
	} cases[] = {
		{124, 12, -1, "size is out of range"},
		{108, 8, -2, "uid is out of range"},
		{116, 8, 0xffffffff, "gid is out of range"},
		{100, 8, -1, "mode is out of range"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_buf b = {0};
		size_t at = tb_header(&b, (struct th){.name = "a", .magic = "gnu"});

		base256(&b, at + cases[i].field, cases[i].len, cases[i].value);
		tb_checksum(&b, at);
		tb_end(&b);
		refuses(&b, COR_INVALID_ARGUMENT, cases[i].what);
	}
	for (size_t field = 100; field < 148; field += field == 124 ? 12 : 8) {
		struct cor_buf b = {0};
		size_t at = tb_header(&b, (struct th){.name = "a"});

		b.data[at + field + 2] = 'x';
		tb_checksum(&b, at);
		tb_end(&b);
		refuses(&b, COR_DATA_LOSS, "malformed");
	}
	struct cor_buf b = {0};
	size_t at = tb_header(&b, (struct th){.name = "big", .magic = "gnu"});
	memset(b.data + at + 124, 0x7f, 12);
	b.data[at + 124] = (char)0x80;
	tb_checksum(&b, at);
	refuses(&b, COR_INVALID_ARGUMENT, "tar entry \"big\" at offset 0: size is out of range");
}

/* threats.md, tar desync and allocation: huge device numbers. */
static void refuses_huge_devices(void **state)
{
	struct cor_buf b = {0};

	tb_header(&b, (struct th){.name = "c", .type = '3', .devmajor = 0x1000});
	refuses(&b, COR_INVALID_ARGUMENT, "device number is out of range");
	tb_header(&b, (struct th){.name = "c", .type = '4', .devminor = 0x100000});
	refuses(&b, COR_INVALID_ARGUMENT, "device number is out of range");
}

static void refuses_damage(void **state)
{
	struct cor_buf b = {0};
	size_t at = tb_header(&b, (struct th){.name = "a"});

	b.data[at + 3] ^= 1;
	refuses(&b, COR_DATA_LOSS, "tar header at offset 0: invalid checksum");

	tb_file(&b, "a", "text");
	cor_buf_append(&b, (char[512]){0}, 512);
	tb_file(&b, "b", "text");
	refuses(&b, COR_DATA_LOSS, "lone zero block");

	tb_header(&b, (struct th){.name = "a", .type = 'D'});
	refuses(&b, COR_INVALID_ARGUMENT, "unsupported entry type 0x44");

	tb_pax(&b, 'x', "path=lonely", NULL);
	tb_end(&b);
	refuses(&b, COR_DATA_LOSS, "extension header without an entry");
	tb_long(&b, 'L', "lonely");
	refuses(&b, COR_DATA_LOSS, "extension header without an entry");
}

/* Every proper prefix that ends inside an entry is an error; at a header boundary it is a shorter archive. */
static void refuses_truncation(void **state)
{
	struct cor_buf whole = {0};

	tb_file(&whole, "first", "0123456789");
	tb_pax(&whole, 'x', "mtime=1.5", NULL);
	tb_file(&whole, "second", "0123456789");
	for (size_t n = 1; n < whole.len; n++) {
		struct cor_buf cut = {0};
		struct cor_error err = {0};

		if (n == 1024)
			continue;
		cor_buf_append(&cut, whole.data, n);
		assert_int_equal(read_all(&cut, &err), COR_DATA_LOSS);
	}
	cor_buf_done(&whole);
}

static void reads_pax(void **state)
{
	struct reading r = {0};
	char name[601];

	memset(name, 'p', 600);
	name[600] = 0;
	_cleanup_free_ char *path = cor_asprintf("path=%s", name);
	tb_pax(&r.tar, 'g', "mtime=1234.5", "comment=hello", NULL);
	tb_pax(&r.tar, 'x', path, "uid=3000000000", "gid=3000000001", "mtime=-1.25",
	       "atime=1500000000.123456789123", "SCHILY.xattr.user.a=value",
	       "SCHILY.xattr.user.empty=", "LIBARCHIVE.xattr.user.%62=aGVsbG8", "unknown.key=x", NULL);
	tb_file(&r.tar, "short", "x");
	tb_file(&r.tar, "global", "");
	tb_pax(&r.tar, 'x', "mtime=", "path=", "linkpath=pax-target", NULL);
	tb_header(&r.tar, (struct th){.name = "kept", .type = '2', .link = "t"});
	tb_end(&r.tar);
	begin(&r, 0);
	assert_string_equal(next(&r)->name, name);
	assert_int_equal(r.e->uid, 3000000000);
	assert_int_equal(r.e->gid, 3000000001);
	assert_int_equal(r.e->mtime_sec, -2);
	assert_int_equal(r.e->mtime_nsec, 750000000);
	assert_true(r.e->has_atime);
	assert_int_equal(r.e->atime_nsec, 123456789);
	assert_int_equal(r.e->n_xattrs, 3);
	assert_string_equal(r.e->xattrs[0].name, "user.a");
	assert_memory_equal(r.e->xattrs[0].value, "value", 5);
	assert_int_equal(r.e->xattrs[1].len, 0);
	assert_string_equal(r.e->xattrs[2].name, "user.b");
	assert_int_equal(r.e->xattrs[2].len, 5);
	assert_memory_equal(r.e->xattrs[2].value, "hello", 5);
	assert_int_equal(next(&r)->mtime_sec, 1234);
	assert_int_equal(r.e->mtime_nsec, 500000000);
	assert_int_equal(r.e->n_xattrs, 0);
	assert_string_equal(next(&r)->name, "kept");
	assert_string_equal(r.e->linkname, "pax-target");
	assert_int_equal(r.e->mtime_sec, 1000000000);
	assert_null(next(&r));
	end(&r);
}

/* Binary values, and names that are not UTF-8 or not in NFC, come out byte by byte. */
static void keeps_bytes(void **state)
{
	struct reading r = {0};
	_cleanup_buf_ struct cor_buf text = {0};

	tb_record(&text, "SCHILY.xattr.security.capability", "\1\0\0\2\n=\0\0", 8);
	tb_record(&text, "path", "caf\xc3\xa9", 5);
	tb_pax_raw(&r.tar, 'x', text.data, text.len);
	tb_file(&r.tar, "x", "");
	text.len = 0;
	tb_record(&text, "path", "cafe\xcc\x81", 6);
	tb_pax_raw(&r.tar, 'x', text.data, text.len);
	tb_file(&r.tar, "x", "");
	tb_file(&r.tar, "\xff\xfe", "");
	begin(&r, 0);
	assert_string_equal(next(&r)->name, "caf\xc3\xa9");
	assert_int_equal(r.e->xattrs[0].len, 8);
	assert_memory_equal(r.e->xattrs[0].value, "\1\0\0\2\n=\0\0", 8);
	assert_string_equal(next(&r)->name, "cafe\xcc\x81");
	assert_string_equal(next(&r)->name, "\xff\xfe");
	end(&r);
}

/* threats.md, tar desync: one size, pax before ustar, for reading and for skipping. */
static void pax_size_wins(void **state)
{
	for (int skip_data = 0; skip_data < 2; skip_data++) {
		struct reading r = {0};
		struct cor_buf inner = {0};
		char *text = NULL;

		/* Readers that skip by the header's 0 would find an archive in the data. */
		tb_file(&inner, "smuggled", "evil");
		_cleanup_free_ char *size = cor_asprintf("size=%zu", inner.len);
		tb_pax(&r.tar, 'x', size, NULL);
		tb_header(&r.tar, (struct th){.name = "outer", .size = -1});
		tb_data(&r.tar, inner.data, inner.len);
		tb_file(&r.tar, "after", "");
		tb_end(&r.tar);
		begin(&r, 0);
		assert_int_equal(next(&r)->size, inner.len);
		if (!skip_data) {
			size_t len;
			assert_int_equal(cor_tar_read_all(r.t, 1 << 20, &text, &len, &r.err), 0);
			assert_int_equal(len, inner.len);
			assert_memory_equal(text, inner.data, len);
			free(text);
		}
		assert_string_equal(next(&r)->name, "after");
		assert_null(next(&r));
		end(&r);
		cor_buf_done(&inner);
	}
}

/* What has no data has none, whatever its size says, so what follows is a header. */
static void sizes_of_links_are_ignored(void **state)
{
	struct reading r = {0};

	for (char type = '1'; type <= '6'; type++)
		tb_header(&r.tar, (struct th){.name = "x", .link = "y", .type = type, .size = 1024});
	tb_file(&r.tar, "after", "");
	begin(&r, 0);
	for (char type = '1'; type <= '6'; type++)
		assert_int_equal(next(&r)->size, 0);
	assert_string_equal(next(&r)->name, "after");
	end(&r);
}

static void refuses_malformed_pax(void **state)
{
	static const char *const texts[] = {
		"99 path=a\n", "x path=a\n", "11 path=a\n", "8 path\n\n",
		"0 a=b\n",     "-6 a=b\n",   "6 =ab\n",     "99999999999999999999 a=b\n",
		"7 size\n",    "path=a\n",   "6 a=b",
	};
	static const char *const records[] = {
		"size=-1",
		"size=1x",
		"size= 1",
		"size=9223372036854775808",
		"uid=-1",
		"uid=4294967295",
		"gid=+5",
		"mtime=1.2.3",
		"mtime=x",
		"GNU.sparse.size=x",
		"LIBARCHIVE.xattr.user.a=!!",
		"LIBARCHIVE.xattr.%zz=aa",
		"SCHILY.xattr.=x",
		"LIBARCHIVE.xattr.=aa",
		"LIBARCHIVE.xattr.a%00b=aa",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct cor_buf b = {0};

		tb_pax_raw(&b, 'x', texts[i], strlen(texts[i]));
		tb_file(&b, "a", "");
		refuses(&b, COR_DATA_LOSS, "malformed pax record");
	}
	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		struct cor_buf b = {0};
		struct cor_error err = {0};

		tb_pax(&b, 'x', records[i], NULL);
		tb_file(&b, "a", "");
		if (read_all(&b, &err) != COR_DATA_LOSS && err.code != COR_INVALID_ARGUMENT)
			fail_msg("%s was taken", records[i]);
	}
	struct cor_buf b = {0}, text = {0};
	tb_record(&text, "path", "a\0b", 3);
	tb_pax_raw(&b, 'x', text.data, text.len);
	tb_file(&b, "a", "");
	refuses(&b, COR_DATA_LOSS, "malformed pax record \"path\"");
	cor_buf_done(&text);
}

/* threats.md, allocation: an extension is refused before memory for it is taken. */
static void caps_extensions(void **state)
{
	static const char types[] = "xgLK";

	for (size_t i = 0; types[i]; i++) {
		struct cor_buf b = {0};

		tb_header(&b, (struct th){.name = "x", .type = types[i], .size = 077777777777});
		refuses(&b, COR_INVALID_ARGUMENT, "extension header is larger than");
		tb_header(&b, (struct th){.name = "x", .type = types[i], .size = COR_TAR_EXTENSION_MAX + 1});
		refuses(&b, COR_INVALID_ARGUMENT, "extension header is larger than");
	}
}

static void caps_global_records_together(void **state)
{
	struct cor_buf b = {0};
	char value[30001];
	memset(value, 'v', 30000);
	value[30000] = 0;
	_cleanup_free_ char *rec = cor_asprintf("comment=%s", value);

	for (int i = 0; i < 3; i++)
		tb_pax(&b, 'g', rec, NULL);
	refuses(&b, COR_INVALID_ARGUMENT, "extension header is larger than 65536 bytes");
}

static void names_in_messages_stay_on_one_line(void **state)
{
	struct cor_buf b = {0};

	tb_header(&b, (struct th){.name = "a\nb\"c\x1b[2J", .type = 'Z'});
	refuses(&b, COR_INVALID_ARGUMENT, "tar entry \"a\\x0ab\\x22c\\x1b[2J\" at offset 0: unsupported");
}

static void drains_what_follows_the_end(void **state)
{
	struct reading r = {0};

	tb_file(&r.tar, "a", "x");
	tb_end(&r.tar);
	for (int i = 0; i < 40; i++)
		cor_buf_append(&r.tar, (char[10000]){1}, 10000);
	begin(&r, 0);
	assert_non_null(next(&r));
	assert_null(next(&r));
	assert_int_equal(cor_tar_drain(r.t, &r.err), 0);
	assert_int_equal(cor_tar_offset(r.t), r.tar.len);
	assert_int_equal(r.memory.pos, r.tar.len);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_ustar),
		cmocka_unit_test(reads_v7_and_gnu),
		cmocka_unit_test(reads_base256),
		cmocka_unit_test(refuses_bad_numbers),
		cmocka_unit_test(refuses_huge_devices),
		cmocka_unit_test(refuses_damage),
		cmocka_unit_test(refuses_truncation),
		cmocka_unit_test(reads_pax),
		cmocka_unit_test(keeps_bytes),
		cmocka_unit_test(pax_size_wins),
		cmocka_unit_test(sizes_of_links_are_ignored),
		cmocka_unit_test(refuses_malformed_pax),
		cmocka_unit_test(caps_extensions),
		cmocka_unit_test(caps_global_records_together),
		cmocka_unit_test(names_in_messages_stay_on_one_line),
		cmocka_unit_test(drains_what_follows_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
