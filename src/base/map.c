/* SPDX-License-Identifier: Apache-2.0 */
/* String maps, kept sorted by key. */
#include "base/str.h"

#include <errno.h>

void cor_map_done(struct cor_map *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->keys[i]);
		free(m->values[i]);
	}
	free(m->keys);
	free(m->values);
	*m = (struct cor_map){0};
}

/* Index of key, or where it would go. */
static size_t lookup(const struct cor_map *m, const char *key, bool *found)
{
	size_t lo = 0, hi = m->n;
	*found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(m->keys[mid], key);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const char *cor_map_get(const struct cor_map *m, const char *key)
{
	bool found;
	size_t i = lookup(m, key, &found);
	return found ? m->values[i] : NULL;
}

int cor_map_set(struct cor_map *m, const char *key, const char *value)
{
	bool found;
	size_t i = lookup(m, key, &found);
	_cleanup_free_ char *v = strdup(value);
	if (!v)
		return -ENOMEM;
	if (found) {
		free(m->values[i]);
		m->values[i] = TAKE_PTR(v);
		return 0;
	}
	_cleanup_free_ char *k = strdup(key);
	size_t kcap = m->cap, vcap = m->cap;
	if (!k || cor_grow(&m->keys, &kcap, m->n + 1, sizeof(char *)) < 0 ||
	    cor_grow(&m->values, &vcap, m->n + 1, sizeof(char *)) < 0)
		return -ENOMEM;
	m->cap = vcap;
	memmove(m->keys + i + 1, m->keys + i, (m->n - i) * sizeof(char *));
	memmove(m->values + i + 1, m->values + i, (m->n - i) * sizeof(char *));
	m->keys[i] = TAKE_PTR(k);
	m->values[i] = TAKE_PTR(v);
	m->n++;
	return 0;
}

bool cor_map_unset(struct cor_map *m, const char *key)
{
	bool found;
	size_t i = lookup(m, key, &found);
	if (!found)
		return false;
	free(m->keys[i]);
	free(m->values[i]);
	m->n--;
	memmove(m->keys + i, m->keys + i + 1, (m->n - i) * sizeof(char *));
	memmove(m->values + i, m->values + i + 1, (m->n - i) * sizeof(char *));
	return true;
}

int cor_map_copy(struct cor_map *dst, const struct cor_map *src)
{
	_cleanup_map_ struct cor_map m = {0};
	for (size_t i = 0; i < src->n; i++)
		if (cor_map_set(&m, src->keys[i], src->values[i]) < 0)
			return -ENOMEM;
	*dst = m;
	m = (struct cor_map){0};
	return 0;
}
