/* SPDX-License-Identifier: Apache-2.0 */
/* Leases and what they hold; also the small numbers in the state table. */
#include "metadata/internal.h"

static int emit(struct cor_meta *m, sqlite3_stmt *stmt, cor_meta_lease_fn fn, void *data,
		struct cor_error *err)
{
	struct cor_meta_lease row = {
		.ns = meta_text(stmt, 0),
		.id = meta_text(stmt, 1),
		.created_ns = sqlite3_column_int64(stmt, 3),
		.operation = sqlite3_column_int(stmt, 4) != 0,
	};
	int r = meta_map(m, stmt, 2, &row.labels, err);
	if (r >= 0)
		r = fn(&row, data);
	cor_map_done(&row.labels);
	return r;
}

int cor_meta_lease_get(struct cor_meta *m, const char *ns, const char *id, cor_meta_lease_fn fn, void *data,
		       struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, "SELECT ns,id,labels,created,operation FROM leases WHERE ns=? AND id=?",
			     &stmt, err);
	if (r >= 0)
		r = meta_bind(m, stmt, err, "ss", ns, id);
	if (r >= 0)
		r = meta_step(m, stmt, err);
	if (r <= 0)
		return r;
	r = emit(m, stmt, fn, data, err);
	return r < 0 ? r : 1;
}

int cor_meta_lease_walk(struct cor_meta *m, const char *ns, const char *after, int limit,
			cor_meta_lease_fn fn, void *data, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m,
			     ns ? "SELECT ns,id,labels,created,operation FROM leases WHERE ns=? AND id>? "
				  "ORDER BY id LIMIT ?"
				: "SELECT ns,id,labels,created,operation FROM leases ORDER BY ns,id",
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

int cor_meta_lease_insert(struct cor_meta *m, const struct cor_meta_lease *row, struct cor_error *err)
{
	const char *sql =
		row->operation
			? "INSERT OR IGNORE INTO leases(ns,id,labels,created,operation) VALUES(?,?,?,?,1)"
			: "INSERT INTO leases(ns,id,labels,created,operation) VALUES(?,?,?,?,0)";
	return meta_run(m, err, sql, "ssmi", row->ns, row->id, &row->labels, row->created_ns);
}

int cor_meta_lease_remove(struct cor_meta *m, const char *ns, const char *id, struct cor_error *err)
{
	int r = meta_run(m, err, "DELETE FROM lease_resources WHERE ns=? AND lease=?", "ss", ns, id);
	return r < 0 ? r : meta_run(m, err, "DELETE FROM leases WHERE ns=? AND id=?", "ss", ns, id);
}

int cor_meta_lease_resource_walk(struct cor_meta *m, cor_meta_lease_resource_fn fn, void *data,
				 struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, "SELECT ns,lease,type,id FROM lease_resources", &stmt, err);
	while (r >= 0 && (r = meta_step(m, stmt, err)) == 1) {
		struct cor_meta_lease_resource row = {
			.ns = meta_text(stmt, 0),
			.lease = meta_text(stmt, 1),
			.type = meta_text(stmt, 2),
			.id = meta_text(stmt, 3),
		};
		r = fn(&row, data);
		if (r != 0)
			break;
	}
	return r;
}

int cor_meta_lease_resource_add(struct cor_meta *m, const struct cor_meta_lease_resource *row,
				struct cor_error *err)
{
	return meta_run(m, err, "INSERT OR IGNORE INTO lease_resources(ns,lease,type,id) VALUES(?,?,?,?)",
			"ssss", row->ns, row->lease, row->type, row->id);
}

int cor_meta_state_get(struct cor_meta *m, const char *name, int64_t *ret, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, "SELECT value FROM state WHERE name=?", &stmt, err);
	if (r >= 0)
		r = meta_bind(m, stmt, err, "s", name);
	if (r >= 0)
		r = meta_step(m, stmt, err);
	if (r < 0)
		return r;
	*ret = r == 1 ? sqlite3_column_int64(stmt, 0) : 0;
	return 0;
}

int cor_meta_state_set(struct cor_meta *m, const char *name, int64_t value, struct cor_error *err)
{
	int r = meta_run(m, err, "INSERT OR REPLACE INTO state(name,value) VALUES(?,?)", "si", name, value);
	return r < 0 ? r : 0;
}
