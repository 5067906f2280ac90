/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoint, and starting from one.
 *
 * A task that is created with a checkpoint has no process until Start (or Run), which restores it in place of create and
 * start. criu's logs go to a directory of the caller's, or to one in the bundle that is gone when the runtime is through:
 * what matters of them is in the error.
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "rpc/message.h"
#include "rpc/shim_api.h"
#include "runc_options.pb-c.h"
#include "shim/events.h"
#include "shim/methods.h"
#include "shim/oom.h"
#include "task_v2.pb-c.h"

#define WORK_DIR "criu"

typedef Containerd__Runc__V1__CheckpointOptions checkpoint_options;

/* The given directory, or our own, which is made. Caller frees. */
static int work_dir(struct cor_shim *s, const char *given, char **ret, struct cor_error *err)
{
	if (cor_empty(given)) {
		_cleanup_close_ int fd = cor_open_or_mkdir_at(s->bundle_fd, WORK_DIR, 0700, err);
		if (fd < 0)
			return fd;
	}
	*ret = cor_empty(given) ? cor_path_join(s->bundle, WORK_DIR) : strdup(given);
	return *ret ? 0 : cor_error_oom(err);
}

static void drop_work_dir(struct cor_shim *s)
{
	(void)cor_remove_tree_at(s->bundle_fd, WORK_DIR, NULL);
}

/* ---- Checkpoint ---------------------------------------------------------------------------------------------- */

static void on_dumped(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_call *call = data;
	struct cor_shim *s = call->shim;
	_cleanup_free_ char *path = call->data;
	s->checkpointing = false;
	drop_work_dir(s);
	if (result->r == 0)
		cor_events_checkpointed(s, path);
	if (result->r < 0)
		cor_call_fail(call, result->err);
	else
		cor_call_reply_empty(call);
	cor_shim_trim(s);
}

static int unpack_options(const Google__Protobuf__Any *any, checkpoint_options **ret, struct cor_error *err)
{
	ProtobufCMessage *m = NULL;
	const char *slash = any && any->type_url ? strrchr(any->type_url, '/') : NULL;
	const char *type = slash ? slash + 1 : any && any->type_url ? any->type_url : "";
	if (*type && !streq(type, COR_CHECKPOINT_OPTIONS_TYPE))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "checkpoint options of type \"%s\" are not understood", any->type_url);
	int r = cor_message_unpack(&containerd__runc__v1__checkpoint_options__descriptor,
				   *type ? any->value.data : NULL, *type ? any->value.len : 0, &m, err);
	if (r < 0)
		return cor_error_wrap(err, r, "checkpoint options");
	*ret = (checkpoint_options *)m;
	return 0;
}

static int check_state(struct cor_shim *s, const char *id, struct cor_error *err)
{
	struct cor_shim_process *p;
	int r = cor_process_find(s, id, "", &p, err);
	if (r < 0)
		return r;
	if (p->state == COR_PROC_STOPPED || p->state == COR_PROC_DELETING)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "cannot checkpoint a stopped container: failed precondition");
	if (p->state != COR_PROC_RUNNING)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "cannot checkpoint a task in created state: failed precondition");
	if (s->checkpointing)
		return cor_error_set(err, COR_UNAVAILABLE, "task %s: a checkpoint is being made: unavailable",
				     id);
	return 0;
}

static int dump(struct cor_shim *s, const char *path, const checkpoint_options *o, struct cor_shim_call *call,
		struct cor_error *err)
{
	_cleanup_free_ char *work = NULL;
	if (cor_empty(path) || path[0] != '/' || (!cor_empty(o->work_path) && o->work_path[0] != '/'))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "checkpoint: paths must be absolute: invalid argument");
	int r = work_dir(s, o->work_path, &work, err);
	if (r < 0)
		return r;
	struct cor_runtime_checkpoint c = {
		.images = path,
		.work = work,
		.leave_running = !o->exit,
		.open_tcp = o->open_tcp,
		.external_unix_sockets = o->external_unix_sockets,
		.terminal = o->terminal,
		.file_locks = o->file_locks,
		.empty_namespaces = (const char *const *)o->empty_namespaces,
		.n_empty_namespaces = o->n_empty_namespaces,
		.cgroups_mode = o->cgroups_mode,
	};
	call->data = strdup(path); /* for the event */
	r = s->runtime->driver->checkpoint(s->runtime, &c, on_dumped, call, err);
	if (r < 0) {
		free(call->data);
		call->data = NULL;
		drop_work_dir(s);
	}
	return r;
}

COR_METHOD(checkpoint)
{
	const Containerd__Task__V2__CheckpointTaskRequest *x =
		(const Containerd__Task__V2__CheckpointTaskRequest *)m;
	checkpoint_options *o = NULL;
	struct cor_error err;
	cor_error_clear(&err);
	int r = check_state(s, x->id, &err);
	if (r == 0)
		r = unpack_options(x->options, &o, &err);
	if (r == 0)
		r = dump(s, x->path, o, req->call, &err);
	cor_message_free(o ? &o->base : NULL);
	if (r < 0)
		cor_call_fail(req->call, &err);
	else
		s->checkpointing = true;
}

/* ---- restore ------------------------------------------------------------------------------------------------- */

int cor_checkpoint_restore(struct cor_shim_process *init, const struct cor_runtime_stdio *io,
			   cor_runtime_fn fn, struct cor_error *err)
{
	struct cor_shim *s = init->shim;
	_cleanup_free_ char *work = NULL;
	int r = work_dir(s, init->criu_work, &work, err);
	if (r == 0)
		r = s->runtime->driver->restore(s->runtime, init->checkpoint, work, io, fn, init, err);
	return r;
}

void cor_checkpoint_restored(struct cor_shim_process *init)
{
	if (init->checkpoint)
		drop_work_dir(init->shim);
}

void cor_checkpoint_created(struct cor_shim_process *init)
{
	Containerd__Task__V2__CreateTaskResponse m = CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;
	struct cor_shim_call *call = init->call;
	init->call = NULL;
	init->state = COR_PROC_CREATED;
	cor_events_created(init, 0);
	cor_call_reply(call, &m.base, -1);
}

/* Back to where Start found it: it can be tried again, or deleted. */
static void start_failed(struct cor_shim_process *init)
{
	struct cor_shim_call *call = init->call;
	struct cor_error err;
	cor_error_clear(&err);
	if (init->failure)
		err = *init->failure;
	else
		(void)cor_error_oom(&err);
	free(init->failure);
	init->failure = NULL;
	init->launched = false;
	init->call = NULL;
	init->state = COR_PROC_CREATED;
	cor_console_done(&init->console);
	cor_checkpoint_restored(init);
	cor_call_fail(call, &err);
	cor_shim_trim(init->shim);
}

static void on_taken_back(const struct cor_runtime_result *result, void *data)
{
	(void)result; /* mostly "does not exist": the runtime had cleaned up itself */
	start_failed(data);
}

static void take_back(struct cor_shim_process *init, const struct cor_error *err)
{
	struct cor_runtime *rt = init->shim->runtime;
	cor_process_set_failure(init, err);
	if (!init->launched || rt->driver->remove(rt, true, on_taken_back, init, NULL) < 0)
		start_failed(init);
}

static void on_started(const struct cor_runtime_result *result, void *data)
{
	struct cor_shim_process *init = data;
	Containerd__Task__V2__StartResponse m = CONTAINERD__TASK__V2__START_RESPONSE__INIT;
	struct cor_error err;
	cor_error_clear(&err);
	if (result->r < 0 || cor_prepare_finish(init, &err) < 0) {
		take_back(init, result->r < 0 ? result->err : &err);
		return;
	}
	struct cor_shim_call *call = init->call;
	init->call = NULL;
	m.pid = (uint32_t)result->pid;
	cor_checkpoint_restored(init);
	cor_events_started(init, result->pid);
	cor_process_made(init, result->pid, COR_PROC_RUNNING);
	cor_oom_watch(init);
	cor_call_reply(call, &m.base, init->io.console ? init->io.master : -1);
	cor_shim_trim(init->shim);
}

static void launch(struct cor_shim_process *init)
{
	struct cor_runtime *rt = init->shim->runtime;
	struct cor_runtime_stdio io = {.console_socket = init->terminal ? init->console.name : NULL};
	struct cor_error err;
	memcpy(io.fds, init->io.child, sizeof(io.fds));
	cor_error_clear(&err);
	if (init->failure) {
		start_failed(init);
		return;
	}
	if (rt->driver->exists(rt)) {
		(void)cor_error_set(&err, COR_ALREADY_EXISTS,
				    "the runtime knows a container \"%s\" already: already exists",
				    init->shim->id);
		take_back(init, &err);
		return;
	}
	init->launched = true;
	if (cor_checkpoint_restore(init, &io, on_started, &err) < 0)
		take_back(init, &err);
}

void cor_checkpoint_start(struct cor_shim_process *init, struct cor_shim_call *call)
{
	init->state = COR_PROC_STARTING;
	init->call = call;
	cor_prepare(init, launch);
}
