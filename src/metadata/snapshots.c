/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshot records: names, parents, kinds, labels; the number of a record is the name of its data directory. */
#include <errno.h>

#include "metadata/internal.h"

#define SELECT                                                                                              \
	"SELECT "                                                                                           \
	"s.id,s.ns,s.snapshotter,s.key,s.parent,p.key,s.kind,s.labels,s.created,s.updated,s.size,s.inodes " \
	"FROM snapshots s LEFT JOIN snapshots p ON p.id=s.parent "

/* A chain longer than any image's: a loop in a damaged database. */
#define PARENTS_MAX 4096

static int emit(struct cor_meta *m, sqlite3_stmt *stmt, cor_meta_snapshot_fn fn, void *data,
		struct cor_error *err)
{
	struct cor_meta_snapshot row = {
		.id = (uint64_t)sqlite3_column_int64(stmt, 0),
		.ns = meta_text(stmt, 1),
		.snapshotter = meta_text(stmt, 2),
		.key = meta_text(stmt, 3),
		.parent_id = (uint64_t)sqlite3_column_int64(stmt, 4),
		.parent = meta_text(stmt, 5),
		.kind = sqlite3_column_int(stmt, 6),
		.created_ns = sqlite3_column_int64(stmt, 8),
		.updated_ns = sqlite3_column_int64(stmt, 9),
		.size = sqlite3_column_int64(stmt, 10),
		.inodes = sqlite3_column_int64(stmt, 11),
	};
	if (row.kind < COR_META_SNAPSHOT_VIEW || row.kind > COR_META_SNAPSHOT_COMMITTED || row.id == 0)
		return cor_error_set(err, COR_DATA_LOSS, "%s: the database is damaged: snapshot of kind %d",
				     m->file, row.kind);
	int r = meta_map(m, stmt, 7, &row.labels, err);
	if (r >= 0)
		r = fn(&row, data);
	cor_map_done(&row.labels);
	return r;
}

int cor_meta_snapshot_get(struct cor_meta *m, const char *ns, const char *snapshotter, const char *key,
			  cor_meta_snapshot_fn fn, void *data, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, SELECT "WHERE s.ns=? AND s.snapshotter=? AND s.key=?", &stmt, err);
	if (r >= 0)
		r = meta_bind(m, stmt, err, "sss", ns, snapshotter, key);
	if (r >= 0)
		r = meta_step(m, stmt, err);
	if (r <= 0)
		return r;
	r = emit(m, stmt, fn, data, err);
	return r < 0 ? r : 1;
}

int cor_meta_snapshot_walk(struct cor_meta *m, const char *ns, const char *snapshotter, const char *after,
			   int limit, cor_meta_snapshot_fn fn, void *data, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m,
			     ns ? SELECT "WHERE s.ns=? AND s.snapshotter=? AND s.key>? ORDER BY s.key LIMIT ?"
				: SELECT "ORDER BY s.id",
			     &stmt, err);
	if (r >= 0 && ns)
		r = meta_bind(m, stmt, err, "ssti", ns, snapshotter, after, (int64_t)(limit ? limit : -1));
	while (r >= 0 && (r = meta_step(m, stmt, err)) == 1) {
		r = emit(m, stmt, fn, data, err);
		if (r != 0)
			break;
	}
	return r;
}

int cor_meta_snapshot_parents(struct cor_meta *m, uint64_t parent_id, uint64_t **ret, size_t *ret_n,
			      struct cor_error *err)
{
	_cleanup_free_ uint64_t *ids = NULL;
	size_t n = 0, cap = 0;
	while (parent_id) {
		if (n == PARENTS_MAX)
			return cor_error_set(err, COR_DATA_LOSS,
					     "%s: the database is damaged: parents without end", m->file);
		if (cor_grow(&ids, &cap, n + 1, sizeof(*ids)) < 0)
			return cor_error_oom(err);
		ids[n++] = parent_id;
		_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
		int r = meta_prepare(m, "SELECT parent FROM snapshots WHERE id=?", &stmt, err);
		if (r >= 0)
			r = meta_bind(m, stmt, err, "i", (int64_t)parent_id);
		if (r >= 0)
			r = meta_step(m, stmt, err);
		if (r < 0)
			return r;
		if (r == 0)
			return cor_error_set(err, COR_DATA_LOSS,
					     "%s: the database is damaged: a parent is missing", m->file);
		parent_id = (uint64_t)sqlite3_column_int64(stmt, 0);
	}
	*ret = TAKE_PTR(ids);
	*ret_n = n;
	return 0;
}

int cor_meta_snapshot_next_id(struct cor_meta *m, uint64_t *ret, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, "SELECT max(id) FROM snapshots", &stmt, err);
	if (r >= 0)
		r = meta_step(m, stmt, err);
	if (r < 0)
		return r;
	*ret = (uint64_t)sqlite3_column_int64(stmt, 0) + 1;
	return 0;
}

int cor_meta_snapshot_insert(struct cor_meta *m, const struct cor_meta_snapshot *row, struct cor_error *err)
{
	return meta_run(m, err,
			"INSERT INTO snapshots(id,ns,snapshotter,key,parent,kind,labels,created,updated) "
			"VALUES(?,?,?,?,nullif(?,0),?,?,?,?)",
			"isssiimii", (int64_t)row->id, row->ns, row->snapshotter, row->key,
			(int64_t)row->parent_id, (int64_t)row->kind, &row->labels, row->created_ns,
			row->updated_ns);
}

int cor_meta_snapshot_commit(struct cor_meta *m, uint64_t id, const char *name, const struct cor_map *labels,
			     int64_t size, int64_t inodes, int64_t now_ns, struct cor_error *err)
{
	return meta_run(
		m, err,
		"UPDATE snapshots SET key=?,kind=3,labels=?,size=?,inodes=?,created=?,updated=? WHERE id=?",
		"smiiiii", name, labels, size, inodes, now_ns, now_ns, (int64_t)id);
}

int cor_meta_snapshot_set_labels(struct cor_meta *m, uint64_t id, const struct cor_map *labels,
				 int64_t now_ns, struct cor_error *err)
{
	return meta_run(m, err, "UPDATE snapshots SET labels=?,updated=? WHERE id=?", "mii", labels, now_ns,
			(int64_t)id);
}

int cor_meta_snapshot_has_children(struct cor_meta *m, uint64_t id, struct cor_error *err)
{
	return meta_any(m, err, "SELECT 1 FROM snapshots WHERE parent=? LIMIT 1", "i", (int64_t)id);
}

int cor_meta_snapshot_remove(struct cor_meta *m, uint64_t id, struct cor_error *err)
{
	return meta_run(m, err, "DELETE FROM snapshots WHERE id=?", "i", (int64_t)id);
}

int cor_meta_snapshot_exists(struct cor_meta *m, uint64_t id, struct cor_error *err)
{
	return meta_any(m, err, "SELECT 1 FROM snapshots WHERE id=?", "i", (int64_t)id);
}
