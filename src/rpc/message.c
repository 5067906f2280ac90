/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking within a bound. protobuf-c takes an allocator: ours counts and says no. It allocates with malloc, so that
 * messages are freed in the usual way.
 */
#include "rpc/message.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct budget {
	size_t left;
	bool exceeded, no_memory;
};

static void *counted_alloc(void *data, size_t n)
{
	struct budget *b = data;
	if (n > b->left) {
		b->exceeded = true;
		return NULL;
	}
	b->left -= n;
	void *p = malloc(n ? n : 1);
	if (!p)
		b->no_memory = true;
	return p;
}

static void counted_free(void *data, void *p)
{
	(void)data;
	free(p);
}

int cor_message_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t n,
		       ProtobufCMessage **ret, struct cor_error *err)
{
	struct budget budget = {.left = COR_MESSAGE_MEMORY_MAX};
	ProtobufCAllocator alloc = {.alloc = counted_alloc, .free = counted_free, .allocator_data = &budget};
	ProtobufCMessage *m = protobuf_c_message_unpack(type, &alloc, n, data);
	if (!m && budget.exceeded)
		return cor_error_set(err, COR_RESOURCE_EXHAUSTED, "%s: message too large", type->name);
	if (!m && budget.no_memory)
		return cor_error_oom(err);
	if (!m)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: malformed message", type->name);
	*ret = m;
	return 0;
}

int cor_message_pack(const ProtobufCMessage *m, uint8_t **ret, size_t *ret_len)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = malloc(n ? n : 1);
	if (!p)
		return -ENOMEM;
	*ret_len = protobuf_c_message_pack(m, p);
	*ret = p;
	return 0;
}

#define NS_PER_S INT64_C(1000000000)

int64_t cor_timestamp_ns(const Google__Protobuf__Timestamp *t)
{
	int64_t ns;
	if (!t || t->nanos < 0 || t->nanos >= NS_PER_S || t->seconds <= 0)
		return 0;
	if (__builtin_mul_overflow(t->seconds, NS_PER_S, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)t->nanos, &ns))
		return 0;
	return ns;
}

void cor_timestamp_set(Google__Protobuf__Timestamp *t, int64_t ns)
{
	t->seconds = ns / NS_PER_S;
	t->nanos = (int32_t)(ns % NS_PER_S);
	if (t->nanos < 0) {
		t->seconds--;
		t->nanos = (int32_t)(t->nanos + NS_PER_S);
	}
}
