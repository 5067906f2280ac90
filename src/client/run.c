/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a container's task with the caller's stdio, and `run` as a whole.
 *
 * Order of a run: record and snapshot (create.c) -> task -> (cni) network -> start -> wait -> network and task removed ->
 * (rm) record and snapshot removed. Whatever fails up to the start undoes everything before it, so a failed run leaves
 * nothing behind. From the start on the container is the user's, with what has been written in it: only (rm) removes it.
 */
#include "client/network.h"
#include "client/runtime.h"

#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "client/checkpoint.h"
#include "client/remap.h"

struct session {
	struct cor_services *s;
	const char *id;
	const struct cor_task_options *o;
	struct cor_terminal terminal;
	struct cor_signals signals;
	struct cor_stdio io;
	int console;
	pid_t pid; /* of the task created */
	bool created, attached, started;
	int stopped; /* signal that came before the start, or 0 */
};

static int open_terminal(struct session *ss, struct cor_error *err)
{
	if (!ss->o->tty || ss->o->detach)
		return 0;
	return cor_terminal_open(&ss->terminal, err);
}

/* An overlay's unmount writes out the whole file system that its upper directory is on. For a container that is removed
 * with its task that is for nothing: "volatile" (Linux 5.10) leaves it out. */
static int make_volatile(struct cor_mounts *rootfs)
{
	for (size_t i = 0; i < rootfs->n; i++)
		if (streq(rootfs->items[i].type, "overlay") &&
		    cor_mount_option(&rootfs->items[i], "upperdir") &&
		    cor_strv_push(&rootfs->items[i].options, "volatile") < 0)
			return -ENOMEM;
	return 0;
}

/* What a volatile mount has left makes overlay refuse the directory for good. The mark stands for a container of `run --rm`
 * that outlived its client; whoever starts it again wants what is there. */
static void clear_volatile(const struct cor_mounts *rootfs)
{
	for (size_t i = 0; i < rootfs->n; i++) {
		const char *work = cor_mount_option(&rootfs->items[i], "workdir");
		_cleanup_close_ int dir = work ? cor_open_dir(work, NULL) : -1;
		_cleanup_close_ int mark = dir < 0 ? -1
						   : openat(dir, "work/incompat",
							    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (mark >= 0)
			(void)cor_remove_tree_at(mark, "volatile", NULL);
	}
}

static int create_and_start(struct session *ss, const struct cor_container *c, struct cor_error *err)
{
	struct cor_services *s = ss->s;
	_cleanup_mounts_ struct cor_mounts rootfs = {0};
	int r;
	if (!cor_empty(c->snapshot_key)) {
		r = s->snapshots->mounts(s, c->snapshotter, c->snapshot_key, &rootfs, err);
		if (r < 0)
			return r;
		if (!ss->o->ephemeral)
			clear_volatile(&rootfs);
		else if (make_volatile(&rootfs) < 0)
			return cor_error_oom(err);
	}
	struct cor_task_create req = {
		.id = c->id,
		.container = c,
		.rootfs = &rootfs,
		.stdio = ss->io,
		.no_pivot = ss->o->no_pivot,
		/* With a terminal the window size is set between create and start, the network is set up there. */
		.start = ss->o->checkpoint || (!ss->o->tty && !cor_network_wanted(c)),
		.checkpoint = ss->o->checkpoint,
	};
	cor_io_owner(c->spec, &req.io_uid, &req.io_gid);
	r = s->tasks->create(s, &req, &ss->pid, &ss->console, err);
	if (r < 0)
		return r;
	ss->created = true;
	if (ss->console >= 0)
		cor_terminal_copy_size(&ss->terminal, ss->console);
	if (ss->o->pid_file) {
		r = cor_write_pid_file(ss->o->pid_file, ss->pid, err);
		if (r < 0)
			return r;
	}
	r = cor_network_attach(s, c, ss->pid, ss->o->detach ? ss->o->signals : &ss->signals, &ss->stopped,
			       err);
	if (r < 0)
		return r;
	ss->attached = true;
	if (ss->terminal.fd >= 0) {
		r = cor_terminal_raw(&ss->terminal, err);
		if (r < 0)
			return r;
	}
	r = s->tasks->start(s, c->id, NULL, NULL, err);
	ss->started = r >= 0;
	return r;
}

static int stay(struct session *ss, const struct cor_container *c, uint32_t *ret_status,
		struct cor_error *err)
{
	struct cor_foreground f = {
		.s = ss->s,
		.id = ss->id,
		.terminal = ss->terminal.fd >= 0 ? &ss->terminal : NULL,
		.signals = &ss->signals,
		.console = ss->console,
		.attached = -1,
	};
	struct cor_task_exit ended = {0};
	int r = cor_foreground_wait(&f, &ended, err);
	if (r < 0)
		return r;
	struct cor_error e = {0};
	if (cor_task_clear(ss->s, ss->id, ss->pid, cor_network_wanted(c),
			   ss->signals.fd >= 0 ? &ss->signals : NULL, &e) < 0)
		cor_warn("clean up task %s: %s", ss->id, e.message);
	ss->created = false;
	*ret_status = ended.status;
	return 0;
}

static void discard_task(struct cor_services *s, const char *id)
{
	struct cor_error e = {0};
	struct cor_task_exit ended;
	if (s->tasks->kill(s, id, NULL, SIGKILL, true, &e) == 0)
		(void)s->tasks->wait(s, id, NULL, &ended, &e);
	if (s->tasks->remove(s, id, NULL, NULL, &e) < 0 && e.code != COR_NOT_FOUND)
		cor_warn("clean up task %s: %s", id, e.message);
}

/* *ret_started: the process has been started, also when something failed after that. */
static int run_task(struct cor_services *s, const struct cor_container *c, const struct cor_task_options *o,
		    uint32_t *ret_status, bool *ret_started, struct cor_error *err)
{
	struct session ss = {.s = s, .id = c->id, .o = o, .console = -1};
	ss.terminal = COR_TERMINAL_NONE;
	ss.signals = COR_SIGNALS_NONE;
	int r = open_terminal(&ss, err);
	if (r >= 0)
		r = cor_stdio_from_options(o, &ss.terminal, &ss.io, err);
	if (r >= 0 && !o->detach)
		r = cor_signals_block(&ss.signals, err);
	if (r >= 0)
		r = create_and_start(&ss, c, err);
	if (r >= 0 && !o->detach)
		r = stay(&ss, c, ret_status, err);
	else if (r >= 0)
		*ret_status = 0;
	if (r < 0 && ss.created && !cor_task_is_other(s, c->id, ss.pid)) {
		discard_task(s, c->id);
		if (ss.attached) /* else what could be taken back has been */
			cor_detach_network(s, c->id);
	}
	*ret_started = ss.started;
	if (r == -ECANCELED && ss.stopped)
		*ret_status = 128 + (uint32_t)ss.stopped;
	cor_close(ss.console);
	cor_terminal_restore(&ss.terminal);
	cor_signals_restore(&ss.signals);
	return r < 0 ? r : 0;
}

int cor_run_task(struct cor_services *s, const struct cor_container *c, const struct cor_task_options *o,
		 uint32_t *ret_status, struct cor_error *err)
{
	bool started;
	return run_task(s, c, o, ret_status, &started, err);
}

/* Everything that a run has made, in reverse. The first error is the one to tell; what cannot be undone is kept for
 * `containers delete` and gc. */
static void undo(struct cor_services *s, const char *id, bool task)
{
	struct cor_error e = {0};
	if (task) {
		discard_task(s, id);
		cor_detach_network(s, id);
	}
	/* Plugins that have just failed may be slow at failing, and nothing can stop them here. */
	if (cor_network_left(s, id)) {
		cor_warn("container %s is kept until its network is taken down: delete it", id);
		return;
	}
	if (cor_delete_container(s, id, false, &e) < 0 && e.code != COR_NOT_FOUND)
		cor_warn("clean up container %s: %s", id, e.message);
}

/* After a detached start: on disk, and nobody has asked us to stop meanwhile. */
static int settle(struct cor_services *s, const struct cor_container *c, struct cor_signals *signals,
		  uint32_t *ret_status, struct cor_error *err)
{
	int r = s->sync ? s->sync(s, err) : 0;
	int sig = cor_signals_stop(signals);
	if (r < 0 || sig)
		undo(s, c->id, true);
	if (sig)
		*ret_status = 128 + (uint32_t)sig;
	return r < 0 ? r : 0;
}

/* The process has run: its exit code counts, whatever becomes of the cleaning up. */
static void remove_after(struct cor_services *s, const struct cor_container *c)
{
	struct cor_error e = {0};
	if (cor_delete_container(s, c->id, false, &e) >= 0)
		return;
	if (e.code == COR_NOT_FOUND) { /* somebody deleted the record: the snapshot is still ours to remove */
		cor_error_clear(&e);
		if (s->snapshots->remove(s, c->snapshotter, c->snapshot_key, &e) >= 0 ||
		    e.code == COR_NOT_FOUND)
			return;
	}
	cor_warn("clean up container %s: %s", c->id, e.message);
}

/* The container as flags or a checkpoint have it. *criu: freed by the caller. */
static int make(struct cor_services *s, const struct cor_run_options *o,
		const struct cor_create_options *create, struct cor_task_options *task,
		struct cor_descriptor *criu, struct cor_container *ret, struct cor_error *err)
{
	if (!o->restore)
		return cor_create_container(s, create, ret, err);
	int r = cor_restore_container(s, create, o->restore, ret, criu, &task->tty, err);
	if (r < 0)
		return r;
	task->checkpoint = o->restore->live ? criu : NULL;
	task->detach = task->detach || (o->detach_without_tty && !task->tty);
	return 0;
}

int cor_run(struct cor_services *s, const struct cor_run_options *o, uint32_t *ret_status,
	    struct cor_error *err)
{
	struct cor_descriptor criu = {0};
	struct cor_container c = {0};
	struct cor_signals signals = COR_SIGNALS_NONE;
	struct cor_create_options create = o->create;
	struct cor_task_options task = o->task;
	bool started = false;
	if (o->rm && o->task.detach)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "flags --detach and --rm cannot be specified together");
	if (!cor_empty(create.sandbox) && s->check_sandbox) {
		int there = s->check_sandbox(s, create.sandbox, err);
		if (there < 0)
			return there;
	}
	int usable = o->restore ? 0 : cor_runtime_check(s, &create, err);
	if (usable < 0)
		return usable;
	if (s->start_soon)
		s->start_soon(s);
	create.signals = &signals;
	task.ephemeral = o->rm;
	task.signals = &signals;
	int r = make(s, o, &create, &task, &criu, &c, err);
	if (r >= 0) {
		r = o->created ? o->created(&c, o->created_data, err) : 0;
		if (r >= 0)
			r = run_task(s, &c, &task, ret_status, &started, err);
		if (r < 0 && (!started || o->rm))
			undo(s, c.id, false);
		else if (r >= 0 && o->rm)
			remove_after(s, &c);
		else if (r >= 0 && task.detach)
			r = settle(s, &c, &signals, ret_status, err);
		if (r == -ECANCELED && *ret_status)
			r = 0;
		cor_container_done(&c);
	}
	cor_signals_restore(&signals);
	cor_descriptor_done(&criu);
	return r;
}
