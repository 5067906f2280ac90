/* SPDX-License-Identifier: Apache-2.0 */
/* io.containerd.cgroups.v1.Metrics (containerd/cgroups, cgroup1/stats/metrics.proto): one group in each controller's hierarchy. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "rpc/wire.h"
#include "shim/metrics.h"

static const struct cor_metrics_row memory_rows[] = {
	{1, "cache"},
	{2, "rss"},
	{3, "rss_huge"},
	{4, "mapped_file"},
	{5, "dirty"},
	{6, "writeback"},
	{7, "pgpgin"},
	{8, "pgpgout"},
	{9, "pgfault"},
	{10, "pgmajfault"},
	{11, "inactive_anon"},
	{12, "active_anon"},
	{13, "inactive_file"},
	{14, "active_file"},
	{15, "unevictable"},
	{16, "hierarchical_memory_limit"},
	{17, "hierarchical_memsw_limit"},
	{18, "total_cache"},
	{19, "total_rss"},
	{20, "total_rss_huge"},
	{21, "total_mapped_file"},
	{22, "total_dirty"},
	{23, "total_writeback"},
	{24, "total_pgpgin"},
	{25, "total_pgpgout"},
	{26, "total_pgfault"},
	{27, "total_pgmajfault"},
	{28, "total_inactive_anon"},
	{29, "total_active_anon"},
	{30, "total_inactive_file"},
	{31, "total_active_file"},
	{32, "total_unevictable"},
	{0},
};
static const struct cor_metrics_row throttle_rows[] = {
	{1, "nr_periods"}, {2, "nr_throttled"}, {3, "throttled_time"}, {0}};
static const struct cor_metrics_row oom_rows[] = {
	{1, "oom_kill_disable"}, {2, "under_oom"}, {3, "oom_kill"}, {0}};

static void put_page_size(struct cor_buf *b, int dir, const char *size)
{
	static const char files[][18] = {"usage_in_bytes", "max_usage_in_bytes", "failcnt"};
	struct cor_buf m = {0};
	char name[64];
	for (unsigned i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "hugetlb.%s.%.18s", size, files[i]);
		cor_wire_put_uint(&m, i + 1, cor_metrics_number(dir, name, 0));
	}
	cor_wire_put_string(&m, 4, size);
	cor_metrics_put_message(b, 1, &m);
}

static void put_hugetlb(struct cor_buf *b, int dir)
{
	cor_metrics_each_page_size(put_page_size, b, dir);
}

static void put_pids(struct cor_buf *b, int dir)
{
	struct cor_buf m = {0};
	cor_wire_put_uint(&m, 1, cor_metrics_number(dir, "pids.current", 0));
	cor_wire_put_uint(&m, 2, cor_metrics_number(dir, "pids.max", 0));
	cor_metrics_put_message(b, 2, &m);
}

/* Nanoseconds for each processor, as packed numbers. */
static void put_per_cpu(struct cor_buf *b, int dir)
{
	_cleanup_free_ char *text = cor_metrics_text(dir, "cpuacct.usage_percpu");
	_cleanup_buf_ struct cor_buf packed = {0};
	for (char *p = text; p && isdigit((unsigned char)*p);) {
		cor_wire_put_varint(&packed, strtoull(p, &p, 10));
		p += strspn(p, " ");
	}
	cor_wire_put_bytes(b, 4, packed.data, packed.len);
	b->failed = b->failed || packed.failed;
}

static void put_cpu(struct cor_buf *b, int acct, int cpu)
{
	struct cor_buf m = {0}, usage = {0}, throttle = {0};
	uint64_t tick = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
	if (acct >= 0) {
		cor_wire_put_uint(&usage, 1, cor_metrics_number(acct, "cpuacct.usage", 0));
		cor_wire_put_uint(&usage, 2, cor_metrics_line(acct, "cpuacct.stat", "system") * tick);
		cor_wire_put_uint(&usage, 3, cor_metrics_line(acct, "cpuacct.stat", "user") * tick);
		put_per_cpu(&usage, acct);
	}
	if (cpu >= 0)
		cor_metrics_put_rows(&throttle, cpu, "cpu.stat", throttle_rows);
	cor_metrics_put_message(&m, 1, &usage);
	cor_metrics_put_message(&m, 2, &throttle);
	cor_metrics_put_message(b, 3, &m);
}

/* kind: "", "memsw.", "kmem." … */
static void put_memory_entry(struct cor_buf *b, uint32_t field, int dir, const char *kind)
{
	static const char files[][19] = {"limit_in_bytes", "usage_in_bytes", "max_usage_in_bytes", "failcnt"};
	struct cor_buf m = {0};
	char name[64];
	(void)snprintf(name, sizeof(name), "memory.%susage_in_bytes", kind);
	if (faccessat(dir, name, F_OK, 0) < 0)
		return;
	for (unsigned i = 0; i < 4; i++) {
		(void)snprintf(name, sizeof(name), "memory.%s%.19s", kind, files[i]);
		cor_wire_put_uint(&m, i + 1, cor_metrics_number(dir, name, 0));
	}
	cor_metrics_put_message(b, field, &m);
}

static void put_memory(struct cor_buf *b, int dir)
{
	struct cor_buf m = {0}, oom = {0};
	cor_metrics_put_rows(&m, dir, "memory.stat", memory_rows);
	put_memory_entry(&m, 33, dir, "");
	put_memory_entry(&m, 34, dir, "memsw.");
	put_memory_entry(&m, 35, dir, "kmem.");
	put_memory_entry(&m, 36, dir, "kmem.tcp.");
	cor_metrics_put_message(b, 4, &m);
	cor_metrics_put_rows(&oom, dir, "memory.oom_control", oom_rows);
	cor_metrics_put_message(b, 9, &oom);
}

/* "/dev/NAME" by the lines "major minor name …" of /proc/diskstats; "" for one that is not there. */
static const char *find_device(const char *disks, uint64_t major, uint64_t minor, char ret[64])
{
	for (const char *line = disks; line && *line; line = strchr(line, '\n')) {
		char *end;
		line += *line == '\n';
		if (strtoull(line, &end, 10) != major || strtoull(end, &end, 10) != minor)
			continue;
		end += strspn(end, " ");
		(void)snprintf(ret, 64, "/dev/%.*s", (int)strcspn(end, " \n"), end);
		return ret;
	}
	return "";
}

/* "major:minor [operation] value"; a line "Total value" is no device's. */
static void put_blkio_line(struct cor_buf *b, uint32_t field, char *line, const char *disks)
{
	char *end, *op = NULL, device[64];
	struct cor_buf m = {0};
	uint64_t major = strtoull(line, &end, 10);
	if (end == line || *end != ':')
		return;
	char *second = end + 1;
	uint64_t minor = strtoull(second, &end, 10), value;
	if (end == second || *end != ' ')
		return;
	char *last = strrchr(end, ' ');
	if (cor_parse_u64(last + 1, &value) < 0)
		return;
	if (last != end) {
		*last = '\0';
		op = end + 1;
	}
	cor_wire_put_string(&m, 1, op);
	cor_wire_put_string(&m, 2, find_device(disks, major, minor, device));
	cor_wire_put_uint(&m, 3, major);
	cor_wire_put_uint(&m, 4, minor);
	cor_wire_put_uint(&m, 5, value);
	cor_metrics_put_message(b, field, &m);
}

static void put_blkio_file(struct cor_buf *b, uint32_t field, int dir, const char *file, const char *disks)
{
	_cleanup_free_ char *text = cor_metrics_text(dir, file);
	_cleanup_strv_ char **lines = text ? cor_strv_split(text, '\n') : NULL;
	for (char **l = lines; l && *l; l++)
		put_blkio_line(b, field, *l, disks);
}

/* By the scheduler that has counted: bfq, cfq (kernels before 5.0), or else what throttling counts. */
static void put_blkio(struct cor_buf *b, int dir)
{
	static const char names[][27] = {"io_service_bytes_recursive",
					 "io_serviced_recursive",
					 "io_queued_recursive",
					 "io_service_time_recursive",
					 "io_wait_time_recursive",
					 "io_merged_recursive",
					 "time_recursive",
					 "sectors_recursive"};
	static const char kinds[][10] = {"bfq.", "", "throttle."};
	_cleanup_free_ char *disks = cor_metrics_text(AT_FDCWD, "/proc/diskstats");
	struct cor_buf m = {0};
	char file[64];
	for (size_t k = 0; k < ARRAY_SIZE(kinds) && m.len == 0; k++)
		for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
			(void)snprintf(file, sizeof(file), "blkio.%.10s%.27s", kinds[k], names[i]);
			put_blkio_file(&m, i + 1, dir, file, disks);
		}
	cor_metrics_put_message(b, 5, &m);
}

int cor_metrics_v1(const struct cor_metrics_source *src, struct cor_buf *out)
{
	_cleanup_close_ int hugetlb = cor_metrics_open(src, "hugetlb");
	_cleanup_close_ int pids = cor_metrics_open(src, "pids");
	_cleanup_close_ int acct = cor_metrics_open(src, "cpuacct");
	_cleanup_close_ int cpu = cor_metrics_open(src, "cpu");
	_cleanup_close_ int memory = cor_metrics_open(src, "memory");
	_cleanup_close_ int blkio = cor_metrics_open(src, "blkio");
	_cleanup_close_ int rdma = cor_metrics_open(src, "rdma");
	if (hugetlb < 0 && pids < 0 && acct < 0 && cpu < 0 && memory < 0 && blkio < 0)
		return -ENOENT;
	if (hugetlb >= 0)
		put_hugetlb(out, hugetlb);
	if (pids >= 0)
		put_pids(out, pids);
	if (acct >= 0 || cpu >= 0)
		put_cpu(out, acct, cpu);
	if (memory >= 0)
		put_memory(out, memory);
	if (blkio >= 0)
		put_blkio(out, blkio);
	if (rdma >= 0)
		cor_metrics_put_rdma(out, 6, rdma);
	return 0;
}
