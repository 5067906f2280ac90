/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules about a CDI document whose shape is known to be right: its version has all that it uses, names are names, edits
 * say what they must. Stricter than the Go library where the specification says MUST and a runtime would fail later
 * with less to go by: hooks, device nodes and mount points have absolute paths, a hook's timeout is above zero. And
 * annotations are checked as the library means to (Kubernetes' rules), but does not.
 */
#include "cdi/internal.h"

#define ANNOTATIONS_SIZE_MAX (256u << 10)

static const char *str(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static bool has(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_array(v) ? json_array_size(v) > 0 : v != NULL;
}

static int invalid(struct cor_error *err, const char *fmt, const char *s)
{
	char q[COR_CDI_QUOTE_MAX];

	return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: %s", fmt, cor_cdi_quote(s, q));
}

/* ---- version ---- */

static const char *const versions[] = {"0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0",
				       "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"};
enum version { V030 = 2, V040, V050, V060, V070, V080, V100, V110 };

/* Versions 1.1.0 and up of the library know enableCMT and enableMBM no more; a file of its time may still have them. */
static bool uses_dropped(const json_t *edits)
{
	const json_t *rdt = json_object_get(edits, "intelRdt");

	return json_object_get(rdt, "enableCMT") || json_object_get(rdt, "enableMBM");
}

static enum version edits_version(const json_t *edits)
{
	const json_t *rdt = json_object_get(edits, "intelRdt");
	enum version v = V030;
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(edits, "mounts"), i, item) if (*str(item, "type")) v =
		MAX(v, V040);
	json_array_foreach(json_object_get(edits, "deviceNodes"), i, item) if (*str(item, "hostPath")) v =
		MAX(v, V050);
	if (rdt || has(edits, "additionalGids"))
		v = MAX(v, V070);
	if (json_object_get(rdt, "schemata") || json_is_true(json_object_get(rdt, "enableMonitoring")) ||
	    has(edits, "netDevices"))
		v = V110;
	return v;
}

static enum version required_version(const json_t *doc)
{
	enum version v = edits_version(json_object_get(doc, "containerEdits"));
	const char *class = strchr(str(doc, "kind"), '/');
	json_t *device;
	size_t i;

	if (json_object_size(json_object_get(doc, "annotations")) > 0 || (class && strchr(class, '.')))
		v = MAX(v, V060);
	json_array_foreach(json_object_get(doc, "devices"), i, device)
	{
		char first = str(device, "name")[0];

		if (first >= '0' && first <= '9')
			v = MAX(v, V050);
		if (json_object_size(json_object_get(device, "annotations")) > 0)
			v = MAX(v, V060);
		v = MAX(v, edits_version(json_object_get(device, "containerEdits")));
	}
	return v;
}

static int check_version(const json_t *doc, struct cor_error *err)
{
	const char *given = str(doc, "cdiVersion");
	const char *number = given + (*given == 'v');
	bool dropped = uses_dropped(json_object_get(doc, "containerEdits"));
	enum version need = required_version(doc);
	json_t *device;
	size_t i, v = 0;

	while (v < ARRAY_SIZE(versions) && !streq(versions[v], number))
		v++;
	if (v == ARRAY_SIZE(versions))
		return *given ? invalid(err, "invalid version", given)
			      : cor_error_set(err, COR_INVALID_ARGUMENT, "no cdiVersion");
	if (v < (size_t)need)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "the spec version must be at least v%s",
				     versions[need]);
	json_array_foreach(json_object_get(doc, "devices"), i, device) dropped =
		dropped || uses_dropped(json_object_get(device, "containerEdits"));
	if (dropped && v >= V110)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "enableCMT and enableMBM are not in version %s any more", versions[v]);
	return 0;
}

/* ---- annotations ---- */

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Kubernetes' qualified name, without regard to case: [dns.subdomain/]name. */
static bool is_annotation_name(const char *key)
{
	char lower[253 + 1 + 63 + 1];
	size_t n = strlen(key), prefix;
	const char *name = lower;

	if (n == 0 || n >= sizeof(lower))
		return false;
	for (size_t i = 0; i <= n; i++)
		lower[i] = (char)(key[i] >= 'A' && key[i] <= 'Z' ? key[i] - 'A' + 'a' : key[i]);
	prefix = strcspn(lower, "/");
	if (lower[prefix]) {
		name = lower + prefix + 1;
		if (prefix == 0 || prefix > 253)
			return false;
		for (size_t i = 0; i < prefix; i++) {
			bool edge = i == 0 || i + 1 == prefix || lower[i - 1] == '.' || lower[i + 1] == '.';

			if (!is_lower_alnum(lower[i]) && (edge || (lower[i] != '-' && lower[i] != '.')))
				return false;
		}
	}
	n = strlen(name);
	if (n == 0 || n > 63 || !is_lower_alnum(name[0]) || !is_lower_alnum(name[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_lower_alnum(name[i]) && !strchr("-_.", name[i]))
			return false;
	return true;
}

static int check_annotations(const json_t *object, struct cor_error *err)
{
	json_t *annotations = json_object_get(object, "annotations"), *value;
	size_t size = 0;
	const char *key;

	json_object_foreach(annotations, key, value)
	{
		if (!is_annotation_name(key))
			return invalid(err, "annotations: not a qualified name", key);
		size += strlen(key) + json_string_length(value);
	}
	if (size > ANNOTATIONS_SIZE_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "annotations: size %zu is larger than limit %u", size,
				     ANNOTATIONS_SIZE_MAX);
	return 0;
}

/* ---- edits ---- */

static bool is_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (streq(s, *list))
			return true;
	return false;
}

static int check_env(const json_t *env, struct cor_error *err)
{
	json_t *item;
	size_t i;

	json_array_foreach(env, i, item)
	{
		const char *s = json_string_value(item), *eq = strchr(s, '=');

		if (!eq || eq == s)
			return invalid(err, "invalid environment variable", s);
	}
	return 0;
}

static int check_absolute(const char *what, const char *path, struct cor_error *err)
{
	if (!*path)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "empty %s", what);
	if (*path != '/')
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s is not absolute", what);
	return 0;
}

static int check_device_node(const json_t *node, struct cor_error *err)
{
	static const char *const types[] = {"", "b", "c", "u", "p", NULL};
	const char *permissions = str(node, "permissions");
	int r = check_absolute("path", str(node, "path"), err);

	if (r >= 0 && !is_one_of(str(node, "type"), types))
		r = invalid(err, "invalid type", str(node, "type"));
	if (r >= 0 && !streq(permissions, "none") && permissions[strspn(permissions, "rwm")])
		r = invalid(err, "invalid permissions", permissions);
	if (r >= 0 && *str(node, "hostPath"))
		r = check_absolute("hostPath", str(node, "hostPath"), err);
	return r;
}

static int check_hook(const json_t *hook, struct cor_error *err)
{
	static const char *const names[] = {
		"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
		NULL};
	const json_t *timeout = json_object_get(hook, "timeout");
	int r = 0;

	if (!is_one_of(str(hook, "hookName"), names))
		return invalid(err, "invalid hook name", str(hook, "hookName"));
	r = check_absolute("path", str(hook, "path"), err);
	if (r >= 0)
		r = check_env(json_object_get(hook, "env"), err);
	if (r >= 0 && timeout &&
	    (json_integer_value(timeout) <= 0 || json_integer_value(timeout) > INT32_MAX))
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "timeout must be greater than zero");
	return r;
}

/* The source of a mount is a path only where the mount is a bind mount ("tmpfs" is one of a tmpfs). */
static int check_mount(const json_t *mount, struct cor_error *err)
{
	bool bind = !*str(mount, "type") || streq(str(mount, "type"), "bind");
	json_t *option;
	size_t i;

	json_array_foreach(json_object_get(mount, "options"), i, option) bind =
		bind || streq(json_string_value(option), "bind") || streq(json_string_value(option), "rbind");
	if (!*str(mount, "hostPath"))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "empty hostPath");
	if (bind && *str(mount, "hostPath") != '/')
		return cor_error_set(err, COR_INVALID_ARGUMENT, "hostPath is not absolute");
	return check_absolute("containerPath", str(mount, "containerPath"), err);
}

/* The class of service is the name of a directory below /sys/fs/resctrl, or "/" for that itself. */
static int check_rdt(const json_t *rdt, struct cor_error *err)
{
	const char *id = str(rdt, "closID");

	if (!streq(id, "/") &&
	    (strlen(id) >= 4096 || streq(id, ".") || streq(id, "..") || strpbrk(id, "/\n")))
		return invalid(err, "invalid closID", id);
	return 0;
}

static int check_net_device(const json_t *list, size_t i, struct cor_error *err)
{
	static const char *const keys[] = {"hostInterfaceName", "name"};
	const json_t *device = json_array_get(list, i);

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		if (!*str(device, keys[k]))
			return cor_error_set(err, COR_INVALID_ARGUMENT, "empty %s", keys[k]);
		for (size_t j = 0; j < i; j++)
			if (streq(str(device, keys[k]), str(json_array_get(list, j), keys[k])))
				return invalid(err, "given twice", str(device, keys[k]));
	}
	return 0;
}

static int check_each(const json_t *edits, const char *key, int (*check)(const json_t *, struct cor_error *),
		      struct cor_error *err)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(edits, key), i, item)
	{
		int r = check(item, err);

		if (r < 0)
			return cor_error_wrap(err, r, "%s[%zu]", key, i);
	}
	return 0;
}

static int check_edits(const json_t *edits, struct cor_error *err)
{
	const json_t *net = json_object_get(edits, "netDevices");
	int r = check_env(json_object_get(edits, "env"), err);

	if (r < 0)
		return r;
	r = check_each(edits, "deviceNodes", check_device_node, err);
	if (r >= 0)
		r = check_each(edits, "hooks", check_hook, err);
	if (r >= 0)
		r = check_each(edits, "mounts", check_mount, err);
	if (r >= 0)
		r = check_rdt(json_object_get(edits, "intelRdt"), err);
	if (r >= 0 && json_array_size(net) > 1000)
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "netDevices: more than 1000");
	for (size_t i = 0; r >= 0 && i < json_array_size(net); i++) {
		r = check_net_device(net, i, err);
		if (r < 0)
			r = cor_error_wrap(err, r, "netDevices[%zu]", i);
	}
	return r;
}

static bool is_empty(const json_t *edits)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)edits, key, value) if (has(edits, key)) return false;
	return true;
}

/* ---- devices ---- */

static int check_device(const json_t *device, struct cor_error *err)
{
	const json_t *edits = json_object_get(device, "containerEdits");
	char q[COR_CDI_QUOTE_MAX];
	int r = cor_cdi_check_device(str(device, "name"), err);

	if (r >= 0)
		r = check_annotations(device, err);
	if (r >= 0 && is_empty(edits))
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "invalid device, empty device edits");
	if (r >= 0)
		r = check_edits(edits, err);
	return r < 0 ? cor_error_wrap(err, r, "device %s", cor_cdi_quote(str(device, "name"), q)) : 0;
}

static int check_devices(const json_t *doc, struct cor_error *err)
{
	_cleanup_json_ json_t *seen = json_object();
	json_t *device;
	size_t i;

	if (!seen)
		return cor_error_oom(err);
	json_array_foreach(json_object_get(doc, "devices"), i, device)
	{
		int r = check_device(device, err);

		if (r < 0)
			return r;
		if (json_object_get(seen, str(device, "name")))
			return invalid(err, "invalid spec, multiple device", str(device, "name"));
		if (json_object_set_new(seen, str(device, "name"), json_true()) < 0)
			return cor_error_oom(err);
	}
	if (i == 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "invalid spec, no devices");
	return 0;
}

int cor_cdi_validate(const json_t *doc, struct cor_error *err)
{
	_cleanup_free_ char *vendor = NULL, *class = NULL;
	int r = check_version(doc, err);

	if (r >= 0)
		r = cor_cdi_split_kind(str(doc, "kind"), &vendor, &class, err);
	if (r >= 0)
		r = cor_cdi_check_vendor(vendor, err);
	if (r >= 0)
		r = cor_cdi_check_class(class, err);
	if (r >= 0)
		r = check_annotations(doc, err);
	if (r >= 0)
		r = check_edits(json_object_get(doc, "containerEdits"), err);
	return r < 0 ? r : check_devices(doc, err);
}
