/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of the container: init, or one of Exec.
 *
 *   state     | made by                        | goes to
 *   ----------+--------------------------------+--------------------------------------------------------------------------
 *   NEW       | Exec: registered               | MAKING by Start; gone by Delete
 *   MAKING    | Create, Run, Start of an exec: | CREATED (Create), RUNNING (Run, exec), STOPPED (an exec that failed), gone
 *             |   the runtime is at work       |   (an init that failed)
 *   CREATED   | Create (init only)             | STARTING by Start; STOPPED by its exit; DELETING by Delete
 *             |   (with a checkpoint: no pid)  |
 *   STARTING  | Start of init                  | RUNNING; CREATED when it failed; STOPPED by its exit
 *   RUNNING   | Start, Run                     | STOPPED by its exit
 *   STOPPED   | exit                           | DELETING (init), gone (exec)
 *   DELETING  | Delete of init                 | gone, or STOPPED when the runtime failed
 *
 * Invariants:
 *  1. A process with a pid is our child and not reaped, so its number is its own; the pidfd makes signals safe all the same.
 *  2. STOPPED is entered once, by cor_process_exited; exit status and time are set there and never change.
 *  3. An exit that comes before the runtime has named the process waits in shim->early.
 *  4. Whoever waits is told after the output that the process had written has been read.
 */
#ifndef COR_SHIM_PROCESS_H
#define COR_SHIM_PROCESS_H

#include "shim/console.h"
#include "shim/io.h"
#include "shim/server.h"

enum cor_process_state {
	COR_PROC_NEW,
	COR_PROC_MAKING,
	COR_PROC_CREATED,
	COR_PROC_STARTING,
	COR_PROC_RUNNING,
	COR_PROC_STOPPED,
	COR_PROC_DELETING,
};

struct cor_shim_process {
	struct cor_shim *shim;
	struct cor_shim_process *next;
	char *exec_id; /* "" for init */
	enum cor_process_state state;
	pid_t pid; /* 0: none yet */
	int pidfd; /* -1: exited, or none */
	uint32_t exit_status;
	int64_t exited_ns; /* 0: has not exited */
	bool terminal;
	char *in, *out, *err; /* stdio strings, for State */
	struct cor_io io;
	struct cor_console console;
	struct cor_shim_conn *owner; /* the connection that has the terminal */
	char *spec;                  /* exec: OCI process, JSON */
	char *checkpoint,
		*criu_work; /* init: directories to restore from and for criu's logs; NULL: none given */
	struct cor_shim_call *waiters;
	/* The operation at work on it. */
	struct cor_shim_call *call;
	struct cor_source ready_source, timer;
	void (*next_step)(struct cor_shim_process *p);
	struct cor_error *failure;
	char spec_file[24]; /* exec: the spec while the runtime reads it */
	bool start;         /* Run: create and start */
	bool launched;      /* the runtime was called: it may have to take things back */
	bool forced;        /* removal: with force */
	bool retired;       /* its container is gone: it goes when its operation or its exit is over */
	/* events.c */
	struct cor_buf event; /* init: what TaskCreate will say */
	bool starting;        /* init: Start is at work, its event comes first */
	bool exit_untold;     /* it has exited meanwhile */
};

/* NULL on ENOMEM. */
struct cor_shim_process *cor_process_new(struct cor_shim *s, const char *exec_id);
/* Waiters are told; not in any list any more. */
void cor_process_free(struct cor_shim_process *p);
int cor_process_set_stdio(struct cor_shim_process *p, bool terminal, const char *in, const char *out,
			  const char *err);

/* The process a request means. NOT_FOUND with containerd's texts. */
int cor_process_find(struct cor_shim *s, const char *id, const char *exec_id, struct cor_shim_process **ret,
		     struct cor_error *err);
void cor_process_unlink(struct cor_shim_process *p);

/* The runtime made it: pid and state, unless it has exited already (then STOPPED). */
void cor_process_made(struct cor_shim_process *p, pid_t pid, enum cor_process_state state);
/* status as waitpid's. */
void cor_process_exited(struct cor_shim_process *p, int status, int64_t at_ns);
/* An exec that could not be started: those who wait for it are told. */
void cor_process_failed(struct cor_shim_process *p);
/* "created", "running" … */
const char *cor_process_state_name(const struct cor_shim_process *p);
static inline bool cor_process_is_init(const struct cor_shim_process *p)
{
	return !*p->exec_id;
}
static inline bool cor_process_alive(const struct cor_shim_process *p)
{
	return p->pid > 0 && p->exited_ns == 0;
}
/* Kills what init left behind in a container that has no pid namespace of its own. */
void cor_process_kill_rest(struct cor_shim *s);
/* A client's connection is closed: terminals it had are read by us now. */
void cor_shim_conn_gone(struct cor_shim *s, struct cor_shim_conn *conn);

/* lifecycle.c, exec.c, removal.c, checkpoint.c: they end the process's call when done. */
void cor_lifecycle_create(struct cor_shim_process *init);
void cor_lifecycle_start(struct cor_shim_process *init, struct cor_shim_call *call);
void cor_exec_start(struct cor_shim_process *p, struct cor_shim_call *call);
void cor_removal_init(struct cor_shim_process *init, struct cor_shim_call *call);
/* Shutdown: init goes, whatever its state (not MAKING), and nobody is told. */
void cor_removal_force(struct cor_shim_process *init);
void cor_removal_exec(struct cor_shim_process *p, struct cor_shim_call *call);
/* checkpoint.c. An init with a checkpoint is created without a process (ends its call) … */
void cor_checkpoint_created(struct cor_shim_process *init);
/* … which Start restores. */
void cor_checkpoint_start(struct cor_shim_process *init, struct cor_shim_call *call);
/* The runtime's part of it alone, for Run; afterwards, well or not, _restored. */
int cor_checkpoint_restore(struct cor_shim_process *init, const struct cor_runtime_stdio *io,
			   cor_runtime_fn fn, struct cor_error *err);
void cor_checkpoint_restored(struct cor_shim_process *init);
/* Takes back what create had made, then fails the call with init->failure. */
void cor_removal_rollback(struct cor_shim_process *init);
/* What init had left behind is killed now: a removal that waited for that goes on. */
void cor_removal_continue(struct cor_shim_process *init);
/* Before the runtime: console socket, a logging binary's readiness; then next(p), which finds p->failure set when that
 * went wrong. */
void cor_prepare(struct cor_shim_process *p, void (*next)(struct cor_shim_process *p));
/* Ends a MAKING process's wait, whatever it is for. */
void cor_prepare_abort(struct cor_shim_process *p);
/* After the runtime: the terminal's master, copying. 0 or -errno. */
int cor_prepare_finish(struct cor_shim_process *p, struct cor_error *err);
/* Remembers err (first one wins). */
void cor_process_set_failure(struct cor_shim_process *p, const struct cor_error *err);

#endif
