/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of src/cni: versions, and one run of one plugin. */
#ifndef COR_CNI_INTERNAL_H
#define COR_CNI_INTERNAL_H

#include "cni/cni.h"

/* Position in the list of the specification's versions, oldest first; -1: none that we know. */
int cni_version_rank(const char *version);
/* From this one on DEL gets the result of ADD. */
#define CNI_VERSION_DEL_RESULT "0.4.0"

/* Runs the plugin with `command` and the configuration on its standard input. What it printed (at most
 * COR_CNI_RESULT_MAX). NOT_FOUND when it is in none of the directories. */
int cni_plugin_run(const struct cor_cni_call *c, const char *command, const char *type, const json_t *config,
		   char **ret_out, size_t *ret_len, struct cor_error *err);

#endif
