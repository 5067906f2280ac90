/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelopes inside ttrpc frames (proto/ttrpc.proto), read and written by hand: a generated parser would allocate for
 * every pair of metadata and every detail of a status that a peer cares to send, and would copy payloads.
 */
#include "rpc/ttrpc.h"

#include <errno.h>

#include "rpc/wire.h"

enum {
	REQUEST_SERVICE = 1,
	REQUEST_METHOD = 2,
	REQUEST_PAYLOAD = 3,
	REQUEST_TIMEOUT = 4,
	REQUEST_METADATA = 5
};
enum { PAIR_KEY = 1, PAIR_VALUE = 2 };
enum { RESPONSE_STATUS = 1, RESPONSE_PAYLOAD = 2 };
enum { STATUS_CODE = 1, STATUS_MESSAGE = 2 };

void cor_ttrpc_request_done(struct cor_ttrpc_request *r)
{
	free(r->service);
	free(r->method);
	free(r->payload);
	cor_map_done(&r->metadata);
	*r = (struct cor_ttrpc_request){0};
}

static int malformed(struct cor_error *err, const char *what)
{
	(void)cor_error_set(err, COR_INVALID_ARGUMENT, "ttrpc: malformed %s", what);
	return -EPROTO;
}

/* A text field into *dst (the last one of a repeated field counts, as in protobuf). */
static int take_text(const struct cor_wire_field *f, size_t max, char **dst)
{
	if (f->type != COR_WIRE_BYTES || f->len > max || memchr(f->data, 0, f->len))
		return -EPROTO;
	char *s = strndup((const char *)f->data, f->len);
	if (!s)
		return -ENOMEM;
	free(*dst);
	*dst = s;
	return 0;
}

static int take_payload(const struct cor_wire_field *f, struct cor_ttrpc_request *r)
{
	if (f->type != COR_WIRE_BYTES)
		return -EPROTO;
	uint8_t *copy = malloc(f->len ? f->len : 1);
	if (!copy)
		return -ENOMEM;
	if (f->len)
		memcpy(copy, f->data, f->len);
	free(r->payload);
	r->payload = copy;
	r->len = f->len;
	return 0;
}

static int take_pair(const struct cor_wire_field *field, struct cor_map *map)
{
	if (field->type != COR_WIRE_BYTES || map->n >= COR_TTRPC_METADATA_MAX)
		return -EPROTO;
	_cleanup_free_ char *key = NULL, *value = NULL;
	struct cor_wire_reader r;
	struct cor_wire_field f;
	int k;
	cor_wire_reader_init(&r, field->data, field->len);
	while ((k = cor_wire_next(&r, &f)) > 0) {
		if (f.number == PAIR_KEY)
			k = take_text(&f, SIZE_MAX, &key);
		else if (f.number == PAIR_VALUE)
			k = take_text(&f, SIZE_MAX, &value);
		if (k < 0)
			return k;
	}
	if (k < 0)
		return k;
	/* A header with several values comes as several pairs; the last one stays. */
	return cor_map_set(map, key ? key : "", value ? value : "");
}

static int take_field(const struct cor_wire_field *f, struct cor_ttrpc_request *req)
{
	switch (f->number) {
	case REQUEST_SERVICE:
		return take_text(f, COR_TTRPC_NAME_MAX, &req->service);
	case REQUEST_METHOD:
		return take_text(f, COR_TTRPC_NAME_MAX, &req->method);
	case REQUEST_PAYLOAD:
		return take_payload(f, req);
	case REQUEST_TIMEOUT:
		if (f->type != COR_WIRE_VARINT)
			return -EPROTO;
		req->timeout_ns = f->value > INT64_MAX ? 0 : (int64_t)f->value;
		return 0;
	case REQUEST_METADATA:
		return take_pair(f, &req->metadata);
	default:
		return 0;
	}
}

static int decode_request(const void *data, size_t n, struct cor_ttrpc_request *req)
{
	struct cor_wire_reader r;
	struct cor_wire_field f;
	int k;
	cor_wire_reader_init(&r, data, n);
	while ((k = cor_wire_next(&r, &f)) > 0) {
		k = take_field(&f, req);
		if (k < 0)
			return k;
	}
	if (k < 0)
		return k;
	/* Never NULL for the users' sake. */
	if (!req->service && !(req->service = strdup("")))
		return -ENOMEM;
	if (!req->method && !(req->method = strdup("")))
		return -ENOMEM;
	if (!req->payload && !(req->payload = malloc(1)))
		return -ENOMEM;
	return 0;
}

int cor_ttrpc_request_decode(const void *data, size_t n, struct cor_ttrpc_request *ret, struct cor_error *err)
{
	struct cor_ttrpc_request req = {0};
	int r = decode_request(data, n, &req);
	if (r < 0) {
		cor_ttrpc_request_done(&req);
		return r == -ENOMEM ? cor_error_oom(err) : malformed(err, "request");
	}
	*ret = req;
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static void put_u32(char *p, uint32_t v)
{
	p[0] = (char)(v >> 24);
	p[1] = (char)(v >> 16);
	p[2] = (char)(v >> 8);
	p[3] = (char)v;
}

/* Room for the header; returns where the frame starts. */
static size_t frame_begin(struct cor_buf *out)
{
	static const char zero[COR_TTRPC_HEADER_SIZE];
	size_t start = out->len;
	(void)cor_buf_append(out, zero, sizeof(zero));
	return start;
}

static int frame_end(struct cor_buf *out, size_t start, uint32_t stream, uint8_t type)
{
	if (out->failed) {
		out->len = start;
		return -ENOMEM;
	}
	size_t length = out->len - start - COR_TTRPC_HEADER_SIZE;
	if (length > COR_TTRPC_MESSAGE_MAX) {
		out->len = start;
		return -EMSGSIZE;
	}
	char *h = out->data + start;
	put_u32(h, (uint32_t)length);
	put_u32(h + 4, stream);
	h[8] = (char)type;
	h[9] = 0;
	return 0;
}

static size_t pair_size(const char *key, const char *value)
{
	size_t k = strlen(key), v = strlen(value), n = 0;
	if (k)
		n += 1 + cor_wire_varint_size(k) + k;
	if (v)
		n += 1 + cor_wire_varint_size(v) + v;
	return n;
}

int cor_ttrpc_request_encode(struct cor_buf *out, uint32_t stream, const char *service, const char *method,
			     const void *payload, size_t n, int64_t timeout_ns,
			     const struct cor_map *metadata)
{
	if (n > COR_TTRPC_MESSAGE_MAX)
		return -EMSGSIZE;
	size_t start = frame_begin(out);
	cor_wire_put_string(out, REQUEST_SERVICE, service);
	cor_wire_put_string(out, REQUEST_METHOD, method);
	cor_wire_put_bytes(out, REQUEST_PAYLOAD, payload, n);
	if (timeout_ns > 0)
		cor_wire_put_uint(out, REQUEST_TIMEOUT, (uint64_t)timeout_ns);
	for (size_t i = 0; metadata && i < metadata->n; i++) {
		cor_wire_put_varint(out, REQUEST_METADATA << 3 | COR_WIRE_BYTES);
		cor_wire_put_varint(out, pair_size(metadata->keys[i], metadata->values[i]));
		cor_wire_put_string(out, PAIR_KEY, metadata->keys[i]);
		cor_wire_put_string(out, PAIR_VALUE, metadata->values[i]);
	}
	return frame_end(out, start, stream, COR_TTRPC_REQUEST);
}

int cor_ttrpc_response_encode(struct cor_buf *out, uint32_t stream, enum cor_code code, const char *message,
			      const void *payload, size_t n)
{
	if (n > COR_TTRPC_MESSAGE_MAX)
		return -EMSGSIZE;
	size_t start = frame_begin(out);
	if (code != COR_OK) {
		size_t m = message ? strlen(message) : 0;
		size_t len = 1 + cor_wire_varint_size((uint64_t)code);
		if (m)
			len += 1 + cor_wire_varint_size(m) + m;
		cor_wire_put_varint(out, RESPONSE_STATUS << 3 | COR_WIRE_BYTES);
		cor_wire_put_varint(out, len);
		cor_wire_put_uint(out, STATUS_CODE, (uint64_t)code);
		cor_wire_put_string(out, STATUS_MESSAGE, message);
	} else {
		cor_wire_put_bytes(out, RESPONSE_PAYLOAD, payload, n);
	}
	return frame_end(out, start, stream, COR_TTRPC_RESPONSE);
}

/* ---- responses ----------------------------------------------------------------------------------------------- */

struct status {
	int32_t code;
	const uint8_t *message;
	size_t len;
};

/* Merges into st: a second status field of the same message adds to the first, as in protobuf. */
static int read_status(const struct cor_wire_field *field, struct status *st)
{
	if (field->type != COR_WIRE_BYTES)
		return -EPROTO;
	struct cor_wire_reader r;
	struct cor_wire_field f;
	int k;
	cor_wire_reader_init(&r, field->data, field->len);
	while ((k = cor_wire_next(&r, &f)) > 0) {
		if (f.number == STATUS_CODE && f.type == COR_WIRE_VARINT) {
			st->code = (int32_t)(uint32_t)f.value;
		} else if (f.number == STATUS_MESSAGE && f.type == COR_WIRE_BYTES) {
			st->message = f.data;
			st->len = f.len;
		} else if (f.number == STATUS_CODE || f.number == STATUS_MESSAGE) {
			return -EPROTO;
		}
	}
	return k;
}

int cor_ttrpc_response_decode(const void *data, size_t n, const uint8_t **ret_payload, size_t *ret_len,
			      struct cor_error *err)
{
	static const uint8_t nothing[1];
	const uint8_t *payload = nothing;
	size_t len = 0;
	struct status st = {0};
	struct cor_wire_reader r;
	struct cor_wire_field f;
	int k;
	cor_wire_reader_init(&r, data, n);
	while ((k = cor_wire_next(&r, &f)) > 0) {
		if (f.number == RESPONSE_STATUS) {
			k = read_status(&f, &st);
		} else if (f.number == RESPONSE_PAYLOAD) {
			k = f.type == COR_WIRE_BYTES ? 0 : -EPROTO;
			payload = f.data;
			len = f.len;
		}
		if (k < 0)
			break;
	}
	if (k < 0)
		return malformed(err, "response");
	if (st.code != COR_OK) {
		enum cor_code code =
			st.code > 0 && st.code <= COR_UNAUTHENTICATED ? (enum cor_code)st.code : COR_UNKNOWN;
		int shown = (int)MIN(st.len, (size_t)COR_ERROR_MESSAGE_MAX);
		if (shown == 0 || st.message[0] == '\0')
			return cor_error_set(err, code, "%s", cor_code_name(code));
		return cor_error_set(err, code, "%.*s", shown, (const char *)st.message);
	}
	*ret_payload = payload;
	*ret_len = len;
	return 0;
}
