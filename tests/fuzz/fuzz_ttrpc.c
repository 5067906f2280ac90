/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as a peer may send them, in pieces whose size the first byte gives. What decodes must survive being written and
 * read again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "rpc/ttrpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

static void request(const struct cor_ttrpc_frame *f)
{
	struct cor_ttrpc_request a, b;
	struct cor_ttrpc_parser p = {0};
	struct cor_ttrpc_frame again;
	_cleanup_buf_ struct cor_buf out = {0};
	struct cor_error err = {0};
	if (cor_ttrpc_request_decode(f->payload, f->length, &a, &err) < 0) {
		must(err.code != COR_OK);
		return;
	}
	must(cor_ttrpc_request_encode(&out, f->stream, a.service, a.method, a.payload, a.len, a.timeout_ns,
				      &a.metadata) == 0);
	must(cor_ttrpc_parser_feed(&p, out.data, out.len, NULL) == 0);
	must(cor_ttrpc_parser_next(&p, &again, NULL) == 1);
	must(cor_ttrpc_request_decode(again.payload, again.length, &b, NULL) == 0);
	must(streq(a.service, b.service) && streq(a.method, b.method) && a.timeout_ns == b.timeout_ns);
	must(a.len == b.len && memcmp(a.payload, b.payload, a.len) == 0 && a.metadata.n == b.metadata.n);
	cor_ttrpc_request_done(&a);
	cor_ttrpc_request_done(&b);
	cor_ttrpc_parser_done(&p);
}

static void response(const struct cor_ttrpc_frame *f)
{
	const uint8_t *payload = NULL;
	size_t n = 0;
	struct cor_error err = {0};
	if (cor_ttrpc_response_decode(f->payload, f->length, &payload, &n, &err) < 0) {
		must(err.code != COR_OK && err.message[0]);
		return;
	}
	unsigned sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += payload[i];
	must(sum <= 255 * n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	size_t piece = data[0] ? data[0] : size;
	struct cor_ttrpc_parser p = {0};
	struct cor_ttrpc_frame f;
	int r = 0;
	for (size_t i = 1; i < size && r == 0; i += piece) {
		must(cor_ttrpc_parser_feed(&p, data + i, MIN(piece, size - i), NULL) == 0);
		while ((r = cor_ttrpc_parser_next(&p, &f, NULL)) == 1) {
			request(&f);
			response(&f);
		}
		must(r < 0 || cor_ttrpc_parser_need(&p) > 0);
	}
	cor_ttrpc_parser_done(&p);
	return 0;
}
