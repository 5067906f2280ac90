/* SPDX-License-Identifier: Apache-2.0 */
/* The codec: what it writes is what protobuf-c reads and the other way round; what is broken is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "rpc/message.h"
#include "rpc/ttrpc.h"
#include "rpc/wire.h"
#include "rpc_status.pb-c.h"
#include "task_v2.pb-c.h"
#include "ttrpc.pb-c.h"

static struct cor_ttrpc_frame parse_one(struct cor_ttrpc_parser *p, const struct cor_buf *b)
{
	struct cor_ttrpc_frame f;
	assert_int_equal(cor_ttrpc_parser_feed(p, b->data, b->len, NULL), 0);
	assert_int_equal(cor_ttrpc_parser_next(p, &f, NULL), 1);
	return f;
}

static void request_is_read_by_protobuf_c(void **state)
{
	_cleanup_buf_ struct cor_buf out = {0};
	_cleanup_map_ struct cor_map meta = {0};
	struct cor_ttrpc_parser p = {0};
	cor_map_set(&meta, "containerd-namespace-ttrpc", "default");
	cor_map_set(&meta, "empty", "");
	cor_map_set(&meta, "", "nokey");
	assert_int_equal(cor_ttrpc_request_encode(&out, 7, "containerd.task.v2.Task", "State", "\0\1pay", 5,
						  INT64_C(10000000000), &meta),
			 0);
	struct cor_ttrpc_frame f = parse_one(&p, &out);
	assert_int_equal(f.stream, 7);
	assert_int_equal(f.type, COR_TTRPC_REQUEST);
	assert_int_equal(f.flags, 0);
	assert_int_equal(f.length + COR_TTRPC_HEADER_SIZE, out.len);
	Ttrpc__Request *m = ttrpc__request__unpack(NULL, f.length, f.payload);
	assert_non_null(m);
	assert_string_equal(m->service, "containerd.task.v2.Task");
	assert_string_equal(m->method, "State");
	assert_int_equal(m->payload.len, 5);
	assert_memory_equal(m->payload.data, "\0\1pay", 5);
	assert_int_equal(m->timeout_nano, INT64_C(10000000000));
	assert_int_equal(m->n_metadata, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(m->metadata[i]->value, cor_map_get(&meta, m->metadata[i]->key));
	ttrpc__request__free_unpacked(m, NULL);
	cor_ttrpc_parser_done(&p);
}

static void request_of_protobuf_c_is_read(void **state)
{
	Ttrpc__Request m = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue kv = TTRPC__KEY_VALUE__INIT, *kvs[] = {&kv};
	uint8_t packed[256];
	m.service = (char *)(uintptr_t) "svc";
	m.method = (char *)(uintptr_t) "Method";
	m.payload = (ProtobufCBinaryData){3, (uint8_t *)(uintptr_t) "abc"};
	m.timeout_nano = 42;
	kv.key = (char *)(uintptr_t) "k";
	kv.value = (char *)(uintptr_t) "v";
	m.n_metadata = 1;
	m.metadata = kvs;
	size_t n = ttrpc__request__pack(&m, packed);
	struct cor_ttrpc_request r;
	assert_int_equal(cor_ttrpc_request_decode(packed, n, &r, NULL), 0);
	assert_string_equal(r.service, "svc");
	assert_string_equal(r.method, "Method");
	assert_int_equal(r.len, 3);
	assert_memory_equal(r.payload, "abc", 3);
	assert_int_equal(r.timeout_ns, 42);
	assert_string_equal(cor_map_get(&r.metadata, "k"), "v");
	cor_ttrpc_request_done(&r);

	m.timeout_nano = -1; /* never meant as a deadline in the past */
	n = ttrpc__request__pack(&m, packed);
	assert_int_equal(cor_ttrpc_request_decode(packed, n, &r, NULL), 0);
	assert_int_equal(r.timeout_ns, 0);
	cor_ttrpc_request_done(&r);

	assert_int_equal(cor_ttrpc_request_decode("", 0, &r, NULL), 0);
	assert_string_equal(r.service, "");
	assert_string_equal(r.method, "");
	assert_int_equal(r.len, 0);
	cor_ttrpc_request_done(&r);
}

static void response_round_trips(void **state)
{
	_cleanup_buf_ struct cor_buf out = {0};
	struct cor_ttrpc_parser p = {0};
	const uint8_t *payload;
	size_t n;
	struct cor_error err = {0};
	assert_int_equal(cor_ttrpc_response_encode(&out, 1, COR_OK, "ignored", "xyz", 3), 0);
	struct cor_ttrpc_frame f = parse_one(&p, &out);
	assert_int_equal(f.type, COR_TTRPC_RESPONSE);
	assert_int_equal(cor_ttrpc_response_decode(f.payload, f.length, &payload, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_memory_equal(payload, "xyz", 3);

	out.len = 0;
	assert_int_equal(cor_ttrpc_response_encode(&out, 1, COR_NOT_FOUND, "process x: not found", NULL, 0),
			 0);
	f = parse_one(&p, &out);
	Ttrpc__Response *m = ttrpc__response__unpack(NULL, f.length, f.payload);
	assert_non_null(m);
	assert_int_equal(m->status->code, COR_NOT_FOUND);
	assert_string_equal(m->status->message, "process x: not found");
	ttrpc__response__free_unpacked(m, NULL);
	assert_int_equal(cor_ttrpc_response_decode(f.payload, f.length, &payload, &n, &err), -ENOENT);
	assert_int_equal(err.code, COR_NOT_FOUND);
	assert_string_equal(err.message, "process x: not found");

	out.len = 0;
	assert_int_equal(cor_ttrpc_response_encode(&out, 1, COR_INTERNAL, NULL, NULL, 0), 0);
	f = parse_one(&p, &out);
	assert_true(cor_ttrpc_response_decode(f.payload, f.length, &payload, &n, &err) < 0);
	assert_int_equal(err.code, COR_INTERNAL);
	assert_string_equal(err.message, "internal");
	cor_ttrpc_parser_done(&p);
}

static void foreign_status_codes_are_classes(void **state)
{
	Google__Rpc__Status st = GOOGLE__RPC__STATUS__INIT;
	Ttrpc__Response m = TTRPC__RESPONSE__INIT;
	uint8_t packed[128];
	const uint8_t *payload;
	size_t n;
	struct cor_error err = {0};
	m.status = &st;
	st.message = (char *)(uintptr_t) "two\nlines";
	static const int32_t codes[] = {-5, 17, 1000000};
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		st.code = codes[i];
		size_t k = ttrpc__response__pack(&m, packed);
		assert_int_equal(cor_ttrpc_response_decode(packed, k, &payload, &n, &err), -EIO);
		assert_int_equal(err.code, COR_UNKNOWN);
		assert_null(strchr(err.message, '\n'));
	}
	st.code = 0;
	size_t k = ttrpc__response__pack(&m, packed);
	assert_int_equal(cor_ttrpc_response_decode(packed, k, &payload, &n, &err), 0);
	assert_int_equal(n, 0);
}

static void frames_come_in_any_pieces(void **state)
{
	_cleanup_buf_ struct cor_buf out = {0};
	struct cor_ttrpc_frame f;
	for (uint32_t s = 1; s < 8; s += 2)
		assert_int_equal(cor_ttrpc_request_encode(&out, s, "service", "M", "payload", s, 0, NULL), 0);
	for (size_t piece = 1; piece <= out.len; piece++) {
		struct cor_ttrpc_parser p = {0};
		uint32_t seen = 0;
		for (size_t i = 0; i < out.len; i += piece) {
			assert_int_equal(
				cor_ttrpc_parser_feed(&p, out.data + i, MIN(piece, out.len - i), NULL), 0);
			while (cor_ttrpc_parser_next(&p, &f, NULL) == 1) {
				assert_int_equal(f.stream, 2 * seen + 1);
				struct cor_ttrpc_request r;
				assert_int_equal(cor_ttrpc_request_decode(f.payload, f.length, &r, NULL), 0);
				assert_int_equal(r.len, f.stream);
				cor_ttrpc_request_done(&r);
				seen++;
			}
		}
		assert_int_equal(seen, 4);
		cor_ttrpc_parser_done(&p);
	}
}

static void need_never_reaches_into_the_next_frame(void **state)
{
	_cleanup_buf_ struct cor_buf out = {0};
	struct cor_ttrpc_parser p = {0};
	struct cor_ttrpc_frame f;
	assert_int_equal(cor_ttrpc_request_encode(&out, 1, "s", "m", "0123456789", 10, 0, NULL), 0);
	size_t first = out.len;
	assert_int_equal(cor_ttrpc_request_encode(&out, 3, "s", "m", NULL, 0, 0, NULL), 0);
	assert_int_equal(cor_ttrpc_parser_need(&p), COR_TTRPC_HEADER_SIZE);
	cor_ttrpc_parser_feed(&p, out.data, 4, NULL);
	assert_int_equal(cor_ttrpc_parser_need(&p), COR_TTRPC_HEADER_SIZE - 4);
	cor_ttrpc_parser_feed(&p, out.data + 4, COR_TTRPC_HEADER_SIZE - 4, NULL);
	assert_int_equal(cor_ttrpc_parser_need(&p), first - COR_TTRPC_HEADER_SIZE);
	cor_ttrpc_parser_feed(&p, out.data + COR_TTRPC_HEADER_SIZE, first - COR_TTRPC_HEADER_SIZE, NULL);
	assert_int_equal(cor_ttrpc_parser_need(&p), 0);
	assert_int_equal(cor_ttrpc_parser_next(&p, &f, NULL), 1);
	assert_int_equal(cor_ttrpc_parser_need(&p), COR_TTRPC_HEADER_SIZE);
	cor_ttrpc_parser_done(&p);
}

/* threats.md, "RPC frames": rejected from the header alone, before memory is asked for. */
static void oversized_length_is_refused_at_once(void **state)
{
	static const uint8_t limit[] = {0, 0x40, 0, 0, 0, 0, 0, 1, 1, 0};
	static const uint8_t over[] = {0, 0x40, 0, 1, 0, 0, 0, 1, 1, 0};
	static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 1, 0};
	struct cor_ttrpc_frame f;
	struct cor_error err = {0};
	struct cor_ttrpc_parser p = {0};
	cor_ttrpc_parser_feed(&p, limit, sizeof(limit), NULL);
	assert_int_equal(cor_ttrpc_parser_next(&p, &f, &err), 0);
	assert_int_equal(cor_ttrpc_parser_need(&p), COR_TTRPC_MESSAGE_MAX);
	assert_true(p.buf.cap < 4096);
	cor_ttrpc_parser_done(&p);
	const uint8_t *bad[] = {over, huge};
	for (size_t i = 0; i < 2; i++) {
		cor_ttrpc_parser_feed(&p, bad[i], COR_TTRPC_HEADER_SIZE, NULL);
		assert_int_equal(cor_ttrpc_parser_next(&p, &f, &err), -EPROTO);
		assert_int_equal(err.code, COR_RESOURCE_EXHAUSTED);
		assert_int_equal(cor_ttrpc_parser_need(&p), 0);
		assert_true(p.buf.cap < 4096);
		cor_ttrpc_parser_done(&p);
	}
	_cleanup_free_ char *big = calloc(1, COR_TTRPC_MESSAGE_MAX + 1);
	_cleanup_buf_ struct cor_buf out = {0};
	cor_buf_str(&out, "kept");
	assert_int_equal(cor_ttrpc_request_encode(&out, 1, "s", "m", big, COR_TTRPC_MESSAGE_MAX, 0, NULL),
			 -EMSGSIZE);
	assert_int_equal(cor_ttrpc_response_encode(&out, 1, COR_OK, NULL, big, COR_TTRPC_MESSAGE_MAX + 1),
			 -EMSGSIZE);
	assert_string_equal(out.data, "kept");
	assert_int_equal(out.len, 4);
}

static void memory_is_given_back_after_a_large_message(void **state)
{
	struct cor_ttrpc_parser p = {0};
	struct cor_ttrpc_frame f;
	_cleanup_buf_ struct cor_buf out = {0};
	_cleanup_free_ char *big = calloc(1, 1u << 20);
	assert_int_equal(cor_ttrpc_request_encode(&out, 1, "s", "m", big, 1u << 20, 0, NULL), 0);
	f = parse_one(&p, &out);
	assert_true(p.buf.cap > 1u << 20);
	cor_ttrpc_parser_feed(&p, "x", 1, NULL);
	assert_true(p.buf.cap < 4096);
	cor_ttrpc_parser_done(&p);
	(void)f;
}

static void malformed_requests_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
		{"\x0a", 1}, /* no length */
		{"\x0a\x05"
		 "abc",
		 5},                                                      /* shorter than it says */
		{"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},     /* length 2^64-1 */
		{"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11},     /* a varint of 65 bits */
		{"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12}, /* an endless varint */
		{"\x02\x00", 2},                                          /* field 0 */
		{"\x0b", 1},                                              /* a group */
		{"\x08\x01", 2},                                          /* service as a number */
		{"\x1d\x01\x02\x03\x04", 5},                              /* payload as fixed32 */
		{"\x0a\x03"
		 "a\0b",
		 5},                      /* NUL in a name */
		{"\x22\x01x", 3},         /* timeout as bytes */
		{"\x2a\x03\x0a\x05k", 5}, /* pair cut short */
		{"\x35\x01\x02", 3},      /* unknown field cut short */
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cor_ttrpc_request r = {.len = 77};
		struct cor_error err = {0};
		assert_int_equal(cor_ttrpc_request_decode(bad[i].bytes, bad[i].n, &r, &err), -EPROTO);
		assert_int_equal(err.code, COR_INVALID_ARGUMENT);
		assert_int_equal(r.len, 77);
	}
	/* Unknown fields of every type are skipped. */
	static const char unknown[] = "\x30\x05\x39"
				      "12345678"
				      "\x42\x02xx\x4d"
				      "1234"
				      "\x0a\x01s";
	struct cor_ttrpc_request r;
	assert_int_equal(cor_ttrpc_request_decode(unknown, sizeof(unknown) - 1, &r, NULL), 0);
	assert_string_equal(r.service, "s");
	cor_ttrpc_request_done(&r);
}

static void requests_are_bounded(void **state)
{
	_cleanup_buf_ struct cor_buf b = {0};
	struct cor_ttrpc_request r;
	for (int i = 0; i < COR_TTRPC_METADATA_MAX; i++)
		cor_wire_put_bytes(&b, 5, "\x0a\x01k", 3);
	assert_int_equal(cor_ttrpc_request_decode(b.data, b.len, &r, NULL), 0);
	assert_int_equal(r.metadata.n, 1);
	cor_ttrpc_request_done(&r);
	b.len = 0;
	for (int i = 0; i <= COR_TTRPC_METADATA_MAX; i++) {
		char pair[8] = "\x0a\x03";
		snprintf(pair + 2, 6, "%03d", i);
		cor_wire_put_bytes(&b, 5, pair, 5);
	}
	assert_int_equal(cor_ttrpc_request_decode(b.data, b.len, &r, NULL), -EPROTO);
	b.len = 0;
	char name[COR_TTRPC_NAME_MAX + 1];
	memset(name, 'n', sizeof(name));
	cor_wire_put_bytes(&b, 1, name, sizeof(name));
	assert_int_equal(cor_ttrpc_request_decode(b.data, b.len, &r, NULL), -EPROTO);
}

static void malformed_responses_are_refused(void **state)
{
	const uint8_t *payload = NULL;
	size_t n = 0;
	struct cor_error err = {0};
	assert_int_equal(cor_ttrpc_response_decode("\x0a\x03\x08", 3, &payload, &n, &err), -EPROTO);
	assert_int_equal(cor_ttrpc_response_decode("\x08\x01", 2, &payload, &n, &err), -EPROTO);
	assert_int_equal(cor_ttrpc_response_decode("\x0a\x02\x0a\x00", 4, &payload, &n, &err), -EPROTO);
	assert_int_equal(cor_ttrpc_response_decode("\x12\x7f", 2, &payload, &n, &err), -EPROTO);
	assert_null(payload);
}

/* 4 MiB of two-byte mounts would become 160 MiB of structs. */
static void unpacking_is_bounded(void **state)
{
	_cleanup_buf_ struct cor_buf b = {0};
	for (unsigned i = 0; i < COR_TTRPC_MESSAGE_MAX / 2; i++)
		cor_buf_append(&b, "\x1a\x00", 2);
	ProtobufCMessage *m = NULL;
	struct cor_error err = {0};
	assert_int_equal(cor_message_unpack(&containerd__task__v2__create_task_request__descriptor, b.data,
					    b.len, &m, &err),
			 -EDQUOT);
	assert_int_equal(err.code, COR_RESOURCE_EXHAUSTED);
	assert_null(m);
	assert_int_equal(cor_message_unpack(&containerd__task__v2__create_task_request__descriptor, "\x0a", 1,
					    &m, &err),
			 -EINVAL);
	assert_int_equal(cor_message_unpack(&containerd__task__v2__create_task_request__descriptor,
					    "\x0a\x01i", 3, &m, &err),
			 0);
	assert_string_equal(((Containerd__Task__V2__CreateTaskRequest *)(void *)m)->id, "i");
	assert_string_equal(((Containerd__Task__V2__CreateTaskRequest *)(void *)m)->bundle, "");
	cor_message_free(m);
}

static void timestamps(void **state)
{
	Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	cor_timestamp_set(&t, INT64_C(1700000000123456789));
	assert_int_equal(t.seconds, 1700000000);
	assert_int_equal(t.nanos, 123456789);
	assert_int_equal(cor_timestamp_ns(&t), INT64_C(1700000000123456789));
	t.seconds = INT64_C(-62135596800); /* Go's zero time */
	assert_int_equal(cor_timestamp_ns(&t), 0);
	t.seconds = INT64_MAX / 1000;
	assert_int_equal(cor_timestamp_ns(&t), 0);
	t.seconds = 1;
	t.nanos = 1000000000;
	assert_int_equal(cor_timestamp_ns(&t), 0);
	assert_int_equal(cor_timestamp_ns(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_is_read_by_protobuf_c),
		cmocka_unit_test(request_of_protobuf_c_is_read),
		cmocka_unit_test(response_round_trips),
		cmocka_unit_test(foreign_status_codes_are_classes),
		cmocka_unit_test(frames_come_in_any_pieces),
		cmocka_unit_test(need_never_reaches_into_the_next_frame),
		cmocka_unit_test(oversized_length_is_refused_at_once),
		cmocka_unit_test(memory_is_given_back_after_a_large_message),
		cmocka_unit_test(malformed_requests_are_refused),
		cmocka_unit_test(requests_are_bounded),
		cmocka_unit_test(malformed_responses_are_refused),
		cmocka_unit_test(unpacking_is_bounded),
		cmocka_unit_test(timestamps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
