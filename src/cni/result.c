/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What plugins print: results, in the shapes of versions 0.1.0/0.2.0 (ip4, ip6) and 0.3.0 and later (interfaces, ips), and
 * error objects. Results go on as they are, members that we do not know included; only what is read here must have the right
 * type.
 */
#include "cni/internal.h"

#include <ctype.h>
#include <errno.h>

#define QUOTED_MAX 200

/* ---- results --------------------------------------------------------------------------------------------------- */

/* Every element of obj[key], if there, is an object whose `member` is a string (or absent, unless needed). */
static int check_objects(const json_t *obj, const char *key, const char *name, bool needed,
			 struct cor_error *err)
{
	const json_t *list = json_object_get(obj, key);
	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: expected array", key);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i), *v = json_object_get(item, name);
		if (!json_is_object(item))
			return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: expected objects", key);
		if (v ? !json_is_string(v) : needed)
			return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: %s: expected string", key, name);
	}
	return 0;
}

static int check_old_address(const json_t *obj, const char *key, struct cor_error *err)
{
	const json_t *v = json_object_get(obj, key);
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_object(v) || !json_is_string(json_object_get(v, "ip")))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: expected object with string \"ip\"",
				     key);
	return 0;
}

static int check_result(const json_t *doc, struct cor_error *err)
{
	const json_t *dns = json_object_get(doc, "dns");
	const char *version = NULL;
	if (!json_is_object(doc))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "expected object");
	int r = cor_json_get_str(doc, "cniVersion", &version, err);
	if (r >= 0 && !cor_empty(version) && cni_version_rank(version) < 0)
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "cniVersion: unsupported");
	if (r >= 0)
		r = check_objects(doc, "interfaces", "name", true, err);
	if (r >= 0)
		r = check_objects(doc, "ips", "address", true, err);
	if (r >= 0)
		r = check_objects(doc, "routes", "dst", true, err);
	if (r >= 0)
		r = check_old_address(doc, "ip4", err);
	if (r >= 0)
		r = check_old_address(doc, "ip6", err);
	if (r >= 0 && dns && !json_is_null(dns) && !json_is_object(dns))
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "dns: expected object");
	return r;
}

int cor_cni_result_parse(const char *text, size_t len, const char *version, json_t **ret,
			 struct cor_error *err)
{
	_cleanup_json_ json_t *doc = NULL;
	if (len == 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "result: nothing was printed");
	if (len > COR_CNI_RESULT_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "result: more than %u bytes",
				     COR_CNI_RESULT_MAX);
	int r = cor_json_parse(text, len, "result", &doc, err);
	if (r < 0)
		return r;
	r = check_result(doc, err);
	if (r < 0)
		return cor_error_wrap(err, r, "result");
	if (cor_empty(json_string_value(json_object_get(doc, "cniVersion"))) &&
	    json_object_set_new(doc, "cniVersion", json_string(version)) < 0)
		return cor_error_oom(err);
	*ret = TAKE_PTR(doc);
	return 0;
}

static int add_address(json_t *list, const json_t *address)
{
	return json_is_string(address) ? json_array_append(list, (json_t *)address) : 0;
}

json_t *cor_cni_result_addresses(const json_t *result)
{
	static const char *const old[] = {"ip4", "ip6"};
	_cleanup_json_ json_t *list = json_array();
	const json_t *ips = json_object_get(result, "ips");
	int r = list ? 0 : -1;
	for (size_t i = 0; r == 0 && i < json_array_size(ips); i++)
		r = add_address(list, json_object_get(json_array_get(ips, i), "address"));
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(old); i++)
		r = add_address(list, json_object_get(json_object_get(result, old[i]), "ip"));
	return r == 0 ? TAKE_PTR(list) : NULL;
}

/* ---- failures -------------------------------------------------------------------------------------------------- */

/* On one line: blanks for what would break it or move the cursor, runs of them as one, none at the ends. */
static void append_line(struct cor_buf *b, const char *s, size_t n)
{
	bool blank = false;
	size_t start = b->len;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i], next = i + 1 < n ? (unsigned char)s[i + 1] : 0;
		bool c1 = c == 0xc2 && next >= 0x80 && next < 0xa0; /* control characters in UTF-8 */
		if (c <= ' ' || c == 0x7f || c1) {
			i += c1;
			blank = true;
			continue;
		}
		if (blank && b->len > start)
			(void)cor_buf_char(b, ' ');
		blank = false;
		(void)cor_buf_char(b, (char)c);
	}
}

/* "…" with what is not plain ASCII escaped, cut after QUOTED_MAX bytes. */
static void append_quoted(struct cor_buf *b, const char *s, size_t n)
{
	(void)cor_buf_char(b, '"');
	for (size_t i = 0; i < MIN(n, (size_t)QUOTED_MAX); i++) {
		unsigned char c = (unsigned char)s[i];
		if (c == '"' || c == '\\')
			(void)cor_buf_printf(b, "\\%c", c);
		else if (c == '\n')
			(void)cor_buf_str(b, "\\n");
		else if (c == '\t')
			(void)cor_buf_str(b, "\\t");
		else if (c < ' ' || c >= 0x7f)
			(void)cor_buf_printf(b, "\\x%02x", c);
		else
			(void)cor_buf_char(b, (char)c);
	}
	(void)cor_buf_str(b, n > QUOTED_MAX ? "…\"" : "\"");
}

/* CNI's {code, msg, details}; false when it is none. */
static bool append_error_object(struct cor_buf *b, const char *out, size_t n)
{
	_cleanup_json_ json_t *doc = NULL;
	if (cor_json_parse(out, n, "error", &doc, NULL) < 0 || !json_is_object(doc))
		return false;
	const char *msg = json_string_value(json_object_get(doc, "msg"));
	const char *details = json_string_value(json_object_get(doc, "details"));
	const json_t *code = json_object_get(doc, "code");
	if (!cor_empty(msg))
		append_line(b, msg, strlen(msg));
	else if (json_is_integer(code))
		(void)cor_buf_printf(b, "error code %lld", (long long)json_integer_value(code));
	else
		return false;
	if (!cor_empty(details)) {
		(void)cor_buf_str(b, "; ");
		append_line(b, details, strlen(details));
	}
	return true;
}

char *cor_cni_failure_text(const char *out, size_t out_len, const char *err_text, size_t err_len,
			   const char *how)
{
	_cleanup_buf_ struct cor_buf b = {0};
	if (out_len && append_error_object(&b, out, out_len))
		return cor_buf_take(&b);
	if (out_len) {
		(void)cor_buf_str(&b, "netplugin failed but error parsing its diagnostic message ");
		append_quoted(&b, out, out_len);
	} else if (err_len) {
		(void)cor_buf_str(&b, "netplugin failed: ");
		append_quoted(&b, err_text, err_len);
	} else {
		(void)cor_buf_str(&b, "netplugin failed with no error message");
	}
	(void)cor_buf_printf(&b, ": %s", how);
	return cor_buf_take(&b);
}
