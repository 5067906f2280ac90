/* SPDX-License-Identifier: Apache-2.0 */
/* The base spec, the flags one by one, and the order in which they see each other. */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "helpers.h"

static void base(void **state)
{
	_cleanup_json_ json_t *spec = NULL, *built_spec = NULL;
	struct cor_spec_options o = options();

	assert_int_equal(cor_spec_default("ns", "c1", &spec, NULL), 0);
	assert_json(spec, "ociVersion", "\"1.0.2\"");
	assert_json(spec, "linux.cgroupsPath", "\"/ns/c1\"");
	assert_json(spec, "linux.resources.devices", "[{\"allow\":false,\"access\":\"rwm\"}]");
	assert_json(spec, "linux.namespaces",
		    "[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},{"
		    "\"type\":\"network\"}]");
	assert_int_equal(json_array_size(at(spec, "process.capabilities.bounding")), 14);
	assert_json(spec, "process.capabilities.inheritable", ""); /* CVE-2022-24769 */
	assert_json(spec, "process.noNewPrivileges", "true");
	assert_json(spec, "linux.maskedPaths.9", "\"/sys/devices/virtual/powercap\"");
	assert_int_equal(json_array_size(at(spec, "mounts")), 7);
	built_spec = built(&o, NULL, -1);
	assert_int_equal(json_array_size(at(built_spec, "linux.resources.devices")), 10);
	assert_json(built_spec, "linux.resources.devices.8",
		    "{\"allow\":true,\"type\":\"c\",\"major\":136,\"access\":\"rwm\"}");
}

static void image_process(void **state)
{
	struct tree *t = *state;
	const char *entrypoint[] = {"/entry", "-c", NULL}, *cmd[] = {"cmd", NULL};
	struct cor_image_config image = {.entrypoint = (char **)entrypoint,
					 .cmd = (char **)cmd,
					 .user = (char[]){""},
					 .working_dir = (char[]){"/work"}};
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *plain = built(&o, &image, t->fd), *given = NULL;

	assert_json(plain, "process.args", "[\"/entry\",\"-c\",\"cmd\"]");
	assert_json(plain, "process.cwd", "\"/work\"");
	assert_json(plain, "root", "{\"path\":\"rootfs\"}");
	o.args = LIST("/bin/true", "");
	o.cwd = "/else";
	o.read_only = true;
	given = built(&o, &image, t->fd);
	assert_json(given, "process.args", "[\"/bin/true\",\"\"]");
	assert_json(given, "process.cwd", "\"/else\"");
	assert_json(given, "root", "{\"path\":\"rootfs\",\"readonly\":true}");
}

static void tty_wins_over_env(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;

	o.env = LIST("TERM=dumb");
	o.tty = true;
	spec = built(&o, NULL, -1);
	assert_json(spec, "process.terminal", "true");
	assert_json(spec, "process.env", "[\"TERM=dumb\",\"TERM=xterm\"]");
}

static void rootfs_is_absolute(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;

	o.rootfs = "/a//b/../c/.";
	spec = built(&o, NULL, -1);
	assert_json(spec, "root.path", "\"/a/c\"");
	assert_json(spec, "process.args", "");
	assert_json(spec, "process.user", "{\"uid\":0,\"gid\":0}");
}

static void capabilities(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL, *none = NULL;

	o.cap_add = LIST("CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_FUTURE");
	o.cap_drop = LIST("CAP_FUTURE", "CAP_KILL", "CAP_NOT_THERE");
	spec = built(&o, NULL, -1);
	for (size_t i = 0; i < 3; i++) {
		static const char *const sets[] = {"bounding", "effective", "permitted"};
		_cleanup_free_ char *path = cor_asprintf("process.capabilities.%s", sets[i]);

		assert_int_equal(json_array_size(at(spec, path)), 14); /* one more, one less */
		assert_string_equal(json_string_value(json_array_get(at(spec, path), 13)), "CAP_SYS_ADMIN");
	}
	o.cap_add = NULL;
	o.cap_drop = LIST("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD",
			  "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP",
			  "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE");
	none = built(&o, NULL, -1);
	assert_json(none, "process.capabilities", "{}");
	o.cap_drop = LIST("chown");
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "capabilities must be specified with 'CAP_' prefix");
}

static void privileged(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL, *without = NULL;
	_cleanup_strv_ char **caps = NULL;

	o.privileged = true;
	o.cap_drop = LIST("CAP_CHOWN");
	o.mounts = LIST("type=sysfs,src=sysfs,dst=/s,options=ro:ro", "type=tmpfs,dst=/t,options=ro",
			"type=cgroup,dst=/g,options=ro");
	spec = built(&o, NULL, -1);
	assert_int_equal(cor_spec_current_caps(&caps, NULL), 0);
	assert_int_equal(json_array_size(at(spec, "process.capabilities.bounding")),
			 cor_strv_len(caps) - cor_strv_contains(caps, "CAP_CHOWN"));
	assert_json(spec, "linux.maskedPaths", "");
	assert_json(spec, "linux.readonlyPaths", "");
	assert_json(spec, "process.noNewPrivileges", "true");
	assert_json(spec, "mounts.5.options.3", "\"rw\"");
	assert_json(spec, "mounts.7.options", "[\"rw\",\"rw\"]");
	assert_json(spec, "mounts.8.options", "[\"ro\"]");
	assert_json(spec, "mounts.9.options", "[\"rw\"]");
	assert_json(spec, "linux.resources.devices", "[{\"allow\":true,\"access\":\"rwm\"}]");
	assert_true(json_array_size(at(spec, "linux.devices")) > 3);
	o.privileged_without_host_devices = true;
	without = built(&o, NULL, -1);
	assert_json(without, "linux.devices", "");
	assert_int_equal(json_array_size(at(without, "linux.resources.devices")), 10);
	o.privileged = false;
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "can't use 'privileged-without-host-devices' without 'privileged' specified");
}

static void net_host(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;
	char host[256] = "", want[300];

	o.net_host = true;
	o.env = LIST("HOSTNAME=mine", "A=1");
	o.mounts = LIST("dst=/etc/hosts,src=/x");
	o.with_ns = LIST("uts:/proc/1/ns/uts");
	spec = built(&o, NULL, -1);
	assert_json(spec, "linux.namespaces",
		    "[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\",\"path\":\"/proc/1/ns/"
		    "uts\"},{\"type\":\"mount\"}]");
	/* After the flag's own, so that they cover it. */
	assert_json(spec, "mounts.8",
		    "{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"/etc/"
		    "hosts\",\"options\":[\"rbind\",\"ro\"]}");
	assert_json(spec, "mounts.9.destination", "\"/etc/resolv.conf\"");
	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	snprintf(want, sizeof(want), "[\"HOSTNAME=%s\",\"A=1\"]", host);
	assert_json(spec, "process.env", want);
}

static void with_ns(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;

	o.with_ns = LIST("user:/a", "pid:/b", "pid:", "cgroup:/c:d", "user:/e");
	spec = built(&o, NULL, -1);
	assert_json(spec, "linux.namespaces.0", "{\"type\":\"pid\"}");
	assert_json(spec, "linux.namespaces.5", "{\"type\":\"user\",\"path\":\"/e\"}");
	assert_json(spec, "linux.namespaces.6", "{\"type\":\"cgroup\",\"path\":\"/c:d\"}");
	o.with_ns = LIST("network");
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "joining a Linux namespace using --with-ns requires the format 'nstype:path'");
	o.with_ns = LIST("time:/x");
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "the Linux namespace type specified in --with-ns is not valid: time");
	o.with_ns = LIST(":/x");
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "the Linux namespace type specified in --with-ns is not valid: ");
}

static void cpu_and_memory(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL, *quota = NULL;

	o.cpus_set = o.cpu_shares_set = o.memory_limit_set = true;
	o.cpus = 1.5;
	o.cpu_shares = 1024;
	o.memory_limit = 1 << 20;
	spec = built(&o, NULL, -1);
	assert_json(spec, "linux.resources.cpu", "{\"quota\":150000,\"period\":100000,\"shares\":1024}");
	assert_json(spec, "linux.resources.memory", "{\"limit\":1048576}");
	o.cpu_period = 5;
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT, "cpus and quota/period should be used separately");
	o = options();
	o.cpu_period = 5;
	o.cpu_shares_set = o.memory_limit_set = true; /* with 0: not written */
	quota = built(&o, NULL, -1);
	assert_json(quota, "linux.resources.cpu", "{\"quota\":-1,\"period\":5}");
	assert_json(quota, "linux.resources.memory", "");
}

/* Numbers that a JSON document cannot carry are refused where ctr would wrap them around. */
static void numbers_that_do_not_fit(void **state)
{
	struct cor_spec_options o = options();

	o.memory_limit_set = true;
	o.memory_limit = UINT64_MAX;
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "memory-limit: value 18446744073709551615 is out of range");
	o = options();
	o.cpu_shares_set = true;
	o.cpu_shares = UINT64_C(1) << 63;
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "cpu-shares: value 9223372036854775808 is out of range");
	o = options();
	o.cpu_period = UINT64_MAX;
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "cpu-period: value 18446744073709551615 is out of range");
	o = options();
	o.cpus_set = true;
	o.cpus = 1e300;
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT, "cpus: value 1e+300 is out of range");
	o = options();
	o.rlimit_nofile = "99999999999999999999";
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "failed to parse rlimit-nofile \"99999999999999999999\": strconv.ParseUint: parsing "
		       "\"99999999999999999999\": value out of range");
}

static void rlimit(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *both = NULL, *one = NULL;

	o.rlimit_nofile = "10:20";
	both = built(&o, NULL, -1);
	assert_json(both, "process.rlimits", "[{\"type\":\"RLIMIT_NOFILE\",\"soft\":10,\"hard\":20}]");
	o.rlimit_nofile = "512";
	one = built(&o, NULL, -1);
	assert_json(one, "process.rlimits", "[{\"type\":\"RLIMIT_NOFILE\",\"soft\":512,\"hard\":512}]");
	o.rlimit_nofile = "1:2:3";
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "failed to parse rlimit-nofile \"1:2:3\": strconv.ParseUint: parsing \"2:3\": invalid "
		       "syntax");
}

static void small_ones(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL, *cleared = NULL;

	o.allow_new_privs = true;
	o.cgroup = "/mine";
	o.rootfs_propagation = "shared";
	o.hostname = "h";
	spec = built(&o, NULL, -1);
	assert_json(spec, "process.noNewPrivileges", "");
	assert_json(spec, "linux.cgroupsPath", "\"/mine\"");
	assert_json(spec, "linux.rootfsPropagation", "\"shared\"");
	assert_json(spec, "hostname", "\"h\"");
	o.cgroup = "";
	cleared = built(&o, NULL, -1);
	assert_json(cleared, "linux.cgroupsPath", "");
}

static void labels_come_last(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL, *none = NULL;

	o.annotations = LIST("a=annotation", "b=", "c=x=y", "a=again");
	o.labels = LIST("a=label", "flag", "=empty");
	spec = built(&o, NULL, -1);
	assert_json(spec, "annotations",
		    "{\"a\":\"label\",\"b\":\"\",\"c\":\"x=y\",\"flag\":\"true\",\"\":\"empty\"}");
	o = options();
	none = built(&o, NULL, -1);
	assert_json(none, "annotations", "");
	o.annotations = LIST("x");
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT, "invalid key=value format annotation: x");
	o.annotations = LIST("\xc3=x");
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT, "annotation: \"\xc3\" is not valid UTF-8");
}

static void device_nodes(void **state)
{
	struct tree *t = *state;
	struct cor_spec_options o = options();
	_cleanup_free_ char *link = cor_path_join(t->path, "link"), *fifo = cor_path_join(t->path, "fifo"),
			    *said = NULL;
	_cleanup_json_ json_t *spec = NULL, *tree = NULL;

	o.devices = LIST("/dev/null", fifo);
	assert_int_equal(mkfifoat(t->fd, "fifo", 0600), 0);
	assert_int_equal(fchmodat(t->fd, "fifo", 04640, 0), 0);
	spec = built(&o, NULL, -1);
	assert_json(spec, "linux.devices.0.type", "\"c\"");
	assert_json(spec, "linux.devices.0.major", "1");
	assert_json(spec, "linux.devices.0.minor", "3");
	assert_json(spec, "linux.resources.devices.10",
		    "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rwm\"}");
	assert_json(spec, "linux.devices.1.type", "\"p\"");
	assert_json(spec, "linux.devices.1.fileMode", "2464"); /* 04640 */
	assert_int_equal(symlinkat("/dev/null", t->fd, "link"), 0);
	o.devices = LIST(t->path); /* a link and a fifo: nothing in it counts */
	tree = built(&o, NULL, -1);
	assert_json(tree, "linux.devices", "");
	o.devices = LIST(link);
	said = cor_asprintf("get device path: \"%s\" containerPath: \"\" error: not a device node", link);
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT, said);
	o.devices = LIST("/dev/nope/x");
	assert_refused(&o, NULL, -1, COR_NOT_FOUND,
		       "error stating device path: stat /dev/nope/x: no such file or directory");
}

static void device_trees(void **state)
{
	struct tree *t = *state;
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;
	_cleanup_free_ char *first = cor_asprintf("\"%s/a/z\"", t->path),
			    *second = cor_asprintf("\"%s/b\"", t->path);

	if (mknodat(t->fd, "b", S_IFCHR | 0600, makedev(1, 3)) < 0)
		skip();
	assert_int_equal(mkdirat(t->fd, "a", 0755), 0);
	assert_int_equal(mkdirat(t->fd, "pts", 0755), 0);
	assert_int_equal(mknodat(t->fd, "a/z", S_IFBLK | 0600, makedev(300, 70000)), 0);
	assert_int_equal(mknodat(t->fd, "pts/0", S_IFCHR | 0600, makedev(136, 0)), 0);
	assert_int_equal(mknodat(t->fd, "console", S_IFCHR | 0600, makedev(5, 1)), 0);
	o.devices = LIST(t->path);
	spec = built(&o, NULL, -1);
	assert_int_equal(json_array_size(at(spec, "linux.devices")), 2);
	assert_json(spec, "linux.devices.0.path", first);
	assert_json(spec, "linux.devices.0.minor", "70000");
	assert_json(spec, "linux.devices.1.path", second);
	assert_int_equal(json_array_size(at(spec, "linux.resources.devices")), 12);
}

/* Bad flags are refused before anything is looked at: here before the env file that is not there. */
static void checks_come_first(void **state)
{
	struct cor_spec_options o = options();

	o.env_file = "/nonexistent";
	o.cap_add = LIST("x");
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "capabilities must be specified with 'CAP_' prefix");
	assert_true(cor_spec_check(&o, NULL) < 0);
	o.config_file = "/nonexistent"; /* with --config they do not matter */
	assert_int_equal(cor_spec_check(&o, NULL), 0);
}

static void what_needs_the_root_file_system(void **state)
{
	struct cor_image_config image = {0};
	struct cor_spec_options o = options();

	assert_true(cor_spec_needs_rootfs(&o, &image));
	assert_false(cor_spec_needs_rootfs(&o, NULL));
	o.user = "1:1";
	assert_true(cor_spec_needs_rootfs(&o, NULL));
	o.config_file = "x";
	assert_false(cor_spec_needs_rootfs(&o, &image));
}

static void arguments_must_be_text(void **state)
{
	struct cor_spec_options o = options();

	o.args = LIST("/bin/echo", "\xe4\n");
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT, "args: \"\xe4\\n\" is not valid UTF-8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base),
		cmocka_unit_test_setup_teardown(image_process, tree_make, tree_remove),
		cmocka_unit_test(tty_wins_over_env),
		cmocka_unit_test(rootfs_is_absolute),
		cmocka_unit_test(capabilities),
		cmocka_unit_test(privileged),
		cmocka_unit_test(net_host),
		cmocka_unit_test(with_ns),
		cmocka_unit_test(cpu_and_memory),
		cmocka_unit_test(numbers_that_do_not_fit),
		cmocka_unit_test(rlimit),
		cmocka_unit_test(small_ones),
		cmocka_unit_test(labels_come_last),
		cmocka_unit_test_setup_teardown(device_nodes, tree_make, tree_remove),
		cmocka_unit_test_setup_teardown(device_trees, tree_make, tree_remove),
		cmocka_unit_test(checks_come_first),
		cmocka_unit_test(what_needs_the_root_file_system),
		cmocka_unit_test(arguments_must_be_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
