/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From "name|uid[:group|gid]" to process.user. A part that reads as a decimal number is one: out of range it is an
 * error and never looked up as a name (CVE-2024-40635), whatever names the passwd file has.
 *
 *   given        uid                gid                    additionalGids
 *   uid          uid                entry's, else 0        as cor_spec_user_set_groups says, else the gid
 *   name         entry's            entry's                likewise
 *   x:y          number or entry's  number or entry's      the gid alone
 */
#include <errno.h>

#include "spec/internal.h"
#include "spec/passwd.h"

/* NGROUPS_MAX: more cannot be set anyway. */
#define GROUPS_MAX 65536

struct user {
	uint32_t uid, gid;
};

static int out_of_range(const char *value, const char *which, struct cor_error *err)
{
	_cleanup_free_ char *quoted = cor_spec_quote(value);

	return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid USER value %s: %s out of range",
			     COR_SPEC_QUOTED(quoted), which);
}

/* As Go's strconv.Atoi sees s: 1 and the value for a number in range, 0 when it is no number (a name), -ERANGE. A
 * number too large for 64 bits is a number even when letters follow. */
static int parse_id(const char *s, uint32_t *ret)
{
	bool negative = *s == '-';
	int64_t value = 0;

	if (*s == '-' || *s == '+')
		s++;
	if (!*s)
		return 0;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return 0;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *s - '0', &value))
			return -ERANGE;
	}
	if (value > COR_USER_ID_MAX || (negative && value > 0))
		return -ERANGE;
	*ret = (uint32_t)value;
	return 1;
}

static int need_rootfs(int rootfs_fd, struct cor_error *err)
{
	return rootfs_fd >= 0
		       ? 0
		       : cor_error_set(err, COR_FAILED_PRECONDITION, "rootfs absolute path is required");
}

static int bad_entry(const char *path, struct cor_text name, const char *which, struct cor_error *err)
{
	return cor_error_set(err, COR_INVALID_ARGUMENT,
			     "/%s: entry \"%.*s\": %s is not a number between 0 and %d", path,
			     (int)(name.n < 200 ? name.n : 200), name.p, which, COR_USER_ID_MAX);
}

/* ---- lookups ---- */

/* The user called `name`; NOT_FOUND "no users found". */
static int user_by_name(int rootfs_fd, const char *name, struct user *ret, struct cor_error *err)
{
	_cleanup_free_ char *data = NULL;
	struct cor_passwd_entry e;
	struct cor_text text = {0};
	int r = need_rootfs(rootfs_fd, err);

	if (r >= 0)
		r = cor_passwd_read(rootfs_fd, "etc/passwd", &data, &text.n, err);
	if (r < 0)
		return r;
	text.p = data;
	while (cor_passwd_next(&text, &e)) {
		if (!cor_text_equal(e.name, name))
			continue;
		if (e.uid < 0 || e.gid < 0)
			return bad_entry("etc/passwd", e.name, e.uid < 0 ? "uid" : "gid", err);
		*ret = (struct user){(uint32_t)e.uid, (uint32_t)e.gid};
		return 0;
	}
	return cor_error_set(err, COR_NOT_FOUND, "no users found");
}

/* The first user with this uid: 1 and its name (caller frees) and gid, 0 when the file or the entry is missing. */
static int user_by_id(int rootfs_fd, uint32_t uid, char **ret_name, uint32_t *ret_gid, struct cor_error *err)
{
	_cleanup_free_ char *data = NULL, *name = NULL;
	struct cor_passwd_entry e;
	struct cor_text text = {0};
	int r = need_rootfs(rootfs_fd, err);

	if (r < 0)
		return r;
	r = cor_passwd_read(rootfs_fd, "etc/passwd", &data, &text.n, err);
	if (r == -ENOENT) {
		cor_error_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	text.p = data;
	while (cor_passwd_next(&text, &e)) {
		if (e.uid != uid)
			continue;
		if (e.gid < 0)
			return bad_entry("etc/passwd", e.name, "gid", err);
		name = strndup(e.name.p, e.name.n);
		if (!name)
			return cor_error_oom(err);
		*ret_name = TAKE_PTR(name);
		*ret_gid = (uint32_t)e.gid;
		return 1;
	}
	return 0;
}

static int group_by_name(int rootfs_fd, const char *name, uint32_t *ret, struct cor_error *err)
{
	_cleanup_free_ char *data = NULL;
	struct cor_group_entry e;
	struct cor_text text = {0};
	int r = need_rootfs(rootfs_fd, err);

	if (r >= 0)
		r = cor_passwd_read(rootfs_fd, "etc/group", &data, &text.n, err);
	if (r < 0)
		return r;
	text.p = data;
	while (cor_group_next(&text, &e)) {
		if (!cor_text_equal(e.name, name))
			continue;
		if (e.gid < 0)
			return bad_entry("etc/group", e.name, "gid", err);
		*ret = (uint32_t)e.gid;
		return 0;
	}
	return cor_error_set(err, COR_NOT_FOUND, "no groups found");
}

/* The groups that list the user, other than the one named like it. A missing file is an empty one. */
static int groups_of(int rootfs_fd, const char *user, json_t *ret_gids, struct cor_error *err)
{
	_cleanup_free_ char *data = NULL;
	struct cor_group_entry e;
	struct cor_text text = {0};
	int r = cor_passwd_read(rootfs_fd, "etc/group", &data, &text.n, err);

	if (r == -ENOENT) {
		cor_error_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	text.p = data;
	while (cor_group_next(&text, &e)) {
		if (cor_text_equal(e.name, user) || !cor_group_has_member(&e, user))
			continue;
		if (e.gid < 0)
			return bad_entry("etc/group", e.name, "gid", err);
		if (json_array_size(ret_gids) >= GROUPS_MAX)
			return cor_error_set(err, COR_RESOURCE_EXHAUSTED,
					     "/etc/group: user in more than %d groups", GROUPS_MAX);
		r = cor_spec_push(ret_gids, json_integer(e.gid), err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- process.user ---- */

/* additionalGids := gids, led by the primary group when that is not among them. Consumes gids. */
static int put_groups(json_t *user, json_t *gids_take, struct cor_error *err)
{
	_cleanup_json_ json_t *gids = gids_take;
	json_int_t primary = json_integer_value(json_object_get(user, "gid"));
	json_t *gid;
	size_t i;

	json_array_foreach(gids, i, gid) if (json_integer_value(gid) == primary) return cor_spec_put(
		user, "additionalGids", TAKE_PTR(gids), err);
	if (!gids || json_array_insert_new(gids, 0, json_integer(primary)) < 0)
		return cor_error_oom(err);
	return cor_spec_put(user, "additionalGids", TAKE_PTR(gids), err);
}

static int resolve_single(int rootfs_fd, const char *value, struct user *ret, struct cor_error *err)
{
	_cleanup_free_ char *name = NULL;
	int r = parse_id(value, &ret->uid);

	if (r == -ERANGE)
		return out_of_range(value, "uid", err);
	if (r == 0)
		return user_by_name(rootfs_fd, value, ret, err);
	ret->gid = 0;
	return user_by_id(rootfs_fd, ret->uid, &name, &ret->gid, err);
}

static int resolve_pair(int rootfs_fd, const char *value, struct user *ret, struct cor_error *err)
{
	const char *colon = strchr(value, ':');
	_cleanup_free_ char *first = strndup(value, (size_t)(colon - value));
	struct user entry;
	int u, g, r = 0;

	if (!first)
		return cor_error_oom(err);
	u = parse_id(first, &ret->uid);
	g = parse_id(colon + 1, &ret->gid);
	if (u == -ERANGE || g == -ERANGE)
		return out_of_range(value, u == -ERANGE ? "uid" : "gid", err);
	/* An empty part counts as 0. */
	if (u == 0 && *first) {
		r = user_by_name(rootfs_fd, first, &entry, err);
		ret->uid = r < 0 ? 0 : entry.uid;
	}
	if (r >= 0 && g == 0 && colon[1])
		r = group_by_name(rootfs_fd, colon + 1, &ret->gid, err);
	return r;
}

int cor_spec_user_set(json_t *process, int rootfs_fd, const char *value, struct cor_error *err)
{
	const char *colon = strchr(value, ':');
	struct user found = {0};
	json_t *user;
	int r;

	if (colon && strchr(colon + 1, ':'))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid USER value %s", value);
	r = colon ? resolve_pair(rootfs_fd, value, &found, err)
		  : resolve_single(rootfs_fd, value, &found, err);
	if (r >= 0)
		r = cor_spec_object(process, "user", &user, err);
	if (r >= 0)
		r = cor_spec_put(user, "uid", json_integer(found.uid), err);
	if (r >= 0)
		r = cor_spec_put(user, "gid", json_integer(found.gid), err);
	return r < 0 ? r : put_groups(user, json_array(), err);
}

int cor_spec_user_set_groups(json_t *process, int rootfs_fd, const char *value, struct cor_error *err)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_json_ json_t *gids = json_array();
	uint32_t uid, gid;
	json_t *user;
	int numeric = parse_id(value, &uid), found = 1, r;

	if (!gids)
		return cor_error_oom(err);
	r = need_rootfs(rootfs_fd, err);
	if (r >= 0 && numeric == -ERANGE)
		r = out_of_range(value, "uid", err);
	if (r >= 0 && numeric == 1)
		r = found = user_by_id(rootfs_fd, uid, &name, &gid, err);
	if (r >= 0 && found)
		r = groups_of(rootfs_fd, name ? name : value, gids, err);
	if (r >= 0)
		r = cor_spec_object(process, "user", &user, err);
	return r < 0 ? r : put_groups(user, TAKE_PTR(gids), err);
}
