/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits: CPU, memory, the cgroup they are set in, RLIMIT_NOFILE, and the propagation of the root mount. Numbers are
 * 64 bits unsigned on the command line and signed in a JSON document, so each is checked here where ctr would wrap.
 */
#include <errno.h>
#include <inttypes.h>

#include "spec/internal.h"

#define CPU_PERIOD  100000
/* 2^63 as a double: the first value that does not fit. */
#define INT64_LIMIT 9223372036854775808.0

static int get_cpu(json_t *spec, json_t **ret, struct cor_error *err)
{
	json_t *resources;
	int r = cor_spec_resources(spec, &resources, err);

	return r < 0 ? r : cor_spec_object(resources, "cpu", ret, err);
}

static bool quota_given(const struct cor_spec_options *o)
{
	return o->cpu_quota != -1 || o->cpu_period != 0;
}

static bool cpus_given(const struct cor_spec_options *o)
{
	return o->cpus_set && o->cpus > 0.0;
}

int cor_spec_check_cpu(const struct cor_spec_options *o, struct cor_error *err)
{
	if (cpus_given(o) && quota_given(o))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "cpus and quota/period should be used separately");
	if (cpus_given(o) && !(o->cpus * CPU_PERIOD < INT64_LIMIT))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "cpus: value %g is out of range", o->cpus);
	return 0;
}

int cor_spec_apply_cpus(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *cpu;
	int r;

	if (!cpus_given(b->options))
		return 0;
	r = get_cpu(b->spec, &cpu, err);
	if (r >= 0)
		r = cor_spec_put(cpu, "quota", json_integer((json_int_t)(b->options->cpus * CPU_PERIOD)),
				 err);
	return r < 0 ? r : cor_spec_put(cpu, "period", json_integer(CPU_PERIOD), err);
}

int cor_spec_apply_cpu_shares(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *cpu;
	int r;

	if (!b->options->cpu_shares_set || b->options->cpu_shares == 0)
		return 0;
	r = get_cpu(b->spec, &cpu, err);
	if (r >= 0)
		r = cor_spec_put_u64(cpu, "shares", b->options->cpu_shares, "cpu-shares", err);
	if (r >= 0 && b->options->cpu_shares == 1024)
		r = cor_spec_explained(b, "default", err);
	return r;
}

/* Both members are written when either flag is given, with the other's default (-1, 0), as ctr does. */
int cor_spec_apply_cpu_quota(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *cpu;
	int r;

	if (!quota_given(b->options))
		return 0;
	r = get_cpu(b->spec, &cpu, err);
	if (r >= 0)
		r = cor_spec_put(cpu, "quota", json_integer(b->options->cpu_quota), err);
	return r < 0 ? r : cor_spec_put_u64(cpu, "period", b->options->cpu_period, "cpu-period", err);
}

int cor_spec_apply_cpu_burst(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *cpu;
	int r;

	if (b->options->cpu_burst == 0)
		return 0;
	r = get_cpu(b->spec, &cpu, err);
	return r < 0 ? r : cor_spec_put_u64(cpu, "burst", b->options->cpu_burst, "cpu-burst", err);
}

static int set_cpuset(json_t *spec, const char *key, const char *list, struct cor_error *err)
{
	json_t *cpu;
	int r;

	if (cor_empty(list))
		return 0;
	r = get_cpu(spec, &cpu, err);
	return r < 0 ? r : cor_spec_put_string(cpu, key, list, err);
}

int cor_spec_apply_cpuset_cpus(struct cor_spec_build *b, struct cor_error *err)
{
	return set_cpuset(b->spec, "cpus", b->options->cpuset_cpus, err);
}

int cor_spec_apply_cpuset_mems(struct cor_spec_build *b, struct cor_error *err)
{
	return set_cpuset(b->spec, "mems", b->options->cpuset_mems, err);
}

int cor_spec_apply_rdt(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *lnx, *rdt;
	int r;

	if (cor_empty(b->options->rdt_class))
		return 0;
	r = cor_spec_linux(b->spec, &lnx, err);
	if (r >= 0)
		r = cor_spec_object(lnx, "intelRdt", &rdt, err);
	return r < 0 ? r : cor_spec_put_string(rdt, "closID", b->options->rdt_class, err);
}

int cor_spec_apply_cgroup(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *lnx;
	int r;

	if (!b->options->cgroup)
		return 0;
	r = cor_spec_linux(b->spec, &lnx, err);
	if (r < 0)
		return r;
	if (*b->options->cgroup)
		return cor_spec_put_string(lnx, "cgroupsPath", b->options->cgroup, err);
	json_object_del(lnx, "cgroupsPath");
	return 0;
}

int cor_spec_apply_memory(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *resources, *memory;
	int r;

	if (!b->options->memory_limit_set || b->options->memory_limit == 0)
		return 0;
	r = cor_spec_resources(b->spec, &resources, err);
	if (r >= 0)
		r = cor_spec_object(resources, "memory", &memory, err);
	return r < 0 ? r : cor_spec_put_u64(memory, "limit", b->options->memory_limit, "memory-limit", err);
}

int cor_spec_apply_propagation(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *lnx;
	int r;

	if (cor_empty(b->options->rootfs_propagation))
		return 0;
	r = cor_spec_linux(b->spec, &lnx, err);
	return r < 0 ? r : cor_spec_put_string(lnx, "rootfsPropagation", b->options->rootfs_propagation, err);
}

static int parse_limit(const char *flag, const char *s, uint64_t *ret, struct cor_error *err)
{
	_cleanup_free_ char *whole = NULL, *part = NULL;
	int r = cor_parse_u64(s, ret);

	if (r >= 0 && *ret <= INT64_MAX)
		return 0;
	whole = cor_spec_quote(flag);
	part = cor_spec_quote(s);
	return cor_error_set(err, COR_INVALID_ARGUMENT,
			     "failed to parse rlimit-nofile %s: strconv.ParseUint: parsing %s: %s",
			     COR_SPEC_QUOTED(whole), COR_SPEC_QUOTED(part),
			     r == -EINVAL ? "invalid syntax" : "value out of range");
}

/* "soft[:hard]"; one number is both. */
static int parse_rlimit(const char *flag, uint64_t *ret_soft, uint64_t *ret_hard, struct cor_error *err)
{
	const char *colon = strchrnul(flag, ':');
	_cleanup_free_ char *soft = strndup(flag, (size_t)(colon - flag));
	int r;

	if (!soft)
		return cor_error_oom(err);
	r = parse_limit(flag, soft, ret_soft, err);
	return r < 0 ? r : parse_limit(flag, *colon ? colon + 1 : soft, ret_hard, err);
}

int cor_spec_check_rlimit(const struct cor_spec_options *o, struct cor_error *err)
{
	uint64_t soft, hard;

	return cor_empty(o->rlimit_nofile) ? 0 : parse_rlimit(o->rlimit_nofile, &soft, &hard, err);
}

int cor_spec_apply_rlimit(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *process, *rlimits, *limit;
	uint64_t soft = 0, hard = 0;
	size_t i;
	int r;

	if (cor_empty(b->options->rlimit_nofile))
		return 0;
	r = parse_rlimit(b->options->rlimit_nofile, &soft, &hard, err);
	if (r >= 0)
		r = cor_spec_process(b->spec, &process, err);
	if (r >= 0)
		r = cor_spec_array(process, "rlimits", &rlimits, err);
	if (r < 0)
		return r;
	json_array_foreach(rlimits, i, limit)
	{
		const char *type = json_string_value(json_object_get(limit, "type"));

		if (type && streq(type, "RLIMIT_NOFILE"))
			break;
	}
	limit = json_pack("{s:s, s:I, s:I}", "type", "RLIMIT_NOFILE", "hard", (json_int_t)hard, "soft",
			  (json_int_t)soft);
	r = i < json_array_size(rlimits) ? json_array_set_new(rlimits, i, limit)
					 : json_array_append_new(rlimits, limit);
	return r < 0 ? cor_error_oom(err) : 0;
}
