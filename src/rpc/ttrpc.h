/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc's wire format, memory in, memory out: no I/O here. (containerd/ttrpc PROTOCOL.md: 10-byte header {u32 length, u32
 * stream id, u8 type, u8 flags}, big-endian; types 1 request, 2 response, 3 data; payloads are protobuf messages.)
 *
 * A length above COR_TTRPC_MESSAGE_MAX is rejected before anything is allocated for it.
 */
#ifndef COR_RPC_TTRPC_H
#define COR_RPC_TTRPC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define COR_TTRPC_HEADER_SIZE 10
#define COR_TTRPC_MESSAGE_MAX (4u << 20)

enum cor_ttrpc_type { COR_TTRPC_REQUEST = 1, COR_TTRPC_RESPONSE = 2, COR_TTRPC_DATA = 3 };
enum { COR_TTRPC_FLAG_REMOTE_CLOSED = 1, COR_TTRPC_FLAG_REMOTE_OPEN = 2, COR_TTRPC_FLAG_NO_DATA = 4 };

struct cor_ttrpc_frame {
	uint32_t length, stream;
	uint8_t type, flags;
	const uint8_t *payload; /* into the parser's buffer; valid until the next feed */
};

/* Collects bytes and gives frames. Memory: at most one message plus what was fed. */
struct cor_ttrpc_parser {
	struct cor_buf buf;
	size_t pos;
};
void cor_ttrpc_parser_done(struct cor_ttrpc_parser *p);
int cor_ttrpc_parser_feed(struct cor_ttrpc_parser *p, const void *data, size_t n, struct cor_error *err);
/* How many bytes to read next so that none of a following frame are among them (descriptors that come with bytes then
 * belong to this frame): the rest of the header, then the rest of the frame. 0: next has a frame, or an error. */
size_t cor_ttrpc_parser_need(const struct cor_ttrpc_parser *p);
/* 1: a frame in *ret; 0: more bytes needed; -EPROTO: the peer broke the protocol (the connection is to be dropped). */
int cor_ttrpc_parser_next(struct cor_ttrpc_parser *p, struct cor_ttrpc_frame *ret, struct cor_error *err);

#define COR_TTRPC_NAME_MAX     256 /* bytes of a service or method name */
#define COR_TTRPC_METADATA_MAX 64  /* pairs with one request */

/* A request as decoded; strings and payload borrowed from a copy owned by the struct. */
struct cor_ttrpc_request {
	char *service, *method;
	uint8_t *payload;
	size_t len;
	int64_t timeout_ns; /* 0: none */
	struct cor_map metadata;
};
void cor_ttrpc_request_done(struct cor_ttrpc_request *r);
/* -EPROTO: malformed, or beyond the limits above; -ENOMEM. */
int cor_ttrpc_request_decode(const void *data, size_t n, struct cor_ttrpc_request *ret,
			     struct cor_error *err);
/* A whole frame (header and payload) appended to out. 0, -ENOMEM, or -EMSGSIZE over COR_TTRPC_MESSAGE_MAX; out keeps its
 * length on failure. */
int cor_ttrpc_request_encode(struct cor_buf *out, uint32_t stream, const char *service, const char *method,
			     const void *payload, size_t n, int64_t timeout_ns,
			     const struct cor_map *metadata);
/* Response frame; code COR_OK: payload; else status {code, message}. */
int cor_ttrpc_response_encode(struct cor_buf *out, uint32_t stream, enum cor_code code, const char *message,
			      const void *payload, size_t n);
/* Splits a response payload: on a status that is not OK, sets err (code, message as sent) and returns its errno;
 * else 0 and *ret_payload (borrowed from data). */
int cor_ttrpc_response_decode(const void *data, size_t n, const uint8_t **ret_payload, size_t *ret_len,
			      struct cor_error *err);

#endif
