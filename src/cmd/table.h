/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligned columns, as Go's text/tabwriter makes them (ctr's output): a column is a run of consecutive lines that have a
 * cell there; its width is the widest cell plus padding, at least minwidth. Every cell added here ends a column, the
 * last one too (ctr's rows end with a tab), so it is padded as well. Columns count characters (UTF-8), not bytes.
 */
#ifndef COR_CMD_TABLE_H
#define COR_CMD_TABLE_H

#include <stdio.h>

#include "base/str.h"

struct cor_table {
	size_t minwidth, padding;
	char **cells; /* strv over all rows */
	size_t n_cells, cap_cells;
	size_t *row_ends; /* index behind the last cell of each row */
	size_t n_rows, cap_rows;
	bool failed;
};
#define COR_TABLE(minwidth_, padding_)                         \
	{                                                      \
		.minwidth = (minwidth_), .padding = (padding_) \
	}
void cor_table_done(struct cor_table *t);
#define _cleanup_table_ _cleanup_(cor_table_done)

/* One row; control characters in the cells are written as \n, \x1b … so that no name can forge lines or drive the
 * terminal. A failed allocation is remembered and reported by cor_table_print. */
void cor_table_row_n(struct cor_table *t, const char *const *cells, size_t n);
#define cor_table_row(t, ...)                                    \
	cor_table_row_n((t), (const char *const[]){__VA_ARGS__}, \
			sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
/* 0 or -ENOMEM. Write errors are the stream's. */
int cor_table_print(const struct cor_table *t, FILE *out);

#endif
