/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a shim that died: whoever notices first kills the container, has the runtime forget it, unmounts its root file
 * system, and leaves a note (file "exited" in the bundle), so that the task is STOPPED for everybody until it is removed.
 */
#include "engine/task_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mount.h"
#include "base/path.h"
#include "base/process.h"
#include "oci/json.h"

#define EXITED_FILE     "exited"
#define CONFIG_MAX      (16u << 20)
#define DELETE_LIMIT_NS (INT64_C(30) * 1000000000)

static int read_exit(int bundle_fd, struct cor_task_exit *ret)
{
	_cleanup_free_ char *text = NULL;
	struct cor_task_exit e;
	if (cor_read_file_at(bundle_fd, EXITED_FILE, 64, &text, NULL, NULL) < 0)
		return -ENOENT;
	if (sscanf(text, "%" SCNu32 " %" SCNd64, &e.status, &e.exited_ns) != 2)
		return -ENOENT;
	*ret = e;
	return 0;
}

static void write_exit(int bundle_fd, const struct cor_task_exit *e)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%" PRIu32 " %" PRId64 "\n", e->status, e->exited_ns);
	/* Without it the next one does the same work again, in vain but without harm. */
	(void)cor_write_file_at(bundle_fd, EXITED_FILE, text, (size_t)n, 0600, false, NULL);
}

/* True when the runtime has a container of this name in its own state directory. */
static bool runtime_knows(const char *root, const char *id)
{
	_cleanup_free_ char *path = cor_asprintf("%s/%s", root, id);
	return path && faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0;
}

static void runtime_delete(const struct cor_task_runtime *r, const char *id)
{
	char *argv[8];
	size_t n = 0;
	pid_t pid;
	_cleanup_close_ int pidfd = -1;
	struct cor_error err = {0};
	argv[n++] = r->binary;
	argv[n++] = cor_task_text("--root");
	argv[n++] = r->root;
	argv[n++] = cor_task_text("delete");
	argv[n++] = cor_task_text("--force");
	argv[n++] = cor_task_text(id);
	argv[n] = NULL;
	struct cor_spawn spawn = {
		.path = r->binary,
		.argv = argv,
		.cwd_fd = -1,
		.fds = {-1, -1, -1},
		.nfds = 3,
		.new_session = true,
		.default_signals = true,
	};
	if (cor_spawn(&spawn, &pid, &pidfd, &err) < 0) {
		cor_warn("clean up task %s: %s", id, err.message);
		return;
	}
	if (!cor_process_gone(pidfd, DELETE_LIMIT_NS)) {
		cor_warn("clean up task %s: %s delete takes too long", id, r->binary);
		(void)cor_pidfd_kill(pidfd, SIGKILL);
	}
	int status;
	(void)cor_wait_exit(pid, &status);
}

struct group {
	char *path;             /* linux.cgroupsPath, NULL: none of its own */
	bool own_pid_namespace; /* init has taken everything in it along */
};

static struct group read_group(int bundle_fd)
{
	struct group g = {0};
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *doc = NULL;
	const char *path = NULL;
	size_t n, i;
	const json_t *ns, *part;
	if (cor_read_file_at(bundle_fd, "config.json", CONFIG_MAX, &text, &n, NULL) < 0 ||
	    cor_json_parse(text, n, "config.json", &doc, NULL) < 0)
		return g;
	part = json_object_get(doc, "linux");
	json_array_foreach(json_object_get(part, "namespaces"), i, ns)
	{
		const char *type = json_string_value(json_object_get(ns, "type"));
		if (type && streq(type, "pid"))
			g.own_pid_namespace = cor_empty(json_string_value(json_object_get(ns, "path")));
	}
	if (cor_json_get_str(part, "cgroupsPath", &path, NULL) == 0 && cor_cgroup_path_is_own(path))
		g.path = strdup(path);
	return g;
}

bool cor_task_clean_up(const struct cor_engine *e, const char *id, int bundle_fd)
{
	struct cor_task_runtime r = {0};
	bool knew = cor_task_runtime_load(bundle_fd, &r) == 0 && runtime_knows(r.root, id);
	bool was_made = knew || faccessat(bundle_fd, "init.pid", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	struct group g = read_group(bundle_fd);
	_cleanup_free_ char *path = g.path, *own = cor_asprintf("/%s/%s", e->ns, id);
	bool named = path && own && streq(path, own);
	/* In a group of another name there may be others' processes; and without a container they all are. */
	if (was_made && named && !(knew && g.own_pid_namespace))
		cor_cgroup_kill(path);
	else if (was_made && path)
		cor_cgroup_thaw(path);
	if (knew)
		runtime_delete(&r, id);
	(void)cor_unmount_at(bundle_fd, "rootfs", NULL);
	if (path && (was_made || named))
		(void)cor_cgroup_remove(path);
	cor_task_runtime_done(&r);
	return knew;
}

int cor_task_bury(struct cor_engine *e, const char *id, int bundle_fd, struct cor_task_exit *ret,
		  struct cor_error *err)
{
	struct cor_task_exit ended = {0};
	if (!cor_bundle_is_task(bundle_fd))
		return cor_task_not_found(id, err);
	int r = read_exit(bundle_fd, &ended);
	if (r == 0) {
		*ret = ended;
		return COR_TASK_DEAD;
	}
	r = cor_bundle_lock(e, id, bundle_fd);
	if (r == -ENOENT)
		return cor_task_not_found(id, err);
	if (r < 0)
		return cor_error_errno(err, r, "lock bundle of task %s", id);
	r = COR_TASK_DEAD;
	if (read_exit(bundle_fd, &ended) < 0) {
		if (cor_task_clean_up(e, id, bundle_fd)) {
			ended = (struct cor_task_exit){.status = COR_TASK_KILLED, .exited_ns = cor_now_ns()};
			write_exit(bundle_fd, &ended);
		} else {
			/* The shim died before there was a container. */
			r = cor_bundle_remove(e, id, bundle_fd, err);
			if (r == 0)
				r = cor_task_not_found(id, err);
		}
	}
	cor_bundle_unlock(bundle_fd);
	if (r == COR_TASK_DEAD)
		*ret = ended;
	return r;
}
