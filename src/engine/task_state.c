/* SPDX-License-Identifier: Apache-2.0 */
/* Asking about tasks: one, all, their processes. */
#include "engine/task_internal.h"

#include <dirent.h>
#include <errno.h>

#include "rpc/message.h"

#define LISTING_NS (INT64_C(2) * 1000000000) /* per task: one that hangs must not hold up the list for long */

static int copy_state(const Containerd__Task__V2__StateResponse *m, const char *id, const char *exec_id,
		      struct cor_task *ret)
{
	struct cor_task t = {
		.id = strdup(id),
		.exec_id = strdup(exec_id ? exec_id : ""),
		.bundle = strdup(m->bundle),
		.pid = (pid_t)m->pid,
		.status = m->status <= CONTAINERD__V1__TYPES__STATUS__PAUSING
				  ? (enum cor_task_status)m->status
				  : COR_TASK_UNKNOWN,
		.terminal = m->terminal,
		.stdin_path = strdup(m->stdin),
		.stdout_path = strdup(m->stdout),
		.stderr_path = strdup(m->stderr),
		.exit_status = m->exit_status,
		.exited_ns = cor_timestamp_ns(m->exited_at),
	};
	if (!t.id || !t.exec_id || !t.bundle || !t.stdin_path || !t.stdout_path || !t.stderr_path) {
		cor_task_done(&t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

/* A record without a shim to ask. */
static int bare_state(struct cor_engine *e, const char *id, const char *exec_id, enum cor_task_status status,
		      const struct cor_task_exit *ended, struct cor_task *ret, struct cor_error *err)
{
	Containerd__Task__V2__StateResponse m = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	_cleanup_free_ char *bundle = cor_asprintf("%s/%s/%s", e->state, e->ns, id);
	if (!bundle)
		return cor_error_oom(err);
	m.bundle = bundle;
	m.status = (Containerd__V1__Types__Status)status;
	m.exit_status = ended ? ended->status : 0;
	int r = copy_state(&m, id, exec_id, ret);
	if (r < 0)
		return cor_error_oom(err);
	ret->exited_ns = ended ? ended->exited_ns : 0;
	return 0;
}

static int get_state(struct cor_engine *e, const char *id, const char *exec_id, int64_t timeout_ns,
		     struct cor_task *ret, struct cor_error *err)
{
	Containerd__Task__V2__StateRequest m = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	struct cor_task_exit ended;
	m.id = cor_task_text(id);
	m.exec_id = cor_task_text(exec_id);
	struct cor_ttrpc_call call = {
		.service = COR_TASK_SERVICE,
		.method = "State",
		.request = &m.base,
		.response_type = &containerd__task__v2__state_response__descriptor,
		.timeout_ns = timeout_ns,
	};
	int r = cor_task_call(e, id, &call, &(struct cor_task_reply){&reply, NULL}, &ended, err);
	if (r == COR_TASK_DEAD && !cor_empty(exec_id))
		return cor_error_set(err, COR_NOT_FOUND, "process does not exist %s: not found", exec_id);
	if (r == COR_TASK_DEAD)
		return bare_state(e, id, exec_id, COR_TASK_STOPPED, &ended, ret, err);
	if (r < 0)
		return r;
	r = copy_state((const Containerd__Task__V2__StateResponse *)(const void *)reply, id, exec_id, ret);
	cor_message_free(reply);
	return r < 0 ? cor_error_oom(err) : 0;
}

int cor_task_state_op(struct cor_services *s, const char *id, const char *exec_id, struct cor_task *ret,
		      struct cor_error *err)
{
	return get_state(cor_engine_of(s), id, exec_id, 0, ret, err);
}

/* One line of a listing. 0; 1: vanished; -errno. */
static int list_one(struct cor_engine *e, const char *id, struct cor_task *ret, struct cor_error *err)
{
	bool known = cor_task_known(e, id);
	int64_t limit = e->timeout_ns > 0 ? MIN(e->timeout_ns, LISTING_NS) : LISTING_NS;
	struct cor_error ignored = {0};
	int r = get_state(e, id, NULL, limit, ret, &ignored);
	struct cor_engine_task *t = known ? NULL : cor_task_known(e, id);
	if (t)
		cor_task_forget(e, t);
	if (r == -ENOENT)
		return 1;
	if (r == -ENOMEM)
		return cor_error_oom(err);
	return r < 0 ? bare_state(e, id, NULL, COR_TASK_UNKNOWN, NULL, ret, err) : 0;
}

static int walk_dir(struct cor_engine *e, DIR *d, cor_task_walk_fn fn, void *data, struct cor_error *err)
{
	struct dirent *ent;
	while ((ent = readdir(d))) {
		struct cor_task t = {0};
		if (ent->d_name[0] == '.') {
			if (!streq(ent->d_name, ".") && !streq(ent->d_name, ".."))
				cor_bundle_reap(e, ent->d_name);
			continue;
		}
		int r = list_one(e, ent->d_name, &t, err);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		r = fn(&t, data);
		cor_task_done(&t);
		if (r)
			return r < 0 ? r : 0;
	}
	return 0;
}

int cor_task_walk_op(struct cor_services *s, cor_task_walk_fn fn, void *data, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	int r = cor_engine_ns_state(e, false, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	int fd = openat(e->ns_state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		r = cor_error_errno(err, errno, "list tasks");
		cor_close(fd);
		return r;
	}
	r = walk_dir(e, d, fn, data, err);
	(void)closedir(d);
	return r;
}

int cor_task_pids_op(struct cor_services *s, const char *id, pid_t **ret, size_t *ret_n,
		     struct cor_error *err)
{
	Containerd__Task__V2__PidsRequest m = CONTAINERD__TASK__V2__PIDS_REQUEST__INIT;
	ProtobufCMessage *reply = NULL;
	m.id = cor_task_text(id);
	struct cor_ttrpc_call call = {
		.service = COR_TASK_SERVICE,
		.method = "Pids",
		.request = &m.base,
		.response_type = &containerd__task__v2__pids_response__descriptor,
	};
	int r = cor_task_call(cor_engine_of(s), id, &call, &(struct cor_task_reply){&reply, NULL}, NULL, err);
	if (r < 0)
		return r;
	const Containerd__Task__V2__PidsResponse *p = (const void *)reply;
	size_t n = r == COR_TASK_DEAD ? 0 : p->n_processes;
	pid_t *pids = cor_new0(pid_t, n ? n : 1);
	for (size_t i = 0; pids && i < n; i++)
		pids[i] = (pid_t)p->processes[i]->pid;
	cor_message_free(reply);
	if (!pids)
		return cor_error_oom(err);
	*ret = pids;
	*ret_n = n;
	return 0;
}
