/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the runtime: containerd.runc.v1.Options, and for runc's runtime alone. */
#include "client/runtime.h"

#include "rpc/shim_api.h"
#include "runc_options.pb-c.h"

int cor_runtime_options(const struct cor_create_options *o, struct cor_any *ret, struct cor_error *err)
{
	const char *runtime = o->runtime ? o->runtime : COR_RUNTIME_DEFAULT;
	bool given = !cor_empty(o->runc_binary) || !cor_empty(o->runc_root) || o->runc_systemd_cgroup;
	if (!given)
		return 0;
	if (!streq(runtime, COR_RUNTIME_DEFAULT))
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"specifying runc-binary and runc-systemd-cgroup is only supported for \"%s\" runtime",
			COR_RUNTIME_DEFAULT);
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
