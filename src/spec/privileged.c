/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --privileged: the caller's capabilities (not all that exist: Coracle may itself run in a container), nothing masked
 * or read-only, sysfs and cgroup mounts writable, no seccomp, AppArmor or SELinux; unless
 * --privileged-without-host-devices is given too, every device of the host. noNewPrivileges stays as it was.
 */
#include "spec/internal.h"

int cor_spec_check_privileged(const struct cor_spec_options *o, struct cor_error *err)
{
	if (o->privileged_without_host_devices && !o->privileged)
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"can't use 'privileged-without-host-devices' without 'privileged' specified");
	return 0;
}

/* Mount option "ro" becomes "rw" for sysfs and cgroup mounts, wherever they come from. */
static int make_writable(json_t *spec, struct cor_error *err)
{
	json_t *m, *option, *options;
	size_t i, j;

	json_array_foreach(json_object_get(spec, "mounts"), i, m)
	{
		const char *type = json_string_value(json_object_get(m, "type"));

		if (!type || (!streq(type, "sysfs") && !streq(type, "cgroup")))
			continue;
		options = json_object_get(m, "options");
		json_array_foreach(options, j, option)
		{
			const char *s = json_string_value(option);

			if (s && streq(s, "ro") && json_array_set_new(options, j, json_string("rw")) < 0)
				return cor_error_oom(err);
		}
	}
	return 0;
}

static int lift_confinement(json_t *spec, struct cor_error *err)
{
	json_t *lnx, *process;
	int r = cor_spec_linux(spec, &lnx, err);

	if (r >= 0)
		r = cor_spec_process(spec, &process, err);
	if (r < 0)
		return r;
	json_object_del(lnx, "maskedPaths");
	json_object_del(lnx, "readonlyPaths");
	json_object_del(lnx, "seccomp");
	json_object_del(process, "selinuxLabel");
	json_object_del(process, "apparmorProfile");
	return make_writable(spec, err);
}

static int allow_all_devices(json_t *spec, struct cor_error *err)
{
	json_t *resources;
	int r = cor_spec_resources(spec, &resources, err);

	return r < 0 ? r
		     : cor_spec_put(resources, "devices",
				    json_pack("[{s:b, s:s}]", "allow", 1, "access", "rwm"), err);
}

int cor_spec_apply_privileged(struct cor_spec_build *b, struct cor_error *err)
{
	_cleanup_strv_ char **caps = NULL;
	int r;

	if (!b->options->privileged)
		return 0;
	r = cor_spec_current_caps(&caps, err);
	if (r >= 0)
		r = cor_spec_set_caps(b->spec, caps, err);
	if (r >= 0)
		r = lift_confinement(b->spec, err);
	if (r < 0)
		return r;
	if (b->options->privileged_without_host_devices)
		return cor_spec_explained(b, "--privileged, --privileged-without-host-devices", err);
	r = allow_all_devices(b->spec, err);
	return r < 0 ? r : cor_spec_add_host_devices(b->spec, err);
}
