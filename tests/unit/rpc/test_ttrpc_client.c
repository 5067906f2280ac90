/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a peer that the test plays by hand over a socketpair: deadlines, order, descriptors, hang-ups. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "rpc/message.h"
#include "rpc/ttrpc_client.h"
#include "task_v2.pb-c.h"

struct fixture {
	struct cor_ttrpc_client *c;
	int peer;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int sv[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(cor_ttrpc_client_new(sv[0], &f->c, NULL), 0);
	f->peer = sv[1];
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	cor_ttrpc_client_free(f->c);
	cor_close(f->peer);
	free(f);
	return 0;
}

/* Reads one frame; returns its stream. */
static uint32_t expect_request(int sock, const char *method, int64_t timeout_ns)
{
	uint8_t h[COR_TTRPC_HEADER_SIZE], body[4096];
	assert_int_equal(cor_read_full(sock, h, sizeof(h)), sizeof(h));
	size_t n = (size_t)h[2] << 8 | h[3];
	assert_true(n <= sizeof(body));
	assert_int_equal(cor_read_full(sock, body, n), n);
	struct cor_ttrpc_request r;
	assert_int_equal(cor_ttrpc_request_decode(body, n, &r, NULL), 0);
	assert_string_equal(r.service, "svc");
	assert_string_equal(r.method, method);
	assert_int_equal(r.timeout_ns, timeout_ns);
	cor_ttrpc_request_done(&r);
	return (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
}

static void answer(int sock, uint32_t stream, uint32_t pid, const int *fds, size_t nfds)
{
	Containerd__Task__V2__StartResponse m = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	uint8_t packed[16];
	_cleanup_buf_ struct cor_buf out = {0};
	m.pid = pid;
	size_t n = containerd__task__v2__start_response__pack(&m, packed);
	assert_int_equal(cor_ttrpc_response_encode(&out, stream, COR_OK, NULL, packed, n), 0);
	assert_int_equal(cor_send_fds(sock, out.data, out.len, fds, nfds), 0);
}

static const struct cor_ttrpc_call *call_of(const char *method, int64_t timeout_ns)
{
	static struct cor_ttrpc_call c;
	static Containerd__Task__V2__StartRequest req;
	containerd__task__v2__start_request__init(&req);
	req.id = (char *)(uintptr_t) "id";
	c = (struct cor_ttrpc_call){.service = "svc",
				    .method = method,
				    .request = &req.base,
				    .response_type = &containerd__task__v2__start_response__descriptor,
				    .timeout_ns = timeout_ns};
	return &c;
}

static uint32_t pid_of(ProtobufCMessage *m)
{
	uint32_t pid = ((Containerd__Task__V2__StartResponse *)(void *)m)->pid;
	cor_message_free(m);
	return pid;
}

static void responses_in_any_order(void **state)
{
	struct fixture *f = *state;
	uint32_t s1, s2;
	ProtobufCMessage *m = NULL;
	assert_int_equal(cor_ttrpc_client_begin(f->c, call_of("A", 0), &s1, NULL), 0);
	assert_int_equal(cor_ttrpc_client_begin(f->c, call_of("B", 0), &s2, NULL), 0);
	uint32_t p1 = expect_request(f->peer, "A", 0), p2 = expect_request(f->peer, "B", 0);
	assert_int_equal(p1, s1);
	assert_int_equal(p2, s2);
	assert_true(s1 % 2 == 1 && s2 % 2 == 1 && s1 != s2);
	answer(f->peer, 99, 1, NULL, 0); /* nobody waits for it */
	answer(f->peer, s2, 22, NULL, 0);
	answer(f->peer, s2, 23, NULL, 0); /* a second answer changes nothing */
	answer(f->peer, s1, 11, NULL, 0);
	assert_int_equal(cor_ttrpc_client_finish(f->c, s1, call_of("A", 0), &m, NULL), 0);
	assert_int_equal(pid_of(m), 11);
	assert_int_equal(cor_ttrpc_client_finish(f->c, s2, call_of("B", 0), &m, NULL), 0);
	assert_int_equal(pid_of(m), 22);
	assert_int_equal(cor_ttrpc_client_finish(f->c, s2, call_of("B", 0), &m, NULL), -EINVAL);
}

static void deadline_ends_the_call_only(void **state)
{
	struct fixture *f = *state;
	struct cor_error err = {0};
	ProtobufCMessage *m = NULL;
	int64_t limit = 50 * 1000 * 1000, start = cor_monotonic_ns();
	assert_int_equal(cor_ttrpc_client_call(f->c, call_of("Slow", limit), &m, NULL, NULL, &err),
			 -ETIMEDOUT);
	assert_int_equal(err.code, COR_DEADLINE_EXCEEDED);
	int64_t took = cor_monotonic_ns() - start;
	assert_true(took >= limit && took < 40 * limit);
	uint32_t late = expect_request(f->peer, "Slow", limit);
	answer(f->peer, late, 1, NULL, 0);
	uint32_t s;
	assert_int_equal(cor_ttrpc_client_begin(f->c, call_of("Next", 0), &s, NULL), 0);
	answer(f->peer, expect_request(f->peer, "Next", 0), 2, NULL, 0);
	assert_int_equal(cor_ttrpc_client_finish(f->c, s, call_of("Next", 0), &m, NULL), 0);
	assert_int_equal(pid_of(m), 2);
}

/* A deadline in the middle of a response: the rest of it must not be taken for the next frame. */
static void deadline_inside_a_frame(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf out = {0};
	ProtobufCMessage *m = NULL;
	cor_ttrpc_response_encode(&out, 1, COR_NOT_FOUND, "gone", NULL, 0);
	assert_int_equal(cor_write_full(f->peer, out.data, 13), 0);
	assert_int_equal(cor_ttrpc_client_call(f->c, call_of("A", 1000000), &m, NULL, NULL, NULL),
			 -ETIMEDOUT);
	assert_int_equal(cor_write_full(f->peer, out.data + 13, out.len - 13), 0);
	answer(f->peer, 3, 5, NULL, 0);
	assert_int_equal(cor_ttrpc_client_call(f->c, call_of("B", 0), &m, NULL, NULL, NULL), 0);
	assert_int_equal(pid_of(m), 5);
}

static void errors_come_through(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct cor_buf out = {0};
	struct cor_error err = {0};
	cor_ttrpc_response_encode(&out, 1, COR_FAILED_PRECONDITION, "cannot do that", NULL, 0);
	cor_write_full(f->peer, out.data, out.len);
	assert_int_equal(cor_ttrpc_client_call(f->c, call_of("A", 0), NULL, NULL, NULL, &err), -EBUSY);
	assert_string_equal(err.message, "cannot do that");
}

static void hang_up_is_unavailable(void **state)
{
	struct fixture *f = *state;
	struct cor_error err = {0};
	assert_int_equal(shutdown(f->peer, SHUT_WR), 0);
	assert_int_equal(cor_ttrpc_client_call(f->c, call_of("A", 0), NULL, NULL, NULL, &err), -ENOTCONN);
	assert_int_equal(err.code, COR_UNAVAILABLE);
	assert_string_equal(err.message, "ttrpc: closed");
	f->peer = cor_close(f->peer);
	cor_error_clear(&err);
	assert_int_equal(cor_ttrpc_client_call(f->c, call_of("A", 0), NULL, NULL, NULL, &err), -ENOTCONN);
	assert_string_equal(err.message, "ttrpc: closed");
}

static void broken_peers_end_the_connection(void **state)
{
	struct fixture *f = *state;
	struct cor_error err = {0};
	static const uint8_t huge[] = {0xff, 0, 0, 0, 0, 0, 0, 1, 2, 0};
	cor_write_full(f->peer, huge, sizeof(huge));
	assert_int_equal(cor_ttrpc_client_call(f->c, call_of("A", 0), NULL, NULL, NULL, &err), -EPROTO);
	assert_int_equal(cor_ttrpc_client_call(f->c, call_of("A", 0), NULL, NULL, NULL, &err), -ENOTCONN);
}

static void unexpected_frame_type(void **state)
{
	struct fixture *f = *state;
	struct cor_error err = {0};
	static const uint8_t request[] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 0};
	cor_write_full(f->peer, request, sizeof(request));
	assert_int_equal(cor_ttrpc_client_call(f->c, call_of("A", 0), NULL, NULL, NULL, &err), -EPROTO);
}

static void full_socket_counts_against_the_deadline(void **state)
{
	struct fixture *f = *state;
	Containerd__Task__V2__StartRequest req = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	_cleanup_free_ char *big = malloc((3u << 20) + 1);
	memset(big, 'x', 3u << 20);
	big[3u << 20] = '\0';
	req.id = big;
	struct cor_ttrpc_call call = *call_of("A", 20000000);
	call.request = &req.base;
	struct cor_error err = {0};
	assert_int_equal(cor_ttrpc_client_call(f->c, &call, NULL, NULL, NULL, &err), -ETIMEDOUT);
	/* Half a request is out: the connection cannot be used again. */
	assert_int_equal(cor_ttrpc_client_call(f->c, call_of("B", 0), NULL, NULL, NULL, &err), -ENOTCONN);
}

static void too_many_at_once(void **state)
{
	struct fixture *f = *state;
	struct cor_error err = {0};
	uint32_t s = 0;
	for (int i = 0; i < 8; i++)
		assert_int_equal(cor_ttrpc_client_begin(f->c, call_of("A", 0), &s, &err), 0);
	assert_int_equal(cor_ttrpc_client_begin(f->c, call_of("A", 0), &s, &err), -EDQUOT);
}

static void same_file(int a, int b)
{
	struct stat x, y;
	assert_int_equal(fstat(a, &x), 0);
	assert_int_equal(fstat(b, &y), 0);
	assert_int_equal(x.st_ino, y.st_ino);
	assert_int_equal(x.st_dev, y.st_dev);
}

static void descriptors_travel_both_ways(void **state)
{
	struct fixture *f = *state;
	int pipes[2], got[8];
	size_t n = 8;
	uint8_t buf[4096];
	assert_int_equal(cor_pipe(pipes), 0);
	struct cor_ttrpc_call call = *call_of("A", 0);
	call.fds = pipes;
	call.nfds = 2;
	uint32_t s;
	assert_int_equal(cor_ttrpc_client_begin(f->c, &call, &s, NULL), 0);
	assert_true(cor_recv_fds(f->peer, buf, sizeof(buf), got, &n) > 0);
	assert_int_equal(n, 2);
	same_file(got[0], pipes[0]);
	same_file(got[1], pipes[1]);
	cor_close(got[0]);
	cor_close(got[1]);

	/* One that belongs to another answer is not mistaken for ours. */
	int other = fcntl(pipes[0], F_DUPFD_CLOEXEC, 3);
	answer(f->peer, s, 1, &other, 1);
	answer(f->peer, s + 2, 2, &pipes[1], 1);
	ProtobufCMessage *m = NULL;
	n = 8;
	assert_int_equal(cor_ttrpc_client_call(f->c, call_of("B", 0), &m, got, &n, NULL), 0);
	assert_int_equal(pid_of(m), 2);
	assert_int_equal(n, 1);
	same_file(got[0], pipes[1]);
	cor_close(got[0]);
	cor_close(other);
	cor_close(pipes[1]);
	/* Nobody kept a writer: end of file. */
	assert_int_equal(read(pipes[0], buf, 1), 0);
	cor_close(pipes[0]);
	assert_int_equal(cor_ttrpc_client_finish(f->c, s, &call, &m, NULL), 0);
	assert_int_equal(pid_of(m), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(responses_in_any_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deadline_ends_the_call_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deadline_inside_a_frame, set_up, tear_down),
		cmocka_unit_test_setup_teardown(errors_come_through, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hang_up_is_unavailable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(broken_peers_end_the_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unexpected_frame_type, set_up, tear_down),
		cmocka_unit_test_setup_teardown(full_socket_counts_against_the_deadline, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(descriptors_travel_both_ways, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
