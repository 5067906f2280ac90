/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process document of `tasks exec`: a copy of the container's own process with arguments, terminal, directory and
 * user replaced. Capabilities, limits and noNewPrivileges are thereby those of the container.
 */
#include "spec/internal.h"

/* Go's omitempty: false is the absence of the member. */
static int put_terminal(json_t *process, bool tty, struct cor_error *err)
{
	if (tty)
		return cor_spec_put(process, "terminal", json_true(), err);
	json_object_del(process, "terminal");
	return 0;
}

int cor_spec_exec_process(const json_t *container_spec, const struct cor_exec_options *o, int rootfs_fd,
			  json_t **ret, struct cor_error *err)
{
	const json_t *original = json_object_get(container_spec, "process");
	_cleanup_json_ json_t *process = NULL;
	int r;

	if (!json_is_object(original))
		return cor_error_set(err, COR_FAILED_PRECONDITION, "the container's spec has no process");
	process = json_deep_copy(original);
	if (!process)
		return cor_error_oom(err);
	r = cor_empty(o->user) ? 0 : cor_spec_user_set(process, rootfs_fd, o->user, err);
	if (r >= 0)
		r = put_terminal(process, o->tty, err);
	if (r >= 0)
		r = cor_spec_put_strv(process, "args", o->args, err);
	if (r >= 0 && !cor_empty(o->cwd))
		r = cor_spec_put_string(process, "cwd", o->cwd, err);
	if (r >= 0)
		r = cor_spec_env_override(process, o->env, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(process);
	return 0;
}
