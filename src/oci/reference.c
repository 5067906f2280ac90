/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references by distribution's grammar:
 *
 *   reference  = name [ ":" tag ] [ "@" digest ]
 *   name       = [ domain "/" ] path-component *( "/" path-component )
 *
 * A familiar name ("busybox", "user/app") has no domain; it is told from a domain by a dot, a colon, an upper-case
 * letter, or being "localhost". Scanners below work on [p, end) and return the end of what they matched.
 */
#include "oci/reference.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"
#include "oci/digest.h"

#define NAME_MAX_LENGTH 255
#define TAG_MAX_LENGTH  128
#define INPUT_MAX       1024

struct parts {
	const char *domain;
	size_t domain_len;
	const char *path; /* up to the tag or digest */
	size_t path_len;
	const char *tag; /* NULL: none */
	size_t tag_len;
	const char *digest; /* NULL: none; to the end of the string */
};

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* One separator: ".", "_", "__" or dashes. */
static const char *scan_separator(const char *p, const char *end)
{
	if (p == end)
		return p;
	if (*p == '.')
		return p + 1;
	if (*p == '_')
		return p + 1 < end && p[1] == '_' ? p + 2 : p + 1;
	while (p < end && *p == '-')
		p++;
	return p;
}

static bool path_component_is_valid(const char *p, const char *end)
{
	for (;;) {
		const char *q = p;

		while (q < end && is_lower_alnum(*q))
			q++;
		if (q == p)
			return false;
		if (q == end)
			return true;
		p = scan_separator(q, end);
		if (p == q)
			return false;
	}
}

static bool path_is_valid(const char *path, size_t n)
{
	const char *p = path, *end = path + n;

	for (;;) {
		const char *slash = memchr(p, '/', (size_t)(end - p));

		if (!path_component_is_valid(p, slash ? slash : end))
			return false;
		if (!slash)
			return true;
		p = slash + 1;
	}
}

static bool host_is_valid(const char *p, const char *end)
{
	const char *start = p;

	if (p < end && *p == '[') {
		for (p++; p < end && (isxdigit((unsigned char)*p) || *p == ':'); p++)
			;
		return p > start + 1 && p + 1 == end && *p == ']';
	}
	for (; p < end; p++) {
		bool edge = p == start || p + 1 == end || p[-1] == '.' || p[1] == '.';

		if (!is_alnum(*p) && (edge || (*p != '-' && *p != '.')))
			return false;
	}
	return p > start;
}

static bool domain_is_valid(const char *p, size_t n)
{
	const char *end = p + n, *host_end = end, *q = end;

	while (q > p && isdigit((unsigned char)q[-1]))
		q--;
	if (q > p && q < end && q[-1] == ':')
		host_end = q - 1;
	return host_is_valid(p, host_end);
}

static bool tag_is_valid(const char *p, size_t n)
{
	if (n == 0 || n > TAG_MAX_LENGTH)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(p[i]) && p[i] != '_' && (i == 0 || (p[i] != '.' && p[i] != '-')))
			return false;
	return true;
}

/* Domain, or none for a familiar name. */
static void split_domain(const char *name, struct parts *p)
{
	const char *slash = strchr(name, '/');
	bool is_domain = false;

	p->path = name;
	if (!slash)
		return;
	for (const char *q = name; q < slash; q++)
		if (*q == '.' || *q == ':' || isupper((unsigned char)*q))
			is_domain = true;
	if (!is_domain && !(slash - name == 9 && memcmp(name, "localhost", 9) == 0))
		return;
	p->domain = name;
	p->domain_len = (size_t)(slash - name);
	p->path = slash + 1;
}

static void split_tag(struct parts *p)
{
	const char *at = strchr(p->path, '@'), *end = at ? at : p->path + strlen(p->path);
	const char *colon = memchr(p->path, ':', (size_t)(end - p->path));

	p->digest = at ? at + 1 : NULL;
	if (colon) {
		p->tag = colon + 1;
		p->tag_len = (size_t)(end - p->tag);
		end = colon;
	}
	p->path_len = (size_t)(end - p->path);
}

static bool is_bare_hex(const char *s)
{
	size_t n = strlen(s);

	return n == 64 && strspn(s, "0123456789abcdef") == n;
}

static int check(const char *name, const struct parts *p, struct cor_error *err)
{
	for (size_t i = 0; i < p->path_len; i++)
		if (isupper((unsigned char)p->path[i]))
			return cor_error_set(
				err, COR_INVALID_ARGUMENT,
				"invalid reference format: repository name (%.256s) must be lowercase", name);
	if ((p->domain && !domain_is_valid(p->domain, p->domain_len)) ||
	    !path_is_valid(p->path, p->path_len) || (p->tag && !tag_is_valid(p->tag, p->tag_len)))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid reference format: \"%.256s\"", name);
	if (p->digest) {
		int r = cor_digest_validate(p->digest, err);

		if (r < 0)
			return cor_error_wrap(err, r, "invalid reference format");
	}
	return 0;
}

int cor_reference_normalize(const char *name, char **ret, struct cor_error *err)
{
	_cleanup_buf_ struct cor_buf b = {0};
	struct parts p = {0};
	bool hub;
	char *s;
	int r;

	if (cor_empty(name) || strnlen(name, INPUT_MAX + 1) > INPUT_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid reference format");
	if (is_bare_hex(name))
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"invalid repository name (%s), cannot specify 64-byte hexadecimal strings", name);
	split_domain(name, &p);
	split_tag(&p);
	r = check(name, &p, err);
	if (r < 0)
		return r;

	hub = !p.domain || (p.domain_len == 15 && memcmp(p.domain, "index.docker.io", 15) == 0) ||
	      (p.domain_len == 9 && memcmp(p.domain, "docker.io", 9) == 0);
	if (hub)
		cor_buf_str(&b, "docker.io");
	else
		cor_buf_append(&b, p.domain, p.domain_len);
	cor_buf_str(&b, hub && !memchr(p.path, '/', p.path_len) ? "/library/" : "/");
	cor_buf_append(&b, p.path, p.path_len);
	if (b.len > NAME_MAX_LENGTH)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "repository name must not be more than %d characters", NAME_MAX_LENGTH);
	if (p.digest) {
		cor_buf_printf(&b, "@%s", p.digest);
	} else {
		cor_buf_char(&b, ':');
		cor_buf_append(&b, p.tag ? p.tag : "latest", p.tag ? p.tag_len : 6);
	}
	s = cor_buf_take(&b);
	if (!s)
		return cor_error_oom(err);
	*ret = s;
	return 0;
}
