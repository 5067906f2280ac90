/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec, the client and the server once more, while the Nth allocation fails, for every N: a clean error each time,
 * nothing leaked (the sanitizer build sees to that), outputs untouched. (malloc and friends are wrapped by the linker, see
 * meson.build; cmocka's own calls go around the wrappers.)
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "rpc/message.h"
#include "rpc/ttrpc_client.h"
#include "rpc/ttrpc_server.h"
#include "task_v2.pb-c.h"

static long countdown = -1; /* allocations that still work; < 0: all */

static bool fails(void)
{
	if (countdown < 0)
		return false;
	if (countdown == 0)
		return true;
	countdown--;
	return false;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}
void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}
char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}
char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

/* Runs step with 0, 1, 2 … working allocations until it succeeds; every failure must be -ENOMEM's class. */
static void sweep(int (*step)(void))
{
	long n = 0;
	for (;; n++) {
		assert_true(n < 1000);
		countdown = n;
		int r = step();
		countdown = -1;
		if (r == 0)
			break;
	}
	assert_true(n > 0);
}

static int encode_and_decode(void)
{
	struct cor_buf out = {0};
	struct cor_map meta = {0};
	struct cor_ttrpc_parser p = {0};
	struct cor_ttrpc_request req = {.timeout_ns = 4711};
	struct cor_ttrpc_frame f;
	char payload[300] = "payload";
	int r = cor_map_set(&meta, "key", "value");
	if (r == 0)
		r = cor_ttrpc_request_encode(&out, 1, "service", "Method", payload, sizeof(payload), 5,
					     &meta);
	if (r == 0)
		r = cor_ttrpc_parser_feed(&p, out.data, out.len, NULL);
	if (r == 0) {
		assert_int_equal(cor_ttrpc_parser_next(&p, &f, NULL), 1);
		r = cor_ttrpc_request_decode(f.payload, f.length, &req, NULL);
	}
	if (r < 0) {
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(req.timeout_ns, 4711);
		assert_null(req.service);
		assert_int_equal(out.failed ? out.len : 0, 0);
	} else {
		assert_string_equal(cor_map_get(&req.metadata, "key"), "value");
		cor_ttrpc_request_done(&req);
	}
	cor_ttrpc_parser_done(&p);
	cor_buf_done(&out);
	cor_map_done(&meta);
	return r;
}

static int unpack(void)
{
	static const char bytes[] =
		"\x0a\x02id\x1a\x08\x0a\x01t\x22\x03opt\x1a\x02\x12\x00\x52\x06\x0a\x01u\x12\x01v";
	ProtobufCMessage *m = NULL;
	struct cor_error err = {0};
	int r = cor_message_unpack(&containerd__task__v2__create_task_request__descriptor, bytes,
				   sizeof(bytes) - 1, &m, &err);
	if (r < 0)
		assert_null(m);
	else
		assert_int_equal(((Containerd__Task__V2__CreateTaskRequest *)(void *)m)->n_rootfs, 2);
	cor_message_free(m);
	return r;
}

static void on_request(struct cor_ttrpc_conn *c, uint32_t stream, const struct cor_ttrpc_request *req,
		       int *fds, size_t nfds, void *data)
{
	Containerd__Task__V2__StateResponse m = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	m.id = req->method;
	(void)cor_ttrpc_conn_reply(c, stream, &m.base, fds, nfds);
}

static const struct cor_ttrpc_conn_ops ops = {.request = on_request};

/* A call to a server connection that this thread runs between begin and finish. */
static int call_and_serve(void)
{
	int sv[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct cor_ttrpc_client *client = NULL;
	struct cor_ttrpc_conn *conn = NULL;
	Containerd__Task__V2__StateRequest req = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct cor_ttrpc_call call = {.service = "svc",
				      .method = "State",
				      .request = &req.base,
				      .response_type = &containerd__task__v2__state_response__descriptor,
				      .fds = &null,
				      .nfds = 1};
	uint32_t stream;
	ProtobufCMessage *m = NULL;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	int r = cor_ttrpc_client_new(sv[0], &client, NULL);
	int k = cor_ttrpc_conn_new(sv[1], &ops, NULL, &conn);
	r = r < 0 ? r : k;
	if (r == 0)
		r = cor_ttrpc_client_begin(client, &call, &stream, NULL);
	if (r == 0)
		r = cor_ttrpc_conn_process(conn, EPOLLIN);
	if (r == 0)
		r = cor_ttrpc_client_finish(client, stream, &call, &m, NULL);
	if (r == 0)
		assert_string_equal(((Containerd__Task__V2__StateResponse *)(void *)m)->id, "State");
	else
		assert_null(m);
	cor_message_free(m);
	cor_ttrpc_client_free(client);
	cor_ttrpc_conn_free(conn);
	cor_close(null);
	return r;
}

static void codec_survives(void **state)
{
	sweep(encode_and_decode);
}

static void unpack_survives(void **state)
{
	sweep(unpack);
}

static void call_survives(void **state)
{
	sweep(call_and_serve);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codec_survives),
		cmocka_unit_test(unpack_survives),
		cmocka_unit_test(call_survives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
