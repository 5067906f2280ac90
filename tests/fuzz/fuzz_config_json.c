/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A --config document: what is taken survives a round trip unchanged, and every flag and `exec` can be applied to it
 * (the steps meet members of any shape that the check let through).
 */
#include <stdlib.h>

#include "spec/internal.h"

static void round_trip(const json_t *spec)
{
	_cleanup_free_ char *text = cor_json_dump(spec);
	_cleanup_json_ json_t *again = NULL;
	struct cor_error err = {0};

	if (!text)
		return;
	if (cor_spec_config_parse(text, strlen(text), &again, &err) < 0 || !json_equal(spec, again))
		abort();
}

static void apply_flags(json_t *spec)
{
	static const char *const list[] = {"CAP_CHOWN", NULL}, *const pairs[] = {"a=b", NULL},
				 *const mounts[] = {"dst=/dev/shm,options=ro", NULL},
				 *const ns[] = {"pid:/x", NULL};
	struct cor_spec_options o = {
		.id = "c",
		.ns = "n",
		.env = (char *const *)pairs,
		.labels = (char *const *)pairs,
		.mounts = (char *const *)mounts,
		.with_ns = (char *const *)ns,
		.cap_add = (char *const *)list,
		.cap_drop = (char *const *)list,
		.rlimit_nofile = "1",
		.cwd = "/",
		.cgroup = "/x",
		.tty = true,
		.read_only = true,
		.net_host = true,
		.privileged = true,
		.privileged_without_host_devices = true,
		.allow_new_privs = true,
		.cpu_quota = 5,
		.memory_limit_set = true,
		.memory_limit = 5,
	};
	static int (*const steps[])(struct cor_spec_build *, struct cor_error *) = {
		cor_spec_apply_env,       cor_spec_apply_mounts,
		cor_spec_apply_tty,       cor_spec_apply_privileged,
		cor_spec_apply_net_host,  cor_spec_apply_cap_add,
		cor_spec_apply_cap_drop,  cor_spec_apply_cpu_quota,
		cor_spec_apply_with_ns,   cor_spec_apply_cgroup,
		cor_spec_apply_memory,    cor_spec_apply_rlimit,
		cor_spec_apply_labels,    cor_spec_apply_cwd,
		cor_spec_apply_read_only, cor_spec_apply_new_privileges,
	};
	struct cor_spec_build b = {.options = &o, .rootfs_fd = -1, .spec = spec};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct cor_error err = {0};

		if (steps[i](&b, &err) < 0 && err.code == COR_OK)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const args[] = {"/bin/true", NULL};
	struct cor_exec_options exec = {
		.args = (char *const *)args, .user = "1:2", .env = (char *const *)args};
	_cleanup_json_ json_t *spec = NULL, *process = NULL;
	struct cor_error err = {0};

	if (cor_spec_config_parse((const char *)data, size, &spec, &err) < 0) {
		if (spec || err.code == COR_OK)
			abort();
		return 0;
	}
	round_trip(spec);
	if (cor_spec_exec_process(spec, &exec, -1, &process, &err) < 0 && err.code == COR_OK)
		abort();
	apply_flags(spec);
	return 0;
}
