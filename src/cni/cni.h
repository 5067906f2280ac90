/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container networks by CNI plugins: the configuration of a network, and running its plugins' ADD and DEL. Follows the CNI
 * specification 1.1.0 (https://www.cni.dev/docs/spec/) as the caller of plugins, and go-cni's choice of the network.
 *
 * Configuration files, and what plugins print, come from outside: sizes are bounded before anything is allocated, types are
 * checked, and errors are one line whatever is in them.
 */
#ifndef COR_CNI_CNI_H
#define COR_CNI_CNI_H

#include "oci/json.h"

#define COR_CNI_CONFIG_DIR "/etc/cni/net.d"
#define COR_CNI_INTERFACE  "eth0"
/* Where plugins are looked for, in this order; ends with NULL. */
extern const char *const cor_cni_plugin_dirs[];

/* Bounds of go-cni and our own: a configuration file, what a plugin may print as its result, plugins of one network. */
#define COR_CNI_CONFIG_MAX  (2u << 20)
#define COR_CNI_RESULT_MAX  (1u << 20)
#define COR_CNI_PLUGINS_MAX 64

struct cor_cni_network {
	char *name;      /* [A-Za-z0-9][A-Za-z0-9_.-]* */
	char *version;   /* one of 0.1.0 … 1.1.0 */
	json_t *plugins; /* array of objects, each with a string "type" that is a plain file name */
};
void cor_cni_network_done(struct cor_cni_network *n);
#define _cleanup_cni_network_ _cleanup_(cor_cni_network_done)

/* The first of the directory's files *.conf, *.conflist, *.json by name. FAILED_PRECONDITION `no network config found in DIR:
 * cni plugin not initialized`; INVALID_ARGUMENT names the file and ends with `invalid cni config`. */
int cor_cni_load(const char *dir, struct cor_cni_network *ret, struct cor_error *err);
/* A file's text; list: it is a .conflist, else a single plugin's configuration. */
int cor_cni_parse(const char *text, size_t len, bool list, struct cor_cni_network *ret,
		  struct cor_error *err);
/* To the document of a .conflist and back. New reference or NULL (out of memory). */
json_t *cor_cni_network_json(const struct cor_cni_network *n);
int cor_cni_network_from_json(const json_t *list, struct cor_cni_network *ret, struct cor_error *err);
/* Does some plugin say that it takes this of the runtime ("portMappings")? */
bool cor_cni_has_capability(const struct cor_cni_network *n, const char *capability);

/* What a plugin printed after ADD, checked; without a cniVersion it gets this one. */
int cor_cni_result_parse(const char *text, size_t len, const char *version, json_t **ret,
			 struct cor_error *err);
/* The addresses in it ("10.1.2.3/24"), whatever its version: a JSON array of strings. NULL: out of memory. */
json_t *cor_cni_result_addresses(const json_t *result);
/* What a failed plugin printed, as one line: "msg; details" of CNI's error object, or what can be said without one.
 * `how` is its end ("exit status 1"). Caller frees; NULL: out of memory. */
char *cor_cni_failure_text(const char *out, size_t out_len, const char *err_text, size_t err_len,
			   const char *how);

struct cor_cni_call {
	const char *container_id; /* "<namespace>-<id>" */
	const char *netns;        /* path; "": gone */
	const char *interface;
	const json_t *port_mappings; /* array for the capability portMappings, or NULL */
	const char *const *dirs;     /* plugin directories; NULL: cor_cni_plugin_dirs */
	int64_t timeout_ns;          /* of each plugin */
	int hold_fd; /* plugins inherit this descriptor (3), so that a lock on it lasts as long as they; -1: none */
	/* Asked when cancel_fd becomes readable: shall the plugin be stopped? -1: nobody cancels. */
	int cancel_fd;
	bool (*cancelled)(void *data);
	void *data;
};
/* ADD of each plugin, in order; each gets the result of the one before it. The last one's result. On failure those that
 * were added stay: call cor_cni_del. Errors as libcni's: `plugin type="bridge" failed (add): <msg>; <details>`. CANCELLED
 * when cancelled, DEADLINE_EXCEEDED over the time limit. */
int cor_cni_add(const struct cor_cni_network *n, const struct cor_cni_call *c, json_t **ret,
		struct cor_error *err);
/* DEL of each plugin, in reverse. result: of the ADD, or NULL. All are called, whatever the others say; the first error is
 * returned (NOT_FOUND: only because plugins are not installed). What says that the thing is not there is no error. */
int cor_cni_del(const struct cor_cni_network *n, const struct cor_cni_call *c, const json_t *result,
		struct cor_error *err);

#endif
