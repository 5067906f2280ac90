/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runtime complained about, in containerd's words: "OCI runtime create failed: runc create failed: …". The last
 * error line of its JSON log says it best; a runtime that ends before it opens the log leaves only what it printed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "shim/json_scan.h"
#include "shim/runc_job.h"

#define LOG_TAIL_MAX (64u << 10)

/* At most the last max bytes of a file. */
static char *read_tail(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	if (size < 0)
		return NULL;
	off_t from = size > (off_t)LOG_TAIL_MAX ? size - (off_t)LOG_TAIL_MAX : 0;
	char *text = NULL;
	if (lseek(fd, from, SEEK_SET) < 0 || cor_read_fd(fd, LOG_TAIL_MAX + 4096, &text, NULL, NULL) < 0)
		return NULL;
	return text;
}

/* "msg" of the last line whose level is error (or fatal); NULL when there is none. */
static char *last_log_error(int fd)
{
	_cleanup_free_ char *text = read_tail(fd);
	char *found = NULL;
	for (char *line = text; line && *line;) {
		char *end = strchr(line, '\n');
		if (end)
			*end = '\0';
		_cleanup_free_ char *level = cor_scan_string(cor_scan_member(line, "level"));
		if (level && (streq(level, "error") || streq(level, "fatal"))) {
			char *msg = cor_scan_string(cor_scan_member(line, "msg"));
			if (msg) {
				free(found);
				found = msg;
			}
		}
		line = end ? end + 1 : NULL;
	}
	return found;
}

/* The last line that is not empty. */
static char *last_line(int fd)
{
	_cleanup_free_ char *text = read_tail(fd);
	if (!text)
		return NULL;
	size_t n = strlen(text);
	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		text[--n] = '\0';
	if (n == 0)
		return NULL;
	char *nl = strrchr(text, '\n');
	return strdup(nl ? nl + 1 : text);
}

static char *complaint(const struct runc_job *job, int status)
{
	char *msg = NULL;
	_cleanup_close_ int log = openat(job->rt->bundle_fd, job->log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (log >= 0)
		msg = last_log_error(log);
	if (!msg && job->output >= 0)
		msg = last_line(job->output);
	if (msg)
		return msg;
	if (WIFSIGNALED(status)) {
		const char *name = cor_signal_name(WTERMSIG(status));
		return cor_asprintf("%s: killed by %s", cor_path_base(job->rt->binary),
				    name ? name : "a signal");
	}
	return cor_asprintf("%s: exit status %d", cor_path_base(job->rt->binary), WEXITSTATUS(status));
}

/* runc says "runc create failed: …" (or "runc run failed: …", which is our own affair); others do not name themselves. */
static int init_error(const struct runc_job *job, const char *msg, struct cor_error *err)
{
	const char *base = cor_path_base(job->rt->binary);
	const char *mark = strstr(msg, " failed: ");
	size_t n = strlen(base);
	if (mark && strncmp(msg, base, n) == 0 &&
	    (cor_startswith(msg + n, " run failed: ") || cor_startswith(msg + n, " create failed: ")))
		msg = mark + strlen(" failed: ");
	else if (cor_startswith(msg, "runc run failed: ") || cor_startswith(msg, "runc create failed: "))
		msg = mark + strlen(" failed: ");
	return cor_error_set(err, COR_UNKNOWN, "OCI runtime create failed: %s create failed: %s", base, msg);
}

static bool contains(const char *s, const char *part)
{
	return strcasestr(s, part) != NULL;
}

int runc_job_error(const struct runc_job *job, int status, struct cor_error *err)
{
	_cleanup_free_ char *msg = complaint(job, status);
	if (!msg)
		return cor_error_oom(err);
	if (job->verb == RUNC_CREATE || job->verb == RUNC_RUN)
		return init_error(job, msg, err);
	if (job->verb == RUNC_KILL &&
	    (contains(msg, "process already finished") || contains(msg, "container not running") ||
	     contains(msg, "no such process")))
		return cor_error_set(err, COR_NOT_FOUND, "process already finished: not found");
	if (job->verb == RUNC_KILL && contains(msg, "does not exist"))
		return cor_error_set(err, COR_NOT_FOUND, "no such container: not found");
	_cleanup_free_ char *more = job->criu_log ? runc_criu_complaint(job->criu_log) : NULL;
	msg[strcspn(msg, "\n")] = '\0';
	return cor_error_set(err, COR_UNKNOWN, "OCI runtime %s failed: %s%s%s", runc_verb_name(job->verb),
			     msg, more ? ": " : "", more ? more : "");
}
