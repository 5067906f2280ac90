/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles: made under a hidden name, complete and locked, then renamed to the task's id without replacing anything; removed
 * after they got a hidden name again. So whoever sees a bundle sees a whole one: a socket that listens, or a creator's or
 * undertaker's lock, or something dead; and what lacks config.json or the socket is not ours. (Paths of the bundle are given
 * to the shim only after the rename.)
 */
#include "engine/task_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mount.h"
#include "base/path.h"
#include "base/clock.h"
#include "oci/identifier.h"
#include "oci/json.h"

#define STALE_NS      (INT64_C(60) * 1000000000) /* a hidden bundle that is older, and not locked, is rubbish */
#define GONE          ".gone"
#define HIDDEN_RANDOM 8
#define HIDDEN_MAX    128

bool cor_bundle_is_task(int bundle_fd)
{
	struct stat st;
	return fstatat(bundle_fd, "config.json", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       fstatat(bundle_fd, COR_SHIM_SOCKET, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode);
}

/* Is it (still) the directory of this name? */
static bool has_name(struct cor_engine *e, const char *id, int bundle_fd)
{
	struct stat st, named;
	return fstat(bundle_fd, &st) == 0 && fstatat(e->ns_state_fd, id, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_ino == st.st_ino && named.st_dev == st.st_dev;
}

int cor_bundle_lock(struct cor_engine *e, const char *id, int bundle_fd)
{
	int r;
	do
		r = flock(bundle_fd, LOCK_EX);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (!has_name(e, id, bundle_fd)) {
		cor_bundle_unlock(bundle_fd);
		return -ENOENT;
	}
	return 0;
}

void cor_bundle_unlock(int bundle_fd)
{
	(void)flock(bundle_fd, LOCK_UN);
}

static int write_config(int bundle_fd, const char *spec, struct cor_error *err)
{
	_cleanup_close_ int fd =
		openat(bundle_fd, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : cor_write_full(fd, spec, strlen(spec));
	return r < 0 ? cor_error_errno(err, r, "write config.json") : 0;
}

/* The container's root group, where it runs in a user namespace: it has to get through the bundle to its root file
 * system, and nobody else has. -1: no user namespace. */
static int64_t mapped_group(const char *spec)
{
	if (!strstr(spec, "\"gidMappings\""))
		return -1;
	_cleanup_json_ json_t *doc = NULL;
	if (cor_json_parse(spec, strlen(spec), "spec", &doc, NULL) < 0)
		return -1;
	const json_t *maps = json_object_get(json_object_get(doc, "linux"), "gidMappings"), *m;
	for (size_t i = 0; (m = json_array_get(maps, i)); i++) {
		int64_t id = -1, host = -1;
		if (cor_json_get_i64(m, "containerID", &id, NULL) == 0 &&
		    cor_json_get_i64(m, "hostID", &host, NULL) == 0 && id == 0 && host >= 0 &&
		    host < UINT32_MAX)
			return host;
	}
	return -1;
}

static int open_up(int bundle_fd, const char *spec, struct cor_error *err)
{
	int64_t group = mapped_group(spec);
	if (group < 0)
		return 0;
	if (fchown(bundle_fd, (uid_t)-1, (gid_t)group) < 0 || fchmod(bundle_fd, 0710) < 0)
		return cor_error_errno(err, errno, "bundle");
	return 0;
}

static int fill_bundle(int fd, const char *spec, int *ret_listen, struct cor_error *err)
{
	int r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? cor_error_errno(err, errno, "lock bundle") : 0;
	if (r == 0)
		r = write_config(fd, spec, err);
	if (r == 0)
		r = open_up(fd, spec, err);
	if (r == 0) {
		r = cor_unix_listen(fd, COR_SHIM_SOCKET, err);
		if (r >= 0)
			*ret_listen = r;
	}
	return r < 0 ? r : 0;
}

static int hidden_name(const char *id, const char *end, char name[HIDDEN_MAX])
{
	char random[HIDDEN_RANDOM + 1];
	cor_random_hex(random, HIDDEN_RANDOM);
	return snprintf(name, HIDDEN_MAX, ".%s.%s%s", id, random, end) < HIDDEN_MAX ? 0 : -ENAMETOOLONG;
}

/* Why a bundle cannot have its name. */
static int name_taken(struct cor_engine *e, const char *id, struct cor_error *err)
{
	_cleanup_close_ int fd = openat(e->ns_state_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* A bundle has another name before it loses its marks. */
	if ((fd < 0 && errno != ENOENT) || (fd >= 0 && !cor_bundle_is_task(fd) && has_name(e, id, fd)))
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "\"%s/%s/%s\" is in the way of the task: it is not coracle's", e->state,
				     e->ns, id);
	return cor_error_set(err, COR_ALREADY_EXISTS, "task %s: already exists", id);
}

int cor_bundle_make(struct cor_engine *e, const char *id, const char *spec, int *ret_listen,
		    struct cor_error *err)
{
	char name[HIDDEN_MAX];
	_cleanup_close_ int listen_fd = -1, fd = -1;
	if (hidden_name(id, "", name) < 0)
		return cor_error_errno(err, ENAMETOOLONG, "task %s", id);
	if (mkdirat(e->ns_state_fd, name, 0700) < 0)
		return cor_error_errno(err, errno, "make bundle of task %s", id);
	fd = openat(e->ns_state_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? cor_error_errno(err, errno, "open bundle") : fill_bundle(fd, spec, &listen_fd, err);
	if (r == 0 && renameat2(e->ns_state_fd, name, e->ns_state_fd, id, RENAME_NOREPLACE) < 0)
		r = errno == EEXIST || errno == ENOTEMPTY
			    ? name_taken(e, id, err)
			    : cor_error_errno(err, errno, "name bundle of task %s", id);
	if (r < 0) {
		(void)cor_remove_tree_at(e->ns_state_fd, name, NULL);
		return r;
	}
	*ret_listen = TAKE_FD(listen_fd);
	return TAKE_FD(fd);
}

int cor_bundle_remove(struct cor_engine *e, const char *id, int bundle_fd, struct cor_error *err)
{
	char name[HIDDEN_MAX];
	int r = cor_unmount_at(bundle_fd, "rootfs", err);
	if (r == 0 && (hidden_name(id, GONE, name) < 0 ||
		       renameat2(e->ns_state_fd, id, e->ns_state_fd, name, RENAME_NOREPLACE) < 0))
		r = cor_remove_tree_at(e->ns_state_fd, id, err);
	else if (r == 0)
		r = cor_remove_tree_at(e->ns_state_fd, name, err);
	return r < 0 ? cor_error_wrap(err, r, "remove bundle of task %s", id) : 0;
}

/* ".<id>.<random>", with GONE behind it when it is being removed */
static bool is_hidden_name(const char *name, bool *ret_gone)
{
	size_t n = strlen(name), end = strlen(GONE);
	*ret_gone = n > end && streq(name + n - end, GONE);
	if (*ret_gone)
		n -= end;
	if (name[0] != '.' || n < HIDDEN_RANDOM + 3 || name[n - HIDDEN_RANDOM - 1] != '.' ||
	    strspn(name + n - HIDDEN_RANDOM, "0123456789abcdef") != HIDDEN_RANDOM)
		return false;
	_cleanup_free_ char *id = strndup(name + 1, n - HIDDEN_RANDOM - 2);
	return id && cor_identifier_validate("task", id, NULL) == 0;
}

void cor_bundle_reap(struct cor_engine *e, const char *name)
{
	struct stat st;
	bool gone;
	if (!is_hidden_name(name, &gone))
		return;
	_cleanup_close_ int fd =
		openat(e->ns_state_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	int64_t made = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
	/* A new one is not locked yet; one that is being removed was locked before it got the name. */
	if ((!gone && cor_now_ns() - made < STALE_NS) || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	(void)cor_remove_tree_at(e->ns_state_fd, name, NULL);
}
