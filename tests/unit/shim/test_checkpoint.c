/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoint and restore over the Task API as containerd uses it: Create with a checkpoint, then Start; criu by the path in the
 * runtime's options. argv[1] names the runtime.
 */
#include "rig.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"

#define COUNTING "i=0; while :; do echo n$i.; i=$((i+1)); sleep 0.1; done"

static const char *runtime;
static char criu[512];
static struct rig rig_of_test;

static int setup(void **state)
{
	rig_start(&rig_of_test, runtime);
	rig_of_test.criu = criu;
	rig_of_test.checkpoint = NULL;
	*state = &rig_of_test;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	return 0;
}

static int checkpoint(struct rig *r, const char *path, const char *type, bool exit)
{
	Containerd__Task__V2__CheckpointTaskRequest m = CONTAINERD__TASK__V2__CHECKPOINT_TASK_REQUEST__INIT;
	Google__Protobuf__Any options = GOOGLE__PROTOBUF__ANY__INIT;
	uint8_t packed[] = {1 << 3, 1}; /* exit */
	m.id = (char *)(uintptr_t)RIG_ID;
	m.path = (char *)(uintptr_t)path;
	options.type_url = (char *)(uintptr_t)type;
	options.value = (ProtobufCBinaryData){.len = exit ? sizeof(packed) : 0, .data = packed};
	m.options = &options;
	return rig_call(r, "Checkpoint", &m.base, NULL, NULL);
}

static void start_counting(struct rig *r, const char *log)
{
	struct rig_io io = {.out = log};
	rig_config(r, COUNTING, false);
	rig_ok(rig_create(r, &io, false));
	rig_ok(rig_begin(r, "", NULL));
	rig_wait_for(r, "log/current", " n3.");
}

static void expect_state(struct rig *r, int want, pid_t *ret_pid)
{
	int status;
	rig_ok(rig_state(r, "", &status, ret_pid));
	assert_int_equal(status, want);
}

static void create_then_start(void **state)
{
	struct rig *r = *state;
	_cleanup_free_ char *images = cor_asprintf("%s/images", r->dir),
			    *log = cor_asprintf("log://%s/log", r->dir);
	pid_t pid;
	start_counting(r, log);
	rig_ok(checkpoint(r, images, COR_CHECKPOINT_OPTIONS_TYPE, true));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);

	r->checkpoint = images;
	_cleanup_free_ char *log2 = cor_asprintf("log://%s/log2", r->dir);
	rig_ok(rig_create(r, &(struct rig_io){.out = log2}, false));
	assert_int_equal(r->pid, 0);
	expect_state(r, CONTAINERD__V1__TYPES__STATUS__CREATED, &pid);
	assert_int_equal(pid, 0);
	assert_true(checkpoint(r, images, COR_CHECKPOINT_OPTIONS_TYPE, false) < 0);
	rig_assert_text(r->err.message, "cannot checkpoint a task in created state");
	assert_true(rig_exec(r, "e1", "[\"/bin/true\"]", &(struct rig_io){0}) < 0);
	rig_assert_text(r->err.message, "cannot exec in a created state");

	rig_ok(rig_begin(r, "", NULL));
	expect_state(r, CONTAINERD__V1__TYPES__STATUS__RUNNING, &pid);
	assert_int_equal(kill(pid, 0), 0);
	rig_wait_for(r, "log2/current", "n");
	_cleanup_free_ char *text = rig_read(r, "log2/current");
	assert_null(strstr(text, " n0."));
	assert_true(rig_begin(r, "", NULL) < 0); /* not twice */
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

static void leaves_running(void **state)
{
	struct rig *r = *state;
	_cleanup_free_ char *images = cor_asprintf("%s/images", r->dir),
			    *log = cor_asprintf("log://%s/log", r->dir);
	pid_t before = 0, after = 0;
	start_counting(r, log);
	expect_state(r, CONTAINERD__V1__TYPES__STATUS__RUNNING, &before);
	rig_ok(checkpoint(r, images, "types.containerd.io/" COR_CHECKPOINT_OPTIONS_TYPE, false));
	expect_state(r, CONTAINERD__V1__TYPES__STATUS__RUNNING, &after);
	assert_int_equal(before, after);
	assert_int_equal(faccessat(r->bundle_fd, "criu", F_OK, 0), -1);
	assert_int_equal(faccessat(AT_FDCWD, rig_path(r, "images/inventory.img"), F_OK, 0), 0);

	assert_true(checkpoint(r, images, "x.y.Z", false) < 0);
	rig_assert_text(r->err.message, "checkpoint options of type \"x.y.Z\" are not understood");
	assert_true(checkpoint(r, "relative", COR_CHECKPOINT_OPTIONS_TYPE, false) < 0);
	rig_assert_text(r->err.message, "paths must be absolute");
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_true(checkpoint(r, images, COR_CHECKPOINT_OPTIONS_TYPE, false) < 0);
	rig_assert_text(r->err.message, "cannot checkpoint a stopped container");
	assert_int_equal(rig_delete(r, ""), 137);
}

static void nothing_to_restore(void **state)
{
	struct rig *r = *state;
	pid_t pid;
	rig_config(r, COUNTING, false);
	assert_int_equal(mkdirat(AT_FDCWD, rig_path(r, "empty"), 0700), 0);
	_cleanup_free_ char *empty = cor_asprintf("%s/empty", r->dir);
	r->checkpoint = empty;
	/* Twice: a Start that failed can be tried again, and what was created can be deleted. */
	rig_ok(rig_create(r, &(struct rig_io){0}, false));
	for (int i = 0; i < 2; i++) {
		assert_true(rig_begin(r, "", NULL) < 0);
		rig_assert_text(r->err.message, "OCI runtime restore failed");
		expect_state(r, CONTAINERD__V1__TYPES__STATUS__CREATED, &pid);
		assert_int_equal(faccessat(r->bundle_fd, "criu", F_OK, 0), -1);
	}
	rig_ok(rig_delete(r, ""));
	/* In one step nothing stays. */
	assert_true(rig_create(r, &(struct rig_io){0}, true) < 0);
	rig_assert_text(r->err.message, "OCI runtime restore failed");
	assert_true(rig_state(r, "", &(int){0}, &pid) < 0);
	r->checkpoint = "relative";
	assert_true(rig_create(r, &(struct rig_io){0}, false) < 0);
	rig_assert_text(r->err.message, "not an absolute path");
}

static void no_criu(void **state)
{
	struct rig *r = *state;
	_cleanup_free_ char *log = cor_asprintf("log://%s/log", r->dir);
	r->criu = "/nowhere/criu";
	start_counting(r, log);
	assert_true(checkpoint(r, rig_path(r, "images"), COR_CHECKPOINT_OPTIONS_TYPE, false) < 0);
	rig_assert_text(r->err.message, "checkpoint: criu /nowhere/criu: No such file or directory");
	rig_ok(rig_kill(r, "", SIGKILL, false));
	assert_int_equal(rig_wait(r, ""), 137);
	assert_int_equal(rig_delete(r, ""), 137);
}

/* The tool prints the directory that has it. */
static bool find_criu(void)
{
	const char *tool = getenv("CORACLE_SID_CRIU");
	char out[] = "/tmp/coracle-criu-XXXXXX";
	char *argv[] = {(char *)(uintptr_t)tool, NULL};
	int status = 1;
	_cleanup_free_ char *text = NULL;
	pid_t pid;
	_cleanup_close_ int fd = tool ? mkostemp(out, O_CLOEXEC) : -1;
	if (fd < 0)
		return false;
	(void)unlinkat(AT_FDCWD, out, 0);
	struct cor_spawn spawn = {.path = tool, .argv = argv, .cwd_fd = -1, .fds = {-1, fd, 2}, .nfds = 3};
	if (cor_spawn(&spawn, &pid, NULL, NULL) < 0 || cor_wait_exit(pid, &status) < 0 || status != 0)
		return false;
	if (lseek(fd, 0, SEEK_SET) < 0 || cor_read_fd(fd, sizeof(criu) - 16, &text, NULL, NULL) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	(void)snprintf(criu, sizeof(criu), "%s/criu", text);
	return true;
}

int main(int argc, char **argv)
{
	runtime = argc > 1 ? argv[1] : "runc";
	const char *missing = rig_missing(runtime);
	if (!missing && !find_criu())
		missing = "no criu that works here (tools/sid-criu)";
	if (missing) {
		printf("skipped: %s\n", missing);
		return 77;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(create_then_start, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves_running, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_to_restore, setup, teardown),
		cmocka_unit_test_setup_teardown(no_criu, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
