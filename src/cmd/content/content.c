/* SPDX-License-Identifier: Apache-2.0 */
/* `content`: the noun's table. */
#include "cmd/commands.h"
#include "cmd/content/content.h"

static const struct cor_command *const commands[] = {
	&cor_content_active, &cor_content_delete, &cor_content_get,   &cor_content_ingest,
	&cor_content_list,   &cor_content_label,  &cor_content_prune, NULL,
};

const struct cor_command cor_cmd_content = {
	.name = "content",
	.usage = "manage content",
	.subcommands = commands,
};
