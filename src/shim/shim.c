/* SPDX-License-Identifier: Apache-2.0 */
/* Children, and the end of the shim. */
#include "shim/shim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "shim/process.h"
#include "shim/publisher.h"

void cor_shim_check_idle(struct cor_shim *s)
{
	/* containerd's `start` may only have looked whether somebody is there: its shim waits for Create. */
	bool left = s->nconns == 0 && (!s->runtime_root || s->runtime);
	if (!s->init && (left || s->stopping) && cor_publisher_finish(s->publisher))
		cor_loop_stop(s->loop);
}

static size_t busy(const struct cor_shim *s)
{
	return s->runtime ? s->runtime->driver->busy(s->runtime) : 0;
}

/* The runtime may be about to name this one. The oldest goes when the table is full. */
static void note_early(struct cor_shim *s, pid_t pid, int status)
{
	if (s->nearly == COR_SHIM_EARLY_MAX) {
		memmove(s->early, s->early + 1, sizeof(s->early) - sizeof(s->early[0]));
		s->nearly--;
	}
	s->early[s->nearly++] = (struct cor_shim_exit){.pid = pid, .status = status, .at_ns = cor_now_ns()};
}

static bool process_exited(struct cor_shim *s, pid_t pid, int status)
{
	if (s->init && s->init->pid == pid && cor_process_alive(s->init)) {
		cor_process_exited(s->init, status, cor_now_ns());
		return true;
	}
	for (struct cor_shim_process *p = s->execs; p; p = p->next) {
		if (p->pid == pid && cor_process_alive(p)) {
			cor_process_exited(p, status, cor_now_ns());
			return true;
		}
	}
	return false;
}

static bool logger_exited(struct cor_shim *s, pid_t pid)
{
	for (size_t i = 0; i < s->nloggers; i++) {
		if (s->loggers[i] == pid) {
			s->loggers[i] = s->loggers[--s->nloggers];
			return true;
		}
	}
	return false;
}

void cor_shim_on_child(pid_t pid, int status, void *data)
{
	struct cor_shim *s = data;
	bool known = (s->runtime && s->runtime->driver->child(s->runtime, pid, status)) ||
		     process_exited(s, pid, status) || logger_exited(s, pid) ||
		     cor_publisher_child(s->publisher, pid, status);
	/* Nothing that is not asked for can be asked for later. */
	if (busy(s) == 0)
		s->nearly = 0;
	else if (!known)
		note_early(s, pid, status);
}

static bool is_logger(const struct cor_shim *s, pid_t pid)
{
	for (size_t i = 0; i < s->nloggers; i++)
		if (s->loggers[i] == pid)
			return true;
	return false;
}

void cor_shim_kill_orphans(struct cor_shim *s)
{
	_cleanup_free_ char *text = NULL;
	char path[64], *save = NULL;
	uint32_t pid;
	if (busy(s))
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if (cor_read_file_at(AT_FDCWD, path, 64 << 10, &text, NULL, NULL) < 0)
		return; /* a kernel without CONFIG_PROC_CHILDREN */
	/* Our children, not yet reaped: the numbers are theirs. */
	for (char *p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save))
		if (cor_parse_u32(p, &pid) == 0 && pid > 1 && !is_logger(s, (pid_t)pid) &&
		    !cor_publisher_has_child(s->publisher, (pid_t)pid))
			(void)kill((pid_t)pid, SIGKILL);
}
