/* SPDX-License-Identifier: Apache-2.0 */
/* Time: RFC 3339 both ways, ages in words. */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdbool.h>
#include <string.h>

static int64_t now(clockid_t clock)
{
	struct timespec ts;
	(void)clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t cor_now_ns(void)
{
	return now(CLOCK_REALTIME);
}

int64_t cor_monotonic_ns(void)
{
	return now(CLOCK_MONOTONIC);
}

char *cor_time_format(int64_t ns, char buf[COR_TIME_MAX])
{
	time_t sec = (time_t)(ns / 1000000000);
	long frac = (long)(ns % 1000000000);
	if (frac < 0) {
		frac += 1000000000;
		sec--;
	}
	struct tm tm;
	(void)gmtime_r(&sec, &tm);
	size_t n = strftime(buf, COR_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	if (frac) {
		n += (size_t)snprintf(buf + n, COR_TIME_MAX - n, ".%09ld", frac);
		while (buf[n - 1] == '0')
			n--;
	}
	(void)snprintf(buf + n, COR_TIME_MAX - n, "Z");
	return buf;
}

/* n digits at *s, moved behind them; -1 otherwise. */
static int digits(const char **s, int n)
{
	int v = 0;
	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return -1;
		v = v * 10 + (**s - '0');
	}
	return v;
}

static bool take(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

int cor_time_parse(const char *s, int64_t *ret_ns)
{
	struct tm tm = {0};
	bool ok = (tm.tm_year = digits(&s, 4)) >= 0 && take(&s, '-') && (tm.tm_mon = digits(&s, 2)) >= 1 &&
		  take(&s, '-') && (tm.tm_mday = digits(&s, 2)) >= 1 && (take(&s, 'T') || take(&s, 't')) &&
		  (tm.tm_hour = digits(&s, 2)) >= 0 && take(&s, ':') && (tm.tm_min = digits(&s, 2)) >= 0 &&
		  take(&s, ':') && (tm.tm_sec = digits(&s, 2)) >= 0;
	if (!ok || tm.tm_mon > 12 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	int64_t frac = 0, scale = 100000000;
	if (take(&s, '.')) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		for (; *s >= '0' && *s <= '9'; s++, scale /= 10)
			frac += (*s - '0') * scale;
	}
	int64_t offset = 0;
	if (*s == '+' || *s == '-') {
		int sign = *s++ == '-' ? -1 : 1, h, m;
		if ((h = digits(&s, 2)) < 0 || !take(&s, ':') || (m = digits(&s, 2)) < 0)
			return -EINVAL;
		offset = sign * (h * 3600 + m * 60);
	} else if (!take(&s, 'Z') && !take(&s, 'z')) {
		return -EINVAL;
	}
	if (*s)
		return -EINVAL;
	int64_t sec = (int64_t)timegm(&tm) - offset, ns;
	if (__builtin_mul_overflow(sec, (int64_t)1000000000, &ns) || __builtin_add_overflow(ns, frac, &ns))
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}

char *cor_format_age(int64_t ns, char buf[COR_TIME_MAX])
{
	int64_t s = ns / 1000000000, m = s / 60, h = (m + 30) / 60;
	if (s < 1)
		(void)snprintf(buf, COR_TIME_MAX, "Less than a second");
	else if (s == 1)
		(void)snprintf(buf, COR_TIME_MAX, "1 second");
	else if (s < 60)
		(void)snprintf(buf, COR_TIME_MAX, "%d seconds", (int)s);
	else if (m == 1)
		(void)snprintf(buf, COR_TIME_MAX, "About a minute");
	else if (m < 60)
		(void)snprintf(buf, COR_TIME_MAX, "%d minutes", (int)m);
	else if (h == 1)
		(void)snprintf(buf, COR_TIME_MAX, "About an hour");
	else if (h < 48)
		(void)snprintf(buf, COR_TIME_MAX, "%d hours", (int)h);
	else if (h < 24 * 7 * 2)
		(void)snprintf(buf, COR_TIME_MAX, "%d days", (int)(h / 24));
	else if (h < 24 * 30 * 2)
		(void)snprintf(buf, COR_TIME_MAX, "%d weeks", (int)(h / 24 / 7));
	else if (h < 24 * 365 * 2)
		(void)snprintf(buf, COR_TIME_MAX, "%d months", (int)(h / 24 / 30));
	else
		(void)snprintf(buf, COR_TIME_MAX, "%d years", (int)(h / 24 / 365));
	return buf;
}
