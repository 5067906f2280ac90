/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver for runc and the programs with runc's command line (crun, youki, runsc …): each operation is one run of the
 * program (shim/runc_job.h). Only options that all of them know are used.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cgroup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "shim/runc_job.h"

static struct runc *runc_of(struct cor_runtime *rt)
{
	return container_of(rt, struct runc, base);
}

static int start_job(struct runc_job *job, const char *const *args, const struct cor_runtime_stdio *io,
		     struct cor_error *err)
{
	return job ? runc_job_start(job, args, io, err) : cor_error_oom(err);
}

size_t runc_args_of_init(const struct runc *r, const char *pid_file, const struct cor_runtime_stdio *io,
			 const char **args)
{
	size_t n = 0;
	args[n++] = "--bundle";
	args[n++] = r->bundle;
	args[n++] = "--pid-file";
	args[n++] = pid_file;
	if (io->console_socket) {
		/* Relative to the bundle, which is the program's working directory: a socket's path may have 108
		 * bytes only. */
		args[n++] = "--console-socket";
		args[n++] = io->console_socket;
	}
	if (r->no_pivot)
		args[n++] = "--no-pivot";
	return n;
}

static int make_init(struct cor_runtime *rt, enum runc_verb verb, const struct cor_runtime_stdio *io,
		     cor_runtime_fn fn, void *data, struct cor_error *err)
{
	struct runc *r = runc_of(rt);
	struct runc_job *job = runc_job_new(r, verb, fn, data);
	if (!job)
		return cor_error_oom(err);
	_cleanup_free_ char *pid_file = cor_asprintf("%s/%s", r->bundle, job->pid_file);
	if (!pid_file) {
		runc_job_free(job);
		return cor_error_oom(err);
	}
	const char *args[16];
	size_t n = 0;
	if (verb == RUNC_RUN)
		args[n++] = "--detach";
	n += runc_args_of_init(r, pid_file, io, args + n);
	if (r->no_new_keyring)
		args[n++] = "--no-new-keyring";
	args[n++] = r->id;
	args[n] = NULL;
	return start_job(job, args, io, err);
}

static int runc_create(struct cor_runtime *rt, const struct cor_runtime_stdio *io, cor_runtime_fn fn,
		       void *data, struct cor_error *err)
{
	return make_init(rt, RUNC_CREATE, io, fn, data, err);
}

static int runc_run(struct cor_runtime *rt, const struct cor_runtime_stdio *io, cor_runtime_fn fn, void *data,
		    struct cor_error *err)
{
	return make_init(rt, RUNC_RUN, io, fn, data, err);
}

static int runc_exec(struct cor_runtime *rt, const struct cor_runtime_exec *exec, cor_runtime_fn fn,
		     void *data, struct cor_error *err)
{
	struct runc *r = runc_of(rt);
	struct runc_job *job = runc_job_new(r, RUNC_EXEC, fn, data);
	if (!job)
		return cor_error_oom(err);
	_cleanup_free_ char *pid_file = cor_asprintf("%s/%s", r->bundle, job->pid_file);
	_cleanup_free_ char *process = cor_asprintf("%s/%s", r->bundle, exec->process_file);
	if (!pid_file || !process) {
		runc_job_free(job);
		return cor_error_oom(err);
	}
	const char *args[12];
	size_t n = 0;
	args[n++] = "--detach";
	args[n++] = "--process";
	args[n++] = process;
	args[n++] = "--pid-file";
	args[n++] = pid_file;
	if (exec->stdio.console_socket) {
		args[n++] = "--console-socket";
		args[n++] = exec->stdio.console_socket;
	}
	args[n++] = r->id;
	args[n] = NULL;
	return start_job(job, args, &exec->stdio, err);
}

/* The verbs that take nothing but the container's name. */
static int simple(struct cor_runtime *rt, enum runc_verb verb, const char *option, const char *value,
		  cor_runtime_fn fn, void *data, struct cor_error *err)
{
	struct runc *r = runc_of(rt);
	const char *args[4];
	size_t n = 0;
	if (option)
		args[n++] = option;
	if (value)
		args[n++] = value;
	args[n++] = r->id;
	args[n] = NULL;
	return start_job(runc_job_new(r, verb, fn, data), args, NULL, err);
}

static int runc_start(struct cor_runtime *rt, cor_runtime_fn fn, void *data, struct cor_error *err)
{
	return simple(rt, RUNC_START, NULL, NULL, fn, data, err);
}

static int runc_remove(struct cor_runtime *rt, bool force, cor_runtime_fn fn, void *data,
		       struct cor_error *err)
{
	return simple(rt, RUNC_DELETE, force ? "--force" : NULL, NULL, fn, data, err);
}

/*
 * runc and crun keep a directory of the container's name below their root, and have put the processes into the group that
 * the spec names, in every hierarchy. Deleting a container without processes is removing these, and running the program for
 * that would take as long as all else. Of other programs nothing is known but their command line.
 */
static int runc_forget(struct cor_runtime *rt, const char *cgroups_path)
{
	struct runc *r = runc_of(rt);
	if ((!streq(rt->name, "runc") && !streq(rt->name, "crun")) || r->systemd_cgroup ||
	    !cor_cgroup_path_is_own(cgroups_path))
		return -EOPNOTSUPP;
	_cleanup_close_ int root = openat(AT_FDCWD, r->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || faccessat(root, r->id, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return -ENOENT;
	int groups = cor_cgroup_remove(cgroups_path);
	if (groups <= 0)
		return groups < 0 ? groups : -ENOENT;
	return cor_remove_tree_at(root, r->id, NULL);
}

static int runc_pause(struct cor_runtime *rt, cor_runtime_fn fn, void *data, struct cor_error *err)
{
	return simple(rt, RUNC_PAUSE, NULL, NULL, fn, data, err);
}

static int runc_resume(struct cor_runtime *rt, cor_runtime_fn fn, void *data, struct cor_error *err)
{
	return simple(rt, RUNC_RESUME, NULL, NULL, fn, data, err);
}

static int runc_pids(struct cor_runtime *rt, cor_runtime_fn fn, void *data, struct cor_error *err)
{
	return simple(rt, RUNC_PS, "--format", "json", fn, data, err);
}

static int runc_kill(struct cor_runtime *rt, int sig, bool all, cor_runtime_fn fn, void *data,
		     struct cor_error *err)
{
	struct runc *r = runc_of(rt);
	char number[12];
	const char *args[4];
	size_t n = 0;
	(void)snprintf(number, sizeof(number), "%d", sig);
	if (all)
		args[n++] = "--all";
	args[n++] = r->id;
	args[n++] = number;
	args[n] = NULL;
	return start_job(runc_job_new(r, RUNC_KILL, fn, data), args, NULL, err);
}

static int runc_update(struct cor_runtime *rt, const char *resources, cor_runtime_fn fn, void *data,
		       struct cor_error *err)
{
	struct runc *r = runc_of(rt);
	struct runc_job *job = runc_job_new(r, RUNC_UPDATE, fn, data);
	if (!job)
		return cor_error_oom(err);
	(void)snprintf(job->input, sizeof(job->input), "update-%u.json", r->sequence);
	_cleanup_free_ char *path = cor_asprintf("%s/%s", r->bundle, job->input);
	int ret = path ? cor_write_file_at(r->bundle_fd, job->input, resources, strlen(resources), 0600,
					   false, err)
		       : cor_error_oom(err);
	if (ret < 0) {
		runc_job_free(job);
		return ret;
	}
	const char *const args[] = {"--resources", path, r->id, NULL};
	return start_job(job, args, NULL, err);
}

static bool runc_exists(struct cor_runtime *rt)
{
	struct runc *r = runc_of(rt);
	struct stat st;
	_cleanup_close_ int root = openat(AT_FDCWD, r->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root >= 0 && fstatat(root, r->id, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void runc_abort(struct cor_runtime *rt, const void *data)
{
	/* Not reaped yet, so the number is still its own. */
	for (struct runc_job *job = runc_of(rt)->jobs; job; job = job->next)
		if (job->data == data && job->verb != RUNC_DELETE) /* taking back is not broken off */
			(void)kill(job->pid, SIGKILL);
}

static size_t runc_busy(const struct cor_runtime *rt)
{
	size_t n = 0;
	for (struct runc_job *job = container_of(rt, struct runc, base)->jobs; job; job = job->next)
		n++;
	return n;
}

static bool runc_child(struct cor_runtime *rt, pid_t pid, int status)
{
	for (struct runc_job *job = runc_of(rt)->jobs; job; job = job->next) {
		if (job->pid == pid) {
			runc_job_finish(job, status);
			return true;
		}
	}
	return false;
}

static void runc_free(struct cor_runtime *rt)
{
	struct runc *r = runc_of(rt);
	while (r->jobs) {
		struct runc_job *next = r->jobs->next;
		runc_job_free(r->jobs);
		r->jobs = next;
	}
	free(r->binary);
	free(r->root);
	free(r->criu);
	free(r);
}

static const struct cor_runtime_driver runc_driver = {
	.name = "runc",
	.create = runc_create,
	.run = runc_run,
	.start = runc_start,
	.exec = runc_exec,
	.kill = runc_kill,
	.forget = runc_forget,
	.remove = runc_remove,
	.pause = runc_pause,
	.resume = runc_resume,
	.pids = runc_pids,
	.update = runc_update,
	.checkpoint = runc_checkpoint,
	.restore = runc_restore,
	.exists = runc_exists,
	.abort = runc_abort,
	.busy = runc_busy,
	.child = runc_child,
	.free = runc_free,
};

int cor_runtime_runc_new(const struct cor_runtime_config *c, struct cor_runtime **ret, struct cor_error *err)
{
	struct runc *r = cor_new0(struct runc, 1);
	if (!r)
		return cor_error_oom(err);
	r->base.driver = &runc_driver;
	r->id = c->id;
	r->bundle = c->bundle;
	r->bundle_fd = c->bundle_fd;
	r->binary = strdup(c->binary);
	r->root = strdup(c->root);
	r->systemd_cgroup = c->systemd_cgroup;
	r->no_pivot = c->no_pivot;
	r->no_new_keyring = c->no_new_keyring;
	r->debug = c->debug;
	r->criu = cor_empty(c->criu) ? NULL : strdup(c->criu);
	if (!r->binary || !r->root || (!cor_empty(c->criu) && !r->criu)) {
		runc_free(&r->base);
		return cor_error_oom(err);
	}
	r->base.name = cor_path_base(r->binary);
	*ret = &r->base;
	return 0;
}

struct cor_runtime *cor_runtime_free(struct cor_runtime *rt)
{
	if (rt)
		rt->driver->free(rt);
	return NULL;
}

int cor_runtime_find(const char *name, char **ret, struct cor_error *err)
{
	static const char *const extra[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
					    NULL};
	if (!cor_empty(name) && strchr(name, '/')) {
		if (name[0] != '/')
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "runtime \"%s\": give a name or an absolute path", name);
		if (faccessat(AT_FDCWD, name, X_OK, AT_EACCESS) < 0)
			return cor_error_errno(err, errno, "runtime %s", name);
		*ret = strdup(name);
		return *ret ? 0 : cor_error_oom(err);
	}
	static const char *const defaults[] = {"runc", "crun", NULL};
	const char *const given[] = {name, NULL};
	for (const char *const *n = cor_empty(name) ? defaults : given; *n; n++) {
		int r = cor_find_program(*n, extra, ret);
		if (r != -ENOENT)
			return r < 0 ? cor_error_errno(err, r, "runtime %s", *n) : 0;
	}
	if (cor_empty(name))
		return cor_error_set(err, COR_NOT_FOUND,
				     "no OCI runtime found: neither runc nor crun is in PATH: not found");
	return cor_error_set(err, COR_NOT_FOUND,
			     "OCI runtime \"%s\": executable not found in PATH: not found", name);
}
