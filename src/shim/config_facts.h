/* SPDX-License-Identifier: Apache-2.0 */
/* What the shim has to know of a container's config.json beyond what it passes on to the runtime. */
#ifndef COR_SHIM_CONFIG_FACTS_H
#define COR_SHIM_CONFIG_FACTS_H

#include <stdbool.h>

struct cor_config_facts {
	bool own_pid_namespace; /* a new one: the kernel kills everything in it with init */
	bool poststop_hooks;    /* may want to see the root file system */
	bool intel_rdt;
	char *cgroups_path; /* "" when there is none */
};
/* What has to be assumed where nothing is known. */
#define COR_CONFIG_FACTS_UNKNOWN ((struct cor_config_facts){.poststop_hooks = true, .intel_rdt = true})
/* Reads config.json of the bundle. 0, or -errno and nothing is set. */
int cor_config_facts_read(int bundle_fd, struct cor_config_facts *ret);
void cor_config_facts_done(struct cor_config_facts *f);
/* After init was killed: a frozen container is thawed, so that it dies; and where init was not alone in killing the others
 * (no pid namespace of its own), what else is in the group of the container's own name, "/<ns>/<id>", is killed. In a group of
 * another name there may be others' processes: those are the runtime's to tell apart. */
void cor_config_facts_kill_rest(int bundle_fd, const char *ns, const char *id);

#endif
