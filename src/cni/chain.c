/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins of a network one after the other: ADD forwards, DEL backwards, each with what the specification has it get. */
#include "cni/internal.h"

#include <errno.h>

#define CAPABILITY_PORTS "portMappings"

static int set(json_t *obj, const char *key, json_t *value, struct cor_error *err)
{
	return json_object_set_new(obj, key, value) < 0 ? cor_error_oom(err) : 0;
}

/* The plugin's own configuration with the network's name and version, the result so far, and what the runtime has for the
 * capabilities that it names. */
static int make_config(const struct cor_cni_network *n, const struct cor_cni_call *c, const json_t *plugin,
		       const json_t *result, json_t **ret, struct cor_error *err)
{
	_cleanup_json_ json_t *config = json_copy((json_t *)plugin);
	if (!config)
		return cor_error_oom(err);
	/* These are the caller's to say. */
	(void)json_object_del(config, "prevResult");
	(void)json_object_del(config, "cniVersions");
	int r = set(config, "name", json_string(n->name), err);
	if (r >= 0)
		r = set(config, "cniVersion", json_string(n->version), err);
	if (r >= 0 && result)
		r = set(config, "prevResult", json_incref((json_t *)result), err);
	if (r >= 0 && json_array_size(c->port_mappings) &&
	    json_is_true(json_object_get(json_object_get(plugin, "capabilities"), CAPABILITY_PORTS)))
		r = set(config, "runtimeConfig", json_pack("{s:O}", CAPABILITY_PORTS, c->port_mappings), err);
	if (r >= 0)
		*ret = TAKE_PTR(config);
	return r < 0 ? r : 0;
}

static int run(const struct cor_cni_network *n, const struct cor_cni_call *c, const char *command, size_t i,
	       const json_t *result, json_t **ret_result, struct cor_error *err)
{
	const json_t *plugin = json_array_get(n->plugins, i);
	const char *type = json_string_value(json_object_get(plugin, "type"));
	_cleanup_json_ json_t *config = NULL;
	_cleanup_free_ char *out = NULL;
	size_t len = 0;
	int r = make_config(n, c, plugin, result, &config, err);
	if (r >= 0)
		r = cni_plugin_run(c, command, type, config, &out, &len, err);
	if (r >= 0 && ret_result)
		r = cor_cni_result_parse(out, len, n->version, ret_result, err);
	return r < 0 ? cor_error_wrap(err, r, "plugin type=\"%s\" failed (%s)", type,
				      streq(command, "ADD") ? "add" : "delete")
		     : 0;
}

int cor_cni_add(const struct cor_cni_network *n, const struct cor_cni_call *c, json_t **ret,
		struct cor_error *err)
{
	_cleanup_json_ json_t *result = NULL;
	for (size_t i = 0; i < json_array_size(n->plugins); i++) {
		json_t *next = NULL;
		int r = run(n, c, "ADD", i, result, &next, err);
		if (r < 0)
			return r;
		json_decref(result);
		result = next;
	}
	*ret = TAKE_PTR(result);
	return 0;
}

/* As go-cni: plugins that say that it is not there any more, and those that want to go into a namespace that is gone. */
static bool is_gone(const struct cor_cni_call *c, const struct cor_error *e)
{
	return e->code == COR_UNKNOWN &&
	       (strstr(e->message, "not found") ||
		(cor_empty(c->netns) && strstr(e->message, "no such file or directory")));
}

int cor_cni_del(const struct cor_cni_network *n, const struct cor_cni_call *c, const json_t *result,
		struct cor_error *err)
{
	struct cor_error first = {0};
	int ret = 0;
	if (cni_version_rank(n->version) < cni_version_rank(CNI_VERSION_DEL_RESULT))
		result = NULL;
	for (size_t i = json_array_size(n->plugins); i-- > 0;) {
		struct cor_error e = {0};
		int r = run(n, c, "DEL", i, result, NULL, &e);
		if (r >= 0 || is_gone(c, &e))
			continue;
		/* A plugin that failed says more than one that is not installed. */
		if (ret == 0 || (first.code == COR_NOT_FOUND && e.code != COR_NOT_FOUND)) {
			first = e;
			ret = r;
		}
		if (e.code == COR_CANCELLED)
			break;
	}
	if (ret < 0 && err)
		*err = first;
	return ret;
}
