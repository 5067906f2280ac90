/* SPDX-License-Identifier: Apache-2.0 */
/* The process and its root: image config, arguments, directory, user, terminal, privileges, host name. */
#include <errno.h>
#include <stdio.h>

#include "base/path.h"
#include "spec/internal.h"

static const char *const default_env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
					  NULL};

static int get_root(json_t *spec, json_t **ret, struct cor_error *err)
{
	return cor_spec_object(spec, "root", ret, err);
}

int cor_spec_apply_rootfs(struct cor_spec_build *b, struct cor_error *err)
{
	_cleanup_free_ char *path = NULL;
	json_t *root;
	int r;

	if (!b->options->rootfs)
		return 0;
	path = cor_path_abs(b->options->rootfs);
	if (!path)
		return cor_error_errno(err, errno, "%s", b->options->rootfs);
	r = get_root(b->spec, &root, err);
	return r < 0 ? r : cor_spec_put_string(root, "path", path, err);
}

/* The image's environment is the list that --env-file and --env are merged into. */
static int put_image_env(json_t *process, const struct cor_image_config *image, struct cor_error *err)
{
	char *const *defaults = cor_strv_len(image->env) ? image->env : (char *const *)default_env;
	_cleanup_strv_ char **given = NULL, **merged = NULL;
	int r = cor_json_get_strv(process, "env", &given, err);

	if (r >= 0)
		r = cor_spec_env_merge(defaults, given, &merged, err);
	return r < 0 ? r : cor_spec_put_strv(process, "env", merged, err);
}

static int put_image_args(json_t *process, const struct cor_image_config *image, struct cor_error *err)
{
	size_t n = cor_strv_len(image->entrypoint), m = cor_strv_len(image->cmd);
	_cleanup_free_ char **args = cor_new0(char *, n + m + 1); /* borrowed strings */

	if (!args)
		return cor_error_oom(err);
	for (size_t i = 0; i < n; i++)
		args[i] = image->entrypoint[i];
	for (size_t i = 0; i < m; i++)
		args[n + i] = image->cmd[i];
	return cor_spec_put_strv(process, "args", args, err);
}

/* Without a USER, root's supplementary groups are still looked up; with one, those of the uid that it stands for. */
static int put_image_user(struct cor_spec_build *b, json_t *process, struct cor_error *err)
{
	char uid[24];
	int r;

	if (cor_empty(b->image->user))
		return cor_spec_user_set_groups(process, b->rootfs_fd, "root", err);
	r = cor_spec_user_set(process, b->rootfs_fd, b->image->user, err);
	if (r < 0)
		return r;
	snprintf(uid, sizeof(uid), "%lld",
		 (long long)json_integer_value(json_object_get(json_object_get(process, "user"), "uid")));
	return cor_spec_user_set_groups(process, b->rootfs_fd, uid, err);
}

int cor_spec_apply_image(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *process;
	int r;

	if (!b->image)
		return 0;
	r = cor_spec_process(b->spec, &process, err);
	if (r >= 0)
		r = put_image_env(process, b->image, err);
	if (r >= 0)
		r = put_image_args(process, b->image, err);
	if (r >= 0)
		r = cor_spec_put_string(process, "cwd",
					cor_empty(b->image->working_dir) ? "/" : b->image->working_dir, err);
	return r < 0 ? r : put_image_user(b, process, err);
}

int cor_spec_apply_read_only(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *root;
	int r;

	if (!b->options->read_only)
		return 0;
	r = get_root(b->spec, &root, err);
	return r < 0 ? r : cor_spec_put(root, "readonly", json_true(), err);
}

/* Any argument replaces both the image's entrypoint and its command. */
int cor_spec_apply_args(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *process;
	int r;

	if (cor_strv_len(b->options->args) == 0)
		return 0;
	r = cor_spec_process(b->spec, &process, err);
	return r < 0 ? r : cor_spec_put_strv(process, "args", b->options->args, err);
}

int cor_spec_apply_cwd(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *process;
	int r;

	if (cor_empty(b->options->cwd))
		return 0;
	r = cor_spec_process(b->spec, &process, err);
	return r < 0 ? r : cor_spec_put_string(process, "cwd", b->options->cwd, err);
}

int cor_spec_apply_user(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *process;
	int r;

	if (cor_empty(b->options->user))
		return 0;
	r = cor_spec_process(b->spec, &process, err);
	if (r >= 0)
		r = cor_spec_user_set(process, b->rootfs_fd, b->options->user, err);
	return r < 0 ? r : cor_spec_user_set_groups(process, b->rootfs_fd, b->options->user, err);
}

/* TERM is appended, not merged: it wins over an earlier one of --env or the image, as runtimes take the last. */
int cor_spec_apply_tty(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *process, *env;
	int r;

	if (!b->options->tty)
		return 0;
	r = cor_spec_process(b->spec, &process, err);
	if (r >= 0)
		r = cor_spec_put(process, "terminal", json_true(), err);
	if (r >= 0)
		r = cor_spec_array(process, "env", &env, err);
	return r < 0 ? r : cor_spec_push(env, json_string("TERM=xterm"), err);
}

int cor_spec_apply_new_privileges(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *process;
	int r;

	if (!b->options->allow_new_privs)
		return 0;
	r = cor_spec_process(b->spec, &process, err);
	if (r < 0)
		return r;
	json_object_del(process, "noNewPrivileges");
	return 0;
}

int cor_spec_apply_hostname(struct cor_spec_build *b, struct cor_error *err)
{
	return cor_empty(b->options->hostname)
		       ? 0
		       : cor_spec_put_string(b->spec, "hostname", b->options->hostname, err);
}
