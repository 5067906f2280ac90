/* SPDX-License-Identifier: Apache-2.0 */
/* --publish: what is understood, and how it is told to plugins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/network.h"

/* flags: separated by blanks; NULL: none. */
static void parses(const char *given, const char *want)
{
	_cleanup_strv_ char **flags = given ? cor_strv_split(given, ' ') : NULL;
	struct cor_error err = {0};
	_cleanup_json_ json_t *list = NULL;
	if (cor_publish_parse(flags, &list, &err) < 0)
		fail_msg("%s", err.message);
	_cleanup_free_ char *have = list ? cor_json_dump(list) : strdup("null");
	assert_string_equal(have, want);
}

static void refuses(const char *flag, const char *message)
{
	struct cor_error err = {0};
	json_t *list = NULL;
	char *flags[] = {(char *)flag, NULL};
	assert_true(cor_publish_parse(flags, &list, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	assert_null(list);
	if (!strstr(err.message, message))
		fail_msg("\"%s\" is not in \"%s\"", message, err.message);
}

static void test_parse(void **state)
{
	parses(NULL, "null");
	parses("8080:80", "[{\"hostPort\":8080,\"containerPort\":80,\"protocol\":\"tcp\"}]");
	parses("53:53/udp 53:53/tcp 127.0.0.1:53:53/udp",
	       "[{\"hostPort\":53,\"containerPort\":53,\"protocol\":\"udp\"},"
	       "{\"hostPort\":53,\"containerPort\":53,\"protocol\":\"tcp\"},"
	       "{\"hostPort\":53,\"containerPort\":53,\"protocol\":\"udp\",\"hostIP\":\"127.0.0.1\"}]");
	parses("[::1]:1:65535/sctp",
	       "[{\"hostPort\":1,\"containerPort\":65535,\"protocol\":\"sctp\",\"hostIP\":\"::1\"}]");
	parses("::1:80:81",
	       "[{\"hostPort\":80,\"containerPort\":81,\"protocol\":\"tcp\",\"hostIP\":\"::1\"}]");
}

static void test_refused(void **state)
{
	static const char *const ports[] = {
		"0:80", "80:0",  "65536:80", "80:65536", "a:80",  "80:b",    ":80",
		"80:",  "-1:80", "+1:80",    " 1:80",    "1 :80", "0x10:80", "99999999999999999999:80"};
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		refuses(ports[i], "a port is a number from 1 to 65535");
	refuses("", "two ports are needed");
	refuses("80", "two ports are needed");
	refuses("80:80/", "unknown protocol");
	refuses("80:80/TCP", "unknown protocol");
	refuses("80:80/icmp", "unknown protocol");
	refuses("1.2.3:80:80", "not an IP address");
	refuses("host:80:80", "not an IP address");
	refuses("[::1:80:80", "not an IP address");
}

static void test_twice(void **state)
{
	struct cor_error err = {0};
	json_t *list = NULL;
	_cleanup_strv_ char **flags = cor_strv_split("80:80 80:81", ' ');
	assert_true(cor_publish_parse(flags, &list, &err) < 0);
	assert_non_null(strstr(err.message, "host port given twice"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
