/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of src/client: networks of containers (run --cni), and what the record says of them. */
#ifndef COR_CLIENT_NETWORK_H
#define COR_CLIENT_NETWORK_H

#include "cni/cni.h"
#include "client/task_io.h"

/* ---- network.c ---- */

/* What can be refused before anything is made: flags that contradict each other, no network configuration, ports that no
 * plugin of it publishes. */
int cor_network_check(const struct cor_create_options *o, struct cor_error *err);
/* The spec must give the container a network namespace of its own. Without --cni nothing is asked of it. */
int cor_network_check_spec(const struct cor_create_options *o, const json_t *spec, struct cor_error *err);
/* The extensions of a new record; none without --cni. */
int cor_network_extensions(const struct cor_create_options *o, struct cor_map *ret, struct cor_error *err);
/* Does the record ask for a network? */
bool cor_network_wanted(const struct cor_container *c);
/* Sets the network up in the namespace of process pid, between create and start. On failure it has been taken
 * down; what could not be has been warned about, and the record knows it (cor_network_left). signals: one that stops a
 * program stops this (CANCELLED, *ret_signal); NULL: none does. */
int cor_network_attach(struct cor_services *s, const struct cor_container *c, pid_t pid,
		       struct cor_signals *signals, int *ret_signal, struct cor_error *err);
/* Takes it down; nothing to take down, no such container, or a task that has not ended (another one than the caller's, and
 * the network is that one's) is fine. On failure the record still knows what is left, and the next call tries again. */
int cor_network_detach(struct cor_services *s, const char *id, struct cor_signals *signals,
		       struct cor_error *err);
/* Is there something to take down? */
bool cor_network_left(struct cor_services *s, const char *id);
/* The same as cor_network_detach for a container that is about to be deleted: plugins that are not installed any more are
 * warned about and do not stop it. */
int cor_network_forget(struct cor_services *s, const struct cor_container *c, struct cor_error *err);

/* ---- network_record.c: the extension COR_NETWORK_EXTENSION ---- */

#define COR_NETWORK_CTR_EXTENSION "ctr.cni-containerd.metadata" /* ctr's: {"EnableCni": true} */
#define COR_NETWORK_EXTENSION     "coracle.network"

/* {"portMappings": […], "attachment": {"netns", "interface", "config", "result"}, "addresses": ["10.1.2.3/24"]}. The
 * attachment is there from before the first ADD until after the last DEL; result and addresses once ADD has succeeded. */
struct cor_network_record {
	json_t *ports; /* array, or NULL */
	bool attached;
	char *netns; /* where it was pinned */
	struct cor_cni_network network;
	json_t *result; /* or NULL */
};
void cor_network_record_done(struct cor_network_record *n);
#define _cleanup_network_record_ _cleanup_(cor_network_record_done)
int cor_network_record_parse(const struct cor_container *c, struct cor_network_record *ret,
			     struct cor_error *err);
/* Its text; caller frees; NULL: out of memory. */
char *cor_network_record_format(const struct cor_network_record *n);

/* ---- publish.c ---- */

/* --publish values as CNI's portMappings; NULL for none. */
int cor_publish_parse(char *const *flags, json_t **ret, struct cor_error *err);

#endif
