/* SPDX-License-Identifier: Apache-2.0 */
/* The flag parser: Go's rules, the texts of its complaints, defaults, environment, required flags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>

#include "cmd/options.h"

struct values {
	bool rm, detach, new_privs, cpus_given, cwd_given;
	const char *cwd, *snapshotter, *id;
	char **env;
	int64_t shares;
	uint64_t memory;
	double cpus;
	int64_t expires;
	const char *extra;
};

static const struct cor_option table[] = {
	COR_OPT(struct values, COR_OPT_BOOL, rm, "rm", NULL, "remove"),
	COR_OPT(struct values, COR_OPT_BOOL, detach, "detach", "d", "detach"),
	COR_OPT(struct values, COR_OPT_PRESENCE, new_privs, "allow-new-privs", NULL, "privs"),
	COR_OPT_SET(struct values, COR_OPT_STRING, cwd, cwd_given, "cwd", "w,workdir", "directory"),
	COR_OPT(struct values, COR_OPT_STRING, snapshotter, "snapshotter", NULL, "name",
		.env = "TEST_SNAPSHOTTER", .def = "overlayfs"),
	COR_OPT(struct values, COR_OPT_STRINGS, env, "env", "e", "environment"),
	COR_OPT(struct values, COR_OPT_INT, shares, "cpu-shares", NULL, "shares", .def = "1024",
		.env = "TEST_SHARES"),
	COR_OPT(struct values, COR_OPT_UINT, memory, "memory-limit", NULL, "bytes"),
	COR_OPT_SET(struct values, COR_OPT_FLOAT, cpus, cpus_given, "cpus", NULL, "number"),
	COR_OPT(struct values, COR_OPT_DURATION, expires, "expires", "x", "duration", .def = "24h"),
	COR_OPT_END,
};
static const struct cor_option shared[] = {
	COR_OPT(struct values, COR_OPT_STRING, extra, "extra", NULL, "of a shared table"),
	COR_OPT_END,
};
static const struct cor_option *const more[] = {shared, NULL};
static const struct cor_command cmd = {
	.name = "t", .options = table, .more_options = more, .options_size = sizeof(struct values)};

static const struct cor_option required_table[] = {
	COR_OPT(struct values, COR_OPT_STRING, id, "exec-id", NULL, "id", .required = true),
	COR_OPT(struct values, COR_OPT_STRING, cwd, "cwd", NULL, "directory", .required = true),
	COR_OPT_END,
};
static const struct cor_command required_cmd = {
	.name = "r", .options = required_table, .options_size = sizeof(struct values)};

#define ARGV(...) ((char **)(const char *[]){__VA_ARGS__, NULL})

static int parse(const struct cor_command *c, char **argv, struct values *v, struct cor_parsed *p,
		 struct cor_error *err)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	*v = (struct values){0};
	*p = (struct cor_parsed){0};
	cor_error_clear(err);
	return cor_options_parse(c, argc, argv, v, p, err);
}

static void fails(const struct cor_command *c, char **argv, const char *text)
{
	struct values v;
	struct cor_parsed p;
	struct cor_error err;

	assert_true(parse(c, argv, &v, &p, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	assert_string_equal(err.message, text);
	cor_options_done(c, &v);
}

static void defaults(void **state)
{
	struct values v;
	struct cor_parsed p;
	struct cor_error err;

	assert_int_equal(parse(&cmd, ARGV("a", "-b"), &v, &p, &err), 0);
	assert_int_equal(p.first, 0);
	assert_int_equal(v.shares, 1024);
	assert_int_equal(v.expires, INT64_C(86400000000000));
	assert_string_equal(v.snapshotter, "overlayfs");
	assert_null(v.cwd);
	assert_null(v.env);
	assert_false(v.cpus_given);
	cor_options_done(&cmd, &v);
}

static void one_dash_or_two(void **state)
{
	struct values v;
	struct cor_parsed p;
	struct cor_error err;

	assert_int_equal(
		parse(&cmd,
		      ARGV("-rm", "--d", "-w", "/x", "--env=A=1", "-e", "-B", "-cpus", "0.5", "img", "--rm"),
		      &v, &p, &err),
		0);
	assert_int_equal(p.first, 9);
	assert_true(v.rm && v.detach && v.cwd_given && v.cpus_given);
	assert_string_equal(v.cwd, "/x");
	assert_string_equal(v.env[0], "A=1");
	assert_string_equal(v.env[1], "-B");
	assert_null(v.env[2]);
	assert_true(v.cpus > 0.49 && v.cpus < 0.51);
	cor_options_done(&cmd, &v);
	assert_int_equal(parse(&cmd, ARGV("--workdir=", "--extra", "y"), &v, &p, &err), 0);
	assert_string_equal(v.cwd, "");
	assert_string_equal(v.extra, "y");
	cor_options_done(&cmd, &v);
}

static void ends_of_flags(void **state)
{
	struct values v;
	struct cor_parsed p;
	struct cor_error err;

	assert_int_equal(parse(&cmd, ARGV("--rm", "--", "-x"), &v, &p, &err), 0);
	assert_int_equal(p.first, 2);
	assert_true(p.terminated);
	assert_int_equal(parse(&cmd, ARGV("-", "--rm"), &v, &p, &err), 0);
	assert_int_equal(p.first, 0);
	assert_false(v.rm || p.terminated);
	assert_int_equal(parse(&cmd, ARGV("--rm", "-h", "--nothing"), &v, &p, &err), -EINVAL);
	assert_int_equal(parse(&cmd, ARGV("--rm", "-h"), &v, &p, &err), 0);
	assert_true(p.help);
}

static void bools(void **state)
{
	struct values v;
	struct cor_parsed p;
	struct cor_error err;

	assert_int_equal(parse(&cmd, ARGV("--rm", "--rm=false", "--allow-new-privs=false", "--detach=T"), &v,
			       &p, &err),
			 0);
	assert_false(v.rm);
	assert_true(v.new_privs);
	assert_true(v.detach);
	/* a bool never takes the next argument */
	assert_int_equal(parse(&cmd, ARGV("--rm", "false"), &v, &p, &err), 0);
	assert_true(v.rm);
	assert_int_equal(p.first, 1);
	fails(&cmd, ARGV("--rm=abc"), "invalid boolean value \"abc\" for -rm: parse error");
	fails(&cmd, ARGV("--rm="), "invalid boolean value \"\" for -rm: parse error");
}

static void numbers(void **state)
{
	struct values v;
	struct cor_parsed p;
	struct cor_error err;

	assert_int_equal(parse(&cmd, ARGV("--memory-limit", "0x1_0", "--cpu-shares=-010", "-x", "1h2m3.5s"),
			       &v, &p, &err),
			 0);
	assert_int_equal(v.memory, 16);
	assert_int_equal(v.shares, -8);
	assert_int_equal(v.expires, INT64_C(3723500000000));
	assert_int_equal(
		parse(&cmd, ARGV("--cpu-shares=-9223372036854775808", "--memory-limit=18446744073709551615"),
		      &v, &p, &err),
		0);
	assert_true(v.shares == INT64_MIN);
	assert_true(v.memory == UINT64_MAX);
	fails(&cmd, ARGV("--cpus", "abc"), "invalid value \"abc\" for flag -cpus: parse error");
	fails(&cmd, ARGV("--cpus", "1 "), "invalid value \"1 \" for flag -cpus: parse error");
	fails(&cmd, ARGV("--cpus", "1e999"), "invalid value \"1e999\" for flag -cpus: value out of range");
	fails(&cmd, ARGV("--cpus", "nan"), "invalid value \"nan\" for flag -cpus: parse error");
	fails(&cmd, ARGV("--memory-limit", "-5"), "invalid value \"-5\" for flag -memory-limit: parse error");
	fails(&cmd, ARGV("--memory-limit", "18446744073709551616"),
	      "invalid value \"18446744073709551616\" for flag -memory-limit: value out of range");
	fails(&cmd, ARGV("--cpu-shares", "9223372036854775808"),
	      "invalid value \"9223372036854775808\" for flag -cpu-shares: value out of range");
	fails(&cmd, ARGV("--cpu-shares", "1__0"), "invalid value \"1__0\" for flag -cpu-shares: parse error");
	fails(&cmd, ARGV("--cpu-shares", "_1"), "invalid value \"_1\" for flag -cpu-shares: parse error");
	fails(&cmd, ARGV("--cpu-shares", "1_"), "invalid value \"1_\" for flag -cpu-shares: parse error");
	fails(&cmd, ARGV("--cpu-shares", "08"), "invalid value \"08\" for flag -cpu-shares: parse error");
	fails(&cmd, ARGV("--cpu-shares", "0x"), "invalid value \"0x\" for flag -cpu-shares: parse error");
	fails(&cmd, ARGV("--cpu-shares", ""), "invalid value \"\" for flag -cpu-shares: parse error");
	fails(&cmd, ARGV("-x", "5"), "invalid value \"5\" for flag -x: parse error");
}

static void complaints(void **state)
{
	fails(&cmd, ARGV("--nope"), "flag provided but not defined: -nope");
	fails(&cmd, ARGV("-nope=1"), "flag provided but not defined: -nope");
	fails(&cmd, ARGV("--rm", "--cwd"), "flag needs an argument: -cwd");
	fails(&cmd, ARGV("---rm"), "bad flag syntax: ---rm");
	fails(&cmd, ARGV("-=x"), "bad flag syntax: -=x");
	fails(&cmd, ARGV("--=x"), "bad flag syntax: --=x");
	/* a list that was filled before the failure is still the caller's to free (ASan sees it otherwise) */
	fails(&cmd, ARGV("--env", "A", "--nope"), "flag provided but not defined: -nope");
}

static void environment(void **state)
{
	struct values v;
	struct cor_parsed p;
	struct cor_error err;

	setenv("TEST_SNAPSHOTTER", "native", 1);
	assert_int_equal(parse(&cmd, ARGV("a"), &v, &p, &err), 0);
	assert_string_equal(v.snapshotter, "native");
	assert_int_equal(parse(&cmd, ARGV("--snapshotter", "btrfs"), &v, &p, &err), 0);
	assert_string_equal(v.snapshotter, "btrfs");
	setenv("TEST_SNAPSHOTTER", "", 1);
	assert_int_equal(parse(&cmd, ARGV("a"), &v, &p, &err), 0);
	assert_string_equal(v.snapshotter, "overlayfs");
	setenv("TEST_SHARES", "many", 1);
	fails(&cmd, ARGV("a"),
	      "could not parse $TEST_SHARES \"many\" as int64 value for flag cpu-shares: parse error");
	unsetenv("TEST_SHARES");
	unsetenv("TEST_SNAPSHOTTER");
}

static void required(void **state)
{
	struct values v;
	struct cor_parsed p;
	struct cor_error err;

	fails(&required_cmd, ARGV("x"), "Required flags \"exec-id, cwd\" not set");
	fails(&required_cmd, ARGV("--cwd", "/", "x"), "Required flag \"exec-id\" not set");
	assert_int_equal(parse(&required_cmd, ARGV("--exec-id", "", "--cwd", "/"), &v, &p, &err), 0);
	assert_int_equal(parse(&required_cmd, ARGV("--help"), &v, &p, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),      cmocka_unit_test(one_dash_or_two),
		cmocka_unit_test(ends_of_flags), cmocka_unit_test(bools),
		cmocka_unit_test(numbers),       cmocka_unit_test(complaints),
		cmocka_unit_test(environment),   cmocka_unit_test(required),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
