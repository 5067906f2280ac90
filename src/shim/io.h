/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stdio of one process, by the strings of rpc/shim_api.h.
 *
 *     cor_io_open        the strings become three descriptors for the runtime, or the wish for a terminal
 *     (cor_io_ready_fd)  a logging binary says when it listens
 *     the runtime runs with io->child / a console socket
 *     cor_io_made        it succeeded: our copies of the process's ends are closed, the terminal's master is taken over, and
 *                        what has to be copied is copied from now on
 *     cor_io_exited      the process is gone: what it left in pipes is read, attached clients come to their end
 *     cor_io_done        everything closed; at any time
 *
 * Output is copied only where somebody has to read it: log:// (to the log and to attached clients), and every terminal (to a
 * file, FIFO, log, or nowhere). Reading never waits for a consumer, but for a terminal whose FIFO is full.
 */
#ifndef COR_SHIM_IO_H
#define COR_SHIM_IO_H

#include <stdbool.h>

#include "base/loop.h"
#include "base/str.h"
#include "shim/shim_log.h"

struct cor_io;
struct cor_attacher;

/* One readable end: a pipe of the process, or the master of its terminal. */
struct cor_output {
	struct cor_source source;
	struct cor_io *io;
	int fd; /* -1: none, or ended */
	enum cor_stream stream;
};

/* What is written to the process: a queue before its stdin pipe or terminal. */
struct cor_input {
	struct cor_source source;
	int fd; /* -1: nobody reads */
	struct cor_buf queue;
	size_t sent;
};

/* Where a terminal's output goes besides log and attached clients. */
struct cor_sink {
	struct cor_source source;
	int fd;    /* -1: none */
	bool file; /* never has to be waited for */
	struct cor_buf pending;
	size_t sent;
};

struct cor_io {
	struct cor_loop *loop;
	bool terminal;
	bool console; /* the master goes to the client ("console:") */
	bool pumping, exited, attachable;
	int child[3];
	int keep[3]; /* other ends of FIFOs */
	int master;
	struct cor_output out[2];
	struct cor_input in;
	struct cor_source fifo_source; /* stdin FIFO of a terminal */
	int fifo;
	struct cor_sink sink;
	struct cor_shim_log *log;
	char *log_dir;
	struct cor_attacher *attachers;
	int ready; /* of a logging binary */
	pid_t logger;
};

struct cor_io_request {
	struct cor_loop *loop;
	const char *ns, *id; /* for a logging binary */
	bool terminal;
	const char *in, *out, *err; /* "" or NULL: nothing */
	int *fds;                   /* that came with the request; what is used is replaced by -1 */
	size_t nfds;
	uid_t uid; /* the process's root, as the host sees it: 0, or that of its user namespace */
	gid_t gid;
};

/* Fills *io. On failure everything is closed again. */
int cor_io_open(struct cor_io *io, const struct cor_io_request *req, struct cor_error *err);
/* Becomes readable (end of file) when the logging binary is ready; -1: nothing to wait for. */
int cor_io_ready_fd(const struct cor_io *io);
/* True when what the runtime prints goes where the process's errors go, and not to us. */
static inline bool cor_io_is_direct(const struct cor_io *io)
{
	return !io->terminal && io->child[2] >= 0 && io->out[1].fd < 0;
}
/* master: of the terminal (taken), or -1. `owned`: a client has it too, and reads it. */
int cor_io_made(struct cor_io *io, int master_take, bool owned, struct cor_error *err);
/* The client that had the terminal is gone. */
void cor_io_disowned(struct cor_io *io);
void cor_io_exited(struct cor_io *io);
void cor_io_close_stdin(struct cor_io *io);
/* True when pid was the logging binary. */
bool cor_io_child(struct cor_io *io, pid_t pid);
void cor_io_done(struct cor_io *io);

/* io_open.c: the descriptors for each kind. 0 or -errno with err set. */
int cor_io_open_strings(struct cor_io *io, const struct cor_io_request *req, struct cor_error *err);

/* pump.c */
int cor_pump_start(struct cor_io *io);
/* Reads what is there now, within a bound. */
void cor_pump_drain(struct cor_io *io);
void cor_pump_stop(struct cor_io *io);
/* Holds nothing between two calls: whole pages, for memory.c to drop. */
void *cor_pump_buffer(size_t *ret_size);
/* input.c: queues for the process; dropped when nobody reads. */
void cor_input_write(struct cor_io *io, const char *data, size_t n);
/* More may be written now. */
bool cor_input_room(const struct cor_io *io);
int cor_input_start(struct cor_io *io, int fd_take);
void cor_input_stop(struct cor_io *io);

/* attach.c. *ret_sock: the client's end. */
int cor_attach_new(struct cor_io *io, int *ret_sock, struct cor_error *err);
void cor_attach_output(struct cor_io *io, enum cor_stream stream, const char *data, size_t n);
/* There is room for input again. */
void cor_attach_resume(struct cor_io *io);
/* No more output comes: each is closed once it has what waits for it. */
void cor_attach_end(struct cor_io *io);
void cor_attach_stop(struct cor_io *io);

#endif
