/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire format, the few parts the ttrpc envelopes need: a bounded reader that allocates nothing, and appends to
 * a buffer. (protobuf.dev/programming-guides/encoding; groups are refused, as protobuf-c does.)
 */
#ifndef COR_RPC_WIRE_H
#define COR_RPC_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum cor_wire_type { COR_WIRE_VARINT = 0, COR_WIRE_FIXED64 = 1, COR_WIRE_BYTES = 2, COR_WIRE_FIXED32 = 5 };

struct cor_wire_reader {
	const uint8_t *p, *end;
};
struct cor_wire_field {
	uint32_t number;
	enum cor_wire_type type;
	uint64_t value;      /* of all types but BYTES */
	const uint8_t *data; /* BYTES: into the message; never NULL */
	size_t len;
};

void cor_wire_reader_init(struct cor_wire_reader *r, const void *data, size_t n);
/* 1: a field; 0: the end; -EPROTO: malformed. */
int cor_wire_next(struct cor_wire_reader *r, struct cor_wire_field *ret);

/* Failures are the buffer's (sticky). Zero values are left out, as proto3 does. */
void cor_wire_put_varint(struct cor_buf *b, uint64_t v);
void cor_wire_put_uint(struct cor_buf *b, uint32_t field, uint64_t v);
void cor_wire_put_bytes(struct cor_buf *b, uint32_t field, const void *data, size_t n);
void cor_wire_put_string(struct cor_buf *b, uint32_t field, const char *s);
/* google.protobuf.Timestamp: nanoseconds since 1970. */
void cor_wire_put_time(struct cor_buf *b, uint32_t field, int64_t ns);
size_t cor_wire_varint_size(uint64_t v);

#endif
