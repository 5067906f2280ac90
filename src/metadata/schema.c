/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema and its upgrades: steps[v] leads from version v to v + 1, all of them in one transaction, under the write
 * lock, so that two processes that find an old file do the work once.
 *
 * Labels, annotations and extensions are JSON objects of strings (NULL: empty). Times are nanoseconds since 1970.
 * snapshots.parent is the id of another row; it stays valid because a snapshot with children is never removed.
 */
#include <stdio.h>

#include "metadata/internal.h"

static const char *const steps[COR_META_VERSION] = {
	"CREATE TABLE namespaces(name TEXT PRIMARY KEY, labels TEXT) WITHOUT ROWID;"
	"CREATE TABLE images(ns TEXT NOT NULL, name TEXT NOT NULL, media_type TEXT NOT NULL, digest TEXT NOT "
	"NULL,"
	" size INTEGER NOT NULL, annotations TEXT, labels TEXT, created INTEGER NOT NULL, updated INTEGER "
	"NOT NULL,"
	" PRIMARY KEY(ns, name)) WITHOUT ROWID;"
	"CREATE TABLE content(ns TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, labels TEXT,"
	" created INTEGER NOT NULL, updated INTEGER NOT NULL, PRIMARY KEY(ns, digest)) WITHOUT ROWID;"
	"CREATE INDEX content_digest ON content(digest);"
	"CREATE TABLE snapshots(id INTEGER PRIMARY KEY, ns TEXT NOT NULL, snapshotter TEXT NOT NULL, key "
	"TEXT NOT NULL,"
	" parent INTEGER, kind INTEGER NOT NULL, labels TEXT, created INTEGER NOT NULL, updated INTEGER NOT "
	"NULL,"
	" size INTEGER NOT NULL DEFAULT 0, inodes INTEGER NOT NULL DEFAULT 0, UNIQUE(ns, snapshotter, key));"
	"CREATE INDEX snapshots_parent ON snapshots(parent) WHERE parent IS NOT NULL;"
	"CREATE TABLE containers(ns TEXT NOT NULL, id TEXT NOT NULL, image TEXT NOT NULL, runtime TEXT NOT "
	"NULL,"
	" options_url TEXT, options BLOB, snapshotter TEXT NOT NULL, snapshot_key TEXT NOT NULL,"
	" sandbox TEXT NOT NULL, labels TEXT, extensions TEXT, created INTEGER NOT NULL, updated INTEGER NOT "
	"NULL,"
	" spec TEXT NOT NULL, UNIQUE(ns, id));"
	"CREATE TABLE leases(ns TEXT NOT NULL, id TEXT NOT NULL, labels TEXT, created INTEGER NOT NULL,"
	" operation INTEGER NOT NULL, PRIMARY KEY(ns, id)) WITHOUT ROWID;"
	"CREATE TABLE lease_resources(ns TEXT NOT NULL, lease TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT "
	"NULL,"
	" PRIMARY KEY(ns, lease, type, id)) WITHOUT ROWID;"
	"CREATE TABLE state(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;",
};

static int run_steps(struct cor_meta *m, struct cor_error *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(m->db, "PRAGMA user_version", -1, &stmt, NULL);
	int version = -1;
	if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt);
	if (version < 0 || version > COR_META_VERSION)
		return cor_error_set(err, COR_ABORTED, "%s: changed by another program meanwhile", m->file);
	for (; version < COR_META_VERSION; version++) {
		rc = sqlite3_exec(m->db, steps[version], NULL, NULL, NULL);
		if (rc != SQLITE_OK)
			return meta_error(m, rc, err);
	}
	char pragma[48];
	(void)snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%d", COR_META_VERSION);
	rc = sqlite3_exec(m->db, pragma, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : meta_error(m, rc, err);
}

int meta_schema(struct cor_meta *m, struct cor_error *err)
{
	/* In the file's header: said once in its life. */
	int rc, tries = 0;
	/* Two that do it at once have both read the header and both want to write it: SQLite lets one of them fail at once
	 * rather than wait. */
	do
		rc = sqlite3_exec(m->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
	while ((rc & 0xff) == SQLITE_BUSY && meta_wait_busy(m, tries++));
	if (rc != SQLITE_OK)
		return meta_error(m, rc, err);
	int r = cor_meta_begin(m, true, err);
	if (r < 0)
		return r;
	r = run_steps(m, err);
	if (r < 0) {
		cor_meta_rollback(m);
		return r;
	}
	r = cor_meta_commit(m, err);
	if (r >= 0)
		meta_reserve_refill(m->dirfd);
	return r;
}
