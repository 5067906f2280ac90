/* SPDX-License-Identifier: Apache-2.0 */
/* What plugins print: results of every version, error objects, and neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cni/cni.h"

static void addresses_are(const char *text, const char *version, const char *want)
{
	struct cor_error err = {0};
	_cleanup_json_ json_t *result = NULL, *list = NULL;
	if (cor_cni_result_parse(text, strlen(text), "0.4.0", &result, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	assert_string_equal(json_string_value(json_object_get(result, "cniVersion")), version);
	list = cor_cni_result_addresses(result);
	_cleanup_free_ char *have = cor_json_dump(list);
	assert_string_equal(have, want);
}

static void refuses(const char *text, const char *message)
{
	struct cor_error err = {0};
	json_t *result = NULL;
	assert_true(cor_cni_result_parse(text, strlen(text), "1.0.0", &result, &err) < 0);
	assert_null(result);
	if (!strstr(err.message, message) || strchr(err.message, '\n'))
		fail_msg("\"%s\" is not in \"%s\"", message, err.message);
}

static void test_results(void **state)
{
	addresses_are("{}", "0.4.0", "[]");
	addresses_are("{\"cniVersion\":\"\"}", "0.4.0", "[]");
	addresses_are(
		"{\"cniVersion\":\"0.2.0\",\"ip4\":{\"ip\":\"10.1.0.2/16\"},\"ip6\":{\"ip\":\"fd00::2/64\"},"
		"\"dns\":{}}",
		"0.2.0", "[\"10.1.0.2/16\",\"fd00::2/64\"]");
	addresses_are("{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"eth0\"}],\"ips\":["
		      "{\"address\":\"10.1.0.2/16\",\"interface\":0},{\"address\":\"fd00::2/64\"}],"
		      "\"routes\":[{\"dst\":\"0.0.0.0/0\"}],\"unknown\":[[]]}",
		      "1.0.0", "[\"10.1.0.2/16\",\"fd00::2/64\"]");
	addresses_are("{\"ips\":null,\"interfaces\":null,\"ip4\":null,\"dns\":null}", "0.4.0", "[]");
}

static void test_refused(void **state)
{
	refuses("", "result: nothing was printed");
	refuses("{", "result: invalid JSON");
	refuses("{} {}", "result: invalid JSON");
	refuses("[]", "result: expected object");
	refuses("{\"cniVersion\":2}", "cniVersion: expected string");
	refuses("{\"cniVersion\":\"2.0.0\"}", "cniVersion: unsupported");
	refuses("{\"ips\":{}}", "ips: expected array");
	refuses("{\"ips\":[1]}", "ips: expected objects");
	refuses("{\"ips\":[{}]}", "ips: address: expected string");
	refuses("{\"interfaces\":[{\"name\":[]}]}", "interfaces: name: expected string");
	refuses("{\"routes\":[{\"dst\":1}]}", "routes: dst: expected string");
	refuses("{\"ip4\":[]}", "ip4: expected object");
	refuses("{\"ip6\":{\"ip\":1}}", "ip6: expected object");
	refuses("{\"dns\":[]}", "dns: expected object");
	/* Deeper than the parser goes. */
	_cleanup_free_ char *deep = malloc(100001);
	memset(deep, '[', 100000);
	deep[100000] = '\0';
	refuses(deep, "result: invalid JSON");
}

static void test_too_large(void **state)
{
	struct cor_error err = {0};
	json_t *result = NULL;
	_cleanup_free_ char *text = malloc(COR_CNI_RESULT_MAX + 1);
	memset(text, ' ', COR_CNI_RESULT_MAX + 1);
	assert_true(cor_cni_result_parse(text, COR_CNI_RESULT_MAX + 1, "1.0.0", &result, &err) < 0);
	assert_string_equal(err.message, "result: more than 1048576 bytes");
}

static void failure_is(const char *out, const char *err, const char *want)
{
	_cleanup_free_ char *have = cor_cni_failure_text(out, strlen(out), err, strlen(err), "exit status 1");
	assert_string_equal(have, want);
}

static void test_failures(void **state)
{
	failure_is("{\"code\":7,\"msg\":\"bad\",\"details\":\"very\"}", "noise", "bad; very");
	failure_is("{\"code\":7,\"msg\":\"bad\"}", "", "bad");
	failure_is("{\"msg\":\" two\\nlines\\u001b[31m \\u0085x\\u00e9 \"}", "", "two lines [31m xé");
	failure_is("{\"code\":11}", "", "error code 11");
	failure_is("{}", "",
		   "netplugin failed but error parsing its diagnostic message \"{}\": exit status 1");
	failure_is("what?\n", "x",
		   "netplugin failed but error parsing its diagnostic message \"what?\\n\": exit status 1");
	failure_is("", "a \"word\"\xff\n", "netplugin failed: \"a \\\"word\\\"\\xff\\n\": exit status 1");
	failure_is("", "", "netplugin failed with no error message: exit status 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_failures),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
