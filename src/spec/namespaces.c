/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces: --net-host takes the network namespace out (and brings the host's name resolution in), --with-ns joins
 * an existing one. The time namespace is refused as ctr refuses it.
 */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "spec/internal.h"

static const char *const namespace_types[] = {"pid", "network", "uts", "mount", "user", "ipc", "cgroup"};

static ssize_t find_namespace(const json_t *namespaces, const char *type)
{
	for (size_t i = 0; i < json_array_size(namespaces); i++) {
		const json_t *ns = json_array_get(namespaces, i);
		const char *t = json_string_value(json_object_get(ns, "type"));

		if (t && streq(t, type))
			return (ssize_t)i;
	}
	return -1;
}

static int get_namespaces(json_t *spec, json_t **ret, struct cor_error *err)
{
	json_t *lnx;
	int r = cor_spec_linux(spec, &lnx, err);

	return r < 0 ? r : cor_spec_array(lnx, "namespaces", ret, err);
}

/* HOSTNAME=<the host's>, over whatever --env and the image say. */
static int put_hostname_env(json_t *spec, struct cor_error *err)
{
	char entry[sizeof("HOSTNAME=") + HOST_NAME_MAX + 1] = "HOSTNAME=";
	char *const overrides[] = {entry, NULL};
	json_t *process;
	int r;

	if (gethostname(entry + strlen(entry), HOST_NAME_MAX + 1) < 0)
		return cor_error_errno(err, errno, "get hostname");
	r = cor_spec_process(spec, &process, err);
	return r < 0 ? r : cor_spec_env_override(process, overrides, err);
}

int cor_spec_apply_net_host(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *namespaces;
	ssize_t at;
	int r;

	if (!b->options->net_host)
		return 0;
	r = get_namespaces(b->spec, &namespaces, err);
	if (r < 0)
		return r;
	at = find_namespace(namespaces, "network");
	if (at >= 0)
		json_array_remove(namespaces, (size_t)at);
	r = cor_spec_add_bind(b->spec, "/etc/hosts", err);
	if (r >= 0)
		r = cor_spec_add_bind(b->spec, "/etc/resolv.conf", err);
	return r < 0 ? r : put_hostname_env(b->spec, err);
}

int cor_spec_check_with_ns(const struct cor_spec_options *o, struct cor_error *err)
{
	for (char *const *flag = o->with_ns; flag && *flag; flag++) {
		const char *colon = strchr(*flag, ':');
		size_t n = colon ? (size_t)(colon - *flag) : 0, i = 0;

		if (!colon)
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "joining a Linux namespace using --with-ns requires the format "
					     "'nstype:path'");
		while (i < ARRAY_SIZE(namespace_types) &&
		       (strlen(namespace_types[i]) != n || strncmp(namespace_types[i], *flag, n) != 0))
			i++;
		if (i == ARRAY_SIZE(namespace_types))
			return cor_error_set(
				err, COR_INVALID_ARGUMENT,
				"the Linux namespace type specified in --with-ns is not valid: %.*s",
				(int)MIN(n, 200), *flag);
	}
	return 0;
}

static int join_namespace(json_t *namespaces, const char *flag, struct cor_error *err)
{
	const char *colon = strchr(flag, ':'); /* checked */
	json_t *ns = json_pack("{s:s%}", "type", flag, (size_t)(colon - flag));
	ssize_t at;
	int r;

	if (!ns)
		return cor_error_oom(err);
	at = find_namespace(namespaces, json_string_value(json_object_get(ns, "type")));
	r = at < 0 ? json_array_append_new(namespaces, ns) : json_array_set_new(namespaces, (size_t)at, ns);
	if (r < 0)
		return cor_error_oom(err);
	return colon[1] ? cor_spec_put_string(ns, "path", colon + 1, err) : 0;
}

int cor_spec_apply_with_ns(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *namespaces;
	int r;

	if (cor_strv_len(b->options->with_ns) == 0)
		return 0;
	r = get_namespaces(b->spec, &namespaces, err);
	for (char *const *flag = b->options->with_ns; r >= 0 && *flag; flag++)
		r = join_namespace(namespaces, *flag, err);
	return r;
}
