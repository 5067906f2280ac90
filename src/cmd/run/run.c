/* SPDX-License-Identifier: Apache-2.0 */
/* `run`: an image (or a root file system, or a spec) as a container. */
#include "cmd/commands.h"
#include "cmd/context.h"
#include "cmd/run/container_flags.h"
#include "cmd/run/dump.h"
#include "cmd/run/explain.h"

typedef struct cor_container_flags F;

static const struct cor_option run_only[] = {
	COR_OPT(F, COR_OPT_STRING, pid_file, "pid-file", NULL, "file path to write the task's pid",
		.metavar = "FILE"),
	COR_OPT(F, COR_OPT_BOOL, no_pivot, "no-pivot", NULL, "disable use of pivot-root (linux only)"),
	COR_OPT(F, COR_OPT_BOOL, rm, "rm", NULL,
		"remove the container after running, cannot be used with --detach"),
	COR_OPT(F, COR_OPT_BOOL, cni, "cni", NULL, "enable cni networking for the container"),
	COR_OPT(F, COR_OPT_STRINGS, publish, "publish", "p",
		"publish a port of the container on the host, with --cni (format: "
		"[HOST-IP:]HOST-PORT:CONTAINER-PORT[/PROTOCOL])",
		.metavar = "PORTS"),
	COR_OPT(F, COR_OPT_BOOL, null_io, "null-io", NULL, "send all IO to /dev/null"),
	COR_OPT(F, COR_OPT_STRING, log_uri, "log-uri", NULL,
		"log uri (file:///path or binary:///path?key=value)", .metavar = "URI"),
	COR_OPT(F, COR_OPT_STRING, fifo_dir, "fifo-dir", NULL,
		"directory used for storing IO FIFOs (not supported: there are none)", .metavar = "DIR"),
	COR_OPT(F, COR_OPT_BOOL, detach, "detach", "d",
		"detach from the task after it has started execution, cannot be used with --rm"),
	COR_OPT(F, COR_OPT_STRING, cgroup, "cgroup", NULL,
		"cgroup path (To disable use of cgroup, set to \"\" explicitly)", .metavar = "PATH"),
	COR_OPT(F, COR_OPT_STRING, platform, "platform", NULL, "run image for specific platform",
		.metavar = "PLATFORM"),
	COR_OPT(F, COR_OPT_STRING, dump_config, "dump-config", NULL,
		"write the OCI spec to a file, then run; '-' prints it and does not run", .metavar = "FILE"),
	COR_OPT(F, COR_OPT_BOOL, sync_fs, "sync-fs", NULL,
		"synchronize the file system when the image is unpacked; always done, so that a power loss "
		"cannot "
		"damage it"),
	COR_OPT(F, COR_OPT_BOOL, explain, "explain", NULL,
		"print what would be made, and which flag, image field or default sets each part; nothing is "
		"made, nothing runs"),
	COR_OPT_SET(F, COR_OPT_FLOAT, cpus, cpus_set, "cpus", NULL, "set the CFS cpu quota", .metavar = "N"),
	COR_OPT(F, COR_OPT_INT, cpu_shares, "cpu-shares", NULL, "set the cpu shares", .def = "1024",
		.metavar = "N"),
	COR_OPT(F, COR_OPT_STRING, cpuset_cpus, "cpuset-cpus", NULL,
		"set the CPUs the container will run in (e.g., 1-2,4)", .metavar = "LIST"),
	COR_OPT(F, COR_OPT_STRING, cpuset_mems, "cpuset-mems", NULL,
		"set the memory nodes the container will run in (e.g., 1-2,4)", .metavar = "LIST"),
	COR_OPT(F, COR_OPT_UINT, cpu_burst, "cpu-burst", NULL,
		"CPU time that may be saved up in quiet periods and used beyond the quota",
		.metavar = "MICROSECONDS"),
	COR_OPT(F, COR_OPT_STRING, rlimit_nofile, "rlimit-nofile", NULL,
		"set RLIMIT_NOFILE (format: <soft>[:<hard>])", .metavar = "SOFT[:HARD]"),
	COR_OPT(F, COR_OPT_BOOL, privileged_without_host_devices, "privileged-without-host-devices", NULL,
		"don't pass all host devices to privileged container"),
	COR_OPT(F, COR_OPT_STRING, checkpoint, "checkpoint", NULL,
		"go on from this checkpoint image of a container of the image", .metavar = "IMAGE"),
	COR_OPT(F, COR_OPT_STRINGS, uid_maps, "uidmap", NULL,
		"run inside a user namespace with the specified UID mapping range (format: "
		"container-uid:host-uid:length)",
		.metavar = "MAP"),
	COR_OPT(F, COR_OPT_STRINGS, gid_maps, "gidmap", NULL,
		"run inside a user namespace with the specified GID mapping range (format: "
		"container-gid:host-gid:length)",
		.metavar = "MAP"),
	COR_OPT(F, COR_OPT_BOOL, remap_labels, "remap-labels", NULL,
		"map the IDs of the image's files in its mounts, without a copy, where kernel and "
		"snapshotter "
		"can"),
	COR_OPT_END,
};
static const struct cor_option *const more[] = {cor_container_options, NULL};

static int run_run(struct cor_context *ctx, const void *options, int argc, char **args, struct cor_error *err)
{
	const struct cor_container_flags *f = options;
	struct cor_services *s;
	struct cor_run_options o = {
		.rm = f->rm,
		.task =
			{
				.detach = f->detach,
				.null_io = f->null_io,
				.no_pivot = f->no_pivot,
				.tty = f->tty,
				.log_uri = f->log_uri,
				.fifo_dir = f->fifo_dir,
				.pid_file = f->pid_file,
			},
	};
	struct cor_restore_options restore = {.ref = f->checkpoint, .rw = true, .live = true};
	int r = cor_container_flags_apply(f, ctx->globals.ns, argc, args, &o.create, err);
	if (r >= 0 && f->checkpoint)
		r = cor_container_flags_check_restore(ctx, f, argc, err);
	if (r < 0)
		return r;
	o.restore = f->checkpoint ? &restore : NULL;
	if (f->rm && f->detach)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "flags --detach and --rm cannot be specified together");
	r = cor_task_options_check(&o.task, err);
	if (r < 0)
		return r;
	if (f->cpu_shares < 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "cpu-shares must not be negative: %lld",
				     (long long)f->cpu_shares);
	o.create.cni = f->cni;
	o.create.publish = f->publish;
	o.create.remap_labels = f->remap_labels;
	o.create.spec.uid_maps = f->uid_maps;
	o.create.spec.gid_maps = f->gid_maps;
	o.create.spec.cgroup = f->cgroup;
	o.create.spec.rlimit_nofile = f->rlimit_nofile;
	o.create.spec.privileged_without_host_devices = f->privileged_without_host_devices;
	o.create.spec.cpuset_cpus = f->cpuset_cpus;
	o.create.spec.cpuset_mems = f->cpuset_mems;
	o.create.spec.cpu_burst = f->cpu_burst;
	o.create.spec.cpus = f->cpus;
	o.create.spec.cpus_set = f->cpus_set;
	o.create.spec.cpu_shares = (uint64_t)f->cpu_shares;
	o.create.spec.cpu_shares_set = true;
	if (f->dump_config && !*f->dump_config)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "file name is required with --dump-config");
	if (f->dump_config && f->explain)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "flags --explain and --dump-config cannot be specified together");
	r = cor_context_services(ctx, &s, err);
	if (r < 0)
		return r;
	if (f->explain)
		return cor_run_explain(ctx, s, &o, f, err);
	if (f->dump_config && streq(f->dump_config, "-"))
		return cor_run_print_spec(ctx, s, &o.create, err);
	if (f->dump_config) {
		o.created = cor_run_write_spec;
		o.created_data = (void *)(uintptr_t)f->dump_config;
	}
	uint32_t status = 0;
	r = cor_run(s, &o, &status, err);
	return r < 0 ? r : (int)status;
}

const struct cor_command cor_cmd_run = {
	.name = "run",
	.usage = "run a container",
	.args_usage = "[flags] Image|RootFS ID [COMMAND] [ARG...]",
	.description =
		"Runs the image as a container and stays in the foreground: standard input, output and error "
		"are\n"
		"the caller's own, signals are forwarded, the exit code is the process's (128+n for signal "
		"n).\n"
		"The image must be there: see `images import`. A run that fails leaves nothing behind.",
	.options = run_only,
	.more_options = more,
	.options_size = sizeof(struct cor_container_flags),
	.dash_args = true,
	.run = run_run,
};
