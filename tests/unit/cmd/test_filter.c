/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's filter syntax: what matches, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cmd/filter.h"

static struct cor_map labels;

static const char *field(const char *const *path, size_t n, const void *data)
{
	if (n == 1 && streq(path[0], "name"))
		return data;
	if (n > 1 && streq(path[0], "labels"))
		return cor_filter_label(&labels, path + 1, n - 1);
	return NULL;
}

static bool match(char **args)
{
	_cleanup_filter_ struct cor_filter *f = NULL;
	struct cor_error err = {0};

	if (cor_filter_parse(args, &f, &err) < 0)
		fail_msg("%s", err.message);
	return cor_filter_match(f, field, "docker.io/library/busybox:latest");
}
#define MATCH(...) match((char **)(const char *[]){__VA_ARGS__, NULL})

static void refused(const char *arg, const char *text)
{
	struct cor_filter *f = NULL;
	struct cor_error err = {0};

	assert_true(cor_filter_parse((char **)(const char *[]){arg, NULL}, &f, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	assert_null(f);
	if (text)
		assert_string_equal(err.message, text);
}

static void operators(void **state)
{
	assert_true(match((char **)(const char *[]){NULL}));
	assert_true(MATCH("name==docker.io/library/busybox:latest"));
	assert_true(MATCH("name==\"docker.io/library/busybox:latest\""));
	assert_false(MATCH("name==busybox"));
	assert_true(MATCH("name!=busybox"));
	assert_true(MATCH("name"));
	assert_false(MATCH("size"));
	assert_true(MATCH("size!=3"));
	assert_false(MATCH("size==3"));
	assert_true(MATCH("name~=busy"));
	assert_true(MATCH("name~=/^docker\\.io\\/.*:latest$/"));
	assert_false(MATCH("name~=^busy"));
	assert_true(MATCH("name~=\"(?:busy|alpine)\\\\D+\""));
	assert_true(MATCH("name~=b.+?x"));
	assert_true(MATCH("name~=[]b]us[[:alpha:]]"));
	assert_true(MATCH("name~=\"s{1,2}y\""));
	assert_false(MATCH("name~=\"s{2,3}y\""));
}

static void label_fields(void **state)
{
	assert_true(MATCH("labels.app==web"));
	assert_true(MATCH("labels.\"a.b/c\"==\"x,y\""));
	assert_true(MATCH("labels.two.words==1"));
	assert_false(MATCH("labels.none"));
}

static void combinations(void **state)
{
	assert_true(MATCH("name~=busy,labels.app==web"));
	assert_false(MATCH("name~=busy,labels.app==db"));
	assert_true(MATCH("labels.app==db", "labels.app==web"));
	assert_false(MATCH("labels.app==db", "name==x"));
}

static void syntax_errors(void **state)
{
	refused("name=", "filters: parse error: [name >|=|< ]: unsupported operator: invalid argument");
	refused("", NULL);
	refused("==x", NULL);
	refused("name==", NULL);
	refused("name==a,", NULL);
	refused("name.==a", NULL);
	refused("name==\"open", NULL);
	refused("name==a b", NULL);
	refused("name~=/(/", NULL);
	refused("name~=[", NULL);
	refused("name~=a++", NULL);
	refused("name~=((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)", NULL);
	refused("name~=(a{900}){900}", NULL);
}

static int setup(void **state)
{
	return cor_map_set(&labels, "app", "web") || cor_map_set(&labels, "a.b/c", "x,y") ||
	       cor_map_set(&labels, "two.words", "1");
}

static int teardown(void **state)
{
	cor_map_done(&labels);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operators),
		cmocka_unit_test(label_fields),
		cmocka_unit_test(combinations),
		cmocka_unit_test(syntax_errors),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
