/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of a spec that an older OCI runtime passes over without a word, and its container then lacks: network devices and
 * parts of intelRdt, which came with runtime-spec 1.3. Where a spec has one, the runtime is asked first (`runc features`). No
 * other spec costs more than a look for the words.
 */
#include "engine/task_internal.h"

#include <errno.h>

#include "base/process.h"
#include "oci/json.h"

#define FEATURES_MAX (1u << 20)

static const struct member {
	const char *object, *key;    /* below spec.linux; object NULL: directly there */
	const char *feature, *value; /* below features.linux */
} members[] = {
	{NULL, "netDevices", "netDevices", "enabled"},
	{"intelRdt", "schemata", "intelRdt", "schemata"},
	{"intelRdt", "enableMonitoring", "intelRdt", "monitoring"},
};

static bool is_used(const json_t *spec, const struct member *m)
{
	const json_t *v = json_object_get(spec, "linux");

	if (m->object)
		v = json_object_get(v, m->object);
	v = json_object_get(v, m->key);
	return json_is_true(v) || json_object_size(v) > 0 || json_array_size(v) > 0;
}

/* What `<binary> features` prints; NULL where it has no such command or prints something else. */
static json_t *features_of(const char *binary)
{
	struct cor_spawn spawn = {.path = binary,
				  .argv = (char *const *)(const char *const[]){binary, "features", NULL},
				  .cwd_fd = -1,
				  .fds = {-1, -1, -1},
				  .nfds = 3,
				  .default_signals = true};
	_cleanup_free_ char *text = NULL;
	json_t *features = NULL;
	int fds[2], status = -1;
	size_t len = 0;
	pid_t pid;
	int r = cor_pipe(fds);

	if (r < 0)
		return NULL;
	spawn.fds[1] = fds[1];
	r = cor_spawn(&spawn, &pid, NULL, NULL);
	cor_close(fds[1]);
	if (r >= 0) {
		r = cor_read_fd(fds[0], FEATURES_MAX, &text, &len, NULL);
		cor_close(fds[0]); /* before waiting: who has more to say gets SIGPIPE */
		if (cor_wait_exit(pid, &status) < 0 || status != 0 || r < 0)
			return NULL;
		return cor_json_parse(text, len, "features", &features, NULL) < 0 ? NULL : features;
	}
	cor_close(fds[0]);
	return NULL;
}

static bool has_feature(const json_t *features, const struct member *m)
{
	return json_is_true(
		json_object_get(json_object_get(json_object_get(features, "linux"), m->feature), m->value));
}

static int check(const char *binary, const json_t *spec, struct cor_error *err)
{
	_cleanup_json_ json_t *features = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const struct member *m = &members[i];

		if (!is_used(spec, m))
			continue;
		if (!features)
			features = features_of(binary);
		if (!has_feature(features, m))
			return cor_error_set(
				err, COR_FAILED_PRECONDITION,
				"OCI runtime %s does not know linux.%s%s%s of the spec (its command "
				"features does not list it)",
				binary, m->object ? m->object : "", m->object ? "." : "", m->key);
	}
	return 0;
}

int cor_task_features_check(const char *binary, const char *spec_text, struct cor_error *err)
{
	_cleanup_json_ json_t *spec = NULL;
	bool found = false;
	int r;

	for (size_t i = 0; !found && i < ARRAY_SIZE(members); i++)
		found = strstr(spec_text, members[i].key) != NULL;
	if (!found)
		return 0;
	r = cor_json_parse(spec_text, strlen(spec_text), "spec", &spec, err);
	return r < 0 ? r : check(binary, spec, err);
}
