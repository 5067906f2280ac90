/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child makes itself a mount namespace, mounts there, and sends back a descriptor of the mounted root. When it ends, its
 * namespace ends and the mounts are detached; the descriptor keeps them usable until it is closed.
 */
#include "engine/view.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"
#include "base/process.h"

static int mount_here(const char *path, const struct cor_mounts *mounts, struct cor_error *err)
{
	struct mount_attr private = {.propagation = MS_PRIVATE};
	if (unshare(CLONE_NEWNS) < 0)
		return cor_error_errno(err, errno, "new mount namespace");
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof(private)) < 0)
		return cor_error_errno(err, errno, "make mounts private");
	/* By path: the descriptors that we have lead into the old namespace. */
	_cleanup_close_ int target = cor_open_dir(path, err);
	int r = target < 0 ? target : cor_mount_all(mounts, target, err);
	return r < 0 ? r : cor_open_dir(path, err);
}

static void child(int sock, const char *path, const struct cor_mounts *mounts)
{
	struct cor_error err = {0};
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	int fd = mount_here(path, mounts, &err);
	if (fd >= 0)
		(void)cor_send_fds(sock, &err, sizeof(err), &fd, 1);
	else
		(void)cor_send_fds(sock, &err, sizeof(err), NULL, 0);
	_exit(0);
}

static int receive(int sock, struct cor_error *err)
{
	struct cor_error sent;
	int fd = -1;
	size_t n = 1;
	ssize_t got = cor_recv_fds(sock, &sent, sizeof(sent), &fd, &n);
	if (got != (ssize_t)sizeof(sent) || (n == 0 && sent.code == COR_OK)) {
		if (n == 1)
			cor_close(fd);
		return cor_error_set(err, COR_INTERNAL, "the mounting process ended early");
	}
	if (n == 1)
		return fd;
	sent.message[sizeof(sent.message) - 1] = 0;
	if (err)
		*err = sent;
	return sent.sys_errno ? -sent.sys_errno : cor_code_to_errno(sent.code);
}

int cor_engine_view(struct cor_engine *e, const struct cor_mounts *mounts, struct cor_error *err)
{
	int socks[2];
	_cleanup_free_ char *path = cor_asprintf("%s/mnt", e->root);
	if (!path)
		return cor_error_oom(err);
	_cleanup_close_ int dir = cor_open_or_mkdir_at(e->root_fd, "mnt", 0700, err);
	if (dir < 0)
		return dir;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return cor_error_errno(err, errno, "socket pair");
	pid_t pid = fork();
	if (pid == 0)
		child(socks[1], path, mounts);
	cor_close(socks[1]);
	int r = pid < 0 ? cor_error_errno(err, errno, "fork") : receive(socks[0], err);
	cor_close(socks[0]);
	int status;
	if (pid > 0)
		(void)cor_wait_exit(pid, &status);
	return r < 0 ? cor_error_wrap(err, r, "mount snapshot") : r;
}
