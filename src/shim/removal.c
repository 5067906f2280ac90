/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting: the runtime forgets the container, the root file system is unmounted, what is left of the processes is killed.
 * The same for a container that could not be made.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/process.h"
#include "rpc/message.h"
#include "shim/config_facts.h"
#include "shim/events.h"
#include "shim/oom.h"
#include "shim/process.h"
#include "shim/rootfs.h"
#include "task_v2.pb-c.h"

static void reply_deleted(const struct cor_shim_process *p, struct cor_shim_call *call)
{
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Containerd__Task__V2__DeleteResponse m = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	m.pid = (uint32_t)p->pid;
	m.exit_status = p->exit_status;
	if (p->exited_ns) {
		cor_timestamp_set(&at, p->exited_ns);
		m.exited_at = &at;
	}
	cor_call_reply(call, &m.base, -1);
}

static int unmount_rootfs(struct cor_shim *s, struct cor_error *err)
{
	if (!s->rootfs_mounted)
		return 0;
	int r = cor_rootfs_unmount(s->bundle_fd, err);
	if (r < 0)
		return cor_error_wrap(err, r, "unmount root file system");
	s->rootfs_mounted = false;
	return 0;
}

/* The container is gone; so are its processes, or they will be in a moment. */
static void retire_execs(struct cor_shim *s)
{
	for (struct cor_shim_process *p = s->execs, *next; p; p = next) {
		next = p->next;
		p->retired = true;
		if (p->state == COR_PROC_MAKING) {
			cor_prepare_abort(p);
		} else if (cor_process_alive(p)) {
			(void)cor_pidfd_kill(p->pidfd, SIGKILL);
		} else {
			cor_process_unlink(p);
			cor_process_free(p);
		}
	}
}

static void end_task(struct cor_shim *s, struct cor_shim_process *init)
{
	if (cor_process_alive(init) && init->pidfd >= 0)
		(void)cor_pidfd_kill(init->pidfd, SIGKILL);
	cor_process_unlink(init);
	cor_process_free(init);
	retire_execs(s);
	if (!s->execs)
		cor_shim_kill_orphans(s);
	s->paused = s->pausing = false;
	cor_config_facts_done(&s->facts);
	cor_shim_trim(s);
	cor_shim_check_idle(s);
}

/* A runtime that was ended while it made the container (or crun 1.8, when it could not set a limit) leaves the control groups
 * that it had made, and forgets them. Those of this container's name go, once what was begun in them has died; others may
 * have been there before. */
static void remove_leftover_cgroups(struct cor_shim *s)
{
	struct cor_config_facts facts;
	if (cor_config_facts_read(s->bundle_fd, &facts) < 0)
		return;
	_cleanup_free_ char *own = cor_asprintf("/%s/%s", s->ns, s->id);
	if (own && streq(facts.cgroups_path, own)) {
		cor_shim_kill_orphans(s);
		for (int tries = 0; tries < 100 && cor_cgroup_remove(own) == -EBUSY; tries++)
			(void)usleep(1000);
	}
	cor_config_facts_done(&facts);
}

static void finish_rollback(struct cor_shim_process *init)
{
	struct cor_shim *s = init->shim;
	struct cor_error err;
	struct cor_shim_call *call = init->call;
	cor_error_clear(&err);
	if (init->failure)
		err = *init->failure;
	else
		(void)cor_error_oom(&err);
	(void)unmount_rootfs(s, NULL);
	if (init->launched)
		remove_leftover_cgroups(s);
	init->call = NULL;
	cor_call_fail(call, &err);
	end_task(s, init);
}

static void on_rolled_back(const struct cor_runtime_result *result, void *data)
{
	(void)result; /* mostly "does not exist": the runtime had cleaned up itself */
	finish_rollback(data);
}

void cor_removal_rollback(struct cor_shim_process *init)
{
	struct cor_runtime *rt = init->shim->runtime;
	if (!init->launched || rt->driver->remove(rt, true, on_rolled_back, init, NULL) < 0)
		finish_rollback(init);
}

static void give_up(struct cor_shim_process *init, const struct cor_error *err)
{
	struct cor_shim_call *call = init->call;
	init->call = NULL;
	init->state = init->exited_ns ? COR_PROC_STOPPED : COR_PROC_CREATED;
	if (call)
		cor_call_fail(call, err);
}

static void finish_removal(struct cor_shim_process *init)
{
	struct cor_shim *s = init->shim;
	struct cor_shim_call *call = init->call;
	struct cor_error err;
	cor_error_clear(&err);
	if (unmount_rootfs(s, &err) < 0) {
		give_up(init, &err);
		return;
	}
	if (!init->exited_ns && init->pid) { /* created, never started: killed by the runtime */
		init->exit_status = 128 + SIGKILL;
		init->exited_ns = cor_now_ns();
		cor_events_exited(init);
	}
	cor_oom_stop(s);
	cor_events_deleted(init);
	init->call = NULL;
	if (call)
		reply_deleted(init, call);
	end_task(s, init);
}

static void on_removed(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_process *init = data;
	struct cor_runtime *rt = init->shim->runtime;
	struct cor_error err;
	cor_error_clear(&err);
	if (result->r == 0 || !rt->driver->exists(rt)) {
		finish_removal(init);
		return;
	}
	if (init->forced) {
		give_up(init, result->err);
		return;
	}
	init->forced = true;
	if (rt->driver->remove(rt, true, on_removed, init, &err) < 0)
		give_up(init, &err);
}

/*
 * The usual end: the process has exited, and the kernel has killed everything else in the pid namespace with it. Then there
 * is nothing left for the runtime to do that the driver could not do by itself, sooner.
 */
static bool forget(struct cor_shim_process *init)
{
	const struct cor_config_facts *facts = &init->shim->facts;
	struct cor_runtime *rt = init->shim->runtime;
	return !init->forced && init->exited_ns && facts->own_pid_namespace && !facts->poststop_hooks &&
	       !facts->intel_rdt && rt->driver->forget(rt, facts->cgroups_path) == 0;
}

void cor_removal_continue(struct cor_shim_process *init)
{
	struct cor_shim *s = init->shim;
	struct cor_error err;
	cor_error_clear(&err);
	if (init->state != COR_PROC_DELETING || !init->call)
		return;
	if (forget(init)) {
		finish_removal(init);
		return;
	}
	if (s->runtime->driver->remove(s->runtime, init->forced, on_removed, init, &err) < 0) {
		give_up(init, &err);
		return;
	}
	/* While the runtime is at its part, unless its hooks may want to see it. What fails here is tried again, and told,
	 * when the runtime is through. */
	if (init->exited_ns && s->rootfs_mounted && !s->facts.poststop_hooks)
		(void)unmount_rootfs(s, NULL);
}

void cor_removal_init(struct cor_shim_process *init, struct cor_shim_call *call)
{
	struct cor_shim *s = init->shim;
	struct cor_error err;
	int r = 0;
	cor_error_clear(&err);
	if (init->state == COR_PROC_DELETING)
		r = cor_error_set(&err, COR_FAILED_PRECONDITION,
				  "task is being deleted: failed precondition");
	else if (init->state == COR_PROC_MAKING || init->state == COR_PROC_STARTING ||
		 init->state == COR_PROC_RUNNING)
		r = cor_error_set(&err, COR_FAILED_PRECONDITION,
				  "task must be stopped before deletion: %s: failed precondition",
				  cor_process_state_name(init));
	if (r < 0 || init->call) {
		if (r == 0)
			(void)cor_error_set(&err, COR_FAILED_PRECONDITION,
					    "task is busy: failed precondition");
		cor_call_fail(call, &err);
		return;
	}
	init->forced = init->state == COR_PROC_CREATED;
	init->state = COR_PROC_DELETING;
	init->call = call;
	if (!s->killing)
		cor_removal_continue(init);
}

void cor_removal_force(struct cor_shim_process *init)
{
	struct cor_runtime *rt = init->shim->runtime;
	init->state = COR_PROC_DELETING;
	init->forced = true;
	if (rt->driver->remove(rt, true, on_removed, init, NULL) < 0)
		finish_removal(init);
}

void cor_removal_exec(struct cor_shim_process *p, struct cor_shim_call *call)
{
	struct cor_error err;
	cor_error_clear(&err);
	if (p->state != COR_PROC_STOPPED && p->state != COR_PROC_NEW) {
		(void)cor_error_set(&err, COR_FAILED_PRECONDITION,
				    "process must be stopped before deletion: %s: failed precondition",
				    cor_process_state_name(p));
		cor_call_fail(call, &err);
		return;
	}
	reply_deleted(p, call);
	cor_shim_trim(p->shim);
	cor_process_unlink(p);
	cor_process_free(p);
}
