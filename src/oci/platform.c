/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platforms: names are normalised first (so that "x86_64" and "amd64/v1" are one), then an image's platform is looked
 * for in the list of those the wanted one can run, best first (platform_vector in containerd's platforms package).
 */
#include "oci/platform.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/str.h"

static const char *const known_os[] = {
	"aix",   "android", "darwin", "dragonfly", "freebsd", "hurd",    "illumos", "ios", "js",
	"linux", "nacl",    "netbsd", "openbsd",   "plan9",   "solaris", "windows", "zos",
};
static const char *const known_arch[] = {
	"386",    "amd64",    "arm",   "arm64",   "loong64", "mips",  "mipsle",
	"mips64", "mips64le", "ppc64", "ppc64le", "riscv64", "s390x", "wasm",
};

static bool is_in(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (streq(s, list[i]))
			return true;
	return false;
}

static void set(char *field, size_t size, const char *value)
{
	snprintf(field, size, "%s", value);
}
#define SET(field, value) set(field, sizeof(field), value)

static void lower(char *s)
{
	for (; *s; s++)
		*s = (char)tolower((unsigned char)*s);
}

static void normalize_arm(struct cor_platform *p)
{
	if (!p->variant[0] || streq(p->variant, "7"))
		SET(p->variant, "v7");
	else if (p->variant[1] == '\0' && p->variant[0] >= '5' && p->variant[0] <= '8')
		snprintf(p->variant, sizeof(p->variant), "v%c", p->variant[0]);
}

void cor_platform_normalize(struct cor_platform *p)
{
	lower(p->os);
	lower(p->architecture);
	lower(p->variant);
	if (!p->os[0])
		SET(p->os, "linux");
	else if (streq(p->os, "macos"))
		SET(p->os, "darwin");

	if (streq(p->architecture, "i386")) {
		SET(p->architecture, "386");
		p->variant[0] = '\0';
	} else if (streq(p->architecture, "x86_64") || streq(p->architecture, "x86-64")) {
		SET(p->architecture, "amd64");
	} else if (streq(p->architecture, "aarch64")) {
		SET(p->architecture, "arm64");
	} else if (streq(p->architecture, "armhf")) {
		SET(p->architecture, "arm");
		SET(p->variant, "v7");
	} else if (streq(p->architecture, "armel")) {
		SET(p->architecture, "arm");
		SET(p->variant, "v6");
	}

	if (streq(p->architecture, "amd64") && streq(p->variant, "v1"))
		p->variant[0] = '\0';
	else if (streq(p->architecture, "arm64") &&
		 is_in(p->variant, (const char *const[]){"8", "v8", "v8.0"}, 3))
		p->variant[0] = '\0';
	else if (streq(p->architecture, "arm"))
		normalize_arm(p);
}

void cor_platform_host(struct cor_platform *ret)
{
	struct utsname u;

	*ret = (struct cor_platform){.os = "linux"};
#if defined(__x86_64__)
	SET(ret->architecture, "amd64");
#elif defined(__i386__)
	SET(ret->architecture, "386");
#elif defined(__aarch64__)
	SET(ret->architecture, "arm64");
#elif defined(__arm__)
	SET(ret->architecture, "arm");
	if (uname(&u) == 0)
		SET(ret->variant, cor_startswith(u.machine, "armv6")   ? "v6"
				  : cor_startswith(u.machine, "armv5") ? "v5"
				  : cor_startswith(u.machine, "armv8") ? "v8"
								       : "v7");
#elif defined(__powerpc64__)
	SET(ret->architecture, "ppc64le");
#else
	if (uname(&u) == 0)
		set(ret->architecture, MIN(sizeof(ret->architecture), sizeof(u.machine)), u.machine);
#endif
	(void)u;
	cor_platform_normalize(ret);
}

static bool part_is_valid(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n >= sizeof(((struct cor_platform *)0)->os))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_.-", *s))
			return false;
	return true;
}

static bool is_os(const char *s)
{
	struct cor_platform p = {0};

	SET(p.os, s);
	cor_platform_normalize(&p);
	return is_in(p.os, known_os, ARRAY_SIZE(known_os));
}

static bool is_arch(const char *s)
{
	struct cor_platform p = {0};

	SET(p.architecture, s);
	cor_platform_normalize(&p);
	return is_in(p.architecture, known_arch, ARRAY_SIZE(known_arch));
}

static int from_parts(char *const *v, size_t n, struct cor_platform *p)
{
	if (n == 1 && is_os(v[0])) {
		cor_platform_host(p);
		SET(p->os, v[0]);
		return 0;
	}
	if (n <= 2 && is_arch(v[0])) {
		SET(p->os, "linux");
		SET(p->architecture, v[0]);
		if (n == 2)
			SET(p->variant, v[1]);
		return 0;
	}
	if (n < 2 || n > 3)
		return -1;
	SET(p->os, v[0]);
	SET(p->architecture, v[1]);
	if (n == 3)
		SET(p->variant, v[2]);
	return 0;
}

int cor_platform_parse(const char *s, struct cor_platform *ret, struct cor_error *err)
{
	_cleanup_strv_ char **v = NULL;
	struct cor_platform p = {0};
	size_t n;

	if (strchr(s, '*'))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "\"%.64s\": wildcards not yet supported: invalid argument", s);
	v = cor_strv_split(s, '/');
	if (!v)
		return cor_error_oom(err);
	n = cor_strv_len(v);
	for (size_t i = 0; i < n; i++)
		if (!part_is_valid(v[i]))
			return cor_error_set(
				err, COR_INVALID_ARGUMENT,
				"\"%.64s\" is an invalid component of \"%.128s\": platform specifier "
				"component must match \"^[A-Za-z0-9_.-]+$\": invalid argument",
				v[i], s);
	if (from_parts(v, n, &p) < 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "\"%.128s\": %s: invalid argument", s,
				     n == 1 ? "unknown operating system or architecture"
					    : "cannot parse platform specifier");
	cor_platform_normalize(&p);
	*ret = p;
	return 0;
}

char *cor_platform_format(const struct cor_platform *p, char buf[128])
{
	if (!p->os[0])
		snprintf(buf, 128, "unknown");
	else
		snprintf(buf, 128, "%s%s%s%s%s", p->os, p->architecture[0] ? "/" : "", p->architecture,
			 p->variant[0] ? "/" : "", p->variant);
	return buf;
}

/* "v8.2" -> 802; "" -> base (a variant that normalises to none); -1 for anything else. */
static int variant_level(const char *variant, int base)
{
	int major, minor = 0, n = 0;

	if (!variant[0])
		return base * 100;
	if (sscanf(variant, "v%2d%n.%2d%n", &major, &n, &minor, &n) < 1 || variant[n] || major < 0 ||
	    minor < 0)
		return -1;
	return major * 100 + minor;
}

/* Steps down from `want` to `have` within one architecture; -1 when have is above or unknown. arm64's v9.m includes
 * v8.(m+5); the other architectures have no minor numbers. */
static int variant_distance(const char *want, const char *have, int base)
{
	int w = variant_level(want, base), h = variant_level(have, base);

	if (streq(want, have))
		return 0;
	if (w < 0 || h < 0 || h < base * 100 || h > w)
		return -1;
	if (base == 8 && w >= 900 && h < 900) {
		int top = 805 + (w - 900);

		return h > top ? -1 : (w - 900) + 1 + (top - h);
	}
	return base == 8 ? w - h : (w - h) / 100;
}

int cor_platform_match(const struct cor_platform *want, const struct cor_platform *have)
{
	struct cor_platform w = *want, h = *have;
	int d;

	cor_platform_normalize(&w);
	cor_platform_normalize(&h);
	if (!streq(w.os, h.os))
		return -1;
	if (streq(w.architecture, "amd64")) {
		if (streq(h.architecture, "amd64"))
			return variant_distance(w.variant, h.variant, 1);
		return streq(h.architecture, "386") && !h.variant[0] ? 1000 : -1;
	}
	if (streq(w.architecture, "arm") && streq(h.architecture, "arm"))
		return variant_distance(w.variant, h.variant, 5);
	if (streq(w.architecture, "arm64")) {
		if (streq(h.architecture, "arm64"))
			return variant_distance(w.variant, h.variant, 8);
		d = streq(h.architecture, "arm") ? variant_distance("v8", h.variant, 5) : -1;
		return d < 0 ? -1 : 1000 + d;
	}
	return streq(w.architecture, h.architecture) && streq(w.variant, h.variant) ? 0 : -1;
}
