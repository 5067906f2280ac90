/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking up single values in JSON text without building a document: the shim needs three of them (an error line of the
 * runtime's log, a namespace in config.json, the process numbers of `ps`), and a JSON library would cost it more memory
 * than everything else it does.
 *
 * Texts are NUL-terminated. A position is a pointer to the first character of a value. Malformed text ends a look-up with
 * NULL; nothing is read behind the terminating NUL. No recursion, so depth costs nothing.
 */
#ifndef COR_SHIM_JSON_SCAN_H
#define COR_SHIM_JSON_SCAN_H

#include <stdint.h>

/* The value of `key` in the object at p; NULL when p is no object or has no such key. */
const char *cor_scan_member(const char *p, const char *key);
/* The first element of the array at p, or NULL. */
const char *cor_scan_first(const char *p);
/* The element after the one at p in the same array, or NULL. */
const char *cor_scan_next(const char *p);
/* The string at p, unescaped (caller's; NUL escapes end it). NULL: no string there, or out of memory. */
char *cor_scan_string(const char *p);
/* The non-negative integer at p. 0 or -EINVAL. */
int cor_scan_number(const char *p, uint64_t *ret);

#endif
