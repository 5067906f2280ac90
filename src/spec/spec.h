/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From run options to an OCI runtime spec: ctr's semantics in ctr's order (reference: ctr.md part 2). Written over
 * documents only: what needs the root file system (users) is asked through rootfs_fd.
 */
#ifndef COR_SPEC_SPEC_H
#define COR_SPEC_SPEC_H

#include "base/idmap.h"
#include "oci/image.h"
#include "oci/json.h"
#include "spec/explain.h"

/* Exactly what the flags said, unparsed where ctr parses late. Strings borrowed from argv. */
struct cor_spec_options {
	const char *id, *ns;
	char *const *args;       /* strv: command and arguments after the ID; NULL/empty: the image's */
	const char *config_file; /* --config */
	const char *rootfs;      /* --rootfs: the path; NULL: from an image */
	const char *env_file;
	char *const *env;
	char *const *mounts; /* --mount, CSV */
	char *const *annotations;
	char *const *labels; /* become annotations at the end */
	char *const *cap_add, *const *cap_drop;
	char *const *devices;
	char *const *gpus; /* --gpus: indices as text */
	char *const *with_ns;
	char *const *uid_maps, *const *gid_maps;    /* "container:host:size" each */
	const char *cwd, *user, *hostname, *cgroup; /* NULL: flag not given; cgroup "": clears */
	const char *rootfs_propagation, *rlimit_nofile;
	bool tty, read_only, net_host, privileged, allow_new_privs;
	bool privileged_without_host_devices;
	bool seccomp;
	const char *seccomp_profile;                             /* with seccomp only */
	const char *apparmor_default_profile, *apparmor_profile; /* not both */
	const char *cpuset_cpus, *cpuset_mems;
	uint64_t cpu_burst; /* microseconds; 0: not given */
	const char *rdt_class;
	const char *blockio_config_file, *blockio_class;
	bool memory_limit_set;
	uint64_t memory_limit;
	bool cpus_set;
	double cpus;
	bool cpu_shares_set; /* run: always true (default 1024) */
	uint64_t cpu_shares;
	int64_t cpu_quota;   /* -1: not given */
	uint64_t cpu_period; /* 0: not given */
	/* Not NULL: told who sets what (run --explain). Nothing is to be run then, so no step may change anything but the
	 * document: profiles are not loaded, and so on. */
	struct cor_explain *explain;
};

/* ctr's default spec for linux (oci.GenerateSpec). Caller json_decref's. */
int cor_spec_default(const char *ns, const char *id, json_t **ret, struct cor_error *err);
/* The same for the platforms that containerd knows a default for: windows and darwin have next to nothing in it, every other
 * system is taken for linux. */
int cor_spec_default_for(const char *os, const char *ns, const char *id, json_t **ret, struct cor_error *err);
/* The whole of it. image NULL: no image config (--rootfs, --config). rootfs_fd: the mounted root file system for
 * passwd/group lookups, or -1 when no lookup can be needed (see cor_spec_needs_rootfs). */
int cor_spec_build(const struct cor_spec_options *o, const struct cor_image_config *image, int rootfs_fd,
		   json_t **ret, struct cor_error *err);
/* What can be refused from the flags alone (conflicts, formats); cor_spec_build does it first, the client may earlier. */
int cor_spec_check(const struct cor_spec_options *o, struct cor_error *err);
/* Whether cor_spec_build will look into the root file system (it nearly always does for image runs: the supplementary
 * groups of the user; the client mounts a read-only view for it then). */
bool cor_spec_needs_rootfs(const struct cor_spec_options *o, const struct cor_image_config *image);

/* What the flags need of this host beyond the document: the default AppArmor profile is loaded into the kernel, an RDT
 * class needs a kernel with resctrl. For whoever is about to make the container, before anything is made. */
int cor_spec_prepare_host(const struct cor_spec_options *o, struct cor_error *err);

/* --uidmap or --gidmap given; both as maps, checked and sorted (spec/userns.c). */
bool cor_spec_has_userns(const struct cor_spec_options *o);
int cor_spec_id_maps(const struct cor_spec_options *o, struct cor_id_map *ret_uids,
		     struct cor_id_map *ret_gids, struct cor_error *err);

/* Process document for `tasks exec`: the container spec's process with args, cwd, terminal and user replaced. */
struct cor_exec_options {
	char *const *args;
	const char *cwd, *user;
	bool tty;
	char *const *env;
};
int cor_spec_exec_process(const json_t *container_spec, const struct cor_exec_options *o, int rootfs_fd,
			  json_t **ret, struct cor_error *err);

#endif
