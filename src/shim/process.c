/* SPDX-License-Identifier: Apache-2.0 */
/* States and exits of the container's processes; the table is in shim/process.h. */
#include "shim/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "rpc/message.h"
#include "shim/events.h"
#include "shim/oom.h"
#include "task_v2.pb-c.h"

struct cor_shim_process *cor_process_new(struct cor_shim *s, const char *exec_id)
{
	struct cor_shim_process *p = cor_new0(struct cor_shim_process, 1);
	if (!p)
		return NULL;
	p->shim = s;
	p->pidfd = -1;
	p->console = (struct cor_console)COR_CONSOLE_NONE;
	p->exec_id = strdup(exec_id);
	if (!p->exec_id) {
		free(p);
		return NULL;
	}
	return p;
}

int cor_process_set_stdio(struct cor_shim_process *p, bool terminal, const char *in, const char *out,
			  const char *err)
{
	p->terminal = terminal;
	p->in = strdup(in);
	p->out = strdup(out);
	p->err = strdup(err);
	return p->in && p->out && p->err ? 0 : -ENOMEM;
}

static void tell_waiters(struct cor_shim_process *p)
{
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Containerd__Task__V2__WaitResponse m = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	cor_timestamp_set(&at, p->exited_ns);
	m.exit_status = p->exit_status;
	m.exited_at = &at;
	while (p->waiters)
		cor_call_reply(p->waiters, &m.base, -1);
}

void cor_process_free(struct cor_shim_process *p)
{
	if (!p->exited_ns) { /* never ran, or was killed with its container */
		p->exit_status = p->pid ? 128 + SIGKILL : 255;
		p->exited_ns = cor_now_ns();
	}
	tell_waiters(p);
	if (p->ready_source.loop)
		cor_loop_remove(&p->ready_source);
	if (p->timer.loop)
		cor_loop_remove(&p->timer);
	cor_io_done(&p->io);
	cor_console_done(&p->console);
	if (*p->spec_file)
		(void)unlinkat(p->shim->bundle_fd, p->spec_file, 0);
	cor_close(p->pidfd);
	cor_buf_done(&p->event);
	free(p->failure);
	free(p->spec);
	free(p->checkpoint);
	free(p->criu_work);
	free(p->in);
	free(p->out);
	free(p->err);
	free(p->exec_id);
	free(p);
}

void cor_process_unlink(struct cor_shim_process *p)
{
	struct cor_shim *s = p->shim;
	if (s->init == p)
		s->init = NULL;
	for (struct cor_shim_process **q = &s->execs; *q; q = &(*q)->next) {
		if (*q == p) {
			*q = p->next;
			break;
		}
	}
}

int cor_process_find(struct cor_shim *s, const char *id, const char *exec_id, struct cor_shim_process **ret,
		     struct cor_error *err)
{
	if (!s->init || !streq(id, s->id))
		return cor_error_set(err, COR_NOT_FOUND, "container not created: not found");
	if (cor_empty(exec_id)) {
		*ret = s->init;
		return 0;
	}
	for (struct cor_shim_process *p = s->execs; p; p = p->next) {
		if (streq(p->exec_id, exec_id) && !p->retired) {
			*ret = p;
			return 0;
		}
	}
	return cor_error_set(err, COR_NOT_FOUND, "process does not exist %s: not found", exec_id);
}

void cor_process_set_failure(struct cor_shim_process *p, const struct cor_error *err)
{
	if (p->failure)
		return;
	p->failure = malloc(sizeof(*p->failure));
	if (p->failure)
		*p->failure = *err;
}

/* Takes the early exit of pid out of the table. */
static bool take_early(struct cor_shim *s, pid_t pid, struct cor_shim_exit *ret)
{
	for (size_t i = 0; i < s->nearly; i++) {
		if (s->early[i].pid == pid) {
			*ret = s->early[i];
			s->early[i] = s->early[--s->nearly];
			return true;
		}
	}
	return false;
}

static pid_t parent_of(pid_t pid)
{
	char name[32];
	_cleanup_free_ char *text = NULL;
	(void)snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	if (cor_read_file_at(AT_FDCWD, name, 4096, &text, NULL, NULL) < 0)
		return 0;
	char *p = strrchr(text, ')'); /* "pid (name) state parent …" */
	return p && strlen(p) > 4 ? (pid_t)strtol(p + 4, NULL, 10) : 0;
}

/* A descendant of ours, not reaped: its number is its own, so an exit noted under that number is another's. Mostly a child; a
 * runtime's helper may still be between us. */
static bool is_ours(pid_t pid, int pidfd)
{
	siginfo_t si;
	if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &si, WEXITED | WNOHANG | WNOWAIT) == 0)
		return true;
	pid_t self = getpid();
	for (int depth = 0; pid > 1 && depth < 8; depth++) {
		pid = parent_of(pid);
		if (pid == self)
			return true;
	}
	return false;
}

void cor_process_made(struct cor_shim_process *p, pid_t pid, enum cor_process_state state)
{
	struct cor_shim_exit early;
	p->pid = pid;
	p->state = state;
	p->pidfd = cor_pidfd_open(pid);
	bool exited = take_early(p->shim, pid, &early);
	if (p->pidfd >= 0 && (!exited || is_ours(pid, p->pidfd))) {
		if (p->retired)
			(void)cor_pidfd_kill(p->pidfd, SIGKILL);
		return;
	}
	if (exited)
		cor_process_exited(p, early.status, early.at_ns);
	else
		cor_process_exited(p, 255 << 8, cor_now_ns()); /* gone, and not seen by us */
}

/* Read now, and kept until the removal: before the end nobody asks. */
static void learn_facts(struct cor_shim *s)
{
	cor_config_facts_done(&s->facts);
	if (cor_config_facts_read(s->bundle_fd, &s->facts) < 0)
		s->facts = COR_CONFIG_FACTS_UNKNOWN;
}

static void on_rest_killed(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim *s = data;
	(void)result; /* an empty or missing cgroup is an error for some runtimes, and what we want */
	s->killing = false;
	if (s->init)
		cor_removal_continue(s->init);
}

void cor_process_kill_rest(struct cor_shim *s)
{
	if (!s->killing && s->runtime->driver->kill(s->runtime, SIGKILL, true, on_rest_killed, s, NULL) == 0)
		s->killing = true;
}

void cor_process_exited(struct cor_shim_process *p, int status, int64_t at_ns)
{
	struct cor_shim *s = p->shim;
	p->exit_status = (uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	p->exited_ns = at_ns;
	p->pidfd = cor_close(p->pidfd);
	if (p->state != COR_PROC_DELETING)
		p->state = COR_PROC_STOPPED;
	if (cor_process_is_init(p)) {
		s->paused = s->pausing = false;
		cor_oom_check(s);
		learn_facts(s);
		/* In a pid namespace of its own the kernel has killed everything with init. */
		if (p->state != COR_PROC_DELETING && !s->facts.own_pid_namespace)
			cor_process_kill_rest(s);
	}
	cor_io_exited(&p->io);
	cor_events_exited(p);
	tell_waiters(p);
	if (p->retired && !p->call) {
		cor_process_unlink(p);
		cor_process_free(p);
	}
}

void cor_process_failed(struct cor_shim_process *p)
{
	p->state = COR_PROC_STOPPED;
	p->exit_status = 255;
	p->exited_ns = cor_now_ns();
	cor_io_done(&p->io);
	tell_waiters(p);
}

const char *cor_process_state_name(const struct cor_shim_process *p)
{
	static const char *const names[] = {"created", "created", "created", "created",
					    "running", "stopped", "stopped"};
	if (cor_process_is_init(p) && p->state == COR_PROC_RUNNING && p->shim->paused)
		return "paused";
	return names[p->state];
}

void cor_shim_conn_gone(struct cor_shim *s, struct cor_shim_conn *conn)
{
	struct cor_shim_process *lists[] = {s->init, s->execs};
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		for (struct cor_shim_process *p = lists[i]; p; p = p->next) {
			if (p->owner == conn) {
				p->owner = NULL;
				cor_io_disowned(&p->io);
			}
		}
	}
}
