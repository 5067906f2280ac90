/* SPDX-License-Identifier: Apache-2.0 */
/* Stats, and reading what control groups say. */
#include "shim/metrics.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cgroup.h"
#include "base/fd.h"
#include "rpc/wire.h"
#include "shim/config_facts.h"
#include "shim/methods.h"
#include "task_v2.pb-c.h"

#define FILE_MAX (1u << 20)

char *cor_metrics_text(int dir, const char *file)
{
	char *text = NULL;
	return cor_read_file_at(dir, file, FILE_MAX, &text, NULL, NULL) < 0 ? NULL : text;
}

uint64_t cor_metrics_number(int dir, const char *file, uint64_t otherwise)
{
	_cleanup_free_ char *text = cor_metrics_text(dir, file);
	uint64_t n;
	if (!text)
		return otherwise;
	text[strcspn(text, "\n")] = '\0';
	return cor_parse_u64(text, &n) < 0 ? otherwise : n;
}

/* Takes the next line "name value" off *text. */
static bool next_pair(char **text, char **name, uint64_t *value)
{
	while (**text) {
		char *line = *text, *end = line + strcspn(line, "\n");
		*text = *end ? end + 1 : end;
		*end = '\0';
		char *blank = strchr(line, ' ');
		if (!blank)
			continue;
		*blank = '\0';
		if (cor_parse_u64(blank + 1, value) == 0) {
			*name = line;
			return true;
		}
	}
	return false;
}

uint64_t cor_metrics_line(int dir, const char *file, const char *name)
{
	_cleanup_free_ char *text = cor_metrics_text(dir, file);
	char *rest = text, *found;
	uint64_t value;
	while (text && next_pair(&rest, &found, &value))
		if (streq(found, name))
			return value;
	return 0;
}

void cor_metrics_put_rows(struct cor_buf *b, int dir, const char *file, const struct cor_metrics_row *rows)
{
	_cleanup_free_ char *text = cor_metrics_text(dir, file);
	char *rest = text, *name;
	uint64_t value;
	while (text && next_pair(&rest, &name, &value))
		for (const struct cor_metrics_row *r = rows; r->field; r++)
			if (streq(r->name, name))
				cor_wire_put_uint(b, r->field, value);
}

void cor_metrics_put_message(struct cor_buf *b, uint32_t field, struct cor_buf *m)
{
	cor_wire_put_varint(b, (uint64_t)field << 3 | COR_WIRE_BYTES);
	cor_wire_put_varint(b, m->len);
	if (m->len)
		(void)cor_buf_append(b, m->data, m->len);
	b->failed = b->failed || m->failed;
	cor_buf_done(m);
}

static uint64_t rdma_value(const char *line, const char *key)
{
	const char *p = strstr(line, key);
	return p ? strtoull(p + strlen(key), NULL, 10) : 0; /* "max" is 0 */
}

static void put_rdma_file(struct cor_buf *b, uint32_t field, int dir, const char *file)
{
	_cleanup_free_ char *text = cor_metrics_text(dir, file);
	_cleanup_strv_ char **lines = text ? cor_strv_split(text, '\n') : NULL;
	for (char **l = lines; l && *l; l++) {
		struct cor_buf entry = {0};
		char *blank = strchr(*l, ' ');
		if (!blank)
			continue;
		*blank = '\0';
		cor_wire_put_string(&entry, 1, *l);
		cor_wire_put_uint(&entry, 2, rdma_value(blank + 1, "hca_handle=") & UINT32_MAX);
		cor_wire_put_uint(&entry, 3, rdma_value(blank + 1, "hca_object=") & UINT32_MAX);
		cor_metrics_put_message(b, field, &entry);
	}
}

void cor_metrics_put_rdma(struct cor_buf *b, uint32_t field, int dir)
{
	struct cor_buf m = {0};
	put_rdma_file(&m, 1, dir, "rdma.current");
	put_rdma_file(&m, 2, dir, "rdma.max");
	cor_metrics_put_message(b, field, &m);
}

/* "hugepages-2048kB" -> "2MB", as the groups' files are named. */
static bool page_size_name(const char *name, char ret[24])
{
	static const char units[][3] = {"KB", "MB", "GB"};
	const char *p = cor_after(name, "hugepages-");
	char *end;
	if (!p)
		return false;
	unsigned long n = strtoul(p, &end, 10);
	size_t u = 0;
	if (!streq(end, "kB") || n == 0)
		return false;
	for (; n % 1024 == 0 && u + 1 < ARRAY_SIZE(units); u++)
		n /= 1024;
	(void)snprintf(ret, 24, "%lu%s", n, units[u]);
	return true;
}

void cor_metrics_each_page_size(void (*fn)(struct cor_buf *b, int dir, const char *size), struct cor_buf *b,
				int dir)
{
	char size[24];
	int fd = openat(AT_FDCWD, "/sys/kernel/mm/hugepages", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		cor_close(fd);
		return;
	}
	for (struct dirent *ent; (ent = readdir(d));)
		if (page_size_name(ent->d_name, size))
			fn(b, dir, size);
	(void)closedir(d);
}

int cor_metrics_open(const struct cor_metrics_source *src, const char *controller)
{
	return src->pid ? cor_cgroup_open_of(src->pid, controller) : cor_cgroup_open(src->path, controller);
}

/* The groups are there until the container is deleted. */
static int collect(const struct cor_shim_process *init, bool v2, struct cor_buf *b, struct cor_error *err)
{
	struct cor_config_facts facts = {0};
	struct cor_metrics_source src = {.pid = cor_process_alive(init) ? init->pid : 0};
	int r = 0;
	if (!src.pid) {
		r = cor_config_facts_read(init->shim->bundle_fd, &facts);
		if (r == 0 && !cor_cgroup_path_is_own(facts.cgroups_path))
			r = -ENOENT;
		src.path = facts.cgroups_path;
	}
	if (r == 0)
		r = v2 ? cor_metrics_v2(&src, b) : cor_metrics_v1(&src, b);
	cor_config_facts_done(&facts);
	if (r == -ENOENT)
		return cor_error_set(err, COR_NOT_FOUND, "cgroup does not exist: not found");
	return r < 0 ? cor_error_errno(err, r, "stats") : b->failed ? cor_error_oom(err) : 0;
}

/* The runtime is not needed for it: the groups are read, whoever made them. */
COR_METHOD(stats)
{
	const Containerd__Task__V2__StatsRequest *x = (const Containerd__Task__V2__StatsRequest *)m;
	struct cor_shim_process *p;
	struct cor_error err;
	_cleanup_buf_ struct cor_buf b = {0};
	bool v2 = cor_cgroup_is_unified();
	cor_error_clear(&err);
	int r = cor_process_find(s, x->id, "", &p, &err);
	if (r == 0)
		r = collect(p, v2, &b, &err);
	if (r < 0) {
		cor_call_fail(req->call, &err);
		return;
	}
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Containerd__Task__V2__StatsResponse answer = CONTAINERD__TASK__V2__STATS_RESPONSE__INIT;
	any.type_url = (char *)(uintptr_t)(v2 ? COR_METRICS_V2 : COR_METRICS_V1);
	any.value.data = (uint8_t *)b.data;
	any.value.len = b.len;
	answer.stats = &any;
	cor_call_reply(req->call, &answer.base, -1);
	cor_shim_trim(s);
}
