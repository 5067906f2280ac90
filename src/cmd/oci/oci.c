/* SPDX-License-Identifier: Apache-2.0 */
/* `oci spec`: what every image run starts from, before image and flags. Needs no store. */
#include "cmd/commands.h"
#include "cmd/context.h"
#include "oci/platform.h"
#include "spec/spec.h"

struct spec_flags {
	const char *platform;
};
static const struct cor_option spec_options[] = {
	COR_OPT(struct spec_flags, COR_OPT_STRING, platform, "platform", NULL,
		"platform of the spec to print (examples: 'linux/arm64', 'windows/amd64')",
		.metavar = "PLATFORM"),
	COR_OPT_END,
};

static int make_spec(const struct cor_context *ctx, const char *platform, json_t **ret, struct cor_error *err)
{
	struct cor_platform p;
	int r = 0;
	if (cor_empty(platform))
		cor_platform_host(&p);
	else
		r = cor_platform_parse(platform, &p, err);
	if (r >= 0)
		r = cor_spec_default_for(p.os, ctx->globals.ns, "", ret, err);
	return r < 0 ? cor_error_wrap(err, r, "failed to generate spec") : 0;
}

static int run_spec(struct cor_context *ctx, const void *options, int argc, char **args,
		    struct cor_error *err)
{
	const struct spec_flags *f = options;
	_cleanup_json_ json_t *spec = NULL;
	int r = cor_context_check_args(ctx, argc, 0, 0, err);
	if (r >= 0)
		r = make_spec(ctx, f->platform, &spec, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = cor_json_dump_pretty(spec);
	if (!text)
		return cor_error_oom(err);
	fprintf(ctx->out, "%s\n", text);
	return 0;
}

static const struct cor_command spec_command = {
	.name = "spec",
	.usage = "see the output of the default OCI spec",
	.options = spec_options,
	.options_size = sizeof(struct spec_flags),
	.run = run_spec,
};

static const struct cor_command *const commands[] = {&spec_command, NULL};

const struct cor_command cor_cmd_oci = {
	.name = "oci",
	.usage = "OCI tools",
	.subcommands = commands,
};
