/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligned columns, as Go's text/tabwriter makes them (ctr's output): a column is a run of consecutive lines that have a
 * cell there; its width is the widest cell plus padding, at least minwidth. The last cell of a row ends a column, too
 * (most of ctr's rows end with a tab), so it is padded as well; in an "open" row it is free text. With `tabs`, the
 * padding is tab characters (ctr's content listings). Columns count characters (UTF-8), not bytes.
 */
#ifndef COR_CMD_TABLE_H
#define COR_CMD_TABLE_H

#include <stdio.h>

#include "base/str.h"

struct cor_table_row {
	size_t end; /* index behind the row's last cell */
	bool open;
};
struct cor_table {
	size_t minwidth, padding;
	char **cells; /* strv over all rows */
	size_t n_cells, cap_cells;
	struct cor_table_row *rows;
	size_t n_rows, cap_rows;
	bool tabs, failed;
};
#define COR_TABLE(minwidth_, padding_)                         \
	{                                                      \
		.minwidth = (minwidth_), .padding = (padding_) \
	}
void cor_table_done(struct cor_table *t);
#define _cleanup_table_ _cleanup_(cor_table_done)

/* One row; control characters in the cells are written as \n, \x1b … so that no name can forge lines or drive the
 * terminal. A failed allocation is remembered and reported by cor_table_print. */
void cor_table_add(struct cor_table *t, bool open, const char *const *cells, size_t n);
#define cor_table_cells_(...) \
	(const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)
#define cor_table_row(t, ...)      cor_table_add((t), false, cor_table_cells_(__VA_ARGS__))
#define cor_table_open_row(t, ...) cor_table_add((t), true, cor_table_cells_(__VA_ARGS__))
/* 0 or -ENOMEM. Write errors are the stream's. */
int cor_table_print(const struct cor_table *t, FILE *out);

#endif
