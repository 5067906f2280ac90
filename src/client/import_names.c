/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of imported images. io.containerd.image.name is a full name and taken as it is; image.ref.name is often only a
 * tag ("latest") and then gets the base name before it. One that looks like a full reference stays as it is, unless
 * the user gave a base name that it is not below: then it names nothing.
 */
#include "client/import_internal.h"

static bool is_full_reference(const char *ref)
{
	return strpbrk(ref, "/:@") != NULL;
}

static bool is_below(const char *ref, const char *base)
{
	const char *rest = cor_after(ref, base);

	return rest && (*rest == '\0' || strchr("/:@", *rest));
}

int cor_import_ref_name(const struct cor_map *annotations, const char *base, bool explicit_base, char **ret,
			struct cor_error *err)
{
	const char *name = cor_map_get(annotations, COR_ANNOTATION_NAME);
	const char *ref = cor_map_get(annotations, COR_ANNOTATION_REF);
	char *s;

	if (!cor_empty(name))
		s = strdup(name);
	else if (cor_empty(ref))
		s = strdup("");
	else if (!is_full_reference(ref))
		s = cor_asprintf("%s:%s", base, ref);
	else
		s = strdup(!explicit_base || is_below(ref, base) ? ref : "");
	if (!s)
		return cor_error_oom(err);
	*ret = s;
	return 0;
}
