/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces: made by the first record written into them, or by hand with labels. */
#include <errno.h>

#include "metadata/internal.h"

int cor_meta_ns_touch(struct cor_meta *m, const char *ns, struct cor_error *err)
{
	int r = meta_any(m, err, "SELECT 1 FROM namespaces WHERE name=?", "s", ns);
	if (r != 0)
		return r < 0 ? r : 0;
	r = meta_run(m, err, "INSERT INTO namespaces(name) VALUES(?)", "s", ns);
	return r < 0 ? r : 0;
}

int cor_meta_ns_insert(struct cor_meta *m, const char *ns, const struct cor_map *labels,
		       struct cor_error *err)
{
	return meta_run(m, err, "INSERT INTO namespaces(name,labels) VALUES(?,?)", "sm", ns, labels);
}

static int emit(struct cor_meta *m, sqlite3_stmt *stmt, cor_meta_ns_fn fn, void *data, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	int r = meta_map(m, stmt, 1, &labels, err);
	return r < 0 ? r : fn(meta_text(stmt, 0), &labels, data);
}

int cor_meta_ns_get(struct cor_meta *m, const char *ns, cor_meta_ns_fn fn, void *data, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, "SELECT name,labels FROM namespaces WHERE name=?", &stmt, err);
	if (r >= 0)
		r = meta_bind(m, stmt, err, "s", ns);
	if (r >= 0)
		r = meta_step(m, stmt, err);
	if (r <= 0)
		return r;
	r = emit(m, stmt, fn, data, err);
	return r < 0 ? r : 1;
}

int cor_meta_ns_walk(struct cor_meta *m, const char *after, int limit, cor_meta_ns_fn fn, void *data,
		     struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, "SELECT name,labels FROM namespaces WHERE name>? ORDER BY name LIMIT ?",
			     &stmt, err);
	if (r >= 0)
		r = meta_bind(m, stmt, err, "ti", after, (int64_t)(limit ? limit : -1));
	while (r >= 0 && (r = meta_step(m, stmt, err)) == 1) {
		r = emit(m, stmt, fn, data, err);
		if (r != 0)
			break;
	}
	return r;
}

int cor_meta_ns_set_labels(struct cor_meta *m, const char *ns, const struct cor_map *labels,
			   struct cor_error *err)
{
	return meta_run(m, err, "UPDATE namespaces SET labels=? WHERE name=?", "ms", labels, ns);
}

static int add_kind(struct cor_meta *m, const char *sql, const char *ns, const char *what,
		    struct cor_buf *out, struct cor_error *err)
{
	int r = meta_any(m, err, sql, "s", ns);
	if (r == 1)
		(void)cor_buf_printf(out, "%s%s", out->len ? ", " : "", what);
	return r < 0 ? r : 0;
}

static int add_snapshotters(struct cor_meta *m, const char *ns, struct cor_buf *out, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, "SELECT DISTINCT snapshotter FROM snapshots WHERE ns=? ORDER BY snapshotter",
			     &stmt, err);
	if (r >= 0)
		r = meta_bind(m, stmt, err, "s", ns);
	while (r >= 0 && (r = meta_step(m, stmt, err)) == 1)
		(void)cor_buf_printf(out, "%ssnapshots on \"%s\" snapshotter", out->len ? ", " : "",
				     meta_text(stmt, 0));
	return r;
}

int cor_meta_ns_contents(struct cor_meta *m, const char *ns, char **ret, struct cor_error *err)
{
	_cleanup_buf_ struct cor_buf out = {0};
	int r = add_kind(m, "SELECT 1 FROM images WHERE ns=? LIMIT 1", ns, "images", &out, err);
	if (r >= 0)
		r = add_kind(m, "SELECT 1 FROM content WHERE ns=? LIMIT 1", ns, "blobs", &out, err);
	if (r >= 0)
		r = add_kind(m, "SELECT 1 FROM containers WHERE ns=? LIMIT 1", ns, "containers", &out, err);
	if (r >= 0)
		r = add_snapshotters(m, ns, &out, err);
	if (r < 0)
		return r;
	char *text = cor_buf_take(&out);
	if (!text)
		return cor_error_oom(err);
	*ret = text;
	return 0;
}

int cor_meta_ns_remove(struct cor_meta *m, const char *ns, struct cor_error *err)
{
	int r = meta_run(m, err, "DELETE FROM lease_resources WHERE ns=?", "s", ns);
	if (r >= 0)
		r = meta_run(m, err, "DELETE FROM leases WHERE ns=?", "s", ns);
	return r < 0 ? r : meta_run(m, err, "DELETE FROM namespaces WHERE name=?", "s", ns);
}
