/* SPDX-License-Identifier: Apache-2.0 */
/* --uidmap and --gidmap: forms, what is refused and how, what comes into the spec. */
#include "helpers.h"

static struct cor_spec_options maps(char *const *uids, char *const *gids)
{
	struct cor_spec_options o = options();

	o.uid_maps = uids;
	o.gid_maps = gids;
	return o;
}

static void a_user_namespace_with_its_maps(void **state)
{
	struct cor_spec_options o = maps(LIST("0:100000:65536"), LIST("0:200000:65536"));
	_cleanup_json_ json_t *spec = built(&o, NULL, -1);

	assert_json(spec, "linux.uidMappings", "[{\"containerID\":0,\"hostID\":100000,\"size\":65536}]");
	assert_json(spec, "linux.gidMappings", "[{\"containerID\":0,\"hostID\":200000,\"size\":65536}]");
	assert_json(spec, "linux.namespaces",
		    "[{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"},"
		    "{\"type\":\"network\"},{\"type\":\"user\"}]");
}

static void nothing_without_the_flags(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = built(&o, NULL, -1);

	assert_false(cor_spec_has_userns(&o));
	assert_json(spec, "linux.uidMappings", "");
	assert_json(spec, "linux.gidMappings", "");
}

static void several_ranges_in_the_order_of_the_container(void **state)
{
	struct cor_spec_options o = maps(LIST("1:100000:65535", "0:1000:1"), LIST("0:0:4294967294"));
	_cleanup_json_ json_t *spec = built(&o, NULL, -1);

	assert_json(spec, "linux.uidMappings",
		    "[{\"containerID\":0,\"hostID\":1000,\"size\":1},"
		    "{\"containerID\":1,\"hostID\":100000,\"size\":65535}]");
	assert_json(spec, "linux.gidMappings", "[{\"containerID\":0,\"hostID\":0,\"size\":4294967294}]");
}

/* ctr replaces the namespace and leaves the maps. */
static void with_ns_replaces_the_namespace(void **state)
{
	struct cor_spec_options o = maps(LIST("0:1000:1"), LIST("0:1000:1"));
	o.with_ns = LIST("user:/proc/1/ns/user");
	_cleanup_json_ json_t *spec = built(&o, NULL, -1);

	assert_json(spec, "linux.namespaces.5", "{\"type\":\"user\",\"path\":\"/proc/1/ns/user\"}");
	assert_json(spec, "linux.uidMappings", "[{\"containerID\":0,\"hostID\":1000,\"size\":1}]");
}

static void refused(char *const *uids, char *const *gids, const char *text)
{
	struct cor_spec_options o = maps(uids, gids);
	struct cor_error err = {0};

	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT, text);
	assert_int_equal(cor_spec_check(&o, &err), -EINVAL);
	assert_string_equal(err.message, text);
}

static void forms(void **state)
{
	static const char form[] = "user namespace mappings require the format `container-id:host-id:size`";
	char *const *good = LIST("0:1:1");

	refused(LIST("0"), good, form);
	refused(LIST(""), good, form);
	refused(LIST("0:1"), good, form);
	refused(LIST("0:1:2:3"), good, form);
	refused(good, LIST("0:1:1", "2:2"), form);
#define ERR(what, which, why) \
	"invalid " what " for user namespace remapping: strconv.ParseUint: parsing \"" which "\": " why
	refused(LIST("x:1:1"), good, ERR("container id", "x", "invalid syntax"));
	refused(LIST("0:-1:1"), good, ERR("host id", "-1", "invalid syntax"));
	refused(LIST("0:1:"), good, ERR("size", "", "invalid syntax"));
	refused(LIST("0: 1:1"), good, ERR("host id", " 1", "invalid syntax"));
	refused(LIST("0:010:1"), good, ERR("host id", "010", "invalid syntax"));
	refused(good, LIST("0:1:4294967296"), ERR("size", "4294967296", "value out of range"));
	refused(good, LIST("0:99999999999999999999999:1"),
		ERR("host id", "99999999999999999999999", "value out of range"));
}

static void what_the_kernel_would_refuse(void **state)
{
	char *const *good = LIST("0:1:1");

	refused(LIST("0:1:0"), good, "--uidmap: a range of size 0: invalid argument");
	refused(good, LIST("0:5:10", "9:100:1"), "--gidmap: ranges overlap: invalid argument");
	refused(LIST("0:5:10", "10:14:1"), good, "--uidmap: ranges overlap: invalid argument");
	refused(LIST("0:4294967295:1"), good,
		"--uidmap: a range goes beyond ID 4294967294: invalid argument");
	refused(LIST("1:0:4294967295"), good,
		"--uidmap: a range goes beyond ID 4294967294: invalid argument");
}

static void both_or_none_and_an_image(void **state)
{
	struct cor_spec_options o = maps(LIST("0:1:1"), LIST("0:1:1"));

	refused(LIST("0:1:1"), NULL,
		"flags --uidmap and --gidmap must be given together: --gidmap is missing");
	refused(NULL, LIST("0:1:1"),
		"flags --uidmap and --gidmap must be given together: --uidmap is missing");
	o.rootfs = "/x";
	o.args = LIST("true");
	assert_refused(&o, NULL, -1, COR_INVALID_ARGUMENT,
		       "--uidmap and --gidmap need an image: a custom rootfs is not remapped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_namespace_with_its_maps),
		cmocka_unit_test(nothing_without_the_flags),
		cmocka_unit_test(several_ranges_in_the_order_of_the_container),
		cmocka_unit_test(with_ns_replaces_the_namespace),
		cmocka_unit_test(forms),
		cmocka_unit_test(what_the_kernel_would_refuse),
		cmocka_unit_test(both_or_none_and_an_image),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
