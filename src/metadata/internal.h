/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the metadata part: the connection, prepared statements, and errors from SQLite's results.
 *
 * Statements are named by their text: meta_prepare keeps the compiled form for the life of the connection. Values are
 * bound by a format: s text (NULL -> NULL), t text (NULL -> ''), i int64_t, m const struct cor_map * (JSON text),
 * b const void * and size_t.
 */
#ifndef COR_METADATA_INTERNAL_H
#define COR_METADATA_INTERNAL_H

#include <sqlite3.h>

#include "base/alloc.h"
#include "metadata/metadata.h"

#define META_STATEMENTS_MAX 96

/* The log, in pages, is copied back when it is longer than this: by who closes, by who commits. Reading it through takes 1.7 us
 * a page on top of the 0.5 ms that opening takes anyway, copying it back two fsyncs; a run --rm writes about 20 pages. */
#define META_LOG_FRAMES        128
#define META_LOG_FRAMES_COMMIT 192
#define META_FRAME_SIZE        (4096 + 24)

struct cor_meta {
	sqlite3 *db;
	int dirfd;
	char *file;      /* absolute path, for messages */
	int synchronous; /* what the connection is set to: 1 NORMAL, 2 FULL, 0 not set yet */
	int log_frames;  /* length of the log after the last commit here; 0: nothing written yet */
	int log_next;    /* length at which a commit copies it back; 0: not open yet */
	int64_t busy_limit_ns;
	bool in_transaction;
	bool reserve_released;
	struct {
		const char *sql;
		sqlite3_stmt *stmt;
	} statements[META_STATEMENTS_MAX];
	size_t n_statements;
};

/* Sets err from an SQLite result code; returns -errno. */
/* The busy handler: sleeps a little, and says whether it is worth another try (data: struct cor_meta). */
int meta_wait_busy(void *data, int count);
int meta_error(struct cor_meta *m, int rc, struct cor_error *err);

int meta_prepare(struct cor_meta *m, const char *sql, sqlite3_stmt **ret, struct cor_error *err);
int meta_bind(struct cor_meta *m, sqlite3_stmt *stmt, struct cor_error *err, const char *format, ...);
static inline void meta_resetp(sqlite3_stmt **stmt)
{
	if (*stmt) {
		sqlite3_reset(*stmt);
		sqlite3_clear_bindings(*stmt);
	}
}
#define _cleanup_stmt_ _cleanup_(meta_resetp)
/* 1: a row, 0: done. */
int meta_step(struct cor_meta *m, sqlite3_stmt *stmt, struct cor_error *err);
/* Runs a statement that returns no rows; rows changed. */
int meta_run(struct cor_meta *m, struct cor_error *err, const char *sql, const char *format, ...);
/* 1 when the query has a row, else 0. */
int meta_any(struct cor_meta *m, struct cor_error *err, const char *sql, const char *format, ...);

/* Never NULL. */
const char *meta_text(sqlite3_stmt *stmt, int column);
/* A column of JSON text into an empty map. DATA_LOSS when it is not what meta_bind writes. */
int meta_map(struct cor_meta *m, sqlite3_stmt *stmt, int column, struct cor_map *ret, struct cor_error *err);

/* reserve.c */
bool meta_space_low(int dirfd);
bool meta_reserve_release(int dirfd);
void meta_reserve_refill(int dirfd);

/* The schema of this program; PRAGMA user_version in the file. */
#define COR_META_VERSION 1
/* Makes or upgrades it, in one transaction. */
int meta_schema(struct cor_meta *m, struct cor_error *err);

#endif
