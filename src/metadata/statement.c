/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared statements, binding, rows, and what SQLite's result codes mean to a person. */
#include <errno.h>
#include <stdarg.h>

#include "metadata/internal.h"
#include "oci/json.h"

int meta_error(struct cor_meta *m, int rc, struct cor_error *err)
{
	int sys = m->db ? sqlite3_system_errno(m->db) : 0;
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return cor_error_set(err, COR_DATA_LOSS, "%s: the database is damaged: %s", m->file,
				     sqlite3_errstr(rc));
	case SQLITE_FULL:
		return cor_error_errno(err, ENOSPC, "write %s", m->file);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return cor_error_set(err, COR_UNAVAILABLE, "%s: locked by another process for too long",
				     m->file);
	case SQLITE_NOMEM:
		return cor_error_oom(err);
	case SQLITE_READONLY:
		return cor_error_errno(err, EROFS, "write %s", m->file);
	case SQLITE_CANTOPEN:
		return cor_error_errno(err, sys ? sys : EIO, "open %s", m->file);
	case SQLITE_IOERR:
		return cor_error_errno(
			err, sys ? sys : EIO, "%s %s",
			rc == SQLITE_IOERR_READ || rc == SQLITE_IOERR_SHORT_READ ? "read" : "write", m->file);
	default:
		return cor_error_set(err, COR_INTERNAL, "%s: %s", m->file,
				     m->db ? sqlite3_errmsg(m->db) : sqlite3_errstr(rc));
	}
}

int meta_prepare(struct cor_meta *m, const char *sql, sqlite3_stmt **ret, struct cor_error *err)
{
	for (size_t i = 0; i < m->n_statements; i++) {
		if (m->statements[i].sql == sql && !sqlite3_stmt_busy(m->statements[i].stmt)) {
			*ret = m->statements[i].stmt;
			return 0;
		}
	}
	if (m->n_statements == META_STATEMENTS_MAX)
		return cor_error_set(err, COR_INTERNAL, "%s: too many statements", m->file);
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v3(m->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (rc == SQLITE_ERROR)
		/* Our own statements are right: a table or column that they name is not there. */
		return cor_error_set(err, COR_DATA_LOSS, "%s: the database is damaged: %s", m->file,
				     sqlite3_errmsg(m->db));
	if (rc != SQLITE_OK)
		return meta_error(m, rc, err);
	m->statements[m->n_statements].sql = sql;
	m->statements[m->n_statements++].stmt = stmt;
	*ret = stmt;
	return 0;
}

static int bind_map(sqlite3_stmt *stmt, int at, const struct cor_map *map)
{
	if (!map || map->n == 0)
		return sqlite3_bind_null(stmt, at);
	_cleanup_json_ json_t *j = cor_json_from_map(map);
	char *text = j ? cor_json_dump(j) : NULL;
	return text ? sqlite3_bind_text(stmt, at, text, -1, free) : SQLITE_NOMEM;
}

static int bind_one(sqlite3_stmt *stmt, int at, char kind, va_list *args)
{
	const char *s;
	const void *p;
	switch (kind) {
	case 's':
	case 't':
		s = va_arg(*args, const char *);
		if (!s && kind == 't')
			s = "";
		return sqlite3_bind_text(stmt, at, s, -1, SQLITE_STATIC);
	case 'i':
		return sqlite3_bind_int64(stmt, at, va_arg(*args, int64_t));
	case 'm':
		return bind_map(stmt, at, va_arg(*args, const struct cor_map *));
	case 'b':
		p = va_arg(*args, const void *);
		return sqlite3_bind_blob64(stmt, at, p, va_arg(*args, size_t), SQLITE_STATIC);
	default:
		return SQLITE_MISUSE;
	}
}

static int bind_all(struct cor_meta *m, sqlite3_stmt *stmt, struct cor_error *err, const char *format,
		    va_list *args)
{
	for (int i = 0; format[i]; i++) {
		int rc = bind_one(stmt, i + 1, format[i], args);
		if (rc != SQLITE_OK)
			return meta_error(m, rc, err);
	}
	return 0;
}

int meta_bind(struct cor_meta *m, sqlite3_stmt *stmt, struct cor_error *err, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int r = bind_all(m, stmt, err, format, &args);
	va_end(args);
	return r;
}

int meta_step(struct cor_meta *m, sqlite3_stmt *stmt, struct cor_error *err)
{
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : meta_error(m, rc, err);
}

int meta_run(struct cor_meta *m, struct cor_error *err, const char *sql, const char *format, ...)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, sql, &stmt, err);
	if (r < 0)
		return r;
	va_list args;
	va_start(args, format);
	r = bind_all(m, stmt, err, format, &args);
	va_end(args);
	if (r < 0)
		return r;
	r = meta_step(m, stmt, err);
	return r < 0 ? r : sqlite3_changes(m->db);
}

int meta_any(struct cor_meta *m, struct cor_error *err, const char *sql, const char *format, ...)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, sql, &stmt, err);
	if (r < 0)
		return r;
	va_list args;
	va_start(args, format);
	r = bind_all(m, stmt, err, format, &args);
	va_end(args);
	return r < 0 ? r : meta_step(m, stmt, err);
}

const char *meta_text(sqlite3_stmt *stmt, int column)
{
	const char *s = (const char *)sqlite3_column_text(stmt, column);
	return s ? s : "";
}

int meta_map(struct cor_meta *m, sqlite3_stmt *stmt, int column, struct cor_map *ret, struct cor_error *err)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);
	if (!text)
		return 0;
	_cleanup_json_ json_t *j = NULL;
	int r = cor_json_parse(text, (size_t)sqlite3_column_bytes(stmt, column), "labels", &j, NULL);
	if (r < 0 || !json_is_object(j))
		return cor_error_set(err, COR_DATA_LOSS, "%s: the database is damaged: labels are not JSON",
				     m->file);
	const char *key;
	json_t *value;
	json_object_foreach(j, key, value)
	{
		if (!json_is_string(value))
			return cor_error_set(err, COR_DATA_LOSS,
					     "%s: the database is damaged: label %s is no text", m->file,
					     key);
		if (cor_map_set(ret, key, json_string_value(value)) < 0)
			return cor_error_oom(err);
	}
	return 0;
}
