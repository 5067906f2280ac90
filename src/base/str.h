/* SPDX-License-Identifier: Apache-2.0 */
/* Strings: growing buffers, NULL-terminated string vectors, string maps, strict number parsing. */
#ifndef COR_BASE_STR_H
#define COR_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"

static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}
static inline bool cor_empty(const char *s)
{
	return !s || !*s;
}
bool cor_startswith(const char *s, const char *prefix);
bool cor_endswith(const char *s, const char *suffix);
/* After the prefix, or NULL. */
const char *cor_after(const char *s, const char *prefix);

/* asprintf that returns the string (caller's) or NULL. */
char *cor_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A growing byte buffer, always NUL-terminated behind len when data is not NULL. Failure of any append makes
 * it sticky (`failed`), checked once at the end. */
struct cor_buf {
	char *data;
	size_t len, cap;
	bool failed;
};
void cor_buf_done(struct cor_buf *b);
#define _cleanup_buf_ _cleanup_(cor_buf_done)
int cor_buf_append(struct cor_buf *b, const void *data, size_t n);
int cor_buf_str(struct cor_buf *b, const char *s);
int cor_buf_char(struct cor_buf *b, char c);
int cor_buf_printf(struct cor_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Hands the string over ("" when empty), NULL when an append had failed. Resets b. */
char *cor_buf_take(struct cor_buf *b);

/* NULL-terminated vectors of strings. NULL is the empty vector. */
size_t cor_strv_len(char *const *v);
char **cor_strv_free(char **v);
void cor_strv_freep(char ***v);
#define _cleanup_strv_ _cleanup_(cor_strv_freep)
/* Appends a copy of s. 0 or -ENOMEM. */
int cor_strv_push(char ***v, const char *s);
/* Appends s itself; on failure s is freed. */
int cor_strv_push_take(char ***v, char *s);
char **cor_strv_copy(char *const *v);
bool cor_strv_contains(char *const *v, const char *s);
/* Splits at each sep; keeps empty fields. "" gives one empty field. NULL on ENOMEM. */
char **cor_strv_split(const char *s, char sep);
char *cor_strv_join(char *const *v, const char *sep);
/* Removes element i. */
void cor_strv_remove(char **v, size_t i);

/* A string map kept sorted by key (labels, annotations). Zero-initialise; freed by _done. */
struct cor_map {
	char **keys, **values;
	size_t n, cap;
};
void cor_map_done(struct cor_map *m);
#define _cleanup_map_ _cleanup_(cor_map_done)
/* The value (borrowed) or NULL. */
const char *cor_map_get(const struct cor_map *m, const char *key);
/* Sets or replaces. 0 or -ENOMEM. */
int cor_map_set(struct cor_map *m, const char *key, const char *value);
/* True when it was there. */
bool cor_map_unset(struct cor_map *m, const char *key);
int cor_map_copy(struct cor_map *dst, const struct cor_map *src);

/* Strict decimal numbers over the whole string: no blanks, no sign for u64, no leading '+'.
 * 0, -EINVAL (syntax) or -ERANGE. *ret untouched on failure. */
int cor_parse_u64(const char *s, uint64_t *ret);
int cor_parse_i64(const char *s, int64_t *ret);
int cor_parse_u32(const char *s, uint32_t *ret);
/* A finite decimal fraction ("0.5"). */
int cor_parse_f64(const char *s, double *ret);
/* Go's strconv.ParseBool: 1 t T TRUE true True / 0 f F FALSE false False. */
int cor_parse_bool(const char *s, bool *ret);
/* Go's time.ParseDuration ("1h2m3.5s", "100ms") into nanoseconds. */
int cor_parse_duration(const char *s, int64_t *ret_ns);

/* n bytes as containerd prints them: IEC ("760.8 KiB") or SI ("778.2kB"). buf >= 32 bytes; returns buf. */
char *cor_format_iec(uint64_t n, char buf[32]);
char *cor_format_si(uint64_t n, char buf[32]);

/* n random hex digits from getrandom into buf (n+1 bytes). */
void cor_random_hex(char *buf, size_t n);

#endif
