/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in and out of commands: harmless printing of foreign strings, labels from arguments and for tables. */
#ifndef COR_CMD_TEXT_H
#define COR_CMD_TEXT_H

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

/* A copy with control characters (C0, DEL, C1) and bytes that are no UTF-8 written as \n, \t, \xNN. NULL on ENOMEM. */
char *cor_text_escape(const char *s);
/* s and a newline, escaped so where standard output is a terminal: scripts get names as they are. */
void cor_text_line(FILE *out, const char *s);
/* Number of characters (UTF-8 code points). */
size_t cor_text_width(const char *s);

/* "k=v" arguments into a map, as ctr: "k" alone means "true", "k=" is the empty value (which clears a label where
 * labels are edited). Empty keys and labels of more than 4096 bytes are INVALID_ARGUMENT. */
int cor_labels_parse(char *const *args, struct cor_map *ret, struct cor_error *err);
/* "k=v,k=v" in key order, `none` for an empty map. Caller frees; NULL on ENOMEM. */
char *cor_labels_format(const struct cor_map *labels, const char *none);

/* RFC 3339 in local time, whole seconds ("2026-11-26T06:21:11Z"). Returns buf. */
char *cor_text_local_time(int64_t ns, char buf[COR_TIME_MAX]);

#endif
