/* SPDX-License-Identifier: Apache-2.0 */
/* Compression both ways: ISA-L and zlib must agree with each other and with gzip's and zstd's own programs. */
#include <errno.h>
#include <string.h>

#include "layer/compression.h"
#include "support.h"

static const struct gzip_backend *const zlib = &gzip_zlib;

/* ISA-L and zlib; without libisal, zlib twice and a note. */
static const struct gzip_backend *backend(int i)
{
	if (i == 0 && gzip_isal())
		return gzip_isal();
	if (i == 0)
		print_message("libisal.so.2 is not installed: zlib only\n");
	return zlib;
}

/* Something between random and repeating. */
static void fill(struct cor_buf *b, size_t n, unsigned seed)
{
	while (b->len < n) {
		seed = seed * 1103515245 + 12345;
		if (seed >> 28 < 5)
			cor_buf_printf(b, "a line that comes back %u\n", seed >> 27);
		else
			cor_buf_char(b, (char)(seed >> 16));
	}
}

static int inflate_all(const struct gzip_backend *gzip, const void *data, size_t n, size_t chunk,
		       size_t out_chunk, struct cor_buf *out, struct cor_error *err)
{
	struct memory m = {.data = data, .n = n, .chunk = chunk};
	struct cor_decompress *d = NULL;
	_cleanup_free_ char *buf = malloc(out_chunk);
	ssize_t got;
	int r = decompress_open_with(gzip, memory_read, &m, &d, err);

	if (r < 0)
		return r;
	while ((got = cor_decompress_read(d, buf, out_chunk, err)) > 0)
		cor_buf_append(out, buf, (size_t)got);
	if (got < 0)
		assert_true(cor_decompress_read(d, buf, out_chunk, err) < 0);
	cor_decompress_free(d);
	return (int)got;
}

static void compress_all(const struct gzip_backend *gzip, enum cor_compression kind, const struct cor_buf *in,
			 size_t chunk, struct cor_buf *out)
{
	struct cor_compress *c = NULL;
	struct cor_error err = {0};

	assert_int_equal(compress_open_with(gzip, kind, buf_write, out, &c, &err), 0);
	for (size_t at = 0; at < in->len; at += MIN(chunk, in->len - at))
		assert_int_equal(cor_compress_write(c, in->data + at, MIN(chunk, in->len - at), &err), 0);
	assert_int_equal(cor_compress_finish(c, &err), 0);
	assert_true(cor_compress_write(c, "x", 1, &err) < 0);
	cor_compress_free(c);
}

static void round_trips(void **state)
{
	static const size_t sizes[] = {0, 1, 1000, 70000, 1000000};

	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (int kind = COR_COMPRESSION_NONE; kind <= COR_COMPRESSION_ZSTD; kind++) {
			for (int write = 0; write < 2; write++) {
				struct cor_buf in = {0}, packed = {0};

				fill(&in, sizes[s], (unsigned)s);
				compress_all(backend(write), kind, &in, 4567, &packed);
				for (int read = 0; read < 2; read++) {
					struct cor_buf out = {0};
					struct cor_error err = {0};

					assert_int_equal(inflate_all(backend(read), packed.data, packed.len,
								     777, 5000, &out, &err),
							 0);
					assert_int_equal(out.len, in.len);
					if (in.len)
						assert_memory_equal(out.data, in.data, in.len);
					cor_buf_done(&out);
				}
				cor_buf_done(&in);
				cor_buf_done(&packed);
			}
		}
	}
}

/* Every way to cut input and output into pieces gives the same bytes, over several members. */
static void members_in_any_pieces(void **state)
{
	struct cor_buf in[3] = {{0}}, packed = {0}, want = {0};
	static const size_t in_chunks[] = {1, 2, 7, 10, 100, 0}, out_chunks[] = {1, 3, 1000, 1 << 20};

	fill(&in[0], 3000, 1);
	fill(&in[2], 40000, 2); /* in[1] is an empty member */
	for (int i = 0; i < 3; i++) {
		compress_all(backend(i % 2), COR_COMPRESSION_GZIP, &in[i], 1000, &packed);
		cor_buf_append(&want, in[i].data ? in[i].data : "", in[i].len);
		cor_buf_done(&in[i]);
	}
	for (int b = 0; b < 2; b++) {
		for (size_t i = 0; i < ARRAY_SIZE(in_chunks); i++) {
			for (size_t o = 0; o < ARRAY_SIZE(out_chunks); o++) {
				struct cor_buf out = {0};
				struct cor_error err = {0};

				if (inflate_all(backend(b), packed.data, packed.len, in_chunks[i],
						out_chunks[o], &out, &err) < 0)
					fail_msg("%zu/%zu: %s", in_chunks[i], out_chunks[o], err.message);
				assert_int_equal(out.len, want.len);
				assert_memory_equal(out.data, want.data, want.len);
				cor_buf_done(&out);
			}
		}
	}
	cor_buf_done(&packed);
	cor_buf_done(&want);
}

static void fails(enum cor_compression kind, const struct cor_buf *packed, const char *part)
{
	for (int b = 0; b < (kind == COR_COMPRESSION_GZIP ? 2 : 1); b++) {
		for (size_t chunk = 0; chunk < 20; chunk += 7) {
			struct cor_buf out = {0};
			struct cor_error err = {0};

			assert_true(inflate_all(backend(b), packed->data, packed->len, chunk, 4096, &out,
						&err) < 0);
			assert_int_equal(err.code, COR_DATA_LOSS);
			if (!strstr(err.message, part))
				fail_msg("\"%s\" is not in: %s", part, err.message);
			cor_buf_done(&out);
		}
	}
}

static void refuses_truncation(void **state)
{
	for (int kind = COR_COMPRESSION_GZIP; kind <= COR_COMPRESSION_ZSTD; kind++) {
		struct cor_buf in = {0}, packed = {0};

		fill(&in, 600, 5);
		compress_all(NULL, kind, &in, 4096, &packed);
		for (size_t n = 4; n < packed.len; n++) {
			struct cor_buf cut = {.data = packed.data, .len = n};
			fails(kind, &cut, "truncated");
		}
		cor_buf_done(&in);
		cor_buf_done(&packed);
	}
}

/* CRC, length, header fields: a flipped bit anywhere must show. */
static void refuses_flipped_bits(void **state)
{
	for (int kind = COR_COMPRESSION_GZIP; kind <= COR_COMPRESSION_ZSTD; kind++) {
		struct cor_buf in = {0}, packed = {0};

		fill(&in, 300, 9);
		compress_all(NULL, kind, &in, 4096, &packed);
		for (size_t at = kind == COR_COMPRESSION_GZIP ? 10 : 6; at < packed.len; at++) {
			for (int b = 0; b < 2; b++) {
				struct cor_buf out = {0};
				struct cor_error err = {0};

				packed.data[at] ^= 0x10;
				int r = inflate_all(backend(b), packed.data, packed.len, 0, 4096, &out, &err);
				packed.data[at] ^= 0x10;
				/* A bit that changes nothing (such as padding in the last byte) may pass. */
				if (r >= 0 && (out.len != in.len || memcmp(out.data, in.data, in.len) != 0))
					fail_msg("a flip at %zu gave other data", at);
				cor_buf_done(&out);
			}
		}
		cor_buf_done(&in);
		cor_buf_done(&packed);
	}
}

static void checks_crc_and_length(void **state)
{
	struct cor_buf in = {0}, packed = {0};

	fill(&in, 5000, 3);
	compress_all(NULL, COR_COMPRESSION_GZIP, &in, 4096, &packed);
	for (size_t back = 1; back <= 8; back++) {
		packed.data[packed.len - back] ^= 1;
		fails(COR_COMPRESSION_GZIP, &packed, "corrupt gzip data");
		packed.data[packed.len - back] ^= 1;
	}
	packed.data[2] = 7; /* a method other than deflate */
	fails(COR_COMPRESSION_GZIP, &packed, "corrupt gzip data");
	cor_buf_done(&in);
	cor_buf_done(&packed);
}

static void knows_what_may_follow(void **state)
{
	struct cor_buf in = {0}, packed = {0}, out = {0};
	struct cor_error err = {0};

	fill(&in, 5000, 3);
	compress_all(NULL, COR_COMPRESSION_GZIP, &in, 4096, &packed);
	size_t len = packed.len;
	cor_buf_append(&packed, (char[700]){0}, 700);
	for (int b = 0; b < 2; b++) {
		out.len = 0;
		assert_int_equal(inflate_all(backend(b), packed.data, packed.len, 0, 4096, &out, &err), 0);
		assert_int_equal(out.len, in.len);
	}
	cor_buf_append(&packed, "x", 1);
	fails(COR_COMPRESSION_GZIP, &packed, "garbage behind gzip data");
	packed.len = len;
	cor_buf_append(&packed, "garbage", 7);
	fails(COR_COMPRESSION_GZIP, &packed, "garbage behind gzip data");
	packed.len = len;
	cor_buf_append(&packed, "\x1f\x8b", 2);
	fails(COR_COMPRESSION_GZIP, &packed, "truncated gzip data");
	packed.len = 0;
	compress_all(NULL, COR_COMPRESSION_ZSTD, &in, 4096, &packed);
	compress_all(NULL, COR_COMPRESSION_ZSTD, &in, 4096, &packed);
	out.len = 0;
	assert_int_equal(inflate_all(NULL, packed.data, packed.len, 50, 4096, &out, &err), 0);
	assert_int_equal(out.len, 2 * in.len);
	cor_buf_append(&packed, "garbage", 7);
	fails(COR_COMPRESSION_ZSTD, &packed, "corrupt zstd data");
	cor_buf_done(&in);
	cor_buf_done(&packed);
	cor_buf_done(&out);
}

/* threats.md, bombs: a frame may not make us remember gigabytes. */
static void refuses_huge_window(void **state)
{
	/* A frame header with a window of 2^31 bytes, then an empty last block. */
	static const unsigned char frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00};
	struct cor_buf b = {.data = (char *)(uintptr_t)frame, .len = sizeof(frame)};

	fails(COR_COMPRESSION_ZSTD, &b, "too much memory");
}

static void detects(void **state)
{
	static const struct {
		const char *head;
		size_t n;
		int kind; /* -1: unsupported */
		const char *message;
	} cases[] = {
		{"\x1f\x8b\x08", 3, COR_COMPRESSION_GZIP, NULL},
		{"\x28\xb5\x2f\xfd", 4, COR_COMPRESSION_ZSTD, NULL},
		{"\x52\x2a\x4d\x18", 4, COR_COMPRESSION_ZSTD, NULL},
		{"\xfd"
		 "7zXZ\0\0\0\0\0",
		 10, -1, "unsupported compression xz"},
		{"BZh91AY&SY", 10, -1, "unsupported compression bzip2"},
		{"\x04\x22\x4d\x18......", 10, -1, "unsupported compression lz4"},
		{"BZh9-file-name", 14, COR_COMPRESSION_NONE, NULL},
		{"LZIPfile", 8, COR_COMPRESSION_NONE, NULL},
		{"", 0, COR_COMPRESSION_NONE, NULL},
		{"etc/passwd", 10, COR_COMPRESSION_NONE, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum cor_compression kind = COR_COMPRESSION_NONE;
		struct cor_error err = {0};
		int r = cor_compression_detect(cases[i].head, cases[i].n, &kind, &err);

		assert_int_equal(r < 0, cases[i].kind < 0);
		if (r >= 0) {
			assert_int_equal(kind, cases[i].kind);
		} else {
			assert_int_equal(err.code, COR_UNIMPLEMENTED);
			assert_string_equal(err.message, cases[i].message);
		}
	}
}

static void agrees_with_programs(void **state)
{
	struct rig *rig = *state;
	struct cor_buf in = {0}, packed = {0}, out = {0};
	_cleanup_free_ char *text = NULL;
	struct cor_error err = {0};
	size_t len;

	fill(&in, 300000, 8);
	put(rig->dir, "t.tar", "");
	assert_int_equal(cor_write_file_at(rig->dir, "t.tar", in.data, in.len, 0600, false, &err), 0);
	assert_int_equal(run_in(rig, "gzip", "-kf", "t.tar", NULL), 0);
	assert_true(cor_read_file_at(rig->dir, "t.tar.gz", 1 << 22, &text, &len, &err) >= 0);
	for (int b = 0; b < 2; b++) { /* with a file name in the header */
		out.len = 0;
		assert_int_equal(inflate_all(backend(b), text, len, 1000, 4096, &out, &err), 0);
		assert_int_equal(out.len, in.len);
		assert_memory_equal(out.data, in.data, in.len);
		packed.len = 0;
		compress_all(backend(b), COR_COMPRESSION_GZIP, &in, 4096, &packed);
		assert_int_equal(
			cor_write_file_at(rig->dir, "t.tar.gz", packed.data, packed.len, 0600, false, &err),
			0);
		assert_int_equal(run_in(rig, "sh", "-c", "gzip -dc t.tar.gz | cmp - t.tar", NULL), 0);
	}
	assert_int_equal(unlinkat(rig->dir, "t.tar.gz", 0), 0);
	cor_buf_done(&in);
	cor_buf_done(&packed);
	cor_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips),
		cmocka_unit_test(members_in_any_pieces),
		cmocka_unit_test(refuses_truncation),
		cmocka_unit_test(refuses_flipped_bits),
		cmocka_unit_test(checks_crc_and_length),
		cmocka_unit_test(knows_what_may_follow),
		cmocka_unit_test(refuses_huge_window),
		cmocka_unit_test(detects),
		cmocka_unit_test_setup_teardown(agrees_with_programs, rig_setup, rig_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
