/* SPDX-License-Identifier: Apache-2.0 */
/* Whole CDI documents: the specification's examples, every field, every rule with its message. */
#include "helpers.h"

static int parse(const char *text, size_t len, json_t **ret, struct cor_error *err)
{
	return cor_cdi_parse(text, len, ret, NULL, err);
}

/* One device "d" of vendor.com/class with these edits (JSON text). */
static char *with_edits(const char *version, const char *edits)
{
	char *text = cor_asprintf(
		"{\"cdiVersion\":\"%s\",\"kind\":\"vendor.com/class\",\"devices\":[{\"name\":\"d\","
		"\"containerEdits\":%s}]}",
		version, edits);

	assert_non_null(text);
	return text;
}

static void edits_taken(const char *version, const char *edits)
{
	_cleanup_free_ char *text = with_edits(version, edits);

	assert_taken(parse, text, text);
}

static void edits_refused(const char *version, const char *edits, const char *message)
{
	_cleanup_free_ char *text = with_edits(version, edits);

	assert_not_taken(parse, text, message);
}

/* schema/testdata/good of the specification's repository, in JSON and in YAML. */
static void examples(void **state)
{
	static const char example[] =
		"{\"cdiVersion\":\"0.6.0\",\"kind\":\"vendor.com/"
		"device\",\"devices\":[{\"name\":\"myDevice\","
		"\"containerEdits\":{\"deviceNodes\":[{\"hostPath\":\"/vendorroot/dev/card1\",\"path\":\"/"
		"dev/"
		"card1\"},{\"path\":\"/dev/card2\"}]}}],\"containerEdits\":{\"env\":[\"FOO=CDI_SPEC\",\"BAR="
		"BARVALUE1\"],\"deviceNodes\":[{\"path\":\"/dev/vendorctl\",\"uid\":1000,\"gid\":1000}],"
		"\"mounts\":[{\"hostPath\":\"/bin/vendorBin\",\"containerPath\":\"/bin/vendorBin\"}],"
		"\"hooks\":[{\"hookName\":\"createContainer\",\"path\":\"/bin/vendor-hook\"},{\"hookName\":"
		"\"startContainer\",\"path\":\"/usr/bin/ldconfig\"}]}}";
	static const char yaml[] = "cdiVersion: 0.6.0\n"
				   "kind: vendor.com/device\n"
				   "devices:\n"
				   "- name: myDevice\n"
				   "  containerEdits:\n"
				   "    deviceNodes:\n"
				   "    - hostPath: /vendorroot/dev/card1\n"
				   "      path: /dev/card1\n"
				   "    - path: /dev/card2\n"
				   "containerEdits:\n"
				   "  env: [FOO=CDI_SPEC, BAR=BARVALUE1]\n"
				   "  deviceNodes:\n"
				   "  - {path: /dev/vendorctl, uid: 1000, gid: 1000}\n"
				   "  mounts:\n"
				   "  - hostPath: /bin/vendorBin\n"
				   "    containerPath: /bin/vendorBin\n"
				   "  hooks:\n"
				   "  - hookName: createContainer\n"
				   "    path: /bin/vendor-hook\n"
				   "  - hookName: startContainer\n"
				   "    path: /usr/bin/ldconfig\n";

	assert_taken(parse, example, example);
	assert_taken(parse, yaml, example);
}

static void every_field(void **state)
{
	edits_taken(
		"1.1.0",
		"{\"env\":[\"A=\",\"B=c=d\"],\"deviceNodes\":[{\"path\":\"/dev/a\",\"hostPath\":\"/dev/b\","
		"\"type\":\"c\",\"major\":1,\"minor\":3,\"fileMode\":438,\"permissions\":\"rwm\",\"uid\":1,"
		"\"gid\":4294967295}],\"netDevices\":[{\"hostInterfaceName\":\"eth1\",\"name\":\"e\"}],"
		"\"hooks\":[{\"hookName\":\"prestart\",\"path\":\"/"
		"h\",\"args\":[\"h\",\"\"],\"env\":[\"X=1\"],"
		"\"timeout\":5}],\"mounts\":[{\"hostPath\":\"/a\",\"containerPath\":\"/b\",\"type\":\"none\","
		"\"options\":[\"bind\"]}],\"intelRdt\":{\"closID\":\"c\",\"l3CacheSchema\":\"L3:0=f\","
		"\"memBwSchema\":\"MB:0=20\",\"schemata\":[\"L2:0=1\"],\"enableMonitoring\":true},"
		"\"additionalGids\":[0,5]}");
	edits_taken("1.0.0", "{\"intelRdt\":{\"enableCMT\":true,\"enableMBM\":false}}");
	/* As Go: names without regard to case, null is absent, scalars as strings. */
	assert_taken(
		parse,
		"CDIVERSION: v0.7.0\nKind: a.b/c\nannotations: ~\ndevices:\n- Name: 0\n  containerEdits:\n"
		"    additionalGIDs: [0x10]\n    deviceNodes: null\n    hooks:\n    - hookname: poststop\n"
		"      path: /h\n      args: [yes, 1.5, 007, null]\n",
		"{\"cdiVersion\":\"v0.7.0\",\"kind\":\"a.b/c\",\"devices\":[{\"name\":\"0\","
		"\"containerEdits\":{\"additionalGids\":[16],\"hooks\":[{\"hookName\":\"poststop\","
		"\"path\":\"/h\",\"args\":[\"true\",\"1.5\",\"7\",\"\"]}]}}]}");
}

static void shapes(void **state)
{
	static const char *const cases[][2] = {
		{"[]", "expected object"},
		{"x", "expected object"},
		{"cdiVersion: [1]", "cdiVersion: expected string"},
		{"nonsense: 1", "unknown field \"nonsense\""},
		{"kind: a\nKIND: b", "field kind given twice"},
		{"devices: {}", "devices: expected array of objects"},
		{"devices: [1]", "devices[0]: expected object"},
		{"devices: [{}, {name: {}}]", "devices[1]: name: expected string"},
		{"containerEdits: []", "containerEdits: expected object"},
		{"containerEdits: {env: x}", "containerEdits: env: expected array of strings"},
		{"containerEdits: {env: [[]]}", "containerEdits: env[0]: expected string"},
		{"containerEdits: {deviceNodes: [{major: x}]}",
		 "containerEdits: deviceNodes[0]: major: expected integer"},
		{"containerEdits: {deviceNodes: [{minor: 1.5}]}",
		 "containerEdits: deviceNodes[0]: minor: expected integer"},
		{"containerEdits: {deviceNodes: [{uid: -1}]}",
		 "containerEdits: deviceNodes[0]: uid: -1 is not in the range of 0 to 4294967295"},
		{"containerEdits: {deviceNodes: [{fileMode: 4294967296}]}",
		 "containerEdits: deviceNodes[0]: fileMode: 4294967296 is not in the range of 0 to "
		 "4294967295"},
		{"containerEdits: {additionalGids: [1, a]}",
		 "containerEdits: additionalGids[1]: expected integer"},
		{"containerEdits: {intelRdt: {enableMonitoring: 1}}",
		 "containerEdits: intelRdt: enableMonitoring: expected boolean"},
		{"annotations: {a: []}", "annotations: \"a\": expected string"},
		{"annotations: [a]", "annotations: expected object of strings"},
		{"containerEdits: {'<<': {env: []}}", "containerEdits: unknown field \"<<\""},
	};
	_cleanup_buf_ struct cor_buf b = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_not_taken(parse, cases[i][0], cases[i][1]);
	cor_buf_str(&b, "containerEdits: {additionalGids: [");
	for (size_t i = 0; i <= COR_CDI_LIST_MAX; i++)
		cor_buf_str(&b, "1,");
	cor_buf_str(&b, "]}");
	assert_not_taken(parse, b.data, "containerEdits: additionalGids: more than 10000 items");
}

/* Each feature needs its version, and is taken from there on. */
static void versions(void **state)
{
	static const char *const all[] = {"0.3.0", "0.4.0", "0.5.0", "0.6.0",
					  "0.7.0", "0.8.0", "1.0.0", "1.1.0"};
	static const struct {
		size_t need; /* index in all */
		const char *name, *kind, *edits;
	} cases[] = {
		{0, "d", "a/b", "{\"env\":[\"A=b\"]}"},
		{1, "d", "a/b",
		 "{\"mounts\":[{\"hostPath\":\"/a\",\"containerPath\":\"/b\",\"type\":\"bind\"}]}"},
		{2, "d", "a/b", "{\"deviceNodes\":[{\"path\":\"/dev/a\",\"hostPath\":\"/dev/b\"}]}"},
		{2, "0", "a/b", "{\"env\":[\"A=b\"]}"},
		{3, "d", "a/b.c", "{\"env\":[\"A=b\"]}"},
		{4, "d", "a/b", "{\"additionalGids\":[1]}"},
		{4, "d", "a/b", "{\"intelRdt\":{}}"},
		{7, "d", "a/b", "{\"intelRdt\":{\"schemata\":[]}}"},
		{7, "d", "a/b", "{\"intelRdt\":{\"enableMonitoring\":true}}"},
		{7, "d", "a/b", "{\"netDevices\":[{\"hostInterfaceName\":\"a\",\"name\":\"b\"}]}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t v = 0; v < ARRAY_SIZE(all); v++) {
			_cleanup_free_ char *text = cor_asprintf(
				"{\"cdiVersion\":\"%s\",\"kind\":\"%s\",\"devices\":[{\"name\":\"%s\","
				"\"containerEdits\":%s}]}",
				all[v], cases[i].kind, cases[i].name, cases[i].edits);
			_cleanup_free_ char *message =
				cor_asprintf("the spec version must be at least v%s", all[cases[i].need]);

			if (v >= cases[i].need)
				assert_taken(parse, text, text);
			else
				assert_not_taken(parse, text, message);
		}
	edits_refused("0.1.0", "{\"env\":[\"A=b\"]}", "the spec version must be at least v0.3.0");
	edits_refused("1.2.0", "{\"env\":[\"A=b\"]}", "invalid version: \"1.2.0\"");
	edits_refused("1.0", "{\"env\":[\"A=b\"]}", "invalid version: \"1.0\"");
	edits_refused("", "{\"env\":[\"A=b\"]}", "no cdiVersion");
	edits_refused("0.5.0", "{\"env\":[\"A=b\"]},\"annotations\":{\"a\":\"b\"}",
		      "the spec version must be at least v0.6.0");
	edits_taken("0.6.0", "{\"env\":[\"A=b\"]},\"annotations\":{\"a\":\"b\"}");
	edits_refused("1.1.0", "{\"intelRdt\":{\"enableCMT\":true}}",
		      "enableCMT and enableMBM are not in version 1.1.0 any more");
}

static void rules(void **state)
{
	static const char *const cases[][2] = {
		{"{}", "device \"d\": invalid device, empty device edits"},
		{"{\"env\":[]}", "device \"d\": invalid device, empty device edits"},
		{"{\"env\":[\"A\"]}", "device \"d\": invalid environment variable: \"A\""},
		{"{\"env\":[\"=b\"]}", "device \"d\": invalid environment variable: \"=b\""},
		{"{\"deviceNodes\":[{}]}", "device \"d\": deviceNodes[0]: empty path"},
		{"{\"deviceNodes\":[{\"path\":\"dev/a\"}]}",
		 "device \"d\": deviceNodes[0]: path is not absolute"},
		{"{\"deviceNodes\":[{\"path\":\"/a\",\"hostPath\":\"b\"}]}",
		 "device \"d\": deviceNodes[0]: hostPath is not absolute"},
		{"{\"deviceNodes\":[{\"path\":\"/a\",\"type\":\"char\"}]}",
		 "device \"d\": deviceNodes[0]: invalid type: \"char\""},
		{"{\"deviceNodes\":[{\"path\":\"/a\"},{\"path\":\"/a\",\"permissions\":\"rx\"}]}",
		 "device \"d\": deviceNodes[1]: invalid permissions: \"rx\""},
		{"{\"hooks\":[{\"path\":\"/a\"}]}", "device \"d\": hooks[0]: invalid hook name: \"\""},
		{"{\"hooks\":[{\"hookName\":\"start\",\"path\":\"/a\"}]}",
		 "device \"d\": hooks[0]: invalid hook name: \"start\""},
		{"{\"hooks\":[{\"hookName\":\"poststop\"}]}", "device \"d\": hooks[0]: empty path"},
		{"{\"hooks\":[{\"hookName\":\"poststop\",\"path\":\"a\"}]}",
		 "device \"d\": hooks[0]: path is not absolute"},
		{"{\"hooks\":[{\"hookName\":\"poststop\",\"path\":\"/a\",\"timeout\":0}]}",
		 "device \"d\": hooks[0]: timeout must be greater than zero"},
		{"{\"hooks\":[{\"hookName\":\"poststop\",\"path\":\"/a\",\"env\":[\"x\"]}]}",
		 "device \"d\": hooks[0]: invalid environment variable: \"x\""},
		{"{\"mounts\":[{\"containerPath\":\"/a\"}]}", "device \"d\": mounts[0]: empty hostPath"},
		{"{\"mounts\":[{\"hostPath\":\"/a\"}]}", "device \"d\": mounts[0]: empty containerPath"},
		{"{\"mounts\":[{\"hostPath\":\"/a\",\"containerPath\":\"b\"}]}",
		 "device \"d\": mounts[0]: containerPath is not absolute"},
		{"{\"mounts\":[{\"hostPath\":\"a\",\"containerPath\":\"/b\",\"options\":[\"rbind\"]}]}",
		 "device \"d\": mounts[0]: hostPath is not absolute"},
		{"{\"mounts\":[{\"hostPath\":\"a\",\"containerPath\":\"/b\"}]}",
		 "device \"d\": mounts[0]: hostPath is not absolute"},
		{"{\"intelRdt\":{\"closID\":\"..\"}}", "device \"d\": invalid closID: \"..\""},
		{"{\"intelRdt\":{\"closID\":\"a/b\"}}", "device \"d\": invalid closID: \"a/b\""},
		{"{\"netDevices\":[{\"name\":\"a\"}]}",
		 "device \"d\": netDevices[0]: empty hostInterfaceName"},
		{"{\"netDevices\":[{\"hostInterfaceName\":\"a\",\"name\":\"b\"},"
		 "{\"hostInterfaceName\":\"c\",\"name\":\"b\"}]}",
		 "device \"d\": netDevices[1]: given twice: \"b\""},
		{"{\"env\":[\"A=b\"]},\"annotations\":{\"a/b/c\":\"\"}",
		 "device \"d\": annotations: not a qualified name: \"a/b/c\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		edits_refused("1.1.0", cases[i][0], cases[i][1]);
	edits_taken("1.1.0", "{\"intelRdt\":{\"closID\":\"/\"}}");
	edits_taken("1.1.0", "{\"deviceNodes\":[{\"path\":\"/a\",\"permissions\":\"none\"}]}");
	edits_taken("1.1.0",
		    "{\"mounts\":[{\"hostPath\":\"tmpfs\",\"containerPath\":\"/b\",\"type\":\"tmpfs\"}]}");
}

static void kinds_and_names(void **state)
{
	static const char *const kinds[][2] = {
		{"", "invalid vendor. empty name"},
		{"foo", "invalid vendor. empty name"},
		{"vendor.com/", "invalid vendor. empty name"},
		{"/foo", "invalid vendor. empty name"},
		{"1vendor/foo", "invalid vendor. \"1vendor\", should start with letter"},
		{"vendor./foo", "invalid vendor. \"vendor.\", should end with a letter or digit"},
		{"ven dor/foo", "invalid vendor. invalid character \" \" in name \"ven dor\""},
		{"vendor.com/foo/bar", "invalid class. invalid character \"/\" in name \"foo/bar\""},
		{"vendor.com/foo/", "invalid class. \"foo/\", should end with a letter or digit"},
		{"vendor.com/_foo", "invalid class. \"_foo\", should start with letter"},
	};
	static const char *const names[][2] = {
		{"", "device \"\": invalid (empty) device name"},
		{"-a", "device \"-a\": invalid name \"-a\", should start with a letter or digit"},
		{"a:", "device \"a:\": invalid name \"a:\", should end with a letter or digit"},
		{"a=b", "device \"a=b\": invalid character \"=\" in device name \"a=b\""},
	};
	static const char format[] =
		"{\"cdiVersion\":\"0.6.0\",\"kind\":\"%s\",\"devices\":[{\"name\":\"%s\","
		"\"containerEdits\":{\"env\":[\"A=b\"]}}]}";

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_free_ char *text = cor_asprintf(format, kinds[i][0], "d");

		assert_not_taken(parse, text, kinds[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *text = cor_asprintf(format, "a/b", names[i][0]);

		assert_not_taken(parse, text, names[i][1]);
	}
	assert_not_taken(parse, "{cdiVersion: 0.6.0, kind: a/b, devices: []}", "invalid spec, no devices");
	assert_not_taken(
		parse,
		"{cdiVersion: 0.6.0, kind: a/b, devices: [{name: x, containerEdits: {env: [A=]}}, {name: x, "
		"containerEdits: {env: [A=]}}]}",
		"invalid spec, multiple device: \"x\"");
}

static void annotations(void **state)
{
	static const char *const good[] = {"a", "A.b-c_d", "example.com/key", "a-b.c/K", "0"};
	static const char *const bad[] = {"", "-a", "a.", "/a", "a/", "a..b/c", "-a/b", "a_b/c", "a b"};
	char name[70];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *edits =
			cor_asprintf("{\"env\":[\"A=b\"]},\"annotations\":{\"%s\":\"v\"}", good[i]);

		edits_taken("0.6.0", edits);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *edits =
			cor_asprintf("{\"env\":[\"A=b\"]},\"annotations\":{\"%s\":\"v\"}", bad[i]);
		_cleanup_free_ char *message =
			cor_asprintf("device \"d\": annotations: not a qualified name: \"%s\"", bad[i]);

		edits_refused("0.6.0", edits, message);
	}
	memset(name, 'a', 64);
	for (size_t n = 63; n <= 64; n++) {
		_cleanup_free_ char *edits =
			cor_asprintf("{\"env\":[\"A=b\"]},\"annotations\":{\"%.*s\":\"v\"}", (int)n, name);
		_cleanup_free_ char *message = cor_asprintf(
			"device \"d\": annotations: not a qualified name: \"%.*s\"", (int)n, name);

		if (n == 63)
			edits_taken("0.6.0", edits);
		else
			edits_refused("0.6.0", edits, message);
	}
}

static void qualified_names(void **state)
{
	static const char *const yes[] = {"nvidia.com/gpu=0", "a/b=c", "v-1/c_2=x:y.z-1", "V/C=9"};
	static const char *const no[] = {"/dev/null", "dev/null", "a/b=", "a/=c", "/b=c",  "1a/b=c", "a./b=c",
					 "a/b=c:",    "a/b c=d",  "",     "=",    "a=b/c", "a/b=-c", "./x=y"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		assert_true(cor_cdi_is_qualified(yes[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (cor_cdi_is_qualified(no[i]))
			fail_msg("%s", no[i]);
}

/* Foreign strings come out short, and on one line. */
static void quoting(void **state)
{
	char buf[COR_CDI_QUOTE_MAX], longer[300];

	assert_string_equal(cor_cdi_quote("a\n\"\\\x7f", buf), "\"a\\x0a\\\"\\\\\\x7f\"");
	memset(longer, 'x', sizeof(longer));
	longer[299] = '\0';
	assert_true(strlen(cor_cdi_quote(longer, buf)) < COR_CDI_QUOTE_MAX);
	assert_true(cor_endswith(buf, "x\"..."));
	for (size_t shift = 0; shift < 4; shift++) {
		_cleanup_json_ json_t *j = NULL;

		memset(longer, 'x', sizeof(longer));
		for (size_t i = shift; i + 4 < sizeof(longer); i += 4)
			memcpy(longer + i, "\xf0\x9f\x98\x80", 4);
		longer[shift + 200] = '\0';
		j = json_string(cor_cdi_quote(longer, buf));
		assert_non_null(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples),        cmocka_unit_test(every_field),
		cmocka_unit_test(shapes),          cmocka_unit_test(versions),
		cmocka_unit_test(rules),           cmocka_unit_test(kinds_and_names),
		cmocka_unit_test(annotations),     cmocka_unit_test(quoting),
		cmocka_unit_test(qualified_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
