/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spec that every image run starts from: containerd's default for Linux (pkg/oci/spec.go, 2.3), which differs
 * from runc's own `runc spec` in its capabilities, in a /run tmpfs, and in having neither a cgroup mount nor a cgroup
 * namespace. `coracle oci spec` prints it as it is, and what there is for
 * other systems.
 */
#include "base/path.h"
#include "spec/internal.h"

static const char *const default_caps[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_FSETID",
	"CAP_FOWNER",
	"CAP_MKNOD",
	"CAP_NET_RAW",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETFCAP",
	"CAP_SETPCAP",
	"CAP_NET_BIND_SERVICE",
	"CAP_SYS_CHROOT",
	"CAP_KILL",
	"CAP_AUDIT_WRITE",
	NULL,
};

static const char *const masked_paths[] = {
	"/proc/acpi",          "/proc/asound",
	"/proc/kcore",         "/proc/keys",
	"/proc/latency_stats", "/proc/timer_list",
	"/proc/timer_stats",   "/proc/sched_debug",
	"/sys/firmware",       "/sys/devices/virtual/powercap",
	"/proc/scsi",          NULL,
};

static const char *const readonly_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

static const char *const namespaces[] = {"pid", "ipc", "uts", "mount", "network"};

static const struct {
	const char *destination, *type, *source;
	const char *options[8];
} default_mounts[] = {
	{"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
	{"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
	{"/dev/pts",
	 "devpts",
	 "devpts",
	 {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
	{"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
	{"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
	{"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
	{"/run", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
};

static json_t *strings(const char *const *v)
{
	return cor_json_from_strv((char *const *)(uintptr_t)v);
}

static json_t *make_mounts(void)
{
	_cleanup_json_ json_t *mounts = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(default_mounts); i++) {
		json_t *m = json_pack("{s:s, s:s, s:s, s:o}", "destination", default_mounts[i].destination,
				      "type", default_mounts[i].type, "source", default_mounts[i].source,
				      "options", strings(default_mounts[i].options));

		if (json_array_append_new(mounts, m) < 0)
			return NULL;
	}
	return TAKE_PTR(mounts);
}

static json_t *make_namespaces(void)
{
	_cleanup_json_ json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (json_array_append_new(list, json_pack("{s:s}", "type", namespaces[i])) < 0)
			return NULL;
	return TAKE_PTR(list);
}

static json_t *make_process(void)
{
	return json_pack("{s:{s:i, s:i}, s:s, s:{s:o, s:o, s:o}, s:[{s:s, s:i, s:i}], s:b}", "user", "uid", 0,
			 "gid", 0, "cwd", "/", "capabilities", "bounding", strings(default_caps), "effective",
			 strings(default_caps), "permitted", strings(default_caps), "rlimits", "type",
			 "RLIMIT_NOFILE", "hard", 1024, "soft", 1024, "noNewPrivileges", 1);
}

/* Consumes cgroups_path. */
static json_t *make_linux(json_t *cgroups_path)
{
	return json_pack("{s:{s:[{s:b, s:s}]}, s:o, s:o, s:o, s:o}", "resources", "devices", "allow", 0,
			 "access", "rwm", "cgroupsPath", cgroups_path, "namespaces", make_namespaces(),
			 "maskedPaths", strings(masked_paths), "readonlyPaths", strings(readonly_paths));
}

/* /<namespace>/<id>, cleaned as Go's path.Join does. */
static int make_cgroups_path(const char *ns, const char *id, json_t **ret, struct cor_error *err)
{
	_cleanup_free_ char *joined = cor_asprintf("/%s/%s", ns ? ns : "", id ? id : "");
	_cleanup_free_ char *path = joined ? cor_path_clean(joined) : NULL;

	return path ? cor_spec_string("cgroupsPath", path, ret, err) : cor_error_oom(err);
}

int cor_spec_default(const char *ns, const char *id, json_t **ret, struct cor_error *err)
{
	json_t *spec, *cgroups_path;
	int r = make_cgroups_path(ns, id, &cgroups_path, err);

	if (r < 0)
		return r;
	spec = json_pack("{s:s, s:o, s:{s:s}, s:o, s:o}", "ociVersion", COR_SPEC_VERSION, "process",
			 make_process(), "root", "path", "rootfs", "mounts", make_mounts(), "linux",
			 make_linux(cgroups_path));
	if (!spec)
		return cor_error_oom(err);
	*ret = spec;
	return 0;
}

/* Members as Go marshals the zero values of its structs. */
int cor_spec_default_for(const char *os, const char *ns, const char *id, json_t **ret, struct cor_error *err)
{
	json_t *spec;

	if (streq(os, "windows"))
		spec = json_pack("{s:s, s:{s:{s:i, s:i}, s:s}, s:{s:s}, s:{s:n}}", "ociVersion",
				 COR_SPEC_VERSION, "process", "user", "uid", 0, "gid", 0, "cwd", "C:\\",
				 "root", "path", "", "windows", "layerFolders");
	else if (streq(os, "darwin"))
		spec = json_pack("{s:s, s:{s:{s:i, s:i}, s:s}, s:{s:s}}", "ociVersion", COR_SPEC_VERSION,
				 "process", "user", "uid", 0, "gid", 0, "cwd", "/", "root", "path", "");
	else
		return cor_spec_default(ns, id, ret, err);
	if (!spec)
		return cor_error_oom(err);
	*ret = spec;
	return 0;
}
