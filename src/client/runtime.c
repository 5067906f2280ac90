/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of the runtime, by ctr's rule: containerd.runc.v1.Options for runc's runtime, always, and for it alone, because
 * other shims fail on them; runtimeoptions.v1.Options with the path of their configuration for the others.
 */
#include "client/runtime.h"

#include "rpc/shim_api.h"
#include "rpc/wire.h"
#include "runc_options.pb-c.h"

/* runtimeoptions.v1.Options (containerd api/types/runtimeoptions/v1/api.proto): field 2, config_path. */
#define OPTIONS_TYPE      "runtimeoptions.v1.Options"
#define CONFIG_PATH_FIELD 2

static int check_runc(const struct cor_create_options *o, struct cor_error *err)
{
	if (!cor_empty(o->runtime_config_path))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "specifying runtime-config-path is not supported for \"%s\" runtime",
				     COR_RUNTIME_DEFAULT);
	if (o->runc_systemd_cgroup && cor_empty(o->spec.cgroup))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "option --runc-systemd-cgroup requires --cgroup to be set, e.g. "
				     "\"machine.slice:foo:deadbeef\"");
	return 0;
}

static int runc_options(const struct cor_create_options *o, struct cor_any *ret, struct cor_error *err)
{
	/* protobuf-c's strings are not const; the message only borrows them. */
	Containerd__Runc__V1__Options m = CONTAINERD__RUNC__V1__OPTIONS__INIT;
	_cleanup_free_ char *binary = strdup(o->runc_binary ? o->runc_binary : "");
	_cleanup_free_ char *root = strdup(o->runc_root ? o->runc_root : "");
	if (!binary || !root)
		return cor_error_oom(err);
	m.binary_name = binary;
	m.root = root;
	m.systemd_cgroup = o->runc_systemd_cgroup;
	size_t n = containerd__runc__v1__options__get_packed_size(&m);
	_cleanup_free_ uint8_t *data = malloc(n ? n : 1);
	if (!data)
		return cor_error_oom(err);
	(void)containerd__runc__v1__options__pack(&m, data);
	return cor_any_set(ret, COR_RUNC_OPTIONS_TYPE, data, n) < 0 ? cor_error_oom(err) : 0;
}

static int config_path(const struct cor_create_options *o, struct cor_any *ret, struct cor_error *err)
{
	_cleanup_buf_ struct cor_buf b = {0};
	cor_wire_put_string(&b, CONFIG_PATH_FIELD, o->runtime_config_path);
	if (b.failed || cor_any_set(ret, OPTIONS_TYPE, b.data, b.len) < 0)
		return cor_error_oom(err);
	return 0;
}

int cor_runtime_options(const struct cor_create_options *o, struct cor_any *ret, struct cor_error *err)
{
	const char *runtime = o->runtime ? o->runtime : COR_RUNTIME_DEFAULT;
	bool runc_only = !cor_empty(o->runc_binary) || !cor_empty(o->runc_root) || o->runc_systemd_cgroup;
	if (cor_empty(runtime))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "create container failed validation: container.Runtime.Name must be "
				     "set: invalid argument");
	if (streq(runtime, COR_RUNTIME_DEFAULT)) {
		int r = check_runc(o, err);
		return r < 0 ? r : runc_options(o, ret, err);
	}
	if (runc_only)
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"specifying runc-binary and runc-systemd-cgroup is only supported for \"%s\" runtime",
			COR_RUNTIME_DEFAULT);
	return cor_empty(o->runtime_config_path) ? 0 : config_path(o, ret, err);
}

int cor_runtime_check(struct cor_services *s, const struct cor_create_options *o, struct cor_error *err)
{
	struct cor_container c = {0};
	if (!s->check_runtime)
		return 0;
	int r = cor_runtime_options(o, &c.runtime_options, err);
	c.runtime = (char *)(uintptr_t)(o->runtime ? o->runtime : COR_RUNTIME_DEFAULT);
	if (r >= 0)
		r = s->check_runtime(s, &c, err);
	cor_any_done(&c.runtime_options);
	return r;
}
