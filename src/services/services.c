/* SPDX-License-Identifier: Apache-2.0 */
/* What is the same over every implementation of the service interfaces: freeing them and reading whole small blobs. */
#include "services/services.h"

#include <errno.h>

#include "oci/digest.h"

struct cor_services *cor_services_free(struct cor_services *s)
{
	if (s)
		s->close(s);
	return NULL;
}

void cor_services_freep(struct cor_services **s)
{
	*s = cor_services_free(*s);
}

void cor_reader_freep(struct cor_reader **r)
{
	if (*r)
		(*r)->ops->free(*r);
	*r = NULL;
}

/* The blob's size comes from a record that may lie: it is checked against max before memory is taken, and the stream is
 * read to its end but never past max + 1 bytes. */
static int read_whole(struct cor_reader *r, const char *digest, size_t max, struct cor_buf *out,
		      struct cor_error *err)
{
	char chunk[16384];

	for (;;) {
		ssize_t n = r->ops->read(r, chunk, sizeof(chunk), err);

		if (n < 0)
			return cor_error_wrap(err, (int)n, "read %s", digest);
		if (n == 0)
			return 0;
		if ((size_t)n > max - out->len)
			return cor_error_set(err, COR_OUT_OF_RANGE, "content %s: larger than %zu bytes",
					     digest, max);
		if (cor_buf_append(out, chunk, (size_t)n) < 0)
			return cor_error_oom(err);
	}
}

int cor_content_read_all(struct cor_services *s, const char *digest, size_t max, char **ret, size_t *ret_len,
			 struct cor_error *err)
{
	_cleanup_(cor_reader_freep) struct cor_reader *r = NULL;
	_cleanup_buf_ struct cor_buf buf = {0};
	char actual[COR_DIGEST_MAX];
	size_t len;
	char *text;
	int ret_code;

	ret_code = s->content->reader(s, digest, &r, err);
	if (ret_code < 0)
		return ret_code;
	if (r->size > 0 && (uint64_t)r->size > max)
		return cor_error_set(err, COR_OUT_OF_RANGE, "content %s: larger than %zu bytes", digest, max);
	ret_code = read_whole(r, digest, max, &buf, err);
	if (ret_code < 0)
		return ret_code;
	cor_digest_of(buf.data ? buf.data : "", buf.len, actual);
	if (!streq(actual, digest))
		return cor_error_set(err, COR_DATA_LOSS, "content %s: data on disk has digest %s", digest,
				     actual);
	len = buf.len;
	text = cor_buf_take(&buf);
	if (!text)
		return cor_error_oom(err);
	*ret = text;
	if (ret_len)
		*ret_len = len;
	return 0;
}

void cor_checkpoint_result_done(struct cor_checkpoint_result *r)
{
	cor_descriptor_done(&r->criu);
	cor_descriptor_done(&r->config);
}
