/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small epoll event loop: descriptors, timers, child exits (SIGCHLD through signalfd). Single-threaded.
 * Sources are owned by their creator and embedded in its structures; removing a source inside any callback is safe.
 */
#ifndef COR_BASE_LOOP_H
#define COR_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

struct cor_loop;
struct cor_source;
typedef void (*cor_io_fn)(struct cor_source *s, uint32_t events);
typedef void (*cor_timer_fn)(struct cor_source *s);

struct cor_source {
	struct cor_loop *loop; /* NULL: not in a loop */
	int fd;                /* timers: the timerfd, owned by the source */
	uint32_t events;
	cor_io_fn io;
	cor_timer_fn timer;
	uint64_t generation;
};
/* Every child that exits; status as waitpid's. Called for each reaped child, known or not (subreaper). */
typedef void (*cor_child_fn)(pid_t pid, int status, void *data);
typedef void (*cor_signal_fn)(int sig, void *data);

struct cor_loop *cor_loop_new(void);
struct cor_loop *cor_loop_free(struct cor_loop *l);
/* 0 or -errno. */
int cor_loop_add(struct cor_loop *l, struct cor_source *s, int fd, uint32_t events, cor_io_fn fn);
int cor_loop_modify(struct cor_source *s, uint32_t events);
void cor_loop_remove(struct cor_source *s);
/* One-shot timer after `after_ns`, and every interval_ns after that when not 0. */
int cor_loop_timer(struct cor_loop *l, struct cor_source *s, int64_t after_ns, int64_t interval_ns,
		   cor_timer_fn fn);
/* Blocks SIGCHLD and the given signals and routes them. signals: 0-terminated list or NULL. */
int cor_loop_signals(struct cor_loop *l, cor_child_fn child, const int *signals, cor_signal_fn fn,
		     void *data);
/* Runs until cor_loop_stop. 0 or -errno. */
int cor_loop_run(struct cor_loop *l);
void cor_loop_stop(struct cor_loop *l);
/* The epoll descriptor (borrowed): readable when the loop has something to do. */
int cor_loop_fd(const struct cor_loop *l);

#endif
