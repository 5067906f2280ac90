/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `delete`: containerd calls it where a shim has died, or could not be reached. Whatever is left of the container goes; each step
 * is tried whatever became of the one before it.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "rpc/message.h"
#include "shim/config_facts.h"
#include "shim/rootfs.h"
#include "shim/v2.h"
#include "task_v2.pb-c.h"

/* A complaint is for containerd's log: stdout has the answer only. */
static void warn(const struct cor_error *err)
{
	(void)cor_write_full(STDERR_FILENO, err->message, strlen(err->message));
	(void)cor_write_full(STDERR_FILENO, "\n", 1);
}

static int run_delete(const char *binary, const char *root, const char *id, struct cor_error *err)
{
	const char *const argv[] = {binary, "--root", root, "delete", "--force", id, NULL};
	struct cor_spawn spawn = {.path = binary,
				  .argv = (char *const *)(uintptr_t)argv,
				  .cwd_fd = -1,
				  .fds = {-1, -1, STDERR_FILENO},
				  .nfds = 3,
				  .default_signals = true};
	pid_t pid;
	int status;
	int r = cor_spawn(&spawn, &pid, NULL, err);
	if (r < 0)
		return r;
	r = cor_wait_exit(pid, &status);
	if (r < 0 || status != 0)
		return cor_error_set(err, COR_INTERNAL, "failed to remove container %s from %s", id, binary);
	return 0;
}

/* The shim wrote down what it was about to call: the program and its root, one per line. Without that nothing was made. */
static void delete_container(int bundle, const char *ns, const char *id)
{
	_cleanup_free_ char *text = NULL;
	struct cor_error err = {0};
	if (cor_read_file_at(bundle, "runtime", 16384, &text, NULL, NULL) < 0)
		return;
	_cleanup_strv_ char **lines = cor_strv_split(text, '\n');
	if (cor_strv_len(lines) < 2 || lines[0][0] != '/' || lines[1][0] != '/')
		return;
	cor_config_facts_kill_rest(bundle, ns, id);
	if (run_delete(lines[0], lines[1], id, &err) < 0)
		warn(&err);
}

static uint32_t read_pid(int bundle)
{
	_cleanup_free_ char *text = NULL;
	uint32_t pid;
	if (cor_read_file_at(bundle, "init.pid", 64, &text, NULL, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return cor_parse_u32(text, &pid) < 0 ? 0 : pid;
}

static void remove_socket(int bundle)
{
	_cleanup_free_ char *text = NULL;
	if (cor_read_file_at(bundle, "address", 4096, &text, NULL, NULL) < 0)
		return;
	const char *path = cor_after(text, "unix://" COR_V2_SOCKET_DIR "/");
	_cleanup_close_ int dir = openat(AT_FDCWD, COR_V2_SOCKET_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (path && dir >= 0 && !strchr(path, '/') && path[0] != '.')
		(void)unlinkat(dir, path, 0);
}

static int print_answer(uint32_t pid, struct cor_error *err)
{
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Containerd__Task__V2__DeleteResponse m = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	_cleanup_free_ uint8_t *data = NULL;
	size_t n;
	cor_timestamp_set(&at, cor_now_ns());
	m.pid = pid;
	m.exit_status = 128 + SIGKILL;
	m.exited_at = &at;
	if (cor_message_pack(&m.base, &data, &n) < 0)
		return cor_error_oom(err);
	int r = cor_write_full(STDOUT_FILENO, data, n);
	return r < 0 ? cor_error_errno(err, r, "stdout") : 0;
}

int cor_v2_delete(const struct cor_v2 *v, struct cor_error *err)
{
	struct cor_error warning = {0};
	_cleanup_close_ int bundle = openat(AT_FDCWD, v->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bundle < 0)
		return cor_error_errno(err, errno, "%s", v->bundle);
	delete_container(bundle, v->ns, v->id);
	if (cor_rootfs_unmount(bundle, &warning) < 0)
		warn(&warning);
	remove_socket(bundle);
	return print_answer(read_pid(bundle), err);
}
