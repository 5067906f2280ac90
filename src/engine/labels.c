/* SPDX-License-Identifier: Apache-2.0 */
/* Labels on all kinds of records: their limits, and what setting some of them means. */
#include "engine/internal.h"

#include <errno.h>

#include "oci/identifier.h"

int cor_engine_check_labels(const struct cor_map *labels, struct cor_error *err)
{
	for (size_t i = 0; labels && i < labels->n; i++) {
		int r = cor_label_validate(labels->keys[i], labels->values[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

int cor_engine_merge_labels(struct cor_map *have, const struct cor_map *labels, bool replace_all,
			    struct cor_error *err)
{
	int r = cor_engine_check_labels(labels, err);
	if (r < 0)
		return r;
	if (replace_all)
		cor_map_done(have);
	for (size_t i = 0; labels && i < labels->n; i++) {
		if (cor_empty(labels->values[i]))
			(void)cor_map_unset(have, labels->keys[i]);
		else if (cor_map_set(have, labels->keys[i], labels->values[i]) < 0)
			return cor_error_oom(err);
	}
	return 0;
}
