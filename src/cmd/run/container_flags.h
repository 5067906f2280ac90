/* SPDX-License-Identifier: Apache-2.0 */
/* The flags that `run` and `containers create` share, as they come from the command line. */
#ifndef COR_CMD_RUN_CONTAINER_FLAGS_H
#define COR_CMD_RUN_CONTAINER_FLAGS_H

#include "client/client.h"
#include "cmd/command.h"

struct cor_container_flags {
	/* what the container is made of */
	const char *config, *env_file, *cwd, *user, *hostname, *rootfs_propagation;
	char **env, **labels, **annotations, **mounts, **with_ns, **devices, **cap_add, **cap_drop, **gpus;
	bool tty, read_only, net_host, privileged, allow_new_privs, rootfs;
	uint64_t memory_limit, cpu_period;
	bool memory_limit_set;
	int64_t cpu_quota;
	bool seccomp;
	const char *seccomp_profile, *apparmor_default_profile, *apparmor_profile, *rdt_class;
	const char *blockio_config_file, *blockio_class;
	const char *snapshotter, *runtime, *runtime_config_path, *runc_binary, *runc_root;
	bool runc_systemd_cgroup;
	char **snapshotter_labels;
	/* `run` only */
	bool cni;
	char **publish;
	const char *sandbox;
	bool explain, sync_fs;
	bool rm, detach, null_io, no_pivot, privileged_without_host_devices;
	const char *cpuset_cpus, *cpuset_mems;
	uint64_t cpu_burst;
	const char *pid_file, *log_uri, *fifo_dir, *cgroup, *platform, *dump_config, *rlimit_nofile;
	const char *checkpoint;
	double cpus;
	bool cpus_set;
	int64_t cpu_shares;
	char **uid_maps, **gid_maps;
	bool remap_labels;
};

/* Option table of the shared part (on struct cor_container_flags). */
extern const struct cor_option cor_container_options[];

/* Checks the positionals ([Image|RootFS] ID [COMMAND...]) and fills the options of the operations; everything is
 * borrowed from flags and args. */
int cor_container_flags_apply(const struct cor_container_flags *f, const char *ns, int argc, char **args,
			      struct cor_create_options *ret, struct cor_error *err);

/* Of `run --checkpoint`: INVALID_ARGUMENT for flags and positionals that the checkpoint leaves no room for. */
struct cor_context;
int cor_container_flags_check_restore(const struct cor_context *ctx, const struct cor_container_flags *f,
				      int argc, struct cor_error *err);

#endif
