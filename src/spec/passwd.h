/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user database of a root file system, without NSS: /etc/passwd and /etc/group as text.
 *
 * The files come from an image, so: they are resolved inside the root (at most 40 links), must be regular files, and
 * are read up to 10 MiB. A number in them that is not one, or is above 2147483647, is never turned into another
 * number: such an entry answers no lookup by number, and is an error when it is found by name.
 */
#ifndef COR_SPEC_PASSWD_H
#define COR_SPEC_PASSWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define COR_PASSWD_FILE_MAX (10u << 20)
/* The highest id that every runtime takes (runc refuses above it). */
#define COR_USER_ID_MAX     INT32_MAX

/* A piece of the text, not NUL-terminated. */
struct cor_text {
	const char *p;
	size_t n;
};
bool cor_text_equal(struct cor_text t, const char *s);

struct cor_passwd_entry {
	struct cor_text name;
	int64_t uid, gid; /* -1: not a number between 0 and COR_USER_ID_MAX */
};
struct cor_group_entry {
	struct cor_text name;
	int64_t gid;
	struct cor_text members; /* separated by commas */
};

/* Takes the next entry off *text; false at its end. Blank lines and, in a group file, comments are passed over. */
bool cor_passwd_next(struct cor_text *text, struct cor_passwd_entry *ret);
bool cor_group_next(struct cor_text *text, struct cor_group_entry *ret);
bool cor_group_has_member(const struct cor_group_entry *g, const char *user);

/* path is below rootfd ("etc/passwd"). -ENOENT with err set when there is no such file. Caller frees. */
int cor_passwd_read(int rootfd, const char *path, char **ret, size_t *ret_len, struct cor_error *err);

#endif
