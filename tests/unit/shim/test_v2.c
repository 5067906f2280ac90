/* SPDX-License-Identifier: Apache-2.0 */
/* What containerd's way of starting a shim rests on: the socket's name, an event's bytes, lines of control groups' files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fd.h"
#include "rpc/wire.h"
#include "shim/metrics.h"
#include "shim/publisher.h"
#include "shim/v2.h"

static void assert_sha256(const char *text, size_t n, const char *expected)
{
	char hex[65];
	cor_v2_sha256_hex(text, n, hex);
	assert_string_equal(hex, expected);
}

/* FIPS 180-4's examples, and lengths around a block's end (by sha256sum). */
static void sha256(void **state)
{
	static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	(void)state;
	assert_sha256("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_sha256("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
		      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	assert_sha256(a, 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
	assert_sha256(a, 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

static void socket_path(void **state)
{
	(void)state;
	_cleanup_free_ char *plain = cor_v2_socket_path("/run/containerd/containerd.sock", "default", "one");
	_cleanup_free_ char *url =
		cor_v2_socket_path("unix:///run/containerd/containerd.sock", "default", "one");
	_cleanup_free_ char *other = cor_v2_socket_path("/run/containerd/containerd.sock", "default", "two");
	char hex[65];
	static const char key[] = "/run/containerd/containerd.sock/default/one";
	cor_v2_sha256_hex(key, sizeof(key) - 1, hex);
	assert_string_equal(plain, url);
	assert_string_not_equal(plain, other);
	assert_string_equal(plain + strlen(COR_V2_SOCKET_DIR "/"), hex);
}

/* The field of that number, which has to be there. */
static struct cor_wire_field field_of(const void *data, size_t n, uint32_t number)
{
	struct cor_wire_reader r;
	struct cor_wire_field f;
	cor_wire_reader_init(&r, data, n);
	while (cor_wire_next(&r, &f) == 1)
		if (f.number == number)
			return f;
	fail_msg("no field %u", number);
	return f;
}

static void assert_text(struct cor_wire_field f, const char *expected)
{
	assert_int_equal(f.len, strlen(expected));
	assert_memory_equal(f.data, expected, f.len);
}

static void forward_request(void **state)
{
	(void)state;
	_cleanup_buf_ struct cor_buf b = {0};
	cor_publisher_encode(&b, "ns", "/tasks/oom", "containerd.events.TaskOOM", 5000000007, "\x0a\x01x", 3);
	assert_false(b.failed);
	struct cor_wire_field envelope = field_of(b.data, b.len, 1);
	struct cor_wire_field at = field_of(envelope.data, envelope.len, 1);
	assert_int_equal(field_of(at.data, at.len, 1).value, 5);
	assert_int_equal(field_of(at.data, at.len, 2).value, 7);
	assert_text(field_of(envelope.data, envelope.len, 2), "ns");
	assert_text(field_of(envelope.data, envelope.len, 3), "/tasks/oom");
	struct cor_wire_field any = field_of(envelope.data, envelope.len, 4);
	assert_text(field_of(any.data, any.len, 1), "containerd.events.TaskOOM");
	assert_text(field_of(any.data, any.len, 2), "\x0a\x01x");
}

static void metrics_files(void **state)
{
	static const struct cor_metrics_row rows[] = {{1, "one"}, {2, "two"}, {3, "three"}, {0}};
	static const char text[] =
		"two 2\nonetwo 5\none\n one 7\nthree 18446744073709551616\nfour 4\none 1\n";
	char dir[] = "/tmp/metrics.XXXXXX";
	(void)state;
	assert_non_null(mkdtemp(dir));
	_cleanup_close_ int d = openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(cor_write_file_at(d, "f", text, sizeof(text) - 1, 0600, false, NULL), 0);
	assert_int_equal(cor_write_file_at(d, "max", "max\n", 4, 0600, false, NULL), 0);
	_cleanup_buf_ struct cor_buf b = {0};
	cor_metrics_put_rows(&b, d, "f", rows);
	cor_metrics_put_rows(&b, d, "missing", rows);
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "\x10\x02\x08\x01", 4);
	assert_int_equal(cor_metrics_line(d, "f", "four"), 4);
	assert_int_equal(cor_metrics_line(d, "f", "five"), 0);
	assert_int_equal(cor_metrics_number(d, "max", 9), 9);
	assert_int_equal(cor_metrics_number(d, "missing", 8), 8);
	(void)unlinkat(d, "f", 0);
	(void)unlinkat(d, "max", 0);
	(void)unlinkat(AT_FDCWD, dir, AT_REMOVEDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256),
		cmocka_unit_test(socket_path),
		cmocka_unit_test(forward_request),
		cmocka_unit_test(metrics_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
