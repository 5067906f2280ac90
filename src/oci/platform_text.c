/* SPDX-License-Identifier: Apache-2.0 */
/* Platform specifiers as text, and back (grammar: the header). */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "oci/platform.h"

static const char *const known_os[] = {
	"aix",   "android", "darwin", "dragonfly", "freebsd", "hurd",    "illumos", "ios", "js",
	"linux", "nacl",    "netbsd", "openbsd",   "plan9",   "solaris", "windows", "zos",
};
static const char *const known_arch[] = {
	"386",      "amd64",     "amd64p32",    "arm",   "armbe",   "arm64", "arm64be", "loong64",
	"mips",     "mipsle",    "mips64",      "ppc64", "ppc64le", "ppc",   "riscv",   "riscv64",
	"mips64le", "mips64p32", "mips64p32le", "s390",  "s390x",   "sparc", "sparc64", "wasm",
};

static bool is_in(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (streq(s, list[i]))
			return true;
	return false;
}

/* ---- options of the operating system ---- */

static void escape(struct cor_buf *b, const char *s)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_.-", *s))
			cor_buf_printf(b, "%%%02X", (unsigned char)*s);
		else
			cor_buf_char(b, *s);
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

int cor_platform_unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (*p != '%') {
			*to++ = *p;
			continue;
		}
		int high = hex(p[1]), low = high < 0 ? -1 : hex(p[2]);

		if (low < 0 || high * 16 + low == 0)
			return -EINVAL;
		*to++ = (char)(high * 16 + low);
		p += 2;
	}
	*to = '\0';
	return 0;
}

int cor_platform_add_feature(struct cor_platform *p, const char *feature)
{
	_cleanup_buf_ struct cor_buf one = {0}, all = {0};
	const char *rest = p->os_features;
	bool done = false;

	escape(&one, feature);
	if (one.failed)
		return -ENOMEM;
	if (one.len == 0)
		return 0;
	while (*rest) {
		size_t n = strcspn(rest, "+");
		int c = strncmp(one.data, rest, n);

		if (c == 0 && one.len == n)
			return 0;
		if (!done && (c < 0 || (c == 0 && one.len < n))) {
			cor_buf_printf(&all, "%s%s", all.len ? "+" : "", one.data);
			done = true;
		}
		cor_buf_printf(&all, "%s%.*s", all.len ? "+" : "", (int)n, rest);
		rest += n + (rest[n] == '+');
	}
	if (!done)
		cor_buf_printf(&all, "%s%s", all.len ? "+" : "", one.data);
	if (all.failed || all.len >= sizeof(p->os_features))
		return all.failed ? -ENOMEM : -ENOSPC;
	memcpy(p->os_features, all.data, all.len + 1);
	return 0;
}

/* ---- parsing ---- */

static bool all_of(const char *s, size_t n, const char *extra)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr(extra, s[i]))
			return false;
	return n > 0;
}

/* "(version+feature+feature)" */
static int parse_options(char *s, struct cor_platform *p)
{
	size_t n = strlen(s);

	if (n < 2 || s[0] != '(' || s[n - 1] != ')')
		return -EINVAL;
	s[n - 1] = '\0';
	_cleanup_strv_ char **v = cor_strv_split(s + 1, '+');
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; v[i]; i++) {
		if ((i > 0 || *v[i]) && !all_of(v[i], strlen(v[i]), "_.%-"))
			return -EINVAL;
		if (cor_platform_unescape(v[i]) < 0)
			return -EINVAL;
		if (i == 0) {
			if (strlen(v[0]) >= sizeof(p->os_version))
				return -EINVAL;
			memcpy(p->os_version, v[0], strlen(v[0]) + 1);
			continue;
		}
		int r = cor_platform_add_feature(p, v[i]);
		if (r < 0)
			return r == -ENOMEM ? r : -EINVAL;
	}
	return 0;
}

/* The first component: cuts its options off. */
static int parse_os(char *part, const char *whole, struct cor_platform *p, struct cor_error *err)
{
	size_t n = strcspn(part, "(");
	_cleanup_free_ char *copy = strdup(part);
	int r = !copy ? -ENOMEM : n < sizeof(p->os) && all_of(part, n, "_-") ? 0 : -EINVAL;

	if (r == 0 && part[n])
		r = parse_options(part + n, p);
	if (r == -ENOMEM)
		return cor_error_oom(err);
	if (r < 0)
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"\"%.64s\" is an invalid OS component of \"%.128s\": OSAndVersion specifier "
			"component must match \"^([A-Za-z0-9_-]+)(?:\\\\(([A-Za-z0-9_.%%-]*)((?:\\\\+"
			"[A-Za-z0-9_.%%-]+)*)\\\\))?$\": invalid argument",
			copy, whole);
	part[n] = '\0';
	return 0;
}

static bool is_known(const char *s, bool arch)
{
	struct cor_platform p = {0};

	snprintf(arch ? p.architecture : p.os, sizeof(p.os), "%s", s);
	cor_platform_normalize(&p);
	return arch ? is_in(p.architecture, known_arch, ARRAY_SIZE(known_arch))
		    : is_in(p.os, known_os, ARRAY_SIZE(known_os));
}

/* v: validated, each shorter than the fields. */
static int from_parts(char *const *v, size_t n, struct cor_platform *p)
{
	struct cor_platform host;
	const char *os = v[0], *arch = n > 1 ? v[1] : "", *variant = n > 2 ? v[2] : "";
	bool options = p->os_version[0] || p->os_features[0];

	if (n == 1 && is_known(v[0], false)) {
		cor_platform_host(&host);
		arch = host.architecture;
		variant = host.variant;
	} else if (n <= 2 && !options && is_known(v[0], true)) {
		os = "linux";
		arch = v[0];
		variant = n > 1 ? v[1] : "";
	} else if (n < 2 || n > 3) {
		return -1;
	}
	snprintf(p->os, sizeof(p->os), "%s", os);
	snprintf(p->architecture, sizeof(p->architecture), "%s", arch);
	snprintf(p->variant, sizeof(p->variant), "%s", variant);
	return 0;
}

int cor_platform_parse(const char *s, struct cor_platform *ret, struct cor_error *err)
{
	_cleanup_strv_ char **v = NULL;
	struct cor_platform p = {0};
	size_t n;
	int r;

	if (strchr(s, '*'))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "\"%.64s\": wildcards not yet supported: invalid argument", s);
	v = cor_strv_split(s, '/');
	if (!v)
		return cor_error_oom(err);
	n = cor_strv_len(v);
	r = parse_os(v[0], s, &p, err);
	if (r < 0)
		return r;
	for (size_t i = 1; i < n; i++)
		if (!all_of(v[i], strlen(v[i]), "_.-") || strlen(v[i]) >= sizeof(p.variant))
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

/* ---- formatting ---- */

char *cor_platform_format(const struct cor_platform *p, char buf[128])
{
	if (!p->os[0])
		snprintf(buf, 128, "unknown");
	else
		snprintf(buf, 128, "%s%s%s%s%s", p->os, p->architecture[0] ? "/" : "", p->architecture,
			 p->variant[0] ? "/" : "", p->variant);
	return buf;
}

char *cor_platform_format_all(const struct cor_platform *p, char buf[COR_PLATFORM_TEXT_MAX])
{
	_cleanup_buf_ struct cor_buf version = {0};
	bool options = p->os_version[0] || p->os_features[0];

	escape(&version, p->os_version);
	if (!p->os[0] || version.failed || !options)
		return cor_platform_format(p, buf);
	snprintf(buf, COR_PLATFORM_TEXT_MAX, "%s(%s%s%s)%s%s%s%s", p->os, version.data ? version.data : "",
		 p->os_features[0] ? "+" : "", p->os_features, p->architecture[0] ? "/" : "", p->architecture,
		 p->variant[0] ? "/" : "", p->variant);
	return buf;
}
