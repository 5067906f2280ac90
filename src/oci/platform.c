/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platforms: names are normalised first (so that "x86_64" and "amd64/v1" are one), then an image's platform is looked
 * for in the list of those the wanted one can run, best first (platformVector in containerd's platforms package).
 */
#include "oci/platform.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/str.h"

/* A step down the list is worth more than any number of features. */
#define STEP         256
#define CPUINFO      "/proc/cpuinfo"
#define CPUINFO_MAX  (16u << 20)
#define WINDOWS_2022 20348

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

/* ---- normal forms ---- */

static const struct {
	const char *arch, *variant;         /* variant NULL: any */
	const char *new_arch, *new_variant; /* new_variant NULL: stays */
} forms[] = {
	{"i386", NULL, "386", ""},        {"x86_64", NULL, "amd64", NULL}, {"x86-64", NULL, "amd64", NULL},
	{"aarch64", NULL, "arm64", NULL}, {"armhf", NULL, "arm", "v7"},    {"armel", NULL, "arm", "v6"},
	{"amd64", "v1", "amd64", ""},     {"arm64", "8", "arm64", ""},     {"arm64", "v8", "arm64", ""},
	{"arm64", "v8.0", "arm64", ""},   {"arm64", "9", "arm64", "v9"},   {"arm64", "9.0", "arm64", "v9"},
	{"arm64", "v9.0", "arm64", "v9"}, {"arm", "", "arm", "v7"},        {"arm", "5", "arm", "v5"},
	{"arm", "6", "arm", "v6"},        {"arm", "7", "arm", "v7"},       {"arm", "8", "arm", "v8"},
};

void cor_platform_normalize(struct cor_platform *p)
{
	lower(p->os);
	lower(p->architecture);
	lower(p->variant);
	if (!p->os[0])
		SET(p->os, "linux");
	else if (streq(p->os, "macos"))
		SET(p->os, "darwin");
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (!streq(p->architecture, forms[i].arch) ||
		    (forms[i].variant && !streq(p->variant, forms[i].variant)))
			continue;
		SET(p->architecture, forms[i].new_arch);
		if (forms[i].new_variant)
			SET(p->variant, forms[i].new_variant);
	}
}

/* ---- the machine's own ---- */

/* Value of the first line "key : value", or NULL; not NUL-terminated. */
static const char *cpu_field(const char *cpuinfo, const char *key, size_t *ret_n)
{
	for (const char *line = cpuinfo; *line; line = strchrnul(line, '\n'), line += *line == '\n') {
		size_t n = strcspn(line, ":\n"), k = n;

		if (line[n] != ':')
			continue;
		while (k > 0 && isspace((unsigned char)line[k - 1]))
			k--;
		if (k != strlen(key) || strncasecmp(line, key, k) != 0)
			continue;
		line += n + 1;
		while (*line == ' ' || *line == '\t')
			line++;
		*ret_n = strcspn(line, ":\n");
		while (*ret_n > 0 && isspace((unsigned char)line[*ret_n - 1]))
			(*ret_n)--;
		return line;
	}
	return NULL;
}

const char *cor_platform_arm_variant(const char *cpuinfo, const char *machine, bool bits32)
{
	static const struct {
		const char *text, *variant;
	} names[] = {
		{"8", "v8"},     {"aarch64", "v8"}, {"7", "v7"},     {"7m", "v7"},    {"?(12)", "v7"},
		{"?(13)", "v7"}, {"?(14)", "v7"},   {"?(15)", "v7"}, {"?(16)", "v7"}, {"?(17)", "v7"},
		{"6", "v6"},     {"6tej", "v6"},    {"5", "v5"},     {"5t", "v5"},    {"5te", "v5"},
		{"5tej", "v5"},  {"4", "v4"},       {"4t", "v4"},    {"3", "v3"},
	};
	size_t n = 0, m = 0;
	const char *text = cpu_field(cpuinfo, "CPU architecture", &n), *model;

	if (!text) {
		text = cor_startswith(machine, "armv") ? machine + 4 : machine;
		n = text == machine ? strlen(text) : 1;
	}
	/* A kernel quirk: the Raspberry Pi's ARMv6 says that it is of architecture 7. */
	if (bits32 && n == 1 && *text == '7' && (model = cpu_field(cpuinfo, "model name", &m)) && m >= 16 &&
	    strncasecmp(model, "armv6-compatible", 16) == 0)
		text = "6";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i].text) == n && strncasecmp(names[i].text, text, n) == 0)
			return names[i].variant;
	return "unknown";
}

#if defined(__arm__) || defined(__aarch64__)
static void set_host_variant(struct cor_platform *p, const char *machine)
{
	_cleanup_free_ char *cpuinfo = NULL;

	(void)cor_read_file_at(AT_FDCWD, CPUINFO, CPUINFO_MAX, &cpuinfo, NULL, NULL);
	SET(p->variant,
	    cor_platform_arm_variant(cpuinfo ? cpuinfo : "", machine, streq(p->architecture, "arm")));
}
#endif

void cor_platform_host(struct cor_platform *ret)
{
	struct utsname u;

	*ret = (struct cor_platform){.os = "linux"};
	if (uname(&u) < 0)
		u.machine[0] = '\0';
#if defined(__x86_64__)
	SET(ret->architecture, "amd64");
#elif defined(__i386__)
	SET(ret->architecture, "386");
#elif defined(__aarch64__)
	SET(ret->architecture, "arm64");
	set_host_variant(ret, u.machine);
#elif defined(__arm__)
	SET(ret->architecture, "arm");
	set_host_variant(ret, u.machine);
#elif defined(__powerpc64__)
	SET(ret->architecture, "ppc64le");
#elif defined(__loongarch64)
	SET(ret->architecture, "loong64");
#else
	set(ret->architecture, MIN(sizeof(ret->architecture), sizeof(u.machine)), u.machine);
#endif
	cor_platform_normalize(ret);
}

/* ---- matching ---- */

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

static int architecture_distance(const struct cor_platform *w, const struct cor_platform *h)
{
	int d;

	if (streq(w->architecture, "amd64")) {
		if (streq(h->architecture, "amd64"))
			return variant_distance(w->variant, h->variant, 1);
		return streq(h->architecture, "386") && !h->variant[0] ? 1000 : -1;
	}
	if (streq(w->architecture, "arm") && streq(h->architecture, "arm"))
		return variant_distance(w->variant, h->variant, 5);
	if (streq(w->architecture, "arm64")) {
		if (streq(h->architecture, "arm64"))
			return variant_distance(w->variant, h->variant, 8);
		d = streq(h->architecture, "arm") ? variant_distance("v8", h->variant, 5) : -1;
		return d < 0 ? -1 : 1000 + d;
	}
	return streq(w->architecture, h->architecture) && streq(w->variant, h->variant) ? 0 : -1;
}

/* The wanted features that have lacks; -1 when it has one that is not wanted. win32k counts for nothing. */
static int features_missing(const struct cor_platform *want, const struct cor_platform *have)
{
	const char *w = want->os_features, *h = have->os_features;
	bool windows = streq(want->os, "windows");
	int missing = 0;

	while (*w || *h) {
		size_t nw = strcspn(w, "+"), nh = strcspn(h, "+");
		bool same = nw == nh && strncmp(w, h, nw) == 0;

		if (!same && windows && nh == 6 && strncmp(h, "win32k", nh) == 0) {
			h += nh + (h[nh] == '+');
			continue;
		}
		if (!*w)
			return -1;
		missing += !same;
		if (same)
			h += nh + (h[nh] == '+');
		w += nw + (w[nw] == '+');
	}
	return missing;
}

/* "10.0.20348.1234": 0 when it does not read as major.minor.build. */
static bool windows_version(const char *s, unsigned ret[3])
{
	int n = 0;

	return sscanf(s, "%3u.%3u.%5u%n", &ret[0], &ret[1], &ret[2], &n) == 3 && n > 0 &&
	       (s[n] == '\0' || s[n] == '.');
}

/* From Windows Server 2022 on a host runs the images of the long-term release before it up to its own; earlier ones run
 * none but their own. No version, or one that is none, goes with everything. */
static bool windows_runs(const char *want, const char *have)
{
	static const unsigned releases[] = {26100, WINDOWS_2022};
	unsigned w[3], h[3], oldest = WINDOWS_2022;

	if (!have[0] || !windows_version(want, w))
		return true;
	if (!windows_version(have, h) || w[0] != h[0] || w[1] != h[1])
		return false;
	if (w[2] < WINDOWS_2022)
		return w[2] == h[2];
	for (size_t i = ARRAY_SIZE(releases); i-- > 0;)
		if (w[2] > releases[i])
			oldest = releases[i];
	return oldest <= h[2] && h[2] <= w[2];
}

int cor_platform_match(const struct cor_platform *want, const struct cor_platform *have)
{
	struct cor_platform w = *want, h = *have;
	int distance, missing;

	cor_platform_normalize(&w);
	cor_platform_normalize(&h);
	if (!streq(w.os, h.os) || (streq(w.os, "windows") && !windows_runs(w.os_version, h.os_version)))
		return -1;
	distance = architecture_distance(&w, &h);
	missing = features_missing(&w, &h);
	return distance < 0 || missing < 0 ? -1 : distance * STEP + missing;
}
