/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime driver: what makes containers. One implementation drives a runc-compatible program
 * (shim/runtime_runc.c); the built-in runtime will be another, in-process.
 *
 * Every operation is asynchronous. 0: accepted, and fn will be called exactly once, later, from the event loop, never from
 * inside the call. Negative errno: refused, err is set, fn will not be called. Any number may be in flight.
 * The container's processes become children of the caller (a subreaper); the driver reaps nothing itself: the loop's child
 * callback offers every exited child to `child`.
 */
#ifndef COR_SHIM_RUNTIME_H
#define COR_SHIM_RUNTIME_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/loop.h"

struct cor_runtime;

struct cor_runtime_result {
	int r;                       /* 0 or -errno */
	const struct cor_error *err; /* set when r < 0; containerd's text */
	pid_t pid;                   /* create, run, restore, exec: the process */
	const pid_t *pids;           /* pids */
	size_t npids;
};
/* Everything in result is borrowed for the call. */
typedef void (*cor_runtime_fn)(const struct cor_runtime_result *result, void *data);

/* What a process gets: its three descriptors (-1: /dev/null), or the socket (a name in the bundle) on which the runtime
 * hands out the master of the terminal it makes. */
struct cor_runtime_stdio {
	int fds[3];
	const char *console_socket; /* NULL: no terminal */
};

struct cor_runtime_exec {
	const char *id;           /* a name for temporary files; checked by the caller */
	const char *process_file; /* name in the bundle: the OCI process */
	struct cor_runtime_stdio stdio;
};

/* Both directories exist; the images go to one, criu's logs and the like to the other. Paths are absolute. */
struct cor_runtime_checkpoint {
	const char *images, *work;
	bool leave_running; /* else the container ends with it */
	bool open_tcp, external_unix_sockets, terminal, file_locks;
	const char *const *empty_namespaces;
	size_t n_empty_namespaces;
	const char *cgroups_mode; /* NULL or "": the runtime's default */
};

struct cor_runtime_driver {
	const char *name;
	/* The init process exists and waits for start. */
	int (*create)(struct cor_runtime *rt, const struct cor_runtime_stdio *io, cor_runtime_fn fn,
		      void *data, struct cor_error *err);
	/* create and start in one. */
	int (*run)(struct cor_runtime *rt, const struct cor_runtime_stdio *io, cor_runtime_fn fn, void *data,
		   struct cor_error *err);
	int (*start)(struct cor_runtime *rt, cor_runtime_fn fn, void *data, struct cor_error *err);
	int (*exec)(struct cor_runtime *rt, const struct cor_runtime_exec *exec, cor_runtime_fn fn,
		    void *data, struct cor_error *err);
	/* To init, or to every process of the container. NOT_FOUND when there is none. */
	int (*kill)(struct cor_runtime *rt, int sig, bool all, cor_runtime_fn fn, void *data,
		    struct cor_error *err);
	/* At once, not asynchronously: what the runtime keeps of a container goes, all of whose processes are gone and that
	 * has no poststop hooks. 0, or -errno when that is not possible: then use remove, which copes with a part being gone
	 * already. */
	int (*forget)(struct cor_runtime *rt, const char *cgroups_path);
	/* What the runtime keeps of the container goes: cgroups, state. force: also when it runs or is half made. */
	int (*remove)(struct cor_runtime *rt, bool force, cor_runtime_fn fn, void *data,
		      struct cor_error *err);
	int (*pause)(struct cor_runtime *rt, cor_runtime_fn fn, void *data, struct cor_error *err);
	int (*resume)(struct cor_runtime *rt, cor_runtime_fn fn, void *data, struct cor_error *err);
	int (*pids)(struct cor_runtime *rt, cor_runtime_fn fn, void *data, struct cor_error *err);
	int (*checkpoint)(struct cor_runtime *rt, const struct cor_runtime_checkpoint *checkpoint,
			  cor_runtime_fn fn, void *data, struct cor_error *err);
	/* In place of create and start: the process goes on from where its checkpoint was made. */
	int (*restore)(struct cor_runtime *rt, const char *images, const char *work,
		       const struct cor_runtime_stdio *io, cor_runtime_fn fn, void *data,
		       struct cor_error *err);
	/* resources: OCI LinuxResources, JSON. */
	int (*update)(struct cor_runtime *rt, const char *resources, cor_runtime_fn fn, void *data,
		      struct cor_error *err);
	/* True when the runtime knows a container of this name (whoever made it). */
	bool (*exists)(struct cor_runtime *rt);
	/* Ends the operations in flight that were started with this data; they complete with an error soon. */
	void (*abort)(struct cor_runtime *rt, const void *data);
	/* Operations in flight. */
	size_t (*busy)(const struct cor_runtime *rt);
	/* A child exited: true when it was the driver's own. */
	bool (*child)(struct cor_runtime *rt, pid_t pid, int status);
	void (*free)(struct cor_runtime *rt);
};

struct cor_runtime_config {
	const char *id, *bundle; /* outlive the runtime */
	int bundle_fd;
	const char *binary; /* absolute path */
	const char *root;   /* the runtime's own state directory */
	const char *criu;   /* absolute path; NULL or "": the one in PATH */
	bool systemd_cgroup, no_pivot, no_new_keyring, debug;
};
struct cor_runtime {
	const struct cor_runtime_driver *driver;
	const char *name; /* for error texts: "runc" */
};

/* Drives the runc-compatible program config->binary. Copies what it needs. */
int cor_runtime_runc_new(const struct cor_runtime_config *config, struct cor_runtime **ret,
			 struct cor_error *err);
/* NULL is fine; returns NULL. */
struct cor_runtime *cor_runtime_free(struct cor_runtime *rt);

/* The program to drive: `name` (path or name), or when empty the first of runc, crun. Absolute path, caller's.
 * NOT_FOUND naming what was looked for. */
int cor_runtime_find(const char *name, char **ret, struct cor_error *err);

#endif
