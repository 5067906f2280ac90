/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoint and restore with a runc-compatible program, which has criu do the work. criu is looked for here first, so that
 * a missing one is a plain error, and what it complained about in its log goes into the error: the runtime itself only says
 * that criu failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "shim/runc_job.h"

#define EMPTY_NAMESPACES_MAX 8
#define LOG_TAIL_MAX         (64u << 10)
#define COMPLAINTS_MAX       3

static int check_criu(const struct runc *r, const char *verb, struct cor_error *err)
{
	_cleanup_free_ char *found = NULL;
	if (r->criu && faccessat(AT_FDCWD, r->criu, X_OK, AT_EACCESS) < 0)
		return cor_error_set(err, COR_FAILED_PRECONDITION, "%s: criu %s: %s", verb, r->criu,
				     strerror(errno));
	if (!r->criu && cor_find_program("criu", NULL, &found) < 0)
		return cor_error_set(
			err, COR_FAILED_PRECONDITION,
			"%s: criu is needed, and is not in the PATH that the container was started with",
			verb);
	return 0;
}

/* A job whose criu log is <work>/<name>. */
static int new_job(struct runc *r, enum runc_verb verb, const char *work, const char *name, cor_runtime_fn fn,
		   void *data, struct runc_job **ret, struct cor_error *err)
{
	int k = check_criu(r, runc_verb_name(verb), err);
	if (k < 0)
		return k;
	struct runc_job *job = runc_job_new(r, verb, fn, data);
	if (job)
		job->criu_log = cor_path_join(work, name);
	if (!job || !job->criu_log) {
		runc_job_free(job);
		return cor_error_oom(err);
	}
	*ret = job;
	return 0;
}

int runc_checkpoint(struct cor_runtime *rt, const struct cor_runtime_checkpoint *c, cor_runtime_fn fn,
		    void *data, struct cor_error *err)
{
	struct runc *r = container_of(rt, struct runc, base);
	struct runc_job *job = NULL;
	if (c->n_empty_namespaces > EMPTY_NAMESPACES_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "checkpoint: too many empty namespaces");
	int k = new_job(r, RUNC_CHECKPOINT, c->work, "dump.log", fn, data, &job, err);
	if (k < 0)
		return k;
	const char *args[16 + 2 * EMPTY_NAMESPACES_MAX];
	size_t n = 0;
	args[n++] = "--image-path";
	args[n++] = c->images;
	args[n++] = "--work-path";
	args[n++] = c->work;
	if (c->leave_running)
		args[n++] = "--leave-running";
	if (c->open_tcp)
		args[n++] = "--tcp-established";
	if (c->external_unix_sockets)
		args[n++] = "--ext-unix-sk";
	if (c->terminal)
		args[n++] = "--shell-job";
	if (c->file_locks)
		args[n++] = "--file-locks";
	if (!cor_empty(c->cgroups_mode)) {
		args[n++] = "--manage-cgroups-mode";
		args[n++] = c->cgroups_mode;
	}
	for (size_t i = 0; i < c->n_empty_namespaces; i++) {
		args[n++] = "--empty-ns";
		args[n++] = c->empty_namespaces[i];
	}
	args[n++] = r->id;
	args[n] = NULL;
	return runc_job_start(job, args, NULL, err);
}

int runc_restore(struct cor_runtime *rt, const char *images, const char *work,
		 const struct cor_runtime_stdio *io, cor_runtime_fn fn, void *data, struct cor_error *err)
{
	struct runc *r = container_of(rt, struct runc, base);
	struct runc_job *job = NULL;
	int k = new_job(r, RUNC_RESTORE, work, "restore.log", fn, data, &job, err);
	if (k < 0)
		return k;
	_cleanup_free_ char *pid_file = cor_path_join(r->bundle, job->pid_file);
	if (!pid_file) {
		runc_job_free(job);
		return cor_error_oom(err);
	}
	const char *args[18];
	size_t n = 0;
	args[n++] = "--detach";
	args[n++] = "--image-path";
	args[n++] = images;
	args[n++] = "--work-path";
	args[n++] = work;
	n += runc_args_of_init(r, pid_file, io, args + n);
	args[n++] = r->id;
	args[n] = NULL;
	return runc_job_start(job, args, io, err);
}

/* "(00.184003)      1: Error (criu/files-reg.c:1790): Can't …" -> "Can't …". NULL: not a complaint, or one that says nothing
 * about the cause. */
static char *complaint_of(char *line)
{
	static const char *const noise[] = {"Dumping FAILED", "Restoring FAILED", "rlimit: Can't setup",
					    NULL};
	char *p = strstr(line, "Error (");
	p = p ? strstr(p, "): ") : NULL;
	if (!p)
		return NULL;
	p += strlen("): ");
	for (const char *const *n = noise; *n; n++)
		if (cor_startswith(p, *n))
			return NULL;
	size_t len = strlen(p);
	while (len && (p[len - 1] == '.' || p[len - 1] == ' '))
		p[--len] = '\0';
	return len ? p : NULL;
}

char *runc_criu_complaint(const char *path)
{
	_cleanup_close_ int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	_cleanup_buf_ struct cor_buf b = {0};
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	if (size < 0 ||
	    lseek(fd, size > (off_t)LOG_TAIL_MAX ? size - (off_t)LOG_TAIL_MAX : 0, SEEK_SET) < 0 ||
	    cor_read_fd(fd, 2 * LOG_TAIL_MAX, &text, NULL, NULL) < 0)
		return NULL;
	int found = 0;
	for (char *line = text, *next; line && found < COMPLAINTS_MAX; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		const char *c = complaint_of(line);
		if (c)
			(void)cor_buf_printf(&b, "%s%s", found++ ? "; " : "", c);
	}
	return found && !b.failed ? cor_buf_take(&b) : NULL;
}
