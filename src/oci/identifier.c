/* SPDX-License-Identifier: Apache-2.0 */
/* Names that become parts of paths, sockets and cgroups: an allow-list, so that no such name can leave its directory. */
#include "oci/identifier.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"

#define MAX_LENGTH       76
#define LABEL_MAX_LENGTH 4096
#define PATTERN          "^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$"

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Alphanumeric runs joined by single separators. */
static bool matches(const char *s)
{
	bool after_alnum = false;

	for (; *s; s++) {
		if (is_alnum(*s))
			after_alnum = true;
		else if (after_alnum && strchr("._-", *s))
			after_alnum = false;
		else
			return false;
	}
	return after_alnum;
}

int cor_identifier_validate(const char *what, const char *id, struct cor_error *err)
{
	const char *colon = what ? ": " : "";

	what = what ? what : "";
	if (cor_empty(id))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "%s%sidentifier must not be empty: invalid argument", what, colon);
	if (strnlen(id, MAX_LENGTH + 1) > MAX_LENGTH)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "%s%sidentifier \"%.128s\" greater than maximum length (%d characters): "
				     "invalid argument",
				     what, colon, id, MAX_LENGTH);
	if (!matches(id))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "%s%sidentifier \"%s\" must match " PATTERN ": invalid argument", what,
				     colon, id);
	return 0;
}

int cor_label_validate(const char *key, const char *value, struct cor_error *err)
{
	size_t n = strlen(key) + strlen(value);

	if (n > LABEL_MAX_LENGTH)
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"label key and value length (%zu bytes) greater than maximum size (%d bytes), "
			"key: %.10s: invalid argument",
			n, LABEL_MAX_LENGTH, key);
	return 0;
}
