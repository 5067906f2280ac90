/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which back end the commands work on. Today: the built-in engine. A containerd address, whether from the flag or
 * from $CONTAINERD_ADDRESS, is an error rather than ignored: who points at a daemon wants its containers, and would
 * otherwise see (and delete from) another store. `--address ""` says "the built-in engine" in spite of the environment.
 */
#include "cmd/context.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "engine/engine.h"
#include "oci/identifier.h"

static int check_address(const struct cor_globals *g, struct cor_error *err)
{
	struct stat st;

	if (cor_empty(g->address))
		return 0;
	if (fstatat(AT_FDCWD, g->address, &st, 0) < 0)
		return cor_error_set(err, COR_NOT_FOUND, "cannot access socket %s: stat %s: %s", g->address,
				     g->address, cor_strerror(errno));
	return cor_error_set(
		err, COR_UNIMPLEMENTED,
		"--address %s: driving a containerd is not built in yet (unset $CONTAINERD_ADDRESS or give "
		"--address \"\" to use the built-in engine)",
		g->address);
}

int cor_context_services(struct cor_context *ctx, struct cor_services **ret, struct cor_error *err)
{
	const struct cor_globals *g = &ctx->globals;

	if (!ctx->services) {
		int r = check_address(g, err);
		if (r < 0)
			return r;
		if (cor_empty(g->ns))
			return cor_error_set(err, COR_INVALID_ARGUMENT, "namespace is required");
		r = cor_identifier_validate("namespace validation", g->ns, err);
		if (r < 0)
			return r;
		struct cor_engine_options o = {
			.root = g->root,
			.state = g->state,
			.ns = g->ns,
			.timeout_ns = g->timeout_ns,
		};
		r = cor_engine_open(&o, &ctx->services, err);
		if (r < 0)
			return r;
	}
	*ret = ctx->services;
	return 0;
}

void cor_context_done(struct cor_context *ctx)
{
	ctx->services = cor_services_free(ctx->services);
}
