/* SPDX-License-Identifier: Apache-2.0 */
/* --mount: the CSV of encoding/csv, keys, and what a flag replaces. The texts were seen on ctr (Go 1.19). */
#include "helpers.h"

static void parses(const char *flag, const char *json)
{
	struct cor_error err = {0};
	_cleanup_json_ json_t *m = NULL;

	if (cor_spec_mount_parse(flag, &m, &err) < 0)
		fail_msg("%s: %s", flag, err.message);
	assert_json(m, "", json);
}

static void fails(const char *flag, const char *text)
{
	struct cor_error err = {0};
	json_t *m = NULL;

	assert_int_equal(cor_spec_mount_parse(flag, &m, &err), -EINVAL);
	assert_null(m);
	assert_string_equal(err.message, text);
}

static void keys_and_their_short_forms(void **state)
{
	parses("type=bind,src=/tmp,dst=/host,options=rbind:ro",
	       "{\"type\":\"bind\",\"source\":\"/tmp\",\"destination\":\"/"
	       "host\",\"options\":[\"rbind\",\"ro\"]}");
	parses("source=/a,destination=/b=c", "{\"source\":\"/a\",\"destination\":\"/b=c\"}");
	parses("src=1,src=2,type=,dst=/x", "{\"source\":\"2\",\"destination\":\"/x\"}");
	parses("options=", "{\"destination\":\"\",\"options\":[\"\"]}");
	parses("options=size=1m:mode=755,options=ro", "{\"destination\":\"\",\"options\":[\"ro\"]}");
}

static void quotes_hold_commas_quotes_and_newlines(void **state)
{
	parses("\"src=/a,b\",dst=/x", "{\"source\":\"/a,b\",\"destination\":\"/x\"}");
	parses("\"src=say \"\"hi\"\"\",dst=/x", "{\"source\":\"say \\\"hi\\\"\",\"destination\":\"/x\"}");
	parses("\"src=a\nb\",dst=/x", "{\"source\":\"a\\nb\",\"destination\":\"/x\"}");
	parses("\"src=a\r\nb\",dst=/x", "{\"source\":\"a\\nb\",\"destination\":\"/x\"}");
}

static void only_the_first_record_counts(void **state)
{
	parses("\n\r\ndst=/x\nnonsense", "{\"destination\":\"/x\"}");
	parses("dst=/x\r", "{\"destination\":\"/x\"}");
	parses("dst=/x\ry", "{\"destination\":\"/x\\ry\"}");
	parses("\"dst=/x\"\nnonsense", "{\"destination\":\"/x\"}");
}

static void errors_have_ctrs_texts(void **state)
{
	fails("type=bind,ro", "invalid mount specification: expected key=val");
	fails("type=bind,", "invalid mount specification: expected key=val");
	fails("readonly=1", "mount option \"readonly\" not supported");
	fails("a\"b=1", "parse error on line 1, column 2: bare \" in non-quoted-field");
	fails("\"src=a\"b,dst=/x",
	      "parse error on line 1, column 7: extraneous or missing \" in quoted-field");
	fails("\"src=/a,dst=/x",
	      "parse error on line 1, column 15: extraneous or missing \" in quoted-field");
	fails("\"src=/a\n,dst=/x",
	      "record on line 1; parse error on line 2, column 8: extraneous or missing \" in quoted-field");
	fails("\na\"b", "parse error on line 2, column 2: bare \" in non-quoted-field");
	fails("", "invalid mount specification: it is empty");
	fails("\n\n", "invalid mount specification: it is empty");
	fails("\"a\\\n\"=1",
	      "record on line 1; parse error on line 2, column 1: extraneous or missing \" in quoted-field");
	fails("x\ty=1", "mount option \"x\\ty\" not supported");
	fails("src=\xff,dst=/x", "source: \"\xff\" is not valid UTF-8");
}

static int count_destination(json_t *spec, const char *destination)
{
	json_t *m;
	size_t i;
	int n = 0;

	json_array_foreach(json_object_get(spec, "mounts"), i, m) n +=
		streq(json_string_value(json_object_get(m, "destination")), destination);
	return n;
}

static void a_flag_replaces_the_mount_with_an_equal_destination(void **state)
{
	struct cor_spec_options o = options();
	_cleanup_json_ json_t *spec = NULL;

	o.mounts =
		LIST("type=bind,src=/shm,dst=/dev/shm", "type=tmpfs,dst=/run/", "dst=/twice", "dst=/twice");
	spec = built(&o, NULL, -1);
	assert_int_equal(count_destination(spec, "/dev/shm"), 1);
	assert_json(spec, "mounts.6.source", "\"/shm\"");
	assert_int_equal(count_destination(spec, "/run"),
			 1); /* "/run/" is not cleaned, so it does not match */
	assert_int_equal(count_destination(spec, "/run/"), 1);
	assert_int_equal(count_destination(spec, "/twice"), 2);
	assert_int_equal(json_array_size(json_object_get(spec, "mounts")), 6 + 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_their_short_forms),
		cmocka_unit_test(quotes_hold_commas_quotes_and_newlines),
		cmocka_unit_test(only_the_first_record_counts),
		cmocka_unit_test(errors_have_ctrs_texts),
		cmocka_unit_test(a_flag_replaces_the_mount_with_an_equal_destination),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
