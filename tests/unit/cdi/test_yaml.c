/* SPDX-License-Identifier: Apache-2.0 */
/* YAML and JSON as values, and what of it is refused. */
#include "helpers.h"

#include "oci/yaml.h"

static void json_is_yaml(void **state)
{
	static const char *const same[] = {
		"{\"a\":1,\"b\":[true,null,\"x\",-2],\"c\":{\"d\":\"e\\n\\u00e9\\/\\\\\"}}",
		"{\n\t\"a\":\t[\n\t\t1,\n\t\t2\n\t]\n}\n",
		"[]",
		"{}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		assert_taken(cor_yaml_parse, same[i], same[i]);
}

static void block_style(void **state)
{
	assert_taken(cor_yaml_parse, "---\n# comment\na: 1\nb:\n- x\n- y: z\nc: |\n  two\n  lines\n",
		     "{\"a\":1,\"b\":[\"x\",{\"y\":\"z\"}],\"c\":\"two\\nlines\\n\"}");
	assert_taken(cor_yaml_parse, "a: &x [1, 2]\nb: *x\n", "{\"a\":[1,2],\"b\":[1,2]}");
	/* The later anchor of a name is the one that counts. */
	assert_taken(cor_yaml_parse, "[&x 1, *x, &x 2, *x]", "[1,1,2,2]");
	assert_taken(cor_yaml_parse, "a: !!str 1\nb: !!int \"2\"\n", "{\"a\":\"1\",\"b\":2}");
}

static void scalars(void **state)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{"~", "null"},
		{"null", "null"},
		{"yes", "true"},
		{"Off", "false"},
		{"TRUE", "true"},
		{"tRUE", "\"tRUE\""},
		{"0", "0"},
		{"-7", "-7"},
		{"+7", "7"},
		{"0666", "438"},
		{"0o666", "438"},
		{"0x1F", "31"},
		{"-0b101", "-5"},
		{"1_000", "1000"},
		{"089", "89"}, /* no octal: a real that is whole */
		{"0x", "\"0x\""},
		{"0xg", "\"0xg\""},
		{"_", "\"_\""},
		{"-", "\"-\""},
		{"9223372036854775807", "9223372036854775807"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"1.5", "1.5"},
		{"1.0", "1"},
		{".5", "0.5"},
		{"1e+3", "1000"},
		{"1e3", "1000"},
		{"1e", "\"1e\""},
		{"1e+", "\"1e+\""},
		{"1.2.3", "\"1.2.3\""},
		{"2001-01-01", "\"2001-01-01\""},
		{"'1'", "\"1\""},
		{"\"true\"", "\"true\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = cor_asprintf("[%s]", cases[i].text);
		_cleanup_free_ char *json = cor_asprintf("[%s]", cases[i].json);

		/* A lone "-" in brackets is no scalar. */
		if (streq(cases[i].text, "-")) {
			_cleanup_json_ json_t *j = cor_yaml_scalar("-");

			assert_json_equal(j, cases[i].json, "-");
			continue;
		}
		assert_taken(cor_yaml_parse, text, json);
	}
}

static void refused(void **state)
{
	static const char *const cases[][2] = {
		{"", "line 1: no document"},
		{"# nothing\n", "line 2: no document"},
		{"{\"a\":1,\"a\":2}", "line 1: key \"a\" given twice"},
		{"a: 1\nb: 2\na: 3\n", "line 3: key \"a\" given twice"},
		{"[*a]", "line 1: alias without an anchor before it"},
		{"&a [*a]", "line 1: alias without an anchor before it"},
		{"? [a]\n: b\n", "line 1: key that is no string"},
		{"*a : b", "line 1: alias without an anchor before it"},
		{"- !!binary aGk=\n", "line 1: unknown tag"},
		{"- !<!x> {}\n", "line 1: unknown tag"},
		{"- !go/struct []\n", "line 1: unknown tag"},
		{"a: \"x\\0y\"", "line 1: string with a NUL byte"},
		{"\"x\\0y\": a", "line 1: string with a NUL byte"},
		{"a: 1\n---\nb: 2\n", "line 2: more than one document"},
		{"{", "line 2: did not find expected node content"},
		{"a: b: c", "line 1: mapping values are not allowed in this context"},
		{"a: \xff", "byte 3: invalid leading UTF-8 octet"},
		{"a: \x01", "byte 3: control characters are not allowed"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (!streq(cases[i][0], "*a : b"))
			assert_not_taken(cor_yaml_parse, cases[i][0], cases[i][1]);
	assert_not_taken(cor_yaml_parse, "*a : b", "line 1: key that is no string");
}

static void depth(void **state)
{
	char text[2 * 100 + 1];

	for (size_t n = 1; n < 100; n++) {
		memset(text, '[', n);
		memset(text + n, ']', n);
		text[2 * n] = '\0';
		if (n <= COR_YAML_DEPTH_MAX) {
			assert_taken(cor_yaml_parse, text, text);
			continue;
		}
		assert_not_taken(cor_yaml_parse, text, "line 1: nested too deep");
	}
}

/* An alias is as deep as what it stands for. */
static void depth_by_aliases(void **state)
{
	_cleanup_buf_ struct cor_buf b = {0};

	cor_buf_str(&b, "- &a0 x\n");
	for (int i = 1; i <= 60; i++)
		cor_buf_printf(&b, "- &a%d [*a%d]\n", i, i - 1);
	assert_not_taken(cor_yaml_parse, b.data, "line 33: nested too deep");
	/* The name that is used again stands for the flatter one. */
	assert_taken(cor_yaml_parse, "- &a [[[x]]]\n- &a q\n- [*a]\n", "[[[[\"x\"]]],\"q\",[\"q\"]]");
}

static void merge_keys(void **state)
{
	assert_taken(cor_yaml_parse, "- &a {x: 1, y: 2}\n- {<<: *a, y: 3, z: 4}\n- {y: 3, <<: *a}\n",
		     "[{\"x\":1,\"y\":2},{\"x\":1,\"y\":3,\"z\":4},{\"x\":1,\"y\":3}]");
	assert_taken(cor_yaml_parse, "<<: [{a: 1}, {a: 2, b: 2}]\nc: 3\n", "{\"a\":1,\"b\":2,\"c\":3}");
	assert_taken(cor_yaml_parse, "'<<': {a: 1}\n", "{\"<<\":{\"a\":1}}");
	assert_not_taken(cor_yaml_parse, "<<: 1\n", "line 1: <<: expected a mapping, or a list of mappings");
	assert_not_taken(cor_yaml_parse, "<<: [{}, 1]\n",
			 "line 1: <<: expected a mapping, or a list of mappings");
	assert_not_taken(cor_yaml_parse, "<<: {a: 1}\n<<: {b: 1}\n", "line 2: key \"<<\" given twice");
}

/* Doubles what the line before it stands for, thirty times. */
static void bomb(void **state)
{
	_cleanup_buf_ struct cor_buf b = {0};

	cor_buf_str(&b, "a0: &a0 [x, x]\n");
	for (int i = 1; i < 30; i++)
		cor_buf_printf(&b, "a%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1);
	assert_not_taken(cor_yaml_parse, b.data, "line 16: too many values");
	cor_buf_done(&b);
	cor_buf_str(&b, "[");
	for (int i = 0; i < 300; i++)
		cor_buf_printf(&b, "&a%d x,\n", i);
	cor_buf_str(&b, "]");
	assert_not_taken(cor_yaml_parse, b.data, "line 257: too many anchors");
	cor_buf_done(&b);
	cor_buf_str(&b, "[");
	for (size_t i = 0; i < COR_YAML_NODES_MAX; i++)
		cor_buf_str(&b, "1,");
	cor_buf_str(&b, "]");
	assert_not_taken(cor_yaml_parse, b.data, "line 1: too many values");
}

static void directives(void **state)
{
	_cleanup_buf_ struct cor_buf b = {0};

	assert_taken(cor_yaml_parse, "%YAML 1.1\n---\na: 100%\n", "{\"a\":\"100%\"}");
	for (int i = 0; i < 100000; i++)
		cor_buf_printf(&b, "%%TAG !a%d! tag:x\n", i);
	cor_buf_str(&b, "--- 1\n");
	assert_not_taken(cor_yaml_parse, b.data, "more than 1024 '%'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_yaml),
		cmocka_unit_test(block_style),
		cmocka_unit_test(scalars),
		cmocka_unit_test(refused),
		cmocka_unit_test(depth),
		cmocka_unit_test(bomb),
		cmocka_unit_test(depth_by_aliases),
		cmocka_unit_test(merge_keys),
		cmocka_unit_test(directives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
