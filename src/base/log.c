/* SPDX-License-Identifier: Apache-2.0 */
/* The process-wide log sink that programs install; silent without one. */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static struct {
	cor_log_fn fn;
	enum cor_log_level min;
	void *data;
} sink;

void cor_log_set_sink(cor_log_fn fn, enum cor_log_level min, void *data)
{
	sink.fn = fn;
	sink.min = min;
	sink.data = data;
}

void cor_log(enum cor_log_level level, const char *fmt, ...)
{
	if (!sink.fn || level < sink.min)
		return;
	char line[1024];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	sink.fn(level, line, sink.data);
}
