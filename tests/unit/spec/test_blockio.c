/* SPDX-License-Identifier: Apache-2.0 */
/* --blockio-config-file, --blockio-class: quantities, classes, devices, and what is wrong with a file. */
#include "helpers.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

static int64_t quantity(const char *s)
{
	int64_t n = -12345;

	if (cor_spec_parse_quantity(s, &n) < 0) {
		assert_int_equal(n, -12345);
		return INT64_MIN;
	}
	return n;
}

static void test_quantities(void **state)
{
	static const struct {
		const char *text;
		int64_t number;
	} cases[] = {
		{"0", 0},
		{"80", 80},
		{"+5", 5},
		{"-3", -3},
		{"50M", 50000000},
		{"10k", 10000},
		{"1Ki", 1024},
		{"1.5Ki", 1536},
		{"2Gi", INT64_C(2) << 30},
		{"7Ei", INT64_C(7) << 60},
		{"8Ei", INT64_MAX},
		{"9P", INT64_C(9000000000000000)},
		{"1E", INT64_C(1000000000000000000)},
		{"100E", INT64_MAX},
		{"1e3", 1000},
		{"1E3", 1000},
		{"1e+3", 1000},
		{"12e-1", 2},
		{"1e100", INT64_MAX},
		{"0e100", 0},
		{"1500m", 2},
		{"1m", 1},
		{"1n", 1},
		{"1u", 1},
		{".5", 1},
		{"5.", 5},
		{"0.0001M", 100},
		{"9223372036854775807", INT64_MAX},
		{"9999999999999999999", INT64_MAX},
		{"0000000000000000000000000000007", 7},
	};
	static const char *const bad[] = {
		"",
		"-",
		"x",
		"1x",
		"1 M",
		" 1",
		"1KB",
		"1K",
		"1Kib",
		"1.2.3",
		".",
		"+-1",
		"1e",
		"1e1.5",
		"1e++1",
		"1e101",
		"12345678901234567890",
		"0x10",
		"1ki",
		"Ki",
		"1Mi2",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (quantity(cases[i].text) != cases[i].number)
			fail_msg("%s: have %lld", cases[i].text, (long long)quantity(cases[i].text));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (quantity(bad[i]) != INT64_MIN)
			fail_msg("%s: have %lld", bad[i], (long long)quantity(bad[i]));
}

static json_t *parse(const char *text, const char *class)
{
	struct cor_error err = {0};
	json_t *io = NULL;

	if (cor_spec_blockio_parse(text, strlen(text), class, &io, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return io;
}

static void assert_class(const char *text, const char *class, const char *json)
{
	_cleanup_json_ json_t *doc = json_object();
	json_t *io = parse(text, class);

	if (io)
		json_object_set_new(doc, "io", io);
	assert_json(doc, "io", json);
}

static void test_classes(void **state)
{
	assert_class("Classes: {a: [{Weight: 80}], b: [{weight: '500'}, {WEIGHT: 0.1e3}], c: , d: []}", "a",
		     "{\"weight\": 80}");
	assert_class("classes: {a: [{Weight: 80}, {Weight: 1k}]}", "a", "{\"weight\": 1000}");
	assert_class("Classes: {c: }", "c", "{}");
	assert_class("Classes: {c: [null]}", "c", "{}");
	assert_class("Classes: {c: [{}]}", "d", "");
	assert_class("Classes: {c: [{}]}", NULL, "");
	assert_class("Classes:", "d", "");
	assert_class("{}", "d", "");
	assert_class("{\"Classes\": {\"a\": [{\"Weight\": \"10\"}]}}", "a", "{\"weight\": 10}");
	/* Patterns without a device: a warning, and nothing. */
	assert_class("Classes: {a: [{Devices: [/nope*, /dev/null], Weight: 10}]}", "a", "{}");
	assert_class("Classes: {a: [{Devices: [], Weight: 10}]}", "a", "{}");
}

static char dir[] = "/tmp/test-blockio.XXXXXX";

static int make_devices(void **state)
{
	int fd;

	if (!mkdtemp(dir))
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	(void)mknodat(fd, "a", S_IFBLK | 0600, makedev(700, 1));
	(void)mknodat(fd, "b", S_IFBLK | 0600, makedev(700, 70000));
	(void)mknodat(fd, "c", S_IFCHR | 0600, makedev(1, 3));
	if (symlinkat("b", fd, "link") < 0)
		return -1;
	close(fd);
	return 0;
}

static int remove_devices(void **state)
{
	return cor_remove_tree_at(AT_FDCWD, dir, NULL);
}

static void test_devices(void **state)
{
	_cleanup_free_ char *text = cor_asprintf("Classes:\n"
						 "  x:\n"
						 "  - Weight: 10\n"
						 "  - Devices:\n"
						 "    - %s/[a-c]\n"
						 "    - %s/nope\n"
						 "    Weight: 20\n"
						 "    ThrottleReadBps: 1k\n"
						 "    ThrottleWriteBps: 2k\n"
						 "    ThrottleReadIOPS: 3k\n"
						 "    ThrottleWriteIOPS: 4k\n"
						 "  - Devices: [%s/link]\n"
						 "    ThrottleReadBps: 9k\n",
						 dir, dir, dir);
	struct stat st;
	_cleanup_free_ char *a = cor_asprintf("%s/a", dir);

	if (stat(a, &st) < 0)
		skip(); /* no right to make nodes */
	assert_class(text, "x",
		     "{\"weight\": 10,"
		     "\"weightDevice\": [{\"major\": 700, \"minor\": 1, \"weight\": 20},"
		     "{\"major\": 700, \"minor\": 70000, \"weight\": 20}],"
		     "\"throttleReadBpsDevice\": [{\"major\": 700, \"minor\": 1, \"rate\": 1000},"
		     "{\"major\": 700, \"minor\": 70000, \"rate\": 9000}],"
		     "\"throttleWriteBpsDevice\": [{\"major\": 700, \"minor\": 1, \"rate\": 2000},"
		     "{\"major\": 700, \"minor\": 70000, \"rate\": 2000}],"
		     "\"throttleReadIOPSDevice\": [{\"major\": 700, \"minor\": 1, \"rate\": 3000},"
		     "{\"major\": 700, \"minor\": 70000, \"rate\": 3000}],"
		     "\"throttleWriteIOPSDevice\": [{\"major\": 700, \"minor\": 1, \"rate\": 4000},"
		     "{\"major\": 700, \"minor\": 70000, \"rate\": 4000}]}");
}

/* One class's fault is the file's, whichever class is wanted. */
static void test_bad_files(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"[]", "configuration: expected object"},
		{"Classes: 3", "Classes: expected object"},
		{"Foo: 3", "unknown field \"Foo\""},
		{"Classes: {a: 3}", "class: expected array of objects"},
		{"Classes: {a: [3]}", "class: expected array of objects"},
		{"Classes: {a: [{Speed: 3}]}", "unknown field \"Speed\""},
		{"Classes: {a: [{Weight: [1]}]}", "Weight: expected string"},
		{"Classes: {a: [{Devices: /dev/sda}]}", "Devices: expected array of strings"},
		{"Classes: {a: [{Devices: [1]}]}", "Devices: expected array of strings"},
		{"Classes: {a: [{Weight: 5}]}", "value of \"Weight\" (5) smaller than minimum (10)"},
		{"Classes: {a: [{Weight: 1001}]}", "value of \"Weight\" (1001) bigger than maximum (1000)"},
		{"Classes: {a: [{Weight: heavy}]}", "syntax error in \"Weight\" (\"heavy\")"},
		{"Classes: {a: [{Devices: [x], ThrottleReadBps: -1}]}",
		 "value of \"ThrottleReadBps\" (-1) smaller than minimum (0)"},
		{"Classes: {a: [{ThrottleReadBps: 50M}]}",
		 "ignoring throttling (rbps=\"50M\" wbps=\"\" riops=\"\" wiops=\"\"): Devices not listed"},
		{"Classes: {a: [}", "line 1: "},
		{"Classes: {a: [], a: []}", "line 1: key \"a\" given twice"},
		{"", "line "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cor_error err = {0};
		json_t *io = NULL;

		assert_true(cor_spec_blockio_parse(cases[i].text, strlen(cases[i].text), "z", &io, &err) < 0);
		if (strncmp(err.message, cases[i].why, strlen(cases[i].why)) != 0)
			fail_msg("%s: have: %s", cases[i].text, err.message);
	}
}

static void test_flags(void **state)
{
	struct cor_spec_options o = options();
	struct cor_error err = {0};
	_cleanup_json_ json_t *spec = NULL;

	o.blockio_class = "x";
	assert_true(cor_spec_build(&o, NULL, -1, &spec, &err) < 0);
	assert_string_equal(err.message, "blockio-class error: no OCI BlockIO parameters for class \"x\"");
	o.blockio_config_file = "/nope";
	err = (struct cor_error){0};
	assert_true(cor_spec_check(&o, &err) < 0);
	assert_string_equal(err.message, "blockio-config-file error: failed to read config file \"/nope\": "
					 "open /nope: no such file or "
					 "directory");
	o.blockio_config_file = "/dev/zero";
	err = (struct cor_error){0};
	assert_true(cor_spec_check(&o, &err) < 0);
	o.blockio_config_file = o.blockio_class = "";
	spec = built(&o, NULL, -1);
	assert_json(spec, "linux.resources.blockIO", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantities),
		cmocka_unit_test(test_classes),
		cmocka_unit_test_setup_teardown(test_devices, make_devices, remove_devices),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
