/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests. The low-level SHA256_* functions of libcrypto are used although they are deprecated: they use SHA-NI,
 * need no provider to be loaded (EVP costs 2 ms at start-up), and pull three objects out of the static library.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "oci/digest.h"

#define PREFIX     "sha256:"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define HEX_LEN    64

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct cor_sha256), "struct cor_sha256 is too small");
_Static_assert(PREFIX_LEN + HEX_LEN + 1 <= COR_DIGEST_MAX, "COR_DIGEST_MAX is too small");

static bool is_lower_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

int cor_digest_validate(const char *digest, struct cor_error *err)
{
	const char *colon;
	size_t n;

	if (cor_empty(digest))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "digest is empty: invalid checksum digest format");
	colon = strchr(digest, ':');
	if (!colon || colon == digest || !colon[1])
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "digest \"%.128s\": invalid checksum digest format", digest);
	if (strncmp(digest, PREFIX, PREFIX_LEN) != 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "digest \"%.128s\": unsupported digest algorithm", digest);
	n = strnlen(digest + PREFIX_LEN, HEX_LEN + 1);
	for (size_t i = 0; i < n; i++)
		if (!is_lower_hex(digest[PREFIX_LEN + i]))
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "digest \"%.128s\": invalid checksum digest format", digest);
	if (n != HEX_LEN)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "digest \"%.128s\": invalid checksum digest length", digest);
	return 0;
}

const char *cor_digest_hex(const char *digest)
{
	return digest + PREFIX_LEN;
}

/* opaque[] is only ever accessed as a SHA256_CTX (and the build has -fno-strict-aliasing). */
static SHA256_CTX *ctx_of(struct cor_sha256 *h)
{
	return (SHA256_CTX *)(void *)h->opaque;
}

void cor_sha256_init(struct cor_sha256 *h)
{
	SHA256_Init(ctx_of(h));
}

void cor_sha256_update(struct cor_sha256 *h, const void *data, size_t n)
{
	SHA256_Update(ctx_of(h), data, n);
}

void cor_sha256_digest(struct cor_sha256 *h, char ret[COR_DIGEST_MAX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char md[SHA256_DIGEST_LENGTH];
	char *p = ret;

	SHA256_Final(md, ctx_of(h));
	memcpy(p, PREFIX, PREFIX_LEN);
	p += PREFIX_LEN;
	for (size_t i = 0; i < sizeof(md); i++) {
		*p++ = digits[md[i] >> 4];
		*p++ = digits[md[i] & 15];
	}
	*p = '\0';
}

void cor_digest_of(const void *data, size_t n, char ret[COR_DIGEST_MAX])
{
	struct cor_sha256 h;

	cor_sha256_init(&h);
	cor_sha256_update(&h, data, n);
	cor_sha256_digest(&h, ret);
}

void cor_chain_id(const char *parent, const char *diff_id, char ret[COR_DIGEST_MAX])
{
	char text[2 * COR_DIGEST_MAX + 2];
	int n;

	if (cor_empty(parent)) {
		snprintf(ret, COR_DIGEST_MAX, "%s", diff_id);
		return;
	}
	n = snprintf(text, sizeof(text), "%s %s", parent, diff_id);
	cor_digest_of(text, MIN((size_t)n, sizeof(text) - 1), ret);
}
