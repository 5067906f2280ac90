/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms ("linux/arm64/v8"): parsing, normalisation and matching as containerd's platforms package does it. */
#ifndef COR_OCI_PLATFORM_H
#define COR_OCI_PLATFORM_H

#include <stdbool.h>

#include "base/error.h"

struct cor_platform {
	char os[32], architecture[32], variant[32], os_version[64];
};

/* "linux", "amd64", "arm64/v8", "linux/arm/v7"; normalised (x86_64 -> amd64, aarch64 -> arm64, arm64/v8 -> arm64, armhf -> arm/v7).
 * INVALID_ARGUMENT otherwise. */
int cor_platform_parse(const char *s, struct cor_platform *ret, struct cor_error *err);
void cor_platform_normalize(struct cor_platform *p);
/* The machine's own. */
void cor_platform_host(struct cor_platform *ret);
/* "linux/arm/v7". Returns buf (>= 128 bytes). */
char *cor_platform_format(const struct cor_platform *p, char buf[128]);
/* How well `have` serves `want`: < 0 not at all, else 0 is the best and larger is worse (upstream's "only" order:
 * amd64/v3 takes v3, v2, v1; arm/v7 takes v7, v6, v5; arm64 takes arm64, arm/v8, arm/v7 …; i386 on amd64 last). */
int cor_platform_match(const struct cor_platform *want, const struct cor_platform *have);

#endif
