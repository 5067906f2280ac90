/* SPDX-License-Identifier: Apache-2.0 */
/* The OOM notifier of one container. */
#include "shim/oom.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include "base/cgroup.h"
#include "base/fd.h"
#include "base/str.h"
#include "shim/events.h"

struct cor_oom {
	struct cor_source source;
	struct cor_shim *shim;
	int dir; /* the group's, O_PATH */
	int fd;  /* eventfd or inotify */
	bool v2;
	uint64_t kills; /* v2: how many were told */
};

/* oom_kill of memory.events. */
static uint64_t count_kills(int dir)
{
	_cleanup_free_ char *text = NULL;
	uint64_t n = 0;
	if (cor_read_file_at(dir, "memory.events", 4096, &text, NULL, NULL) < 0)
		return 0;
	char *p = strstr(text, "\noom_kill ");
	if (!p)
		return 0;
	p += strlen("\noom_kill ");
	p[strcspn(p, "\n")] = '\0';
	return cor_parse_u64(p, &n) < 0 ? 0 : n;
}

void cor_oom_check(struct cor_shim *s)
{
	struct cor_oom *o = s->oom;
	char buf[4096];
	bool killed;
	if (!o)
		return;
	ssize_t n = read(o->fd, buf, sizeof(buf));
	if (o->v2) {
		uint64_t kills = count_kills(o->dir);
		killed = kills > o->kills;
		o->kills = kills > o->kills ? kills : o->kills;
	} else {
		/* The removal of the group is told in the same way. */
		killed = n == 8 && faccessat(o->dir, "cgroup.procs", F_OK, 0) == 0;
	}
	if (killed)
		cor_events_oom(s);
	else if (n > 0 && faccessat(o->dir, "cgroup.procs", F_OK, 0) < 0)
		cor_oom_stop(s);
}

static void on_event(struct cor_source *src, uint32_t events)
{
	(void)events;
	cor_oom_check(container_of(src, struct cor_oom, source)->shim);
}

/* An eventfd, registered for the group's oom_control. */
static int watch_v1(int dir)
{
	char word[32];
	_cleanup_close_ int control = openat(dir, "memory.oom_control", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int events = openat(dir, "cgroup.event_control", O_WRONLY | O_CLOEXEC);
	if (control < 0 || events < 0)
		return -errno;
	_cleanup_close_ int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	(void)snprintf(word, sizeof(word), "%d %d", fd, control);
	int r = cor_write_full(events, word, strlen(word));
	return r < 0 ? r : TAKE_FD(fd);
}

static int watch_v2(int dir)
{
	char path[64];
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/memory.events", dir);
	return inotify_add_watch(fd, path, IN_MODIFY) < 0 ? -errno : TAKE_FD(fd);
}

void cor_oom_watch(const struct cor_shim_process *init)
{
	struct cor_shim *s = init->shim;
	if (!s->publisher || s->oom || !cor_process_alive(init))
		return;
	struct cor_oom *o = cor_new0(struct cor_oom, 1);
	if (!o)
		return;
	o->shim = s;
	o->dir = cor_cgroup_open_of(init->pid, "memory");
	o->v2 = o->dir < 0;
	if (o->v2)
		o->dir = cor_cgroup_open_of(init->pid, "");
	o->fd = o->dir < 0 ? -1 : o->v2 ? watch_v2(o->dir) : watch_v1(o->dir);
	s->oom = o;
	if (o->fd < 0 || cor_loop_add(s->loop, &o->source, o->fd, EPOLLIN, on_event) < 0)
		cor_oom_stop(s);
	else if (o->v2)
		o->kills = count_kills(o->dir);
}

void cor_oom_stop(struct cor_shim *s)
{
	struct cor_oom *o = s->oom;
	if (!o)
		return;
	if (o->source.loop)
		cor_loop_remove(&o->source);
	cor_close(o->fd);
	cor_close(o->dir);
	free(o);
	s->oom = NULL;
}
