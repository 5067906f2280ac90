/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a container through a real shim and a real runtime: argv[1] names the runtime. */
#include "rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

static const char *runtime;
static struct rig rig_of_test;

static int setup(void **state)
{
	rig_start(&rig_of_test, runtime);
	*state = &rig_of_test;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	return 0;
}

static void create_start_wait_delete(void **state)
{
	struct rig *r = *state;
	int status;
	pid_t pid;
	rig_config(r, "exit 7", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, false));
	rig_ok(rig_state(r, "", &status, &pid));
	assert_int_equal(status, CONTAINERD__V1__TYPES__STATUS__CREATED);
	assert_int_equal(pid, r->pid);
	assert_int_equal(kill(pid, 0), 0);
	rig_ok(rig_begin(r, "", NULL));
	assert_int_equal(rig_wait(r, ""), 7);
	rig_ok(rig_state(r, "", &status, &pid));
	assert_int_equal(status, CONTAINERD__V1__TYPES__STATUS__STOPPED);
	assert_int_equal(rig_wait(r, ""), 7); /* again */
	assert_int_equal(rig_delete(r, ""), 7);
	assert_true(rig_state(r, "", &status, &pid) < 0);
	assert_string_equal(r->err.message, "container not created: not found");
}

static void delete_created(void **state)
{
	struct rig *r = *state;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, false));
	pid_t pid = r->pid;
	assert_int_equal(rig_delete(r, ""), 137);
	for (int i = 0; i < 200 && kill(pid, 0) == 0; i++)
		(void)usleep(10000);
	assert_int_equal(kill(pid, 0), -1);
}

static void kill_created(void **state)
{
	struct rig *r = *state;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, false));
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

static void exit_codes(void **state)
{
	struct rig *r = *state;
	static const int codes[] = {0, 1, 42, 255};
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		char script[32];
		(void)snprintf(script, sizeof(script), "exit %d", codes[i]);
		rig_run(r, script, codes[i]);
	}
	rig_run(r, "kill -9 $$; exit 6", 6); /* init cannot kill itself in its own pid namespace */
}

static void signals(void **state)
{
	struct rig *r = *state;
	rig_config(r, "trap 'exit 33' USR1; echo up; while :; do sleep 0.05; done", false);
	_cleanup_free_ char *log = cor_asprintf("log://%s", rig_path(r, "log"));
	rig_ok(rig_create(r, &(struct rig_io){.out = log, .err = log}, true));
	rig_wait_for(r, "log/current", "up");
	rig_ok(rig_kill(r, "", SIGUSR1, false));
	assert_int_equal(rig_wait(r, ""), 33);
	assert_true(rig_kill(r, "", SIGTERM, false) < 0);
	assert_string_equal(r->err.message, "process already finished: not found");
	assert_int_equal(r->err.code, COR_NOT_FOUND);
	assert_int_equal(rig_delete(r, ""), 33);
}

static void wrong_states(void **state)
{
	struct rig *r = *state;
	rig_config(r, "sleep 100", false);
	assert_true(rig_delete(r, "") < 0);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	assert_true(rig_create(r, &(struct rig_io){0}, true) < 0);
	assert_int_equal(r->err.code, COR_ALREADY_EXISTS);
	assert_true(rig_begin(r, "", NULL) < 0);
	assert_int_equal(r->err.code, COR_FAILED_PRECONDITION);
	assert_true(rig_delete(r, "") < 0);
	assert_string_equal(r->err.message,
			    "task must be stopped before deletion: running: failed precondition");
	assert_int_equal(r->err.code, COR_FAILED_PRECONDITION);
	assert_true(rig_delete(r, "nope") < 0);
	assert_int_equal(r->err.code, COR_NOT_FOUND);
	assert_true(rig_kill(r, "", 99, false) < 0);
	assert_int_equal(r->err.code, COR_INVALID_ARGUMENT);
	rig_ok(rig_kill(r, "", SIGKILL, true));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

static void no_such_command(void **state)
{
	struct rig *r = *state;
	char part[64];
	for (int start = 0; start < 2; start++) {
		rig_config_args(r, "[\"nosuch\"]", false);
		assert_true(rig_create(r, &(struct rig_io){0}, start) < 0);
		(void)snprintf(part, sizeof(part), "OCI runtime create failed: %s create failed: ", runtime);
		rig_assert_text(r->err.message, part);
		rig_assert_text(r->err.message, "nosuch");
		assert_null(strstr(r->err.message, "run failed"));
	}
	rig_run(r, "exit 3", 3); /* the shim can still be used */
}

static void no_such_runtime(void **state)
{
	struct rig *r = *state;
	r->runtime = "no-such-runtime";
	assert_true(rig_create(r, &(struct rig_io){0}, true) < 0);
	assert_int_equal(r->err.code, COR_NOT_FOUND);
	rig_assert_text(r->err.message, "no-such-runtime");
	r->runtime = runtime;
}

static void fast_exits(void **state)
{
	struct rig *r = *state;
	rig_config(r, "exit 5", false);
	for (int i = 0; i < 200; i++) {
		rig_ok(rig_create(r, &(struct rig_io){0}, true));
		assert_int_equal(rig_wait(r, ""), 5);
		assert_int_equal(rig_delete(r, ""), 5);
	}
}

static void exec_basics(void **state)
{
	struct rig *r = *state;
	int status;
	pid_t pid;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	_cleanup_free_ char *log = cor_asprintf("log://%s", rig_path(r, "elog"));
	rig_ok(rig_exec(r, "e1", "[\"sh\",\"-c\",\"echo hello; exit 9\"]",
			&(struct rig_io){.out = log, .err = log}));
	assert_int_equal(rig_wait(r, "e1"), 9);
	rig_wait_for(r, "elog/current", "stdout F hello\n");
	assert_int_equal(rig_delete(r, "e1"), 9);
	rig_ok(rig_exec(r, "e2", "[\"sleep\",\"100\"]", &(struct rig_io){0}));
	rig_ok(rig_state(r, "e2", &status, &pid));
	assert_int_equal(status, CONTAINERD__V1__TYPES__STATUS__RUNNING);
	assert_true(rig_exec(r, "e2", "[\"true\"]", &(struct rig_io){0}) < 0);
	assert_int_equal(r->err.code, COR_ALREADY_EXISTS);
	assert_true(rig_delete(r, "e2") < 0);
	rig_ok(rig_kill(r, "e2", SIGTERM, false));
	assert_int_equal(rig_wait(r, "e2"), 143);
	assert_int_equal(rig_delete(r, "e2"), 143);
	assert_true(rig_exec(r, "e3", "[\"nosuch\"]", &(struct rig_io){0}) < 0);
	rig_assert_text(r->err.message, "OCI runtime exec failed: ");
	rig_assert_text(r->err.message, "nosuch");
	assert_int_equal(rig_delete(r, "e3"), 255);
	assert_true(rig_exec(r, "../x", "[\"true\"]", &(struct rig_io){0}) < 0);
	assert_int_equal(r->err.code, COR_INVALID_ARGUMENT);
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_true(rig_exec(r, "e4", "[\"true\"]", &(struct rig_io){0}) < 0);
	assert_int_equal(r->err.code, COR_FAILED_PRECONDITION);
	assert_int_equal(rig_delete(r, ""), 137);
}

static void fast_execs(void **state)
{
	struct rig *r = *state;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	for (int i = 0; i < 50; i++) {
		char id[16];
		(void)snprintf(id, sizeof(id), "e%d", i);
		rig_ok(rig_exec(r, id, "[\"sh\",\"-c\",\"exit 4\"]", &(struct rig_io){0}));
		assert_int_equal(rig_wait(r, id), 4);
		assert_int_equal(rig_delete(r, id), 4);
	}
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

static void init_dies_with_execs(void **state)
{
	struct rig *r = *state;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	rig_ok(rig_exec(r, "e1", "[\"sleep\",\"100\"]", &(struct rig_io){0}));
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_wait(r, "e1"), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

static void host_pid_namespace(void **state)
{
	struct rig *r = *state;
	pid_t pid;
	r->host_pid = true;
	rig_config(r, "sleep 200 & echo up; sleep 100", false);
	_cleanup_free_ char *log = cor_asprintf("log://%s", rig_path(r, "log"));
	rig_ok(rig_create(r, &(struct rig_io){.out = log, .err = log}, true));
	rig_wait_for(r, "log/current", "up");
	rig_ok(rig_exec(r, "e1", "[\"sleep\",\"100\"]", &(struct rig_io){0}));
	rig_ok(rig_state(r, "e1", NULL, &pid));
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_int_equal(rig_wait(r, ""), 137); /* although the sleeping child holds the pipe */
	assert_int_equal(rig_wait(r, "e1"), 137);
	assert_int_equal(rig_delete(r, ""), 137);
	assert_int_equal(kill(pid, 0), -1);
}

static void kill_all(void **state)
{
	struct rig *r = *state;
	rig_config(r, "trap '' TERM; sleep 100 & wait; exit 3", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	rig_ok(rig_kill(r, "", SIGKILL, true));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

static void pids(void **state)
{
	struct rig *r = *state;
	ProtobufCMessage *ret = NULL;
	Containerd__Task__V2__PidsRequest m = CONTAINERD__TASK__V2__PIDS_REQUEST__INIT;
	m.id = (char *)(uintptr_t)RIG_ID;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	rig_ok(rig_exec(r, "e1", "[\"sleep\",\"100\"]", &(struct rig_io){0}));
	rig_ok(rig_call(r, "Pids", &m.base, &containerd__task__v2__pids_response__descriptor, &ret));
	Containerd__Task__V2__PidsResponse *p = (Containerd__Task__V2__PidsResponse *)ret;
	bool init = false, exec = false;
	for (size_t i = 0; i < p->n_processes; i++) {
		init |= p->processes[i]->pid == (uint32_t)r->pid && !p->processes[i]->info;
		exec |= p->processes[i]->info &&
			streq(p->processes[i]->info->type_url, "containerd.runc.v1.ProcessDetails");
	}
	assert_true(init && exec);
	protobuf_c_message_free_unpacked(ret, NULL);
	rig_ok(rig_kill(r, "", SIGKILL, true));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

static void pause_and_resume(void **state)
{
	struct rig *r = *state;
	int status;
	Containerd__Task__V2__PauseRequest m = CONTAINERD__TASK__V2__PAUSE_REQUEST__INIT;
	m.id = (char *)(uintptr_t)RIG_ID;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	assert_true(rig_call(r, "Resume", &m.base, NULL, NULL) < 0);
	rig_ok(rig_call(r, "Pause", &m.base, NULL, NULL));
	rig_ok(rig_state(r, "", &status, NULL));
	assert_int_equal(status, CONTAINERD__V1__TYPES__STATUS__PAUSED);
	assert_true(rig_exec(r, "e1", "[\"true\"]", &(struct rig_io){0}) < 0);
	assert_true(rig_delete(r, "") < 0);
	rig_assert_text(r->err.message, "paused");
	rig_ok(rig_call(r, "Resume", &m.base, NULL, NULL));
	rig_ok(rig_state(r, "", &status, NULL));
	assert_int_equal(status, CONTAINERD__V1__TYPES__STATUS__RUNNING);
	rig_ok(rig_call(r, "Pause", &m.base, NULL, NULL));
	rig_ok(rig_kill(r, "", SIGKILL, false)); /* also a frozen one dies */
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

/* The root file system is mounted for the container, and unmounted with it and after a failure. */
static void rootfs_mounts(void **state)
{
	struct rig *r = *state;
	r->overlay = true;
	rig_run(r, "echo changed >/file; cat /file", 0);
	_cleanup_free_ char *upper = rig_read(r, "upper/file");
	assert_string_equal(upper, "changed\n");
	rig_config_args(r, "[\"nosuch\"]", false);
	assert_true(rig_create(r, &(struct rig_io){0}, true) < 0);
	_cleanup_free_ char *mounts = rig_read_path("/proc/self/mountinfo");
	assert_null(strstr(mounts, r->dir));
	r->lower = "/nonexistent";
	assert_true(rig_create(r, &(struct rig_io){0}, true) < 0);
	rig_assert_text(r->err.message, "mount root file system");
	r->lower = NULL;
	rig_run(r, "cat /file; exit 2", 2);
}

static void update(void **state)
{
	struct rig *r = *state;
	Containerd__Task__V2__UpdateTaskRequest m = CONTAINERD__TASK__V2__UPDATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	static const char json[] = "{\"pids\":{\"limit\":77}}";
	m.id = (char *)(uintptr_t)RIG_ID;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	assert_true(rig_call(r, "Update", &m.base, NULL, NULL) < 0);
	assert_int_equal(r->err.code, COR_INVALID_ARGUMENT);
	any.value = (ProtobufCBinaryData){.len = sizeof(json) - 1, .data = (uint8_t *)(uintptr_t)json};
	m.resources = &any;
	rig_ok(rig_call(r, "Update", &m.base, NULL, NULL));
	_cleanup_free_ char *v1 = cor_asprintf("/sys/fs/cgroup/pids/%s/pids.max", r->dir + strlen("/tmp/"));
	_cleanup_free_ char *v2 = cor_asprintf("/sys/fs/cgroup/%s/pids.max", r->dir + strlen("/tmp/"));
	_cleanup_free_ char *one = rig_read_path(v1), *two = rig_read_path(v2);
	assert_true(streq(one, "77\n") || streq(two, "77\n"));
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

static void shutdown_now(void **state)
{
	struct rig *r = *state;
	Containerd__Task__V2__ShutdownRequest m = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	m.id = (char *)(uintptr_t)RIG_ID;
	rig_config(r, "sleep 100", false);
	rig_ok(rig_create(r, &(struct rig_io){0}, true));
	rig_ok(rig_call(r, "Shutdown", &m.base, NULL, NULL));
	rig_ok(rig_state(r, "", NULL, NULL)); /* it has a task */
	m.now = true;
	rig_ok(rig_call(r, "Shutdown", &m.base, NULL, NULL));
}

int main(int argc, char **argv)
{
	runtime = argc > 1 ? argv[1] : "runc";
	const char *why = rig_missing(runtime);
	if (why) {
		print_message("skipped: %s: %s\n", runtime, why);
		return 77;
	}
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(create_start_wait_delete),
		T(delete_created),
		T(kill_created),
		T(exit_codes),
		T(signals),
		T(wrong_states),
		T(no_such_command),
		T(no_such_runtime),
		T(fast_exits),
		T(exec_basics),
		T(fast_execs),
		T(init_dies_with_execs),
		T(host_pid_namespace),
		T(kill_all),
		T(pids),
		T(pause_and_resume),
		T(rootfs_mounts),
		T(update),
		T(shutdown_now),
	};
	return cmocka_run_group_tests_name(runtime, tests, NULL, NULL);
}
