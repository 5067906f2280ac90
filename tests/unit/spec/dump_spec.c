/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the spec for run's flags without an engine, so that tests can hold src/spec alone against another builder:
 *
 *   dump_spec [run flags] [--image-config FILE --image-root DIR] [--namespace NS] IMAGE|ROOTFS ID [COMMAND...]
 *   dump_spec --config FILE ID
 *   dump_spec --oci
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/path.h"
#include "spec/internal.h"

enum {
	OPT_CONFIG = 256,
	OPT_ENV_FILE,
	OPT_ENV,
	OPT_MOUNT,
	OPT_ANNOTATION,
	OPT_LABEL,
	OPT_CAP_ADD,
	OPT_CAP_DROP,
	OPT_DEVICE,
	OPT_WITH_NS,
	OPT_CWD,
	OPT_USER,
	OPT_HOSTNAME,
	OPT_CGROUP,
	OPT_PROPAGATION,
	OPT_RLIMIT,
	OPT_ROOTFS,
	OPT_TTY,
	OPT_READ_ONLY,
	OPT_NET_HOST,
	OPT_PRIVILEGED,
	OPT_NEW_PRIVS,
	OPT_NO_HOST_DEVICES,
	OPT_MEMORY,
	OPT_CPUS,
	OPT_SHARES,
	OPT_QUOTA,
	OPT_PERIOD,
	OPT_IMAGE_CONFIG,
	OPT_IMAGE_ROOT,
	OPT_NAMESPACE,
	OPT_OCI,
};

static const struct option long_options[] = {
	{"config", 1, NULL, OPT_CONFIG},
	{"env-file", 1, NULL, OPT_ENV_FILE},
	{"env", 1, NULL, OPT_ENV},
	{"mount", 1, NULL, OPT_MOUNT},
	{"annotation", 1, NULL, OPT_ANNOTATION},
	{"label", 1, NULL, OPT_LABEL},
	{"cap-add", 1, NULL, OPT_CAP_ADD},
	{"cap-drop", 1, NULL, OPT_CAP_DROP},
	{"device", 1, NULL, OPT_DEVICE},
	{"with-ns", 1, NULL, OPT_WITH_NS},
	{"cwd", 1, NULL, OPT_CWD},
	{"user", 1, NULL, OPT_USER},
	{"hostname", 1, NULL, OPT_HOSTNAME},
	{"cgroup", 1, NULL, OPT_CGROUP},
	{"rootfs-propagation", 1, NULL, OPT_PROPAGATION},
	{"rlimit-nofile", 1, NULL, OPT_RLIMIT},
	{"rootfs", 0, NULL, OPT_ROOTFS},
	{"tty", 0, NULL, OPT_TTY},
	{"read-only", 0, NULL, OPT_READ_ONLY},
	{"net-host", 0, NULL, OPT_NET_HOST},
	{"privileged", 0, NULL, OPT_PRIVILEGED},
	{"allow-new-privs", 0, NULL, OPT_NEW_PRIVS},
	{"privileged-without-host-devices", 0, NULL, OPT_NO_HOST_DEVICES},
	{"memory-limit", 1, NULL, OPT_MEMORY},
	{"cpus", 1, NULL, OPT_CPUS},
	{"cpu-shares", 1, NULL, OPT_SHARES},
	{"cpu-quota", 1, NULL, OPT_QUOTA},
	{"cpu-period", 1, NULL, OPT_PERIOD},
	{"image-config", 1, NULL, OPT_IMAGE_CONFIG},
	{"image-root", 1, NULL, OPT_IMAGE_ROOT},
	{"namespace", 1, NULL, OPT_NAMESPACE},
	{"oci", 0, NULL, OPT_OCI},
	{0},
};

/* The repeatable flags, and what is not in struct cor_spec_options. */
struct lists {
	char **env, **mounts, **annotations, **labels, **cap_add, **cap_drop, **devices, **with_ns;
	const char *image_config, *image_root;
	bool rootfs, oci;
};

static void lists_done(struct lists *l)
{
	cor_strv_free(l->env);
	cor_strv_free(l->mounts);
	cor_strv_free(l->annotations);
	cor_strv_free(l->labels);
	cor_strv_free(l->cap_add);
	cor_strv_free(l->cap_drop);
	cor_strv_free(l->devices);
	cor_strv_free(l->with_ns);
}

static int take_list(struct lists *l, int opt, const char *arg)
{
	switch (opt) {
	case OPT_ENV:
		return cor_strv_push(&l->env, arg);
	case OPT_MOUNT:
		return cor_strv_push(&l->mounts, arg);
	case OPT_ANNOTATION:
		return cor_strv_push(&l->annotations, arg);
	case OPT_LABEL:
		return cor_strv_push(&l->labels, arg);
	case OPT_CAP_ADD:
		return cor_strv_push(&l->cap_add, arg);
	case OPT_CAP_DROP:
		return cor_strv_push(&l->cap_drop, arg);
	case OPT_DEVICE:
		return cor_strv_push(&l->devices, arg);
	case OPT_WITH_NS:
		return cor_strv_push(&l->with_ns, arg);
	default:
		return 1;
	}
}

static int take_number(struct cor_spec_options *o, int opt, const char *arg)
{
	switch (opt) {
	case OPT_MEMORY:
		o->memory_limit_set = true;
		return cor_parse_u64(arg, &o->memory_limit);
	case OPT_CPUS:
		o->cpus_set = true;
		return cor_parse_f64(arg, &o->cpus);
	case OPT_SHARES:
		o->cpu_shares_set = true;
		return cor_parse_u64(arg, &o->cpu_shares);
	case OPT_QUOTA:
		return cor_parse_i64(arg, &o->cpu_quota);
	case OPT_PERIOD:
		return cor_parse_u64(arg, &o->cpu_period);
	default:
		return 1;
	}
}

static int take_string(struct cor_spec_options *o, struct lists *l, int opt, const char *arg)
{
	const char **const targets[] = {
		[OPT_CONFIG - OPT_CONFIG] = &o->config_file,
		[OPT_ENV_FILE - OPT_CONFIG] = &o->env_file,
		[OPT_CWD - OPT_CONFIG] = &o->cwd,
		[OPT_USER - OPT_CONFIG] = &o->user,
		[OPT_HOSTNAME - OPT_CONFIG] = &o->hostname,
		[OPT_CGROUP - OPT_CONFIG] = &o->cgroup,
		[OPT_PROPAGATION - OPT_CONFIG] = &o->rootfs_propagation,
		[OPT_RLIMIT - OPT_CONFIG] = &o->rlimit_nofile,
		[OPT_IMAGE_CONFIG - OPT_CONFIG] = &l->image_config,
		[OPT_IMAGE_ROOT - OPT_CONFIG] = &l->image_root,
		[OPT_NAMESPACE - OPT_CONFIG] = &o->ns,
		[OPT_OCI - OPT_CONFIG] = NULL,
	};

	if (opt < OPT_CONFIG || opt > OPT_OCI || !targets[opt - OPT_CONFIG])
		return 1;
	*targets[opt - OPT_CONFIG] = arg;
	return 0;
}

static int take_switch(struct cor_spec_options *o, struct lists *l, int opt)
{
	bool *const targets[] = {
		[OPT_ROOTFS - OPT_ROOTFS] = &l->rootfs,
		[OPT_TTY - OPT_ROOTFS] = &o->tty,
		[OPT_READ_ONLY - OPT_ROOTFS] = &o->read_only,
		[OPT_NET_HOST - OPT_ROOTFS] = &o->net_host,
		[OPT_PRIVILEGED - OPT_ROOTFS] = &o->privileged,
		[OPT_NEW_PRIVS - OPT_ROOTFS] = &o->allow_new_privs,
		[OPT_NO_HOST_DEVICES - OPT_ROOTFS] = &o->privileged_without_host_devices,
		[OPT_OCI - OPT_ROOTFS] = &l->oci,
	};

	if (opt < OPT_ROOTFS || opt > OPT_OCI || !targets[opt - OPT_ROOTFS])
		return -EINVAL;
	*targets[opt - OPT_ROOTFS] = true;
	return 0;
}

static int parse(int argc, char **argv, struct cor_spec_options *o, struct lists *l)
{
	int opt, r = 0;

	while (r >= 0 && (opt = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
		r = take_list(l, opt, optarg);
		if (r == 1)
			r = take_number(o, opt, optarg);
		if (r == 1)
			r = take_string(o, l, opt, optarg);
		if (r == 1)
			r = take_switch(o, l, opt);
		if (r < 0)
			fprintf(stderr, "dump_spec: bad flag %s\n", argv[optind - 1]);
	}
	o->env = l->env;
	o->mounts = l->mounts;
	o->annotations = l->annotations;
	o->labels = l->labels;
	o->cap_add = l->cap_add;
	o->cap_drop = l->cap_drop;
	o->devices = l->devices;
	o->with_ns = l->with_ns;
	return r;
}

static int load_image(const char *path, struct cor_image_config *ret, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = cor_spec_read_file(path, &text, &len, err);

	return r < 0 ? r : cor_image_config_parse(text, len, ret, err);
}

static int build(char **args, struct cor_spec_options *o, struct lists *l, json_t **ret,
		 struct cor_error *err)
{
	struct cor_image_config image = {0};
	_cleanup_close_ int rootfs_fd = -1;
	const char *root = l->rootfs ? args[0] : l->image_root;
	int r = 0;

	if (l->oci)
		return cor_spec_default("default", "", ret, err);
	o->id = args[0];
	if (!o->config_file && args[0]) {
		o->id = args[1];
		o->rootfs = l->rootfs ? args[0] : NULL;
		o->args = args[1] ? args + 2 : NULL;
	}
	if (!o->id)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "container id must be provided");
	if (l->image_config)
		r = load_image(l->image_config, &image, err);
	if (r >= 0 && root)
		r = rootfs_fd = cor_open_dir(root, err);
	if (r >= 0)
		r = cor_spec_build(o, l->image_config ? &image : NULL, rootfs_fd, ret, err);
	cor_image_config_done(&image);
	return r;
}

int main(int argc, char **argv)
{
	struct cor_spec_options o = {.ns = "default", .cpu_quota = -1};
	struct lists l = {0};
	struct cor_error err = {0};
	_cleanup_json_ json_t *spec = NULL;
	int r = parse(argc, argv, &o, &l);

	if (r >= 0) {
		r = build(argv + optind, &o, &l, &spec, &err);
		if (r < 0)
			fprintf(stderr, "dump_spec: %s\n", err.message);
	}
	if (r >= 0) {
		_cleanup_free_ char *text = cor_json_dump_pretty(spec);

		if (text)
			puts(text);
		else
			r = cor_error_oom(NULL);
	}
	lists_done(&l);
	return r < 0 ? 1 : 0;
}
