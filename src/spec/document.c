/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small steps over the JSON document of a spec. They exist so that a flag's function reads as what the flag does:
 * every step reports its own failure, and a member of an unexpected type (a spec from --config) is an error with the
 * member's name rather than a crash or a silent overwrite.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/fd.h"
#include "spec/internal.h"

static int child(json_t *obj, const char *key, json_type type, json_t **ret, struct cor_error *err)
{
	json_t *v = json_object_get(obj, key);

	if (!v || json_is_null(v)) {
		v = type == JSON_OBJECT ? json_object() : json_array();
		if (!v || json_object_set_new(obj, key, v) < 0)
			return cor_error_oom(err);
	}
	if (json_typeof(v) != type)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "spec: %s: expected %s", key,
				     type == JSON_OBJECT ? "object" : "array");
	*ret = v;
	return 0;
}

int cor_spec_object(json_t *obj, const char *key, json_t **ret, struct cor_error *err)
{
	return child(obj, key, JSON_OBJECT, ret, err);
}

int cor_spec_array(json_t *obj, const char *key, json_t **ret, struct cor_error *err)
{
	return child(obj, key, JSON_ARRAY, ret, err);
}

int cor_spec_process(json_t *spec, json_t **ret, struct cor_error *err)
{
	return child(spec, "process", JSON_OBJECT, ret, err);
}

int cor_spec_linux(json_t *spec, json_t **ret, struct cor_error *err)
{
	return child(spec, "linux", JSON_OBJECT, ret, err);
}

int cor_spec_resources(json_t *spec, json_t **ret, struct cor_error *err)
{
	json_t *lnx = NULL;
	int r = cor_spec_linux(spec, &lnx, err);

	return r < 0 ? r : child(lnx, "resources", JSON_OBJECT, ret, err);
}

int cor_spec_put(json_t *obj, const char *key, json_t *value, struct cor_error *err)
{
	return json_object_set_new(obj, key, value) < 0 ? cor_error_oom(err) : 0;
}

int cor_spec_push(json_t *array, json_t *value, struct cor_error *err)
{
	return json_array_append_new(array, value) < 0 ? cor_error_oom(err) : 0;
}

int cor_spec_string(const char *what, const char *s, json_t **ret, struct cor_error *err)
{
	_cleanup_free_ char *quoted = NULL;
	json_t *j = json_string(s);

	if (j) {
		*ret = j;
		return 0;
	}
	/* json_string fails for two reasons; without the check only one of them is left. */
	j = json_string_nocheck(s);
	if (!j)
		return cor_error_oom(err);
	json_decref(j);
	quoted = cor_spec_quote(s);
	return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: %s is not valid UTF-8", what,
			     COR_SPEC_QUOTED(quoted));
}

int cor_spec_put_string(json_t *obj, const char *key, const char *s, struct cor_error *err)
{
	json_t *j;
	int r = cor_spec_string(key, s, &j, err);

	return r < 0 ? r : cor_spec_put(obj, key, j, err);
}

int cor_spec_put_strv(json_t *obj, const char *key, char *const *v, struct cor_error *err)
{
	_cleanup_json_ json_t *array = NULL;

	if (cor_strv_len(v) == 0) {
		json_object_del(obj, key);
		return 0;
	}
	array = json_array();
	if (!array)
		return cor_error_oom(err);
	for (size_t i = 0; v[i]; i++) {
		json_t *j;
		int r = cor_spec_string(key, v[i], &j, err);

		if (r < 0)
			return r;
		r = cor_spec_push(array, j, err);
		if (r < 0)
			return r;
	}
	return cor_spec_put(obj, key, TAKE_PTR(array), err);
}

int cor_spec_put_u64(json_t *obj, const char *key, uint64_t n, const char *flag, struct cor_error *err)
{
	if (n > INT64_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: value %" PRIu64 " is out of range", flag,
				     n);
	return cor_spec_put(obj, key, json_integer((json_int_t)n), err);
}

char *cor_spec_quote(const char *s)
{
	_cleanup_buf_ struct cor_buf b = {0};

	cor_buf_char(&b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			cor_buf_printf(&b, "\\%c", c);
		else if (c == '\n')
			cor_buf_str(&b, "\\n");
		else if (c == '\t')
			cor_buf_str(&b, "\\t");
		else if (c < 0x20 || c == 0x7f)
			cor_buf_printf(&b, "\\x%02x", c);
		else
			cor_buf_char(&b, (char)c);
	}
	cor_buf_char(&b, '"');
	return cor_buf_take(&b);
}

int cor_spec_read_file_max(const char *path, size_t max, char **ret, size_t *ret_len, struct cor_error *err)
{
	_cleanup_close_ int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return cor_error_errno(err, errno, "open %s", path);
	r = cor_read_fd(fd, max, ret, ret_len, err);
	if (r == -EISDIR)
		return cor_error_errno(err, EISDIR, "read %s", path);
	if (r < 0)
		return cor_error_wrap(err, r, "read %s", path);
	return 0;
}

int cor_spec_read_file(const char *path, char **ret, size_t *ret_len, struct cor_error *err)
{
	return cor_spec_read_file_max(path, COR_SPEC_FILE_MAX, ret, ret_len, err);
}
