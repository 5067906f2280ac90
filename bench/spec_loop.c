/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the making of a spec as `run` does it: flags and image configuration to the JSON text of config.json, users looked
 * up in a root file system.
 *
 *   spec-loop CASE ROOTFS COUNT
 *
 * One line for each of COUNT times, in microseconds. The first is what a command pays, which makes one spec.
 */
#include <stdio.h>
#include <time.h>

#include "base/fd.h"
#include "base/path.h"
#include "spec/spec.h"

/* static: the options only borrow. */
#define LIST(name, ...)                                           \
	static const char *const name##_[] = {__VA_ARGS__, NULL}; \
	char **const name = (char **)(uintptr_t)name##_

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int set_case(const char *name, struct cor_spec_options *o)
{
	LIST(args, "/bin/true");
	LIST(env, "A=1", "B=2", "PATH=/bin");
	LIST(mounts, "type=bind,src=/tmp,dst=/host,options=rbind:ro", "type=tmpfs,dst=/scratch");
	LIST(labels, "a=b", "c=d");
	LIST(add, "CAP_SYS_ADMIN", "CAP_SYS_PTRACE");
	LIST(drop, "CAP_CHOWN");
	LIST(devices, "/dev/null");
	LIST(namespaces, "network:/proc/1/ns/net");

	*o = (struct cor_spec_options){.id = "c1",
				       .ns = "default",
				       .cpu_quota = -1,
				       .cpu_shares = 1024,
				       .cpu_shares_set = true,
				       .args = args};
	if (streq(name, "plain"))
		return 0;
	o->seccomp = true;
	if (streq(name, "seccomp"))
		return 0;
	o->env = env;
	o->mounts = mounts;
	o->annotations = o->labels = labels;
	o->cap_add = add;
	o->cap_drop = drop;
	o->devices = devices;
	o->with_ns = namespaces;
	o->net_host = o->tty = o->read_only = true;
	o->user = "root";
	o->memory_limit_set = true;
	o->memory_limit = 1 << 20;
	o->cpuset_cpus = "0";
	o->rlimit_nofile = "1024:4096";
	return streq(name, "everything") ? 0 : -1;
}

static int once(const struct cor_spec_options *o, const char *rootfs, struct cor_error *err)
{
	LIST(env, "PATH=/usr/bin:/bin");
	LIST(cmd, "/bin/sh");
	struct cor_image_config image = {.user = (char *)(uintptr_t) "root", .env = env, .cmd = cmd};
	_cleanup_close_ int fd = cor_open_dir(rootfs, err);
	_cleanup_json_ json_t *spec = NULL;
	_cleanup_free_ char *text = NULL;
	int r = fd < 0 ? fd : cor_spec_build(o, &image, fd, &spec, err);

	text = r < 0 ? NULL : cor_json_dump(spec);
	return r < 0 ? r : text ? 0 : cor_error_oom(err);
}

int main(int argc, char **argv)
{
	struct cor_spec_options o;
	struct cor_error err = {0};
	uint32_t count = 0;

	if (argc != 4 || set_case(argv[1], &o) < 0 || cor_parse_u32(argv[3], &count) < 0) {
		fprintf(stderr, "usage: spec-loop plain|seccomp|everything ROOTFS COUNT\n");
		return 2;
	}
	for (uint32_t i = 0; i < count; i++) {
		int64_t start = now_ns();

		if (once(&o, argv[2], &err) < 0) {
			fprintf(stderr, "spec-loop: %s\n", err.message);
			return 1;
		}
		printf("%.1f\n", (double)(now_ns() - start) / 1e3);
	}
	return 0;
}
