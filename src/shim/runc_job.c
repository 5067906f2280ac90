/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running the runtime's program. Nothing waits for it: the loop's child callback says when it has ended.
 *
 * Files in the bundle, all named after the job: a log (--log; the init process's is log.json, as containerd's is, and stays;
 * the others go with the job), and the pid file. What it prints goes into a memfd, so no pipe has to be drained while it
 * runs. When it hands its own stdio to the container (create, run, exec without a terminal), it gets that instead.
 */
#include "shim/runc_job.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "shim/json_scan.h"

#define OUTPUT_MAX (1u << 20)
#define PIDS_MAX   32768

const char *runc_verb_name(enum runc_verb verb)
{
	static const char *const names[] = {"create", "run",    "start", "exec",   "kill",       "delete",
					    "pause",  "resume", "ps",    "update", "checkpoint", "restore"};
	return names[verb];
}

struct runc_job *runc_job_new(struct runc *rt, enum runc_verb verb, cor_runtime_fn fn, void *data)
{
	struct runc_job *job = cor_new0(struct runc_job, 1);
	if (!job)
		return NULL;
	job->rt = rt;
	job->verb = verb;
	job->output = -1;
	job->fn = fn;
	job->data = data;
	unsigned n = rt->sequence++;
	bool init = runc_makes_init(verb);
	if (init)
		(void)snprintf(job->log, sizeof(job->log), "log.json");
	else
		(void)snprintf(job->log, sizeof(job->log), "log-%u.json", n);
	if (init)
		(void)snprintf(job->pid_file, sizeof(job->pid_file), "init.pid");
	else if (verb == RUNC_EXEC)
		(void)snprintf(job->pid_file, sizeof(job->pid_file), "exec-%u.pid", n);
	/* What a job before it left must not be taken for its own. */
	if (init) {
		(void)unlinkat(rt->bundle_fd, job->log, 0);
		(void)unlinkat(rt->bundle_fd, job->pid_file, 0);
	}
	return job;
}

struct runc_job *runc_job_free(struct runc_job *job)
{
	if (!job)
		return NULL;
	int dir = job->rt->bundle_fd;
	bool init = runc_makes_init(job->verb);
	if (!init && *job->log)
		(void)unlinkat(dir, job->log, 0);
	if (!init && *job->pid_file)
		(void)unlinkat(dir, job->pid_file, 0);
	if (*job->input)
		(void)unlinkat(dir, job->input, 0);
	cor_close(job->output);
	free(job->criu_log);
	free(job);
	return NULL;
}

static bool makes_process(enum runc_verb verb)
{
	return runc_makes_init(verb) || verb == RUNC_EXEC;
}

#define ARGS_MAX 64

/* The whole command line: global options, verb, what the caller added. `log` holds the log's path. */
static int make_argv(const struct runc_job *job, const char *const *args, const char *log, const char **argv)
{
	const struct runc *rt = job->rt;
	size_t n = 0;
	argv[n++] = rt->binary;
	argv[n++] = "--root";
	argv[n++] = rt->root;
	argv[n++] = "--log";
	argv[n++] = log;
	argv[n++] = "--log-format";
	argv[n++] = "json";
	if (rt->systemd_cgroup)
		argv[n++] = "--systemd-cgroup";
	if (rt->debug)
		argv[n++] = "--debug";
	/* Only runc has it: crun is linked to its criu. */
	if (rt->criu && (job->verb == RUNC_CHECKPOINT || job->verb == RUNC_RESTORE) &&
	    streq(rt->base.name, "runc")) {
		argv[n++] = "--criu";
		argv[n++] = rt->criu;
	}
	argv[n++] = runc_verb_name(job->verb);
	for (; *args; args++) {
		if (n + 1 >= ARGS_MAX)
			return -E2BIG;
		argv[n++] = *args;
	}
	argv[n] = NULL;
	return 0;
}

int runc_job_start(struct runc_job *job, const char *const *args, const struct cor_runtime_stdio *io,
		   struct cor_error *err)
{
	struct runc *rt = job->rt;
	const char *argv[ARGS_MAX];
	_cleanup_free_ char *log = cor_asprintf("%s/%s", rt->bundle, job->log);
	struct cor_spawn spawn = {.path = rt->binary,
				  .cwd_fd = rt->bundle_fd,
				  .fds = {-1, -1, -1},
				  .nfds = 3,
				  .default_signals = true};
	int r = log ? make_argv(job, args, log, argv) : -ENOMEM;
	if (r == 0 && io && !io->console_socket) {
		memcpy(spawn.fds, io->fds, sizeof(io->fds));
	} else if (r == 0) {
		job->output = memfd_create("coracle-runtime", MFD_CLOEXEC);
		r = job->output < 0 ? -errno : 0;
		spawn.fds[1] = spawn.fds[2] = job->output;
	}
	if (r < 0) {
		runc_job_free(job);
		return cor_error_errno(err, r, "runtime %s", rt->binary);
	}
	spawn.argv = (char *const *)(uintptr_t)argv;
	r = cor_spawn(&spawn, &job->pid, NULL, err);
	if (r < 0) {
		runc_job_free(job);
		return r;
	}
	job->next = rt->jobs;
	rt->jobs = job;
	return 0;
}

/* The process number the runtime left in its pid file. */
static int read_pid(const struct runc_job *job, pid_t *ret, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL;
	uint32_t pid;
	int r = cor_read_file_at(job->rt->bundle_fd, job->pid_file, 64, &text, NULL, err);
	if (r < 0)
		return cor_error_wrap(err, r, "pid file of the runtime");
	text[strcspn(text, "\n")] = '\0';
	r = cor_parse_u32(text, &pid);
	if (r < 0 || pid < 2 || pid > INT32_MAX)
		return cor_error_set(err, COR_INTERNAL,
				     "pid file of the runtime: \"%s\" is no process number", text);
	*ret = (pid_t)pid;
	return 0;
}

/* `ps --format json` prints an array of numbers. */
static int read_pids(const struct runc_job *job, pid_t **ret, size_t *ret_n, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0, cap = 0;
	uint64_t pid;
	if (lseek(job->output, 0, SEEK_SET) < 0)
		return cor_error_errno(err, errno, "runtime ps");
	int r = cor_read_fd(job->output, OUTPUT_MAX, &text, NULL, err);
	if (r < 0)
		return r;
	const char *list = strchr(text, '[');
	for (const char *p = cor_scan_first(list); p && n < PIDS_MAX; p = cor_scan_next(p)) {
		if (cor_scan_number(p, &pid) < 0 || pid > INT32_MAX)
			return cor_error_set(err, COR_INTERNAL, "runtime ps: not a list of process numbers");
		if (cor_grow(&pids, &cap, n + 1, sizeof(*pids)) < 0)
			return cor_error_oom(err);
		pids[n++] = (pid_t)pid;
	}
	*ret = TAKE_PTR(pids);
	*ret_n = n;
	return 0;
}

void runc_job_finish(struct runc_job *job, int status)
{
	struct cor_error err;
	struct cor_runtime_result result = {.err = &err};
	_cleanup_free_ pid_t *pids = NULL;
	for (struct runc_job **p = &job->rt->jobs; *p; p = &(*p)->next) {
		if (*p == job) {
			*p = job->next;
			break;
		}
	}
	cor_error_clear(&err);
	if (status != 0)
		result.r = runc_job_error(job, status, &err);
	else if (makes_process(job->verb))
		result.r = read_pid(job, &result.pid, &err);
	else if (job->verb == RUNC_PS)
		result.r = read_pids(job, &pids, &result.npids, &err);
	result.pids = pids;
	cor_runtime_fn fn = job->fn;
	void *data = job->data;
	runc_job_free(job);
	fn(&result, data);
}
