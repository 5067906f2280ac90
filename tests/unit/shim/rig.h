/* SPDX-License-Identifier: Apache-2.0 */
/* A real coracle-shim with a busybox bundle and a client connected to it, for tests. */
#ifndef COR_TEST_SHIM_RIG_H
#define COR_TEST_SHIM_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"
#include "coracle_shim.pb-c.h"
#include "rpc/shim_api.h"
#include "rpc/ttrpc_client.h"
#include "task_v2.pb-c.h"

#define RIG_ID "c1"
#define RIG_NS "test"
#define SECOND 1000000000LL

struct rig {
	const char *runtime; /* "runc", "crun", or a path */
	char dir[64];        /* holds everything: state, logs */
	char *bundle;
	int bundle_fd;
	pid_t shim;
	struct cor_ttrpc_client *client;
	bool overlay;           /* the root file system comes as a mount */
	const char *lower;      /* its lower directory, NULL: the usual one */
	bool host_pid;          /* the container shares the host's pid namespace */
	const char *checkpoint; /* create: from there; NULL: a new container */
	const char *criu;       /* option of the runtime; NULL: none */
	struct cor_error err;   /* of the last call */
	pid_t pid;              /* of init */
};

/* NULL when the tests can run here, else why not. */
const char *rig_missing(const char *runtime);
void rig_start(struct rig *r, const char *runtime);
/* Asserts that the shim is or goes away, and that nothing of it is left: processes, mounts, runtime state, cgroups. */
void rig_stop(struct rig *r);
/* Writes config.json: runs `sh -c script`, with or without a terminal. */
void rig_config(struct rig *r, const char *script, bool terminal);
void rig_config_args(struct rig *r, const char *args_json, bool terminal);
/* Another connection. */
struct cor_ttrpc_client *rig_connect(struct rig *r);
/* A path below dir; the result lives until the next call but seven. */
const char *rig_path(struct rig *r, const char *name);
char *rig_read(struct rig *r, const char *name);
char *rig_read_path(const char *path);
void rig_assert_text(const char *text, const char *part);
/* Waits until the file holds text. */
void rig_wait_for(struct rig *r, const char *name, const char *text);

struct rig_io {
	const char *in, *out, *err;
	bool terminal;
	const int *fds;
	size_t nfds;
	int *ret_console; /* may be NULL */
};
/* Each returns 0 or the errno; the message is in r->err. */
int rig_create(struct rig *r, const struct rig_io *io, bool start);
int rig_begin(struct rig *r, const char *exec_id, int *ret_console);
int rig_exec(struct rig *r, const char *exec_id, const char *args_json, const struct rig_io *io);
int rig_wait(struct rig *r, const char *exec_id);
/* The exit status of what was waited for. */
int rig_status(struct rig *r, const char *exec_id);
int rig_delete(struct rig *r, const char *exec_id);
int rig_kill(struct rig *r, const char *exec_id, int sig, bool all);
int rig_state(struct rig *r, const char *exec_id, int *ret_status, pid_t *ret_pid);
int rig_attach(struct rig *r, const char *exec_id, int *ret_sock, bool *ret_terminal);
int rig_call(struct rig *r, const char *method, const ProtobufCMessage *m,
	     const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret);
#define rig_ok(call) assert_rig_ok(&rig_of_test, (call), #call, __FILE__, __LINE__)
void assert_rig_ok(struct rig *r, int value, const char *what, const char *file, int line);
/* Run `sh -c script` to its end with output to the log; asserts its exit status. */
void rig_run(struct rig *r, const char *script, int status);

#endif
