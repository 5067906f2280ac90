/* SPDX-License-Identifier: Apache-2.0 */
/* One more process in a running container, with its own stdio, terminal, user and directory. */
#include "client/task_io.h"

#include <errno.h>

#include "base/fd.h"
#include "base/path.h"
#include "oci/identifier.h"

/* The container's root file system, for looking up the exec's user. */
static int open_rootfs(struct cor_services *s, const struct cor_container *c, const json_t *spec, int *ret_fd,
		       struct cor_error *err)
{
	int fd;
	if (!cor_empty(c->snapshot_key)) {
		_cleanup_mounts_ struct cor_mounts m = {0};
		int r = s->snapshots->mounts(s, c->snapshotter, c->snapshot_key, &m, err);
		if (r < 0)
			return r;
		fd = cor_mounts_open_view(&m, false, err);
	} else {
		const char *path = NULL;
		int r = cor_json_get_str(json_object_get(spec, "root"), "path", &path, err);
		if (r < 0)
			return r;
		fd = cor_open_dir(path ? path : "/", err);
	}
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int process_document(struct cor_services *s, const struct cor_exec_request *o, char **ret,
			    struct cor_error *err)
{
	struct cor_container c = {0};
	_cleanup_json_ json_t *spec = NULL, *process = NULL;
	_cleanup_close_ int rootfs = -1;
	int r = s->containers->get(s, o->id, &c, err);
	if (r < 0)
		return r;
	r = cor_json_parse(c.spec, strlen(c.spec), "container spec", &spec, err);
	if (r >= 0 && !cor_empty(o->spec.user))
		r = open_rootfs(s, &c, spec, &rootfs, err);
	if (r >= 0)
		r = cor_spec_exec_process(spec, &o->spec, rootfs, &process, err);
	cor_container_done(&c);
	if (r < 0)
		return r;
	*ret = cor_json_dump(process);
	return *ret ? 0 : cor_error_oom(err);
}

struct session {
	struct cor_terminal terminal;
	struct cor_signals signals;
	int console;
	bool created;
};

static int start(struct cor_services *s, const struct cor_exec_request *o, struct session *ss,
		 struct cor_error *err)
{
	_cleanup_free_ char *process = NULL;
	struct cor_stdio io;
	int r = cor_stdio_from_options(&o->task, &ss->terminal, &io, err);
	if (r >= 0 && io.kind == COR_STDIO_LOG)
		io.kind = COR_STDIO_NONE; /* the log is the container's own output, not that of every exec */
	if (r >= 0)
		r = process_document(s, o, &process, err);
	if (r < 0)
		return r;
	struct cor_exec req = {.id = o->id, .exec_id = o->exec_id, .process = process, .stdio = io};
	r = s->tasks->exec(s, &req, err);
	if (r < 0)
		return r;
	ss->created = true;
	pid_t pid = 0;
	r = s->tasks->start(s, o->id, o->exec_id, &pid, err);
	if (r >= 0 && o->task.pid_file)
		r = cor_write_pid_file(o->task.pid_file, pid, err);
	if (r >= 0 && ss->terminal.fd >= 0) {
		r = s->tasks->console(s, o->id, o->exec_id, &ss->console, err);
		if (r >= 0)
			cor_terminal_copy_size(&ss->terminal, ss->console);
		if (r >= 0)
			r = cor_terminal_raw(&ss->terminal, err);
	}
	return r;
}

static void discard(struct cor_services *s, const struct cor_exec_request *o)
{
	struct cor_error e = {0};
	struct cor_task_exit ended;
	if (s->tasks->kill(s, o->id, o->exec_id, SIGKILL, false, &e) == 0)
		(void)s->tasks->wait(s, o->id, o->exec_id, &ended, &e);
	(void)s->tasks->remove(s, o->id, o->exec_id, NULL, &e);
}

static int run(struct cor_services *s, const struct cor_exec_request *o, struct session *ss,
	       uint32_t *ret_status, struct cor_error *err)
{
	int r = start(s, o, ss, err);
	if (r < 0)
		return r;
	if (o->task.detach) {
		*ret_status = 0;
		return 0;
	}
	struct cor_foreground f = {
		.s = s,
		.id = o->id,
		.exec_id = o->exec_id,
		.terminal = ss->terminal.fd >= 0 ? &ss->terminal : NULL,
		.signals = &ss->signals,
		.console = ss->console,
		.attached = -1,
	};
	struct cor_task_exit ended = {0};
	r = cor_foreground_wait(&f, &ended, err);
	if (r < 0)
		return r;
	struct cor_error e = {0};
	/* The container may have ended with its exec, and been deleted by somebody else meanwhile. */
	r = s->tasks->remove(s, o->id, o->exec_id, NULL, &e);
	if (r < 0 && e.code != COR_NOT_FOUND) {
		if (err)
			*err = e;
		return r;
	}
	ss->created = false;
	*ret_status = ended.status;
	return 0;
}

int cor_exec(struct cor_services *s, const struct cor_exec_request *o, uint32_t *ret_status,
	     struct cor_error *err)
{
	struct session ss = {.console = -1};
	ss.terminal = COR_TERMINAL_NONE;
	ss.signals = COR_SIGNALS_NONE;
	int r = cor_identifier_validate("exec ID", o->exec_id, err);
	if (r >= 0 && o->task.tty && !o->task.detach)
		r = cor_terminal_open(&ss.terminal, err);
	if (r >= 0 && !o->task.detach)
		r = cor_signals_block(&ss.signals, err);
	if (r >= 0)
		r = run(s, o, &ss, ret_status, err);
	if (r < 0 && ss.created)
		discard(s, o);
	cor_close(ss.console);
	cor_terminal_restore(&ss.terminal);
	cor_signals_restore(&ss.signals);
	return r < 0 ? r : 0;
}
