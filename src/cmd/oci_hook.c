/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `coracle oci-hook -- PROGRAM ARGS…`: the base of a hook. An OCI runtime calls it with the container's state on standard
 * input; it puts what the state says into the arguments ({{pid}}, {{rootfs}} …) and becomes the program. As `containerd
 * oci-hook`; --gpus makes such a hook for nvidia-container-cli.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "cmd/commands.h"
#include "oci/json.h"

#define STATE_MAX  (1u << 20)
#define CONFIG_MAX (16u << 20)

struct hook_state {
	json_t *doc;
	char *rootfs;
	char pid[24];
};

static int read_document(int fd, const char *what, size_t max, json_t **ret, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = cor_read_fd(fd, max, &text, &len, err);

	return r < 0 ? cor_error_wrap(err, r, "%s", what) : cor_json_parse(text, len, what, ret, err);
}

/* root.path of the bundle's config.json, made absolute. */
static int read_rootfs(const char *bundle, char **ret, struct cor_error *err)
{
	_cleanup_free_ char *path = cor_path_join(bundle, "config.json");
	_cleanup_json_ json_t *config = NULL;
	_cleanup_close_ int fd = -1;
	const char *root = NULL;
	int r;

	if (!path)
		return cor_error_oom(err);
	fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cor_error_errno(err, errno, "open %s", path);
	r = read_document(fd, path, CONFIG_MAX, &config, err);
	if (r >= 0)
		r = cor_json_get_str(json_object_get(config, "root"), "path", &root, err);
	if (r < 0)
		return r;
	if (cor_empty(root))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: no root.path", path);
	*ret = *root == '/' ? strdup(root) : cor_path_join(bundle, root);
	return *ret ? 0 : cor_error_oom(err);
}

static int read_state(struct hook_state *st, struct cor_error *err)
{
	const char *bundle = NULL;
	int64_t pid = 0;
	int r = read_document(STDIN_FILENO, "state on standard input", STATE_MAX, &st->doc, err);

	if (r >= 0)
		r = cor_json_get_str(st->doc, "bundle", &bundle, err);
	if (r >= 0)
		r = cor_json_get_i64(st->doc, "pid", &pid, err);
	if (r < 0)
		return r;
	if (cor_empty(bundle))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "state on standard input: no bundle");
	(void)snprintf(st->pid, sizeof(st->pid), "%" PRId64, pid);
	return read_rootfs(bundle, &st->rootfs, err);
}

static const char *value_of(const struct hook_state *st, const char *name, size_t n)
{
	static const char *const strings[] = {"id", "bundle", "status"};

	if (n == 3 && strncmp(name, "pid", n) == 0)
		return st->pid;
	if (n == 6 && strncmp(name, "rootfs", n) == 0)
		return st->rootfs;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		if (strlen(strings[i]) == n && strncmp(name, strings[i], n) == 0) {
			const char *s = json_string_value(json_object_get(st->doc, strings[i]));

			return s ? s : "";
		}
	return NULL;
}

/* arg with each {{name}} replaced. Caller frees. */
static int render(const struct hook_state *st, const char *arg, char **ret, struct cor_error *err)
{
	_cleanup_buf_ struct cor_buf b = {0};

	for (const char *p = arg; *p;) {
		const char *open = strstr(p, "{{"), *close = open ? strstr(open, "}}") : NULL, *value;

		if (!close) {
			cor_buf_str(&b, p);
			break;
		}
		value = value_of(st, open + 2, (size_t)(close - open - 2));
		if (!value)
			return cor_error_set(
				err, COR_INVALID_ARGUMENT,
				"%s: {{id}}, {{bundle}}, {{rootfs}}, {{pid}} or {{status}} expected", arg);
		cor_buf_append(&b, p, (size_t)(open - p));
		cor_buf_str(&b, value);
		p = close + 2;
	}
	*ret = cor_buf_take(&b);
	return *ret ? 0 : cor_error_oom(err);
}

static int oci_hook_run(struct cor_context *ctx, const void *options, int argc, char **args,
			struct cor_error *err)
{
	struct hook_state st = {0};
	_cleanup_strv_ char **command = NULL;
	int r;

	if (argc == 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "a program must be given");
	r = read_state(&st, err);
	for (int i = 0; r >= 0 && i < argc; i++) {
		char *arg = NULL;

		r = render(&st, args[i], &arg, err);
		if (r >= 0 && cor_strv_push_take(&command, arg) < 0)
			r = cor_error_oom(err);
	}
	json_decref(st.doc);
	free(st.rootfs);
	if (r < 0)
		return r;
	(void)signal(SIGPIPE, SIG_DFL);
	execvp(command[0], command);
	return cor_error_errno(err, errno, "exec %s", command[0]);
}

const struct cor_command cor_cmd_oci_hook = {
	.name = "oci-hook",
	.usage = "become another program, with what an OCI runtime says of a container in its arguments",
	.args_usage = "-- PROGRAM [ARG...]",
	.hidden = true,
	.dash_args = true,
	.run = oci_hook_run,
};
