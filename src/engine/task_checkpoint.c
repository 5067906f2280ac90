/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpointing a task: the shim has the runtime dump it into a directory, which then becomes a blob. With a directory of the
 * caller's there is no blob. What fails leaves no directory, and the container as it was.
 */
#include "engine/checkpoint.h"
#include "engine/task_internal.h"
#include "rpc/message.h"
#include "runc_options.pb-c.h"

static int send_checkpoint(struct cor_engine *e, const struct cor_task_checkpoint *req, const char *path,
			   struct cor_error *err)
{
	Containerd__Runc__V1__CheckpointOptions o = CONTAINERD__RUNC__V1__CHECKPOINT_OPTIONS__INIT;
	Containerd__Task__V2__CheckpointTaskRequest m = CONTAINERD__TASK__V2__CHECKPOINT_TASK_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	_cleanup_free_ uint8_t *packed = NULL;
	size_t n;
	o.exit = req->exit;
	o.file_locks = req->file_locks;
	o.image_path = cor_task_text(req->image_path);
	o.work_path = cor_task_text(req->work_path);
	if (cor_message_pack(&o.base, &packed, &n) < 0)
		return cor_error_oom(err);
	any.type_url = cor_task_text(COR_CHECKPOINT_OPTIONS_TYPE);
	any.value = (ProtobufCBinaryData){n, packed};
	m.id = cor_task_text(req->id);
	m.path = cor_task_text(path);
	m.options = &any;
	struct cor_ttrpc_call call = {
		.service = COR_TASK_SERVICE,
		.method = "Checkpoint",
		.request = &m.base,
		.timeout_ns = cor_task_timeout(e, COR_TASK_CHECKPOINT_NS),
	};
	int r = cor_task_call(e, req->id, &call, NULL, NULL, err);
	return r == COR_TASK_DEAD ? cor_error_set(err, COR_FAILED_PRECONDITION,
						  "cannot checkpoint a stopped container: failed "
						  "precondition")
				  : r;
}

static int dump(struct cor_engine *e, const struct cor_task_checkpoint *req,
		struct cor_checkpoint_result *ret, struct cor_error *err)
{
	struct cor_services *s = &e->services;
	struct cor_container c = {0};
	struct cor_checkpoint_dir dir = {.fd = -1};
	int r = s->containers->get(s, req->id, &c, err);
	if (r < 0)
		return r;
	r = cor_checkpoint_dir_make(e, &dir, err);
	if (r >= 0)
		r = send_checkpoint(e, req, dir.path, err);
	if (r >= 0)
		r = cor_checkpoint_pack(s, dir.fd, &ret->criu, err);
	if (r >= 0)
		r = cor_checkpoint_pack_spec(s, c.spec, &ret->config, err);
	cor_checkpoint_dir_drop(e, &dir);
	cor_container_done(&c);
	return r;
}

int cor_task_checkpoint_op(struct cor_services *s, const struct cor_task_checkpoint *req,
			   struct cor_checkpoint_result *ret, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_checkpoint_result made = {0};
	int r = cor_empty(req->image_path) ? dump(e, req, &made, err)
					   : send_checkpoint(e, req, req->image_path, err);
	if (r < 0) {
		cor_checkpoint_result_done(&made);
		return r;
	}
	*ret = made;
	return 0;
}
