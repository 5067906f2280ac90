/* SPDX-License-Identifier: Apache-2.0 */
/* Task events as bytes. Written by hand: generated descriptors would be relocated, hence private, in every shim. */
#include "shim/events.h"

#include "base/str.h"
#include "rpc/wire.h"
#include "shim/publisher.h"

/* Field 1 of every one of them is the container. */
static void begin(struct cor_buf *b, const struct cor_shim *s)
{
	cor_wire_put_string(b, 1, s->id);
}

#define SEND(s, topic, name, b) send_event(s, "/tasks/" topic, "containerd.events.Task" name, b)
static void send_event(const struct cor_shim *s, const char *topic, const char *type, struct cor_buf *b)
{
	if (!b->failed)
		cor_publisher_send(s->publisher, topic, type, b->data, b->len);
	cor_buf_done(b);
}

static void put_mount(struct cor_buf *b, uint32_t field, const Containerd__Types__Mount *m)
{
	_cleanup_buf_ struct cor_buf t = {0};
	cor_wire_put_string(&t, 1, m->type);
	cor_wire_put_string(&t, 2, m->source);
	cor_wire_put_string(&t, 3, m->target);
	for (size_t i = 0; i < m->n_options; i++)
		cor_wire_put_string(&t, 4, m->options[i]);
	cor_wire_put_bytes(b, field, t.data, t.len);
	b->failed = b->failed || t.failed;
}

void cor_events_prepare(struct cor_shim_process *init, const Containerd__Task__V2__CreateTaskRequest *m)
{
	struct cor_buf *b = &init->event;
	_cleanup_buf_ struct cor_buf io = {0};
	if (!init->shim->publisher)
		return;
	begin(b, init->shim);
	cor_wire_put_string(b, 2, init->shim->bundle);
	for (size_t i = 0; i < m->n_rootfs; i++)
		put_mount(b, 3, m->rootfs[i]);
	cor_wire_put_string(&io, 1, m->stdin);
	cor_wire_put_string(&io, 2, m->stdout);
	cor_wire_put_string(&io, 3, m->stderr);
	cor_wire_put_uint(&io, 4, m->terminal);
	cor_wire_put_bytes(b, 4, io.data, io.len);
	cor_wire_put_string(b, 5, m->checkpoint);
	b->failed = b->failed || io.failed;
}

void cor_events_created(struct cor_shim_process *init, pid_t pid)
{
	if (!init->shim->publisher)
		return;
	cor_wire_put_uint(&init->event, 6, (uint64_t)pid);
	SEND(init->shim, "create", "Create", &init->event);
}

static void send_exit(const struct cor_shim_process *p)
{
	const struct cor_shim *s = p->shim;
	struct cor_buf b = {0};
	begin(&b, s);
	cor_wire_put_string(&b, 2, cor_process_is_init(p) ? s->id : p->exec_id);
	cor_wire_put_uint(&b, 3, (uint64_t)p->pid);
	cor_wire_put_uint(&b, 4, p->exit_status);
	cor_wire_put_time(&b, 5, p->exited_ns);
	SEND(s, "exit", "Exit", &b);
}

void cor_events_started(struct cor_shim_process *p, pid_t pid)
{
	const struct cor_shim *s = p->shim;
	struct cor_buf b = {0};
	if (!s->publisher)
		return;
	begin(&b, s);
	if (cor_process_is_init(p)) {
		cor_wire_put_uint(&b, 2, (uint64_t)pid);
		SEND(s, "start", "Start", &b);
	} else {
		cor_wire_put_string(&b, 2, p->exec_id);
		cor_wire_put_uint(&b, 3, (uint64_t)pid);
		SEND(s, "exec-started", "ExecStarted", &b);
	}
	if (p->exit_untold)
		send_exit(p);
	p->exit_untold = false;
}

void cor_events_exited(struct cor_shim_process *p)
{
	if (!p->shim->publisher)
		return;
	if (p->starting)
		p->exit_untold = true;
	else
		send_exit(p);
}

void cor_events_deleted(const struct cor_shim_process *init)
{
	const struct cor_shim *s = init->shim;
	struct cor_buf b = {0};
	if (!s->publisher)
		return;
	begin(&b, s);
	cor_wire_put_uint(&b, 2, (uint64_t)init->pid);
	cor_wire_put_uint(&b, 3, init->exit_status);
	cor_wire_put_time(&b, 4, init->exited_ns);
	SEND(s, "delete", "Delete", &b);
}

void cor_events_exec_added(const struct cor_shim_process *p)
{
	struct cor_buf b = {0};
	if (!p->shim->publisher)
		return;
	begin(&b, p->shim);
	cor_wire_put_string(&b, 2, p->exec_id);
	SEND(p->shim, "exec-added", "ExecAdded", &b);
}

/* The container, and nothing more. */
#define SEND_PLAIN(s, topic, name)         \
	do {                               \
		struct cor_buf b_ = {0};   \
		if (!(s)->publisher)       \
			return;            \
		begin(&b_, s);             \
		SEND(s, topic, name, &b_); \
	} while (0)

void cor_events_paused(const struct cor_shim *s)
{
	SEND_PLAIN(s, "paused", "Paused");
}

void cor_events_resumed(const struct cor_shim *s)
{
	SEND_PLAIN(s, "resumed", "Resumed");
}

void cor_events_oom(const struct cor_shim *s)
{
	SEND_PLAIN(s, "oom", "OOM");
}

void cor_events_checkpointed(const struct cor_shim *s, const char *path)
{
	struct cor_buf b = {0};
	if (!s->publisher)
		return;
	begin(&b, s);
	cor_wire_put_string(&b, 2, path);
	SEND(s, "checkpointed", "Checkpointed", &b);
}
