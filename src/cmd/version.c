/* SPDX-License-Identifier: Apache-2.0 */
/* `version`: what is running. The engine is in the program, so client and server are the same. */
#include <sys/utsname.h>

#include "cmd/commands.h"
#include "cmd/context.h"

static int run_version(struct cor_context *ctx, const void *options, int argc, char **args,
		       struct cor_error *err)
{
	struct utsname u;

	if (uname(&u) < 0)
		u = (struct utsname){.release = "unknown", .machine = "unknown"};
	fprintf(ctx->out, "Client:\n  Version:  %s\n  Compiler: %s\n\n", COR_VERSION, __VERSION__);
	fprintf(ctx->out, "Server:\n  Version:  %s (built in)\n  Kernel:   %s %s\n", COR_VERSION, u.release,
		u.machine);
	return 0;
}

const struct cor_command cor_cmd_version = {
	.name = "version",
	.usage = "print the client and server versions",
	.run = run_version,
};
