/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every process needs around the runtime's call, init or exec: before it a console socket and a logging binary that is
 * ready; after it the terminal's master and the start of copying.
 */
#include <errno.h>

#include "base/fd.h"
#include "shim/process.h"

#define READY_TIMEOUT_NS (10 * 1000000000LL)

static void go_on(struct cor_shim_process *p)
{
	if (p->ready_source.loop)
		cor_loop_remove(&p->ready_source);
	if (p->timer.loop)
		cor_loop_remove(&p->timer);
	p->next_step(p);
}

static void fail(struct cor_shim_process *p, const struct cor_error *err)
{
	cor_process_set_failure(p, err);
	go_on(p);
}

static void on_ready(struct cor_source *s, uint32_t events)
{
	(void)events; /* a byte or the end: either is what loggers do when they are ready */
	go_on(container_of(s, struct cor_shim_process, ready_source));
}

static void on_timeout(struct cor_source *s)
{
	struct cor_error err;
	cor_error_clear(&err);
	(void)cor_error_set(&err, COR_DEADLINE_EXCEEDED,
			    "the logging binary was not ready within 10 seconds");
	fail(container_of(s, struct cor_shim_process, timer), &err);
}

void cor_prepare(struct cor_shim_process *p, void (*next)(struct cor_shim_process *p))
{
	struct cor_shim *s = p->shim;
	struct cor_error err;
	int r = 0, ready = cor_io_ready_fd(&p->io);
	cor_error_clear(&err);
	p->next_step = next;
	if (p->terminal)
		r = cor_console_listen(&p->console, s->bundle_fd, s->sequence++, &err);
	if (r == 0 && ready >= 0) {
		r = cor_loop_timer(s->loop, &p->timer, READY_TIMEOUT_NS, 0, on_timeout);
		if (r == 0)
			r = cor_loop_add(s->loop, &p->ready_source, ready, EPOLLIN, on_ready);
		if (r < 0)
			(void)cor_error_errno(&err, r, "logging binary");
	}
	if (r < 0)
		fail(p, &err);
	else if (ready < 0)
		go_on(p);
}

void cor_prepare_abort(struct cor_shim_process *p)
{
	struct cor_shim *s = p->shim;
	struct cor_error err;
	cor_error_clear(&err);
	(void)cor_error_set(&err, COR_CANCELLED, "killed while it was being created");
	if (p->ready_source.loop)
		fail(p, &err);
	else
		s->runtime->driver->abort(s->runtime, p);
}

int cor_prepare_finish(struct cor_shim_process *p, struct cor_error *err)
{
	int master = -1;
	if (p->terminal) {
		master = cor_console_take(&p->console, err);
		cor_console_done(&p->console);
		if (master < 0)
			return master;
	}
	bool owned = p->io.console && p->call && p->call->conn;
	p->owner = owned ? p->call->conn : NULL;
	return cor_io_made(&p->io, master, owned, err);
}
