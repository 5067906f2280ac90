/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --annotation and, last of all, --label: ctr turns the labels of the command line into annotations too, after and
 * over those of --annotation. (The labels of the image go into the container record only.)
 */
#include "spec/internal.h"

int cor_spec_check_annotations(const struct cor_spec_options *o, struct cor_error *err)
{
	for (char *const *a = o->annotations; a && *a; a++)
		if (!strchr(*a, '='))
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "invalid key=value format annotation: %s", *a);
	return 0;
}

/* spec.annotations[key] = value for each "key=value"; `absent` is the value of an entry without "=". */
static int annotate(json_t *spec, char *const *entries, const char *absent, struct cor_error *err)
{
	json_t *annotations;
	int r;

	if (cor_strv_len(entries) == 0)
		return 0;
	r = cor_spec_object(spec, "annotations", &annotations, err);
	for (; r >= 0 && *entries; entries++) {
		const char *eq = strchrnul(*entries, '=');
		_cleanup_free_ char *key = strndup(*entries, (size_t)(eq - *entries));
		json_t *value, *checked_key;

		if (!key)
			return cor_error_oom(err);
		r = cor_spec_string("annotation", key, &checked_key, err);
		if (r < 0)
			return r;
		json_decref(checked_key);
		r = cor_spec_string(key, *eq ? eq + 1 : absent, &value, err);
		if (r >= 0)
			r = cor_spec_put(annotations, key, value, err);
	}
	return r;
}

int cor_spec_apply_annotations(struct cor_spec_build *b, struct cor_error *err)
{
	return annotate(b->spec, b->options->annotations, "", err);
}

int cor_spec_apply_labels(struct cor_spec_build *b, struct cor_error *err)
{
	return annotate(b->spec, b->options->labels, "true", err);
}
