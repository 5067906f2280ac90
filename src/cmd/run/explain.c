/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `run --explain`. Spec and record are explained by the operation (client/explain.c); the flags that decide how the task is
 * run, and leave no trace in either, are added here out of the option table.
 */
#include "cmd/run/explain.h"

#include <inttypes.h>

#include "cmd/options.h"
#include "cmd/text.h"
#include "spec/explain.h"

/* Columns are as wide as their widest cell, but not wider than that; longer cells push the rest of their line. */
#define PATH_WIDTH  52
#define VALUE_WIDTH 44

static const struct {
	const char *path, *flag, *def; /* def: what it is without the flag; NULL: nothing */
} task_flags[] = {
	{"task.detach", "detach", "false"},  {"task.no_pivot", "no-pivot", "false"},
	{"task.pid_file", "pid-file", NULL}, {"task.remove", "rm", "false"},
	{"unpack.sync", "sync-fs", "true"},
};

/* Text of a flag's value; NULL and 0 where it has none. */
static int value_text(const struct cor_option *o, const void *flags, char **ret, struct cor_error *err)
{
	const void *field = (const char *)flags + o->offset;
	const char *s;
	switch (o->type) {
	case COR_OPT_BOOL:
	case COR_OPT_PRESENCE:
		*ret = strdup(*(const bool *)field ? "true" : "false");
		break;
	case COR_OPT_STRING:
		s = *(const char *const *)field;
		if (cor_empty(s)) {
			*ret = NULL;
			return 0;
		}
		*ret = strdup(s);
		break;
	case COR_OPT_INT:
		*ret = cor_asprintf("%" PRId64, *(const int64_t *)field);
		break;
	case COR_OPT_UINT:
		*ret = cor_asprintf("%" PRIu64, *(const uint64_t *)field);
		break;
	default:
		return cor_error_set(err, COR_INTERNAL, "flag --%s: no text", o->name);
	}
	return *ret ? 0 : cor_error_oom(err);
}

static int explain_flag(const struct cor_command *cmd, const void *flags, size_t i, struct cor_explain *x,
			struct cor_error *err)
{
	const char *path = task_flags[i].path, *flag = task_flags[i].flag, *def = task_flags[i].def;
	const struct cor_option *o = cor_options_find(cmd, flag, strlen(flag));
	_cleanup_free_ char *text = NULL, *source = cor_asprintf("--%s", flag);
	if (!o || !source)
		return source ? 0 : cor_error_oom(err);
	int r = value_text(o, flags, &text, err);
	if (r >= 0 && def)
		r = cor_explain_set(x, path, "default", def, err);
	bool given = text && !(cor_option_is_bool(o) && streq(text, "false"));
	return r >= 0 && given ? cor_explain_set(x, path, source, text, err) : r;
}

/* A text that a variable or the flag has set over its default. The parser borrows texts, so whose it is tells who gave it, even
 * where it is the same as the default. */
static int explain_given(const struct cor_command *cmd, const void *flags, const char *flag, const char *path,
			 struct cor_explain *x, struct cor_error *err)
{
	const struct cor_option *o = cor_options_find(cmd, flag, strlen(flag));
	const char *text = *(const char *const *)(const void *)((const char *)flags + o->offset);
	const char *env = o->env ? getenv(o->env) : NULL;
	if (cor_empty(text) || text == o->def)
		return 0;
	_cleanup_free_ char *variable = cor_asprintf("$%s", o->env ? o->env : "");
	_cleanup_free_ char *source = cor_asprintf("--%s", flag);
	if (!variable || !source)
		return cor_error_oom(err);
	int r = cor_empty(env) ? 0 : cor_explain_set(x, path, variable, env, err);
	return r < 0 || text == env ? r : cor_explain_set(x, path, source, text, err);
}

/* Which of the flags wins is task_io.c's rule. */
static int explain_stdio(const struct cor_task_options *t, struct cor_explain *x, struct cor_error *err)
{
	int r = cor_explain_set(x, "task.stdio", "default", "the caller's", err);
	if (r >= 0 && t->detach)
		r = cor_explain_set(x, "task.stdio", "--detach", "the container's log", err);
	if (r >= 0 && t->tty && !t->detach)
		r = cor_explain_set(x, "task.stdio", "--tty", "the caller's terminal", err);
	if (r >= 0 && t->log_uri && !t->tty)
		r = cor_explain_set(x, "task.stdio", "--log-uri", t->log_uri, err);
	return r >= 0 && t->null_io ? cor_explain_set(x, "task.stdio", "--null-io", "/dev/null", err) : r;
}

static int explain_task(struct cor_context *ctx, const struct cor_run_options *o, const void *flags,
			struct cor_explain *x, struct cor_error *err)
{
	int r = explain_stdio(&o->task, x, err);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(task_flags); i++)
		r = explain_flag(ctx->command, flags, i, x, err);
	if (r >= 0 && o->create.image)
		r = explain_given(ctx->command, flags, "snapshotter", "container.snapshotter", x, err);
	return r < 0 ? r : explain_given(ctx->command, flags, "runtime", "container.runtime", x, err);
}

/* ---- printing ---- */

static const char *shown(const char *value)
{
	return !value ? "-" : *value ? value : "\"\"";
}

/* "--user (overrides image User=alice: 1001, default: 0)" */
static char *sources_text(const struct cor_explained *history, size_t n)
{
	_cleanup_buf_ struct cor_buf b = {0};
	cor_buf_str(&b, history[n - 1].source);
	for (size_t i = n - 1; i-- > 0;)
		cor_buf_printf(&b, "%s%s: %s", i == n - 2 ? " (overrides " : ", ", history[i].source,
			       shown(history[i].value));
	if (n > 1)
		cor_buf_char(&b, ')');
	return cor_buf_take(&b);
}

static int print_line(FILE *out, const size_t width[2], const char *path, const char *value,
		      const char *sources, struct cor_error *err)
{
	const char *cells[] = {path, value, sources};
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		_cleanup_free_ char *safe = cells[i] ? cor_text_escape(cells[i]) : NULL;
		if (!safe)
			return cor_error_oom(err);
		size_t n = cor_text_width(safe);
		int pad = i == 2 ? 0 : (int)(n < width[i] ? width[i] - n : 0) + 2;
		fprintf(out, "%s%*s", safe, pad, "");
	}
	fputc('\n', out);
	return 0;
}

static int print(const struct cor_explain *x, FILE *out, struct cor_error *err)
{
	size_t width[2] = {sizeof("PATH") - 1, sizeof("VALUE") - 1}, n;
	const struct cor_explained *history;
	const char *path;
	for (size_t i = 0; (path = cor_explain_at(x, i, &history, &n)); i++) {
		width[0] = MAX(width[0], MIN(cor_text_width(path), (size_t)PATH_WIDTH));
		width[1] =
			MAX(width[1], MIN(cor_text_width(shown(history[n - 1].value)), (size_t)VALUE_WIDTH));
	}
	int r = print_line(out, width, "PATH", "VALUE", "SET BY", err);
	for (size_t i = 0; r >= 0 && (path = cor_explain_at(x, i, &history, &n)); i++) {
		_cleanup_free_ char *sources = sources_text(history, n);
		r = print_line(out, width, path, shown(history[n - 1].value), sources, err);
	}
	return r;
}

int cor_run_explain(struct cor_context *ctx, struct cor_services *s, const struct cor_run_options *o,
		    const void *flags, struct cor_error *err)
{
	_cleanup_explain_ struct cor_explain *x = cor_explain_new();
	if (!x)
		return cor_error_oom(err);
	int r = cor_explain_container(s, &o->create, x, err);
	if (r >= 0)
		r = explain_task(ctx, o, flags, x, err);
	return r < 0 ? r : print(x, ctx->out, err);
}
