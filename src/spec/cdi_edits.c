/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --device vendor/class=name and --gpus N: which CDI devices are meant, and their edits made to the spec. Order and rules are
 * those of CDI's Go library: an environment variable, a device or a mount of the same name or place is replaced, the rest is
 * appended, and then all mounts are sorted so that none comes before one that it lies in.
 */
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/path.h"
#include "cdi/cdi.h"
#include "spec/internal.h"

static const char *str(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

/* object[key] := the same member of from, where it has one. */
static int copy_member(json_t *object, const char *key, const json_t *from, struct cor_error *err)
{
	json_t *v = json_object_get(from, key);

	return v && json_object_set(object, key, v) < 0 ? cor_error_oom(err) : 0;
}

static int copy_members(json_t *object, const char *const *keys, const json_t *from, struct cor_error *err)
{
	int r = 0;

	for (; r >= 0 && *keys; keys++)
		r = copy_member(object, *keys, from, err);
	return r;
}

static int remove_first(json_t *list, const char *key, const char *value, struct cor_error *err)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) if (streq(str(item, key), value)) return json_array_remove(list,
												     i) < 0
		? cor_error_oom(err)
		: 0;
	return 0;
}

/* ---- environment ---- */

static int add_env(json_t *spec, const json_t *env, struct cor_error *err)
{
	json_t *process, *list, *item, *old;
	size_t i, j;
	int r = cor_spec_process(spec, &process, err);

	if (r >= 0 && json_array_size(env) > 0)
		r = cor_spec_array(process, "env", &list, err);
	if (r < 0)
		return r;
	json_array_foreach(env, i, item)
	{
		const char *entry = json_string_value(item);
		size_t n = strcspn(entry, "="), at = SIZE_MAX;

		json_array_foreach(list, j, old)
		{
			const char *s = json_string_value(old);

			if (s && strncmp(s, entry, n) == 0 && (s[n] == '=' || !s[n]))
				at = j;
		}
		if ((at == SIZE_MAX ? json_array_append(list, item) : json_array_set(list, at, item)) < 0)
			return cor_error_oom(err);
	}
	return 0;
}

/* ---- device nodes ---- */

static const char *node_type(mode_t mode)
{
	return S_ISBLK(mode) ? "b" : S_ISCHR(mode) ? "c" : S_ISFIFO(mode) ? "p" : NULL;
}

/* What the host's node says. Linked nodes are none: what is granted is what the file named. */
static int stat_host(const char *path, struct stat *ret, struct cor_error *err)
{
	_cleanup_free_ char *q = cor_spec_quote(path);

	if (fstatat(AT_FDCWD, path, ret, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_error_errno(err, errno, "failed to stat CDI host device %s", COR_SPEC_QUOTED(q));
	if (!node_type(ret->st_mode))
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "failed to stat CDI host device %s: not a device node",
				     COR_SPEC_QUOTED(q));
	return 0;
}

/* Type and numbers from the host's node, where the file does not say them; device has them afterwards. */
static int complete_node(json_t *device, const json_t *node, struct cor_error *err)
{
	const char *type = str(node, "type"), *path = str(node, "path"), *host = str(node, "hostPath");
	json_int_t major = json_integer_value(json_object_get(node, "major"));
	json_int_t minor = json_integer_value(json_object_get(node, "minor"));
	bool complete = *type && (major != 0 || streq(type, "p"));
	struct cor_error why = {0};
	struct stat st;
	int r, found = stat_host(*host ? host : path, &st, &why);

	if (found < 0 && !complete) {
		if (err)
			*err = why;
		return found;
	}
	if (!complete) {
		if (*type && !streq(type, node_type(st.st_mode)))
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "CDI device (\"%s\", \"%s\"), host type mismatch (%s, %s)", path,
					     *host ? host : path, type, node_type(st.st_mode));
		type = node_type(st.st_mode);
		if (major == 0 && !streq(type, "p")) {
			major = major(st.st_rdev);
			minor = minor(st.st_rdev);
		}
	}
	r = cor_spec_put_string(device, "type", type, err);
	if (r >= 0)
		r = cor_spec_put(device, "major", json_integer(major), err);
	if (r >= 0)
		r = cor_spec_put(device, "minor", json_integer(minor), err);
	if (r >= 0 && found >= 0)
		r = cor_spec_put(device, "fileMode", json_integer((json_int_t)(st.st_mode & 07777)), err);
	return r;
}

/* Owner and group: the file's, else those of the process where it is not root. */
static int own_node(json_t *device, const json_t *process, const json_t *node, struct cor_error *err)
{
	static const char *const keys[] = {"uid", "gid"};
	const json_t *user = json_object_get(process, "user");
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(keys); i++) {
		json_t *id = json_object_get(user, keys[i]);

		if (json_object_get(node, keys[i]))
			r = copy_member(device, keys[i], node, err);
		else if (json_integer_value(id) > 0)
			r = copy_member(device, keys[i], user, err);
	}
	return r;
}

static int add_rule(json_t *rules, const json_t *device, const json_t *node, struct cor_error *err)
{
	const char *type = str(device, "type"), *access = str(node, "permissions");

	/* The library writes a rule without access for "none". It would change nothing, and runtimes refuse it. */
	if ((!streq(type, "b") && !streq(type, "c")) || streq(access, "none"))
		return 0;
	return cor_spec_push(rules,
			     json_pack("{s:b, s:s, s:O, s:O, s:s}", "allow", 1, "type", type, "major",
				       json_object_get(device, "major"), "minor",
				       json_object_get(device, "minor"), "access", *access ? access : "rwm"),
			     err);
}

static int add_node(json_t *spec, const json_t *node, struct cor_error *err)
{
	_cleanup_json_ json_t *device = json_object();
	json_t *process, *lnx, *devices, *resources, *rules;
	int r = device ? cor_spec_process(spec, &process, err) : cor_error_oom(err);

	if (r >= 0)
		r = cor_spec_linux(spec, &lnx, err);
	if (r >= 0)
		r = cor_spec_array(lnx, "devices", &devices, err);
	if (r >= 0)
		r = cor_spec_resources(spec, &resources, err);
	if (r >= 0)
		r = cor_spec_array(resources, "devices", &rules, err);
	if (r >= 0)
		r = copy_member(device, "path", node, err);
	if (r >= 0)
		r = complete_node(device, node, err);
	if (r >= 0)
		r = copy_member(device, "fileMode", node, err);
	if (r >= 0)
		r = own_node(device, process, node, err);
	if (r >= 0)
		r = remove_first(devices, "path", str(node, "path"), err);
	if (r >= 0)
		r = cor_spec_push(devices, json_incref(device), err);
	return r < 0 ? r : add_rule(rules, device, node, err);
}

/* ---- mounts ---- */

static bool has_user_namespace(const json_t *spec)
{
	json_t *ns;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(spec, "linux"), "namespaces"), i,
			   ns) if (streq(str(ns, "type"), "user")) return true;
	return false;
}

static bool has_option(const json_t *options, const char *option)
{
	json_t *item;
	size_t i;

	json_array_foreach(options, i, item) if (streq(json_string_value(item), option)) return true;
	return false;
}

/* Bind mounts of a container with a user namespace are mapped like the rest of its files. */
static int add_idmap(json_t *mount, struct cor_error *err)
{
	const char *add = NULL;
	json_t *options;
	int r = cor_spec_array(mount, "options", &options, err);

	if (r < 0 || has_option(options, "idmap") || has_option(options, "ridmap"))
		return r;
	if (has_option(options, "rbind"))
		add = "ridmap";
	else if (has_option(options, "bind") || streq(str(mount, "type"), "bind"))
		add = "idmap";
	if (add)
		return cor_spec_push(options, json_string(add), err);
	if (json_array_size(options) == 0)
		json_object_del(mount, "options");
	return 0;
}

/* Options as the file has them. One without a type that is no bind mount either (so are those of the specification's own
 * examples) means a bind mount: no runtime takes it as anything else, or at all. */
static int put_options(json_t *mount, const json_t *edit, struct cor_error *err)
{
	_cleanup_json_ json_t *options = json_array();
	json_t *given = json_object_get(edit, "options");

	if (!options || (given && json_array_extend(options, given) < 0))
		return cor_error_oom(err);
	if (!*str(edit, "type") && !has_option(options, "bind") && !has_option(options, "rbind") &&
	    !has_option(options, "remount") && json_array_append_new(options, json_string("rbind")) < 0)
		return cor_error_oom(err);
	return json_array_size(options) > 0 ? cor_spec_put(mount, "options", TAKE_PTR(options), err) : 0;
}

static int add_mount(json_t *spec, json_t *mounts, const json_t *edit, struct cor_error *err)
{
	_cleanup_json_ json_t *mount = json_object();
	int r = mount ? remove_first(mounts, "destination", str(edit, "containerPath"), err)
		      : cor_error_oom(err);

	if (r >= 0)
		r = cor_spec_put_string(mount, "destination", str(edit, "containerPath"), err);
	if (r >= 0 && *str(edit, "type"))
		r = copy_member(mount, "type", edit, err);
	if (r >= 0)
		r = cor_spec_put_string(mount, "source", str(edit, "hostPath"), err);
	if (r >= 0)
		r = put_options(mount, edit, err);
	if (r >= 0 && has_user_namespace(spec))
		r = add_idmap(mount, err);
	return r < 0 ? r : cor_spec_push(mounts, TAKE_PTR(mount), err);
}

/* How deep a mount point lies; -1 where memory is short. */
static int depth_of(const json_t *mount)
{
	_cleanup_free_ char *clean = cor_path_clean(str(mount, "destination"));
	int n = 0;

	if (!clean)
		return -1;
	for (const char *p = clean; *p; p++)
		n += *p == '/';
	return n;
}

struct placed {
	json_t *mount;
	int depth;
	size_t at;
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	return x->depth != y->depth ? (x->depth > y->depth) - (x->depth < y->depth)
				    : (x->at > y->at) - (x->at < y->at);
}

/* By depth, those of one depth in the order they have. */
static int sort_mounts(json_t *spec, json_t *mounts, struct cor_error *err)
{
	size_t n = json_array_size(mounts);
	_cleanup_free_ struct placed *list = cor_new0(struct placed, n + 1);
	_cleanup_json_ json_t *sorted = json_array();

	if (!list || !sorted)
		return cor_error_oom(err);
	for (size_t i = 0; i < n; i++) {
		list[i] = (struct placed){.mount = json_array_get(mounts, i), .at = i};
		list[i].depth = depth_of(list[i].mount);
		if (list[i].depth < 0)
			return cor_error_oom(err);
	}
	qsort(list, n, sizeof(*list), compare_placed);
	for (size_t i = 0; i < n; i++)
		if (json_array_append(sorted, list[i].mount) < 0)
			return cor_error_oom(err);
	return cor_spec_put(spec, "mounts", TAKE_PTR(sorted), err);
}

static int add_mounts(json_t *spec, const json_t *edits, struct cor_error *err)
{
	json_t *mounts, *edit;
	size_t i;
	int r = 0;

	if (json_array_size(edits) == 0)
		return 0;
	r = cor_spec_array(spec, "mounts", &mounts, err);
	if (r < 0)
		return r;
	json_array_foreach(edits, i, edit)
	{
		r = add_mount(spec, mounts, edit, err);
		if (r < 0)
			return r;
	}
	return sort_mounts(spec, mounts, err);
}

/* ---- the rest ---- */

static int add_hook(json_t *spec, const json_t *edit, struct cor_error *err)
{
	static const char *const keys[] = {"path", "args", "env", "timeout", NULL};
	_cleanup_json_ json_t *hook = json_object();
	json_t *hooks, *list;
	int r = hook ? copy_members(hook, keys, edit, err) : cor_error_oom(err);

	if (r >= 0)
		r = cor_spec_object(spec, "hooks", &hooks, err);
	if (r >= 0)
		r = cor_spec_array(hooks, str(edit, "hookName"), &list, err);
	return r < 0 ? r : cor_spec_push(list, TAKE_PTR(hook), err);
}

/* Members that came with runtime-spec 1.3: a runtime that is older must not pass over them in silence. */
static int raise_version(json_t *spec, struct cor_error *err)
{
	return cor_spec_put_string(spec, "ociVersion", COR_SPEC_VERSION_SUPPORTED, err);
}

static int set_rdt(json_t *spec, json_t *rdt, struct cor_error *err)
{
	json_t *lnx;
	int r = 0;

	if (!rdt)
		return 0;
	if (json_object_get(rdt, "schemata") || json_object_get(rdt, "enableMonitoring"))
		r = raise_version(spec, err);
	if (r >= 0)
		r = cor_spec_linux(spec, &lnx, err);
	return r < 0 ? r : cor_spec_put(lnx, "intelRdt", json_deep_copy(rdt), err);
}

static int add_net_device(json_t *spec, const json_t *edit, struct cor_error *err)
{
	json_t *lnx, *devices;
	int r = raise_version(spec, err);

	if (r >= 0)
		r = cor_spec_linux(spec, &lnx, err);
	if (r >= 0)
		r = cor_spec_object(lnx, "netDevices", &devices, err);
	return r < 0 ? r
		     : cor_spec_put(devices, str(edit, "hostInterfaceName"),
				    json_pack("{s:s}", "name", str(edit, "name")), err);
}

static int add_gid(json_t *spec, const json_t *gid, struct cor_error *err)
{
	json_t *process, *user, *gids, *have;
	size_t i;
	int r;

	if (json_integer_value(gid) == 0)
		return 0;
	r = cor_spec_process(spec, &process, err);
	if (r >= 0)
		r = cor_spec_object(process, "user", &user, err);
	if (r >= 0)
		r = cor_spec_array(user, "additionalGids", &gids, err);
	if (r < 0)
		return r;
	json_array_foreach(gids, i, have) if (json_integer_value(have) == json_integer_value(gid)) return 0;
	return cor_spec_push(gids, json_integer(json_integer_value(gid)), err);
}

static int for_each(json_t *spec, const json_t *edits, const char *key,
		    int (*add)(json_t *, const json_t *, struct cor_error *), struct cor_error *err)
{
	json_t *item;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(edits, key), i, item)
	{
		r = add(spec, item, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int cor_spec_cdi_edit(json_t *spec, const json_t *edits, struct cor_error *err)
{
	int r = add_env(spec, json_object_get(edits, "env"), err);

	if (r >= 0)
		r = for_each(spec, edits, "deviceNodes", add_node, err);
	if (r >= 0)
		r = for_each(spec, edits, "netDevices", add_net_device, err);
	if (r >= 0)
		r = add_mounts(spec, json_object_get(edits, "mounts"), err);
	if (r >= 0)
		r = for_each(spec, edits, "hooks", add_hook, err);
	if (r >= 0)
		r = set_rdt(spec, json_object_get(edits, "intelRdt"), err);
	if (r >= 0)
		r = for_each(spec, edits, "additionalGids", add_gid, err);
	return r < 0 ? cor_error_wrap(err, r, "failed to inject devices") : 0;
}
