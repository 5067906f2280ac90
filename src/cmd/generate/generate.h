/* SPDX-License-Identifier: Apache-2.0 */
/* What is generated from the command tables: shell completions and the man page. */
#ifndef COR_CMD_GENERATE_H
#define COR_CMD_GENERATE_H

#include "cmd/context.h"

/* Calls fn for every command that is not hidden, parents first. path: "coracle images list". 0, or what fn returned. */
typedef int (*cor_tree_fn)(const struct cor_command *cmd, const char *path, void *data);
int cor_tree_walk(const struct cor_command *root, const char *name, cor_tree_fn fn, void *data);

int cor_generate_bash(const struct cor_command *root, FILE *out);
int cor_generate_zsh(const struct cor_command *root, FILE *out);
int cor_generate_man(const struct cor_command *root, FILE *out);

/* What a command's positionals are, for completions ("" for nothing that is known). */
const char *cor_complete_kind(const struct cor_command *cmd);

/* Hand-written parts of the man page (roff). */
extern const char cor_manual_head[], cor_manual_tail[];

#endif
