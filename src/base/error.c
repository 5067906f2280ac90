/* SPDX-License-Identifier: Apache-2.0 */
/* Error values: containerd's classes, their errnos, setting and wrapping. See include/coracle/error.h. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int sys_errno;
} classes[] = {
	[COR_OK] = {"ok", 0},
	[COR_CANCELLED] = {"context canceled", ECANCELED},
	[COR_UNKNOWN] = {"unknown", EIO},
	[COR_INVALID_ARGUMENT] = {"invalid argument", EINVAL},
	[COR_DEADLINE_EXCEEDED] = {"context deadline exceeded", ETIMEDOUT},
	[COR_NOT_FOUND] = {"not found", ENOENT},
	[COR_ALREADY_EXISTS] = {"already exists", EEXIST},
	[COR_PERMISSION_DENIED] = {"permission denied", EPERM},
	[COR_RESOURCE_EXHAUSTED] = {"resource exhausted", EDQUOT},
	[COR_FAILED_PRECONDITION] = {"failed precondition", EBUSY},
	[COR_ABORTED] = {"aborted", EAGAIN},
	[COR_OUT_OF_RANGE] = {"out of range", ERANGE},
	[COR_UNIMPLEMENTED] = {"not implemented", ENOSYS},
	[COR_INTERNAL] = {"internal", EIO},
	[COR_UNAVAILABLE] = {"unavailable", ENOTCONN},
	[COR_DATA_LOSS] = {"data loss", EBADMSG},
	[COR_UNAUTHENTICATED] = {"unauthenticated", EACCES},
};

const char *cor_code_name(enum cor_code code)
{
	unsigned i = (unsigned)code;
	return i < sizeof(classes) / sizeof(classes[0]) ? classes[i].name : "unknown";
}

int cor_code_to_errno(enum cor_code code)
{
	unsigned i = (unsigned)code;
	return i < sizeof(classes) / sizeof(classes[0]) ? -classes[i].sys_errno : -EIO;
}

enum cor_code cor_errno_to_code(int errnum)
{
	switch (errnum < 0 ? -errnum : errnum) {
	case 0:
		return COR_OK;
	case ENOENT:
	case ESRCH:
		return COR_NOT_FOUND;
	case EEXIST:
		return COR_ALREADY_EXISTS;
	case EINVAL:
	case ENAMETOOLONG:
		return COR_INVALID_ARGUMENT;
	case EPERM:
	case EACCES:
	case EROFS:
		return COR_PERMISSION_DENIED;
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return COR_RESOURCE_EXHAUSTED;
	case EBUSY:
	case ENOTEMPTY:
		return COR_FAILED_PRECONDITION;
	case ETIMEDOUT:
		return COR_DEADLINE_EXCEEDED;
	case ENOSYS:
	case EOPNOTSUPP:
		return COR_UNIMPLEMENTED;
	case ECANCELED:
		return COR_CANCELLED;
	case ENOTCONN:
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
		return COR_UNAVAILABLE;
	case ERANGE:
		return COR_OUT_OF_RANGE;
	case EBADMSG:
		return COR_DATA_LOSS;
	default:
		return COR_UNKNOWN;
	}
}

const char *cor_strerror(int errnum)
{
	/* glibc's descriptions are constant English strings; Go prints the same texts in lower case. */
	static _Thread_local char buf[96];
	const char *s = strerrordesc_np(errnum < 0 ? -errnum : errnum);
	if (!s) {
		(void)snprintf(buf, sizeof(buf), "errno %d", errnum);
		return buf;
	}
	(void)snprintf(buf, sizeof(buf), "%s", s);
	/* "RFS specific error" and the like keep their capitals. */
	if (buf[0] >= 'A' && buf[0] <= 'Z' && !(buf[1] >= 'A' && buf[1] <= 'Z'))
		buf[0] = (char)(buf[0] - 'A' + 'a');
	return buf;
}

/* Messages are one line: control characters of whatever was quoted become '?'. */
static void one_line(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = *s == '\n' || *s == '\t' ? ' ' : '?';
}

int cor_error_set(struct cor_error *err, enum cor_code code, const char *fmt, ...)
{
	int r = cor_code_to_errno(code);
	if (!err)
		return r;
	err->code = code;
	err->sys_errno = -r;
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	one_line(err->message);
	return r;
}

__attribute__((format(printf, 3, 0))) static void set_errno(struct cor_error *err, int errnum,
							    const char *fmt, va_list ap)
{
	err->code = cor_errno_to_code(errnum);
	err->sys_errno = errnum;
	(void)vsnprintf(err->message, sizeof(err->message), fmt, ap);
	size_t n = strlen(err->message);
	(void)snprintf(err->message + n, sizeof(err->message) - n, ": %s", cor_strerror(errnum));
	one_line(err->message);
}

int cor_error_errno(struct cor_error *err, int errnum, const char *fmt, ...)
{
	if (errnum < 0)
		errnum = -errnum;
	if (!err)
		return -errnum;
	va_list ap;
	va_start(ap, fmt);
	set_errno(err, errnum, fmt, ap);
	va_end(ap);
	return -errnum;
}

int cor_error_wrap(struct cor_error *err, int r, const char *fmt, ...)
{
	if (!err)
		return r;
	va_list ap;
	va_start(ap, fmt);
	if (err->code == COR_OK) {
		set_errno(err, r < 0 ? -r : EIO, fmt, ap);
	} else {
		char prefix[COR_ERROR_MESSAGE_MAX];
		char rest[COR_ERROR_MESSAGE_MAX];
		(void)vsnprintf(prefix, sizeof(prefix), fmt, ap);
		memcpy(rest, err->message, sizeof(rest));
		size_t n = strnlen(prefix, sizeof(prefix) - 1);
		memcpy(err->message, prefix, n);
		(void)snprintf(err->message + n, sizeof(err->message) - n, ": %s", rest);
		one_line(err->message);
	}
	va_end(ap);
	return r;
}

int cor_error_oom(struct cor_error *err)
{
	(void)cor_error_set(err, COR_RESOURCE_EXHAUSTED, "out of memory");
	if (err)
		err->sys_errno = ENOMEM;
	return -ENOMEM;
}

void cor_error_clear(struct cor_error *err)
{
	if (err) {
		err->code = COR_OK;
		err->sys_errno = 0;
		err->message[0] = '\0';
	}
}
