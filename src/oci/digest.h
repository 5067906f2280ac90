/* SPDX-License-Identifier: Apache-2.0 */
/* Digests "sha256:<64 lower-case hex>" and computing them. Syntax is checked before a digest becomes a path. */
#ifndef COR_OCI_DIGEST_H
#define COR_OCI_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define COR_DIGEST_MAX 80 /* "sha256:" + 64 + NUL, rounded */

/* 0 or INVALID_ARGUMENT; only sha256 (others: UNIMPLEMENTED-worded INVALID_ARGUMENT). */
int cor_digest_validate(const char *digest, struct cor_error *err);
/* The hex part of a validated digest (borrowed). */
const char *cor_digest_hex(const char *digest);

struct cor_sha256 {
	uint64_t opaque[16]; /* holds the library's SHA256_CTX */
};
void cor_sha256_init(struct cor_sha256 *h);
void cor_sha256_update(struct cor_sha256 *h, const void *data, size_t n);
/* "sha256:<hex>" */
void cor_sha256_digest(struct cor_sha256 *h, char ret[COR_DIGEST_MAX]);
void cor_digest_of(const void *data, size_t n, char ret[COR_DIGEST_MAX]);
/* Chain ID of parent chain ID (NULL: first layer) and a diffID (image-spec config.md). */
void cor_chain_id(const char *parent, const char *diff_id, char ret[COR_DIGEST_MAX]);

#endif
