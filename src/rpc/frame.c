/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc frames: cutting a byte stream into them. The length is checked as soon as the header is there, so what a peer can
 * make us hold is one message; the buffer grows with the bytes that came, not with the length that was announced, and is
 * given back after a large message (shims idle for months).
 */
#include "rpc/ttrpc.h"

#include <errno.h>

#define KEEP_MAX 4096 /* bytes an empty parser may keep */

void cor_ttrpc_parser_done(struct cor_ttrpc_parser *p)
{
	cor_buf_done(&p->buf);
	p->pos = 0;
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static size_t available(const struct cor_ttrpc_parser *p)
{
	return p->buf.len - p->pos;
}

static const uint8_t *at(const struct cor_ttrpc_parser *p)
{
	return (const uint8_t *)p->buf.data + p->pos;
}

int cor_ttrpc_parser_feed(struct cor_ttrpc_parser *p, const void *data, size_t n, struct cor_error *err)
{
	if (p->pos == p->buf.len) {
		p->pos = p->buf.len = 0;
		if (p->buf.cap > KEEP_MAX)
			cor_buf_done(&p->buf);
	} else if (p->pos) {
		p->buf.len = available(p);
		memmove(p->buf.data, p->buf.data + p->pos, p->buf.len);
		p->pos = 0;
	}
	return cor_buf_append(&p->buf, data, n) < 0 ? cor_error_oom(err) : 0;
}

size_t cor_ttrpc_parser_need(const struct cor_ttrpc_parser *p)
{
	size_t have = available(p);
	if (have < COR_TTRPC_HEADER_SIZE)
		return COR_TTRPC_HEADER_SIZE - have;
	size_t length = get_u32(at(p));
	if (length > COR_TTRPC_MESSAGE_MAX || have - COR_TTRPC_HEADER_SIZE >= length)
		return 0;
	return length - (have - COR_TTRPC_HEADER_SIZE);
}

int cor_ttrpc_parser_next(struct cor_ttrpc_parser *p, struct cor_ttrpc_frame *ret, struct cor_error *err)
{
	size_t have = available(p);
	if (have < COR_TTRPC_HEADER_SIZE)
		return 0;
	const uint8_t *h = at(p);
	uint32_t length = get_u32(h);
	if (length > COR_TTRPC_MESSAGE_MAX) {
		(void)cor_error_set(err, COR_RESOURCE_EXHAUSTED,
				    "ttrpc: message of %u bytes exceeds the maximum of %u", length,
				    COR_TTRPC_MESSAGE_MAX);
		return -EPROTO;
	}
	if (have - COR_TTRPC_HEADER_SIZE < length)
		return 0;
	*ret = (struct cor_ttrpc_frame){
		.length = length,
		.stream = get_u32(h + 4),
		.type = h[8],
		.flags = h[9],
		.payload = h + COR_TTRPC_HEADER_SIZE,
	};
	p->pos += COR_TTRPC_HEADER_SIZE + length;
	return 1;
}
