/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --blockio-config-file and --blockio-class: goresctrl's configuration (YAML or JSON), of which the class becomes
 * linux.resources.blockIO.
 *
 *   Classes:
 *     NAME:
 *     - Weight: 80                      for every device
 *     - Devices: ["/dev/sd[a-z]"]       block devices by pattern, links followed
 *       ThrottleReadBps: 50M            also ThrottleWriteBps, ThrottleReadIOPS, ThrottleWriteIOPS, Weight
 *
 * Later entries override earlier ones, device by device. Every class is checked, whether it is asked for or not; names of
 * members are taken in any case, as Go's JSON does. Patterns that find nothing get a warning, as there.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/log.h"
#include "oci/yaml.h"
#include "spec/internal.h"

#define CONFIG_MAX (1u << 20)
#define WEIGHT_MIN 10
#define WEIGHT_MAX 1000

enum { READ_BPS, WRITE_BPS, READ_IOPS, WRITE_IOPS, WEIGHT, N_VALUES };

/* The member of a class's entry, and of the runtime spec's blockIO for devices. */
static const struct {
	const char *name, *oci;
} values[N_VALUES] = {
	[READ_BPS] = {"ThrottleReadBps", "throttleReadBpsDevice"},
	[WRITE_BPS] = {"ThrottleWriteBps", "throttleWriteBpsDevice"},
	[READ_IOPS] = {"ThrottleReadIOPS", "throttleReadIOPSDevice"},
	[WRITE_IOPS] = {"ThrottleWriteIOPS", "throttleWriteIOPSDevice"},
	[WEIGHT] = {"Weight", "weightDevice"},
};

struct entry {
	const json_t *devices;    /* NULL: none given */
	char *text[N_VALUES];     /* as written; NULL: not given */
	int64_t number[N_VALUES]; /* -1: not given */
};

static void entry_done(struct entry *e)
{
	for (size_t i = 0; i < N_VALUES; i++)
		free(e->text[i]);
}
#define _cleanup_entry_ _cleanup_(entry_done)

/* ---- reading the configuration ------------------------------------------------------------------------------- */

static int unknown_field(const char *key, struct cor_error *err)
{
	_cleanup_free_ char *quoted = cor_spec_quote(key);

	return cor_error_set(err, COR_INVALID_ARGUMENT, "unknown field %s", COR_SPEC_QUOTED(quoted));
}

static int wrong_type(const char *what, const char *type, struct cor_error *err)
{
	return cor_error_set(err, COR_INVALID_ARGUMENT, "%s: expected %s", what, type);
}

/* A quantity may be written as a number, too. */
static int read_value(const json_t *v, size_t i, struct entry *e, struct cor_error *err)
{
	free(e->text[i]);
	e->text[i] = NULL;
	if (json_is_null(v))
		return 0;
	if (json_is_string(v))
		e->text[i] = strdup(json_string_value(v));
	else if (json_is_integer(v))
		e->text[i] = cor_asprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_real(v))
		e->text[i] = cor_asprintf("%.17g", json_real_value(v));
	else
		return wrong_type(values[i].name, "string", err);
	return e->text[i] ? 0 : cor_error_oom(err);
}

static int read_devices(const json_t *v, struct entry *e, struct cor_error *err)
{
	const json_t *device;
	size_t i;

	if (!json_is_array(v) && !json_is_null(v))
		return wrong_type("Devices", "array of strings", err);
	json_array_foreach(v, i, device)
	{
		if (!json_is_string(device))
			return wrong_type("Devices", "array of strings", err);
	}
	e->devices = json_is_null(v) ? NULL : v;
	return 0;
}

static int parse_numbers(struct entry *e, struct cor_error *err)
{
	for (size_t i = 0; i < N_VALUES; i++) {
		int64_t min = i == WEIGHT ? WEIGHT_MIN : 0, max = i == WEIGHT ? WEIGHT_MAX : INT64_MAX;
		_cleanup_free_ char *quoted = NULL;

		e->number[i] = -1;
		if (cor_empty(e->text[i]))
			continue;
		if (cor_spec_parse_quantity(e->text[i], &e->number[i]) < 0) {
			quoted = cor_spec_quote(e->text[i]);
			return cor_error_set(err, COR_INVALID_ARGUMENT, "syntax error in \"%s\" (%s)",
					     values[i].name, COR_SPEC_QUOTED(quoted));
		}
		if (e->number[i] < min || e->number[i] > max)
			return cor_error_set(
				err, COR_INVALID_ARGUMENT, "value of \"%s\" (%" PRId64 ") %s (%" PRId64 ")",
				values[i].name, e->number[i],
				e->number[i] < min ? "smaller than minimum" : "bigger than maximum",
				e->number[i] < min ? min : max);
	}
	return 0;
}

/* Throttling without devices would be left out: an error, as there. */
static int check_entry(const struct entry *e, struct cor_error *err)
{
	char *q[WEIGHT] = {NULL};
	bool throttled = false;
	int r = 0;

	for (size_t i = 0; i < WEIGHT; i++)
		throttled = throttled || e->number[i] >= 0;
	if (e->devices || !throttled)
		return 0;
	for (size_t i = 0; i < WEIGHT; i++)
		q[i] = cor_spec_quote(e->text[i] ? e->text[i] : "");
	r = cor_error_set(err, COR_INVALID_ARGUMENT,
			  "ignoring throttling (rbps=%s wbps=%s riops=%s wiops=%s): Devices not listed",
			  COR_SPEC_QUOTED(q[READ_BPS]), COR_SPEC_QUOTED(q[WRITE_BPS]),
			  COR_SPEC_QUOTED(q[READ_IOPS]), COR_SPEC_QUOTED(q[WRITE_IOPS]));
	for (size_t i = 0; i < WEIGHT; i++)
		free(q[i]);
	return r;
}

static int read_entry(const json_t *j, struct entry *e, struct cor_error *err)
{
	const char *key;
	json_t *v;
	int r = 0;

	if (!json_is_object(j) && !json_is_null(j))
		return wrong_type("class", "array of objects", err);
	json_object_foreach((json_t *)(uintptr_t)j, key, v)
	{
		size_t i = 0;

		while (i < N_VALUES && strcasecmp(key, values[i].name) != 0)
			i++;
		if (i < N_VALUES)
			r = read_value(v, i, e, err);
		else if (strcasecmp(key, "Devices") == 0)
			r = read_devices(v, e, err);
		else
			r = unknown_field(key, err);
		if (r < 0)
			return r;
	}
	r = parse_numbers(e, err);
	return r < 0 ? r : check_entry(e, err);
}

/* ---- devices ------------------------------------------------------------------------------------------------- */

/* Sets the number of a device in the list, or appends it. */
static int set_device(json_t *io, size_t i, dev_t rdev, int64_t number, struct cor_error *err)
{
	const char *key = i == WEIGHT ? "weight" : "rate";
	json_int_t maj = (json_int_t)major(rdev), min = (json_int_t)minor(rdev);
	json_t *list, *d;
	size_t k;
	int r = cor_spec_array(io, values[i].oci, &list, err);

	if (r < 0)
		return r;
	json_array_foreach(list, k, d)
	{
		if (json_integer_value(json_object_get(d, "major")) == maj &&
		    json_integer_value(json_object_get(d, "minor")) == min)
			return cor_spec_put(d, key, json_integer(number), err);
	}
	return cor_spec_push(
		list, json_pack("{s:I, s:I, s:I}", "major", maj, "minor", min, key, (json_int_t)number), err);
}

static int set_path(json_t *io, const struct entry *e, const char *path, bool *found, struct cor_error *err)
{
	struct stat st;
	int r = 0;

	if (fstatat(AT_FDCWD, path, &st, 0) < 0) {
		cor_warn("blockio: stat %s: %s", path, cor_strerror(errno));
		return 0;
	}
	if (!S_ISBLK(st.st_mode)) {
		cor_warn("blockio: %s is not a block device", path);
		return 0;
	}
	*found = true;
	for (size_t i = 0; r >= 0 && i < N_VALUES; i++)
		if (e->number[i] >= 0)
			r = set_device(io, i, st.st_rdev, e->number[i], err);
	return r;
}

static int set_pattern(json_t *io, const struct entry *e, const char *pattern, bool *found,
		       struct cor_error *err)
{
	glob_t matches = {0};
	int r = 0, g = glob(pattern, 0, NULL, &matches);

	if (g == GLOB_NOSPACE)
		r = cor_error_oom(err);
	else if (g != 0)
		cor_warn("blockio: %s does not match any device nodes", pattern);
	for (size_t i = 0; r >= 0 && g == 0 && i < matches.gl_pathc; i++)
		r = set_path(io, e, matches.gl_pathv[i], found, err);
	globfree(&matches);
	return r;
}

static int apply_entry(json_t *io, const struct entry *e, struct cor_error *err)
{
	const json_t *device;
	bool found = false;
	size_t i;
	int r = 0;

	if (!e->devices)
		return e->number[WEIGHT] < 0
			       ? 0
			       : cor_spec_put(io, "weight", json_integer(e->number[WEIGHT]), err);
	json_array_foreach(e->devices, i, device)
	{
		r = set_pattern(io, e, json_string_value(device), &found, err);
		if (r < 0)
			return r;
	}
	if (!found)
		cor_warn("blockio: no device found, parameters ignored");
	return 0;
}

/* ---- classes ------------------------------------------------------------------------------------------------- */

/* Checks a class; with io, its parameters are added to it. */
static int read_class(const json_t *class, json_t *io, struct cor_error *err)
{
	const json_t *j;
	size_t i;
	int r = 0;

	if (!json_is_array(class) && !json_is_null(class))
		return wrong_type("class", "array of objects", err);
	json_array_foreach(class, i, j)
	{
		_cleanup_entry_ struct entry e = {0};

		r = read_entry(j, &e, err);
		if (r >= 0 && io)
			r = apply_entry(io, &e, err);
		if (r < 0)
			return r;
	}
	return r;
}

/* The member "Classes" of the document (borrowed); NULL when there is none. */
static int find_classes(const json_t *doc, const json_t **ret, struct cor_error *err)
{
	const char *key;
	json_t *v;

	*ret = NULL;
	if (json_is_null(doc))
		return 0;
	if (!json_is_object(doc))
		return wrong_type("configuration", "object", err);
	json_object_foreach((json_t *)(uintptr_t)doc, key, v)
	{
		if (strcasecmp(key, "Classes") != 0)
			return unknown_field(key, err);
		if (!json_is_object(v) && !json_is_null(v))
			return wrong_type("Classes", "object", err);
		*ret = v;
	}
	return 0;
}

int cor_spec_blockio_parse(const char *text, size_t len, const char *class, json_t **ret,
			   struct cor_error *err)
{
	_cleanup_json_ json_t *doc = NULL, *io = NULL;
	const json_t *classes = NULL;
	const char *name;
	json_t *v;
	int r = cor_yaml_parse(text, len, &doc, err);

	if (r >= 0)
		r = find_classes(doc, &classes, err);
	if (r < 0)
		return r;
	json_object_foreach((json_t *)(uintptr_t)classes, name, v)
	{
		if (class && streq(name, class)) {
			io = json_object();
			if (!io)
				return cor_error_oom(err);
		}
		r = read_class(v, class && streq(name, class) ? io : NULL, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(io);
	return 0;
}

static int load(const char *path, const char *class, json_t **ret, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL, *quoted = cor_spec_quote(path);
	size_t len = 0;
	int r = cor_spec_read_file_max(path, CONFIG_MAX, &text, &len, err);

	if (r < 0)
		return cor_error_wrap(err, r, "blockio-config-file error: failed to read config file %s",
				      COR_SPEC_QUOTED(quoted));
	r = cor_spec_blockio_parse(text, len, class, ret, err);
	return r < 0 ? cor_error_wrap(err, r,
				      "blockio-config-file error: failed to set configuration from file %s",
				      COR_SPEC_QUOTED(quoted))
		     : 0;
}

/* The class's parameters, NULL without one. resolve: look devices up (and warn), else only check. */
static int make(const struct cor_spec_options *o, bool resolve, json_t **ret, struct cor_error *err)
{
	_cleanup_json_ json_t *io = NULL;
	_cleanup_free_ char *quoted = NULL;
	bool wanted = !cor_empty(o->blockio_class);
	int r = 0;

	if (!cor_empty(o->blockio_config_file))
		r = load(o->blockio_config_file, wanted && resolve ? o->blockio_class : NULL, &io, err);
	if (r < 0)
		return r;
	if (wanted && resolve && !io) {
		quoted = cor_spec_quote(o->blockio_class);
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "blockio-class error: no OCI BlockIO parameters for class %s",
				     COR_SPEC_QUOTED(quoted));
	}
	*ret = TAKE_PTR(io);
	return 0;
}

int cor_spec_check_blockio(const struct cor_spec_options *o, struct cor_error *err)
{
	_cleanup_json_ json_t *ignored = NULL;

	return make(o, false, &ignored, err);
}

int cor_spec_apply_blockio(struct cor_spec_build *b, struct cor_error *err)
{
	json_t *resources, *io = NULL;
	int r = cor_empty(b->options->blockio_class) ? 0 : make(b->options, true, &io, err);

	if (r < 0 || !io)
		return r;
	r = cor_spec_resources(b->spec, &resources, err);
	if (r < 0) {
		json_decref(io);
		return r;
	}
	return cor_spec_put(resources, "blockIO", io, err);
}
