/* SPDX-License-Identifier: Apache-2.0 */
/* The table of task operations, and what the rest of the engine asks about tasks. See task_internal.h. */
#include "engine/task_internal.h"

#include <errno.h>

#include "base/log.h"
#include "base/path.h"
#include "oci/identifier.h"

const struct cor_task_ops cor_engine_task_ops = {
	.create = cor_task_create_op,
	.start = cor_task_start_op,
	.exec = cor_task_exec_op,
	.console = cor_task_console_op,
	.state = cor_task_state_op,
	.walk = cor_task_walk_op,
	.kill = cor_task_kill_op,
	.wait = cor_task_wait_op,
	.wait_fd = cor_task_wait_fd_op,
	.remove = cor_task_remove_op,
	.pids = cor_task_pids_op,
	.pause = cor_task_pause_op,
	.resume = cor_task_resume_op,
	.resize = cor_task_resize_op,
	.close_stdin = cor_task_close_stdin_op,
	.attach = cor_task_attach_op,
	.checkpoint = cor_task_checkpoint_op,
};

int cor_engine_log_path(struct cor_services *s, const char *id, char **ret, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	int r = cor_identifier_validate("container.ID", id, err);
	if (r < 0)
		return r;
	/* The directory: files and line format are in rpc/shim_api.h. It is missing when nothing was ever logged. */
	char *path = cor_asprintf("%s/logs/%s/%s", e->root, e->ns, id);
	if (!path)
		return cor_error_oom(err);
	*ret = path;
	return 0;
}

static const char *status_word(enum cor_task_status status)
{
	static const char *const words[] = {"unknown", "created", "running", "stopped", "paused", "pausing"};
	return (unsigned)status < ARRAY_SIZE(words) ? words[status] : "unknown";
}

static bool is_bundle(struct cor_engine *e, const char *id)
{
	_cleanup_close_ int fd = openat(e->ns_state_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && cor_bundle_is_task(fd);
}

int cor_engine_task_absent(struct cor_engine *e, const char *id, struct cor_error *err)
{
	struct cor_task t = {0};
	struct cor_error told = {0};
	enum cor_task_status status = COR_TASK_UNKNOWN;
	uint32_t code = 0;
	int r = cor_engine_ns_state(e, false, err);
	if (r == -ENOENT || (r >= 0 && faccessat(e->ns_state_fd, id, F_OK, AT_SYMLINK_NOFOLLOW) < 0))
		return 0;
	if (r < 0)
		return r;
	r = cor_task_state_op(&e->services, id, NULL, &t, &told);
	if (r == 0) {
		status = t.status;
		code = t.exit_status;
		cor_task_done(&t);
	} else if (r == -ENOENT && !is_bundle(e, id)) {
		return 0; /* it was something dead, and is gone now; or is not ours */
	} else if (r == -ENOENT) {
		status = COR_TASK_CREATED; /* a creator is at work */
	}
	return cor_error_set(
		err, COR_FAILED_PRECONDITION,
		"cannot delete a non stopped container: {%s %u 0001-01-01 00:00:00 +0000 UTC}: failed "
		"precondition",
		status_word(status), code);
}

void cor_engine_task_forget(struct cor_engine *e, const char *id)
{
	_cleanup_free_ char *dir = cor_asprintf("logs/%s", e->ns);
	struct cor_error err = {0};
	if (!dir || cor_identifier_validate("container.ID", id, NULL) < 0)
		return;
	_cleanup_close_ int fd = openat(e->root_fd, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && cor_remove_tree_at(fd, id, &err) < 0)
		cor_warn("remove log of %s: %s", id, err.message);
}
