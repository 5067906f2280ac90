/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of devices: vendor/class=name. The characters are those of the Go library, not the stricter ones of the
 * specification's prose (a DNS name of at most 253 bytes and so on): what other tools take must not be refused here.
 */
#include <stdio.h>

#include "cdi/internal.h"

const char *cor_cdi_quote(const char *s, char buf[COR_CDI_QUOTE_MAX])
{
	size_t n = 0;

	buf[n++] = '"';
	for (; *s && n < COR_CDI_QUOTE_MAX - 10; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			buf[n++] = '\\';
		if (c < 0x20 || c == 0x7f)
			n += (size_t)snprintf(buf + n, 5, "\\x%02x", c);
		else
			buf[n++] = (char)c;
	}
	/* A character that was cut in half would not be UTF-8. */
	if (*s)
		while (n > 1 && ((unsigned char)buf[n - 1] & 0x80))
			n--;
	(void)snprintf(buf + n, COR_CDI_QUOTE_MAX - n, "%s", *s ? "\"..." : "\"");
	return buf;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9');
}

/* The first byte that may not stand between the first and the last, or NULL. */
static const char *bad_inside(const char *s, const char *extra)
{
	for (size_t i = 1; s[0] && s[i] && s[i + 1]; i++)
		if (!is_alnum(s[i]) && !strchr(extra, s[i]))
			return s + i;
	return NULL;
}

static int check_part(const char *what, const char *s, struct cor_error *err)
{
	char q[COR_CDI_QUOTE_MAX], c[COR_CDI_QUOTE_MAX];
	const char *bad;

	if (!*s)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid %s. empty name", what);
	if (!is_letter(*s))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid %s. %s, should start with letter",
				     what, cor_cdi_quote(s, q));
	bad = bad_inside(s, "_-.");
	if (bad)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid %s. invalid character %s in name %s",
				     what, cor_cdi_quote((char[]){*bad, '\0'}, c), cor_cdi_quote(s, q));
	if (!is_alnum(s[strlen(s) - 1]))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "invalid %s. %s, should end with a letter or digit", what,
				     cor_cdi_quote(s, q));
	return 0;
}

int cor_cdi_check_vendor(const char *vendor, struct cor_error *err)
{
	return check_part("vendor", vendor, err);
}

int cor_cdi_check_class(const char *class, struct cor_error *err)
{
	return check_part("class", class, err);
}

int cor_cdi_check_device(const char *name, struct cor_error *err)
{
	char q[COR_CDI_QUOTE_MAX], c[COR_CDI_QUOTE_MAX];
	const char *bad;

	if (!*name)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid (empty) device name");
	if (!is_alnum(*name))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "invalid name %s, should start with a letter or digit",
				     cor_cdi_quote(name, q));
	bad = bad_inside(name, "_-.:");
	if (bad)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid character %s in device name %s",
				     cor_cdi_quote((char[]){*bad, '\0'}, c), cor_cdi_quote(name, q));
	if (!is_alnum(name[strlen(name) - 1]))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "invalid name %s, should end with a letter or digit",
				     cor_cdi_quote(name, q));
	return 0;
}

int cor_cdi_split_kind(const char *kind, char **ret_vendor, char **ret_class, struct cor_error *err)
{
	const char *slash = strchr(kind, '/');
	bool whole = !slash || slash == kind || !slash[1];
	_cleanup_free_ char *vendor = whole ? strdup("") : strndup(kind, (size_t)(slash - kind));
	_cleanup_free_ char *class = strdup(whole ? kind : slash + 1);

	if (!vendor || !class)
		return cor_error_oom(err);
	*ret_vendor = TAKE_PTR(vendor);
	*ret_class = TAKE_PTR(class);
	return 0;
}

bool cor_cdi_is_qualified(const char *device)
{
	const char *eq = strchr(device, '=');
	_cleanup_free_ char *kind = eq ? strndup(device, (size_t)(eq - device)) : NULL;
	_cleanup_free_ char *vendor = NULL, *class = NULL;

	return kind && cor_cdi_split_kind(kind, &vendor, &class, NULL) >= 0 &&
	       cor_cdi_check_vendor(vendor, NULL) >= 0 && cor_cdi_check_class(class, NULL) >= 0 &&
	       cor_cdi_check_device(eq + 1, NULL) >= 0;
}
