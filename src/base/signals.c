/* SPDX-License-Identifier: Apache-2.0 */
/* Signal names and numbers. */
#include "base/process.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <strings.h>

#include "base/str.h"

static const struct {
	const char *name;
	int sig;
} signals[] = {
#define S(n)                     \
	{                        \
		"SIG" #n, SIG##n \
	}
	S(ABRT),
	S(ALRM),
	S(BUS),
	S(CHLD),
	S(CONT),
	S(FPE),
	S(HUP),
	S(ILL),
	S(INT),
	S(IO),
	S(KILL),
	S(PIPE),
	S(PROF),
	S(PWR),
	S(QUIT),
	S(SEGV),
	S(STKFLT),
	S(STOP),
	S(SYS),
	S(TERM),
	S(TRAP),
	S(TSTP),
	S(TTIN),
	S(TTOU),
	S(URG),
	S(USR1),
	S(USR2),
	S(VTALRM),
	S(WINCH),
	S(XCPU),
	S(XFSZ),
#undef S
	{"SIGCLD", SIGCHLD},
	{"SIGIOT", SIGABRT},
	{"SIGPOLL", SIGIO},
};

const char *cor_signal_name(int sig)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i].sig == sig)
			return signals[i].name;
	return NULL;
}

/* "RTMIN", "RTMIN+3", "RTMAX-1". The kernel's numbers (34 and 64), as Go has them. */
static int parse_realtime(const char *s, int *ret)
{
	uint32_t n = 0;
	const char *rest;
	if ((rest = cor_after(s, "RTMIN"))) {
		if (*rest && (*rest != '+' || cor_parse_u32(rest + 1, &n) < 0))
			return -EINVAL;
		if (n > 30)
			return -EINVAL;
		*ret = 34 + (int)n;
		return 0;
	}
	if ((rest = cor_after(s, "RTMAX"))) {
		if (*rest && (*rest != '-' || cor_parse_u32(rest + 1, &n) < 0))
			return -EINVAL;
		if (n > 30)
			return -EINVAL;
		*ret = 64 - (int)n;
		return 0;
	}
	return -EINVAL;
}

int cor_signal_parse(const char *s, int *ret)
{
	uint32_t n;
	if (cor_parse_u32(s, &n) == 0) {
		if (n < 1 || n > 64)
			return -EINVAL;
		*ret = (int)n;
		return 0;
	}
	char up[16];
	size_t len = strlen(s);
	if (len >= sizeof(up))
		return -EINVAL;
	for (size_t i = 0; i <= len; i++)
		up[i] = (char)toupper((unsigned char)s[i]);
	const char *name = cor_after(up, "SIG");
	if (!name)
		name = up;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (streq(signals[i].name + 3, name)) {
			*ret = signals[i].sig;
			return 0;
		}
	}
	return parse_realtime(name, ret);
}
