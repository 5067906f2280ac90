/* SPDX-License-Identifier: Apache-2.0 */
/* --explain: what each step of a document is put down to, and what was overridden. */
#include "helpers.h"

/* "source=value < source=value", the last setter first; "" for no such part. */
static const char *history(const struct cor_explain *x, const char *path)
{
	static char text[512];
	const struct cor_explained *h;
	const char *p;
	size_t n, len = 0;

	text[0] = '\0';
	for (size_t i = 0; (p = cor_explain_at(x, i, &h, &n)); i++)
		if (streq(p, path))
			while (n-- > 0)
				len += (size_t)snprintf(text + len, sizeof(text) - len, "%s=%s%s",
							h[n].source, h[n].value ? h[n].value : "-",
							n ? " < " : "");
	return text;
}

static void step(struct cor_explain *x, json_t *doc, const char *source)
{
	assert_int_equal(cor_explain_step(x, doc, source, NULL), 0);
}

static json_t *parse(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return j;
}

/* One part, though the node that holds it is an array. */
static void test_unsigned_number(void **state)
{
	static const char text[] = "{\"a\":{\"n\":18446744073709551615},\"l\":[9223372036854775808,1]}";
	_cleanup_explain_ struct cor_explain *x = cor_explain_new();
	_cleanup_json_ json_t *doc = NULL;

	assert_int_equal(cor_json_parse(text, strlen(text), "doc", &doc, NULL), 0);
	step(x, doc, "first");
	assert_string_equal(history(x, "a.n"), "first=18446744073709551615");
	assert_string_equal(history(x, "l"), "first=[9223372036854775808,1]");
}

static void test_members(void **state)
{
	_cleanup_explain_ struct cor_explain *x = cor_explain_new();
	_cleanup_json_ json_t *doc = parse("{\"a\":{\"b\":1,\"c\":\"x\"},\"d\":true,\"e\":\"\"}");

	step(x, doc, "first");
	assert_string_equal(history(x, "a.b"), "first=1");
	assert_string_equal(history(x, "d"), "first=true");
	assert_string_equal(history(x, "e"), "first=");
	step(x, doc, "idle");
	assert_string_equal(history(x, "a.b"), "first=1");

	/* Another value, the same value once more, gone, new, and back. */
	json_object_set_new(json_object_get(doc, "a"), "b", json_integer(2));
	json_object_set_new(json_object_get(doc, "a"), "c", json_string("x"));
	json_object_del(doc, "d");
	json_object_set_new(doc, "f", json_string("new"));
	step(x, doc, "second");
	assert_string_equal(history(x, "a.b"), "second=2 < first=1");
	assert_string_equal(history(x, "a.c"), "second=x < first=x");
	assert_string_equal(history(x, "d"), "second=- < first=true");
	assert_string_equal(history(x, "f"), "second=new");
	json_object_set_new(doc, "d", json_true());
	step(x, doc, "third");
	step(x, doc, "fourth");
	assert_string_equal(history(x, "d"), "third=true < second=- < first=true");
}

static void test_lists(void **state)
{
	_cleanup_explain_ struct cor_explain *x = cor_explain_new();
	_cleanup_json_ json_t *doc = parse(
		"{\"process\":{\"args\":[\"a\",\"b c\"],\"env\":[\"A=1\",\"B\",\"C=x=y\"],"
		"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":2,\"soft\":1}],"
		"\"capabilities\":{\"bounding\":[\"CAP_X\",\"CAP_Y\"],\"effective\":[\"CAP_X\"]}},"
		"\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"options\":[\"ro\",\"x\"]}],"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/n\"}],"
		"\"maskedPaths\":[\"/m\"],\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
		"{\"allow\":true,\"type\":\"c\",\"major\":1,\"access\":\"r\"}]},"
		"\"seccomp\":{\"syscalls\":[{\"names\":[\"a\"]},{\"names\":[\"b\"]}]}},"
		"\"hooks\":{\"prestart\":[{\"path\":\"/h\"}]},\"annotations\":{\"a.b/c\":\"v\"}}");

	step(x, doc, "s");
	assert_string_equal(history(x, "process.args"), "s=[\"a\",\"b c\"]");
	assert_string_equal(history(x, "process.env[A]"), "s=1");
	assert_string_equal(history(x, "process.env[B]"), "s=");
	assert_string_equal(history(x, "process.env[C]"), "s=x=y");
	assert_string_equal(history(x, "process.rlimits[RLIMIT_NOFILE]"), "s=hard=2 soft=1");
	assert_string_equal(history(x, "process.capabilities[CAP_X]"), "s=bounding effective");
	assert_string_equal(history(x, "process.capabilities[CAP_Y]"), "s=bounding");
	assert_string_equal(history(x, "mounts[/proc]"), "s=type=proc options=ro,x");
	assert_string_equal(history(x, "linux.namespaces[pid]"), "s=new");
	assert_string_equal(history(x, "linux.namespaces[network]"), "s=path=/n");
	assert_string_equal(history(x, "linux.maskedPaths[/m]"), "s=yes");
	assert_string_equal(history(x, "linux.resources.devices[a *:*]"), "s=allow=false access=rwm");
	assert_string_equal(history(x, "linux.resources.devices[c 1:*]"), "s=allow=true access=r");
	assert_string_equal(history(x, "linux.seccomp.syscalls"), "s=2 rules");
	assert_string_equal(history(x, "hooks.prestart[0]"), "s={\"path\":\"/h\"}");
	assert_string_equal(history(x, "annotations[a.b/c]"), "s=v");
}

/* The last of several counts, whoever set the ones before it. */
static void test_repeated_keys(void **state)
{
	_cleanup_explain_ struct cor_explain *x = cor_explain_new();
	_cleanup_json_ json_t *doc = parse("{\"process\":{\"env\":[\"T=1\",\"U=x\"]}}");
	json_t *env = json_object_get(json_object_get(doc, "process"), "env");

	step(x, doc, "first");
	json_array_append_new(env, json_string("T=2"));
	step(x, doc, "second");
	assert_string_equal(history(x, "process.env[T]"), "second=2 < first=1");
	assert_string_equal(history(x, "process.env[T] #1"), "first=1");
	step(x, doc, "idle");
	assert_string_equal(history(x, "process.env[T]"), "second=2 < first=1");
	json_array_append_new(env, json_string("T=3"));
	step(x, doc, "third");
	assert_string_equal(history(x, "process.env[T]"), "third=3 < second=2 < first=1");
	assert_string_equal(history(x, "process.env[T] #1"), "first=1");
	assert_string_equal(history(x, "process.env[T] #2"), "second=2 < first=1");
	assert_string_equal(history(x, "process.env[U]"), "first=x");
}

static void test_set_and_beneath(void **state)
{
	_cleanup_explain_ struct cor_explain *x = cor_explain_new();
	_cleanup_json_ json_t *doc = parse("{\"m\":1}");
	const struct cor_explained *h;
	size_t n;

	assert_int_equal(cor_explain_set(x, "z", "default", "a", NULL), 0);
	assert_int_equal(cor_explain_set(x, "z", "--flag", "b", NULL), 0);
	assert_int_equal(cor_explain_set(x, "z", "--flag", "c", NULL), 0);
	step(x, doc, "s");
	assert_int_equal(cor_explain_beneath(x, "m", "image", "0", NULL), 0);
	assert_int_equal(cor_explain_beneath(x, "nothing", "image", "0", NULL), 0);
	assert_string_equal(history(x, "z"), "--flag=c < default=a");
	assert_string_equal(history(x, "m"), "s=1 < image=0");
	assert_string_equal(cor_explain_at(x, 0, &h, &n), "m");
	assert_string_equal(cor_explain_at(x, 1, &h, &n), "z");
	assert_null(cor_explain_at(x, 2, &h, &n));
}

/* A whole build: image fields by their names, flags over them, and the same document as without. */
static void test_build(void **state)
{
	_cleanup_explain_ struct cor_explain *x = cor_explain_new();
	_cleanup_json_ json_t *explained = NULL, *plain = NULL;
	char *env[] = {(char[]){"A=cli"}, NULL}, *labels[] = {(char[]){"k=label"}, NULL};
	char *annotations[] = {(char[]){"k=annotation"}, NULL}, *drop[] = {(char[]){"CAP_KILL"}, NULL};
	char *image_env[] = {(char[]){"PATH=/bin"}, (char[]){"A=image"}, NULL};
	char *cmd[] = {(char[]){"sh"}, NULL}, *args[] = {(char[]){"ls"}, NULL};
	struct cor_image_config image = {
		.env = image_env, .cmd = cmd, .user = (char[]){"7:8"}, .working_dir = (char[]){"/w"}};
	struct cor_spec_options o = {.id = "c",
				     .ns = "n",
				     .env = env,
				     .labels = labels,
				     .annotations = annotations,
				     .cap_drop = drop,
				     .args = args,
				     .user = "9:9",
				     .net_host = true,
				     .cpu_quota = -1,
				     .cpu_shares_set = true,
				     .cpu_shares = 1024};

	_cleanup_close_ int no_users = cor_open_dir("/proc/self/fdinfo", NULL);

	plain = built(&o, &image, no_users);
	o.explain = x;
	explained = built(&o, &image, no_users);
	assert_true(json_equal(plain, explained));
	assert_string_equal(history(x, "process.env[A]"), "--env=cli < image Env=image");
	assert_string_equal(history(x, "process.env[PATH]"), "image Env=/bin");
	assert_string_equal(history(x, "process.args"), "arguments=[\"ls\"] < image Cmd=[\"sh\"]");
	assert_string_equal(history(x, "process.cwd"), "image WorkingDir=/w < default=/");
	assert_string_equal(history(x, "process.user.uid"), "--user=9 < image User=7:8=7 < default=0");
	assert_string_equal(history(x, "annotations[k]"), "--label=label < --annotation=annotation");
	assert_string_equal(history(x, "process.capabilities[CAP_KILL]"),
			    "--cap-drop=- < default=bounding effective permitted");
	assert_string_equal(history(x, "linux.namespaces[network]"), "--net-host=- < default=new");
	assert_string_equal(history(x, "linux.resources.cpu.shares"), "default=1024");
	assert_string_equal(history(x, "linux.cgroupsPath"), "default=/n/c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),         cmocka_unit_test(test_unsigned_number),
		cmocka_unit_test(test_lists),           cmocka_unit_test(test_repeated_keys),
		cmocka_unit_test(test_set_and_beneath), cmocka_unit_test(test_build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
