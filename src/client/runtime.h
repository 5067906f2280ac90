/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of src/client: the runtime named by the flags, and its options. */
#ifndef COR_CLIENT_RUNTIME_H
#define COR_CLIENT_RUNTIME_H

#include "client/client.h"

#define COR_RUNTIME_DEFAULT "io.containerd.runc.v2"

/* runc's options from the flags, or absent when none was given. INVALID_ARGUMENT where they go to another runtime. */
int cor_runtime_options(const struct cor_create_options *o, struct cor_any *ret, struct cor_error *err);

#endif
