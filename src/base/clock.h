/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time: RFC 3339 texts with nanoseconds (UTC, as Go's time.RFC3339Nano), ages as ctr prints them. */
#ifndef COR_BASE_CLOCK_H
#define COR_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define COR_TIME_MAX 40

/* CLOCK_REALTIME / CLOCK_MONOTONIC in nanoseconds. */
int64_t cor_now_ns(void);
int64_t cor_monotonic_ns(void);
/* "2026-11-26T06:04:10.123456789Z", trailing zeros of the fraction dropped. Returns buf. */
char *cor_time_format(int64_t ns, char buf[COR_TIME_MAX]);
/* Accepts any RFC 3339 offset. 0 or -EINVAL. */
int cor_time_parse(const char *s, int64_t *ret_ns);
/* go-units HumanDuration: "Less than a second", "5 minutes", "About an hour", "3 days". Returns buf. */
char *cor_format_age(int64_t ns, char buf[COR_TIME_MAX]);

#endif
