/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tasks kill`. A container that has ended by it gives its network back at once, as with ctr; one that lives on keeps it
 * (ctr takes it away before any signal, from one that only reloads its configuration, too).
 *
 * What SIGKILL ends is waited for, a moment: scripts say `tasks kill -s KILL X; tasks delete X`, and with ctr the second
 * command is so slow that the first has always done its work.
 */
#include "client/network.h"

#include <errno.h>
#include <poll.h>

#include "base/fd.h"
#include "base/log.h"

/* How long a process may take to end before its network is left to `tasks delete`. */
#define KILLED_MS  10000
#define STOPPED_MS 2000
/* … and before the command ends all the same (a process in the kernel, or in a frozen group). */
#define SETTLE_MS  1000

static bool asks_to_stop(int sig)
{
	return sig == SIGTERM || sig == SIGINT || sig == SIGQUIT;
}

static bool has_network(struct cor_services *s, const char *id)
{
	struct cor_container c = {0};
	if (s->containers->get(s, id, &c, NULL) < 0)
		return false;
	bool wanted = cor_network_wanted(&c);
	cor_container_done(&c);
	return wanted;
}

static bool has_ended(struct cor_services *s, const char *id, const char *exec_id, int wait_ms)
{
	struct cor_task t = {0};
	struct cor_error e = {0};
	_cleanup_close_ int fd = -1;
	if (wait_ms > 0 && s->tasks->wait_fd(s, id, exec_id, &fd, NULL) >= 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		while (poll(&p, 1, wait_ms) < 0 && errno == EINTR)
			;
	}
	int r = s->tasks->state(s, id, exec_id, &t, &e);
	bool ended = r < 0 ? e.code == COR_NOT_FOUND : t.status == COR_TASK_STOPPED;
	cor_task_done(&t);
	return ended;
}

int cor_kill_task(struct cor_services *s, const char *id, const char *exec_id, int sig, bool stop, bool all,
		  struct cor_error *err)
{
	int r = s->tasks->kill(s, id, exec_id, sig, all, err);
	if (r >= 0 && sig == SIGKILL)
		(void)has_ended(s, id, exec_id, SETTLE_MS);
	if (!cor_empty(exec_id) || sig == 0 || !has_network(s, id))
		return r;
	int wait_ms = r < 0 ? 0 : sig == SIGKILL ? KILLED_MS : stop || asks_to_stop(sig) ? STOPPED_MS : 0;
	struct cor_error e = {0};
	if (has_ended(s, id, NULL, wait_ms) && cor_network_detach(s, id, NULL, &e) < 0)
		cor_warn("%s", e.message);
	return r;
}

void cor_detach_network(struct cor_services *s, const char *id)
{
	struct cor_error e = {0};
	if (cor_network_detach(s, id, NULL, &e) < 0)
		cor_warn("%s", e.message);
}
