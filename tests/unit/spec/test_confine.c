/* SPDX-License-Identifier: Apache-2.0 */
/* --seccomp, --apparmor-*, --cpuset-*, --cpu-burst, --rdt-class: documents and refusals. */
#include "helpers.h"

#include <spawn.h>

#include "base/process.h"

#define PARSER "/usr/sbin/apparmor_parser"

static json_t *rules_of(json_t *spec)
{
	json_t *rules = at(spec, "linux.seccomp.syscalls");

	assert_true(json_is_array(rules));
	return rules;
}

/* How many rules name the call and have (or lack) conditions. */
static size_t count_rules(json_t *spec, const char *call, const char *action, bool conditional)
{
	json_t *rule, *name;
	size_t i, j, n = 0;

	json_array_foreach(rules_of(spec), i, rule)
	{
		if (!streq(json_string_value(json_object_get(rule, "action")), action) ||
		    (json_object_get(rule, "args") != NULL) != conditional)
			continue;
		json_array_foreach(json_object_get(rule, "names"), j, name) n +=
			streq(json_string_value(name), call);
	}
	return n;
}

static bool allowed(json_t *spec, const char *call)
{
	return count_rules(spec, call, "SCMP_ACT_ALLOW", false) > 0;
}

static void test_default_profile(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;

	o.seccomp = true;
	spec = built(&o, NULL, -1);
	assert_json(spec, "linux.seccomp.defaultAction", "\"SCMP_ACT_ERRNO\"");
#ifdef __x86_64__
	assert_json(spec, "linux.seccomp.architectures",
		    "[\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\"]");
	assert_true(allowed(spec, "arch_prctl"));
#endif
	assert_true(allowed(spec, "read") && allowed(spec, "openat2") && allowed(spec, "ptrace"));
	assert_true(allowed(spec, "chroot")); /* CAP_SYS_CHROOT is among the default capabilities */
	assert_false(allowed(spec, "mount") || allowed(spec, "unshare") || allowed(spec, "keyctl") ||
		     allowed(spec, "io_uring_setup") || allowed(spec, "bpf") || allowed(spec, "clone") ||
		     allowed(spec, "clone3") || allowed(spec, "socket") || allowed(spec, "kexec_load"));
	assert_int_equal(count_rules(spec, "socket", "SCMP_ACT_ALLOW", true), 3);
	assert_int_equal(count_rules(spec, "personality", "SCMP_ACT_ALLOW", true), 5);
	assert_int_equal(count_rules(spec, "clone", "SCMP_ACT_ALLOW", true), 1);
	assert_int_equal(count_rules(spec, "clone3", "SCMP_ACT_ERRNO", false), 1);
	/* NEWNS|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET|NEWCGROUP, and ENOSYS. */
	for (size_t i = 0; i < json_array_size(rules_of(spec)); i++) {
		json_t *rule = json_array_get(rules_of(spec), i);

		if (streq(json_string_value(at(rule, "names.0")), "clone"))
			assert_json(
				rule, "args",
				"[{\"index\": 0, \"value\": 2114060288, \"op\": \"SCMP_CMP_MASKED_EQ\"}]");
		if (streq(json_string_value(at(rule, "names.0")), "clone3"))
			assert_json(rule, "errnoRet", "38");
	}
}

/* Words of the table: none twice in a rule, all of them names of system calls. */
static void test_names(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL, *seen = NULL;
	json_t *rule, *name;
	size_t i, j;

	o.seccomp = o.privileged = o.privileged_without_host_devices = true;
	spec = built(&o, NULL, -1);
	json_array_foreach(rules_of(spec), i, rule)
	{
		json_decref(seen);
		seen = json_object();
		assert_true(json_array_size(json_object_get(rule, "names")) > 0);
		json_array_foreach(json_object_get(rule, "names"), j, name)
		{
			const char *s = json_string_value(name);

			assert_true(*s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s));
			assert_null(json_object_get(seen, s));
			assert_int_equal(json_object_set_new(seen, s, json_true()), 0);
		}
	}
	assert_int_equal(json_array_size(at(spec, "linux.seccomp.syscalls.0.names")), 363);
}

static void test_capabilities(void **state)
{
	static const struct {
		const char *cap, *call;
	} cases[] = {
		{"CAP_DAC_READ_SEARCH", "open_by_handle_at"},
		{"CAP_SYS_ADMIN", "unshare"},
		{"CAP_SYS_ADMIN", "clone3"},
		{"CAP_SYS_BOOT", "reboot"},
		{"CAP_SYS_MODULE", "finit_module"},
		{"CAP_SYS_PACCT", "acct"},
		{"CAP_SYS_PTRACE", "pidfd_getfd"},
		{"CAP_SYS_RAWIO", "iopl"},
		{"CAP_SYS_TIME", "clock_settime"},
		{"CAP_SYS_TTY_CONFIG", "vhangup"},
		{"CAP_SYS_NICE", "set_mempolicy_home_node"},
		{"CAP_SYSLOG", "syslog"},
		{"CAP_BPF", "bpf"},
		{"CAP_PERFMON", "perf_event_open"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_spec_options o = options();
		_cleanup_json_ json_t *spec = NULL, *without = NULL;

		o.seccomp = true;
		without = built(&o, NULL, -1);
		assert_false(allowed(without, cases[i].call));
		o.cap_add = LIST(cases[i].cap);
		spec = built(&o, NULL, -1);
		assert_true(allowed(spec, cases[i].call));
		assert_int_equal(count_rules(spec, "clone3", "SCMP_ACT_ERRNO", false),
				 !streq(cases[i].cap, "CAP_SYS_ADMIN"));
	}
}

/* The bounding set as it is after all other flags decides; without one, nothing is added. */
static void test_capabilities_order(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *dropped = NULL, *profile = NULL;
	struct cor_error err = {0};

	o.seccomp = true;
	o.cap_add = LIST("CAP_SYS_ADMIN");
	o.cap_drop = LIST("CAP_SYS_ADMIN", "CAP_SYS_CHROOT");
	dropped = built(&o, NULL, -1);
	assert_false(allowed(dropped, "unshare") || allowed(dropped, "chroot"));
	assert_true(cor_spec_seccomp_default(NULL, &profile, &err) >= 0);
}

static void test_no_seccomp(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = built(&o, NULL, -1);

	assert_json(spec, "linux.seccomp", "");
}

static void refused(const struct cor_spec_options *o, const char *text)
{
	struct cor_error err = {0};
	json_t *spec = NULL;

	assert_true(cor_spec_build(o, NULL, -1, &spec, &err) < 0);
	if (strncmp(err.message, text, strlen(text)) != 0)
		fail_msg("have: %s\nwant: %s", err.message, text);
	assert_null(strchr(err.message, '\n'));
}

static const char *file_with(const char *text)
{
	static char path[] = "/tmp/test-confine.XXXXXX";
	int fd;

	snprintf(path, sizeof(path), "/tmp/test-confine.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(cor_write_full(fd, text, strlen(text)), 0);
	cor_close(fd);
	return path;
}

static void test_profile_file(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;

	o.seccomp = true;
	o.seccomp_profile = file_with(
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"archMap\": [], \"architectures\": [], \"flags\": "
		"null,"
		"\"syscalls\": [{\"names\": [\"mkdir\"], \"action\": \"SCMP_ACT_KILL\", \"comment\": \"x\","
		"\"includes\": {}, \"errnoRet\": 0, \"args\": []}]}");
	spec = built(&o, NULL, -1);
	unlink(o.seccomp_profile);
	assert_json(spec, "linux.seccomp",
		    "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"mkdir\"], "
		    "\"action\": \"SCMP_ACT_KILL\", \"errnoRet\": 0}]}");
}

static void test_profile_with_unsigned_values(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;
	_cleanup_free_ char *text = NULL;

	o.seccomp = true;
	o.seccomp_profile = file_with(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"x\"],\"action\":\"a\","
		"\"args\":[{\"index\":0,\"value\":18446744073709551615,\"valueTwo\":9223372036854775808,"
		"\"op\":\"o\"}]}]}");
	spec = built(&o, NULL, -1);
	unlink(o.seccomp_profile);
	text = cor_json_dump(at(spec, "linux.seccomp.syscalls.0.args"));
	assert_string_equal(text, "[{\"index\":0,\"value\":18446744073709551615,"
				  "\"valueTwo\":9223372036854775808,\"op\":\"o\"}]");
}

static void test_bad_profiles(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"", "profile: invalid JSON: "},
		{"{", "profile: invalid JSON: "},
		{"[]", "expected object"},
		{"{}", "defaultAction: missing"},
		{"{\"defaultAction\": 1}", "defaultAction: expected string"},
		{"{\"defaultAction\": \"a\", \"syscalls\": 3}", "syscalls: expected array of objects"},
		{"{\"defaultAction\": \"a\", \"syscalls\": [3]}", "syscalls[0]: expected object"},
		{"{\"defaultAction\": \"a\", \"syscalls\": [{\"action\": \"b\"}]}",
		 "syscalls[0].names: missing"},
		{"{\"defaultAction\": \"a\", \"syscalls\": [{\"names\": [\"b\"]}]}",
		 "syscalls[0].action: missing"},
		{"{\"defaultAction\": \"a\", \"syscalls\": [{\"names\": [\"b\"], \"action\": \"c\", "
		 "\"args\": "
		 "[{\"index\": -1}]}]}",
		 "syscalls[0].args[0].index: expected unsigned integer"},
		{"{\"defaultAction\": \"a\", \"syscalls\": [{\"names\": [\"b\"], \"action\": \"c\", "
		 "\"args\": [{\"index\": 0, \"value\": -1}]}]}",
		 "syscalls[0].args[0].value: expected unsigned integer"},
		{"{\"defaultAction\": \"a\", \"defaultAction\": \"b\"}", "profile: invalid JSON: "},
	};
	char want[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_spec_options o = options();

		o.seccomp = true;
		o.seccomp_profile = file_with(cases[i].text);
		snprintf(want, sizeof(want), "decoding seccomp profile failed \"%s\": %s", o.seccomp_profile,
			 cases[i].why);
		refused(&o, want);
		unlink(o.seccomp_profile);
	}
}

static void test_refusals(void **state)
{
	struct cor_spec_options o = options();

	o.seccomp_profile = "/nope";
	refused(&o, "seccomp must be set to true, if using a custom seccomp-profile");
	o.seccomp = true;
	refused(&o, "cannot load seccomp profile \"/nope\": open /nope: no such file or directory");
	o.seccomp_profile = "/dev/zero";
	refused(&o, "cannot load seccomp profile \"/dev/zero\": read /dev/zero: ");
	o = options();
	o.apparmor_profile = "a";
	o.apparmor_default_profile = "b";
	refused(&o, "apparmor-profile conflicts with apparmor-default-profile");
	o.apparmor_profile = NULL;
	o.apparmor_default_profile = "a {}\n profile b";
	refused(&o, "apparmor-default-profile: \"a {}\\n profile b\" is not a name for a profile");
	o = options();
	o.cpu_burst = UINT64_MAX;
	refused(&o, "cpu-burst: value 18446744073709551615 is out of range");
}

static void test_apparmor(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *custom = NULL, *named = NULL, *both = NULL;

	o.apparmor_profile = "my profile//&x";
	custom = built(&o, NULL, -1);
	assert_json(custom, "process.apparmorProfile", "\"my profile//&x\"");
	o.apparmor_profile = NULL;
	o.apparmor_default_profile = "cri-containerd.apparmor.d";
	named = built(&o, NULL, -1);
	assert_json(named, "process.apparmorProfile", "\"cri-containerd.apparmor.d\"");
	/* It comes after --privileged, which clears what was there. */
	o.privileged = o.privileged_without_host_devices = true;
	both = built(&o, NULL, -1);
	assert_json(both, "process.apparmorProfile", "\"cri-containerd.apparmor.d\"");
}

/* What the parser says of a policy: exit status. */
static int parsed(const char *text)
{
	const char *path = file_with(text);
	char *argv[] = {(char[]){PARSER}, (char[]){"-QK"}, (char *)path, NULL};
	posix_spawn_file_actions_t quiet;
	int status = -1;
	pid_t pid;

	assert_int_equal(posix_spawn_file_actions_init(&quiet), 0);
	assert_int_equal(posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0), 0);
	assert_int_equal(posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0), 0);
	assert_int_equal(posix_spawn(&pid, PARSER, &quiet, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&quiet);
	assert_int_equal(cor_wait_exit(pid, &status), 0);
	unlink(path);
	return status;
}

static void test_apparmor_text(void **state)
{
	struct cor_spec_apparmor a = {.name = "x", .manager = "unconfined"};
	_cleanup_free_ char *bare = cor_spec_apparmor_text(&a), *full = NULL;

	assert_non_null(bare);
	assert_true(cor_startswith(bare, "@{PROC}=/proc/\n"));
	assert_non_null(strstr(bare, "\nprofile x flags=(attach_disconnected,mediate_deleted) {\n"));
	assert_non_null(strstr(bare, "  signal (send,receive) peer=x,\n"));
	assert_non_null(strstr(bare, "  deny mount,\n"));
	assert_null(strstr(bare, "ROOTLESSKIT"));
	assert_null(strstr(bare, "abi "));
	a.manager = "coracle";
	a.rootlesskit = "/usr/bin/rootlesskit";
	a.abi = a.tunables = a.base = true;
	full = cor_spec_apparmor_text(&a);
	assert_non_null(full);
	assert_true(cor_startswith(full, "abi <abi/3.0>,\n#include <tunables/global>\n"));
	assert_non_null(strstr(full, "  signal (receive) peer=coracle,\n"));
	assert_non_null(strstr(full, "  signal (receive) peer=/usr/bin/rootlesskit,\n"));
	if (faccessat(AT_FDCWD, PARSER, X_OK, 0) < 0)
		return;
	assert_int_equal(parsed(bare), 0);
	assert_int_equal(parsed(full), 0);
	assert_int_not_equal(parsed("profile x {\n  nonsense\n}\n"), 0);
}

static void test_resources(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;

	o.cpuset_cpus = "0-1";
	o.cpuset_mems = "0";
	o.cpu_burst = 20000;
	o.rdt_class = "gold";
	spec = built(&o, NULL, -1);
	assert_json(spec, "linux.resources.cpu", "{\"cpus\": \"0-1\", \"mems\": \"0\", \"burst\": 20000}");
	assert_json(spec, "linux.intelRdt", "{\"closID\": \"gold\"}");
}

static void test_resources_empty(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;

	o.cpuset_cpus = o.cpuset_mems = o.rdt_class = o.apparmor_profile = o.apparmor_default_profile = "";
	spec = built(&o, NULL, -1);
	assert_json(spec, "linux.resources.cpu", "");
	assert_json(spec, "linux.intelRdt", "");
	assert_json(spec, "process.apparmorProfile", "");
}

/* Without resctrl a class is refused before anything is made. */
static void test_host(void **state)
{
	struct cor_spec_options o = options();
	struct cor_error err = {0};

	assert_int_equal(cor_spec_prepare_host(&o, &err), 0);
	o.rdt_class = "gold";
	if (faccessat(AT_FDCWD, "/sys/fs/resctrl/schemata", F_OK, 0) == 0)
		skip();
	assert_true(cor_spec_prepare_host(&o, &err) < 0);
	assert_string_equal(
		err.message,
		"rdt-class \"gold\": RDT not supported: resctrl not found in /proc/self/mountinfo");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_profile),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_capabilities_order),
		cmocka_unit_test(test_no_seccomp),
		cmocka_unit_test(test_profile_file),
		cmocka_unit_test(test_profile_with_unsigned_values),
		cmocka_unit_test(test_bad_profiles),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_apparmor),
		cmocka_unit_test(test_apparmor_text),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_resources_empty),
		cmocka_unit_test(test_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
