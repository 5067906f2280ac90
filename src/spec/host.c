/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What flags need of the host. ctr finds out (or loads) while it builds the document, and lets runc ignore an RDT class on
 * a machine without RDT; here building a document changes nothing and asks nothing, and a container is not made without
 * what its flags say.
 */
#include <errno.h>

#include "base/fd.h"
#include "spec/internal.h"

#define MOUNTINFO "/proc/self/mountinfo"

/* Runtimes that find no resctrl mount leave the class out in silence. */
static int check_rdt(const char *class, struct cor_error *err)
{
	_cleanup_free_ char *text = NULL, *quoted = cor_spec_quote(class);
	int r = cor_spec_read_file(MOUNTINFO, &text, NULL, err);

	if (r < 0)
		return r;
	if (strstr(text, " - resctrl "))
		return 0;
	return cor_error_set(err, COR_FAILED_PRECONDITION,
			     "rdt-class %s: RDT not supported: resctrl not found in " MOUNTINFO,
			     COR_SPEC_QUOTED(quoted));
}

int cor_spec_prepare_host(const struct cor_spec_options *o, struct cor_error *err)
{
	int r = 0;

	if (o->config_file)
		return 0;
	if (!cor_empty(o->rdt_class))
		r = check_rdt(o->rdt_class, err);
	if (r >= 0 && !cor_empty(o->apparmor_default_profile))
		r = cor_spec_apparmor_load(o->apparmor_default_profile, err);
	return r;
}
