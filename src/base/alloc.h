/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and cleanup attributes: _cleanup_free_ and friends, TAKE_PTR, array sizes, container_of. */
#ifndef COR_BASE_ALLOC_H
#define COR_BASE_ALLOC_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void cor_freep(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(cor_freep)

#define TAKE_PTR(ptr)                          \
	({                                     \
		__typeof__(ptr) *_pp = &(ptr); \
		__typeof__(ptr) _p = *_pp;     \
		*_pp = NULL;                   \
		_p;                            \
	})

#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define MAX(a, b)                       ((a) > (b) ? (a) : (b))
#define MIN(a, b)                       ((a) < (b) ? (a) : (b))

/* Defines `static inline void <func>p(T **p)` for use with _cleanup_(<func>p); func takes NULL. */
#define COR_DEFINE_CLEANUP(type, func)       \
	static inline void func##p(type **p) \
	{                                    \
		if (*p)                      \
			func(*p);            \
	}

/* Zeroed array with an overflow check; NULL on failure. */
#define cor_new0(type, n) ((type *)calloc((n), sizeof(type)))

/* Grows *array (element size `size`, *capacity elements) so that `need` elements fit, at least doubling.
 * 0 or -ENOMEM; on failure nothing changed. */
int cor_grow(void *array, size_t *capacity, size_t need, size_t size);

#endif
