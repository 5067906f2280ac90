/* SPDX-License-Identifier: Apache-2.0 */
/* Flags of a container: the table, and from flags to operation options. */
#include "cmd/run/container_flags.h"

#include "base/path.h"
#include "cmd/flags.h"

typedef struct cor_container_flags F;

const struct cor_option cor_container_options[] = {
	COR_FLAG_SNAPSHOTTER(F, snapshotter),
	COR_OPT(F, COR_OPT_STRINGS, snapshotter_labels, "snapshotter-label", NULL,
		"labels added to the new snapshot for this container", .metavar = "KEY=VALUE"),
	COR_OPT(F, COR_OPT_STRING, config, "config", "c", "path to the runtime-specific spec config file",
		.metavar = "FILE"),
	COR_OPT(F, COR_OPT_STRING, cwd, "cwd", NULL, "specify the working directory of the process",
		.metavar = "DIR"),
	COR_OPT(F, COR_OPT_STRINGS, env, "env", NULL,
		"specify additional container environment variables (e.g. FOO=bar)", .metavar = "KEY=VALUE"),
	COR_OPT(F, COR_OPT_STRING, env_file, "env-file", NULL,
		"specify additional container environment variables in a file (e.g. FOO=bar, one per line)",
		.metavar = "FILE"),
	COR_FLAG_LABEL(F, labels, "specify additional labels (e.g. foo=bar)"),
	COR_OPT(F, COR_OPT_STRINGS, annotations, "annotation", NULL,
		"specify additional OCI annotations (e.g. foo=bar)", .metavar = "KEY=VALUE"),
	COR_OPT(F, COR_OPT_STRINGS, mounts, "mount", NULL,
		"specify additional container mount (e.g. type=bind,src=/tmp,dst=/host,options=rbind:ro)",
		.metavar = "MOUNT"),
	COR_OPT(F, COR_OPT_BOOL, net_host, "net-host", NULL, "enable host networking for the container"),
	COR_OPT(F, COR_OPT_BOOL, privileged, "privileged", NULL, "run privileged container"),
	COR_OPT(F, COR_OPT_BOOL, read_only, "read-only", NULL, "set the containers filesystem as readonly"),
	COR_OPT(F, COR_OPT_STRING, runtime, "runtime", NULL, "runtime name, or absolute path of its shim",
		.def = "io.containerd.runc.v2", .metavar = "RUNTIME"),
	COR_OPT(F, COR_OPT_STRING, runtime_config_path, "runtime-config-path", NULL,
		"configuration file of the runtime (of any but io.containerd.runc.v2)", .metavar = "FILE"),
	COR_OPT(F, COR_OPT_STRING, runc_binary, "runc-binary", NULL, "specify runc-compatible binary",
		.metavar = "FILE"),
	COR_OPT(F, COR_OPT_STRING, runc_root, "runc-root", NULL, "specify runc-compatible root",
		.metavar = "DIR"),
	COR_OPT(F, COR_OPT_BOOL, runc_systemd_cgroup, "runc-systemd-cgroup", NULL,
		"start runc with systemd cgroup manager"),
	COR_OPT(F, COR_OPT_BOOL, tty, "tty", "t", "allocate a TTY for the container"),
	COR_OPT(F, COR_OPT_STRINGS, with_ns, "with-ns", NULL,
		"specify existing Linux namespaces to join at container runtime (format '<nstype>:<path>')",
		.metavar = "TYPE:PATH"),
	COR_OPT(F, COR_OPT_PRESENCE, allow_new_privs, "allow-new-privs", NULL,
		"turn off OCI spec's NoNewPrivileges feature flag"),
	COR_OPT_SET(F, COR_OPT_UINT, memory_limit, memory_limit_set, "memory-limit", NULL,
		    "memory limit (in bytes) for the container", .metavar = "BYTES"),
	COR_OPT(F, COR_OPT_STRINGS, cap_add, "cap-add", NULL,
		"add Linux capabilities (Set capabilities with 'CAP_' prefix)", .metavar = "CAP"),
	COR_OPT(F, COR_OPT_STRINGS, cap_drop, "cap-drop", NULL,
		"drop Linux capabilities (Set capabilities with 'CAP_' prefix)", .metavar = "CAP"),
	COR_OPT(F, COR_OPT_BOOL, seccomp, "seccomp", NULL, "enable the default seccomp profile"),
	COR_OPT(F, COR_OPT_STRING, seccomp_profile, "seccomp-profile", NULL,
		"file path to custom seccomp profile; needs --seccomp", .metavar = "FILE"),
	COR_OPT(F, COR_OPT_STRING, apparmor_default_profile, "apparmor-default-profile", NULL,
		"enable AppArmor with the default profile with the specified name, e.g. "
		"\"cri-containerd.apparmor.d\"",
		.metavar = "NAME"),
	COR_OPT(F, COR_OPT_STRING, apparmor_profile, "apparmor-profile", NULL,
		"enable AppArmor with an existing custom profile", .metavar = "NAME"),
	COR_OPT(F, COR_OPT_STRING, blockio_config_file, "blockio-config-file", NULL,
		"file path to blockio class definitions", .metavar = "FILE"),
	COR_OPT(F, COR_OPT_STRING, blockio_class, "blockio-class", NULL,
		"name of the blockio class to associate the container with", .metavar = "CLASS"),
	COR_OPT(F, COR_OPT_STRING, rdt_class, "rdt-class", NULL,
		"name of the RDT class (class of service for cache and memory bandwidth) to associate the "
		"container with",
		.metavar = "CLASS"),
	COR_OPT(F, COR_OPT_STRING, hostname, "hostname", NULL, "set the container's host name",
		.metavar = "NAME"),
	COR_OPT(F, COR_OPT_STRING, user, "user", "u",
		"username or user id, group optional (format: <name|uid>[:<group|gid>])", .metavar = "USER"),
	COR_OPT(F, COR_OPT_BOOL, rootfs, "rootfs", NULL,
		"use custom rootfs that is not managed by a snapshotter"),
	COR_OPT(F, COR_OPT_INT, cpu_quota, "cpu-quota", NULL, "limit CPU CFS quota", .def = "-1",
		.metavar = "MICROSECONDS"),
	COR_OPT(F, COR_OPT_UINT, cpu_period, "cpu-period", NULL, "limit CPU CFS period",
		.metavar = "MICROSECONDS"),
	COR_OPT(F, COR_OPT_STRING, rootfs_propagation, "rootfs-propagation", NULL,
		"set the propagation of the container rootfs", .metavar = "MODE"),
	COR_OPT(F, COR_OPT_STRINGS, devices, "device", NULL,
		"file path to a device to add to the container; or a path to a directory tree of devices to "
		"add to the container; or the name of a CDI device (vendor/class=name)",
		.metavar = "PATH"),
	COR_OPT(F, COR_OPT_STRING, sandbox, "sandbox", NULL,
		"create the container in the given sandbox (there are none yet)", .metavar = "ID"),
	COR_OPT(F, COR_OPT_STRINGS, gpus, "gpus", NULL,
		"add GPUs to the container, by index (of CDI's nvidia.com/gpu or amd.com/gpu)",
		.metavar = "N"),
	COR_OPT_END,
};

/* ID, image or rootfs, and the command from the positionals. */
static int positionals(const struct cor_container_flags *f, int argc, char **args,
		       struct cor_create_options *o, struct cor_error *err)
{
	if (f->config) {
		if (argc > 1)
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "with spec config file, only container id should be provided");
		o->spec.id = argc > 0 ? args[0] : NULL;
	} else {
		const char *ref = argc > 0 ? args[0] : NULL;
		if (cor_empty(ref))
			return cor_error_set(err, COR_INVALID_ARGUMENT, "image ref must be provided");
		o->spec.id = argc > 1 ? args[1] : NULL;
		o->spec.args = argc > 2 ? args + 2 : NULL;
		if (f->rootfs)
			o->spec.rootfs = ref;
		else
			o->image = ref;
	}
	if (cor_empty(o->spec.id))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "container id must be provided");
	return 0;
}

int cor_container_flags_apply(const struct cor_container_flags *f, const char *ns, int argc, char **args,
			      struct cor_create_options *ret, struct cor_error *err)
{
	struct cor_create_options o = {
		.platform = f->platform,
		.snapshotter = f->snapshotter,
		.sandbox = f->sandbox,
		.snapshotter_labels = f->snapshotter_labels,
		.runtime = f->runtime,
		.runc_binary = f->runc_binary,
		.runc_root = f->runc_root,
		.runc_systemd_cgroup = f->runc_systemd_cgroup,
		.runtime_config_path = f->runtime_config_path,
		.spec =
			{
				.ns = ns,
				.config_file = f->config,
				.env_file = f->env_file,
				.env = f->env,
				.mounts = f->mounts,
				.annotations = f->annotations,
				.labels = f->labels,
				.cap_add = f->cap_add,
				.cap_drop = f->cap_drop,
				.devices = f->devices,
				.gpus = f->gpus,
				.with_ns = f->with_ns,
				.cwd = f->cwd,
				.user = f->user,
				.hostname = f->hostname,
				.rootfs_propagation = f->rootfs_propagation,
				.tty = f->tty,
				.read_only = f->read_only,
				.net_host = f->net_host,
				.privileged = f->privileged,
				.allow_new_privs = f->allow_new_privs,
				.memory_limit_set = f->memory_limit_set,
				.memory_limit = f->memory_limit,
				.seccomp = f->seccomp,
				.seccomp_profile = f->seccomp_profile,
				.apparmor_default_profile = f->apparmor_default_profile,
				.apparmor_profile = f->apparmor_profile,
				.rdt_class = f->rdt_class,
				.blockio_config_file = f->blockio_config_file,
				.blockio_class = f->blockio_class,
				.cpu_quota = f->cpu_quota,
				.cpu_period = f->cpu_period,
			},
	};
	int r = positionals(f, argc, args, &o, err);
	if (r < 0)
		return r;
	*ret = o;
	return 0;
}
