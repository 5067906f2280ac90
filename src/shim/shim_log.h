/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a process's output in the Kubernetes CRI format (rpc/shim_api.h), in DIR/current, rotated to DIR/1.
 *
 * Invariants:
 *  1. The two files together hold at most 2 * COR_LOG_MAX bytes.
 *  2. A line is whole or absent: what could be written only in part is cut off again.
 *  3. Lines that could not be written are counted, and the count is written before the next line that can be.
 */
#ifndef COR_SHIM_LOG_H
#define COR_SHIM_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum cor_stream { COR_STREAM_OUT = 1, COR_STREAM_ERR = 2 };

struct cor_shim_log;
/* dir: an absolute path, made (0700) when missing. An existing log is continued. max: bytes per file. */
int cor_shim_log_open(const char *dir, uint64_t max, struct cor_shim_log **ret, struct cor_error *err);
/* NULL is fine; returns NULL. */
struct cor_shim_log *cor_shim_log_close(struct cor_shim_log *l);
/* Never fails: see invariant 3. */
void cor_shim_log_write(struct cor_shim_log *l, enum cor_stream stream, const char *data, size_t n);

#endif
