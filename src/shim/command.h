/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is there such a command? Asked before the runtime is, when the runtime's stderr is the caller's own: runc and crun print
 * their error there and to their log, and a mistyped command shall be one line of error, not two.
 *
 * Only a sure "no" counts. What the look-up cannot see (a volume, a dangling link, no PATH) is left to the runtime.
 */
#ifndef COR_SHIM_COMMAND_H
#define COR_SHIM_COMMAND_H

#include <sys/types.h>

#include "base/error.h"

/* The init process of the config.json in the bundle. 0: go on; or -errno with runc's text in err. */
int cor_command_check_init(int bundle_fd, struct cor_error *err);
/* An OCI process (JSON) that is to join the container whose init has this number. */
int cor_command_check_exec(pid_t init, const char *process, struct cor_error *err);

#endif
