/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf messages from peers, unpacked within a bound: protobuf-c allocates for every element of a repeated field, so
 * that 4 MiB of a hostile message can become hundreds. And the small types that every service uses.
 */
#ifndef COR_RPC_MESSAGE_H
#define COR_RPC_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "any.pb-c.h"
#include "base/error.h"
#include "timestamp.pb-c.h"

/* What unpacking one message may allocate. */
#define COR_MESSAGE_MEMORY_MAX (16u << 20)

/* Unpacks into *ret, to be freed with protobuf_c_message_free_unpacked(*ret, NULL). A text with a NUL byte in it ends there.
 * INVALID_ARGUMENT: does not parse; RESOURCE_EXHAUSTED: needs more than the bound; -ENOMEM. */
int cor_message_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t n,
		       ProtobufCMessage **ret, struct cor_error *err);
/* Packs into a new buffer (never NULL on success, also when empty). 0 or -ENOMEM. */
int cor_message_pack(const ProtobufCMessage *m, uint8_t **ret, size_t *ret_len);
static inline void cor_message_free(ProtobufCMessage *m)
{
	if (m)
		protobuf_c_message_free_unpacked(m, NULL);
}

/* Nanoseconds since the epoch; 0 for NULL, for Go's zero time and for what does not fit. */
int64_t cor_timestamp_ns(const Google__Protobuf__Timestamp *t);
void cor_timestamp_set(Google__Protobuf__Timestamp *t, int64_t ns);

#endif
