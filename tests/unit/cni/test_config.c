/* SPDX-License-Identifier: Apache-2.0 */
/* Which configuration is taken, and what is refused in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/path.h"
#include "cni/cni.h"

#define PLUGINS                                                                                              \
	"\"plugins\":[{\"type\":\"bridge\",\"capabilities\":{\"portMappings\":true,\"x\":false}},{\"type\":" \
	"\"p\"}]"

static void parses(const char *text, bool list, const char *version, size_t plugins)
{
	struct cor_error err = {0};
	_cleanup_cni_network_ struct cor_cni_network n = {0}, again = {0};
	if (cor_cni_parse(text, strlen(text), list, &n, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	assert_string_equal(n.name, "net");
	assert_string_equal(n.version, version);
	assert_int_equal(json_array_size(n.plugins), plugins);
	/* What is recorded comes back the same. */
	_cleanup_json_ json_t *doc = cor_cni_network_json(&n);
	assert_int_equal(cor_cni_network_from_json(doc, &again, &err), 0);
	assert_string_equal(again.name, n.name);
	assert_string_equal(again.version, n.version);
	assert_true(json_equal(again.plugins, n.plugins));
}

static void refuses(const char *text, bool list, const char *message)
{
	struct cor_error err = {0};
	struct cor_cni_network n = {0};
	assert_true(cor_cni_parse(text, strlen(text), list, &n, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	assert_null(n.name);
	if (!strstr(err.message, message) || strchr(err.message, '\n'))
		fail_msg("\"%s\" is not in \"%s\"", message, err.message);
}

static void test_lists(void **state)
{
	parses("{\"name\":\"net\",\"cniVersion\":\"1.0.0\"," PLUGINS "}", true, "1.0.0", 2);
	parses("{\"name\":\"net\"," PLUGINS "}", true, "0.1.0", 2);
	parses("{\"name\":\"net\",\"cniVersion\":\"\"," PLUGINS "}", true, "0.1.0", 2);
	/* The newest that we know, as the specification's 1.1.0 has it. */
	parses("{\"name\":\"net\",\"cniVersions\":[\"0.3.1\",\"1.1.0\",\"9.0.0\"]," PLUGINS "}", true,
	       "1.1.0", 2);
	parses("{\"name\":\"net\",\"cniVersion\":\"1.0.0\",\"cniVersions\":[\"0.3.1\"]," PLUGINS "}", true,
	       "1.0.0", 2);
	parses("{\"name\":\"net\",\"cniVersion\":\"0.4.0\",\"type\":\"bridge\"}", false, "0.4.0", 1);
}

static void test_refused(void **state)
{
	refuses("", true, "error parsing configuration list: invalid JSON");
	refuses("[]", true, "expected object");
	refuses("{\"cniVersion\":\"1.0.0\"," PLUGINS "}", true, "no name");
	refuses("{\"name\":7," PLUGINS "}", true, "name: expected string");
	refuses("{\"name\":\"a/b\"," PLUGINS "}", true, "name: invalid characters");
	refuses("{\"name\":\"-a\"," PLUGINS "}", true, "name: invalid characters");
	refuses("{\"name\":\"a\",\"name\":\"b\"," PLUGINS "}", true, "duplicate");
	refuses("{\"name\":\"net\",\"cniVersion\":1," PLUGINS "}", true, "cniVersion: expected string");
	refuses("{\"name\":\"net\",\"cniVersion\":\"1.0.1\"," PLUGINS "}", true, "none of the versions");
	refuses("{\"name\":\"net\",\"cniVersions\":[]," PLUGINS "}", true, "none of the versions");
	refuses("{\"name\":\"net\",\"cniVersions\":[1]," PLUGINS "}", true, "expected array of strings");
	refuses("{\"name\":\"net\",\"cniVersions\":\"1.0.0\"," PLUGINS "}", true,
		"expected array of strings");
	refuses("{\"name\":\"net\"}", true, "no plugins in list");
	refuses("{\"name\":\"net\",\"plugins\":{}}", true, "plugins: expected array");
	refuses("{\"name\":\"net\",\"plugins\":[]}", true, "no plugins in list");
	refuses("{\"name\":\"net\",\"plugins\":[1]}", true, "plugin 0: expected object");
	refuses("{\"name\":\"net\",\"plugins\":[{\"type\":\"a\"},{}]}", true, "plugin 1: missing 'type'");
	refuses("{\"name\":\"net\",\"plugins\":[{\"type\":\"\"}]}", true, "missing 'type'");
	refuses("{\"name\":\"net\",\"plugins\":[{\"type\":\"..\"}]}", true, "invalid plugin name");
	refuses("{\"name\":\"net\",\"plugins\":[{\"type\":\"a/b\"}]}", true, "invalid plugin name");
	refuses("{\"name\":\"net\",\"plugins\":[{\"type\":\"a\",\"capabilities\":[]}]}", true,
		"capabilities: expected object");
	refuses("{\"name\":\"net\",\"plugins\":[{\"type\":\"a\",\"capabilities\":{\"x\":1}}]}", true,
		"capabilities: expected booleans");
	refuses("{\"name\":\"net\",\"cniVersion\":\"0.4.0\"}", false,
		"error parsing configuration: plugin 0: missing 'type'");
}

static void test_too_many_plugins(void **state)
{
	_cleanup_buf_ struct cor_buf b = {0};
	(void)cor_buf_str(&b, "{\"name\":\"net\",\"plugins\":[{\"type\":\"a\"}");
	for (int i = 0; i < COR_CNI_PLUGINS_MAX; i++)
		(void)cor_buf_str(&b, ",{\"type\":\"a\"}");
	(void)cor_buf_str(&b, "]}");
	refuses(b.data, true, "more than 64 plugins");
}

static void test_capabilities(void **state)
{
	static const char text[] = "{\"name\":\"net\"," PLUGINS "}";
	_cleanup_cni_network_ struct cor_cni_network n = {0};
	assert_int_equal(cor_cni_parse(text, strlen(text), true, &n, NULL), 0);
	assert_true(cor_cni_has_capability(&n, "portMappings"));
	assert_false(cor_cni_has_capability(&n, "x"));
	assert_false(cor_cni_has_capability(&n, "bandwidth"));
}

static void put(int dir, const char *name, const char *text)
{
	assert_int_equal(cor_write_file_at(dir, name, text, strlen(text), 0644, false, NULL), 0);
}

static void load_is(const char *path, const char *name)
{
	struct cor_error err = {0};
	_cleanup_cni_network_ struct cor_cni_network n = {0};
	if (cor_cni_load(path, &n, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(n.name, name);
}

static void load_fails(const char *path, enum cor_code code, const char *message)
{
	struct cor_error err = {0};
	struct cor_cni_network n = {0};
	assert_true(cor_cni_load(path, &n, &err) < 0);
	assert_int_equal(err.code, code);
	if (!strstr(err.message, message))
		fail_msg("\"%s\" is not in \"%s\"", message, err.message);
}

static void test_first_file(void **state)
{
	char path[] = "/tmp/test-cni.XXXXXX";
	assert_non_null(mkdtemp(path));
	_cleanup_close_ int dir = cor_open_dir(path, NULL);
	load_fails("/nonexistent/net.d", COR_FAILED_PRECONDITION,
		   "no network config found in /nonexistent/net.d: cni plugin not initialized");
	load_fails(path, COR_FAILED_PRECONDITION, "no network config found in ");
	put(dir, "0-readme.txt", "x");
	put(dir, "00.conflist.bak", "x");
	assert_int_equal(mkdirat(dir, "0.conf", 0755), 0);
	load_fails(path, COR_FAILED_PRECONDITION, "no network config found in ");
	put(dir, "30.json", "{\"name\":\"json\",\"type\":\"a\"}");
	load_is(path, "json");
	put(dir, "20.conflist", "{\"name\":\"list\",\"plugins\":[{\"type\":\"a\"}]}");
	load_is(path, "list");
	put(dir, "100.conf", "{\"name\":\"conf\",\"type\":\"a\"}"); /* by bytes: 100 before 20 */
	load_is(path, "conf");
	/* Broken: an error, and not the next one. */
	put(dir, "1.conf", "{");
	load_fails(path, COR_INVALID_ARGUMENT, "/1.conf: error parsing configuration: invalid JSON");
	assert_int_equal(symlinkat("20.conflist", dir, "0.conflist"), 0);
	load_is(path, "list");
	assert_int_equal(unlinkat(dir, "0.conflist", 0), 0);
	assert_int_equal(symlinkat("nowhere", dir, "0.conflist"), 0);
	load_fails(path, COR_NOT_FOUND, "/0.conflist: open: no such file or directory: invalid cni config");
	_cleanup_close_ int tmp = cor_open_dir("/tmp", NULL);
	assert_int_equal(cor_remove_tree_at(tmp, cor_path_base(path), NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),        cmocka_unit_test(test_refused),
		cmocka_unit_test(test_capabilities), cmocka_unit_test(test_too_many_plugins),
		cmocka_unit_test(test_first_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
