/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of everything: ctr's (cmd/ctr/commands/run/run_unix.go), because later steps see and override what
 * earlier ones did. To add a flag, write its function in the file of its group and give it its row here.
 */
#include "spec/internal.h"

typedef int (*check_fn)(const struct cor_spec_options *o, struct cor_error *err);
typedef int (*apply_fn)(struct cor_spec_build *b, struct cor_error *err);

/* What --config leaves of it: nothing but the labels. */
static const struct {
	const char *flag; /* what --explain says of the things that the step sets */
	check_fn check;   /* NULL: nothing to refuse */
	apply_fn apply;
} steps[] = {
	{"--env-file", NULL, cor_spec_apply_env_file},
	{"--env", NULL, cor_spec_apply_env},
	{"--mount", NULL, cor_spec_apply_mounts},
	{"--rootfs", NULL, cor_spec_apply_rootfs},
	{"image", NULL, cor_spec_apply_image},
	{"--uidmap, --gidmap", cor_spec_check_userns, cor_spec_apply_userns},
	{"--read-only", NULL, cor_spec_apply_read_only},
	{"arguments", NULL, cor_spec_apply_args},
	{"--cwd", NULL, cor_spec_apply_cwd},
	{"--user", NULL, cor_spec_apply_user},
	{"--tty", NULL, cor_spec_apply_tty},
	{"--privileged", cor_spec_check_privileged, cor_spec_apply_privileged},
	{"--net-host", NULL, cor_spec_apply_net_host},
	{"--annotation", cor_spec_check_annotations, cor_spec_apply_annotations},
	{"--cap-add", cor_spec_check_caps, cor_spec_apply_cap_add},
	{"--cap-drop", NULL, cor_spec_apply_cap_drop},
	{"--seccomp", cor_spec_check_seccomp, cor_spec_apply_seccomp},
	{"--seccomp-profile", NULL, cor_spec_apply_seccomp_profile},
	{"--apparmor-default-profile", cor_spec_check_apparmor, cor_spec_apply_apparmor_default},
	{"--apparmor-profile", NULL, cor_spec_apply_apparmor},
	{"--cpus", cor_spec_check_cpu, cor_spec_apply_cpus},
	{"--cpuset-cpus", NULL, cor_spec_apply_cpuset_cpus},
	{"--cpuset-mems", NULL, cor_spec_apply_cpuset_mems},
	{"--cpu-shares", NULL, cor_spec_apply_cpu_shares},
	{"--cpu-quota, --cpu-period", NULL, cor_spec_apply_cpu_quota},
	{"--cpu-burst", NULL, cor_spec_apply_cpu_burst},
	{"--with-ns", cor_spec_check_with_ns, cor_spec_apply_with_ns},
	{"--allow-new-privs", NULL, cor_spec_apply_new_privileges},
	{"--cgroup", NULL, cor_spec_apply_cgroup},
	{"--memory-limit", NULL, cor_spec_apply_memory},
	{"--device", NULL, cor_spec_apply_devices},
	{"--device (CDI), --gpus", cor_spec_check_gpus, cor_spec_apply_cdi},
	{"--rootfs-propagation", NULL, cor_spec_apply_propagation},
	{"--blockio-class", cor_spec_check_blockio, cor_spec_apply_blockio},
	{"--rdt-class", NULL, cor_spec_apply_rdt},
	{"--hostname", NULL, cor_spec_apply_hostname},
	{"--rlimit-nofile", cor_spec_check_rlimit, cor_spec_apply_rlimit},
	{"--label", NULL, cor_spec_apply_labels},
};

int cor_spec_check(const struct cor_spec_options *o, struct cor_error *err)
{
	int r = 0;

	if (o->config_file)
		return 0;
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(steps); i++)
		if (steps[i].check)
			r = steps[i].check(o, err);
	return r;
}

static int build_from_config(struct cor_spec_build *b, struct cor_error *err)
{
	int r = cor_spec_config_load(b->options->config_file, &b->spec, err);

	if (r >= 0)
		r = cor_spec_explained(b, "--config", err);
	if (r >= 0)
		r = cor_spec_apply_labels(b, err);
	return r < 0 ? r : cor_spec_explained(b, "--label", err);
}

static int build_from_flags(struct cor_spec_build *b, struct cor_error *err)
{
	int r = cor_spec_check(b->options, err);

	if (r >= 0)
		r = cor_spec_default(b->options->ns, b->options->id, &b->spec, err);
	if (r >= 0)
		r = cor_spec_allow_default_devices(b->spec, err);
	if (r >= 0)
		r = cor_spec_explained(b, "default", err);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(steps); i++) {
		r = steps[i].apply(b, err);
		if (r >= 0)
			r = cor_spec_explained(b, steps[i].flag, err);
	}
	return r;
}

int cor_spec_build(const struct cor_spec_options *o, const struct cor_image_config *image, int rootfs_fd,
		   json_t **ret, struct cor_error *err)
{
	struct cor_spec_build b = {.options = o, .image = image, .rootfs_fd = rootfs_fd};
	int r = o->config_file ? build_from_config(&b, err) : build_from_flags(&b, err);

	if (r < 0) {
		json_decref(b.spec);
		return r;
	}
	*ret = b.spec;
	return 0;
}

bool cor_spec_needs_rootfs(const struct cor_spec_options *o, const struct cor_image_config *image)
{
	return !o->config_file && (image || !cor_empty(o->user));
}
