/* SPDX-License-Identifier: Apache-2.0 */
/* The edits of CDI devices in a spec: what replaces, what is appended, what the host's nodes fill in. */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cdi/internal.h"
#include "helpers.h"

static json_t *base(void)
{
	json_t *spec = NULL;

	assert_int_equal(cor_spec_default("ns", "c1", &spec, NULL), 0);
	return spec;
}

/* One device with these edits, checked as a file of the newest version would be. */
static json_t *edits_of(const char *text)
{
	_cleanup_free_ char *file =
		cor_asprintf("{\"cdiVersion\":\"1.1.0\",\"kind\":\"a/b\",\"devices\":[{\"name\":"
			     "\"d\",\"containerEdits\":%s}]}",
			     text);
	_cleanup_json_ json_t *doc = NULL;
	struct cor_error err = {0};

	if (cor_cdi_parse(file, strlen(file), &doc, NULL, &err) < 0)
		fail_msg("%s", err.message);
	return json_incref(at(doc, "devices.0.containerEdits"));
}

static void edit(json_t *spec, const char *text)
{
	_cleanup_json_ json_t *edits = edits_of(text);
	struct cor_error err = {0};

	if (cor_spec_cdi_edit(spec, edits, &err) < 0)
		fail_msg("%s: %s", text, err.message);
}

static void edit_fails(const char *text, const char *message)
{
	_cleanup_json_ json_t *spec = base(), *edits = edits_of(text);
	struct cor_error err = {0};

	assert_true(cor_spec_cdi_edit(spec, edits, &err) < 0);
	assert_string_equal(err.message, message);
}

static void environment(void **state)
{
	_cleanup_json_ json_t *spec = base();

	json_object_set_new(at(spec, "process"), "env",
			    json_pack("[s, s, s, s]", "A=1", "B=1", "A=2", "BARE"));
	edit(spec, "{\"env\":[\"A=3\",\"C=\",\"BARE=x\",\"C=4\",\"AA=5\"]}");
	assert_json(spec, "process.env", "[\"A=1\",\"B=1\",\"A=3\",\"BARE=x\",\"C=4\",\"AA=5\"]");
}

static void device_from_host(void **state)
{
	_cleanup_json_ json_t *spec = base();
	struct stat st;

	assert_int_equal(fstatat(AT_FDCWD, "/dev/null", &st, 0), 0);
	edit(spec,
	     "{\"deviceNodes\":[{\"path\":\"/dev/x\",\"hostPath\":\"/dev/null\"},{\"path\":\"/dev/zero\","
	     "\"permissions\":\"r\",\"fileMode\":256,\"uid\":7}]}");
	assert_json(spec, "linux.devices",
		    "[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":1,\"minor\":3,\"fileMode\":438},"
		    "{\"path\":\"/dev/"
		    "zero\",\"type\":\"c\",\"major\":1,\"minor\":5,\"fileMode\":256,\"uid\":7}]");
	assert_json(spec, "linux.resources.devices",
		    "[{\"allow\":false,\"access\":\"rwm\"},"
		    "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3,\"access\":\"rwm\"},"
		    "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":5,\"access\":\"r\"}]");
}

/* A node of the same path goes; owners come from a process that is not root; "none" is no rule. */
static void device_replaces(void **state)
{
	_cleanup_json_ json_t *spec = base();

	json_object_set_new(at(spec, "process"), "user", json_pack("{s:i, s:i}", "uid", 5, "gid", 0));
	edit(spec, "{\"deviceNodes\":[{\"path\":\"/dev/x\",\"type\":\"b\",\"major\":7,\"minor\":1},"
		   "{\"path\":\"/dev/p\",\"type\":\"p\"},"
		   "{\"path\":\"/dev/x\",\"type\":\"u\",\"major\":8,\"permissions\":\"none\",\"gid\":9},"
		   "{\"path\":\"/dev/y\",\"type\":\"c\",\"major\":-1,\"permissions\":\"none\",\"uid\":0}]}");
	assert_json(spec, "linux.devices",
		    "[{\"path\":\"/dev/p\",\"type\":\"p\",\"major\":0,\"minor\":0,\"uid\":5},"
		    "{\"path\":\"/dev/x\",\"type\":\"u\",\"major\":8,\"minor\":0,\"uid\":5,\"gid\":9},"
		    "{\"path\":\"/dev/y\",\"type\":\"c\",\"major\":-1,\"minor\":0,\"uid\":0}]");
	assert_json(spec, "linux.resources.devices",
		    "[{\"allow\":false,\"access\":\"rwm\"},"
		    "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":1,\"access\":\"rwm\"}]");
}

static void device_fails(void **state)
{
	struct tree *t = *state;
	_cleanup_free_ char *link = cor_path_join(t->path, "l");
	_cleanup_free_ char *edits =
		cor_asprintf("{\"deviceNodes\":[{\"path\":\"/dev/x\",\"hostPath\":\"%s\"}]}", link);
	_cleanup_free_ char *message = cor_asprintf(
		"failed to inject devices: failed to stat CDI host device \"%s\": not a device node", link);

	assert_int_equal(symlinkat("/dev/null", AT_FDCWD, link), 0);
	edit_fails(edits, message);
	edit_fails(
		"{\"deviceNodes\":[{\"path\":\"/dev/no-such\"}]}",
		"failed to inject devices: failed to stat CDI host device \"/dev/no-such\": no such file or "
		"directory");
	/* A type alone does not do, a major number alone neither. */
	edit_fails(
		"{\"deviceNodes\":[{\"path\":\"/dev/no-such\",\"type\":\"c\"}]}",
		"failed to inject devices: failed to stat CDI host device \"/dev/no-such\": no such file or "
		"directory");
	edit_fails("{\"deviceNodes\":[{\"path\":\"/dev/x\",\"hostPath\":\"/dev/null\",\"type\":\"b\"}]}",
		   "failed to inject devices: CDI device (\"/dev/x\", \"/dev/null\"), host type mismatch (b, "
		   "c)");
}

/* A mount of the same destination goes, and all are sorted by depth, stably. */
static void mounts(void **state)
{
	_cleanup_json_ json_t *spec = base();

	json_object_set_new(spec, "mounts",
			    json_pack("[{s:s}, {s:s}, {s:s}, {s:s}]", "destination", "/a/b/c", "destination",
				      "/dup", "destination", "/z//q/", "destination", "/y"));
	edit(spec, "{\"mounts\":[{\"hostPath\":\"/h\",\"containerPath\":\"/dup\"},{\"hostPath\":\"tmpfs\","
		   "\"containerPath\":\"/a/b\",\"type\":\"tmpfs\",\"options\":[\"ro\"]},{\"hostPath\":\"/h\","
		   "\"containerPath\":\"/\",\"options\":[\"ro\"]}]}");
	assert_json(spec, "mounts",
		    "[{\"destination\":\"/y\"},{\"destination\":\"/dup\",\"source\":\"/"
		    "h\",\"options\":[\"rbind\"]},"
		    "{\"destination\":\"/\",\"source\":\"/h\",\"options\":[\"ro\",\"rbind\"]},"
		    "{\"destination\":\"/z//q/\"},"
		    "{\"destination\":\"/a/b\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"ro\"]},"
		    "{\"destination\":\"/a/b/c\"}]");
}

static void mounts_in_user_namespace(void **state)
{
	_cleanup_json_ json_t *spec = base();

	json_array_append_new(at(spec, "linux.namespaces"), json_pack("{s:s}", "type", "user"));
	json_object_set_new(spec, "mounts", json_array());
	edit(spec,
	     "{\"mounts\":[{\"hostPath\":\"/h\",\"containerPath\":\"/1\",\"options\":[\"bind\",\"ro\"]},"
	     "{\"hostPath\":\"/h\",\"containerPath\":\"/2\",\"options\":[\"rbind\"]},"
	     "{\"hostPath\":\"/h\",\"containerPath\":\"/3\",\"type\":\"bind\"},"
	     "{\"hostPath\":\"/h\",\"containerPath\":\"/4\",\"options\":[\"bind\",\"idmap\"]},"
	     "{\"hostPath\":\"t\",\"containerPath\":\"/5\",\"type\":\"tmpfs\"}]}");
	assert_json(spec, "mounts.0.options", "[\"bind\",\"ro\",\"idmap\"]");
	assert_json(spec, "mounts.1.options", "[\"rbind\",\"ridmap\"]");
	assert_json(spec, "mounts.2.options", "[\"idmap\"]");
	assert_json(spec, "mounts.3.options", "[\"bind\",\"idmap\"]");
	assert_json(spec, "mounts.4.options", "");
}

static void the_rest(void **state)
{
	_cleanup_json_ json_t *spec = base();

	json_object_set_new(at(spec, "process.user"), "additionalGids", json_pack("[i, i]", 0, 6));
	edit(spec,
	     "{\"hooks\":[{\"hookName\":\"poststop\",\"path\":\"/1\"},{\"hookName\":\"prestart\",\"path\":"
	     "\"/2\",\"args\":[\"a\"],\"env\":[\"B=c\"],\"timeout\":3},{\"hookName\":\"poststop\",\"path\":"
	     "\"/3\"}],\"intelRdt\":{\"closID\":\"x\",\"l3CacheSchema\":\"L3:0=f\"},"
	     "\"additionalGids\":[0,7,6,7]}");
	assert_json(spec, "hooks.poststop", "[{\"path\":\"/1\"},{\"path\":\"/3\"}]");
	assert_json(spec, "hooks.prestart",
		    "[{\"path\":\"/2\",\"args\":[\"a\"],\"env\":[\"B=c\"],\"timeout\":3}]");
	assert_json(spec, "linux.intelRdt", "{\"closID\":\"x\",\"l3CacheSchema\":\"L3:0=f\"}");
	assert_json(spec, "process.user.additionalGids", "[0,6,7]");
	assert_json(spec, "ociVersion", "\"1.0.2\"");
	edit(spec, "{\"netDevices\":[{\"hostInterfaceName\":\"eth7\",\"name\":\"in\"}]}");
	assert_json(spec, "linux.netDevices", "{\"eth7\":{\"name\":\"in\"}}");
	/* A runtime that does not know of them refuses the version. */
	assert_json(spec, "ociVersion", "\"1.3.0\"");
}

static void gpu_flags(void **state)
{
	static const char *const bad[] = {"", "x", "1.5", "0,1", "99999999999999999999"};
	struct cor_spec_options o = options();

	o.gpus = LIST("0", "-1", "7");
	assert_int_equal(cor_spec_check_gpus(&o, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *message = cor_asprintf("invalid value \"%s\" for flag -gpus: %s", bad[i],
							    i == 4 ? "value out of range" : "parse error");

		o.gpus = LIST("0", bad[i]);
		assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT, message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(environment),
		cmocka_unit_test(device_from_host),
		cmocka_unit_test(device_replaces),
		cmocka_unit_test_setup_teardown(device_fails, tree_make, tree_remove),
		cmocka_unit_test(mounts),
		cmocka_unit_test(mounts_in_user_namespace),
		cmocka_unit_test(the_rest),
		cmocka_unit_test(gpu_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
