/* SPDX-License-Identifier: Apache-2.0 */
/* From a process's stdio as operations ask for it to the strings of rpc/shim_api.h. */
#include "engine/task_internal.h"

#include <errno.h>

#include "base/path.h"

void cor_task_stdio_done(struct cor_task_stdio *t)
{
	free(t->text);
	t->text = NULL;
}

int cor_task_log_make(struct cor_engine *e, const char *id, struct cor_error *err)
{
	_cleanup_close_ int logs = cor_open_or_mkdir_at(e->root_fd, "logs", 0700, err);
	if (logs < 0)
		return logs;
	_cleanup_close_ int ns = cor_open_or_mkdir_at(logs, e->ns, 0700, err);
	if (ns < 0)
		return ns;
	bool made = mkdirat(ns, id, 0700) == 0;
	if (!made && errno != EEXIST)
		return cor_error_errno(err, errno, "make log directory of %s", id);
	return made;
}

static int to_log(struct cor_engine *e, const char *id, struct cor_task_stdio *t, struct cor_error *err)
{
	t->text = cor_asprintf("log://%s/logs/%s/%s", e->root, e->ns, id);
	if (!t->text)
		return cor_error_oom(err);
	/* Held open for whoever attaches; a terminal takes its input by itself. */
	t->in = t->terminal ? "" : "pipe:";
	t->out = t->text;
	t->err = t->terminal ? "" : t->text;
	return 0;
}

static void inherit(const struct cor_stdio *stdio, struct cor_task_stdio *t)
{
	static const char *const names[] = {"fd:0", "fd:1", "fd:2"};
	const char **slots[] = {&t->in, &t->out, &t->err};
	if (stdio->terminal) {
		t->out = COR_STDIO_CONSOLE;
		return;
	}
	for (size_t i = 0; i < 3; i++) {
		if (stdio->fds[i] < 0)
			continue;
		*slots[i] = names[t->nfds];
		t->fds[t->nfds++] = stdio->fds[i];
	}
}

int cor_task_stdio_make(struct cor_engine *e, const char *id, const struct cor_stdio *stdio,
			struct cor_task_stdio *ret, struct cor_error *err)
{
	struct cor_task_stdio t = {.terminal = stdio->terminal, .in = "", .out = "", .err = ""};
	int r = 0;
	switch (stdio->kind) {
	case COR_STDIO_NONE:
		break;
	case COR_STDIO_INHERIT:
		inherit(stdio, &t);
		break;
	case COR_STDIO_LOG:
		r = to_log(e, id, &t, err);
		break;
	case COR_STDIO_URI:
		t.out = stdio->uri ? stdio->uri : "";
		t.err = stdio->terminal ? "" : t.out;
		break;
	case COR_STDIO_FIFO:
		t.in = stdio->stdin_path ? stdio->stdin_path : "";
		t.out = stdio->stdout_path ? stdio->stdout_path : "";
		t.err = stdio->stderr_path ? stdio->stderr_path : "";
		break;
	}
	if (r < 0) {
		cor_task_stdio_done(&t);
		return r;
	}
	*ret = t;
	return 0;
}

void cor_task_initial_size(struct cor_services *s, const char *id, const char *exec_id,
			   const struct cor_stdio *stdio)
{
	if (stdio->terminal && stdio->kind != COR_STDIO_INHERIT && stdio->rows && stdio->columns)
		(void)cor_task_resize_op(s, id, exec_id, stdio->rows, stdio->columns, NULL);
}
