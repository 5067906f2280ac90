/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug and warning lines for programs. Library code may call these; nothing is printed unless the program has
 * installed a sink (the library itself never prints).
 */
#ifndef COR_BASE_LOG_H
#define COR_BASE_LOG_H

enum cor_log_level { COR_LOG_DEBUG, COR_LOG_INFO, COR_LOG_WARNING, COR_LOG_ERROR };

typedef void (*cor_log_fn)(enum cor_log_level level, const char *line, void *data);

/* Process-wide; set once by a main() before threads start. NULL: silent (the default). */
void cor_log_set_sink(cor_log_fn fn, enum cor_log_level min, void *data);
void cor_log(enum cor_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define cor_debug(...) cor_log(COR_LOG_DEBUG, __VA_ARGS__)
#define cor_warn(...)  cor_log(COR_LOG_WARNING, __VA_ARGS__)

#endif
