/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns (see the header). Rows are kept until all are known, since widths depend on all of them. */
#include <errno.h>

#include "cmd/table.h"
#include "cmd/text.h"

#define TAB_WIDTH 8

void cor_table_done(struct cor_table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->rows);
	*t = (struct cor_table){.minwidth = t->minwidth, .padding = t->padding, .tabs = t->tabs};
}

void cor_table_add(struct cor_table *t, bool open, const char *const *cells, size_t n)
{
	if (t->failed)
		return;
	t->failed = true;
	if (cor_grow(&t->cells, &t->cap_cells, t->n_cells + n, sizeof(*t->cells)) < 0 ||
	    cor_grow(&t->rows, &t->cap_rows, t->n_rows + 1, sizeof(*t->rows)) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		char *cell = cor_text_escape(cells[i] ? cells[i] : "");
		if (!cell)
			return;
		t->cells[t->n_cells++] = cell;
	}
	t->rows[t->n_rows++] = (struct cor_table_row){.end = t->n_cells, .open = open};
	t->failed = false;
}

static size_t row_start(const struct cor_table *t, size_t row)
{
	return row ? t->rows[row - 1].end : 0;
}

static size_t row_cells(const struct cor_table *t, size_t row)
{
	return t->rows[row].end - row_start(t, row);
}

/* Cells that end a column. */
static size_t row_columns(const struct cor_table *t, size_t row)
{
	size_t n = row_cells(t, row);

	return t->rows[row].open && n > 0 ? n - 1 : n;
}

/* Width of the column block that the cell (row, col) is in: the rows from here on that have that column, too. In the
 * tables printed here all rows have the same number of cells, so a block is nearly always the whole column. */
static size_t block_width(const struct cor_table *t, size_t row, size_t col, size_t *ret_end)
{
	size_t width = t->minwidth, end = row;

	for (; end < t->n_rows && row_columns(t, end) > col; end++)
		width = MAX(width, cor_text_width(t->cells[row_start(t, end) + col]) + t->padding);
	*ret_end = end;
	return width;
}

static void print_padding(const struct cor_table *t, size_t text, size_t width, FILE *out)
{
	if (!t->tabs) {
		fprintf(out, "%*s", (int)(width - text), "");
		return;
	}
	width = (width + TAB_WIDTH - 1) / TAB_WIDTH * TAB_WIDTH;
	for (size_t n = (width - text + TAB_WIDTH - 1) / TAB_WIDTH; n > 0; n--)
		fputc('\t', out);
}

static void print_row(const struct cor_table *t, size_t row, const size_t *widths, FILE *out)
{
	for (size_t c = 0; c < row_cells(t, row); c++) {
		const char *cell = t->cells[row_start(t, row) + c];
		fputs(cell, out);
		if (c < row_columns(t, row))
			print_padding(t, cor_text_width(cell), widths[c], out);
	}
	fputc('\n', out);
}

int cor_table_print(const struct cor_table *t, FILE *out)
{
	size_t columns = 0;

	if (t->failed)
		return -ENOMEM;
	for (size_t r = 0; r < t->n_rows; r++)
		columns = MAX(columns, row_cells(t, r));
	_cleanup_free_ size_t *widths = cor_new0(size_t, columns + 1), *ends = cor_new0(size_t, columns + 1);
	if (!widths || !ends)
		return -ENOMEM;
	for (size_t r = 0; r < t->n_rows; r++) {
		for (size_t c = 0; c < row_columns(t, r); c++)
			if (r >= ends[c])
				widths[c] = block_width(t, r, c, &ends[c]);
		print_row(t, r, widths, out);
	}
	return 0;
}
