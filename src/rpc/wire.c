/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing protobuf fields; see the header. Every length is compared with what is left before use. */
#include "rpc/wire.h"

#include <errno.h>

void cor_wire_reader_init(struct cor_wire_reader *r, const void *data, size_t n)
{
	static const uint8_t nothing[1];
	r->p = n ? data : nothing;
	r->end = r->p + n;
}

static int get_varint(struct cor_wire_reader *r, uint64_t *ret)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (r->p == r->end)
			return -EPROTO;
		uint8_t b = *r->p++;
		/* The tenth byte holds one bit. */
		if (shift == 63 && b > 1)
			return -EPROTO;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret = v;
			return 0;
		}
	}
	return -EPROTO;
}

static int get_fixed(struct cor_wire_reader *r, unsigned n, uint64_t *ret)
{
	if ((size_t)(r->end - r->p) < n)
		return -EPROTO;
	uint64_t v = 0;
	for (unsigned i = n; i-- > 0;)
		v = v << 8 | r->p[i];
	r->p += n;
	*ret = v;
	return 0;
}

static int get_bytes(struct cor_wire_reader *r, struct cor_wire_field *f)
{
	uint64_t n;
	if (get_varint(r, &n) < 0 || n > (uint64_t)(r->end - r->p))
		return -EPROTO;
	f->data = r->p;
	f->len = (size_t)n;
	r->p += n;
	return 0;
}

int cor_wire_next(struct cor_wire_reader *r, struct cor_wire_field *ret)
{
	if (r->p == r->end)
		return 0;
	uint64_t tag;
	int k = get_varint(r, &tag);
	if (k < 0 || tag > UINT32_MAX || tag >> 3 == 0)
		return -EPROTO;
	struct cor_wire_field f = {.number = (uint32_t)(tag >> 3)};
	switch (tag & 7) {
	case COR_WIRE_VARINT:
		k = get_varint(r, &f.value);
		break;
	case COR_WIRE_FIXED64:
		k = get_fixed(r, 8, &f.value);
		break;
	case COR_WIRE_BYTES:
		k = get_bytes(r, &f);
		break;
	case COR_WIRE_FIXED32:
		k = get_fixed(r, 4, &f.value);
		break;
	default:
		k = -EPROTO;
	}
	if (k < 0)
		return k;
	f.type = (enum cor_wire_type)(tag & 7);
	*ret = f;
	return 1;
}

void cor_wire_put_varint(struct cor_buf *b, uint64_t v)
{
	uint8_t bytes[10];
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		bytes[n++] = (uint8_t)(v | 0x80);
	bytes[n++] = (uint8_t)v;
	(void)cor_buf_append(b, bytes, n);
}

void cor_wire_put_uint(struct cor_buf *b, uint32_t field, uint64_t v)
{
	if (!v)
		return;
	cor_wire_put_varint(b, (uint64_t)field << 3 | COR_WIRE_VARINT);
	cor_wire_put_varint(b, v);
}

void cor_wire_put_bytes(struct cor_buf *b, uint32_t field, const void *data, size_t n)
{
	if (!n)
		return;
	cor_wire_put_varint(b, (uint64_t)field << 3 | COR_WIRE_BYTES);
	cor_wire_put_varint(b, n);
	(void)cor_buf_append(b, data, n);
}

void cor_wire_put_string(struct cor_buf *b, uint32_t field, const char *s)
{
	if (s)
		cor_wire_put_bytes(b, field, s, strlen(s));
}

size_t cor_wire_varint_size(uint64_t v)
{
	size_t n = 1;
	for (; v >= 0x80; v >>= 7)
		n++;
	return n;
}

void cor_wire_put_time(struct cor_buf *b, uint32_t field, int64_t ns)
{
	const int64_t second = 1000000000;
	_cleanup_buf_ struct cor_buf t = {0};
	cor_wire_put_uint(&t, 1, (uint64_t)(ns / second));
	cor_wire_put_uint(&t, 2, (uint64_t)(ns % second));
	cor_wire_put_bytes(b, field, t.data, t.len);
	b->failed = b->failed || t.failed;
}
