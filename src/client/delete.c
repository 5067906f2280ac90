/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting a container: its stopped task, its snapshot, its record. */
#include "client/network.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"

bool cor_task_is_other(struct cor_services *s, const char *id, pid_t pid)
{
	struct cor_task t = {0};
	if (pid <= 0 || s->tasks->state(s, id, NULL, &t, NULL) < 0)
		return false;
	bool other = t.pid > 0 && t.pid != pid;
	cor_task_done(&t);
	return other;
}

int cor_task_clear(struct cor_services *s, const char *id, pid_t pid, bool network,
		   struct cor_signals *signals, struct cor_error *err)
{
	struct cor_error e = {0};
	if (cor_task_is_other(s, id, pid))
		return 0;
	if (network && cor_network_detach(s, id, signals, &e) < 0)
		cor_warn("%s", e.message);
	cor_error_clear(&e);
	int r = s->tasks->remove(s, id, NULL, NULL, &e);
	if (r >= 0 || e.code == COR_NOT_FOUND)
		return 0;
	if (err)
		*err = e;
	return r;
}

static int remove_stopped_task(struct cor_services *s, const char *id, struct cor_error *err)
{
	struct cor_task t = {0};
	struct cor_error e = {0};
	int r = s->tasks->state(s, id, NULL, &t, &e);
	if (r < 0) {
		if (e.code == COR_NOT_FOUND)
			return 0;
		if (err)
			*err = e;
		return r;
	}
	if (t.status != COR_TASK_STOPPED && t.status != COR_TASK_CREATED) {
		r = cor_error_set(err, COR_FAILED_PRECONDITION,
				  "cannot delete a non stopped container: {%s %u %s}",
				  t.status == COR_TASK_PAUSED ? "paused" : "running", t.exit_status,
				  "0001-01-01 00:00:00 +0000 UTC");
	} else {
		r = s->tasks->remove(s, id, NULL, NULL, &e);
		if (r < 0 && e.code == COR_NOT_FOUND)
			r = 0;
		else if (r < 0 && err)
			*err = e;
	}
	cor_task_done(&t);
	return r;
}

/* A kept snapshot belongs to nobody any more: without a mark the next collection would take it. */
static int keep(struct cor_services *s, const struct cor_container *c, struct cor_error *err)
{
	_cleanup_map_ struct cor_map labels = {0};
	char now[COR_TIME_MAX];
	if (cor_map_set(&labels, "containerd.io/gc.root", cor_time_format(cor_now_ns(), now)) < 0)
		return cor_error_oom(err);
	return s->snapshots->label(s, c->snapshotter, c->snapshot_key, &labels, false, err);
}

int cor_delete_container(struct cor_services *s, const char *id, bool keep_snapshot, struct cor_error *err)
{
	struct cor_container c = {0};
	struct cor_error e = {0};
	int r = s->containers->get(s, id, &c, err);
	if (r < 0)
		return r;
	r = remove_stopped_task(s, id, err);
	if (r >= 0)
		r = cor_network_forget(s, &c, err);
	if (r >= 0 && !cor_empty(c.snapshot_key)) {
		r = keep_snapshot ? keep(s, &c, &e)
				  : s->snapshots->remove(s, c.snapshotter, c.snapshot_key, &e);
		if (r < 0 && e.code == COR_NOT_FOUND)
			r = 0;
		else if (r < 0 && err)
			*err = e;
	}
	if (r >= 0)
		r = s->containers->remove(s, id, err);
	cor_container_done(&c);
	return r < 0 ? r : 0;
}
