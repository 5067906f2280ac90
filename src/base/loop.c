/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: epoll over descriptors, timerfds and one signalfd.
 *
 * A source may be removed (and its memory freed) inside any callback of the same round, so events still queued for
 * it must not be delivered: epoll data holds a slot number and the slot's generation, never a pointer to the source.
 */
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"

struct slot {
	struct cor_source *source; /* NULL: free */
	uint32_t generation;
};

struct cor_loop {
	int epoll;
	bool stop;
	struct slot *slots;
	size_t n, cap;
	struct cor_source signal_source;
	int signal_fd;
	cor_child_fn child;
	cor_signal_fn on_signal;
	void *data;
};

struct cor_loop *cor_loop_new(void)
{
	struct cor_loop *l = cor_new0(struct cor_loop, 1);
	if (!l)
		return NULL;
	l->signal_fd = -1;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		free(l);
		return NULL;
	}
	return l;
}

struct cor_loop *cor_loop_free(struct cor_loop *l)
{
	if (!l)
		return NULL;
	cor_close(l->epoll);
	cor_close(l->signal_fd);
	free(l->slots);
	free(l);
	return NULL;
}

static int find_slot(struct cor_loop *l, size_t *ret)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!l->slots[i].source) {
			*ret = i;
			return 0;
		}
	}
	if (cor_grow(&l->slots, &l->cap, l->n + 1, sizeof(*l->slots)) < 0)
		return -ENOMEM;
	l->slots[l->n] = (struct slot){0};
	*ret = l->n++;
	return 0;
}

int cor_loop_add(struct cor_loop *l, struct cor_source *s, int fd, uint32_t events, cor_io_fn fn)
{
	size_t i;
	int r = find_slot(l, &i);
	if (r < 0)
		return r;
	uint32_t generation = l->slots[i].generation + 1;
	uint64_t key = (uint64_t)generation << 32 | i;
	struct epoll_event ev = {.events = events, .data.u64 = key};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	l->slots[i] = (struct slot){.source = s, .generation = generation};
	*s = (struct cor_source){.loop = l, .fd = fd, .events = events, .io = fn, .generation = key};
	return 0;
}

int cor_loop_modify(struct cor_source *s, uint32_t events)
{
	if (!s->loop || s->events == events)
		return 0;
	struct epoll_event ev = {.events = events, .data.u64 = s->generation};
	if (epoll_ctl(s->loop->epoll, EPOLL_CTL_MOD, s->fd, &ev) < 0)
		return -errno;
	s->events = events;
	return 0;
}

void cor_loop_remove(struct cor_source *s)
{
	if (!s->loop)
		return;
	(void)epoll_ctl(s->loop->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	s->loop->slots[(uint32_t)s->generation].source = NULL;
	if (s->timer)
		cor_close(s->fd);
	s->loop = NULL;
	s->fd = -1;
}

int cor_loop_timer(struct cor_loop *l, struct cor_source *s, int64_t after_ns, int64_t interval_ns,
		   cor_timer_fn fn)
{
	_cleanup_close_ int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (after_ns < 1)
		after_ns = 1; /* zero would disarm it */
	struct itimerspec t = {
		.it_value = {.tv_sec = after_ns / 1000000000, .tv_nsec = after_ns % 1000000000},
		.it_interval = {.tv_sec = interval_ns / 1000000000, .tv_nsec = interval_ns % 1000000000},
	};
	if (timerfd_settime(fd, 0, &t, NULL) < 0)
		return -errno;
	int r = cor_loop_add(l, s, fd, EPOLLIN, NULL);
	if (r < 0)
		return r;
	s->timer = fn;
	(void)TAKE_FD(fd);
	return 0;
}

static void reap(struct cor_loop *l)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		l->child(pid, status, l->data);
}

static void on_signalfd(struct cor_source *s, uint32_t events)
{
	struct cor_loop *l = container_of(s, struct cor_loop, signal_source);
	struct signalfd_siginfo si;
	(void)events;
	while (read(s->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		/* One SIGCHLD may stand for many children. */
		if (si.ssi_signo == SIGCHLD && l->child)
			reap(l);
		else if (l->on_signal)
			l->on_signal((int)si.ssi_signo, l->data);
	}
}

int cor_loop_signals(struct cor_loop *l, cor_child_fn child, const int *signals, cor_signal_fn fn, void *data)
{
	sigset_t set;
	sigemptyset(&set);
	if (child)
		sigaddset(&set, SIGCHLD);
	for (size_t i = 0; signals && signals[i]; i++)
		sigaddset(&set, signals[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	l->child = child;
	l->on_signal = fn;
	l->data = data;
	l->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signal_fd < 0)
		return -errno;
	return cor_loop_add(l, &l->signal_source, l->signal_fd, EPOLLIN, on_signalfd);
}

static void dispatch(struct cor_loop *l, const struct epoll_event *ev)
{
	struct slot *slot = &l->slots[(uint32_t)ev->data.u64];
	struct cor_source *s = slot->source;
	if (!s || slot->generation != (uint32_t)(ev->data.u64 >> 32))
		return;
	if (!s->timer) {
		s->io(s, ev->events);
		return;
	}
	uint64_t expirations;
	if (read(s->fd, &expirations, sizeof(expirations)) == (ssize_t)sizeof(expirations))
		s->timer(s);
}

int cor_loop_run(struct cor_loop *l)
{
	struct epoll_event events[16];
	while (!l->stop) {
		int n = epoll_wait(l->epoll, events, (int)ARRAY_SIZE(events), -1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (int i = 0; i < n && !l->stop; i++)
			dispatch(l, &events[i]);
	}
	return 0;
}

int cor_loop_fd(const struct cor_loop *l)
{
	return l->epoll;
}

void cor_loop_stop(struct cor_loop *l)
{
	l->stop = true;
}
