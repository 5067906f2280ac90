/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events on their way to containerd: Forward of containerd.services.events.ttrpc.v1.Events on the address in TTRPC_ADDRESS; without
 * one `containerd publish`, which costs a process for each.
 *
 * Invariants:
 *  1. In order: one is under way at a time, and stays at the head of the queue until it was answered.
 *  2. Nothing here waits. While containerd is away events are kept, and sent when it is back; EVENTS_MAX at most, EVENTS_BYTES_MAX
 *     bytes: the oldest goes.
 *  3. One that is answered by an error goes after TRIES_MAX tries.
 */
#ifndef COR_SHIM_PUBLISHER_H
#define COR_SHIM_PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"

struct cor_publisher;
struct cor_publisher_config {
	struct cor_loop *loop;
	const char *ns, *ttrpc_address, *publish_binary, *address; /* outlive it; any may be NULL or "" */
	void (*drained)(void *data); /* after _finish: nothing is left to send */
	void *data;
};
/* NULL: no memory, or nowhere to send. */
struct cor_publisher *cor_publisher_new(const struct cor_publisher_config *config);
struct cor_publisher *cor_publisher_free(struct cor_publisher *p);
/* topic, type: literals ("/tasks/exit", "containerd.events.TaskExit"). data: the message. */
void cor_publisher_send(struct cor_publisher *p, const char *topic, const char *type, const void *data,
			size_t n);
/* True when all is sent. Else `drained` is called when it is, or when that takes too long. */
bool cor_publisher_finish(struct cor_publisher *p);
bool cor_publisher_has_child(const struct cor_publisher *p, pid_t pid);
/* A child exited: true when it was one of the publisher's. */
bool cor_publisher_child(struct cor_publisher *p, pid_t pid, int status);

/* The ForwardRequest of one event (caller's buffer; sticky failure). */
struct cor_buf;
void cor_publisher_encode(struct cor_buf *out, const char *ns, const char *topic, const char *type,
			  int64_t at_ns, const void *data, size_t n);

#endif
