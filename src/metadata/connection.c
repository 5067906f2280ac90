/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing the database, transactions, waiting for other processes.
 *
 * SQLite's log (WAL) stays between processes: closing does not copy it back, for that costs two fsyncs. But it must stay
 * short: SQLite keeps an index of it in shared memory, and whoever opens the database while nobody else has it open makes
 * that anew by reading the whole log through. (Keeping the index from one process to the next would be a mistake: nothing
 * says whether it still belongs to the files beside it, say after these came back from a backup.)
 *
 * So who closes the database with a longer log than META_LOG_FRAMES copies it back and truncates it. Truncates: what has been
 * copied back is known only while somebody has the database open. One process does so at a time, the others pass by; it
 * waits only a moment for readers and writers that are in the way, so the log may grow beyond that while there are some. The
 * first to close with nobody in the way makes it short again. A long command does the same between its transactions.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "metadata/internal.h"

#define BUSY_LIMIT_NS (30 * INT64_C(1000000000))
#define COPY_LIMIT_NS (10 * INT64_C(1000000))

/* Someone else holds the lock: transactions are short, so look again soon; in steps that grow to 1 ms. */
int meta_wait_busy(void *data, int count)
{
	const struct cor_meta *m = data;
	static __thread int64_t since;
	int64_t now = cor_monotonic_ns();
	if (count == 0)
		since = now;
	if (now - since > m->busy_limit_ns)
		return 0;
	long step = count < 10 ? 50000L * (count + 1) : 1000000L;
	/* Waiters that sleep in step would meet again: spread them. */
	step -= (long)((uint64_t)(now ^ getpid()) % 40000);
	nanosleep(&(struct timespec){.tv_nsec = step}, NULL);
	return 1;
}

static int count_frames(void *data, sqlite3 *db, const char *name, int frames)
{
	struct cor_meta *m = data;
	m->log_frames = frames;
	return SQLITE_OK;
}

static int get_version(struct cor_meta *m, int *ret, struct cor_error *err)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = meta_prepare(m, "PRAGMA user_version", &stmt, err);
	if (r < 0)
		return r;
	r = meta_step(m, stmt, err);
	if (r < 0)
		return r;
	*ret = r == 1 ? sqlite3_column_int(stmt, 0) : 0;
	return 0;
}

static int configure(struct cor_meta *m, struct cor_error *err)
{
	int yes = 1;
	(void)sqlite3_extended_result_codes(m->db, 1);
	(void)sqlite3_busy_handler(m->db, meta_wait_busy, m);
	(void)sqlite3_db_config(m->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_db_config(m->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* Our schema has tables and indexes only; a file that has more is not ours. */
	(void)sqlite3_db_config(m->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(m->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	(void)sqlite3_db_config(m->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	(void)sqlite3_file_control(m->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &yes);
	(void)sqlite3_limit(m->db, SQLITE_LIMIT_LENGTH, 64 << 20);
	/* Also replaces the automatic checkpoint, which would happen in the middle of a command. */
	(void)sqlite3_wal_hook(m->db, count_frames, m);
	int version;
	int r = get_version(m, &version, err);
	if (r < 0 || version == COR_META_VERSION)
		return r;
	if (version < 0 || version > COR_META_VERSION)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "%s: made by a newer coracle (schema version %d, this program knows %d)",
				     m->file, version, COR_META_VERSION);
	return meta_schema(m, err);
}

static void copy_log_back(struct cor_meta *m)
{
	/* Not now if somebody else is at it, or in the way for long. */
	m->busy_limit_ns = COPY_LIMIT_NS;
	int rc = sqlite3_wal_checkpoint_v2(m->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	m->busy_limit_ns = BUSY_LIMIT_NS;
	m->log_next = META_LOG_FRAMES_COMMIT + (rc == SQLITE_OK ? 0 : m->log_frames);
}

/* Somebody who has only read does it too: those who have written may have been killed. */
static void shorten_log(struct cor_meta *m)
{
	struct stat st;
	if (m->log_next == 0)
		return; /* was not opened: damaged, or not ours */
	/* The file is at least as long as the log. */
	if (fstatat(m->dirfd, COR_META_FILE "-wal", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_size > (off_t)META_LOG_FRAMES * META_FRAME_SIZE)
		copy_log_back(m);
}

static int open_once(int dirfd, const char *path, struct cor_meta **ret, struct cor_error *err)
{
	struct cor_meta *m = cor_new0(struct cor_meta, 1);
	if (!m)
		return cor_error_oom(err);
	m->busy_limit_ns = BUSY_LIMIT_NS;
	m->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
	m->file = cor_asprintf("%s/%s", path, COR_META_FILE);
	if (m->dirfd < 0 || !m->file) {
		int r = m->file ? cor_error_errno(err, errno, "open %s", path) : cor_error_oom(err);
		cor_meta_close(m);
		return r;
	}
	int rc = sqlite3_open_v2(m->file, &m->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
					 SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_PRIVATECACHE,
				 NULL);
	int r = rc == SQLITE_OK ? configure(m, err) : meta_error(m, rc, err);
	if (r < 0) {
		cor_meta_close(m);
		return r;
	}
	m->log_next = META_LOG_FRAMES_COMMIT;
	*ret = m;
	return 0;
}

int cor_meta_open(int dirfd, const char *path, struct cor_meta **ret, struct cor_error *err)
{
	/* Even opening takes a little space: the log's index is made anew by the first process. */
	bool released = meta_space_low(dirfd) && meta_reserve_release(dirfd);
	int r = open_once(dirfd, path, ret, err);
	if (r == -ENOSPC && !released && (released = meta_reserve_release(dirfd))) {
		cor_error_clear(err);
		r = open_once(dirfd, path, ret, err);
	}
	if (r >= 0)
		(*ret)->reserve_released = released;
	return r;
}

bool cor_meta_reserve_release(struct cor_meta *m)
{
	bool released = meta_reserve_release(m->dirfd);
	m->reserve_released = m->reserve_released || released;
	return released;
}

void cor_meta_reserve_restore(struct cor_meta *m)
{
	if (m->reserve_released)
		copy_log_back(m);
	meta_reserve_refill(m->dirfd);
	m->reserve_released = false;
}

bool cor_meta_space_low(const struct cor_meta *m)
{
	return meta_space_low(m->dirfd);
}

struct cor_meta *cor_meta_close(struct cor_meta *m)
{
	if (!m)
		return NULL;
	if (m->db) {
		cor_meta_rollback(m);
		if (m->reserve_released)
			cor_meta_reserve_restore(m);
		for (size_t i = 0; i < m->n_statements; i++)
			(void)sqlite3_finalize(m->statements[i].stmt);
		shorten_log(m);
		(void)sqlite3_close(m->db);
	}
	cor_close(m->dirfd);
	free(m->file);
	free(m);
	return NULL;
}

static int set_synchronous(struct cor_meta *m, bool durable, struct cor_error *err)
{
	int want = durable ? 2 : 1;
	if (m->synchronous == want)
		return 0;
	int rc = sqlite3_exec(m->db, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", NULL,
			      NULL, NULL);
	if (rc != SQLITE_OK)
		return meta_error(m, rc, err);
	m->synchronous = want;
	return 0;
}

int cor_meta_begin(struct cor_meta *m, bool durable, struct cor_error *err)
{
	if (m->in_transaction)
		return cor_error_set(err, COR_INTERNAL, "%s: a transaction is open already", m->file);
	int r = set_synchronous(m, durable, err);
	if (r < 0)
		return r;
	r = meta_run(m, err, "BEGIN IMMEDIATE", "");
	if (r < 0)
		return r;
	m->in_transaction = true;
	return 0;
}

int cor_meta_commit(struct cor_meta *m, struct cor_error *err)
{
	if (!m->in_transaction)
		return cor_error_set(err, COR_INTERNAL, "%s: no transaction is open", m->file);
	int r = meta_run(m, err, "COMMIT", "");
	if (r < 0) {
		cor_meta_rollback(m);
		return r;
	}
	m->in_transaction = false;
	if (m->log_next > 0 && m->log_frames >= m->log_next)
		copy_log_back(m);
	return 0;
}

void cor_meta_rollback(struct cor_meta *m)
{
	/* A failed write may have ended the transaction already. */
	if (m->in_transaction && !sqlite3_get_autocommit(m->db))
		(void)meta_run(m, NULL, "ROLLBACK", "");
	m->in_transaction = false;
}

bool cor_meta_in_transaction(const struct cor_meta *m)
{
	return m->in_transaction;
}

int cor_meta_sync(struct cor_meta *m, struct cor_error *err)
{
	_cleanup_close_ int fd = openat(m->dirfd, COR_META_FILE "-wal", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : cor_error_errno(err, errno, "open %s-wal", m->file);
	if (fdatasync(fd) < 0)
		return cor_error_errno(err, errno, "sync %s-wal", m->file);
	return 0;
}
