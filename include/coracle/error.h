/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as callers of libcoracle see them.
 *
 * Every fallible function returns an int: >= 0 on success, a negative errno on failure. Its last
 * parameter is a struct cor_error that the caller owns (NULL: not interested). It is set once, where
 * the failure happens, and wrapped on the way up so that the message reads from the outside in:
 * "unpack sha256:…: write usr/bin/foo: no space left on device".
 */
#ifndef CORACLE_ERROR_H
#define CORACLE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define COR_ERROR_API __attribute__((visibility("default")))
#else
#define COR_ERROR_API
#endif

/* containerd's error classes; the numbers are gRPC's status codes. */
enum cor_code {
	COR_OK = 0,
	COR_CANCELLED = 1,
	COR_UNKNOWN = 2,
	COR_INVALID_ARGUMENT = 3,
	COR_DEADLINE_EXCEEDED = 4,
	COR_NOT_FOUND = 5,
	COR_ALREADY_EXISTS = 6,
	COR_PERMISSION_DENIED = 7,
	COR_RESOURCE_EXHAUSTED = 8,
	COR_FAILED_PRECONDITION = 9,
	COR_ABORTED = 10,
	COR_OUT_OF_RANGE = 11,
	COR_UNIMPLEMENTED = 12,
	COR_INTERNAL = 13,
	COR_UNAVAILABLE = 14,
	COR_DATA_LOSS = 15,
	COR_UNAUTHENTICATED = 16
};

#define COR_ERROR_MESSAGE_MAX 1024

struct cor_error {
	enum cor_code code;
	int sys_errno;                       /* positive errno, 0 when none applies */
	char message[COR_ERROR_MESSAGE_MAX]; /* one line, no trailing newline or period */
};

/* The class's name as containerd prints it ("not found"). Never NULL. */
COR_ERROR_API const char *cor_code_name(enum cor_code code);

#ifdef __cplusplus
}
#endif
#endif
