/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of src/client: the runtime named by the flags, and its options. */
#ifndef COR_CLIENT_RUNTIME_H
#define COR_CLIENT_RUNTIME_H

#include "client/client.h"

#define COR_RUNTIME_DEFAULT "io.containerd.runc.v2"

/* The runtime's options from the flags: runc's own for the default runtime (there even when none was given, as ctr has it);
 * the path of its configuration, or nothing, for another. INVALID_ARGUMENT where a flag goes to the wrong one. */
int cor_runtime_options(const struct cor_create_options *o, struct cor_any *ret, struct cor_error *err);
/* Can tasks be made with that runtime? Before anything is made. */
int cor_runtime_check(struct cor_services *s, const struct cor_create_options *o, struct cor_error *err);

#endif
