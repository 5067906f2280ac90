/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `content`. */
#ifndef COR_CMD_CONTENT_H
#define COR_CMD_CONTENT_H

#include "cmd/context.h"

extern const struct cor_command cor_content_active, cor_content_delete, cor_content_get, cor_content_ingest,
	cor_content_label, cor_content_list, cor_content_prune;

#endif
