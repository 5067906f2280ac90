/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks between processes: flock on a file (made when missing). The lock goes with the descriptor, so it is
 * released whatever way the holder ends.
 */
#ifndef COR_BASE_LOCK_H
#define COR_BASE_LOCK_H

#include <stdbool.h>

#include "base/error.h"

enum cor_lock_mode { COR_LOCK_SHARED, COR_LOCK_EXCLUSIVE };

/* Waits for the lock. Returns a descriptor that holds it (close to release), or -errno.
 * With `wait` false: -EWOULDBLOCK when somebody else holds it (err not set then).
 * A lock file that is removed by its last holder is handled: the lock returned is on the file that has the name. */
int cor_lock_at(int dirfd, const char *name, enum cor_lock_mode mode, bool wait, struct cor_error *err);

#endif
