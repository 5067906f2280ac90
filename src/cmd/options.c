/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flag parser: Go's rules, because ctr's users and their scripts have them in their fingers. One or two dashes are the
 * same; "--flag=value" and "--flag value"; a bool takes a value only behind "="; the first positional or "--" ends
 * the flags. The tables are walked linearly: the largest has 70 rows, and a hash would cost more than it saves.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/options.h"

const struct cor_option *cor_options_at(const struct cor_command *cmd, size_t i)
{
	for (const struct cor_option *o = cmd->options; o && o->name; o++)
		if (i-- == 0)
			return o;
	for (const struct cor_option *const *t = cmd->more_options; t && *t; t++)
		for (const struct cor_option *o = *t; o->name; o++)
			if (i-- == 0)
				return o;
	return NULL;
}

static bool name_is(const char *name, size_t have, const char *s, size_t n)
{
	return have == n && memcmp(name, s, n) == 0;
}

static bool alias_has(const char *aliases, const char *s, size_t n)
{
	for (const char *a = aliases; a && *a;) {
		size_t len = strcspn(a, ",");
		if (name_is(a, len, s, n))
			return true;
		a += len + (a[len] == ',');
	}
	return false;
}

const struct cor_option *cor_options_find(const struct cor_command *cmd, const char *name, size_t n)
{
	const struct cor_option *o;

	for (size_t i = 0; (o = cor_options_at(cmd, i)); i++)
		if (name_is(o->name, strlen(o->name), name, n) || alias_has(o->alias, name, n))
			return o;
	return NULL;
}

/* Defaults must not count as "given". */
static int apply_default(const struct cor_option *o, void *values, struct cor_error *err)
{
	struct cor_option plain = *o;
	const char *why = NULL;

	plain.set_offset = SIZE_MAX;
	int r = cor_option_store(&plain, o->def, values, &why);
	if (r < 0)
		return cor_error_set(err, COR_INTERNAL, "default \"%s\" of flag -%s: %s", o->def, o->name,
				     why ? why : "out of memory");
	return 0;
}

static const char *type_word(const struct cor_option *o)
{
	static const char *const words[] = {
		[COR_OPT_BOOL] = "bool",
		[COR_OPT_STRING] = "string",
		[COR_OPT_STRINGS] = "string slice",
		[COR_OPT_INT] = "int64",
		[COR_OPT_UINT] = "uint64",
		[COR_OPT_FLOAT] = "float64",
		[COR_OPT_DURATION] = "duration",
		[COR_OPT_PRESENCE] = "bool",
	};
	return words[o->type];
}

static int apply_environment(const struct cor_option *o, void *values, struct cor_error *err)
{
	const char *text = getenv(o->env), *why = NULL;

	if (cor_empty(text))
		return 0;
	int r = cor_option_store(o, text, values, &why);
	if (r == -ENOMEM)
		return cor_error_oom(err);
	if (r < 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "could not parse $%s \"%s\" as %s value for flag %s: %s", o->env, text,
				     type_word(o), o->name, why);
	return 0;
}

static int apply_defaults(const struct cor_command *cmd, void *values, struct cor_error *err)
{
	const struct cor_option *o;
	int r = 0;

	for (size_t i = 0; r >= 0 && (o = cor_options_at(cmd, i)); i++) {
		if (o->def)
			r = apply_default(o, values, err);
		if (r >= 0 && o->env)
			r = apply_environment(o, values, err);
	}
	return r;
}

static int store_flag(const struct cor_option *o, const char *name, size_t n, const char *text, void *values,
		      struct cor_error *err)
{
	const char *why = NULL;
	int r = cor_option_store(o, text, values, &why);

	if (r == -ENOMEM)
		return cor_error_oom(err);
	if (r < 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     cor_option_is_bool(o) ? "invalid boolean value \"%s\" for -%.*s: %s"
							   : "invalid value \"%s\" for flag -%.*s: %s",
				     text, (int)n, name, why);
	return 0;
}

/* One flag at argv[*i]; advances *i behind it and its value. */
static int parse_flag(const struct cor_command *cmd, int argc, char **argv, int *i, void *values,
		      uint64_t *seen, bool *help, struct cor_error *err)
{
	const char *name = argv[*i] + (argv[*i][1] == '-' ? 2 : 1);
	size_t n = strcspn(name, "=");
	const char *value = name[n] == '=' ? name + n + 1 : NULL;

	if (n == 0 || *name == '-')
		return cor_error_set(err, COR_INVALID_ARGUMENT, "bad flag syntax: %s", argv[*i]);
	(*i)++;
	const struct cor_option *o = cor_options_find(cmd, name, n);
	if (!o && (name_is("help", 4, name, n) || name_is("h", 1, name, n))) {
		*help = true;
		return 0;
	}
	if (!o)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "flag provided but not defined: -%.*s",
				     (int)n, name);
	if (!value && cor_option_is_bool(o))
		value = "true";
	if (!value && *i >= argc)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "flag needs an argument: -%.*s", (int)n,
				     name);
	if (!value)
		value = argv[(*i)++];
	for (size_t k = 0; cor_options_at(cmd, k) && k < 128; k++)
		if (cor_options_at(cmd, k) == o)
			seen[k / 64] |= UINT64_C(1) << (k % 64);
	return store_flag(o, name, n, value, values, err);
}

static bool given(const struct cor_option *o, size_t i, const uint64_t *seen)
{
	return (seen[i / 64] >> (i % 64) & 1) || (o->env && !cor_empty(getenv(o->env)));
}

static int check_required(const struct cor_command *cmd, const uint64_t *seen, struct cor_error *err)
{
	_cleanup_buf_ struct cor_buf missing = {0};
	const struct cor_option *o;
	size_t n = 0;

	for (size_t i = 0; (o = cor_options_at(cmd, i)) && i < 128; i++)
		if (o->required && !given(o, i, seen))
			cor_buf_printf(&missing, "%s%s", n++ ? ", " : "", o->name);
	if (missing.failed)
		return cor_error_oom(err);
	if (n > 0)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "Required flag%s \"%s\" not set",
				     n > 1 ? "s" : "", missing.data);
	return 0;
}

int cor_options_parse(const struct cor_command *cmd, int argc, char **argv, void *values,
		      struct cor_parsed *ret, struct cor_error *err)
{
	uint64_t seen[2] = {0, 0};
	struct cor_parsed p = {0};
	int i = 0;

	int r = apply_defaults(cmd, values, err);
	while (r >= 0 && i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
		if (streq(argv[i], "--")) {
			i++;
			p.terminated = true;
			break;
		}
		r = parse_flag(cmd, argc, argv, &i, values, seen, &p.help, err);
	}
	if (r >= 0 && !p.help)
		r = check_required(cmd, seen, err);
	if (r < 0)
		return r;
	p.first = i;
	*ret = p;
	return 0;
}

void cor_options_done(const struct cor_command *cmd, void *values)
{
	const struct cor_option *o;

	for (size_t i = 0; (o = cor_options_at(cmd, i)); i++) {
		if (o->type != COR_OPT_STRINGS)
			continue;
		char ***field = (void *)((char *)values + o->offset);
		*field = cor_strv_free(*field);
	}
}
