/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing the embedded engine, and what its files share: things opened at first use, write transactions,
 * locks between processes.
 */
#include "engine/internal.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/log.h"
#include "base/path.h"
#include "oci/identifier.h"

#define DEFAULT_ROOT  "/var/lib/coracle"
#define DEFAULT_STATE "/run/coracle"

/* What was made without waiting for the disk and is still there: directories first, then the records. */
static int sync_fresh(struct cor_engine *e, struct cor_error *err)
{
	if (!e->meta || cor_strv_len(e->fresh) == 0)
		return 0;
	int r = cor_engine_snapshots_persist(e, err);
	if (r >= 0)
		r = cor_meta_sync(e->meta, err);
	if (r < 0)
		return r;
	/* Removing them is waited for from now on. */
	e->fresh = cor_strv_free(e->fresh);
	return 0;
}

static int engine_sync(struct cor_services *s, struct cor_error *err)
{
	return sync_fresh(cor_engine_of(s), err);
}

static void engine_start_soon(struct cor_services *s)
{
	struct cor_engine *e = cor_engine_of(s);
	cor_cgroup_moves_done(e->mover);
	e->mover = cor_cgroup_expect_moves();
}

static void engine_close(struct cor_services *s)
{
	struct cor_engine *e = cor_engine_of(s);
	struct cor_error err = {0};
	if (e->lease_depth) {
		e->lease_depth = 1;
		cor_engine_lease_ops.end(s);
	}
	cor_engine_gc_if_wanted(e);
	if (sync_fresh(e, &err) < 0)
		cor_warn("%s", err.message);
	cor_cgroup_moves_done(e->mover);
	cor_engine_tasks_free(e->tasks);
	for (size_t i = 0; i < e->n_backends; i++) {
		e->backends[i].backend->ops->free(e->backends[i].backend);
		free(e->backends[i].name);
	}
	cor_store_free(e->store);
	cor_meta_close(e->meta);
	cor_strv_free(e->fresh);
	cor_close(e->lease_fd);
	cor_close(e->ns_state_fd);
	cor_close(e->root_fd);
	cor_close(e->state_fd);
	free(e->lease_id);
	free(e->root);
	free(e->state);
	free(e->ns);
	free(e->snapshotter);
	free(e->shim);
	free(e);
}

static bool has_mark(int fd, const char *mark)
{
	return faccessat(fd, mark, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Nothing in it but what mkfs makes: 1, 0, -errno. */
static int is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		int r = -errno;
		cor_close(copy);
		return r;
	}
	struct dirent *ent;
	int r = 1;
	while (r == 1 && (ent = readdir(d)))
		if (!streq(ent->d_name, ".") && !streq(ent->d_name, "..") &&
		    !streq(ent->d_name, "lost+found"))
			r = 0;
	(void)closedir(d);
	return r;
}

/* The mark is made before anything else is: so a directory that is ours has it, or is empty. */
static int take_top(int fd, const char *path, const char *mark, struct cor_error *err)
{
	int r = is_empty(fd);
	if (r < 0)
		return cor_error_errno(err, r, "list %s", path);
	/* Somebody else may have taken it meanwhile. */
	if (r == 0)
		return has_mark(fd, mark)
			       ? 0
			       : cor_error_set(err, COR_FAILED_PRECONDITION,
					       "\"%s\" is not empty and not a coracle directory", path);
	if (streq(mark, COR_RUNTIME_DIR)) {
		r = mkdirat(fd, mark, 0700) < 0 && errno != EEXIST ? -errno : 0;
	} else { /* an empty file is an empty database */
		_cleanup_close_ int file =
			openat(fd, mark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		r = file < 0 ? -errno : 0;
	}
	return r < 0 ? cor_error_errno(err, r, "make %s/%s", path, mark) : 0;
}

/* A directory of ours with exactly this mode, also when an older version made it with another. What belongs to somebody
 * else is refused and left as it is. */
static int open_top(const char *path, mode_t mode, const char *mark, struct cor_error *err)
{
	struct stat st;
	_cleanup_close_ int fd = cor_mkdir_p(path, mode, err);
	if (fd < 0)
		return fd;
	int r = has_mark(fd, mark) ? 0 : take_top(fd, path, mark, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0 || ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0))
		return cor_error_errno(err, errno, "set mode of %s", path);
	return TAKE_FD(fd);
}

static int open_directories(struct cor_engine *e, struct cor_error *err)
{
	e->root_fd = open_top(e->root, 0700, COR_META_FILE, err);
	if (e->root_fd < 0)
		return e->root_fd;
	e->state_fd = open_top(e->state, 0711, COR_RUNTIME_DIR, err);
	return e->state_fd;
}

/* overlayfs, or native (said once per boot) where that cannot work. */
static int choose_snapshotter(struct cor_engine *e, const char *wanted, struct cor_error *err)
{
	const char *name = "overlayfs";
	if (!cor_empty(wanted)) {
		name = wanted;
	} else if (!cor_overlayfs_remembered(e->root_fd, "overlayfs")) {
		struct cor_snapshot_backend *b;
		struct cor_error why = {0};
		bool first = false;
		int r = cor_engine_backend(e, name, &b, &why);
		if (r >= 0)
			r = b->ops->probe(b, &first, &why);
		if (cor_error_is(&why, COR_FAILED_PRECONDITION)) {
			name = "native";
			if (first)
				cor_warn("%s; using the native snapshotter", why.message);
		}
	}
	free(e->snapshotter);
	e->snapshotter = strdup(name);
	if (!e->snapshotter)
		return cor_error_oom(err);
	e->services.default_snapshotter = e->snapshotter;
	return 0;
}

static int copy_options(struct cor_engine *e, const struct cor_engine_options *o, struct cor_error *err)
{
	e->root = cor_path_abs(o->root ? o->root : DEFAULT_ROOT);
	e->state = cor_path_abs(o->state ? o->state : DEFAULT_STATE);
	e->ns = strdup(o->ns ? o->ns : "default");
	e->shim = o->shim ? strdup(o->shim) : NULL;
	e->snapshotter = strdup("overlayfs");
	e->timeout_ns = o->timeout_ns;
	if (!e->root || !e->state || !e->ns || !e->snapshotter || (o->shim && !e->shim))
		return cor_error_oom(err);
	e->services.ns = e->ns;
	e->services.default_snapshotter = e->snapshotter;
	return cor_identifier_validate("namespace", e->ns, err);
}

int cor_engine_open(const struct cor_engine_options *opts, struct cor_services **ret, struct cor_error *err)
{
	struct cor_engine *e = cor_new0(struct cor_engine, 1);
	if (!e)
		return cor_error_oom(err);
	e->services = (struct cor_services){
		.content = &cor_engine_content_ops,
		.images = &cor_engine_image_ops,
		.snapshots = &cor_engine_snapshot_ops,
		.diff = &cor_engine_diff_ops,
		.containers = &cor_engine_container_ops,
		.tasks = &cor_engine_task_ops,
		.leases = &cor_engine_lease_ops,
		.namespaces = &cor_engine_namespace_ops,
		.gc = &cor_engine_gc_ops,
		.netns = &cor_engine_netns_ops,
		.log_path = cor_engine_log_path,
		.start_soon = engine_start_soon,
		.check_sandbox = cor_engine_check_sandbox,
		.check_runtime = cor_engine_check_runtime,
		.sync = engine_sync,
		.close = engine_close,
	};
	e->root_fd = e->state_fd = e->ns_state_fd = e->lease_fd = -1;
	int r = copy_options(e, opts, err);
	if (r >= 0 && geteuid() != 0)
		r = cor_error_set(err, COR_PERMISSION_DENIED,
				  "root is needed: containers, mounts and %s belong to it (try sudo)",
				  e->root);
	if (r >= 0)
		r = open_directories(e, err);
	if (r >= 0)
		r = choose_snapshotter(e, opts->snapshotter, err);
	if (r < 0) {
		engine_close(&e->services);
		return r;
	}
	*ret = &e->services;
	return 0;
}

/* ---- at first use ---- */

int cor_engine_meta(struct cor_engine *e, struct cor_meta **ret, struct cor_error *err)
{
	if (!e->meta) {
		int r = cor_meta_open(e->root_fd, e->root, &e->meta, err);
		if (r < 0)
			return r;
	}
	*ret = e->meta;
	return 0;
}

int cor_engine_store(struct cor_engine *e, struct cor_store **ret, struct cor_error *err)
{
	if (!e->store) {
		_cleanup_close_ int fd = cor_open_or_mkdir_at(e->root_fd, "content", 0700, err);
		int r = fd < 0 ? fd : cor_store_open(fd, &e->store, err);
		if (r < 0)
			return r;
	}
	*ret = e->store;
	return 0;
}

int cor_engine_backend(struct cor_engine *e, const char *name, struct cor_snapshot_backend **ret,
		       struct cor_error *err)
{
	name = cor_engine_snapshotter(e, name);
	for (size_t i = 0; i < e->n_backends; i++) {
		if (streq(e->backends[i].name, name)) {
			*ret = e->backends[i].backend;
			return 0;
		}
	}
	if (e->n_backends == COR_ENGINE_BACKENDS_MAX)
		return cor_error_set(err, COR_INTERNAL, "too many snapshotters");
	_cleanup_free_ char *path = cor_asprintf("%s/%s", e->root, name);
	_cleanup_free_ char *copy = strdup(name);
	if (!path || !copy)
		return cor_error_oom(err);
	struct cor_snapshot_backend *b;
	int r = cor_snapshot_backend_open(name, path, &b, err);
	if (r < 0)
		return r;
	e->backends[e->n_backends].name = TAKE_PTR(copy);
	e->backends[e->n_backends++].backend = b;
	*ret = b;
	return 0;
}

int cor_engine_ns_state(struct cor_engine *e, bool make, struct cor_error *err)
{
	if (e->ns_state_fd >= 0)
		return e->ns_state_fd;
	if (make) {
		e->ns_state_fd = cor_open_or_mkdir_at(e->state_fd, e->ns, 0711, err);
		return e->ns_state_fd;
	}
	e->ns_state_fd = openat(e->state_fd, e->ns, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (e->ns_state_fd < 0)
		return errno == ENOENT ? -ENOENT : cor_error_errno(err, errno, "open %s/%s", e->state, e->ns);
	return e->ns_state_fd;
}

int cor_engine_lock(struct cor_engine *e, const char *name, enum cor_lock_mode mode, bool wait,
		    struct cor_error *err)
{
	_cleanup_close_ int dir = openat(e->root_fd, "locks", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		dir = cor_open_or_mkdir_at(e->root_fd, "locks", 0700, err);
	return dir < 0 ? dir : cor_lock_at(dir, name, mode, wait, err);
}

/* ---- write transactions ---- */

static int write_once(struct cor_engine *e, unsigned int flags, cor_engine_write_fn fn, void *arg,
		      struct cor_error *err)
{
	struct cor_meta *m;
	int r = cor_engine_meta(e, &m, err);
	if (r >= 0)
		r = cor_meta_begin(m, flags & COR_WRITE_DURABLE, err);
	if (r < 0)
		return r;
	if (flags & COR_WRITE_RECORD)
		r = cor_meta_ns_touch(m, e->ns, err);
	if (r >= 0)
		r = fn(e, m, arg, err);
	if (r < 0) {
		cor_meta_rollback(m);
		return r;
	}
	int c = cor_meta_commit(m, err);
	return c < 0 ? c : r;
}

int cor_engine_write(struct cor_engine *e, unsigned int flags, cor_engine_write_fn fn, void *arg,
		     struct cor_error *err)
{
	struct cor_meta *m;
	int r = cor_engine_meta(e, &m, err);
	if (r < 0)
		return r;
	bool low = cor_meta_space_low(m);
	if (low && !(flags & COR_WRITE_REMOVES))
		return cor_error_errno(err, ENOSPC, "write %s/%s", e->root, COR_META_FILE);
	if (low)
		(void)cor_meta_reserve_release(m);
	r = write_once(e, flags, fn, arg, err);
	if (r == -ENOSPC && (flags & COR_WRITE_REMOVES) && cor_meta_reserve_release(m)) {
		cor_error_clear(err);
		r = write_once(e, flags, fn, arg, err);
	}
	return r;
}

static char *fresh_name(const char *kind, const char *a, const char *b)
{
	return cor_asprintf("%s/%s/%s", kind, a, b ? b : "");
}

int cor_engine_fresh_add(struct cor_engine *e, const char *kind, const char *a, const char *b)
{
	return cor_strv_push_take(&e->fresh, fresh_name(kind, a, b));
}

bool cor_engine_fresh_has(struct cor_engine *e, const char *kind, const char *a, const char *b, bool forget)
{
	if (!e->fresh)
		return false;
	_cleanup_free_ char *name = fresh_name(kind, a, b);
	for (size_t i = 0; name && e->fresh[i]; i++) {
		if (!streq(e->fresh[i], name))
			continue;
		if (forget)
			cor_strv_remove(e->fresh, i);
		return true;
	}
	return false;
}
