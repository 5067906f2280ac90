/* SPDX-License-Identifier: Apache-2.0 */
/* Read when the container has ended, rather than kept: memory is what the shim must not use. */
#include "shim/config_facts.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cgroup.h"
#include "base/fd.h"
#include "base/str.h"
#include "shim/json_scan.h"

#define CONFIG_MAX (16u << 20)

static bool makes_pid_namespace(const char *linux_part)
{
	const char *list = cor_scan_member(linux_part, "namespaces");
	for (const char *ns = cor_scan_first(list); ns; ns = cor_scan_next(ns)) {
		_cleanup_free_ char *type = cor_scan_string(cor_scan_member(ns, "type"));
		_cleanup_free_ char *path = cor_scan_string(cor_scan_member(ns, "path"));
		if (type && streq(type, "pid"))
			return cor_empty(path);
	}
	return false;
}

int cor_config_facts_read(int bundle_fd, struct cor_config_facts *ret)
{
	_cleanup_free_ char *config = NULL;
	int r = cor_read_file_at(bundle_fd, "config.json", CONFIG_MAX, &config, NULL, NULL);
	if (r < 0)
		return r;
	const char *linux_part = cor_scan_member(config, "linux");
	char *path = cor_scan_string(cor_scan_member(linux_part, "cgroupsPath"));
	if (!path)
		path = strdup("");
	if (!path)
		return -ENOMEM;
	*ret = (struct cor_config_facts){
		.own_pid_namespace = makes_pid_namespace(linux_part),
		.poststop_hooks =
			cor_scan_first(cor_scan_member(cor_scan_member(config, "hooks"), "poststop")) != NULL,
		.intel_rdt = cor_scan_member(linux_part, "intelRdt") != NULL,
		.cgroups_path = path,
	};
	return 0;
}

void cor_config_facts_done(struct cor_config_facts *f)
{
	free(f->cgroups_path);
	f->cgroups_path = NULL;
}

void cor_config_facts_kill_rest(int bundle_fd, const char *ns, const char *id)
{
	struct cor_config_facts facts;
	_cleanup_free_ char *own = cor_asprintf("/%s/%s", ns, id);
	if (cor_config_facts_read(bundle_fd, &facts) < 0)
		return;
	if (!facts.own_pid_namespace && own && streq(facts.cgroups_path, own))
		cor_cgroup_kill(facts.cgroups_path);
	else if (cor_cgroup_path_is_own(facts.cgroups_path))
		cor_cgroup_thaw(facts.cgroups_path);
	cor_config_facts_done(&facts);
}
