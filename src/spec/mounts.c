/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --mount type=bind,src=/tmp,dst=/host,options=rbind:ro
 *
 * The value is one record of CSV by the rules of Go's encoding/csv, so that a path with a comma can be given in double
 * quotes ("src=/a,b"); the errors carry its texts, with line and column. A mount of the base spec gives way to a flag
 * with an equal destination, where the spec's destination is cleaned and the flag's is not (ctr does the same:
 * "/dev/shm/" adds a second mount).
 */
#include "base/path.h"
#include "spec/internal.h"

struct csv {
	const char *p;
	unsigned start_line, line, column; /* as Go counts: from 1, columns in bytes */
};

static int csv_error(const struct csv *c, unsigned column, const char *what, struct cor_error *err)
{
	if (c->start_line != c->line)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "record on line %u; parse error on line %u, column %u: %s",
				     c->start_line, c->line, column, what);
	return cor_error_set(err, COR_INVALID_ARGUMENT, "parse error on line %u, column %u: %s", c->line,
			     column, what);
}

/* Length of the line end at p: "\n", "\r\n", or a carriage return as the last byte; 0 when there is none. */
static size_t line_end(const char *p)
{
	if (p[0] == '\n')
		return 1;
	if (p[0] == '\r' && (p[1] == '\n' || p[1] == '\0'))
		return p[1] == '\n' ? 2 : 1;
	return 0;
}

static bool at_end(const char *p)
{
	return *p == '\0' || line_end(p) > 0;
}

/* A field in quotes; "" stands for one quote, newlines are part of the text. Leaves c->p behind the closing quote. */
static int read_quoted(struct csv *c, struct cor_buf *field, struct cor_error *err)
{
	c->p++;
	c->column++;
	for (;;) {
		if (*c->p == '\0')
			return csv_error(c, c->column, "extraneous or missing \" in quoted-field", err);
		if (*c->p == '"') {
			c->p++;
			c->column++;
			if (*c->p == ',' || at_end(c->p))
				return 0;
			if (*c->p != '"')
				return csv_error(c, c->column - 1, "extraneous or missing \" in quoted-field",
						 err);
		}
		if (c->p[0] == '\r' && c->p[1] == '\n')
			c->p++;
		cor_buf_char(field, *c->p);
		c->column++;
		if (*c->p++ == '\n' && *c->p) {
			c->line++;
			c->column = 1;
		}
	}
}

static int read_plain(struct csv *c, struct cor_buf *field, struct cor_error *err)
{
	for (; *c->p != ',' && !at_end(c->p); c->p++, c->column++) {
		if (*c->p == '"')
			return csv_error(c, c->column, "bare \" in non-quoted-field", err);
		cor_buf_char(field, *c->p);
	}
	return 0;
}

/* The fields of the first record; what follows it is ignored, as ctr reads one record only. */
static int read_record(const char *s, char ***ret, struct cor_error *err)
{
	_cleanup_strv_ char **fields = NULL;
	struct csv c = {.p = s, .start_line = 1, .line = 1, .column = 1};
	bool more = true;

	for (size_t n; (n = line_end(c.p)) > 0; c.p += n)
		c.start_line = ++c.line;
	if (!*c.p)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid mount specification: it is empty");
	while (more) {
		_cleanup_buf_ struct cor_buf field = {0};
		int r = *c.p == '"' ? read_quoted(&c, &field, err) : read_plain(&c, &field, err);

		if (r < 0)
			return r;
		if (cor_strv_push_take(&fields, cor_buf_take(&field)) < 0)
			return cor_error_oom(err);
		more = *c.p == ',';
		c.p++;
		c.column++;
	}
	*ret = TAKE_PTR(fields);
	return 0;
}

static int put_options(json_t *mount, const char *value, struct cor_error *err)
{
	_cleanup_strv_ char **options = cor_strv_split(value, ':');

	return options ? cor_spec_put_strv(mount, "options", options, err) : cor_error_oom(err);
}

static int put_field(json_t *mount, char *field, struct cor_error *err)
{
	_cleanup_free_ char *quoted = NULL;
	char *value = strchr(field, '=');

	if (!value)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "invalid mount specification: expected key=val");
	*value++ = '\0';
	if (streq(field, "type"))
		return cor_spec_put_string(mount, "type", value, err);
	if (streq(field, "source") || streq(field, "src"))
		return cor_spec_put_string(mount, "source", value, err);
	if (streq(field, "destination") || streq(field, "dst"))
		return cor_spec_put_string(mount, "destination", value, err);
	if (streq(field, "options"))
		return put_options(mount, value, err);
	quoted = cor_spec_quote(field);
	return cor_error_set(err, COR_INVALID_ARGUMENT, "mount option %s not supported",
			     COR_SPEC_QUOTED(quoted));
}

/* Go leaves empty type and source out of the document. */
static void drop_empty(json_t *mount, const char *key)
{
	const char *value = json_string_value(json_object_get(mount, key));

	if (value && !*value)
		json_object_del(mount, key);
}

int cor_spec_mount_parse(const char *flag, json_t **ret, struct cor_error *err)
{
	_cleanup_strv_ char **fields = NULL;
	_cleanup_json_ json_t *mount = json_pack("{s:s}", "destination", "");
	int r;

	if (!mount)
		return cor_error_oom(err);
	r = read_record(flag, &fields, err);
	for (size_t i = 0; r >= 0 && fields[i]; i++)
		r = put_field(mount, fields[i], err);
	if (r < 0)
		return r;
	drop_empty(mount, "type");
	drop_empty(mount, "source");
	*ret = TAKE_PTR(mount);
	return 0;
}

/* 1 when the (cleaned) destination of the existing mount is that of one of the new ones. */
static int is_replaced(const json_t *existing, const json_t *added, struct cor_error *err)
{
	const char *destination = json_string_value(json_object_get(existing, "destination"));
	_cleanup_free_ char *clean = NULL;
	json_t *m;
	size_t i;

	if (!destination)
		return 0;
	clean = cor_path_clean(destination);
	if (!clean)
		return cor_error_oom(err);
	json_array_foreach(
		added, i, m) if (streq(clean, json_string_value(json_object_get(m, "destination")))) return 1;
	return 0;
}

int cor_spec_apply_mounts(struct cor_spec_build *b, struct cor_error *err)
{
	_cleanup_json_ json_t *added = json_array();
	json_t *mounts, *m;
	int r = cor_spec_array(b->spec, "mounts", &mounts, err);

	for (char *const *flag = b->options->mounts; r >= 0 && flag && *flag; flag++) {
		r = cor_spec_mount_parse(*flag, &m, err);
		if (r >= 0)
			r = cor_spec_push(added, m, err);
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < json_array_size(mounts);) {
		r = is_replaced(json_array_get(mounts, i), added, err);
		if (r < 0)
			return r;
		if (r == 0)
			i++;
		else
			json_array_remove(mounts, i);
	}
	return json_array_extend(mounts, added) < 0 ? cor_error_oom(err) : 0;
}

int cor_spec_add_bind(json_t *spec, const char *path, struct cor_error *err)
{
	json_t *mounts;
	int r = cor_spec_array(spec, "mounts", &mounts, err);

	if (r < 0)
		return r;
	return cor_spec_push(mounts,
			     json_pack("{s:s, s:s, s:s, s:[s, s]}", "destination", path, "type", "bind",
				       "source", path, "options", "rbind", "ro"),
			     err);
}
