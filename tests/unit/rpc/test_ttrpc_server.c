/* SPDX-License-Identifier: Apache-2.0 */
/* One server connection, driven by hand over a socketpair: bounds, refusals, descriptors, peers that do not read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "rpc/message.h"
#include "rpc/ttrpc_server.h"
#include "task_v2.pb-c.h"

struct fixture {
	struct cor_ttrpc_conn *c;
	int peer;
	/* what the handler does and saw */
	bool answer_now, take_fd;
	unsigned requests, changes;
	uint32_t stream;
	char method[32];
	size_t nfds;
	int taken;
	struct cor_ttrpc_parser in; /* the client's side */
};

static void on_request(struct cor_ttrpc_conn *c, uint32_t stream, const struct cor_ttrpc_request *req,
		       int *fds, size_t nfds, void *data)
{
	struct fixture *f = data;
	f->requests++;
	f->stream = stream;
	f->nfds = nfds;
	snprintf(f->method, sizeof(f->method), "%s", req->method);
	if (f->take_fd && nfds)
		f->taken = TAKE_FD(fds[0]);
	if (f->answer_now)
		assert_int_equal(cor_ttrpc_conn_reply_empty(c, stream), 0);
}

static void on_changed(struct cor_ttrpc_conn *c, void *data)
{
	struct fixture *f = data;
	(void)c;
	f->changes++;
}

static const struct cor_ttrpc_conn_ops ops = {.request = on_request, .changed = on_changed};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int sv[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(cor_ttrpc_conn_new(sv[0], &ops, f, &f->c), 0);
	f->peer = sv[1];
	f->taken = -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	cor_ttrpc_conn_free(f->c);
	cor_ttrpc_parser_done(&f->in);
	cor_close(f->peer);
	cor_close(f->taken);
	free(f);
	return 0;
}

static void send_request(struct fixture *f, uint32_t stream, const char *method, const int *fds, size_t nfds)
{
	_cleanup_buf_ struct cor_buf out = {0};
	assert_int_equal(cor_ttrpc_request_encode(&out, stream, "svc", method, "p", 1, 0, NULL), 0);
	assert_int_equal(cor_send_fds(f->peer, out.data, out.len, fds, nfds), 0);
}

/* The next response frame; code OK or the status'. */
static enum cor_code next_response(struct fixture *f, uint32_t *ret_stream, size_t *ret_len,
				   char message[COR_ERROR_MESSAGE_MAX], int *fds, size_t *nfds)
{
	struct cor_ttrpc_frame frame;
	static char buf[65536];
	int r;
	size_t fds_got = 0;
	while ((r = cor_ttrpc_parser_next(&f->in, &frame, NULL)) == 0) {
		int got[8];
		size_t k = 8;
		size_t need = MIN(cor_ttrpc_parser_need(&f->in), sizeof(buf));
		ssize_t n = cor_recv_fds(f->peer, buf, need, got, &k);
		assert_true(n > 0);
		for (size_t i = 0; i < k; i++)
			fds[fds_got++] = got[i];
		cor_ttrpc_parser_feed(&f->in, buf, (size_t)n, NULL);
	}
	assert_int_equal(r, 1);
	assert_int_equal(frame.type, COR_TTRPC_RESPONSE);
	if (nfds)
		*nfds = fds_got;
	*ret_stream = frame.stream;
	const uint8_t *payload;
	size_t len = 0;
	struct cor_error err = {0};
	cor_ttrpc_response_decode(frame.payload, frame.length, &payload, &len, &err);
	if (ret_len)
		*ret_len = len;
	if (message)
		memcpy(message, err.message, sizeof(err.message));
	return err.code;
}

static void one_request_per_call(void **state)
{
	struct fixture *f = *state;
	uint32_t s;
	f->answer_now = true;
	send_request(f, 1, "First", NULL, 0);
	send_request(f, 3, "Second", NULL, 0);
	assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0);
	assert_int_equal(f->requests, 1);
	assert_string_equal(f->method, "First");
	assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0);
	assert_string_equal(f->method, "Second");
	assert_int_equal(next_response(f, &s, NULL, NULL, NULL, NULL), COR_OK);
	assert_int_equal(s, 1);
	assert_int_equal(next_response(f, &s, NULL, NULL, NULL, NULL), COR_OK);
	assert_int_equal(s, 3);
	assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0); /* nothing there */
	assert_int_equal(f->requests, 2);
	f->peer = cor_close(f->peer);
	assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN | EPOLLHUP), -ECONNRESET);
}

static void late_replies_and_wrong_streams(void **state)
{
	struct fixture *f = *state;
	uint32_t s;
	char text[COR_ERROR_MESSAGE_MAX];
	struct cor_error err = {.code = COR_NOT_FOUND, .message = "no such thing"};
	send_request(f, 1, "Wait", NULL, 0);
	send_request(f, 3, "State", NULL, 0);
	cor_ttrpc_conn_process(f->c, EPOLLIN);
	cor_ttrpc_conn_process(f->c, EPOLLIN);
	assert_int_equal(cor_ttrpc_conn_open(f->c), 2);
	assert_int_equal(cor_ttrpc_conn_reply_empty(f->c, 5), -ENOENT);
	assert_int_equal(cor_ttrpc_conn_reply_error(f->c, 3, &err), 0);
	assert_int_equal(cor_ttrpc_conn_reply_empty(f->c, 3), -ENOENT);
	assert_int_equal(next_response(f, &s, NULL, text, NULL, NULL), COR_NOT_FOUND);
	assert_string_equal(text, "no such thing");
	assert_int_equal(s, 3);
	Containerd__Task__V2__WaitResponse m = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	m.exit_status = 137;
	assert_int_equal(cor_ttrpc_conn_reply(f->c, 1, &m.base, NULL, 0), 0);
	size_t len = 0;
	assert_int_equal(next_response(f, &s, &len, NULL, NULL, NULL), COR_OK);
	assert_int_equal(len, 3);
	assert_int_equal(cor_ttrpc_conn_open(f->c), 0);
	/* An error that was never set still is one. */
	send_request(f, 5, "X", NULL, 0);
	cor_ttrpc_conn_process(f->c, EPOLLIN);
	cor_error_clear(&err);
	assert_int_equal(cor_ttrpc_conn_reply_error(f->c, 5, &err), 0);
	assert_int_equal(next_response(f, &s, NULL, NULL, NULL, NULL), COR_UNKNOWN);
}

static void send_raw(struct fixture *f, uint32_t length, uint32_t stream, uint8_t type, uint8_t flags,
		     const char *body, size_t n)
{
	uint8_t h[10] = {(uint8_t)(length >> 24),
			 (uint8_t)(length >> 16),
			 (uint8_t)(length >> 8),
			 (uint8_t)length,
			 (uint8_t)(stream >> 24),
			 (uint8_t)(stream >> 16),
			 (uint8_t)(stream >> 8),
			 (uint8_t)stream,
			 type,
			 flags};
	assert_int_equal(cor_write_full(f->peer, h, sizeof(h)), 0);
	assert_int_equal(cor_write_full(f->peer, body, n), 0);
}

static void refusals(void **state)
{
	struct fixture *f = *state;
	uint32_t s;
	send_raw(f, 0, 1, COR_TTRPC_REQUEST, COR_TTRPC_FLAG_REMOTE_OPEN, "", 0);
	send_raw(f, 0, 2, COR_TTRPC_REQUEST, 0, "", 0);
	send_raw(f, 1, 5, COR_TTRPC_REQUEST, 0, "\x0a", 1);
	send_raw(f, 2, 1, COR_TTRPC_DATA, COR_TTRPC_FLAG_REMOTE_CLOSED, "xx", 2);
	send_raw(f, 2, 7, 77, 255, "xx", 2);
	for (int i = 0; i < 5; i++)
		assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0);
	assert_int_equal(f->requests, 0);
	assert_int_equal(next_response(f, &s, NULL, NULL, NULL, NULL), COR_UNIMPLEMENTED);
	assert_int_equal(s, 1);
	assert_int_equal(next_response(f, &s, NULL, NULL, NULL, NULL), COR_INVALID_ARGUMENT);
	assert_int_equal(s, 2);
	assert_int_equal(next_response(f, &s, NULL, NULL, NULL, NULL), COR_INVALID_ARGUMENT);
	assert_int_equal(s, 5);
	/* The connection lives on. */
	f->answer_now = true;
	send_request(f, 9, "Ok", NULL, 0);
	assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0);
	assert_int_equal(next_response(f, &s, NULL, NULL, NULL, NULL), COR_OK);
	assert_int_equal(s, 9);
}

static void oversized_frame_drops(void **state)
{
	struct fixture *f = *state;
	send_raw(f, COR_TTRPC_MESSAGE_MAX + 1, 1, COR_TTRPC_REQUEST, 0, "", 0);
	assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), -EPROTO);
	char b;
	assert_int_equal(read(f->peer, &b, 1), 0);
	assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), -EPROTO);
}

static void reused_stream_drops(void **state)
{
	struct fixture *f = *state;
	send_request(f, 1, "A", NULL, 0);
	send_request(f, 1, "A", NULL, 0);
	assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0);
	assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), -EPROTO);
	assert_int_equal(cor_ttrpc_conn_reply_empty(f->c, 1), -EPROTO);
}

static void open_requests_are_bounded(void **state)
{
	struct fixture *f = *state;
	uint32_t s;
	for (uint32_t i = 0; i <= COR_TTRPC_OPEN_MAX; i++) {
		send_request(f, 2 * i + 1, "Wait", NULL, 0);
		assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0);
	}
	assert_int_equal(f->requests, COR_TTRPC_OPEN_MAX);
	assert_int_equal(next_response(f, &s, NULL, NULL, NULL, NULL), COR_RESOURCE_EXHAUSTED);
	assert_int_equal(s, 2 * COR_TTRPC_OPEN_MAX + 1);
	assert_int_equal(cor_ttrpc_conn_reply_empty(f->c, 1), 0);
	send_request(f, 1001, "Wait", NULL, 0);
	assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0);
	assert_int_equal(f->requests, COR_TTRPC_OPEN_MAX + 1);
}

static void requests_in_pieces(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf out = {0};
	cor_ttrpc_request_encode(&out, 1, "svc", "Pieces", "payload", 7, 0, NULL);
	for (size_t i = 0; i < out.len; i++) {
		assert_int_equal(f->requests, 0);
		assert_int_equal(cor_write_full(f->peer, out.data + i, 1), 0);
		assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0);
	}
	assert_int_equal(f->requests, 1);
	assert_string_equal(f->method, "Pieces");
}

static int pipe_writer(int *reader)
{
	int p[2];
	assert_int_equal(cor_pipe(p), 0);
	*reader = p[0];
	return p[1];
}

static void descriptors_belong_to_their_request(void **state)
{
	struct fixture *f = *state;
	int reader;
	int writer = pipe_writer(&reader);
	send_request(f, 1, "Plain", NULL, 0);
	send_request(f, 3, "With", &writer, 1);
	send_request(f, 5, "With", &writer, 1);
	cor_close(writer);
	cor_ttrpc_conn_process(f->c, EPOLLIN);
	assert_int_equal(f->nfds, 0);
	cor_ttrpc_conn_process(f->c, EPOLLIN);
	assert_int_equal(f->nfds, 1); /* not taken: closed */
	f->take_fd = true;
	cor_ttrpc_conn_process(f->c, EPOLLIN);
	assert_int_equal(f->nfds, 1);
	assert_int_equal(cor_write_full(f->taken, "x", 1), 0);
	f->taken = cor_close(f->taken);
	char b[2];
	assert_int_equal(cor_read_full(reader, b, 2), 1); /* one byte, then end of file: no writer is left */
	cor_close(reader);
}

/* A peer that does not read is dropped once the bound is passed, and memory is bounded. */
static void slow_reader_is_dropped(void **state)
{
	struct fixture *f = *state;
	Containerd__Task__V2__StateResponse m = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	_cleanup_free_ char *big = malloc(200001);
	memset(big, 'x', 200000);
	big[200000] = '\0';
	m.bundle = big;
	int r = 0;
	unsigned n = 0;
	for (; r == 0 && n < 100; n++) {
		send_request(f, 2 * n + 1, "State", NULL, 0);
		assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0);
		r = cor_ttrpc_conn_reply(f->c, 2 * n + 1, &m.base, NULL, 0);
	}
	assert_int_equal(r, -EDQUOT);
	assert_true(n > 4 && n < 20);
	assert_int_equal(f->changes, 1);
	assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN | EPOLLHUP), -EDQUOT);
}

static void queue_is_written_when_the_peer_reads(void **state)
{
	struct fixture *f = *state;
	Containerd__Task__V2__StateResponse m = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	_cleanup_free_ char *big = malloc(300001);
	memset(big, 'x', 300000);
	big[300000] = '\0';
	m.bundle = big;
	int readers[3], writers[3];
	for (uint32_t i = 0; i < 3; i++) {
		send_request(f, 2 * i + 1, "State", NULL, 0);
		assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0);
		writers[i] = pipe_writer(&readers[i]);
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(cor_ttrpc_conn_reply(f->c, 2 * i + 1, &m.base, &writers[i], 1), 0);
		cor_close(writers[i]);
	}
	assert_int_equal(cor_ttrpc_conn_events(f->c), EPOLLIN | EPOLLOUT);
	assert_int_equal(f->changes, 1);
	/* The peer reads as the connection writes. */
	for (uint32_t i = 0; i < 3; i++) {
		struct cor_ttrpc_frame frame;
		char buf[50000];
		int fds[8];
		size_t have = 0;
		while (cor_ttrpc_parser_next(&f->in, &frame, NULL) == 0) {
			assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLOUT), 0);
			size_t k = 8 - have;
			ssize_t n =
				cor_recv_fds(f->peer, buf, MIN(cor_ttrpc_parser_need(&f->in), sizeof(buf)),
					     fds + have, &k);
			assert_true(n > 0);
			have += k;
			cor_ttrpc_parser_feed(&f->in, buf, (size_t)n, NULL);
		}
		assert_int_equal(frame.stream, 2 * i + 1);
		assert_int_equal(have, 1);
		assert_int_equal(cor_write_full(fds[0], &"abc"[i], 1), 0);
		cor_close(fds[0]);
		char b[2];
		assert_int_equal(cor_read_full(readers[i], b, 2), 1);
		assert_int_equal(b[0], "abc"[i]);
		cor_close(readers[i]);
	}
	assert_int_equal(cor_ttrpc_conn_events(f->c), EPOLLIN);
	assert_int_equal(f->changes, 2);
}

static void queued_descriptors_are_bounded_and_closed(void **state)
{
	struct fixture *f = *state;
	Containerd__Task__V2__StateResponse m = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	_cleanup_free_ char *big = malloc(400001);
	memset(big, 'x', 400000);
	big[400000] = '\0';
	int reader, writer = pipe_writer(&reader), r = 0;
	unsigned n = 0;
	for (; r == 0 && n < 60; n++) {
		send_request(f, 2 * n + 1, "State", NULL, 0);
		assert_int_equal(cor_ttrpc_conn_process(f->c, EPOLLIN), 0);
		m.bundle = n == 0 ? big : (char *)(uintptr_t) "";
		r = cor_ttrpc_conn_reply(f->c, 2 * n + 1, &m.base, n ? &writer : NULL, n ? 1 : 0);
	}
	assert_int_equal(r, -EDQUOT);
	assert_int_equal(n, COR_TTRPC_FD_QUEUE_MAX + 2);
	cor_close(writer);
	f->c = cor_ttrpc_conn_free(f->c);
	char b;
	assert_int_equal(read(reader, &b, 1), 0);
	cor_close(reader);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(one_request_per_call),
		TEST(late_replies_and_wrong_streams),
		TEST(refusals),
		TEST(oversized_frame_drops),
		TEST(reused_stream_drops),
		TEST(open_requests_are_bounded),
		TEST(requests_in_pieces),
		TEST(descriptors_belong_to_their_request),
		TEST(slow_reader_is_dropped),
		TEST(queue_is_written_when_the_peer_reads),
		TEST(queued_descriptors_are_bounded_and_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
