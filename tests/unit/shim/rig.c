/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a bundle, starts the shim as the engine does, and talks to it with the ttrpc client. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"

static const char *const applets[] = {"sh",     "sleep", "true", "false", "cat", "echo", "head",
				      "seq",    "kill",  "stty", "tty",   "dd",  "yes",  "wc",
				      "printf", "touch", "id",   "ps",    "ls",  "grep", NULL};

const char *rig_missing(const char *runtime)
{
	_cleanup_free_ char *path = NULL;
	if (geteuid() != 0)
		return "not root";
	if (faccessat(AT_FDCWD, "/bin/busybox", X_OK, 0) < 0)
		return "no /bin/busybox (busybox-static)";
	if (!getenv("CORACLE_SHIM"))
		return "CORACLE_SHIM is not set";
	return cor_find_program(runtime, NULL, &path) < 0 ? "runtime not installed" : NULL;
}

const char *rig_path(struct rig *r, const char *name)
{
	static char paths[8][256];
	static unsigned n;
	char *p = paths[n++ % 8];
	(void)snprintf(p, sizeof(paths[0]), "%s/%s", r->dir, name);
	return p;
}

static void copy_busybox(int rootfs)
{
	_cleanup_close_ int bin = cor_mkdir_p_in_root(rootfs, "bin", 0755);
	_cleanup_close_ int in = openat(AT_FDCWD, "/bin/busybox", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = openat(bin, "busybox", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	assert_true(bin >= 0 && in >= 0 && out >= 0);
	assert_true(cor_copy_fd(in, out) > 0);
	for (const char *const *a = applets; *a; a++)
		assert_int_equal(symlinkat("busybox", bin, *a), 0);
	static const char *const dirs[] = {"proc", "dev", "sys", "tmp", NULL};
	for (const char *const *d = dirs; *d; d++)
		assert_int_equal(mkdirat(rootfs, *d, 0755), 0);
}

void rig_config_args(struct rig *r, const char *args, bool terminal)
{
	_cleanup_free_ char *rootfs = r->overlay ? strdup("rootfs") : cor_asprintf("%s/rootfs", r->dir);
	_cleanup_free_ char *json = cor_asprintf(
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":%s,\"user\":{\"uid\":0,\"gid\":0},"
		"\"args\":%s,"
		"\"env\":[\"PATH=/bin\",\"TERM=xterm\"],\"cwd\":\"/"
		"\",\"capabilities\":{\"bounding\":[\"CAP_KILL\"],"
		"\"effective\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"]},\"noNewPrivileges\":true},"
		"\"root\":{\"path\":\"%s\"},\"hostname\":\"rig\",\"mounts\":["
		"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/"
		"dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"mode=755\"]},"
		"{\"destination\":\"/dev/"
		"pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"newinstance\","
		"\"ptmxmode=0666\"]}],\"linux\":{\"cgroupsPath\":\"/"
		"%s\",\"namespaces\":[%s{\"type\":\"ipc\"},"
		"{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"network\"}]}}",
		terminal ? "true" : "false", args, rootfs, r->dir + strlen("/tmp/"),
		r->host_pid ? "" : "{\"type\":\"pid\"},");
	assert_non_null(json);
	assert_int_equal(
		cor_write_file_at(r->bundle_fd, "config.json", json, strlen(json), 0600, false, NULL), 0);
}

void rig_config(struct rig *r, const char *script, bool terminal)
{
	struct cor_buf b = {0};
	(void)cor_buf_str(&b, "[\"/bin/sh\",\"-c\",\"");
	for (const char *p = script; *p; p++) {
		if (*p == '"' || *p == '\\')
			(void)cor_buf_char(&b, '\\');
		(void)cor_buf_char(&b, *p);
	}
	(void)cor_buf_str(&b, "\"]");
	_cleanup_free_ char *args = cor_buf_take(&b);
	rig_config_args(r, args, terminal);
}

static void start_shim(struct rig *r)
{
	int pair[2];
	struct cor_error err = {0};
	int log = openat(AT_FDCWD, rig_path(r, "shim.err"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int listen = cor_unix_listen(r->bundle_fd, COR_SHIM_SOCKET, &err);
	assert_true(listen >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	char *argv[] = {(char *)(uintptr_t) "coracle-shim",
			(char *)(uintptr_t) "-namespace",
			(char *)(uintptr_t)RIG_NS,
			(char *)(uintptr_t) "-id",
			(char *)(uintptr_t)RIG_ID,
			(char *)(uintptr_t) "-bundle",
			r->bundle,
			NULL};
	struct cor_spawn s = {.path = getenv("CORACLE_SHIM"),
			      .argv = argv,
			      .cwd_fd = r->bundle_fd,
			      .fds = {-1, -1, log, listen, pair[1]},
			      .nfds = 5,
			      .new_session = true,
			      .default_signals = true};
	assert_int_equal(cor_spawn(&s, &r->shim, NULL, &err), 0);
	cor_close(log);
	cor_close(listen);
	cor_close(pair[1]);
	assert_int_equal(cor_ttrpc_client_new(pair[0], &r->client, &err), 0);
}

void rig_start(struct rig *r, const char *runtime)
{
	struct cor_error err = {0};
	*r = (struct rig){.runtime = runtime, .bundle_fd = -1};
	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/cor-shim-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	r->bundle = cor_asprintf("%s/state/%s/%s", r->dir, RIG_NS, RIG_ID);
	r->bundle_fd = cor_mkdir_p(r->bundle, 0700, &err);
	assert_true(r->bundle_fd >= 0);
	_cleanup_close_ int rootfs = cor_mkdir_p(rig_path(r, "rootfs"), 0755, &err);
	assert_true(rootfs >= 0);
	copy_busybox(rootfs);
	start_shim(r);
}

struct cor_ttrpc_client *rig_connect(struct rig *r)
{
	struct cor_error err = {0};
	struct cor_ttrpc_client *c = NULL;
	int fd = cor_unix_connect(r->bundle_fd, COR_SHIM_SOCKET, &err);
	if (fd < 0)
		return NULL;
	assert_int_equal(cor_ttrpc_client_new(fd, &c, &err), 0);
	return c;
}

/* Lines of a file under /proc that name this rig. */
static size_t count_mentions(struct rig *r, const char *file)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	if (cor_read_file_at(AT_FDCWD, file, 16 << 20, &text, NULL, NULL) < 0)
		return 0;
	for (char *p = text; (p = strstr(p, r->dir)); p++)
		n++;
	return n;
}

static void assert_no_cgroup(struct rig *r)
{
	char cmd[256];
	_cleanup_free_ char *out = NULL;
	int p[2];
	(void)snprintf(cmd, sizeof(cmd), "find /sys/fs/cgroup -depth -type d -name '%s' 2>/dev/null",
		       r->dir + strlen("/tmp/"));
	char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", cmd, NULL};
	assert_int_equal(cor_pipe(p), 0);
	struct cor_spawn s = {
		.path = "/bin/sh", .argv = argv, .cwd_fd = -1, .fds = {-1, p[1], -1}, .nfds = 3};
	pid_t pid;
	int status;
	assert_int_equal(cor_spawn(&s, &pid, NULL, NULL), 0);
	cor_close(p[1]);
	assert_int_equal(cor_read_fd(p[0], 65536, &out, NULL, NULL), 0);
	cor_close(p[0]);
	assert_int_equal(cor_wait_exit(pid, &status), 0);
	assert_string_equal(out, "");
}

void rig_stop(struct rig *r)
{
	int status = -1;
	r->client = cor_ttrpc_client_free(r->client);
	int64_t end = cor_monotonic_ns() + 10 * SECOND;
	pid_t pid;
	while ((pid = waitpid(r->shim, &status, WNOHANG)) == 0 && cor_monotonic_ns() < end)
		(void)usleep(2000);
	if (pid == 0) {
		Containerd__Task__V2__ShutdownRequest m = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
		m.id = (char *)(uintptr_t)RIG_ID;
		m.now = true;
		r->client = rig_connect(r);
		(void)rig_call(r, "Shutdown", &m.base, NULL, NULL);
		r->client = cor_ttrpc_client_free(r->client);
		(void)sleep(1);
		(void)kill(r->shim, SIGKILL);
		(void)waitpid(r->shim, NULL, 0);
		fail_msg("the shim did not end with its last client (%s)", r->dir);
	}
	assert_int_equal(status, 0);
	_cleanup_free_ char *errors = rig_read(r, "shim.err");
	assert_string_equal(errors, ""); /* sanitizers speak here */
	assert_int_equal(count_mentions(r, "/proc/self/mountinfo"), 0);
	assert_no_cgroup(r);
	_cleanup_free_ char *left = cor_asprintf("%s/state/.runc/%s/%s", r->dir, RIG_NS, RIG_ID);
	assert_int_not_equal(faccessat(AT_FDCWD, left, F_OK, 0), 0);
	cor_close(r->bundle_fd);
	free(r->bundle);
	assert_int_equal(cor_remove_tree_at(AT_FDCWD, r->dir, NULL), 0);
}

char *rig_read_path(const char *path)
{
	char *text = NULL;
	if (cor_read_file_at(AT_FDCWD, path, 256 << 20, &text, NULL, NULL) < 0)
		return strdup("");
	return text;
}

char *rig_read(struct rig *r, const char *name)
{
	return rig_read_path(rig_path(r, name));
}

void rig_wait_for(struct rig *r, const char *name, const char *text)
{
	for (int i = 0; i < 2000; i++) {
		_cleanup_free_ char *have = rig_read(r, name);
		if (strstr(have, text))
			return;
		(void)usleep(5000);
	}
	_cleanup_free_ char *have = rig_read(r, name);
	fail_msg("%s never held \"%s\" but: %s", name, text, have);
}

void rig_assert_text(const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		fail_msg("\"%s\" does not hold \"%s\"", text ? text : "(nothing)", part);
}
