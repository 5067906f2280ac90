/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --seccomp and --seccomp-profile. The default profile depends on the bounding set, so this step comes after the
 * capabilities and after --privileged, which clears what was there before. A profile from a file is the "seccomp" object
 * of the runtime spec; like ctr we take over the members that the spec has and nothing else (Docker's own additions, say,
 * mean nothing to a runtime).
 */
#include "spec/internal.h"

/* Docker's profile has 15 KiB; it all goes into the container's record. */
#define PROFILE_MAX (1u << 20)

int cor_spec_check_seccomp(const struct cor_spec_options *o, struct cor_error *err)
{
	if (!o->seccomp && !cor_empty(o->seccomp_profile))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "seccomp must be set to true, if using a custom seccomp-profile");
	return 0;
}

/* What a runtime cannot do without, and what it would say less clearly. */
static int check_rules(const json_t *profile, struct cor_error *err)
{
	const json_t *rule;
	size_t i;

	if (!json_is_string(json_object_get(profile, "defaultAction")))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "defaultAction: missing");
	json_array_foreach(json_object_get(profile, "syscalls"), i, rule)
	{
		if (json_array_size(json_object_get(rule, "names")) == 0)
			return cor_error_set(err, COR_INVALID_ARGUMENT, "syscalls[%zu].names: missing", i);
		if (!json_is_string(json_object_get(rule, "action")))
			return cor_error_set(err, COR_INVALID_ARGUMENT, "syscalls[%zu].action: missing", i);
	}
	return 0;
}

int cor_spec_seccomp_parse(const char *text, size_t len, json_t **ret, struct cor_error *err)
{
	_cleanup_json_ json_t *profile = NULL;
	int r = cor_json_parse(text, len, "profile", &profile, err);

	if (r >= 0 && !json_is_object(profile))
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "expected object");
	if (r >= 0)
		r = cor_spec_config_seccomp(profile, err);
	if (r >= 0)
		r = check_rules(profile, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(profile);
	return 0;
}

static int load(const char *path, json_t **ret, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL, *quoted = cor_spec_quote(path);
	size_t len = 0;
	int r = cor_spec_read_file_max(path, PROFILE_MAX, &text, &len, err);

	if (r < 0)
		return cor_error_wrap(err, r, "cannot load seccomp profile %s", COR_SPEC_QUOTED(quoted));
	r = cor_spec_seccomp_parse(text, len, ret, err);
	return r < 0 ? cor_error_wrap(err, r, "decoding seccomp profile failed %s", COR_SPEC_QUOTED(quoted))
		     : 0;
}

int cor_spec_apply_seccomp(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *lnx, *process, *profile = NULL;
	int r;

	if (!b->options->seccomp || !cor_empty(b->options->seccomp_profile))
		return 0;
	r = cor_spec_linux(b->spec, &lnx, err);
	if (r >= 0)
		r = cor_spec_process(b->spec, &process, err);
	if (r >= 0)
		r = cor_spec_seccomp_default(
			json_object_get(json_object_get(process, "capabilities"), "bounding"), &profile, err);
	return r < 0 ? r : cor_spec_put(lnx, "seccomp", profile, err);
}

int cor_spec_apply_seccomp_profile(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *lnx, *profile = NULL;
	int r;

	if (!b->options->seccomp || cor_empty(b->options->seccomp_profile))
		return 0;
	r = cor_spec_linux(b->spec, &lnx, err);
	if (r >= 0)
		r = load(b->options->seccomp_profile, &profile, err);
	return r < 0 ? r : cor_spec_put(lnx, "seccomp", profile, err);
}
