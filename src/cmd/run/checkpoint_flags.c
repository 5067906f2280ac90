/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `run --checkpoint`: the container is the checkpoint's, so a flag that would change the spec is an error rather than without
 * effect. Which ones count is listed; all others must be as they are by default.
 */
#include <stdalign.h>

#include "cmd/context.h"
#include "cmd/options.h"
#include "cmd/run/container_flags.h"

static bool counts(const char *name)
{
	static const char *const used[] = {"checkpoint",        "label",     "snapshotter",
					   "snapshotter-label", "runtime",   "runtime-config-path",
					   "runc-binary",       "runc-root", "rm",
					   "null-io",           "log-uri",   "detach",
					   "pid-file",          "no-pivot",  NULL};
	for (const char *const *u = used; *u; u++)
		if (streq(*u, name))
			return true;
	return false;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

#define FIELD(type, p) (*(type const *)(const void *)((const char *)(p) + o->offset))

static bool same_value(const struct cor_option *o, const void *a, const void *b)
{
	if (o->set_offset != SIZE_MAX &&
	    *((const bool *)a + o->set_offset) != *((const bool *)b + o->set_offset))
		return false;
	switch (o->type) {
	case COR_OPT_BOOL:
	case COR_OPT_PRESENCE:
		return FIELD(bool, a) == FIELD(bool, b);
	case COR_OPT_STRING:
		return same_text(FIELD(char *, a), FIELD(char *, b));
	case COR_OPT_STRINGS:
		return cor_strv_len(FIELD(char **, a)) == cor_strv_len(FIELD(char **, b));
	case COR_OPT_INT:
	case COR_OPT_DURATION:
		return FIELD(int64_t, a) == FIELD(int64_t, b);
	case COR_OPT_UINT:
		return FIELD(uint64_t, a) == FIELD(uint64_t, b);
	case COR_OPT_FLOAT:
		return !(FIELD(double, a) < FIELD(double, b)) && !(FIELD(double, a) > FIELD(double, b));
	}
	return false;
}

int cor_container_flags_check_restore(const struct cor_context *ctx, const struct cor_container_flags *f,
				      int argc, struct cor_error *err)
{
	struct cor_container_flags defaults = {0};
	struct cor_parsed ignored;
	const struct cor_option *o;
	char *none[] = {NULL};
	if (argc > 2)
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"a command cannot be given with --checkpoint: the process is the checkpoint's");
	int r = cor_options_parse(ctx->command, 0, none, &defaults, &ignored, err);
	for (size_t i = 0; r >= 0 && (o = cor_options_at(ctx->command, i)); i++)
		if (!counts(o->name) && !same_value(o, f, &defaults))
			r = cor_error_set(
				err, COR_INVALID_ARGUMENT,
				"flag --%s cannot be given with --checkpoint: the container is as the "
				"checkpoint has it",
				o->name);
	cor_options_done(ctx->command, &defaults);
	return r < 0 ? r : 0;
}
