/* SPDX-License-Identifier: Apache-2.0 */
/* The table of methods. */
#include "shim/methods.h"

#include "coracle_shim.pb-c.h"
#include "rpc/shim_api.h"
#include "task_v2.pb-c.h"

/* Of protocol 2; what the service of protocol 3 differs in is its name. */
#define TASK(name, type, fn)                                                                         \
	{                                                                                            \
		COR_TASK_SERVICE, name, &containerd__task__v2__##type##__descriptor, cor_method_##fn \
	}

const struct cor_shim_method cor_shim_methods[] = {
	TASK("State", state_request, state),
	TASK("Create", create_task_request, create),
	TASK("Start", start_request, start),
	TASK("Delete", delete_request, remove),
	TASK("Pids", pids_request, pids),
	TASK("Pause", pause_request, pause),
	TASK("Resume", resume_request, resume),
	TASK("Checkpoint", checkpoint_task_request, checkpoint),
	TASK("Kill", kill_request, kill),
	TASK("Exec", exec_process_request, exec),
	TASK("ResizePty", resize_pty_request, resize),
	TASK("CloseIO", close_iorequest, close_io),
	TASK("Update", update_task_request, update),
	TASK("Wait", wait_request, wait),
	TASK("Stats", stats_request, stats),
	TASK("Connect", connect_request, connect),
	TASK("Shutdown", shutdown_request, shutdown),
	{COR_SHIM_SERVICE, "Run", &containerd__task__v2__create_task_request__descriptor, cor_method_run},
	{COR_SHIM_SERVICE, "Attach", &coracle__shim__v1__attach_request__descriptor, cor_method_attach},
	{NULL, NULL, NULL, NULL},
};
