/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tasks half of the engine. A task is a bundle directory <state>/<ns>/<id> and a shim that listens in it; everything
 * else is asked of the shim. What a process remembers of a task (struct cor_engine_task) is connections, never state.
 *
 *   bundle                              | means
 *   ------------------------------------+------------------------------------------------------------------------------
 *   .<id>.<random>, .<id>.<random>.gone | being set up, being removed, by a process that holds its lock; rubbish without one
 *   <id>, shim.sock takes connections   | the shim is alive: it knows
 *   <id>, refused, locked               | being created, or being buried, by the holder of the lock
 *   <id>, refused, file "exited"        | the shim died, the container was killed after it: STOPPED, 137 (cor_task_bury)
 *   <id>, refused, nothing of that      | the shim died and nobody has noticed yet
 *   <id> without config.json, shim.sock | not ours: no task, and left alone
 *
 * Invariants:
 *  1. The lock of a bundle is flock on the directory. A bundle gets its name while its creator holds the lock and its
 *     socket listens, by a rename that never replaces: of two creators of one id, one wins.
 *  2. Bundles are removed by holders of their lock only, and last: a name is free only when shim, container, mounts and cgroup are gone.
 *  3. One connection carries one call at a time; one that waits for an exit (a watch) carries nothing else, so that its
 *     descriptor is readable exactly when the exit, or the end of the shim, is there.
 *  4. A connection that was given a terminal is kept as long as the engine is open: the shim takes the terminal back when
 *     it goes.
 */
#ifndef COR_ENGINE_TASK_INTERNAL_H
#define COR_ENGINE_TASK_INTERNAL_H

#include "engine/internal.h"
#include "rpc/shim_api.h"
#include "rpc/ttrpc_client.h"
#include "task_v2.pb-c.h"

#define COR_TASK_QUICK_NS      (INT64_C(10) * 1000000000)
#define COR_TASK_SLOW_NS       (INT64_C(120) * 1000000000)
/* Memory of any size has to be written, or read. */
#define COR_TASK_CHECKPOINT_NS (INT64_C(3600) * 1000000000)
#define COR_TASK_KILLED        137 /* exit status of a container that was killed because its shim had died */

/* A call that found the shim dead and the task stopped by that (positive, so no error). */
#define COR_TASK_DEAD 1

struct cor_task_conn {
	struct cor_task_conn *next;
	struct cor_ttrpc_client *client;
	bool terminal; /* invariant 4 */
};
struct cor_task_watch {
	struct cor_task_watch *next;
	char *exec_id;
	struct cor_task_conn *conn;
	uint32_t stream;
};
struct cor_task_console {
	struct cor_task_console *next;
	char *exec_id;
	int fd;
};
struct cor_engine_task {
	struct cor_engine_task *next;
	char *id;
	int bundle_fd;
	struct cor_task_conn *idle;
	struct cor_task_watch *watches;
	struct cor_task_console *consoles; /* taken by Start of an exec, not yet asked for */
	pid_t shim_pid;                    /* 0: not our child */
	int shim_pidfd;
	pid_t pid;    /* of init, when this process created it */
	bool started; /* created and started in one: start() has nothing left to do */
};
struct cor_engine_tasks {
	struct cor_engine_task *list;
};

/* protobuf-c's strings are not const; messages that are only packed borrow theirs. */
static inline char *cor_task_text(const char *s)
{
	return (char *)(uintptr_t)(s ? s : "");
}

/* ---- task_table.c: what this process knows of tasks, connections, calls ---- */

/* `no running task found: task X not found` */
int cor_task_not_found(const char *id, struct cor_error *err);
/* The entry of a task whose bundle exists, made when there is none. */
int cor_task_open(struct cor_engine *e, const char *id, struct cor_engine_task **ret, struct cor_error *err);
/* The entry, or NULL. */
struct cor_engine_task *cor_task_known(const struct cor_engine *e, const char *id);
/* A new entry with this bundle (taken, also on failure). */
int cor_task_add(struct cor_engine *e, const char *id, int bundle_take, struct cor_engine_task **ret,
		 struct cor_error *err);
/* Closes all that belongs to it, and reaps the shim when it is our child and has ended. */
void cor_task_forget(struct cor_engine *e, struct cor_engine_task *t);
struct cor_task_conn *cor_task_conn_free(struct cor_task_conn *c);

/* A connection for one call (or watch): idle, or new. COR_TASK_DEAD when nobody listens. *ret_new may be NULL. */
int cor_task_acquire(struct cor_engine_task *t, struct cor_task_conn **ret, bool *ret_new,
		     struct cor_error *err);
/* Back to the idle ones, or closed when broken or superfluous. */
void cor_task_release(struct cor_engine_task *t, struct cor_task_conn *c_take);

int64_t cor_task_timeout(const struct cor_engine *e, int64_t standard);
struct cor_task_reply {
	ProtobufCMessage **message; /* NULL: not wanted */
	int *fd;                    /* a descriptor that came with it, -1 when none did; NULL: not wanted */
};
/* One call to the shim of `id`. 0; COR_TASK_DEAD (then *ret_exit tells how the task ended, when not NULL); NOT_FOUND when
 * there is no such task; the shim's own error. timeout_ns 0 in call: the quick default. */
int cor_task_call(struct cor_engine *e, const char *id, const struct cor_ttrpc_call *call,
		  const struct cor_task_reply *ret, struct cor_task_exit *ret_exit, struct cor_error *err);
/* After a call to a connection failed: NOT_FOUND / COR_TASK_DEAD when it is because the shim is gone, else r. */
int cor_task_after_failure(struct cor_engine *e, struct cor_engine_task *t, struct cor_task_conn *c_take,
			   int r, struct cor_task_exit *ret_exit, struct cor_error *err);
/* cor_task_bury for an entry, which is dropped. */
int cor_task_bury_known(struct cor_engine *e, struct cor_engine_task *t, struct cor_task_exit *ret_exit,
			struct cor_error *err);

/* ---- task_stdio.c: stdio as strings and descriptors for a request ---- */
struct cor_task_stdio {
	bool terminal;
	const char *in, *out, *err; /* borrowed, or pointing to `text` */
	char *text;
	int fds[3];
	size_t nfds;
};
void cor_task_stdio_done(struct cor_task_stdio *t);
int cor_task_stdio_make(struct cor_engine *e, const char *id, const struct cor_stdio *stdio,
			struct cor_task_stdio *ret, struct cor_error *err);
/* <root>/logs/<ns>/<id>, made when missing. 1: it was; 0; -errno. Who creates a task does it when the bundle is his. */
int cor_task_log_make(struct cor_engine *e, const char *id, struct cor_error *err);
/* Initial size of a terminal that the client does not hold itself; failure does not matter. */
void cor_task_initial_size(struct cor_services *s, const char *id, const char *exec_id,
			   const struct cor_stdio *stdio);

/* ---- task_runtime.c: which runtime, with which options ---- */
struct cor_task_runtime {
	char *binary;     /* absolute path of the OCI runtime */
	char *root;       /* as in the options: the shim adds the namespace */
	uint8_t *options; /* packed containerd.runc.v1.Options */
	size_t options_len;
};
void cor_task_runtime_done(struct cor_task_runtime *r);
int cor_task_runtime_resolve(struct cor_engine *e, const struct cor_task_create *req,
			     struct cor_task_runtime *ret, struct cor_error *err);
/* What the shim of this bundle recorded: binary, and root (the namespace's own). -ENOENT without an error text when it had
 * not come to that. */
int cor_task_runtime_load(int bundle_fd, struct cor_task_runtime *ret);

/* ---- task_features.c ---- */
/* FAILED_PRECONDITION where the spec has a member that this runtime would pass over in silence. */
int cor_task_features_check(const char *binary, const char *spec_text, struct cor_error *err);

/* ---- shim_bundle.c ---- */

/* Makes, fills, locks and names the bundle; *ret_listen is the socket for the shim. -EEXIST: `task X: already exists`.
 * Returns the descriptor of the locked directory. */
int cor_bundle_make(struct cor_engine *e, const char *id, const char *spec, int *ret_listen,
		    struct cor_error *err);
/* Does it have the marks of a bundle of ours? What has not is no task, and nobody here touches it. */
bool cor_bundle_is_task(int bundle_fd);
/* Waits for the lock of a bundle. -ENOENT (no error text) when the bundle was removed meanwhile. */
int cor_bundle_lock(struct cor_engine *e, const char *id, int bundle_fd);
void cor_bundle_unlock(int bundle_fd);
/* Unmounts what the shim left mounted and removes the directory, whose lock the caller holds. */
int cor_bundle_remove(struct cor_engine *e, const char *id, int bundle_fd, struct cor_error *err);
/* Removes what interrupted creators left: called with a name that begins with a dot. */
void cor_bundle_reap(struct cor_engine *e, const char *name);

/* ---- task_shim.c ---- */

/* 0 for a runtime (name or absolute path of a shim) that our shim serves. INVALID_ARGUMENT, NOT_FOUND: containerd's texts
 * for wrong ones; UNIMPLEMENTED: another shim's. */
int cor_task_shim_check(struct cor_engine *e, const char *runtime, struct cor_error *err);

/* ---- shim_spawn.c ---- */

/* Sets e->shim to our shim's path. NOT_FOUND when there is none. */
int cor_shim_program(struct cor_engine *e, struct cor_error *err);
/* Starts a shim. *ret: the first connection. The entry learns the child. */
int cor_shim_spawn(struct cor_engine *e, struct cor_engine_task *t, int listen_fd, struct cor_task_conn **ret,
		   struct cor_error *err);
/* Waits until the shim is gone, at most limit_ns; then kills it. Reaps it when it is our child. */
void cor_shim_end(struct cor_engine_task *t, int64_t limit_ns);
/* Takes hold of a shim that is not our child (by its pid file), so that _end still can when the bundle is gone. */
void cor_shim_find(struct cor_engine_task *t);
/* Stops a shim that does not answer. */
void cor_shim_kill(struct cor_engine_task *t);
/* Waits for the process's end; false when it is still there after limit_ns. */
bool cor_process_gone(int pidfd, int64_t limit_ns);

/* ---- shim_dead.c ---- */

/* The shim of this bundle is dead: its container is killed and cleaned up, and the task is stopped from then on.
 * COR_TASK_DEAD with *ret; NOT_FOUND when it never was a task (then nothing of it is left). */
int cor_task_bury(struct cor_engine *e, const char *id, int bundle_fd, struct cor_task_exit *ret,
		  struct cor_error *err);
/* Kills whatever runs in the container, if one was made, and has the runtime forget it. True when the runtime had known
 * it. */
bool cor_task_clean_up(const struct cor_engine *e, const char *id, int bundle_fd);

/* linux.resources.cpu.burst of a spec (JSON), 0: none; and writing it into the cgroup of a created container's init
 * (task_burst.c). */
int64_t cor_task_burst(const char *spec);
int cor_task_burst_apply(int64_t burst, pid_t pid, struct cor_error *err);
/* For init of a restored container: its loopback is up again, where the network is its own (task_loopback.c). */
int cor_task_loopback_up(const char *spec, pid_t pid, struct cor_error *err);

/* ---- the operations ---- */
int cor_task_create_op(struct cor_services *s, const struct cor_task_create *req, pid_t *ret_pid,
		       int *ret_console, struct cor_error *err);
int cor_task_start_op(struct cor_services *s, const char *id, const char *exec_id, pid_t *ret_pid,
		      struct cor_error *err);
int cor_task_exec_op(struct cor_services *s, const struct cor_exec *req, struct cor_error *err);
int cor_task_console_op(struct cor_services *s, const char *id, const char *exec_id, int *ret_fd,
			struct cor_error *err);
int cor_task_state_op(struct cor_services *s, const char *id, const char *exec_id, struct cor_task *ret,
		      struct cor_error *err);
int cor_task_walk_op(struct cor_services *s, cor_task_walk_fn fn, void *data, struct cor_error *err);
int cor_task_pids_op(struct cor_services *s, const char *id, pid_t **ret, size_t *ret_n,
		     struct cor_error *err);
int cor_task_wait_op(struct cor_services *s, const char *id, const char *exec_id, struct cor_task_exit *ret,
		     struct cor_error *err);
int cor_task_wait_fd_op(struct cor_services *s, const char *id, const char *exec_id, int *ret_fd,
			struct cor_error *err);
int cor_task_remove_op(struct cor_services *s, const char *id, const char *exec_id, struct cor_task_exit *ret,
		       struct cor_error *err);
int cor_task_kill_op(struct cor_services *s, const char *id, const char *exec_id, int sig, bool all,
		     struct cor_error *err);
int cor_task_pause_op(struct cor_services *s, const char *id, struct cor_error *err);
int cor_task_resume_op(struct cor_services *s, const char *id, struct cor_error *err);
int cor_task_resize_op(struct cor_services *s, const char *id, const char *exec_id, uint16_t rows,
		       uint16_t columns, struct cor_error *err);
int cor_task_close_stdin_op(struct cor_services *s, const char *id, const char *exec_id,
			    struct cor_error *err);
int cor_task_checkpoint_op(struct cor_services *s, const struct cor_task_checkpoint *req,
			   struct cor_checkpoint_result *ret, struct cor_error *err);
int cor_task_attach_op(struct cor_services *s, const char *id, const char *exec_id, int *ret_sock,
		       bool *ret_terminal, struct cor_error *err);

#endif
