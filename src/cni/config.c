/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of a network: which file, and what must be right in it before a plugin sees it. A single plugin's file
 * (.conf, .json) is a list of one, as in libcni.
 */
#include "cni/internal.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"

static const char *const versions[] = {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};

int cni_version_rank(const char *version)
{
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		if (streq(version, versions[i]))
			return (int)i;
	return -1;
}

void cor_cni_network_done(struct cor_cni_network *n)
{
	free(n->name);
	free(n->version);
	json_decref(n->plugins);
	*n = (struct cor_cni_network){0};
}

/* ---- what a document must have ------------------------------------------------------------------------------- */

static bool is_name(const char *s)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t n = strlen(s);
	return n > 0 && n <= 255 && strspn(s, first) > 0 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == n;
}

/* A file name in the plugin directories, and nothing else. */
static bool is_plugin_type(const char *s)
{
	return !cor_empty(s) && strlen(s) <= 255 && !strchr(s, '/') && !streq(s, ".") && !streq(s, "..");
}

static int check_plugin(const json_t *plugin, size_t i, struct cor_error *err)
{
	const char *type = NULL;
	const json_t *caps = json_object_get(plugin, "capabilities"), *value;
	const char *key;
	if (!json_is_object(plugin))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "plugin %zu: expected object", i);
	int r = cor_json_get_str(plugin, "type", &type, err);
	if (r < 0)
		return cor_error_wrap(err, r, "plugin %zu", i);
	if (cor_empty(type))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "plugin %zu: missing 'type'", i);
	if (!is_plugin_type(type))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "plugin %zu: invalid plugin name", i);
	if (!caps || json_is_null(caps))
		return 0;
	if (!json_is_object(caps))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "plugin %zu: capabilities: expected object",
				     i);
	json_object_foreach((json_t *)caps, key, value) if (!json_is_boolean(value)) return cor_error_set(
		err, COR_INVALID_ARGUMENT, "plugin %zu: capabilities: expected booleans", i);
	return 0;
}

/* The newest of "cniVersion" and "cniVersions" that we know; none given is 0.1.0. */
static int choose_version(const json_t *list, const char **ret, struct cor_error *err)
{
	const char *single = NULL, *best = NULL;
	const json_t *many = json_object_get(list, "cniVersions");
	int r = cor_json_get_str(list, "cniVersion", &single, err);
	if (r < 0)
		return r;
	if (cor_empty(single))
		single = many ? NULL : "0.1.0";
	if (single && cni_version_rank(single) >= 0)
		best = single;
	if (many && !json_is_array(many))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "cniVersions: expected array of strings");
	for (size_t i = 0; i < json_array_size(many); i++) {
		const char *v = json_string_value(json_array_get(many, i));
		if (!v)
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "cniVersions: expected array of strings");
		if (cni_version_rank(v) > (best ? cni_version_rank(best) : -1))
			best = v;
	}
	if (!best)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "cniVersion: none of the versions 0.1.0 to 1.1.0");
	*ret = best;
	return 0;
}

static int fill(const char *name, const char *version, json_t *plugins, struct cor_cni_network *ret,
		struct cor_error *err)
{
	if (!is_name(name ? name : ""))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s",
				     cor_empty(name) ? "no name" : "name: invalid characters");
	size_t n = json_array_size(plugins);
	if (n == 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "no plugins in list");
	if (n > COR_CNI_PLUGINS_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "more than %d plugins", COR_CNI_PLUGINS_MAX);
	for (size_t i = 0; i < n; i++) {
		int r = check_plugin(json_array_get(plugins, i), i, err);
		if (r < 0)
			return r;
	}
	struct cor_cni_network network = {
		.name = strdup(name), .version = strdup(version), .plugins = json_incref(plugins)};
	if (!network.name || !network.version) {
		cor_cni_network_done(&network);
		return cor_error_oom(err);
	}
	*ret = network;
	return 0;
}

int cor_cni_network_from_json(const json_t *list, struct cor_cni_network *ret, struct cor_error *err)
{
	const char *name = NULL, *version = NULL;
	json_t *plugins = json_object_get(list, "plugins");
	if (!json_is_object(list))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "expected object");
	int r = cor_json_get_str(list, "name", &name, err);
	if (r >= 0)
		r = choose_version(list, &version, err);
	if (r >= 0 && plugins && !json_is_array(plugins))
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "plugins: expected array");
	return r < 0 ? r : fill(name, version, plugins, ret, err);
}

static int from_single(json_t *plugin, struct cor_cni_network *ret, struct cor_error *err)
{
	const char *name = NULL, *version = NULL;
	_cleanup_json_ json_t *plugins = json_pack("[O]", plugin);
	if (!plugins)
		return cor_error_oom(err);
	int r = cor_json_get_str(plugin, "name", &name, err);
	if (r >= 0)
		r = choose_version(plugin, &version, err);
	return r < 0 ? r : fill(name, version, plugins, ret, err);
}

int cor_cni_parse(const char *text, size_t len, bool list, struct cor_cni_network *ret, struct cor_error *err)
{
	const char *what = list ? "error parsing configuration list" : "error parsing configuration";
	_cleanup_json_ json_t *doc = NULL;
	int r = cor_json_parse(text, len, what, &doc, err);
	if (r < 0)
		return r;
	if (!json_is_object(doc))
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "expected object");
	else
		r = list ? cor_cni_network_from_json(doc, ret, err) : from_single(doc, ret, err);
	return r < 0 ? cor_error_wrap(err, r, "%s", what) : 0;
}

json_t *cor_cni_network_json(const struct cor_cni_network *n)
{
	return json_pack("{s:s, s:s, s:O}", "cniVersion", n->version, "name", n->name, "plugins", n->plugins);
}

bool cor_cni_has_capability(const struct cor_cni_network *n, const char *capability)
{
	for (size_t i = 0; i < json_array_size(n->plugins); i++) {
		const json_t *caps = json_object_get(json_array_get(n->plugins, i), "capabilities");
		if (json_is_true(json_object_get(caps, capability)))
			return true;
	}
	return false;
}

/* ---- which file ------------------------------------------------------------------------------------------------ */

static bool is_config_name(const char *name)
{
	const char *dot = strrchr(name, '.');
	return dot && (streq(dot, ".conf") || streq(dot, ".conflist") || streq(dot, ".json"));
}

/* The first by name, or NULL in *ret. */
static int find_first(int dirfd, char **ret, struct cor_error *err)
{
	_cleanup_free_ char *first = NULL;
	struct dirent *ent;
	int r = 0, copy = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		r = -errno;
		cor_close(copy);
		return cor_error_errno(err, r, "list");
	}
	while (r == 0 && (errno = 0, ent = readdir(d))) {
		struct stat st;
		if (!is_config_name(ent->d_name) || (first && strcmp(ent->d_name, first) >= 0) ||
		    fstatat(dirfd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
			continue;
		free(first);
		first = strdup(ent->d_name);
		if (!first)
			r = cor_error_oom(err);
	}
	(void)closedir(d);
	if (r == 0)
		*ret = TAKE_PTR(first);
	return r;
}

/* Not a FIFO or a device, which could keep us waiting. */
static int read_config(int dirfd, const char *name, char **ret, size_t *ret_len, struct cor_error *err)
{
	struct stat st;
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return cor_error_errno(err, errno, "open");
	if (!S_ISREG(st.st_mode))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "not a regular file");
	if (st.st_size > (off_t)COR_CNI_CONFIG_MAX)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "exceeded max size of %u",
				     COR_CNI_CONFIG_MAX);
	return cor_read_fd(fd, COR_CNI_CONFIG_MAX, ret, ret_len, err);
}

int cor_cni_load(const char *dir, struct cor_cni_network *ret, struct cor_error *err)
{
	_cleanup_free_ char *name = NULL, *text = NULL;
	size_t len = 0;
	struct cor_error e = {0};
	_cleanup_close_ int dirfd = cor_open_dir(dir, &e);
	int r = dirfd < 0 ? dirfd : find_first(dirfd, &name, &e);
	if (r < 0 && r != -ENOENT) {
		if (err)
			*err = e;
		return cor_error_wrap(err, r, "failed to read config file");
	}
	if (!name)
		return cor_error_set(err, COR_FAILED_PRECONDITION,
				     "no network config found in %s: cni plugin not initialized", dir);
	bool list = cor_endswith(name, ".conflist");
	r = read_config(dirfd, name, &text, &len, &e);
	if (r >= 0)
		r = cor_cni_parse(text, len, list, ret, &e);
	if (r >= 0)
		return 0;
	return cor_error_set(err, e.code, "failed to load CNI config %s %s/%s: %s: invalid cni config",
			     list ? "list file" : "file", dir, name, e.message);
}
