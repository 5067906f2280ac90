/* SPDX-License-Identifier: Apache-2.0 */
/* Runtime options as they come: in the Any of a request, or of stdin; and the one that concerns the shim itself. */
#ifndef COR_SHIM_V2_OPTIONS_H
#define COR_SHIM_V2_OPTIONS_H

#include <sys/types.h>

#include "any.pb-c.h"
#include "base/error.h"
#include "runc_options.pb-c.h"

typedef Containerd__Runc__V1__Options runc_options;

/* runc's options, or NULL in *ret when there are none (no value, or no type). INVALID_ARGUMENT: of another type. */
int cor_v2_unpack_options(const Google__Protobuf__Any *any, runc_options **ret, struct cor_error *err);
/* The same from a descriptor that holds an Any, or nothing. */
int cor_v2_read_options(int fd, runc_options **ret, struct cor_error *err);
/* Moves pid into an existing group, in every hierarchy that has it. NOT_FOUND when none has. */
int cor_v2_join_cgroup(const char *path, pid_t pid, struct cor_error *err);

#endif
