/* SPDX-License-Identifier: Apache-2.0 */
/* ID maps: their checks, their text form, and user namespaces made of them. */
#include "base/idmap.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/str.h"

void cor_id_map_done(struct cor_id_map *m)
{
	free(m->items);
	*m = (struct cor_id_map){0};
}

int cor_id_map_add(struct cor_id_map *m, struct cor_id_range range)
{
	if (cor_grow(&m->items, &m->cap, m->n + 1, sizeof(*m->items)) < 0)
		return -ENOMEM;
	m->items[m->n++] = range;
	return 0;
}

static int by_container(const void *a, const void *b)
{
	const struct cor_id_range *x = a, *y = b;
	return (x->container > y->container) - (x->container < y->container);
}

void cor_id_map_sort(struct cor_id_map *m)
{
	if (m->n > 1)
		qsort(m->items, m->n, sizeof(*m->items), by_container);
}

static bool overlap(uint32_t a, uint32_t na, uint32_t b, uint32_t nb)
{
	return a < (uint64_t)b + nb && b < (uint64_t)a + na;
}

const char *cor_id_map_fault(const struct cor_id_map *m)
{
	if (m->n == 0)
		return "no range given";
	if (m->n > COR_ID_MAP_MAX)
		return "more than 340 ranges";
	for (size_t i = 0; i < m->n; i++) {
		const struct cor_id_range *a = &m->items[i];
		if (a->size == 0)
			return "a range of size 0";
		if ((uint64_t)a->container + a->size > UINT32_MAX || (uint64_t)a->host + a->size > UINT32_MAX)
			return "a range goes beyond ID 4294967294";
		for (size_t k = 0; k < i; k++) {
			const struct cor_id_range *b = &m->items[k];
			if (overlap(a->container, a->size, b->container, b->size) ||
			    overlap(a->host, a->size, b->host, b->size))
				return "ranges overlap";
		}
	}
	return NULL;
}

int cor_id_map_to_host(const struct cor_id_map *m, uint32_t id, uint32_t *ret)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct cor_id_range *a = &m->items[i];
		if (id >= a->container && id - a->container < a->size) {
			*ret = a->host + (id - a->container);
			return 0;
		}
	}
	return -ENOENT;
}

static int parse_range(const char *text, struct cor_id_range *ret)
{
	_cleanup_strv_ char **parts = cor_strv_split(text, ':');
	uint32_t n[3];
	if (!parts)
		return -ENOMEM;
	if (cor_strv_len(parts) != 3)
		return -EINVAL;
	for (size_t i = 0; i < 3; i++)
		if (cor_parse_u32(parts[i], &n[i]) < 0)
			return -EINVAL;
	*ret = (struct cor_id_range){n[0], n[1], n[2]};
	return 0;
}

int cor_id_map_parse(const char *text, struct cor_id_map *ret)
{
	_cleanup_strv_ char **ranges = cor_strv_split(text, ',');
	_cleanup_id_map_ struct cor_id_map m = {0};
	int r = ranges ? 0 : -ENOMEM;
	if (r == 0 && cor_strv_len(ranges) > COR_ID_MAP_MAX)
		return -EINVAL;
	for (size_t i = 0; r == 0 && ranges[i]; i++) {
		struct cor_id_range range;
		r = parse_range(ranges[i], &range);
		if (r == 0)
			r = cor_id_map_add(&m, range);
	}
	if (r == 0 && cor_id_map_fault(&m))
		r = -EINVAL;
	if (r < 0)
		return r;
	*ret = m;
	m = (struct cor_id_map){0};
	return 0;
}

char *cor_id_map_text(const struct cor_id_map *m)
{
	_cleanup_buf_ struct cor_buf b = {0};
	for (size_t i = 0; i < m->n; i++)
		(void)cor_buf_printf(&b, "%s%u:%u:%u", i ? "," : "", m->items[i].container, m->items[i].host,
				     m->items[i].size);
	return cor_buf_take(&b);
}

/* ---- user namespaces ---- */

static int write_map(pid_t pid, const char *which, const struct cor_id_map *m)
{
	_cleanup_buf_ struct cor_buf b = {0};
	char path[64];
	for (size_t i = 0; i < m->n; i++)
		(void)cor_buf_printf(&b, "%u %u %u\n", m->items[i].container, m->items[i].host,
				     m->items[i].size);
	if (b.failed)
		return -ENOMEM;
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, which);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* The kernel takes it in one piece or not at all. */
	return write(fd, b.data, b.len) < 0 ? -errno : 0;
}

static int open_namespace(pid_t pid, const struct cor_id_map *uids, const struct cor_id_map *gids)
{
	char path[64];
	int r = write_map(pid, "uid_map", uids);
	if (r == 0)
		r = write_map(pid, "gid_map", gids);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Only system calls: it is a copy of a process that may be in any state. Ends with its parent, whatever that one dies of. */
static void wait_for_end(const int pipe_fds[2])
{
	char c;
	(void)syscall(SYS_close, pipe_fds[1]);
	while (syscall(SYS_read, pipe_fds[0], &c, 1) < 0 && errno == EINTR)
		continue;
	(void)syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}

int cor_userns_open(const struct cor_id_map *uids, const struct cor_id_map *gids, struct cor_error *err)
{
	int p[2], r = cor_pipe(p);
	if (r < 0)
		return cor_error_errno(err, r, "user namespace");
	/* No exit signal: a caller's SIGCHLD handling does not see this child. */
	pid_t pid = (pid_t)syscall(SYS_clone, (unsigned long)CLONE_NEWUSER, 0UL, 0UL, 0UL, 0UL);
	if (pid == 0)
		wait_for_end(p);
	r = pid < 0 ? -errno : open_namespace(pid, uids, gids);
	cor_close(p[0]);
	cor_close(p[1]);
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
			continue;
	}
	return r < 0 ? cor_error_errno(err, r, "make a user namespace") : r;
}
