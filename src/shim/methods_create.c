/* SPDX-License-Identifier: Apache-2.0 */
/* Create, Run and Exec: what makes a process known. */
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "oci/identifier.h"
#include "rpc/message.h"
#include "rpc/shim_api.h"
#include "shim/events.h"
#include "shim/methods.h"
#include "shim/rootfs.h"
#include "shim/v2_options.h"
#include "task_v2.pb-c.h"

typedef Containerd__Task__V2__CreateTaskRequest create_request;

/* The runtime's own state, one directory per namespace: <root>/<ns>, by default <state>/.runc/<ns> (the bundle is
 * <state>/<ns>/<id>). No namespace's name begins with a dot. */
static char *runtime_root(const struct cor_shim *s, const runc_options *o)
{
	_cleanup_free_ char *base = NULL;
	if (o && !cor_empty(o->root))
		return cor_path_join(o->root, s->ns);
	if (s->runtime_root)
		return cor_path_join(s->runtime_root, s->ns);
	base = cor_path_join(s->bundle, "../../.runc");
	return base ? cor_path_join(base, s->ns) : NULL;
}

/* What the engine needs to clean up after a shim that was killed: the program and its root, one per line. */
static int record_runtime(const struct cor_shim *s, const char *binary, const char *root,
			  struct cor_error *err)
{
	_cleanup_buf_ struct cor_buf b = {0};
	(void)cor_buf_printf(&b, "%s\n%s\n", binary, root);
	if (b.failed)
		return cor_error_oom(err);
	return cor_write_file_at(s->bundle_fd, "runtime", b.data, b.len, 0600, false, err);
}

static int make_runtime(struct cor_shim *s, const create_request *m, struct cor_shim_process *init,
			struct cor_error *err)
{
	runc_options *o;
	_cleanup_free_ char *binary = NULL, *root = NULL;
	if (s->runtime && s->runtime->driver->busy(s->runtime))
		return cor_error_set(err, COR_UNAVAILABLE,
				     "the runtime is still busy with the last container");
	s->runtime = cor_runtime_free(s->runtime);
	int r = cor_v2_unpack_options(m->options, &o, err);
	if (r < 0)
		return r;
	s->io_uid = o ? o->io_uid : 0;
	s->io_gid = o ? o->io_gid : 0;
	r = cor_runtime_find(o ? o->binary_name : NULL, &binary, err);
	if (r == 0) {
		root = runtime_root(s, o);
		r = root ? record_runtime(s, binary, root, err) : cor_error_oom(err);
	}
	if (r == 0) {
		struct cor_runtime_config c = {.id = s->id,
					       .bundle = s->bundle,
					       .bundle_fd = s->bundle_fd,
					       .binary = binary,
					       .root = root,
					       .criu = o ? o->criu_path : NULL,
					       .systemd_cgroup = o && o->systemd_cgroup,
					       .no_pivot = o && o->no_pivot_root,
					       .no_new_keyring = o && o->no_new_keyring,
					       .debug = s->debug};
		r = cor_runtime_runc_new(&c, &s->runtime, err);
	}
	if (r == 0 && init->checkpoint && o && !cor_empty(o->criu_work_path)) {
		init->criu_work = strdup(o->criu_work_path);
		r = init->criu_work ? 0 : cor_error_oom(err);
	}
	cor_message_free(o ? &o->base : NULL);
	return r;
}

static int open_io(struct cor_shim_process *p, const struct cor_shim_request *req, struct cor_error *err)
{
	struct cor_shim *s = p->shim;
	struct cor_io_request io = {.loop = s->loop,
				    .ns = s->ns,
				    .id = s->id,
				    .terminal = p->terminal,
				    .in = p->in,
				    .out = p->out,
				    .err = p->err,
				    .fds = req->fds,
				    .nfds = req->nfds,
				    .uid = s->io_uid,
				    .gid = s->io_gid};
	if (cor_grow(&s->loggers, &s->cap_loggers, s->nloggers + 1, sizeof(*s->loggers)) < 0)
		return cor_error_oom(err);
	int r = cor_io_open(&p->io, &io, err);
	if (p->io.logger > 0)
		s->loggers[s->nloggers++] = p->io.logger;
	return r;
}

static int check_create(const struct cor_shim *s, const create_request *m, struct cor_error *err)
{
	if (!streq(m->id, s->id))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "this shim is for container \"%s\"", s->id);
	if (s->init)
		return cor_error_set(err, COR_ALREADY_EXISTS, "task %s: already exists", s->id);
	if (s->stopping)
		return cor_error_set(err, COR_UNAVAILABLE, "the shim is shutting down");
	if (!cor_empty(m->checkpoint) && m->checkpoint[0] != '/')
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "checkpoint \"%s\": not an absolute path: invalid argument",
				     m->checkpoint);
	return 0;
}

static void create(struct cor_shim *s, const struct cor_shim_request *req, const create_request *m,
		   bool start)
{
	struct cor_shim_process *init = NULL;
	struct cor_error err;
	cor_error_clear(&err);
	int r = check_create(s, m, &err);
	if (r < 0) {
		cor_call_fail(req->call, &err);
		return;
	}
	init = cor_process_new(s, "");
	if (!init || cor_process_set_stdio(init, m->terminal, m->stdin, m->stdout, m->stderr) < 0)
		r = cor_error_oom(&err);
	if (r == 0 && !cor_empty(m->checkpoint) && !(init->checkpoint = strdup(m->checkpoint)))
		r = cor_error_oom(&err);
	if (r == 0)
		r = make_runtime(s, m, init, &err);
	if (r == 0)
		r = open_io(init, req, &err);
	if (r == 0)
		r = cor_rootfs_mount(s->bundle_fd, m->rootfs, m->n_rootfs, &err);
	if (r < 0) {
		if (init)
			cor_process_free(init);
		cor_call_fail(req->call, &err);
		cor_shim_trim(s);
		return;
	}
	s->rootfs_mounted = m->n_rootfs > 0;
	s->init = init;
	cor_events_prepare(init, m);
	init->start = start;
	init->call = req->call;
	cor_lifecycle_create(init);
}

COR_METHOD(create)
{
	create(s, req, (const create_request *)m, false);
}

COR_METHOD(run)
{
	create(s, req, (const create_request *)m, true);
}

static int check_exec(struct cor_shim *s, const Containerd__Task__V2__ExecProcessRequest *m,
		      struct cor_error *err)
{
	struct cor_shim_process *p;
	int r = cor_process_find(s, m->id, "", &p, err);
	if (r < 0)
		return r;
	r = cor_identifier_validate("exec.ID", m->exec_id, err);
	if (r < 0)
		return r;
	if (cor_process_find(s, m->id, m->exec_id, &p, NULL) == 0)
		return cor_error_set(err, COR_ALREADY_EXISTS, "id %s: already exists", m->exec_id);
	if (s->init->state == COR_PROC_MAKING || s->init->pid == 0 || s->init->state >= COR_PROC_STOPPED)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "cannot exec in a %s state: failed precondition",
				     cor_process_state_name(s->init));
	if (s->runtime_root && s->paused)
		return cor_error_set(err, COR_UNKNOWN, "cannot exec in a paused state");
	if (!m->spec || m->spec->value.len == 0 || memchr(m->spec->value.data, 0, m->spec->value.len))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "exec %s: no process given: invalid argument",
				     m->exec_id);
	return 0;
}

COR_METHOD(exec)
{
	const Containerd__Task__V2__ExecProcessRequest *x =
		(const Containerd__Task__V2__ExecProcessRequest *)m;
	struct cor_error err;
	cor_error_clear(&err);
	struct cor_shim_process *p = NULL;
	int r = check_exec(s, x, &err);
	if (r == 0) {
		p = cor_process_new(s, x->exec_id);
		if (p)
			p->spec = strndup((const char *)x->spec->value.data, x->spec->value.len);
		if (!p || !p->spec ||
		    cor_process_set_stdio(p, x->terminal, x->stdin, x->stdout, x->stderr) < 0)
			r = cor_error_oom(&err);
	}
	if (r == 0)
		r = open_io(p, req, &err);
	if (r < 0) {
		if (p)
			cor_process_free(p);
		cor_call_fail(req->call, &err);
		return;
	}
	p->next = s->execs;
	s->execs = p;
	cor_events_exec_added(p);
	cor_call_reply_empty(req->call);
}
