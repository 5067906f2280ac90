/* SPDX-License-Identifier: Apache-2.0 */
/* Image records: a name and the descriptor that it stands for. */
#include "metadata/internal.h"

#define COLUMNS "ns,name,media_type,digest,size,annotations,labels,created,updated"

static int emit(struct cor_meta *m, sqlite3_stmt *stmt, cor_meta_image_fn fn, void *data,
		struct cor_error *err)
{
	struct cor_meta_image row = {
		.ns = meta_text(stmt, 0),
		.name = meta_text(stmt, 1),
		.media_type = meta_text(stmt, 2),
		.digest = meta_text(stmt, 3),
		.size = sqlite3_column_int64(stmt, 4),
		.created_ns = sqlite3_column_int64(stmt, 7),
		.updated_ns = sqlite3_column_int64(stmt, 8),
	};
	int r = meta_map(m, stmt, 5, &row.annotations, err);
	if (r >= 0)
		r = meta_map(m, stmt, 6, &row.labels, err);
	if (r >= 0)
		r = fn(&row, data);
	cor_map_done(&row.annotations);
	cor_map_done(&row.labels);
	return r;
}

int cor_meta_image_get(struct cor_meta *m, const char *ns, const char *name, cor_meta_image_fn fn, void *data,
		       struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, "SELECT " COLUMNS " FROM images WHERE ns=? AND name=?", &stmt, err);
	if (r >= 0)
		r = meta_bind(m, stmt, err, "ss", ns, name);
	if (r >= 0)
		r = meta_step(m, stmt, err);
	if (r <= 0)
		return r;
	r = emit(m, stmt, fn, data, err);
	return r < 0 ? r : 1;
}

int cor_meta_image_walk(struct cor_meta *m, const char *ns, const char *after, int limit,
			cor_meta_image_fn fn, void *data, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m,
			     ns ? "SELECT " COLUMNS " FROM images WHERE ns=? AND name>? ORDER BY name LIMIT ?"
				: "SELECT " COLUMNS " FROM images ORDER BY ns,name",
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

int cor_meta_image_put(struct cor_meta *m, const struct cor_meta_image *row, struct cor_error *err)
{
	return meta_run(m, err, "INSERT OR REPLACE INTO images(" COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?)",
			"ssttimmii", row->ns, row->name, row->media_type, row->digest, row->size,
			&row->annotations, &row->labels, row->created_ns, row->updated_ns);
}

int cor_meta_image_remove(struct cor_meta *m, const char *ns, const char *name, struct cor_error *err)
{
	return meta_run(m, err, "DELETE FROM images WHERE ns=? AND name=?", "ss", ns, name);
}
