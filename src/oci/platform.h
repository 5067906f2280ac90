/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platforms ("linux/arm64/v8", "windows(10.0.20348+feature)/amd64"): parsing, normalisation and matching as containerd's
 * platforms package does it (v1.0.0-rc.2 and later).
 */
#ifndef COR_OCI_PLATFORM_H
#define COR_OCI_PLATFORM_H

#include <stdbool.h>

#include "base/error.h"

struct cor_platform {
	char os[32], architecture[32], variant[32], os_version[64];
	char os_features
		[256]; /* sorted, each once, joined by '+'; in them all but letters, digits and _.- as %XX */
};
#define COR_PLATFORM_TEXT_MAX 512

/* ---- platform_text.c ---- */

/* OS, ARCH, OS/ARCH or OS/ARCH/VARIANT, where OS may have options: "os(version+feature+feature)". What is missing is the
 * host's. Normalised (x86_64 -> amd64, aarch64 -> arm64, arm64/v8 -> arm64, armhf -> arm/v7); ARCH/VARIANT is taken, too, where
 * containerd would see an OS called "arm64". INVALID_ARGUMENT otherwise. */
int cor_platform_parse(const char *s, struct cor_platform *ret, struct cor_error *err);
/* "linux/arm/v7". Returns buf (>= 128 bytes). */
char *cor_platform_format(const struct cor_platform *p, char buf[128]);
/* The same with version and features, as parse takes it. Returns buf. */
char *cor_platform_format_all(const struct cor_platform *p, char buf[COR_PLATFORM_TEXT_MAX]);
/* One more feature, as it is (not escaped). -ENOSPC (err not set) when it does not fit. */
int cor_platform_add_feature(struct cor_platform *p, const char *feature);
/* Undoes the %XX of text in place; -EINVAL for bad ones and for %00. */
int cor_platform_unescape(char *text);

/* ---- platform.c ---- */

void cor_platform_normalize(struct cor_platform *p);
/* The machine's own. */
void cor_platform_host(struct cor_platform *ret);
/* Variant of an ARM machine from the text of /proc/cpuinfo, else from uname's machine ("armv7l", "aarch64"): "v7"; "unknown" when
 * neither tells. bits32: the program is a 32-bit one. Borrowed. */
const char *cor_platform_arm_variant(const char *cpuinfo, const char *machine, bool bits32);
/* How well `have` serves `want`: < 0 not at all, else 0 is the best and larger is worse (upstream's "only" order:
 * amd64/v3 takes v3, v2, v1; arm/v7 takes v7, v6, v5; arm64 takes arm64, arm/v8, arm/v7 …; i386 on amd64 last). The features
 * of have must all be wanted, and more of them are better; the OS version counts for windows only. */
int cor_platform_match(const struct cor_platform *want, const struct cor_platform *have);

#endif
