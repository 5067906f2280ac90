/* SPDX-License-Identifier: Apache-2.0 */
/* Runtime options, from requests and from stdin. */
#include "shim/v2_options.h"

#include <errno.h>
#include <string.h>

#include "base/cgroup.h"
#include "base/fd.h"
#include "base/str.h"
#include "rpc/message.h"
#include "rpc/shim_api.h"
#include "shim/v2.h"

/* A type URL's last part: containerd writes bare names, others put a host before them. */
static const char *type_name(const char *url)
{
	const char *slash = strrchr(url, '/');
	return slash ? slash + 1 : url;
}

int cor_v2_unpack_options(const Google__Protobuf__Any *any, runc_options **ret, struct cor_error *err)
{
	ProtobufCMessage *options = NULL;
	*ret = NULL;
	if (!any || cor_empty(any->type_url))
		return 0;
	if (!streq(type_name(any->type_url), COR_RUNC_OPTIONS_TYPE))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "runtime options of type \"%s\" are not understood", any->type_url);
	int r = cor_message_unpack(&containerd__runc__v1__options__descriptor, any->value.data,
				   any->value.len, &options, err);
	if (r < 0)
		return cor_error_wrap(err, r, "runtime options");
	*ret = (runc_options *)options;
	return 0;
}

int cor_v2_read_options(int fd, runc_options **ret, struct cor_error *err)
{
	_cleanup_free_ char *data = NULL;
	size_t n = 0;
	ProtobufCMessage *any = NULL;
	*ret = NULL;
	int r = cor_read_fd(fd, COR_V2_STDIN_MAX, &data, &n, err);
	if (r < 0)
		return cor_error_wrap(err, r, "runtime options on stdin");
	if (n == 0)
		return 0;
	r = cor_message_unpack(&google__protobuf__any__descriptor, data, n, &any, err);
	if (r < 0)
		return cor_error_wrap(err, r, "runtime options on stdin");
	r = cor_v2_unpack_options((const Google__Protobuf__Any *)any, ret, err);
	cor_message_free(any);
	return r;
}

int cor_v2_join_cgroup(const char *path, pid_t pid, struct cor_error *err)
{
	if (!cor_cgroup_path_is_own(path))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "shim cgroup \"%s\": not a group's path",
				     path);
	int n = cor_cgroup_join(path, pid);
	if (n == 0)
		return cor_error_set(err, COR_NOT_FOUND, "failed to load cgroup %s: not found", path);
	return n < 0 ? cor_error_errno(err, n, "failed to join cgroup %s", path) : 0;
}
