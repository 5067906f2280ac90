/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of names that the layer has placed. Opaque markers and whiteouts hide what is below the layer, wherever in it
 * they stand; in a full tree the layer's own files must be told from the others. Eight bytes a name: a collision of two
 * hashes would keep a file that should go, in the tree of the image that brought it about.
 */
#include <errno.h>
#include <stdlib.h>

#include "layer/apply_internal.h"

static uint64_t hash(ino_t parent, const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)parent * 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 0x100000001b3u;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u;
	h ^= h >> 32;
	return h ? h : 1;
}

static void insert(uint64_t *slots, size_t cap, uint64_t h)
{
	size_t i = h & (cap - 1);

	while (slots[i] && slots[i] != h)
		i = (i + 1) & (cap - 1);
	slots[i] = h;
}

int placed_add(struct apply *a, ino_t parent, const char *name, size_t len)
{
	struct placed_set *s = &a->placed;

	if (apply_is_overlay(a))
		return 0;
	if ((s->n + 1) * 2 > s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 1024;
		uint64_t *slots = cor_new0(uint64_t, cap);

		if (!slots)
			return -ENOMEM;
		for (size_t i = 0; i < s->cap; i++)
			if (s->slots[i])
				insert(slots, cap, s->slots[i]);
		free(s->slots);
		s->slots = slots;
		s->cap = cap;
	}
	insert(s->slots, s->cap, hash(parent, name, len));
	s->n++;
	return 0;
}

bool placed_has(const struct apply *a, ino_t parent, const char *name, size_t len)
{
	const struct placed_set *s = &a->placed;
	uint64_t h = hash(parent, name, len);

	if (s->cap == 0)
		return false;
	for (size_t i = h & (s->cap - 1); s->slots[i]; i = (i + 1) & (s->cap - 1))
		if (s->slots[i] == h)
			return true;
	return false;
}
