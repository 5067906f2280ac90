/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's record says of its network. It is written before the first plugin runs and says how to undo what was
 * done: the configuration as it was then, and the plugins' result. libcni keeps the same in /var/lib/cni/results.
 */
#include "client/network.h"

#include <errno.h>

void cor_network_record_done(struct cor_network_record *n)
{
	json_decref(n->ports);
	json_decref(n->result);
	free(n->netns);
	cor_cni_network_done(&n->network);
	*n = (struct cor_network_record){0};
}

static int parse_attachment(const json_t *a, struct cor_network_record *n, struct cor_error *err)
{
	const char *netns = NULL;
	json_t *result = json_object_get(a, "result");
	int r = cor_json_get_str(a, "netns", &netns, err);
	if (r >= 0)
		r = cor_cni_network_from_json(json_object_get(a, "config"), &n->network, err);
	if (r < 0)
		return r;
	n->netns = strdup(netns ? netns : "");
	n->result = json_is_object(result) ? json_incref(result) : NULL;
	n->attached = true;
	return n->netns ? 0 : cor_error_oom(err);
}

int cor_network_record_parse(const struct cor_container *c, struct cor_network_record *ret,
			     struct cor_error *err)
{
	struct cor_network_record n = {0};
	const char *text = cor_map_get(&c->extensions, COR_NETWORK_EXTENSION);
	_cleanup_json_ json_t *doc = NULL;
	int r = 0;
	if (text)
		r = cor_json_parse(text, strlen(text), COR_NETWORK_EXTENSION, &doc, err);
	if (r >= 0) {
		json_t *ports = json_object_get(doc, "portMappings");
		const json_t *attachment = json_object_get(doc, "attachment");
		n.ports = json_is_array(ports) ? json_incref(ports) : NULL;
		if (attachment)
			r = parse_attachment(attachment, &n, err);
	}
	if (r < 0) {
		cor_network_record_done(&n);
		return cor_error_wrap(err, r, "container %s: extension " COR_NETWORK_EXTENSION, c->id);
	}
	*ret = n;
	return 0;
}

static int put(json_t *doc, const char *key, json_t *value)
{
	return json_object_set_new(doc, key, value);
}

char *cor_network_record_format(const struct cor_network_record *n)
{
	_cleanup_json_ json_t *doc = json_object();
	int r = doc ? 0 : -1;
	if (r == 0 && n->ports)
		r = put(doc, "portMappings", json_incref(n->ports));
	if (r == 0 && n->result)
		r = put(doc, "addresses", cor_cni_result_addresses(n->result));
	if (r == 0 && n->attached) {
		json_t *a = json_pack("{s:s, s:s, s:o}", "netns", n->netns, "interface", COR_CNI_INTERFACE,
				      "config", cor_cni_network_json(&n->network));
		r = put(doc, "attachment", a);
		if (r == 0 && n->result)
			r = put(a, "result", json_incref(n->result));
	}
	return r == 0 ? cor_json_dump(doc) : NULL;
}
