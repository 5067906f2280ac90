/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of src/cdi share: texts that are taken or refused, with the message. */
#ifndef TEST_CDI_HELPERS_H
#define TEST_CDI_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "cdi/internal.h"

#define LIST(...) ((char *const *)(const char *const[]){__VA_ARGS__, NULL})

typedef int (*parse_fn)(const char *text, size_t len, json_t **ret, struct cor_error *err);

static inline void assert_json_equal(const json_t *have, const char *want_text, const char *what)
{
	_cleanup_json_ json_t *want = json_loads(want_text, JSON_DECODE_ANY, NULL);
	_cleanup_free_ char *text = cor_json_dump(have);

	if (!want)
		fail_msg("bad test: %s", want_text);
	if (!json_equal(have, want))
		fail_msg("%s: have %s, want %s", what, text ? text : "nothing", want_text);
}

static inline void assert_taken(parse_fn parse, const char *text, const char *json)
{
	_cleanup_json_ json_t *j = NULL;
	struct cor_error err = {0};

	if (parse(text, strlen(text), &j, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	assert_json_equal(j, json, text);
}

static inline void assert_not_taken(parse_fn parse, const char *text, const char *message)
{
	struct cor_error err = {0};
	json_t *j = NULL;

	if (parse(text, strlen(text), &j, &err) >= 0)
		fail_msg("taken: %s", text);
	assert_null(j);
	assert_string_equal(err.message, message);
	assert_int_equal(err.code, COR_INVALID_ARGUMENT);
}

#endif
