/* SPDX-License-Identifier: Apache-2.0 */
/* Container records. The spec, by far the longest column, comes last: SQLite reads it only where it is asked for. */
#include "metadata/internal.h"

#define COLUMNS                                                                                       \
	"ns,id,image,runtime,options_url,options,snapshotter,snapshot_key,sandbox,labels,extensions," \
	"created,updated,"                                                                            \
	"spec"

static int emit(struct cor_meta *m, sqlite3_stmt *stmt, bool with_spec, cor_meta_container_fn fn, void *data,
		struct cor_error *err)
{
	struct cor_meta_container row = {
		.ns = meta_text(stmt, 0),
		.id = meta_text(stmt, 1),
		.image = meta_text(stmt, 2),
		.runtime = meta_text(stmt, 3),
		.options_url = (const char *)sqlite3_column_text(stmt, 4),
		.options = sqlite3_column_blob(stmt, 5),
		.options_len = (size_t)sqlite3_column_bytes(stmt, 5),
		.snapshotter = meta_text(stmt, 6),
		.snapshot_key = meta_text(stmt, 7),
		.sandbox_id = meta_text(stmt, 8),
		.created_ns = sqlite3_column_int64(stmt, 11),
		.updated_ns = sqlite3_column_int64(stmt, 12),
		.spec = with_spec ? meta_text(stmt, 13) : NULL,
	};
	int r = meta_map(m, stmt, 9, &row.labels, err);
	if (r >= 0)
		r = meta_map(m, stmt, 10, &row.extensions, err);
	if (r >= 0)
		r = fn(&row, data);
	cor_map_done(&row.labels);
	cor_map_done(&row.extensions);
	return r;
}

int cor_meta_container_get(struct cor_meta *m, const char *ns, const char *id, cor_meta_container_fn fn,
			   void *data, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, "SELECT " COLUMNS " FROM containers WHERE ns=? AND id=?", &stmt, err);
	if (r >= 0)
		r = meta_bind(m, stmt, err, "ss", ns, id);
	if (r >= 0)
		r = meta_step(m, stmt, err);
	if (r <= 0)
		return r;
	r = emit(m, stmt, true, fn, data, err);
	return r < 0 ? r : 1;
}

int cor_meta_container_walk(struct cor_meta *m, const char *ns, const char *after, int limit, bool with_spec,
			    cor_meta_container_fn fn, void *data, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m,
			     ns ? "SELECT " COLUMNS " FROM containers WHERE ns=? AND id>? ORDER BY id LIMIT ?"
				: "SELECT " COLUMNS " FROM containers ORDER BY ns,id",
			     &stmt, err);
	if (r >= 0 && ns)
		r = meta_bind(m, stmt, err, "sti", ns, after, (int64_t)(limit ? limit : -1));
	while (r >= 0 && (r = meta_step(m, stmt, err)) == 1) {
		r = emit(m, stmt, with_spec, fn, data, err);
		if (r != 0)
			break;
	}
	return r;
}

int cor_meta_container_insert(struct cor_meta *m, const struct cor_meta_container *row, struct cor_error *err)
{
	return meta_run(m, err, "INSERT INTO containers(" COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
			"ssttsbtttmmiit", row->ns, row->id, row->image, row->runtime, row->options_url,
			row->options, row->options_len, row->snapshotter, row->snapshot_key, row->sandbox_id,
			&row->labels, &row->extensions, row->created_ns, row->updated_ns, row->spec);
}

int cor_meta_container_set_maps(struct cor_meta *m, const char *ns, const char *id,
				const struct cor_map *labels, const struct cor_map *extensions,
				int64_t now_ns, struct cor_error *err)
{
	return meta_run(m, err, "UPDATE containers SET labels=?,extensions=?,updated=? WHERE ns=? AND id=?",
			"mmiss", labels, extensions, now_ns, ns, id);
}

int cor_meta_container_remove(struct cor_meta *m, const char *ns, const char *id, struct cor_error *err)
{
	return meta_run(m, err, "DELETE FROM containers WHERE ns=? AND id=?", "ss", ns, id);
}
