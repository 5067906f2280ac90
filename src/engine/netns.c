/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces of containers with CNI networks: pinned as <state>/.netns/<namespace>/<id>, so that plugins can still
 * go into one when the container has ended, and a lock around setting up and taking down (<root>/locks/netns-…).
 */
#include "engine/internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"

#define PINS_DIR     ".netns" /* no namespace can have the name */
#define LOCK_STEP_NS 10000000

static int pins_dir(struct cor_engine *e, struct cor_error *err)
{
	_cleanup_close_ int top = cor_open_or_mkdir_at(e->state_fd, PINS_DIR, 0700, err);
	return top < 0 ? top : cor_open_or_mkdir_at(top, e->ns, 0700, err);
}

static int netns_lock(struct cor_services *s, const char *id, int64_t timeout_ns, int *ret_fd,
		      struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	_cleanup_free_ char *name = cor_asprintf("netns-%s-%s", e->ns, id);
	int64_t end = cor_monotonic_ns() + timeout_ns;
	if (!name)
		return cor_error_oom(err);
	for (;;) {
		int fd = cor_engine_lock(e, name, COR_LOCK_EXCLUSIVE, false, err);
		if (fd >= 0)
			*ret_fd = fd;
		if (fd != -EWOULDBLOCK)
			return fd < 0 ? fd : 0;
		if (cor_monotonic_ns() >= end)
			return cor_error_set(err, COR_DEADLINE_EXCEEDED,
					     "network of container %s: somebody else is at work on it", id);
		(void)nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_NS}, NULL);
	}
}

static int netns_pin(struct cor_services *s, const char *id, pid_t pid, char **ret_path,
		     struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	char source[64];
	(void)snprintf(source, sizeof(source), "/proc/%d/ns/net", (int)pid);
	_cleanup_close_ int ns = openat(AT_FDCWD, source, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return cor_error_errno(err, errno, "open %s", source);
	struct stat ours, theirs;
	if (fstatat(AT_FDCWD, "/proc/self/ns/net", &ours, 0) < 0 || fstat(ns, &theirs) < 0)
		return cor_error_errno(err, errno, "stat %s", source);
	if (ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev)
		return cor_error_set(
			err, COR_FAILED_PRECONDITION,
			"container %s is in the host's network namespace: --cni needs one of its own", id);
	_cleanup_free_ char *path = cor_asprintf("%s/" PINS_DIR "/%s/%s", e->state, e->ns, id);
	int r = path ? -ENOENT : cor_error_oom(err);
	/* Another container's unpin may take the directory away in between. */
	for (int tries = 0; r == -ENOENT && tries < 8; tries++) {
		cor_error_clear(err);
		_cleanup_close_ int dir = pins_dir(e, err);
		r = dir < 0 ? dir : cor_pin_namespace_at(ns, dir, id, err);
	}
	if (r >= 0)
		*ret_path = TAKE_PTR(path);
	return r;
}

/* A directory that is not there has nothing pinned in it. */
static int open_pins(struct cor_engine *e)
{
	_cleanup_free_ char *name = cor_asprintf(PINS_DIR "/%s", e->ns);
	return name ? cor_open_in_root(e->state_fd, name, O_RDONLY | O_DIRECTORY, 0) : -ENOMEM;
}

static bool netns_pinned(struct cor_services *s, const char *id)
{
	_cleanup_close_ int dir = open_pins(cor_engine_of(s));
	return dir >= 0 && cor_namespace_pinned_at(dir, id);
}

static int netns_unpin(struct cor_services *s, const char *id, bool forget, struct cor_error *err)
{
	struct cor_engine *e = cor_engine_of(s);
	_cleanup_free_ char *pins = cor_asprintf(PINS_DIR "/%s", e->ns);
	_cleanup_free_ char *lock = cor_asprintf("locks/netns-%s-%s", e->ns, id);
	if (!pins || !lock)
		return cor_error_oom(err);
	_cleanup_close_ int dir = open_pins(e);
	int r = dir >= 0 ? cor_unmount_at(dir, id, err) : 0;
	if (r >= 0 && dir >= 0 && unlinkat(dir, id, 0) < 0 && errno != ENOENT)
		r = cor_error_errno(err, errno, "unpin network namespace of %s", id);
	if (r >= 0 && dir >= 0)
		(void)unlinkat(e->state_fd, pins, AT_REMOVEDIR); /* unless others are in it */
	if (r >= 0 && forget)
		(void)unlinkat(e->root_fd, lock, 0);
	return r < 0 ? r : 0;
}

const struct cor_netns_ops cor_engine_netns_ops = {
	.lock = netns_lock,
	.pin = netns_pin,
	.pinned = netns_pinned,
	.unpin = netns_unpin,
};
