/* SPDX-License-Identifier: Apache-2.0 */
/* Tables against the output of Go's tabwriter (texts copied from ctr), and the harmless printing of foreign strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cmd/table.h"
#include "cmd/text.h"

static char *printed(const struct cor_table *t)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_int_equal(cor_table_print(t, f), 0);
	fclose(f);
	return text;
}

static void leases_of_ctr(void **state)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(1, 1);

	cor_table_row(&t, "ID", "CREATED AT", "LABELS");
	cor_table_row(&t, "562856246-X301", "2026-11-26T06:21:11Z",
		      "containerd.io/gc.expire=2026-11-27T06:21:11Z");
	_cleanup_free_ char *text = printed(&t);
	assert_string_equal(
		text, "ID             CREATED AT           LABELS                                       \n"
		      "562856246-X301 2026-11-26T06:21:11Z containerd.io/gc.expire=2026-11-27T06:21:11Z \n");
}

static void header_only(void **state)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(4, 4);

	cor_table_row(&t, "CONTAINER", "IMAGE", "RUNTIME");
	_cleanup_free_ char *text = printed(&t);
	assert_string_equal(text, "CONTAINER    IMAGE    RUNTIME    \n");
}

static void empty_cells_and_minwidth(void **state)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(4, 1);

	cor_table_row(&t, "", "b");
	cor_table_row(&t, "a", NULL);
	_cleanup_free_ char *text = printed(&t);
	assert_string_equal(text, "    b   \na       \n");
}

static void blocks(void **state)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(1, 1);

	/* a shorter row ends the block of the columns that it lacks */
	cor_table_row(&t, "long-cell", "x", "y");
	cor_table_row(&t, "a");
	cor_table_row(&t, "b", "wide", "z");
	_cleanup_free_ char *text = printed(&t);
	assert_string_equal(text, "long-cell x y \na         \nb         wide z \n");
}

static void content_of_ctr(void **state)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(1, 1);

	t.tabs = true;
	cor_table_open_row(&t, "DIGEST", "SIZE", "AGE", "LABELS");
	cor_table_open_row(&t, "sha256:09a383e87b96b42c16812df5bfcae87a9b1d941bb5a1e556f099576c7232255c",
			   "349B", "16 seconds", "c=true");
	cor_table_open_row(&t, "sha256:11069fdd03094578125fd44292a80f78ca434d6ed1b4d28eb4e99f6385132cb1",
			   "1.084MB", "Less than a second", "-");
	_cleanup_free_ char *text = printed(&t);
	assert_string_equal(
		text, "DIGEST\t\t\t\t\t\t\t\t\tSIZE\tAGE\t\t\tLABELS\n"
		      "sha256:09a383e87b96b42c16812df5bfcae87a9b1d941bb5a1e556f099576c7232255c\t349B\t16 "
		      "seconds\t\tc=true\n"
		      "sha256:11069fdd03094578125fd44292a80f78ca434d6ed1b4d28eb4e99f6385132cb1\t1."
		      "084MB\tLess than a second\t-\n");
}

static void open_rows(void **state)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(1, 1);

	cor_table_row(&t, "REF", "UNPACKED");
	cor_table_open_row(&t, "foo/bar:latest", "true");
	_cleanup_free_ char *text = printed(&t);
	assert_string_equal(text, "REF            UNPACKED \nfoo/bar:latest true\n");
}

static void characters_not_bytes(void **state)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(1, 1);

	cor_table_row(&t, "\xc3\xa4\xc3\xb6", "x");
	cor_table_row(&t, "abc", "y");
	_cleanup_free_ char *text = printed(&t);
	assert_string_equal(text, "\xc3\xa4\xc3\xb6  x \nabc y \n");
}

static void hostile_cells(void **state)
{
	_cleanup_table_ struct cor_table t = COR_TABLE(1, 1);

	cor_table_row(&t, "a\nfake row", "\x1b[2J", "\xff\xc2\x9b", "\t");
	_cleanup_free_ char *text = printed(&t);
	assert_string_equal(text, "a\\nfake row \\x1b[2J \\xff\\xc2\\x9b \\t \n");
}

static void escape(void **state)
{
	static const char *const cases[][2] = {
		{"plain text", "plain text"},
		{"\x01\x7f", "\\x01\\x7f"},
		{"\xc3", "\\xc3"},          /* cut short */
		{"\xc0\x80", "\\xc0\\x80"}, /* overlong */
		{"\xe0\x80\x80", "\\xe0\\x80\\x80"},
		{"\xe2\x82\xac", "\xe2\x82\xac"},         /* euro sign */
		{"\xf0\x9f\x9a\xa4", "\xf0\x9f\x9a\xa4"}, /* a boat */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *s = cor_text_escape(cases[i][0]);
		assert_string_equal(s, cases[i][1]);
	}
}

static void labels(void **state)
{
	_cleanup_map_ struct cor_map m = {0};
	struct cor_error err = {0};

	assert_int_equal(cor_labels_parse((char **)(const char *[]){"b=1=2", "a", "c=", NULL}, &m, &err), 0);
	assert_int_equal(m.n, 3);
	assert_string_equal(cor_map_get(&m, "a"), "true");
	assert_string_equal(cor_map_get(&m, "b"), "1=2");
	assert_string_equal(cor_map_get(&m, "c"), "");
	_cleanup_free_ char *text = cor_labels_format(&m, "-");
	assert_string_equal(text, "a=true,b=1=2,c=");
	assert_true(cor_labels_parse((char **)(const char *[]){"ok=1", "=x", NULL}, &m, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	assert_int_equal(m.n, 3);
	struct cor_map none = {0};
	_cleanup_free_ char *dash = cor_labels_format(&none, "-");
	assert_string_equal(dash, "-");
}

static void label_limit(void **state)
{
	char big[4200];
	_cleanup_map_ struct cor_map m = {0};
	struct cor_error err = {0};

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	big[10] = '=';
	assert_true(cor_labels_parse((char **)(const char *[]){big, NULL}, &m, &err) < 0);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
	big[4097] = '\0'; /* key 10 + value 4086 = 4096 */
	assert_int_equal(cor_labels_parse((char **)(const char *[]){big, NULL}, &m, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leases_of_ctr),
		cmocka_unit_test(header_only),
		cmocka_unit_test(empty_cells_and_minwidth),
		cmocka_unit_test(blocks),
		cmocka_unit_test(content_of_ctr),
		cmocka_unit_test(open_rows),
		cmocka_unit_test(characters_not_bytes),
		cmocka_unit_test(hostile_cells),
		cmocka_unit_test(escape),
		cmocka_unit_test(labels),
		cmocka_unit_test(label_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
