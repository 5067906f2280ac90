/* SPDX-License-Identifier: Apache-2.0 */
/* Attaching to a task that runs: its output here, our input there, our signals to it, its exit code ours. */
#include "client/task_io.h"

#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

static int open_stream(struct cor_services *s, const char *id, struct cor_foreground *f,
		       struct cor_error *err)
{
	struct cor_error e = {0};
	int r = s->tasks->attach(s, id, NULL, &f->attached, &f->attached_terminal, &e);
	if (r >= 0)
		return 0;
	/* Its stdio went to the client that started it, and stays with it: exit and signals can still be had. */
	if (e.code == COR_FAILED_PRECONDITION) {
		cor_warn("%s", e.message);
		return 0;
	}
	if (err)
		*err = e;
	return r;
}

int cor_attach(struct cor_services *s, const char *id, uint32_t *ret_status, struct cor_error *err)
{
	struct cor_task t = {0};
	struct cor_terminal terminal = COR_TERMINAL_NONE;
	struct cor_signals signals = COR_SIGNALS_NONE;
	struct cor_foreground f = {.s = s, .id = id, .console = -1, .attached = -1, .signals = &signals};
	struct cor_task_exit ended = {0};
	int r = s->tasks->state(s, id, NULL, &t, err);
	if (r < 0)
		return r;
	pid_t pid = t.pid;
	if (t.terminal)
		r = cor_terminal_open(&terminal, err);
	if (r >= 0)
		r = cor_signals_block(&signals, err);
	if (r >= 0)
		r = open_stream(s, id, &f, err);
	if (r >= 0 && terminal.fd >= 0 && f.attached >= 0) {
		f.terminal = &terminal;
		uint16_t rows, columns;
		cor_terminal_size(&terminal, &rows, &columns);
		(void)s->tasks->resize(s, id, NULL, rows, columns, NULL);
		r = cor_terminal_raw(&terminal, err);
	}
	if (r >= 0)
		r = cor_foreground_wait(&f, &ended, err);
	cor_close(f.attached);
	cor_terminal_restore(&terminal);
	cor_signals_restore(&signals);
	cor_task_done(&t);
	/* As ctr's attach: the stopped task is deleted. Somebody else (the run that is waiting too) may be first. */
	if (r >= 0)
		r = cor_task_clear(s, id, pid, true, NULL, err);
	if (r < 0)
		return r;
	*ret_status = ended.status;
	return 0;
}
