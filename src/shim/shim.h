/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim: one container, its processes, the clients that ask about them. One thread, one event loop; nothing waits.
 *
 *     main.c          descriptors, signals, the loop
 *     server.c        connections, requests to methods, replies
 *     methods_*.c     one function per method of the Task service (and our own)
 *     lifecycle.c, exec.c, removal.c, checkpoint.c   what takes more than one step: create, exec, delete …
 *     process.c       states of a process, exits
 *     io*.c …         its stdio
 *     runtime*.c      making containers
 *     events.c, publisher.c, oom.c     what containerd is told unasked
 *     metrics*.c      Stats
 *     v2*.c           being started by containerd
 *     memory.c        what is given back when idle
 */
#ifndef COR_SHIM_SHIM_H
#define COR_SHIM_SHIM_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/loop.h"
#include "shim/config_facts.h"
#include "shim/runtime.h"

struct cor_oom;
struct cor_publisher;
struct cor_shim_conn;
struct cor_shim_process;

/* Exits of children that nobody knew (yet): the runtime reports a process only after it may have exited already. */
#define COR_SHIM_EARLY_MAX 64
struct cor_shim_exit {
	pid_t pid;
	int status; /* as waitpid's */
	int64_t at_ns;
};

struct cor_shim {
	struct cor_loop *loop;
	const char *ns, *id, *bundle;
	int bundle_fd;
	uid_t uid;
	bool debug;
	unsigned sequence; /* for names of temporary files */

	/* Of containerd's way (shim/v2.h) only. */
	const char *runtime_root;        /* options.root's default; NULL: the engine's */
	struct cor_publisher *publisher; /* NULL: nobody is told of events */
	struct cor_oom *oom;             /* NULL: not watched */

	struct cor_source listen_source;
	struct cor_source listen_timer; /* listening pauses: out of descriptors */
	struct cor_source trim_timer;
	struct cor_shim_conn *conns;
	size_t nconns;

	struct cor_runtime *runtime;    /* from Create to the end of Delete */
	struct cor_shim_process *init;  /* the same */
	struct cor_shim_process *execs; /* linked by next */
	struct cor_config_facts facts;  /* from the exit of init to the end of Delete */
	bool rootfs_mounted;
	uid_t io_uid; /* owner of the stdio that is made for the processes */
	gid_t io_gid;
	bool pausing, paused;
	bool checkpointing;
	bool killing;  /* what init left behind is being killed */
	bool stopping; /* Shutdown: ends when the task is gone */

	pid_t *loggers; /* logging binaries: children that outlive the container for a moment */
	size_t nloggers, cap_loggers;

	struct cor_shim_exit early[COR_SHIM_EARLY_MAX];
	size_t nearly;
};

/* Stops the loop when there is nothing left to do: no task and no client. */
void cor_shim_check_idle(struct cor_shim *s);
/* Every child that exits (loop callback; data is the shim). */
void cor_shim_on_child(pid_t pid, int status, void *data);
/* Kills what the container left as our children (after its deletion). */
void cor_shim_kill_orphans(struct cor_shim *s);
/* memory.c: soon, when nothing happens any more, what the last requests needed goes back to the system. */
void cor_shim_trim(struct cor_shim *s);

#endif
