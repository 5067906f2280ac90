/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of real plugins, which are shell scripts in a directory of the test's. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "cni/cni.h"

#define SECOND INT64_C(1000000000)

struct rig {
	char path[64];
	int dir;
	const char *dirs[3];
	struct cor_cni_network network;
	struct cor_cni_call call;
	struct cor_error err;
};

static int set_up(void **state)
{
	struct rig *g = cor_new0(struct rig, 1);
	(void)snprintf(g->path, sizeof(g->path), "/tmp/test-cni.XXXXXX");
	assert_non_null(mkdtemp(g->path));
	g->dir = cor_open_dir(g->path, NULL);
	g->dirs[0] = "/nonexistent/cni";
	g->dirs[1] = g->path;
	g->call = (struct cor_cni_call){
		.container_id = "ns-id",
		.netns = "",
		.interface = "eth0",
		.dirs = g->dirs,
		.timeout_ns = 30 * SECOND,
		.hold_fd = -1,
		.cancel_fd = -1,
	};
	*state = g;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *g = *state;
	_cleanup_close_ int tmp = cor_open_dir("/tmp", NULL);
	cor_cni_network_done(&g->network);
	cor_close(g->dir);
	assert_int_equal(cor_remove_tree_at(tmp, cor_path_base(g->path), NULL), 0);
	free(g);
	return 0;
}

static void plugin(struct rig *g, const char *name, const char *body)
{
	_cleanup_free_ char *text = cor_asprintf("#!/bin/sh\nD=%s\nread -r IN\n%s\n", g->path, body);
	assert_int_equal(cor_write_file_at(g->dir, name, text, strlen(text), 0755, false, NULL), 0);
}

static void network(struct rig *g, const char *version, const char *plugins)
{
	_cleanup_free_ char *text =
		cor_asprintf("{\"name\":\"n\",\"cniVersion\":\"%s\",\"plugins\":[%s]}", version, plugins);
	cor_cni_network_done(&g->network);
	if (cor_cni_parse(text, strlen(text), true, &g->network, &g->err) < 0)
		fail_msg("%s", g->err.message);
}

static char *content(struct rig *g, const char *name)
{
	char *text = NULL;
	if (cor_read_file_at(g->dir, name, 1 << 20, &text, NULL, NULL) < 0)
		return strdup("");
	return text;
}

static void log_is(struct rig *g, const char *want)
{
	_cleanup_free_ char *have = content(g, "log");
	assert_string_equal(have, want);
	(void)unlinkat(g->dir, "log", 0);
}

#define LOG "echo $CNI_COMMAND ${0##*/} $IN >>$D/log\n"

static void test_add_and_del(void **state)
{
	struct rig *g = *state;
	_cleanup_json_ json_t *result = NULL;
	plugin(g, "a", LOG "[ $CNI_COMMAND = DEL ] || echo '{\"from\":\"a\"}'");
	plugin(g, "b", LOG "[ $CNI_COMMAND = DEL ] || echo '{\"from\":\"b\"}'");
	network(g, "0.3.1", "{\"type\":\"a\",\"prevResult\":1},{\"type\":\"b\"}");
	assert_int_equal(cor_cni_add(&g->network, &g->call, &result, &g->err), 0);
	assert_string_equal(json_string_value(json_object_get(result, "from")), "b");
	log_is(g, "ADD a {\"type\":\"a\",\"name\":\"n\",\"cniVersion\":\"0.3.1\"}\n"
		  "ADD b {\"type\":\"b\",\"name\":\"n\",\"cniVersion\":\"0.3.1\","
		  "\"prevResult\":{\"from\":\"a\",\"cniVersion\":\"0.3.1\"}}\n");
	/* DEL has no result before 0.4.0. */
	assert_int_equal(cor_cni_del(&g->network, &g->call, result, &g->err), 0);
	log_is(g, "DEL b {\"type\":\"b\",\"name\":\"n\",\"cniVersion\":\"0.3.1\"}\n"
		  "DEL a {\"type\":\"a\",\"name\":\"n\",\"cniVersion\":\"0.3.1\"}\n");
}

static void test_failed_add(void **state)
{
	struct rig *g = *state;
	json_t *result = NULL;
	plugin(g, "a", LOG "echo '{}'");
	plugin(g, "b", LOG "echo '{\"code\":5,\"msg\":\"no\"}'; exit 1");
	network(g, "1.1.0", "{\"type\":\"a\"},{\"type\":\"b\"},{\"type\":\"a\"}");
	assert_true(cor_cni_add(&g->network, &g->call, &result, &g->err) < 0);
	assert_null(result);
	assert_string_equal(g->err.message, "plugin type=\"b\" failed (add): no");
	_cleanup_free_ char *log = content(g, "log");
	assert_null(
		strstr(log, "ADD a {\"type\":\"a\",\"name\":\"n\",\"cniVersion\":\"1.1.0\",\"prevResult\""));
}

/* All are called; the first failure counts, unless it is only that a plugin is not installed. */
static void test_failed_del(void **state)
{
	struct rig *g = *state;
	plugin(g, "ok", "echo ${0##*/} >>$D/log");
	plugin(g, "gone", "echo ${0##*/} >>$D/log; echo '{\"msg\":\"link not found\"}'; exit 1");
	plugin(g, "nofile",
	       "echo ${0##*/} >>$D/log; echo '{\"msg\":\"open : no such file or directory\"}'; exit 1");
	plugin(g, "bad", "echo ${0##*/} >>$D/log; echo '{\"msg\":\"busy\"}'; exit 1");
	network(g, "1.0.0", "{\"type\":\"ok\"},{\"type\":\"gone\"},{\"type\":\"nofile\"}");
	assert_int_equal(cor_cni_del(&g->network, &g->call, NULL, &g->err), 0);
	log_is(g, "nofile\ngone\nok\n");
	g->call.netns = "/proc/self/ns/net"; /* it is there: then a missing file is an error */
	assert_true(cor_cni_del(&g->network, &g->call, NULL, &g->err) < 0);
	log_is(g, "nofile\ngone\nok\n");
	network(g, "1.0.0", "{\"type\":\"ok\"},{\"type\":\"bad\"},{\"type\":\"missing\"}");
	assert_true(cor_cni_del(&g->network, &g->call, NULL, &g->err) < 0);
	assert_string_equal(g->err.message, "plugin type=\"bad\" failed (delete): busy");
	log_is(g, "bad\nok\n");
	network(g, "1.0.0", "{\"type\":\"ok\"},{\"type\":\"missing\"}");
	assert_int_equal(cor_cni_del(&g->network, &g->call, NULL, &g->err), -ENOENT);
	assert_int_equal(g->err.code, COR_NOT_FOUND);
	log_is(g, "ok\n");
}

static void assert_dead(struct rig *g, const char *name)
{
	_cleanup_free_ char *pid = content(g, name);
	int n = (int)strtol(pid, NULL, 10);
	char path[64], line[512] = "";
	assert_true(n > 1);
	/* Killed, and perhaps not reaped yet by whoever does that here. */
	for (int i = 0; i < 1000 && kill(n, 0) == 0; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/stat", n);
		_cleanup_close_ int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || cor_read_full(fd, line, sizeof(line) - 1) <= 0 || strstr(line, ") Z "))
			return;
		(void)poll(NULL, 0, 10);
	}
	assert_true(kill(n, 0) < 0);
}

static void test_time_limit(void **state)
{
	struct rig *g = *state;
	json_t *result = NULL;
	plugin(g, "a", "sleep 1000 & echo $! >$D/child; echo $$ >$D/pid; wait");
	network(g, "1.0.0", "{\"type\":\"a\"}");
	g->call.timeout_ns = SECOND;
	assert_int_equal(cor_cni_add(&g->network, &g->call, &result, &g->err), -ETIMEDOUT);
	assert_int_equal(g->err.code, COR_DEADLINE_EXCEEDED);
	assert_string_equal(g->err.message,
			    "plugin type=\"a\" failed (add): did not end within 1 s and was killed");
	assert_dead(g, "pid");
	assert_dead(g, "child");
}

static bool yes(void *data)
{
	(*(int *)data)++;
	return true;
}

static void test_cancelled(void **state)
{
	struct rig *g = *state;
	json_t *result = NULL;
	int asked = 0;
	_cleanup_close_ int event = eventfd(1, EFD_CLOEXEC);
	plugin(g, "a", "sleep 1000");
	network(g, "1.0.0", "{\"type\":\"a\"}");
	g->call.cancel_fd = event;
	g->call.cancelled = yes;
	g->call.data = &asked;
	assert_int_equal(cor_cni_add(&g->network, &g->call, &result, &g->err), -ECANCELED);
	assert_int_equal(asked, 1);
	assert_string_equal(g->err.message, "plugin type=\"a\" failed (add): interrupted");
}

/* A child that keeps the pipes does not keep us. */
static void test_child_keeps_output(void **state)
{
	struct rig *g = *state;
	_cleanup_json_ json_t *result = NULL;
	plugin(g, "a", "sleep 1000 & echo $! >$D/child; echo '{\"x\":1}'");
	network(g, "1.0.0", "{\"type\":\"a\"}");
	assert_int_equal(cor_cni_add(&g->network, &g->call, &result, &g->err), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "x")), 1);
	_cleanup_free_ char *pid = content(g, "child");
	assert_int_equal(kill((int)strtol(pid, NULL, 10), SIGKILL), 0);
}

static void test_descriptors(void **state)
{
	struct rig *g = *state;
	_cleanup_json_ json_t *result = NULL;
	_cleanup_close_ int lock = openat(g->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_close_ int secret = openat(g->dir, "secret", O_RDWR | O_CREAT, 0600);
	assert_true(secret >= 0);
	plugin(g, "a", "readlink /proc/$$/fd/3 >$D/three; ls -l /proc/$$/fd >$D/fds; echo '{}'");
	network(g, "1.0.0", "{\"type\":\"a\"}");
	assert_true(lock >= 0 && secret >= 0);
	g->call.hold_fd = lock;
	assert_int_equal(cor_cni_add(&g->network, &g->call, &result, &g->err), 0);
	_cleanup_free_ char *three = content(g, "three"), *fds = content(g, "fds");
	assert_non_null(strstr(three, "/lock\n"));
	assert_null(strstr(fds, "/secret"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_add_and_del), T(test_failed_add),  T(test_failed_del),         T(test_time_limit),
		T(test_cancelled),   T(test_descriptors), T(test_child_keeps_output),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
