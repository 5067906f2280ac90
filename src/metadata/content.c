/* SPDX-License-Identifier: Apache-2.0 */
/* Which blobs a namespace has, with their labels. */
#include "metadata/internal.h"

#define COLUMNS "ns,digest,size,labels,created,updated"

static int emit(struct cor_meta *m, sqlite3_stmt *stmt, cor_meta_content_fn fn, void *data,
		struct cor_error *err)
{
	struct cor_meta_content row = {
		.ns = meta_text(stmt, 0),
		.digest = meta_text(stmt, 1),
		.size = sqlite3_column_int64(stmt, 2),
		.created_ns = sqlite3_column_int64(stmt, 4),
		.updated_ns = sqlite3_column_int64(stmt, 5),
	};
	int r = meta_map(m, stmt, 3, &row.labels, err);
	if (r >= 0)
		r = fn(&row, data);
	cor_map_done(&row.labels);
	return r;
}

int cor_meta_content_get(struct cor_meta *m, const char *ns, const char *digest, cor_meta_content_fn fn,
			 void *data, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, "SELECT " COLUMNS " FROM content WHERE ns=? AND digest=?", &stmt, err);
	if (r >= 0)
		r = meta_bind(m, stmt, err, "ss", ns, digest);
	if (r >= 0)
		r = meta_step(m, stmt, err);
	if (r <= 0)
		return r;
	r = emit(m, stmt, fn, data, err);
	return r < 0 ? r : 1;
}

int cor_meta_content_walk(struct cor_meta *m, const char *ns, const char *after, int limit,
			  cor_meta_content_fn fn, void *data, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m,
			     ns ? "SELECT " COLUMNS
				  " FROM content WHERE ns=? AND digest>? ORDER BY digest LIMIT ?"
				: "SELECT " COLUMNS " FROM content ORDER BY ns,digest",
			     &stmt, err);
	if (r >= 0 && ns)
		r = meta_bind(m, stmt, err, "sti", ns, after, (int64_t)(limit ? limit : -1));
	while (r >= 0 && (r = meta_step(m, stmt, err)) == 1) {
		r = emit(m, stmt, fn, data, err);
		if (r != 0)
			break;
	}
	return r;
}

int cor_meta_content_put(struct cor_meta *m, const struct cor_meta_content *row, struct cor_error *err)
{
	return meta_run(m, err, "INSERT OR REPLACE INTO content(" COLUMNS ") VALUES(?,?,?,?,?,?)", "ssimii",
			row->ns, row->digest, row->size, &row->labels, row->created_ns, row->updated_ns);
}

int cor_meta_content_remove(struct cor_meta *m, const char *ns, const char *digest, struct cor_error *err)
{
	return meta_run(m, err, "DELETE FROM content WHERE ns=? AND digest=?", "ss", ns, digest);
}

int cor_meta_content_exists(struct cor_meta *m, const char *digest, struct cor_error *err)
{
	return meta_any(m, err, "SELECT 1 FROM content WHERE digest=? LIMIT 1", "s", digest);
}
