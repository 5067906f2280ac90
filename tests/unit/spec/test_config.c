/* SPDX-License-Identifier: Apache-2.0 */
/* --config files, and the process of `tasks exec`, which is made from a stored spec. */
#include "helpers.h"

#define FAILED "decoding spec config file failed, current supported OCI runtime-spec : v1.3.0: "

static void refused(const char *text, const char *message)
{
	struct cor_error err = {0};
	json_t *spec = NULL;

	if (cor_spec_config_parse(text, strlen(text), &spec, &err) != -EINVAL)
		fail_msg("taken: %s", text);
	assert_null(spec);
	assert_string_equal(err.message, message);
}

static json_t *parsed(const char *text)
{
	struct cor_error err = {0};
	json_t *spec = NULL;

	if (cor_spec_config_parse(text, strlen(text), &spec, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return spec;
}

static void shapes_are_checked(void **state)
{
	refused("[]", FAILED "config.json: expected object");
	refused("{\"process\":[]}", FAILED "process: expected object");
	refused("{\"process\":{\"args\":\"x\"}}", FAILED "process.args: expected array of strings");
	refused("{\"process\":{\"args\":[1]}}", FAILED "process.args: expected array of strings");
	refused("{\"process\":{\"user\":{\"uid\":-1}}}",
		FAILED "process.user.uid: expected 32-bit unsigned integer");
	refused("{\"process\":{\"user\":{\"uid\":4294967296}}}",
		FAILED "process.user.uid: expected 32-bit unsigned integer");
	refused("{\"process\":{\"user\":{\"additionalGids\":[0,\"1\"]}}}",
		FAILED "process.user.additionalGids: expected array of 32-bit unsigned integers");
	refused("{\"process\":{\"rlimits\":[{\"type\":\"x\"},{\"soft\":-1}]}}",
		FAILED "process.rlimits[1].soft: expected unsigned integer");
	refused("{\"process\":{\"rlimits\":[3]}}", FAILED "process.rlimits[0]: expected object");
	refused("{\"process\":{\"terminal\":1}}", FAILED "process.terminal: expected boolean");
	refused("{\"annotations\":{\"a\":1}}", FAILED "annotations: expected object of strings");
	refused("{\"linux\":{\"resources\":{\"cpu\":{\"quota\":1.5}}}}",
		FAILED "linux.resources.cpu.quota: expected 64-bit integer");
	refused("{\"linux\":{\"seccomp\":{\"syscalls\":[{\"args\":[{\"op\":0}]}]}}}",
		FAILED "linux.seccomp.syscalls[0].args[0].op: expected string");
	refused("{\"mounts\":[{\"destination\":\"/\",\"options\":{}}]}",
		FAILED "mounts[0].options: expected array of strings");
	refused("{\"hooks\":{\"poststop\":[{\"path\":1}]}}",
		FAILED "hooks.poststop[0].path: expected string");
}

/* RLIM_INFINITY as Go writes it, kept while other members change. */
static void unsigned_numbers(void **state)
{
	_cleanup_json_ json_t *spec =
		parsed("{\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"hard\":18446744073709551615,"
		       "\"soft\":9223372036854775808}]},\"annotations\":{\"n\":\"18446744073709551615\"}}");
	_cleanup_free_ char *text = NULL;

	json_object_set_new(at(spec, "annotations"), "a", json_string("b"));
	text = cor_json_dump(spec);
	assert_string_equal(
		text, "{\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"hard\":18446744073709551615,"
		      "\"soft\":9223372036854775808}]},\"annotations\":{\"n\":\"18446744073709551615\",\"a\":"
		      "\"b\"}}");
	refused("{\"process\":{\"rlimits\":[{\"hard\":18446744073709551616}]}}", FAILED
		"config.json: invalid JSON: line 1 column 51: too big integer near '18446744073709551616'");
	refused("{\"process\":{\"user\":{\"uid\":18446744073709551615}}}",
		FAILED "process.user.uid: expected 32-bit unsigned integer");
	refused("{\"process\":{\"user\":{\"additionalGids\":[18446744073709551615]}}}",
		FAILED "process.user.additionalGids: expected array of 32-bit unsigned integers");
	refused("{\"process\":{\"args\":18446744073709551615}}",
		FAILED "process.args: expected array of strings");
	refused("{\"hostname\":18446744073709551615}", FAILED "hostname: expected string");
	refused("{\"root\":18446744073709551615}", FAILED "root: expected object");
	refused("{\"mounts\":18446744073709551615}", FAILED "mounts[0]: expected object");
	refused("{\"annotations\":18446744073709551615}", FAILED "annotations: expected object of strings");
	refused("{\"linux\":{\"resources\":{\"memory\":{\"limit\":9223372036854775808}}}}",
		FAILED "linux.resources.memory.limit: expected 64-bit integer");
	refused("{\"linux\":{\"seccomp\":{\"syscalls\":[{\"args\":[{\"value\":-1}]}]}}}",
		FAILED "linux.seccomp.syscalls[0].args[0].value: expected unsigned integer");
}

static void syntax_errors_are_one_line(void **state)
{
	static const char *const bad[] = {"",          "{", "{\"a\":1,\"a\":2}", "{} x", "{\"a\":\"\xff\"}",
					  "{\"a\":01}"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cor_error err = {0};
		json_t *spec = NULL;

		assert_int_equal(cor_spec_config_parse(bad[i], strlen(bad[i]), &spec, &err), -EINVAL);
		assert_true(cor_startswith(err.message, FAILED "config.json: "));
		assert_null(strchr(err.message, '\n'));
	}
}

static void unknown_members_and_nulls_are_kept(void **state)
{
	_cleanup_json_ json_t *spec =
		parsed("{\"x\":{\"y\":[1,null]},\"process\":{\"args\":null,\"z\":2},\"linux\":null}");

	assert_json(spec, "", "{\"x\":{\"y\":[1,null]},\"process\":{\"args\":null,\"z\":2},\"linux\":null}");
}

static void only_labels_are_added(void **state)
{
	struct tree *t = *state;
	_cleanup_free_ char *path = cor_path_join(t->path, "config.json");
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL, *null = NULL;

	tree_write(t, "config.json", "{\"annotations\":{\"a\":\"0\",\"b\":\"1\"}}");
	o.config_file = path;
	o.labels = LIST("a=2");
	o.env = LIST("X=1");
	o.privileged = true;
	spec = built(&o, NULL, -1);
	assert_json(spec, "", "{\"annotations\":{\"a\":\"2\",\"b\":\"1\"}}");
	tree_write(t, "config.json", "{\"annotations\":null}");
	null = built(&o, NULL, -1);
	assert_json(null, "", "{\"annotations\":{\"a\":\"2\"}}");
	o.config_file = "/nonexistent/c.json";
	assert_refused(&o, NULL, -1, COR_NOT_FOUND,
		       "cannot load spec config file: open /nonexistent/c.json: no such file or directory");
}

static void exec_replaces_parts_of_the_process(void **state)
{
	struct tree *t = *state;
	_cleanup_json_ json_t *spec = parsed(
		"{\"process\":{\"terminal\":true,\"user\":{\"uid\":1,\"gid\":2,\"additionalGids\":[2,3]},"
		"\"args\":[\"old\"],"
		"\"env\":[\"A=1\",\"B=2\"],\"cwd\":\"/old\",\"noNewPrivileges\":true,\"oomScoreAdj\":5}}");
	_cleanup_json_ json_t *before = json_deep_copy(spec), *plain = NULL, *all = NULL;
	struct cor_exec_options o = {.args = LIST("new", "x")};

	assert_int_equal(cor_spec_exec_process(spec, &o, -1, &plain, NULL), 0);
	assert_json(plain, "",
		    "{\"user\":{\"uid\":1,\"gid\":2,\"additionalGids\":[2,3]},\"args\":[\"new\",\"x\"],"
		    "\"env\":[\"A=1\","
		    "\"B=2\"],\"cwd\":\"/old\",\"noNewPrivileges\":true,\"oomScoreAdj\":5}");
	tree_write(t, "etc/passwd", "alice:x:1000:1001::/:\n");
	o.user = "alice";
	o.cwd = "/new";
	o.tty = true;
	o.env = LIST("B=x", "C=3");
	assert_int_equal(cor_spec_exec_process(spec, &o, t->fd, &all, NULL), 0);
	assert_json(all, "user", "{\"uid\":1000,\"gid\":1001,\"additionalGids\":[1001]}");
	assert_json(all, "terminal", "true");
	assert_json(all, "cwd", "\"/new\"");
	assert_json(all, "env", "[\"A=1\",\"B=x\",\"C=3\"]");
	assert_true(json_equal(spec, before)); /* the container's document is not touched */
}

static void exec_errors(void **state)
{
	_cleanup_json_ json_t *none = parsed("{\"root\":{}}"), *spec = parsed("{\"process\":{}}");
	struct cor_exec_options o = {.args = LIST("x"), .user = "99999999999"};
	struct cor_error err = {0};
	json_t *process = NULL;

	assert_true(cor_spec_exec_process(none, &o, -1, &process, &err) < 0);
	assert_string_equal(err.message, "the container's spec has no process");
	cor_error_clear(&err);
	assert_true(cor_spec_exec_process(spec, &o, -1, &process, &err) < 0);
	assert_string_equal(err.message, "invalid USER value \"99999999999\": uid out of range");
	assert_null(process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_are_checked),
		cmocka_unit_test(unsigned_numbers),
		cmocka_unit_test(syntax_errors_are_one_line),
		cmocka_unit_test(unknown_members_and_nulls_are_kept),
		cmocka_unit_test_setup_teardown(only_labels_are_added, tree_make, tree_remove),
		cmocka_unit_test_setup_teardown(exec_replaces_parts_of_the_process, tree_make, tree_remove),
		cmocka_unit_test(exec_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
