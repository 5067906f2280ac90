/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment, merged exactly as ctr merges it. The rules that surprise (all observed on containerd): repeats
 * among the overrides are all kept, and runtimes let the last one win; an entry without "=" removes an entry of the
 * list it is merged into, so --env NAME undoes an --env-file line but never a variable of the image, because the
 * image is the list of defaults only later and by then the bare name is gone.
 */
#include <string.h>

#include "spec/internal.h"

/* The names before "=" are equal. */
static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && strncmp(a, b, n) == 0;
}

/* Index of the last of the first `n` entries with the name of `entry`, or -1. */
static ssize_t find_last(char *const *env, size_t n, const char *entry)
{
	while (n-- > 0)
		if (same_name(env[n], entry))
			return (ssize_t)n;
	return -1;
}

/* Leaves out the entries marked as removed (empty ones go too, as with ctr). */
static void compact(char **env)
{
	size_t n = 0;

	for (size_t i = 0; env[i]; i++) {
		if (env[i][0])
			env[n++] = env[i];
		else
			free(env[i]);
	}
	env[n] = NULL;
}

int cor_spec_env_merge(char *const *defaults, char *const *overrides, char ***ret, struct cor_error *err)
{
	size_t n_defaults = cor_strv_len(defaults), n = 0;
	_cleanup_strv_ char **env = cor_new0(char *, n_defaults + cor_strv_len(overrides) + 1);

	if (!env)
		return cor_error_oom(err);
	for (; n < n_defaults; n++) {
		env[n] = strdup(defaults[n]);
		if (!env[n])
			return cor_error_oom(err);
	}
	for (; overrides && *overrides; overrides++) {
		/* Looked up among the defaults only: that is why repeated overrides are all kept. */
		ssize_t at = find_last(defaults, n_defaults, *overrides);
		bool set = strchr(*overrides, '=') != NULL;
		char *copy;

		if (at < 0 && !set)
			continue;
		copy = strdup(set ? *overrides : "");
		if (!copy)
			return cor_error_oom(err);
		if (at < 0)
			at = (ssize_t)n++;
		free(env[at]);
		env[at] = copy;
	}
	compact(env);
	*ret = TAKE_PTR(env);
	return 0;
}

int cor_spec_env_override(json_t *process, char *const *overrides, struct cor_error *err)
{
	_cleanup_strv_ char **current = NULL, **merged = NULL;
	int r;

	if (cor_strv_len(overrides) == 0)
		return 0;
	r = cor_json_get_strv(process, "env", &current, err);
	if (r < 0)
		return r;
	r = cor_spec_env_merge(current, overrides, &merged, err);
	if (r < 0)
		return r;
	return cor_spec_put_strv(process, "env", merged, err);
}

/* One entry per line; a carriage return before the newline belongs to the line end, as in Go's ScanLines. */
static int split_lines(char *text, size_t len, const char *path, char ***ret, struct cor_error *err)
{
	_cleanup_strv_ char **lines = NULL;
	size_t n = 0;

	if (memchr(text, '\0', len))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "env file %s: contains a NUL byte", path);
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		n++;
	lines = cor_new0(char *, n + 2);
	if (!lines)
		return cor_error_oom(err);
	n = 0;
	for (char *line = text; *line; n++) {
		size_t length = strcspn(line, "\n");
		char *next = line + length + (line[length] == '\n');

		if (length > 0 && line[length - 1] == '\r')
			length--;
		lines[n] = strndup(line, length);
		if (!lines[n])
			return cor_error_oom(err);
		line = next;
	}
	*ret = TAKE_PTR(lines);
	return 0;
}

int cor_spec_apply_env_file(struct cor_spec_build *b, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_strv_ char **lines = NULL;
	json_t *process;
	size_t len = 0;
	int r;

	if (cor_empty(b->options->env_file))
		return 0;
	r = cor_spec_read_file(b->options->env_file, &text, &len, err);
	if (r < 0)
		return r;
	r = split_lines(text, len, b->options->env_file, &lines, err);
	if (r < 0)
		return r;
	r = cor_spec_process(b->spec, &process, err);
	if (r < 0)
		return r;
	return cor_spec_env_override(process, lines, err);
}

int cor_spec_apply_env(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *process;
	int r = cor_spec_process(b->spec, &process, err);

	return r < 0 ? r : cor_spec_env_override(process, b->options->env, err);
}
