/* SPDX-License-Identifier: Apache-2.0 */
/* An engine on a root of its own and a busybox root file system, for tests of tasks with the real shim and runtime. */
#ifndef COR_TEST_TASKS_RIG_H
#define COR_TEST_TASKS_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "engine/engine.h"
#include "rpc/shim_api.h"

#define NS     "cor-engine-test" /* also the parent of the spec's cgroup */
#define SECOND INT64_C(1000000000)

extern const char *runtime_name; /* the OCI runtime under test */

struct rig {
	char dir[32]; /* root, state, fs (root file system) */
	int fd;
	struct cor_services *s;
	struct cor_container c;
	struct cor_mounts rootfs;
	struct cor_error err;
};

#define OK(r, call)                                                          \
	do {                                                                 \
		int r_ = (call);                                             \
		if (r_ < 0)                                                  \
			fail_msg("%s: %d: %s", #call, r_, (r)->err.message); \
	} while (0)

struct cor_services *open_engine(struct rig *r, int64_t timeout_ns);
/* The container's process: a JSON array of arguments. */
void set_script(struct rig *r, const char *args, bool terminal);
void set_runtime(struct rig *r, const char *binary);
int set_up(void **state);
/* Ends the task c1 and asserts that nothing is left of anything. */
int tear_down(void **state);
/* Everything of a task is gone: bundle, runtime state, mounts, cgroups. */
void assert_nothing_left(struct rig *r);
extern const struct cor_stdio no_io;
int create(struct rig *r, struct cor_stdio io, bool start, int *ret_console);
uint32_t wait_exit(struct rig *r, const char *exec_id);
enum cor_task_status status_of(struct rig *r);
int wait_readable(int fd, int ms);
/* What a main of these tests does first; 0, or the exit status of one that is skipped. */
int rig_main(int argc, char **argv);
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
