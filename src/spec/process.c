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

/* For --explain: what --env-file and --env, which came first, have kept the image from setting. */
static int explain_overridden(struct cor_spec_build *b, char *const *given, struct cor_error *err)
{
	int r = 0;

	for (char *const *e = b->image->env; b->options->explain && r >= 0 && e && *e; e++) {
		size_t n = strcspn(*e, "=");
		bool is_given = false;
		_cleanup_free_ char *path = cor_asprintf("process.env[%.*s]", (int)n, *e);

		for (char *const *g = given; g && *g && !is_given; g++)
			is_given = strncmp(*g, *e, n) == 0 && (*g)[n] == '=';
		if (!path)
			return cor_error_oom(err);
		if (is_given)
			r = cor_explain_beneath(b->options->explain, path, "image Env",
						(*e)[n] ? *e + n + 1 : "", err);
	}
	return r;
}

/* The image's environment is the list that --env-file and --env are merged into. */
static int put_image_env(struct cor_spec_build *b, json_t *process, struct cor_error *err)
{
	bool own = cor_strv_len(b->image->env) > 0;
	char *const *defaults = own ? b->image->env : (char *const *)default_env;
	_cleanup_strv_ char **given = NULL, **merged = NULL;
	int r = cor_json_get_strv(process, "env", &given, err);

	if (r >= 0)
		r = cor_spec_env_merge(defaults, given, &merged, err);
	if (r >= 0)
		r = cor_spec_put_strv(process, "env", merged, err);
	if (r >= 0)
		r = cor_spec_explained(b, own ? "image Env" : "default", err);
	return r < 0 ? r : explain_overridden(b, given, err);
}

static int put_image_args(struct cor_spec_build *b, json_t *process, struct cor_error *err)
{
	const struct cor_image_config *image = b->image;
	size_t n = cor_strv_len(image->entrypoint), m = cor_strv_len(image->cmd);
	_cleanup_free_ char **args = cor_new0(char *, n + m + 1); /* borrowed strings */
	int r;

	if (!args)
		return cor_error_oom(err);
	for (size_t i = 0; i < n; i++)
		args[i] = image->entrypoint[i];
	for (size_t i = 0; i < m; i++)
		args[n + i] = image->cmd[i];
	r = cor_spec_put_strv(process, "args", args, err);
	if (r < 0)
		return r;
	return cor_spec_explained(b,
				  n && m ? "image Entrypoint, Cmd"
				  : n    ? "image Entrypoint"
					 : "image Cmd",
				  err);
}

static int put_image_cwd(struct cor_spec_build *b, json_t *process, struct cor_error *err)
{
	bool own = !cor_empty(b->image->working_dir);
	int r = cor_spec_put_string(process, "cwd", own ? b->image->working_dir : "/", err);

	return r < 0 ? r : cor_spec_explained(b, own ? "image WorkingDir" : "default", err);
}

/* Without a USER, root's supplementary groups are still looked up; with one, those of the uid that it stands for. */
static int put_image_user(struct cor_spec_build *b, json_t *process, struct cor_error *err)
{
	char uid[24];
	int r;

	if (cor_empty(b->image->user)) {
		r = cor_spec_user_set_groups(process, b->rootfs_fd, "root", err);
		return r < 0 ? r : cor_spec_explained(b, "image /etc/group", err);
	}
	r = cor_spec_user_set(process, b->rootfs_fd, b->image->user, err);
	if (r < 0)
		return r;
	snprintf(uid, sizeof(uid), "%lld",
		 (long long)json_integer_value(json_object_get(json_object_get(process, "user"), "uid")));
	r = cor_spec_user_set_groups(process, b->rootfs_fd, uid, err);
	if (r < 0 || !b->options->explain)
		return r;
	_cleanup_free_ char *source = cor_asprintf("image User=%s", b->image->user);
	return source ? cor_spec_explained(b, source, err) : cor_error_oom(err);
}

int cor_spec_apply_image(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *process;
	int r;

	if (!b->image)
		return 0;
	r = cor_spec_process(b->spec, &process, err);
	if (r >= 0)
		r = put_image_env(b, process, err);
	if (r >= 0)
		r = put_image_args(b, process, err);
	if (r >= 0)
		r = put_image_cwd(b, process, err);
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
