/* SPDX-License-Identifier: Apache-2.0 */
/* Growing arrays with checked sizes. */
#include "base/alloc.h"

#include <errno.h>

int cor_grow(void *array, size_t *capacity, size_t need, size_t size)
{
	if (need <= *capacity)
		return 0;
	size_t n = *capacity ? *capacity : 8;
	while (n < need)
		if (__builtin_mul_overflow(n, (size_t)2, &n))
			return -ENOMEM;
	void *old, *p;
	memcpy(&old, array, sizeof(old));
	p = reallocarray(old, n, size);
	if (!p)
		return -ENOMEM;
	memcpy(array, &p, sizeof(p));
	*capacity = n;
	return 0;
}
