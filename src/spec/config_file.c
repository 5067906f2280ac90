/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --config FILE: a runtime-spec document (config.json) taken as it is. Its shape is checked against the tables below,
 * which list the members of runtime-spec 1.3 that decide how a container runs, so that everything behind (the shim,
 * the runtime) can rely on their types. Members that the tables do not name are kept, null counts as absent.
 */
#include <stdio.h>

#include "spec/internal.h"

enum kind {
	STRING,
	BOOLEAN,
	INTEGER,  /* -2^63 to 2^63-1 */
	UNSIGNED, /* 0 to 2^64-1 */
	U32,
	STRINGS,
	U32S,
	MAP,     /* object of strings */
	OBJECT,  /* by table */
	OBJECTS, /* array of objects by table */
};

struct member {
	const char *key;
	enum kind kind;
	const struct member *members; /* OBJECT(S): ends with {0} */
};

static const struct member id_mapping[] = {
	{"containerID", U32, NULL}, {"hostID", U32, NULL}, {"size", U32, NULL}, {0}};
static const struct member user[] = {{"uid", U32, NULL},         {"gid", U32, NULL},
				     {"umask", U32, NULL},       {"additionalGids", U32S, NULL},
				     {"username", STRING, NULL}, {0}};
static const struct member capabilities[] = {{"bounding", STRINGS, NULL},    {"effective", STRINGS, NULL},
					     {"inheritable", STRINGS, NULL}, {"permitted", STRINGS, NULL},
					     {"ambient", STRINGS, NULL},     {0}};
static const struct member rlimit[] = {
	{"type", STRING, NULL}, {"hard", UNSIGNED, NULL}, {"soft", UNSIGNED, NULL}, {0}};
static const struct member box[] = {{"height", UNSIGNED, NULL}, {"width", UNSIGNED, NULL}, {0}};
static const struct member process[] = {{"terminal", BOOLEAN, NULL},
					{"consoleSize", OBJECT, box},
					{"user", OBJECT, user},
					{"args", STRINGS, NULL},
					{"env", STRINGS, NULL},
					{"cwd", STRING, NULL},
					{"capabilities", OBJECT, capabilities},
					{"rlimits", OBJECTS, rlimit},
					{"noNewPrivileges", BOOLEAN, NULL},
					{"apparmorProfile", STRING, NULL},
					{"oomScoreAdj", INTEGER, NULL},
					{"selinuxLabel", STRING, NULL},
					{0}};
static const struct member root[] = {{"path", STRING, NULL}, {"readonly", BOOLEAN, NULL}, {0}};
static const struct member mount[] = {{"destination", STRING, NULL},
				      {"type", STRING, NULL},
				      {"source", STRING, NULL},
				      {"options", STRINGS, NULL},
				      {"uidMappings", OBJECTS, id_mapping},
				      {"gidMappings", OBJECTS, id_mapping},
				      {0}};
static const struct member hook[] = {{"path", STRING, NULL},
				     {"args", STRINGS, NULL},
				     {"env", STRINGS, NULL},
				     {"timeout", INTEGER, NULL},
				     {0}};
static const struct member hooks[] = {{"prestart", OBJECTS, hook},
				      {"createRuntime", OBJECTS, hook},
				      {"createContainer", OBJECTS, hook},
				      {"startContainer", OBJECTS, hook},
				      {"poststart", OBJECTS, hook},
				      {"poststop", OBJECTS, hook},
				      {0}};
static const struct member device_rule[] = {{"allow", BOOLEAN, NULL}, {"type", STRING, NULL},
					    {"major", INTEGER, NULL}, {"minor", INTEGER, NULL},
					    {"access", STRING, NULL}, {0}};
static const struct member memory[] = {
	{"limit", INTEGER, NULL},       {"reservation", INTEGER, NULL},      {"swap", INTEGER, NULL},
	{"swappiness", UNSIGNED, NULL}, {"disableOOMKiller", BOOLEAN, NULL}, {0}};
static const struct member cpu[] = {{"shares", UNSIGNED, NULL}, {"quota", INTEGER, NULL},
				    {"burst", UNSIGNED, NULL},  {"period", UNSIGNED, NULL},
				    {"cpus", STRING, NULL},     {"mems", STRING, NULL},
				    {"idle", INTEGER, NULL},    {0}};
static const struct member pids[] = {{"limit", INTEGER, NULL}, {0}};
static const struct member hugepage[] = {{"pageSize", STRING, NULL}, {"limit", UNSIGNED, NULL}, {0}};
static const struct member block_io[] = {{"weight", UNSIGNED, NULL}, {"leafWeight", UNSIGNED, NULL}, {0}};
static const struct member resources[] = {{"devices", OBJECTS, device_rule},
					  {"memory", OBJECT, memory},
					  {"cpu", OBJECT, cpu},
					  {"pids", OBJECT, pids},
					  {"blockIO", OBJECT, block_io},
					  {"hugepageLimits", OBJECTS, hugepage},
					  {"unified", MAP, NULL},
					  {0}};
static const struct member ns[] = {{"type", STRING, NULL}, {"path", STRING, NULL}, {0}};
static const struct member device[] = {
	{"path", STRING, NULL},  {"type", STRING, NULL}, {"major", INTEGER, NULL}, {"minor", INTEGER, NULL},
	{"fileMode", U32, NULL}, {"uid", U32, NULL},     {"gid", U32, NULL},       {0}};
static const struct member syscall_arg[] = {{"index", UNSIGNED, NULL},
					    {"value", UNSIGNED, NULL},
					    {"valueTwo", UNSIGNED, NULL},
					    {"op", STRING, NULL},
					    {0}};
static const struct member syscalls[] = {{"names", STRINGS, NULL},
					 {"action", STRING, NULL},
					 {"errnoRet", UNSIGNED, NULL},
					 {"args", OBJECTS, syscall_arg},
					 {0}};
static const struct member seccomp[] = {{"defaultAction", STRING, NULL},  {"defaultErrnoRet", UNSIGNED, NULL},
					{"architectures", STRINGS, NULL}, {"flags", STRINGS, NULL},
					{"listenerPath", STRING, NULL},   {"listenerMetadata", STRING, NULL},
					{"syscalls", OBJECTS, syscalls},  {0}};
static const struct member lnx[] = {{"uidMappings", OBJECTS, id_mapping},
				    {"gidMappings", OBJECTS, id_mapping},
				    {"sysctl", MAP, NULL},
				    {"resources", OBJECT, resources},
				    {"cgroupsPath", STRING, NULL},
				    {"namespaces", OBJECTS, ns},
				    {"devices", OBJECTS, device},
				    {"seccomp", OBJECT, seccomp},
				    {"rootfsPropagation", STRING, NULL},
				    {"maskedPaths", STRINGS, NULL},
				    {"readonlyPaths", STRINGS, NULL},
				    {"mountLabel", STRING, NULL},
				    {0}};
static const struct member document[] = {{"ociVersion", STRING, NULL}, {"process", OBJECT, process},
					 {"root", OBJECT, root},       {"hostname", STRING, NULL},
					 {"domainname", STRING, NULL}, {"mounts", OBJECTS, mount},
					 {"hooks", OBJECT, hooks},     {"annotations", MAP, NULL},
					 {"linux", OBJECT, lnx},       {0}};

static int check_members(const json_t *obj, const struct member *members, const char *path,
			 struct cor_error *err);

static bool is_number(const json_t *v, enum kind kind)
{
	uint64_t n;

	if (kind == INTEGER)
		return json_is_integer(v);
	return cor_json_u64(v, &n) && (kind != U32 || n <= UINT32_MAX);
}

static bool all_of(const json_t *array, enum kind kind)
{
	const json_t *v;
	size_t i;

	if (!json_is_array(array))
		return false;
	json_array_foreach(array, i,
			   v) if (kind == STRING ? !json_is_string(v) : !is_number(v, kind)) return false;
	return true;
}

static bool is_map(const json_t *obj)
{
	const json_t *v;
	const char *key;

	if (!json_is_object(obj))
		return false;
	json_object_foreach((json_t *)obj, key, v) if (!json_is_string(v)) return false;
	return true;
}

static bool fits(const json_t *v, enum kind kind)
{
	switch (kind) {
	case STRING:
		return json_is_string(v);
	case BOOLEAN:
		return json_is_boolean(v);
	case INTEGER:
	case UNSIGNED:
	case U32:
		return is_number(v, kind);
	case STRINGS:
		return all_of(v, STRING);
	case U32S:
		return all_of(v, U32);
	case MAP:
		return is_map(v);
	case OBJECT:
		return json_is_object(v);
	case OBJECTS:
		return json_is_array(v);
	}
	return false;
}

static const char *kind_name(enum kind kind)
{
	static const char *const names[] = {
		[STRING] = "string",
		[BOOLEAN] = "boolean",
		[INTEGER] = "64-bit integer",
		[UNSIGNED] = "unsigned integer",
		[U32] = "32-bit unsigned integer",
		[STRINGS] = "array of strings",
		[U32S] = "array of 32-bit unsigned integers",
		[MAP] = "object of strings",
		[OBJECT] = "object",
		[OBJECTS] = "array of objects",
	};

	return names[kind];
}

static int check_objects(const json_t *array, const struct member *m, const char *path, struct cor_error *err)
{
	const json_t *v;
	size_t i;
	int r = 0;

	json_array_foreach(array, i, v)
	{
		char at[128];

		snprintf(at, sizeof(at), "%.96s[%zu].", path, i);
		if (!json_is_object(v))
			return cor_error_set(err, COR_INVALID_ARGUMENT, "%s[%zu]: expected object", path, i);
		r = check_members(v, m->members, at, err);
		if (r < 0)
			return r;
	}
	return r;
}

/* path: of obj, ending in "." unless empty. The tables are a tree four levels deep: so is the recursion. */
static int check_members(const json_t *obj, const struct member *members, const char *path,
			 struct cor_error *err)
{
	int r = 0;

	for (const struct member *m = members; r >= 0 && m->key; m++) {
		const json_t *v = json_object_get(obj, m->key);
		char at[128];

		if (!v || json_is_null(v))
			continue;
		snprintf(at, sizeof(at), "%s%s", path, m->key);
		if (!fits(v, m->kind))
			return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: expected %s", at,
					     kind_name(m->kind));
		if (m->kind == OBJECTS) {
			r = check_objects(v, m, at, err);
		} else if (m->kind == OBJECT) {
			snprintf(at, sizeof(at), "%s%s.", path, m->key);
			r = check_members(v, m->members, at, err);
		}
	}
	return r;
}

/* As Go's types with "omitempty" take a document over: members of the table only, none that is null or empty. */
static void prune(json_t *obj, const struct member *members)
{
	const char *key;
	json_t *v, *e;
	void *next;
	size_t i;

	json_object_foreach_safe(obj, next, key, v)
	{
		const struct member *m = members;

		while (m->key && !streq(m->key, key))
			m++;
		if (!m->key || json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0)) {
			json_object_del(obj, key);
		} else if (m->kind == OBJECT) {
			prune(v, m->members);
		} else if (m->kind == OBJECTS) {
			json_array_foreach(v, i, e) prune(e, m->members);
		}
	}
}

int cor_spec_config_seccomp(json_t *profile, struct cor_error *err)
{
	int r = check_members(profile, seccomp, "", err);

	if (r < 0)
		return r;
	prune(profile, seccomp);
	return 0;
}

int cor_spec_config_parse(const char *text, size_t len, json_t **ret, struct cor_error *err)
{
	_cleanup_json_ json_t *spec = NULL;
	int r = cor_json_parse(text, len, "config.json", &spec, err);

	if (r >= 0 && !json_is_object(spec))
		r = cor_error_set(err, COR_INVALID_ARGUMENT, "config.json: expected object");
	if (r >= 0)
		r = check_members(spec, document, "", err);
	if (r < 0)
		return cor_error_wrap(err, r,
				      "decoding spec config file failed, current supported OCI runtime-spec "
				      ": v" COR_SPEC_VERSION_SUPPORTED);
	*ret = TAKE_PTR(spec);
	return 0;
}

int cor_spec_config_load(const char *path, json_t **ret, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = cor_spec_read_file(path, &text, &len, err);

	if (r < 0)
		return cor_error_wrap(err, r, "cannot load spec config file");
	return cor_spec_config_parse(text, len, ret, err);
}
