/* SPDX-License-Identifier: Apache-2.0 */
/* The walk down the tree: aliases, groups with options, help at each level, flags behind positionals, unknown words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cmd/dispatch.h"

struct group_options {
	const char *snapshotter;
};
struct leaf_options {
	bool quiet;
	char **label;
};

/* What the last run command saw. */
static struct {
	int calls, argc;
	char args[256], path[64], group[32];
	bool quiet;
} seen;

static int run_leaf(struct cor_context *ctx, const void *options, int argc, char **args,
		    struct cor_error *err)
{
	const struct leaf_options *o = options;
	const struct group_options *g = ctx->group;

	seen.calls++;
	seen.argc = argc;
	seen.quiet = o->quiet;
	seen.args[0] = '\0';
	for (int i = 0; args[i]; i++)
		snprintf(seen.args + strlen(seen.args), sizeof(seen.args) - strlen(seen.args), "[%s]",
			 args[i]);
	snprintf(seen.path, sizeof(seen.path), "%s", ctx->path);
	snprintf(seen.group, sizeof(seen.group), "%s", g && g->snapshotter ? g->snapshotter : "");
	return argc > 0 && streq(args[0], "fail") ? cor_error_set(err, COR_NOT_FOUND, "no such thing") : 7;
}

static const struct cor_option leaf_table[] = {
	COR_OPT(struct leaf_options, COR_OPT_BOOL, quiet, "quiet", "q", "print only the keys"),
	COR_OPT(struct leaf_options, COR_OPT_STRINGS, label, "label", NULL, "labels", .metavar = "KEY=VALUE"),
	COR_OPT_END,
};
static const struct cor_option group_table[] = {
	COR_OPT(struct group_options, COR_OPT_STRING, snapshotter, "snapshotter", NULL, "snapshotter name",
		.def = "overlayfs", .env = "TEST_SN"),
	COR_OPT_END,
};
static const struct cor_command leaf = {
	.name = "list",
	.aliases = "ls,l",
	.usage = "list snapshots",
	.args_usage = "[<filter>, ...]",
	.options = leaf_table,
	.options_size = sizeof(struct leaf_options),
	.run = run_leaf,
};
static const struct cor_command dash = {.name = "exec",
					.usage = "run",
					.options = leaf_table,
					.options_size = sizeof(struct leaf_options),
					.dash_args = true,
					.run = run_leaf};
static const struct cor_command secret = {.name = "secret",
					  .usage = "hidden",
					  .hidden = true,
					  .options_size = sizeof(struct leaf_options),
					  .run = run_leaf};
static const struct cor_command *const group_commands[] = {&leaf, &dash, NULL};
static const struct cor_command group = {
	.name = "snapshots",
	.aliases = "snapshot",
	.usage = "manage snapshots",
	.options = group_table,
	.options_size = sizeof(struct group_options),
	.subcommands = group_commands,
};
static const struct cor_command *const root_commands[] = {&group, &secret, NULL};
static const struct cor_command root = {
	.name = "coracle",
	.usage = "run containers",
	.options = cor_global_options,
	.options_size = sizeof(struct cor_globals),
	.subcommands = root_commands,
};

static char *output;
static struct cor_error err;

static int go(char **argv)
{
	struct cor_context ctx;
	size_t n = 0;
	int argc = 0;

	while (argv[argc])
		argc++;
	memset(&seen, 0, sizeof(seen));
	cor_error_clear(&err);
	free(output);
	cor_context_init(&ctx, argv[0], &root);
	ctx.out = open_memstream(&output, &n);
	int r = cor_dispatch(&ctx, argc, argv, &err);
	fclose(ctx.out);
	assert_null(ctx.group);
	return r;
}
#define GO(...) go((char **)(const char *[]){__VA_ARGS__, NULL})

static void aliases_and_groups(void **state)
{
	assert_int_equal(GO("/usr/bin/coracle", "--debug", "snapshot", "ls", "-q", "a", "b"), 7);
	assert_int_equal(seen.calls, 1);
	assert_true(seen.quiet);
	assert_string_equal(seen.args, "[a][b]");
	assert_string_equal(seen.path, "coracle snapshots list");
	assert_string_equal(seen.group, "overlayfs");
	assert_int_equal(GO("ctr", "snapshots", "--snapshotter=native", "l"), 7);
	assert_string_equal(seen.group, "native");
	assert_string_equal(seen.path, "ctr snapshots list");
}

static void failures(void **state)
{
	assert_true(GO("coracle", "snapshots", "ls", "fail") < 0);
	assert_int_equal(err.code, COR_NOT_FOUND);
	assert_int_equal(GO("coracle", "bogus"), 3);
	assert_int_equal(GO("coracle", "snapshots", "bogus"), 3);
	assert_int_equal(GO("coracle", "help", "bogus"), 3);
	assert_int_equal(seen.calls, 0);
}

static void flags_behind_positionals(void **state)
{
	assert_true(GO("coracle", "snapshots", "ls", "a", "-q") < 0);
	assert_string_equal(err.message, "flag must come before arguments: -q");
	assert_int_equal(seen.calls, 0);
	assert_int_equal(GO("coracle", "snapshots", "ls", "-", "a"), 7);
	assert_int_equal(GO("coracle", "snapshots", "ls", "--", "-q"), 7);
	assert_false(seen.quiet);
	assert_string_equal(seen.args, "[-q]");
	assert_int_equal(GO("coracle", "snapshots", "exec", "id", "ls", "-l", "--", "x"), 7);
	assert_string_equal(seen.args, "[id][ls][-l][--][x]");
}

static void help_texts(void **state)
{
	assert_int_equal(GO("coracle", "snapshots", "ls", "--help"), 0);
	assert_string_equal(output, "NAME:\n   coracle snapshots list - list snapshots\n\n"
				    "USAGE:\n   coracle snapshots list [command options] [<filter>, ...]\n\n"
				    "OPTIONS:\n"
				    "   --quiet, -q        print only the keys\n"
				    "   --label KEY=VALUE  labels\n"
				    "   --help, -h         show help\n");
	assert_int_equal(GO("coracle", "help", "snapshot", "ls"), 0);
	assert_non_null(strstr(output, "coracle snapshots list - list snapshots"));
	assert_int_equal(GO("coracle", "snapshots"), 0);
	assert_non_null(strstr(output, "   list, ls, l  list snapshots\n"));
	assert_non_null(strstr(output, "snapshotter name (default: \"overlayfs\") [$TEST_SN]"));
	assert_int_equal(GO("coracle"), 0);
	assert_non_null(strstr(output, "GLOBAL OPTIONS:"));
	assert_null(strstr(output, "secret"));
	assert_int_equal(seen.calls, 0);
}

static void version(void **state)
{
	assert_int_equal(GO("ctr", "-v"), 0);
	assert_string_equal(output, "ctr " COR_VERSION "\n");
}

static int free_output(void **state)
{
	free(output);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aliases_and_groups),
		cmocka_unit_test(failures),
		cmocka_unit_test(flags_behind_positionals),
		cmocka_unit_test(help_texts),
		cmocka_unit_test(version),
	};
	return cmocka_run_group_tests(tests, NULL, free_output);
}
