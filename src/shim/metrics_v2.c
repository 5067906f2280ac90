/* SPDX-License-Identifier: Apache-2.0 */
/* io.containerd.cgroups.v2.Metrics (containerd/cgroups, cgroup2/stats/metrics.proto): one group has it all. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "rpc/wire.h"
#include "shim/metrics.h"

static const struct cor_metrics_row cpu_rows[] = {{1, "usage_usec"},
						  {2, "user_usec"},
						  {3, "system_usec"},
						  {4, "nr_periods"},
						  {5, "nr_throttled"},
						  {6, "throttled_usec"},
						  {0}};
static const struct cor_metrics_row memory_rows[] = {
	{1, "anon"},
	{2, "file"},
	{3, "kernel_stack"},
	{4, "slab"},
	{5, "sock"},
	{6, "shmem"},
	{7, "file_mapped"},
	{8, "file_dirty"},
	{9, "file_writeback"},
	{10, "anon_thp"},
	{11, "inactive_anon"},
	{12, "active_anon"},
	{13, "inactive_file"},
	{14, "active_file"},
	{15, "unevictable"},
	{16, "slab_reclaimable"},
	{17, "slab_unreclaimable"},
	{18, "pgfault"},
	{19, "pgmajfault"},
	{20, "workingset_refault"},
	{21, "workingset_activate"},
	{22, "workingset_nodereclaim"},
	{23, "pgrefill"},
	{24, "pgscan"},
	{25, "pgsteal"},
	{26, "pgactivate"},
	{27, "pgdeactivate"},
	{28, "pglazyfree"},
	{29, "pglazyfreed"},
	{30, "thp_fault_alloc"},
	{31, "thp_collapse_alloc"},
	{0},
};
static const struct cor_metrics_row event_rows[] = {{1, "low"}, {2, "high"},     {3, "max"},
						    {4, "oom"}, {5, "oom_kill"}, {0}};

static void put_memory(struct cor_buf *b, int dir)
{
	struct cor_buf m = {0}, events = {0};
	cor_metrics_put_rows(&m, dir, "memory.stat", memory_rows);
	cor_wire_put_uint(&m, 32, cor_metrics_number(dir, "memory.current", 0));
	cor_wire_put_uint(&m, 33, cor_metrics_number(dir, "memory.max", UINT64_MAX));
	cor_wire_put_uint(&m, 34, cor_metrics_number(dir, "memory.swap.current", 0));
	cor_wire_put_uint(&m, 35, cor_metrics_number(dir, "memory.swap.max", UINT64_MAX));
	cor_wire_put_uint(&m, 36, cor_metrics_number(dir, "memory.peak", 0));
	cor_wire_put_uint(&m, 37, cor_metrics_number(dir, "memory.swap.peak", 0));
	cor_metrics_put_message(b, 4, &m);
	cor_metrics_put_rows(&events, dir, "memory.events", event_rows);
	cor_metrics_put_message(b, 8, &events);
}

/* "major:minor rbytes=N wbytes=N rios=N wios=N …" */
static void put_io_line(struct cor_buf *b, char *line)
{
	static const char keys[][9] = {" rbytes=", " wbytes=", " rios=", " wios="};
	struct cor_buf m = {0};
	char *end;
	uint64_t major = strtoull(line, &end, 10);
	if (end == line || *end != ':')
		return;
	cor_wire_put_uint(&m, 1, major);
	cor_wire_put_uint(&m, 2, strtoull(end + 1, NULL, 10));
	for (uint32_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *p = strstr(line, keys[i]);
		cor_wire_put_uint(&m, i + 3, p ? strtoull(p + strlen(keys[i]), NULL, 10) : 0);
	}
	cor_metrics_put_message(b, 1, &m);
}

static void put_io(struct cor_buf *b, int dir)
{
	struct cor_buf m = {0};
	_cleanup_free_ char *text = cor_metrics_text(dir, "io.stat");
	_cleanup_strv_ char **lines = text ? cor_strv_split(text, '\n') : NULL;
	for (char **l = lines; l && *l; l++)
		put_io_line(&m, *l);
	cor_metrics_put_message(b, 6, &m);
}

static void put_page_size(struct cor_buf *b, int dir, const char *size)
{
	struct cor_buf m = {0};
	char name[64];
	(void)snprintf(name, sizeof(name), "hugetlb.%s.current", size);
	cor_wire_put_uint(&m, 1, cor_metrics_number(dir, name, 0));
	(void)snprintf(name, sizeof(name), "hugetlb.%s.max", size);
	cor_wire_put_uint(&m, 2, cor_metrics_number(dir, name, UINT64_MAX));
	cor_wire_put_string(&m, 3, size);
	cor_metrics_put_message(b, 7, &m);
}

int cor_metrics_v2(const struct cor_metrics_source *src, struct cor_buf *out)
{
	struct cor_buf pids = {0}, cpu = {0};
	_cleanup_close_ int dir = cor_metrics_open(src, "");
	if (dir < 0)
		return dir;
	cor_wire_put_uint(&pids, 1, cor_metrics_number(dir, "pids.current", 0));
	cor_wire_put_uint(&pids, 2, cor_metrics_number(dir, "pids.max", UINT64_MAX));
	cor_metrics_put_message(out, 1, &pids);
	cor_metrics_put_rows(&cpu, dir, "cpu.stat", cpu_rows);
	cor_metrics_put_message(out, 2, &cpu);
	put_memory(out, dir);
	cor_metrics_put_rdma(out, 5, dir);
	put_io(out, dir);
	cor_metrics_each_page_size(put_page_size, out, dir);
	return 0;
}
