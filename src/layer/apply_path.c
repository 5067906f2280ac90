/* SPDX-License-Identifier: Apache-2.0 */
/* Names of a layer's entries as paths below the root. */
#include <errno.h>
#include <string.h>

#include "layer/apply_internal.h"

int apply_clean(struct cor_buf *out, const char *name)
{
	size_t depth = 0;

	out->len = 0;
	while (*name) {
		size_t n = strcspn(name, "/");

		if (n == 2 && name[0] == '.' && name[1] == '.') {
			while (out->len > 0 && out->data[out->len - 1] != '/')
				out->len--;
			if (out->len > 0)
				out->len--;
			if (depth > 0)
				depth--;
		} else if (n > 0 && !(n == 1 && name[0] == '.')) {
			if (++depth > APPLY_MAX_DEPTH)
				return -ENAMETOOLONG;
			if (out->len > 0)
				cor_buf_char(out, '/');
			cor_buf_append(out, name, n);
		}
		name += n + (name[n] == '/');
	}
	if (cor_buf_char(out, 0) < 0) /* also what makes "" a string */
		return -ENOMEM;
	out->len--;
	return 0;
}

struct place apply_split(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return (struct place){.path = path, .base = path, .dir_len = 0};
	return (struct place){.path = path, .base = slash + 1, .dir_len = (size_t)(slash - path)};
}
