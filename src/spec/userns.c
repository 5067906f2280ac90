/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --uidmap and --gidmap: a user namespace with these maps. Only for containers of images, as in ctr: what another root file
 * system holds is not remapped. (ctr goes on without a user namespace when one of the two is missing, or with --rootfs; a
 * container that was to be confined is then not. Here that is an error.)
 */
#include <errno.h>

#include "spec/internal.h"

/* The text of Go's strconv.ParseUint, which ctr passes on. Decimal only: what begins with 0 would be octal there. */
static int parse_number(const char *s, const char *which, uint32_t *ret, struct cor_error *err)
{
	_cleanup_free_ char *quoted = NULL;
	const char *reason = "invalid syntax";
	size_t digits = strspn(s, "0123456789");
	if (*s && !s[digits] && (s[0] != '0' || !s[1])) {
		if (cor_parse_u32(s, ret) == 0)
			return 0;
		reason = "value out of range";
	}
	quoted = cor_spec_quote(s);
	return cor_error_set(err, COR_INVALID_ARGUMENT,
			     "invalid %s for user namespace remapping: strconv.ParseUint: parsing %s: %s",
			     which, COR_SPEC_QUOTED(quoted), reason);
}

static int parse_range(const char *flag, struct cor_id_range *ret, struct cor_error *err)
{
	_cleanup_strv_ char **parts = cor_strv_split(flag, ':');
	if (!parts)
		return cor_error_oom(err);
	if (cor_strv_len(parts) != 3)
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"user namespace mappings require the format `container-id:host-id:size`");
	int r = parse_number(parts[0], "container id", &ret->container, err);
	if (r == 0)
		r = parse_number(parts[1], "host id", &ret->host, err);
	return r < 0 ? r : parse_number(parts[2], "size", &ret->size, err);
}

static int parse_map(const char *name, char *const *flags, struct cor_id_map *ret, struct cor_error *err)
{
	_cleanup_id_map_ struct cor_id_map m = {0};
	for (; flags && *flags; flags++) {
		struct cor_id_range range;
		int r = parse_range(*flags, &range, err);
		if (r < 0)
			return r;
		if (cor_id_map_add(&m, range) < 0)
			return cor_error_oom(err);
	}
	const char *fault = cor_id_map_fault(&m);
	if (fault)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: %s: invalid argument", name, fault);
	cor_id_map_sort(&m);
	*ret = m;
	m = (struct cor_id_map){0};
	return 0;
}

bool cor_spec_has_userns(const struct cor_spec_options *o)
{
	return cor_strv_len(o->uid_maps) > 0 || cor_strv_len(o->gid_maps) > 0;
}

int cor_spec_id_maps(const struct cor_spec_options *o, struct cor_id_map *ret_uids,
		     struct cor_id_map *ret_gids, struct cor_error *err)
{
	_cleanup_id_map_ struct cor_id_map uids = {0};
	bool u = cor_strv_len(o->uid_maps) > 0, g = cor_strv_len(o->gid_maps) > 0;
	if (u != g)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "flags --uidmap and --gidmap must be given together: %s is missing",
				     u ? "--gidmap" : "--uidmap");
	int r = parse_map("--uidmap", o->uid_maps, &uids, err);
	if (r == 0)
		r = parse_map("--gidmap", o->gid_maps, ret_gids, err);
	if (r < 0)
		return r;
	*ret_uids = uids;
	uids = (struct cor_id_map){0};
	return 0;
}

int cor_spec_check_userns(const struct cor_spec_options *o, struct cor_error *err)
{
	_cleanup_id_map_ struct cor_id_map uids = {0}, gids = {0};
	if (!cor_spec_has_userns(o))
		return 0;
	if (o->rootfs)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "--uidmap and --gidmap need an image: a custom rootfs is not remapped");
	return cor_spec_id_maps(o, &uids, &gids, err);
}

static int push_ranges(json_t *lnx, const char *key, const struct cor_id_map *m, struct cor_error *err)
{
	json_t *array;
	int r = cor_spec_array(lnx, key, &array, err);
	for (size_t i = 0; r >= 0 && i < m->n; i++)
		r = cor_spec_push(array,
				  json_pack("{s:I, s:I, s:I}", "containerID",
					    (json_int_t)m->items[i].container, "hostID",
					    (json_int_t)m->items[i].host, "size",
					    (json_int_t)m->items[i].size),
				  err);
	return r;
}

static bool has_user_namespace(const json_t *namespaces)
{
	const json_t *ns;
	size_t i;
	json_array_foreach(namespaces, i, ns)
	{
		const char *type = json_string_value(json_object_get(ns, "type"));
		if (type && streq(type, "user"))
			return true;
	}
	return false;
}

int cor_spec_apply_userns(struct cor_spec_build *b, struct cor_error *err)
{
	_cleanup_id_map_ struct cor_id_map uids = {0}, gids = {0};
	json_t *lnx, *namespaces;
	if (!cor_spec_has_userns(b->options))
		return 0;
	int r = cor_spec_id_maps(b->options, &uids, &gids, err);
	if (r >= 0)
		r = cor_spec_linux(b->spec, &lnx, err);
	if (r >= 0)
		r = cor_spec_array(lnx, "namespaces", &namespaces, err);
	if (r >= 0 && !has_user_namespace(namespaces))
		r = cor_spec_push(namespaces, json_pack("{s:s}", "type", "user"), err);
	if (r >= 0)
		r = push_ranges(lnx, "uidMappings", &uids, err);
	return r < 0 ? r : push_ranges(lnx, "gidMappings", &gids, err);
}
