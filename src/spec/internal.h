/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of src/spec: one build in progress, the function of each flag group, and the helpers over the JSON document.
 *
 * Every apply function takes the build as left by the one before it (spec.c has the order) and is a no-op when its
 * flag was not given. Every check function looks at the flags alone; all checks run before the first apply, as ctr
 * refuses bad flags before it makes anything.
 */
#ifndef COR_SPEC_INTERNAL_H
#define COR_SPEC_INTERNAL_H

#include "spec/spec.h"

/* The version that our documents name: the oldest that has all of their members, because runtimes refuse what is newer
 * than they are (crun before 1.9 takes 1.0 only). And the newest that is understood in a --config file. */
#define COR_SPEC_VERSION           "1.0.2"
#define COR_SPEC_VERSION_SUPPORTED "1.3.0"
/* Files named by flags (--config, --env-file). */
#define COR_SPEC_FILE_MAX          (16u << 20)

struct cor_spec_build {
	const struct cor_spec_options *options;
	const struct cor_image_config *image; /* NULL: none */
	int rootfs_fd;                        /* -1: none */
	json_t *spec;
};

/* What the document has become since the last call was set by `source`. Steps get this done for them by their row in spec.c;
 * one with several sources calls it in between. */
static inline int cor_spec_explained(struct cor_spec_build *b, const char *source, struct cor_error *err)
{
	return b->options->explain ? cor_explain_step(b->options->explain, b->spec, source, err) : 0;
}

/* ---- document.c: members are made when absent (or null), errors name the member ---- */
/* Borrowed object or array below obj. */
int cor_spec_object(json_t *obj, const char *key, json_t **ret, struct cor_error *err);
int cor_spec_array(json_t *obj, const char *key, json_t **ret, struct cor_error *err);
/* spec.process, spec.linux, spec.linux.resources. */
int cor_spec_process(json_t *spec, json_t **ret, struct cor_error *err);
int cor_spec_linux(json_t *spec, json_t **ret, struct cor_error *err);
int cor_spec_resources(json_t *spec, json_t **ret, struct cor_error *err);
/* Sets a member or appends an element; value is consumed, NULL stands for "out of memory". */
int cor_spec_put(json_t *obj, const char *key, json_t *value, struct cor_error *err);
int cor_spec_push(json_t *array, json_t *value, struct cor_error *err);
/* Strings must be UTF-8: a JSON document cannot carry anything else (INVALID_ARGUMENT, named by `what`). */
int cor_spec_string(const char *what, const char *s, json_t **ret, struct cor_error *err);
int cor_spec_put_string(json_t *obj, const char *key, const char *s, struct cor_error *err);
/* An empty vector removes the member, as Go's omitempty does. */
int cor_spec_put_strv(json_t *obj, const char *key, char *const *v, struct cor_error *err);
/* A number from an unsigned flag; above INT64_MAX is INVALID_ARGUMENT, named by `flag`. */
int cor_spec_put_u64(json_t *obj, const char *key, uint64_t n, const char *flag, struct cor_error *err);
/* s in double quotes, escaped so that it stays on one line. Caller frees; NULL on ENOMEM. */
char *cor_spec_quote(const char *s);
/* `<quoted s>` or "?" for use inside one message. */
#define COR_SPEC_QUOTED(q) ((q) ? (q) : "?")
/* The whole of a file that a flag names: "open <path>: no such file or directory". */
int cor_spec_read_file(const char *path, char **ret, size_t *ret_len, struct cor_error *err);
/* The same, of at most max bytes. */
int cor_spec_read_file_max(const char *path, size_t max, char **ret, size_t *ret_len, struct cor_error *err);

/* ---- config_file.c ---- */
/* Parses and checks the shape of a runtime-spec document; members it does not know are kept. */
int cor_spec_config_parse(const char *text, size_t len, json_t **ret, struct cor_error *err);
int cor_spec_config_load(const char *path, json_t **ret, struct cor_error *err);
/* Checks the shape of a "seccomp" object, and removes what the runtime spec does not have. */
int cor_spec_config_seccomp(json_t *profile, struct cor_error *err);

/* ---- env.c ---- */
/* ctr's merge: each override replaces the default of the same name or is appended; one without "=" removes. */
int cor_spec_env_merge(char *const *defaults, char *const *overrides, char ***ret, struct cor_error *err);
/* process.env := merge(process.env, overrides). */
int cor_spec_env_override(json_t *process, char *const *overrides, struct cor_error *err);
int cor_spec_apply_env_file(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_env(struct cor_spec_build *b, struct cor_error *err);

/* ---- mounts.c ---- */
/* One --mount value into {destination, type, source, options}. */
int cor_spec_mount_parse(const char *flag, json_t **ret, struct cor_error *err);
int cor_spec_add_bind(json_t *spec, const char *path, struct cor_error *err);
int cor_spec_apply_mounts(struct cor_spec_build *b, struct cor_error *err);

/* ---- process.c ---- */
int cor_spec_apply_rootfs(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_image(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_read_only(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_args(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_cwd(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_user(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_tty(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_new_privileges(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_hostname(struct cor_spec_build *b, struct cor_error *err);

/* ---- user.c ---- */
/* process.user for "name|uid[:group|gid]": supplementary groups are reset to the primary one. */
int cor_spec_user_set(json_t *process, int rootfs_fd, const char *user, struct cor_error *err);
/* process.user.additionalGids for a name or a uid, the primary group always among them. */
int cor_spec_user_set_groups(json_t *process, int rootfs_fd, const char *user, struct cor_error *err);

/* ---- caps.c ---- */
int cor_spec_check_caps(const struct cor_spec_options *o, struct cor_error *err);
int cor_spec_set_caps(json_t *spec, char *const *caps, struct cor_error *err);
/* Names of the caller's effective capabilities. */
int cor_spec_current_caps(char ***ret, struct cor_error *err);
int cor_spec_apply_cap_add(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_cap_drop(struct cor_spec_build *b, struct cor_error *err);

/* ---- privileged.c ---- */
int cor_spec_check_privileged(const struct cor_spec_options *o, struct cor_error *err);
int cor_spec_apply_privileged(struct cor_spec_build *b, struct cor_error *err);

/* ---- blockio.c, quantity.c ---- */
int cor_spec_check_blockio(const struct cor_spec_options *o, struct cor_error *err);
int cor_spec_apply_blockio(struct cor_spec_build *b, struct cor_error *err);
/* Checks a configuration; *ret: linux.resources.blockIO of the class, or NULL without such a class (or class NULL). */
int cor_spec_blockio_parse(const char *text, size_t len, const char *class, json_t **ret,
			   struct cor_error *err);
/* "50M", "1.5Ki", "1e3": 0, or -EINVAL, -ERANGE. */
int cor_spec_parse_quantity(const char *s, int64_t *ret);

/* ---- seccomp.c, seccomp_default.c ---- */
int cor_spec_check_seccomp(const struct cor_spec_options *o, struct cor_error *err);
int cor_spec_apply_seccomp(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_seccomp_profile(struct cor_spec_build *b, struct cor_error *err);
/* A profile from a file's bytes. */
int cor_spec_seccomp_parse(const char *text, size_t len, json_t **ret, struct cor_error *err);
/* The default profile for a bounding set (array of names, or NULL: empty) on this architecture. */
int cor_spec_seccomp_default(const json_t *bounding, json_t **ret, struct cor_error *err);

/* ---- apparmor.c ---- */
int cor_spec_check_apparmor(const struct cor_spec_options *o, struct cor_error *err);
int cor_spec_apply_apparmor_default(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_apparmor(struct cor_spec_build *b, struct cor_error *err);
/* What the text of the default profile depends on. */
struct cor_spec_apparmor {
	const char *name;
	const char *manager;      /* the profile that this process runs under: it may send signals */
	const char *rootlesskit;  /* path of the program, or NULL */
	bool abi, tunables, base; /* whether abi/3.0, tunables/global, abstractions/base are installed */
};
/* Caller frees; NULL on ENOMEM. */
char *cor_spec_apparmor_text(const struct cor_spec_apparmor *a);
/* Makes sure that the kernel has a profile of this name: the default one unless there is one already. */
int cor_spec_apparmor_load(const char *name, struct cor_error *err);

/* ---- namespaces.c ---- */
int cor_spec_apply_net_host(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_check_with_ns(const struct cor_spec_options *o, struct cor_error *err);
int cor_spec_apply_with_ns(struct cor_spec_build *b, struct cor_error *err);

/* ---- userns.c ---- */
int cor_spec_check_userns(const struct cor_spec_options *o, struct cor_error *err);
int cor_spec_apply_userns(struct cor_spec_build *b, struct cor_error *err);

/* ---- resources.c ---- */
int cor_spec_check_cpu(const struct cor_spec_options *o, struct cor_error *err);
int cor_spec_apply_cpus(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_cpu_shares(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_cpu_quota(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_cpu_burst(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_cpuset_cpus(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_cpuset_mems(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_rdt(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_cgroup(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_memory(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_check_rlimit(const struct cor_spec_options *o, struct cor_error *err);
int cor_spec_apply_rlimit(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_propagation(struct cor_spec_build *b, struct cor_error *err);

/* ---- devices.c ---- */
int cor_spec_allow_default_devices(json_t *spec, struct cor_error *err);
/* Every node below /dev into linux.devices, without cgroup rules. */
int cor_spec_add_host_devices(json_t *spec, struct cor_error *err);
/* Nodes and trees of nodes; CDI's names are left to cor_spec_apply_cdi. */
int cor_spec_apply_devices(struct cor_spec_build *b, struct cor_error *err);

/* ---- cdi.c, cdi_edits.c ---- */
int cor_spec_check_gpus(const struct cor_spec_options *o, struct cor_error *err);
int cor_spec_apply_cdi(struct cor_spec_build *b, struct cor_error *err);
/* Makes the edits of cor_cdi_resolve. */
int cor_spec_cdi_edit(json_t *spec, const json_t *edits, struct cor_error *err);

/* ---- annotations.c ---- */
int cor_spec_check_annotations(const struct cor_spec_options *o, struct cor_error *err);
int cor_spec_apply_annotations(struct cor_spec_build *b, struct cor_error *err);
int cor_spec_apply_labels(struct cor_spec_build *b, struct cor_error *err);

#endif
