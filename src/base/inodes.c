/* SPDX-License-Identifier: Apache-2.0 */
/* A table that only grows, at most half full. */
#include "base/inodes.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

static struct cor_inode *find(const struct cor_inodes *s, dev_t dev, ino_t ino)
{
	size_t i = (size_t)((ino ^ (dev << 7)) * 0x9e3779b97f4a7c15u) & (s->cap - 1);
	while (s->slots[i].ino && (s->slots[i].ino != ino || s->slots[i].dev != dev))
		i = (i + 1) & (s->cap - 1);
	return &s->slots[i];
}

static int grow(struct cor_inodes *s)
{
	struct cor_inodes bigger = {.n = s->n, .cap = s->cap ? s->cap * 2 : 64};
	bigger.slots = cor_new0(struct cor_inode, bigger.cap);
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < s->cap; i++)
		if (s->slots[i].ino)
			*find(&bigger, s->slots[i].dev, s->slots[i].ino) = s->slots[i];
	free(s->slots);
	*s = bigger;
	return 0;
}

int cor_inodes_add(struct cor_inodes *s, const struct stat *st, struct cor_inode **ret, bool *ret_new)
{
	if (s->n * 2 >= s->cap && grow(s) < 0)
		return -ENOMEM;
	struct cor_inode *x = find(s, st->st_dev, st->st_ino);
	*ret_new = !x->ino;
	if (!x->ino) {
		x->dev = st->st_dev;
		x->ino = st->st_ino;
		s->n++;
	}
	*ret = x;
	return 0;
}

void cor_inodes_done(struct cor_inodes *s)
{
	for (size_t i = 0; i < s->cap; i++)
		free(s->slots[i].path);
	free(s->slots);
	*s = (struct cor_inodes){0};
}
