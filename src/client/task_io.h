/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of src/client: where a task's stdio goes, the caller's terminal, and staying in the foreground. */
#ifndef COR_CLIENT_TASK_IO_H
#define COR_CLIENT_TASK_IO_H

#include <signal.h>
#include <termios.h>

#include "client/client.h"

/* ---- terminal.c: the caller's own terminal ---- */

struct cor_terminal {
	int fd; /* one of 0, 1, 2 (borrowed); -1: none in use */
	bool raw;
	struct termios saved;
};
#define COR_TERMINAL_NONE ((struct cor_terminal){.fd = -1})
/* The first of stderr, stdout, stdin that is a terminal; FAILED_PRECONDITION "provided file is not a console". */
int cor_terminal_open(struct cor_terminal *ret, struct cor_error *err);
int cor_terminal_raw(struct cor_terminal *t, struct cor_error *err);
/* Back to what it was; harmless when it was never changed. */
void cor_terminal_restore(struct cor_terminal *t);
void cor_terminal_size(const struct cor_terminal *t, uint16_t *ret_rows, uint16_t *ret_columns);
/* Takes over size of `from` to the pty `master`. */
void cor_terminal_copy_size(const struct cor_terminal *from, int master);
#define _cleanup_terminal_ _cleanup_(cor_terminal_restore)

/* ---- task_io.c ---- */

/* From the flags to where the process's stdio goes; tty and null_io together, and bad log URIs are errors. */
int cor_stdio_from_options(const struct cor_task_options *o, const struct cor_terminal *t,
			   struct cor_stdio *ret, struct cor_error *err);
/* Writes the pid to path through a temporary file beside it. */
int cor_write_pid_file(const char *path, pid_t pid, struct cor_error *err);

/* ---- copy.c: bytes from one descriptor to another with a bounded buffer, driven by poll ---- */

struct cor_copy {
	int from, to; /* -1: that side is finished */
	char buf[32768];
	size_t start, end;
	bool eof; /* from has ended */
};
/* Events wanted on each side now (0: none). */
short cor_copy_want_read(const struct cor_copy *c);
short cor_copy_want_write(const struct cor_copy *c);
/* One read / one write. 0, or -errno: that direction is over. */
int cor_copy_read(struct cor_copy *c);
int cor_copy_write(struct cor_copy *c);
bool cor_copy_done(const struct cor_copy *c);

/* ---- foreground.c ---- */

/* Every signal that can be forwarded is blocked from here on, so that none is lost between create and wait. */
struct cor_signals {
	sigset_t saved;
	bool blocked;
	int fd; /* signalfd */
};
#define COR_SIGNALS_NONE ((struct cor_signals){.fd = -1})
int cor_signals_block(struct cor_signals *s, struct cor_error *err);
/* The first of INT, TERM, HUP and QUIT that has come since, or 0; what else has come is dropped. */
int cor_signals_stop(struct cor_signals *s);
void cor_signals_restore(struct cor_signals *s);
#define _cleanup_signals_ _cleanup_(cor_signals_restore)

struct cor_foreground {
	struct cor_services *s;
	const char *id, *exec_id;
	struct cor_terminal *terminal; /* the caller's, or NULL */
	struct cor_signals *signals;
	int console;            /* pty master to copy to and from the terminal; -1: none */
	int attached;           /* attach socket, or -1 */
	bool attached_terminal; /* attach stream is raw bytes, not frames */
};
/* Forwards signals, copies terminal or attached bytes, keeps the window size in step, until the process has exited and its
 * output is out. The process's exit. */
int cor_foreground_wait(struct cor_foreground *f, struct cor_task_exit *ret, struct cor_error *err);

/* ---- delete.c ---- */

/* The task of this name is not the one whose process was pid: that has been removed, and another one made. pid 0 (not
 * known): false. */
bool cor_task_is_other(struct cor_services *s, const char *id, pid_t pid);
/* After the end of a task's process (pid): takes its network down (network: it may have one; signals: as
 * cor_network_detach) and removes it. Somebody else may have done so, and have started another task, which is left alone.
 * Failures to take the network down are warned about. */
int cor_task_clear(struct cor_services *s, const char *id, pid_t pid, bool network,
		   struct cor_signals *signals, struct cor_error *err);

/* ---- create.c ---- */

/* What is wrong with the flags alone, before anything is made. */
int cor_create_check(const struct cor_create_options *o, struct cor_error *err);
/* A run that was killed between snapshot and record has left its snapshot under the container's name. Nothing keeps it, so a
 * collection takes it; a snapshot that somebody wants stays. After ALREADY_EXISTS, with an operation lease on (a new one is on
 * afterwards): 1: try again; 0: it is a container's. */
int cor_reclaim_snapshot(struct cor_services *s, const char *key, struct cor_error *err);

/* ---- labels.c ---- */

/* "k=v" or "k" (value "true", as ctr has it). INVALID_ARGUMENT where key+value are too long. */
int cor_labels_from_strv(char *const *args, struct cor_map *ret, struct cor_error *err);
/* The labels of a container record: image config < image record < flags; plus the stop signal. image may be NULL. */
int cor_container_labels(const struct cor_resolved_image *image, char *const *flags, struct cor_map *ret,
			 struct cor_error *err);
/* The same, told to explain. */
int cor_explain_labels(const struct cor_resolved_image *image, char *const *flags, struct cor_explain *x,
		       struct cor_error *err);

#endif
