/* SPDX-License-Identifier: Apache-2.0 */
/* The shim's methods, one function each. */
#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"
#include "rpc/wire.h"

int rig_call(struct rig *r, const char *method, const ProtobufCMessage *m,
	     const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
	struct cor_ttrpc_call call = {.service = COR_TASK_SERVICE,
				      .method = method,
				      .request = m,
				      .response_type = type,
				      .timeout_ns = 60 * SECOND};
	cor_error_clear(&r->err);
	return cor_ttrpc_client_call(r->client, &call, ret, NULL, NULL, &r->err);
}

void assert_rig_ok(struct rig *r, int value, const char *what, const char *file, int line)
{
	if (value < 0) {
		print_error("%s: %d: %s\n", what, value, r->err.message);
		_fail(file, line);
	}
}

static int call_fds(struct rig *r, const char *service, const char *method, const ProtobufCMessage *m,
		    const ProtobufCMessageDescriptor *type, const struct rig_io *io, ProtobufCMessage **ret,
		    int *ret_fd)
{
	int fds[1] = {-1};
	size_t n = 1;
	struct cor_ttrpc_call call = {.service = service,
				      .method = method,
				      .request = m,
				      .response_type = type,
				      .timeout_ns = 60 * SECOND,
				      .fds = io ? io->fds : NULL,
				      .nfds = io ? io->nfds : 0};
	cor_error_clear(&r->err);
	int q = cor_ttrpc_client_call(r->client, &call, ret, fds, &n, &r->err);
	if (ret_fd)
		*ret_fd = n ? fds[0] : -1;
	else if (n)
		cor_close(fds[0]);
	return q;
}

int rig_create(struct rig *r, const struct rig_io *io, bool start)
{
	Containerd__Task__V2__CreateTaskRequest m = CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any options = GOOGLE__PROTOBUF__ANY__INIT;
	Containerd__Types__Mount mount = CONTAINERD__TYPES__MOUNT__INIT, *mounts[] = {&mount};
	_cleanup_strv_ char **opts = NULL;
	struct cor_buf packed = {0};
	ProtobufCMessage *ret = NULL;
	cor_wire_put_string(&packed, 6, r->runtime); /* binary_name */
	cor_wire_put_string(&packed, 8, r->criu ? r->criu : "");
	options.type_url = (char *)(uintptr_t)COR_RUNC_OPTIONS_TYPE;
	options.value = (ProtobufCBinaryData){.len = packed.len, .data = (uint8_t *)packed.data};
	m.checkpoint = (char *)(uintptr_t)(r->checkpoint ? r->checkpoint : "");
	m.id = (char *)(uintptr_t)RIG_ID;
	m.bundle = r->bundle;
	m.terminal = io->terminal;
	m.stdin = (char *)(uintptr_t)(io->in ? io->in : "");
	m.stdout = (char *)(uintptr_t)(io->out ? io->out : "");
	m.stderr = (char *)(uintptr_t)(io->err ? io->err : "");
	m.options = &options;
	if (r->overlay) {
		(void)mkdirat(AT_FDCWD, rig_path(r, "upper"), 0755);
		(void)mkdirat(AT_FDCWD, rig_path(r, "work"), 0755);
		(void)cor_strv_push_take(
			&opts, cor_asprintf("lowerdir=%s", r->lower ? r->lower : rig_path(r, "rootfs")));
		(void)cor_strv_push_take(&opts, cor_asprintf("upperdir=%s", rig_path(r, "upper")));
		(void)cor_strv_push_take(&opts, cor_asprintf("workdir=%s", rig_path(r, "work")));
		mount.type = mount.source = (char *)(uintptr_t) "overlay";
		mount.options = opts;
		mount.n_options = cor_strv_len(opts);
		m.rootfs = mounts;
		m.n_rootfs = 1;
	}
	int q = call_fds(r, start ? COR_SHIM_SERVICE : COR_TASK_SERVICE, start ? "Run" : "Create", &m.base,
			 &containerd__task__v2__create_task_response__descriptor, io, &ret, io->ret_console);
	free(packed.data);
	if (q == 0) {
		r->pid = (pid_t)((Containerd__Task__V2__CreateTaskResponse *)ret)->pid;
		protobuf_c_message_free_unpacked(ret, NULL);
	}
	return q;
}

int rig_begin(struct rig *r, const char *exec_id, int *ret_console)
{
	Containerd__Task__V2__StartRequest m = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	ProtobufCMessage *ret = NULL;
	m.id = (char *)(uintptr_t)RIG_ID;
	m.exec_id = (char *)(uintptr_t)exec_id;
	int q = call_fds(r, COR_TASK_SERVICE, "Start", &m.base,
			 &containerd__task__v2__start_response__descriptor, NULL, &ret, ret_console);
	if (q == 0) {
		assert_true(((Containerd__Task__V2__StartResponse *)ret)->pid > 1);
		protobuf_c_message_free_unpacked(ret, NULL);
	}
	return q;
}

int rig_exec(struct rig *r, const char *exec_id, const char *args_json, const struct rig_io *io)
{
	Containerd__Task__V2__ExecProcessRequest m = CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any spec = GOOGLE__PROTOBUF__ANY__INIT;
	_cleanup_free_ char *json =
		cor_asprintf("{\"terminal\":%s,\"user\":{\"uid\":0,\"gid\":0},\"args\":%s,\"env\":[\"PATH=/"
			     "bin\"],\"cwd\":\"/\","
			     "\"capabilities\":{\"bounding\":[\"CAP_KILL\"]},\"noNewPrivileges\":true}",
			     io->terminal ? "true" : "false", args_json);
	spec.type_url = (char *)(uintptr_t)COR_PROCESS_TYPE;
	spec.value = (ProtobufCBinaryData){.len = strlen(json), .data = (uint8_t *)json};
	m.id = (char *)(uintptr_t)RIG_ID;
	m.exec_id = (char *)(uintptr_t)exec_id;
	m.terminal = io->terminal;
	m.stdin = (char *)(uintptr_t)(io->in ? io->in : "");
	m.stdout = (char *)(uintptr_t)(io->out ? io->out : "");
	m.stderr = (char *)(uintptr_t)(io->err ? io->err : "");
	m.spec = &spec;
	int q = call_fds(r, COR_TASK_SERVICE, "Exec", &m.base, NULL, io, NULL, NULL);
	return q < 0 ? q : rig_begin(r, exec_id, io->ret_console);
}

int rig_wait(struct rig *r, const char *exec_id)
{
	Containerd__Task__V2__WaitRequest m = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	ProtobufCMessage *ret = NULL;
	m.id = (char *)(uintptr_t)RIG_ID;
	m.exec_id = (char *)(uintptr_t)exec_id;
	int q = rig_call(r, "Wait", &m.base, &containerd__task__v2__wait_response__descriptor, &ret);
	if (q < 0)
		return q;
	Containerd__Task__V2__WaitResponse *w = (Containerd__Task__V2__WaitResponse *)ret;
	int status = (int)w->exit_status;
	assert_non_null(w->exited_at);
	assert_true(w->exited_at->seconds > 1000000000);
	protobuf_c_message_free_unpacked(ret, NULL);
	return status;
}

int rig_delete(struct rig *r, const char *exec_id)
{
	Containerd__Task__V2__DeleteRequest m = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	ProtobufCMessage *ret = NULL;
	m.id = (char *)(uintptr_t)RIG_ID;
	m.exec_id = (char *)(uintptr_t)exec_id;
	int q = rig_call(r, "Delete", &m.base, &containerd__task__v2__delete_response__descriptor, &ret);
	if (q < 0)
		return q;
	int status = (int)((Containerd__Task__V2__DeleteResponse *)ret)->exit_status;
	protobuf_c_message_free_unpacked(ret, NULL);
	return status;
}

int rig_kill(struct rig *r, const char *exec_id, int sig, bool all)
{
	Containerd__Task__V2__KillRequest m = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;
	m.id = (char *)(uintptr_t)RIG_ID;
	m.exec_id = (char *)(uintptr_t)exec_id;
	m.signal = (uint32_t)sig;
	m.all = all;
	return rig_call(r, "Kill", &m.base, NULL, NULL);
}

int rig_state(struct rig *r, const char *exec_id, int *ret_status, pid_t *ret_pid)
{
	Containerd__Task__V2__StateRequest m = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	ProtobufCMessage *ret = NULL;
	m.id = (char *)(uintptr_t)RIG_ID;
	m.exec_id = (char *)(uintptr_t)exec_id;
	int q = rig_call(r, "State", &m.base, &containerd__task__v2__state_response__descriptor, &ret);
	if (q < 0)
		return q;
	Containerd__Task__V2__StateResponse *s = (Containerd__Task__V2__StateResponse *)ret;
	if (ret_status)
		*ret_status = (int)s->status;
	if (ret_pid)
		*ret_pid = (pid_t)s->pid;
	protobuf_c_message_free_unpacked(ret, NULL);
	return 0;
}

int rig_attach(struct rig *r, const char *exec_id, int *ret_sock, bool *ret_terminal)
{
	Coracle__Shim__V1__AttachRequest m = CORACLE__SHIM__V1__ATTACH_REQUEST__INIT;
	ProtobufCMessage *ret = NULL;
	m.id = (char *)(uintptr_t)RIG_ID;
	m.exec_id = (char *)(uintptr_t)exec_id;
	int q = call_fds(r, COR_SHIM_SERVICE, "Attach", &m.base,
			 &coracle__shim__v1__attach_response__descriptor, NULL, &ret, ret_sock);
	if (q < 0)
		return q;
	if (ret_terminal)
		*ret_terminal = ((Coracle__Shim__V1__AttachResponse *)ret)->terminal;
	protobuf_c_message_free_unpacked(ret, NULL);
	return 0;
}

void rig_run(struct rig *r, const char *script, int status)
{
	_cleanup_free_ char *log = cor_asprintf("log://%s", rig_path(r, "log"));
	struct rig_io io = {.out = log, .err = log};
	rig_config(r, script, false);
	assert_rig_ok(r, rig_create(r, &io, true), "run", __FILE__, __LINE__);
	assert_int_equal(rig_wait(r, ""), status);
	assert_int_equal(rig_delete(r, ""), status);
}
