/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a runc-compatible program: its arguments are made here from a verb and what follows it, its exit is matched
 * to it, and its complaint is turned into an error with containerd's text.
 */
#ifndef COR_SHIM_RUNC_JOB_H
#define COR_SHIM_RUNC_JOB_H

#include "shim/runtime.h"

enum runc_verb {
	RUNC_CREATE,
	RUNC_RUN,
	RUNC_START,
	RUNC_EXEC,
	RUNC_KILL,
	RUNC_DELETE,
	RUNC_PAUSE,
	RUNC_RESUME,
	RUNC_PS,
	RUNC_UPDATE,
	RUNC_CHECKPOINT,
	RUNC_RESTORE,
};

struct runc_job;
struct runc {
	struct cor_runtime base;
	const char *id, *bundle; /* borrowed */
	int bundle_fd;
	char *binary, *root;
	char *criu; /* NULL: the one in PATH */
	bool systemd_cgroup, no_pivot, no_new_keyring, debug;
	struct runc_job *jobs;
	unsigned sequence;
};

struct runc_job {
	struct runc_job *next;
	struct runc *rt;
	enum runc_verb verb;
	pid_t pid;
	int output;        /* what it printed, or -1 when it has the container's stdio */
	char log[24];      /* name in the bundle */
	char pid_file[24]; /* name in the bundle, "" when it makes no process */
	char input[24];    /* a file made for it, in the bundle, or "" */
	char *criu_log;    /* path of what criu says, or NULL */
	cor_runtime_fn fn;
	void *data;
};

/* A job not yet started, to be given to _start, or to _free. NULL on ENOMEM. */
struct runc_job *runc_job_new(struct runc *rt, enum runc_verb verb, cor_runtime_fn fn, void *data);
struct runc_job *runc_job_free(struct runc_job *job);
/* args: what follows the verb (NULL-terminated). io NULL: /dev/null, and output is collected. Takes the job, also on
 * failure. */
int runc_job_start(struct runc_job *job_take, const char *const *args, const struct cor_runtime_stdio *io,
		   struct cor_error *err);
/* The job's process ended. Calls its fn and frees it. */
void runc_job_finish(struct runc_job *job, int status);
/* The error of a job that failed (runc_error.c). Returns the negative errno. */
int runc_job_error(const struct runc_job *job, int status, struct cor_error *err);
/* What criu complained about in its log, in one line: the caller's, NULL when there is nothing (runtime_criu.c). */
char *runc_criu_complaint(const char *log_path);
/* The verbs that need criu (runtime_criu.c). */
int runc_checkpoint(struct cor_runtime *rt, const struct cor_runtime_checkpoint *c, cor_runtime_fn fn,
		    void *data, struct cor_error *err);
int runc_restore(struct cor_runtime *rt, const char *images, const char *work,
		 const struct cor_runtime_stdio *io, cor_runtime_fn fn, void *data, struct cor_error *err);
/* Does it make the container's init process? */
static inline bool runc_makes_init(enum runc_verb verb)
{
	return verb == RUNC_CREATE || verb == RUNC_RUN || verb == RUNC_RESTORE;
}
/* The options with which each verb that makes init is called: bundle, pid file, terminal. At most 7 into args; their number. */
size_t runc_args_of_init(const struct runc *r, const char *pid_file, const struct cor_runtime_stdio *io,
			 const char **args);
/* "create", "ps" … */
const char *runc_verb_name(enum runc_verb verb);

#endif
