/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting and wrapping struct cor_error (see include/coracle/error.h for the contract).
 *
 * Use:   return cor_error_set(err, COR_NOT_FOUND, "image \"%s\": not found", name);
 *        return cor_error_errno(err, errno, "open %s", path);     // appends ": no such file or directory"
 *        if (r < 0) return cor_error_wrap(err, r, "unpack %s", digest);   // prefixes, returns r
 */
#ifndef COR_BASE_ERROR_H
#define COR_BASE_ERROR_H

#include "coracle/error.h"

/* Sets code and message; returns the negative errno that stands for the code (cor_code_to_errno). */
int cor_error_set(struct cor_error *err, enum cor_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* Sets the class that errnum (positive or negative errno) stands for, message "<fmt>: <strerror>"; returns
 * -errnum. strerror texts are lower case as Go prints them. */
int cor_error_errno(struct cor_error *err, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* Prefixes an error already set with "<fmt>: "; returns r unchanged. With an err that was never set (code
 * COR_OK) it behaves as cor_error_errno(err, r, ...). */
int cor_error_wrap(struct cor_error *err, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* "out of memory"; returns -ENOMEM. */
int cor_error_oom(struct cor_error *err) __attribute__((cold));

/* Back to the empty state. */
void cor_error_clear(struct cor_error *err);

/* Negative errno for a class (COR_NOT_FOUND -> -ENOENT, ALREADY_EXISTS -> -EEXIST, INVALID_ARGUMENT -> -EINVAL,
 * FAILED_PRECONDITION -> -EBUSY, UNAVAILABLE -> -ENOTCONN, DEADLINE -> -ETIMEDOUT, UNIMPLEMENTED -> -ENOSYS,
 * PERMISSION -> -EPERM, RESOURCE_EXHAUSTED -> -EDQUOT, CANCELLED -> -ECANCELED, others -> -EIO). */
int cor_code_to_errno(enum cor_code code);
/* The class for a positive or negative errno. */
enum cor_code cor_errno_to_code(int errnum);

/* strerror, thread-safe, lower case first letter, never NULL. */
const char *cor_strerror(int errnum);

/* True when r (negative errno) or err says "not found" / "already exists". */
static inline int cor_error_is(const struct cor_error *err, enum cor_code code)
{
	return err && err->code == code;
}

#endif
