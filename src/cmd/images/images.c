/* SPDX-License-Identifier: Apache-2.0 */
/* `images`: the noun's table. */
#include "cmd/commands.h"
#include "cmd/images/images.h"

static const struct cor_command *const commands[] = {
	&cor_images_check, &cor_images_import, &cor_images_inspect, &cor_images_list,   &cor_images_delete,
	&cor_images_tag,   &cor_images_label,  &cor_images_usage,   &cor_images_export, NULL,
};

const struct cor_command cor_cmd_images = {
	.name = "images",
	.aliases = "image,i",
	.usage = "manage images",
	.subcommands = commands,
};
