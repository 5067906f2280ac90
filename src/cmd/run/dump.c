/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `run --dump-config`. A file gets the spec of the record as it was made, and the container is run after it: that is what
 * ctr does. "-" (which ctr would take for a file name) only shows it.
 */
#include "cmd/run/dump.h"

#include <errno.h>

#include "base/fd.h"

int cor_run_print_spec(struct cor_context *ctx, struct cor_services *s, const struct cor_create_options *o,
		       struct cor_error *err)
{
	_cleanup_json_ json_t *spec = NULL;
	int r = cor_dump_spec(s, o, &spec, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = cor_json_dump_indented(spec, 2);
	if (!text)
		return cor_error_oom(err);
	fprintf(ctx->out, "%s\n", text);
	return 0;
}

int cor_run_write_spec(const struct cor_container *c, void *path, struct cor_error *err)
{
	_cleanup_json_ json_t *spec = NULL;
	int r = cor_json_parse(c->spec, strlen(c->spec), "container spec", &spec, err);
	if (r < 0)
		return r;
	_cleanup_free_ char *text = cor_json_dump_indented(spec, 2);
	if (!text)
		return cor_error_oom(err);
	/* Written in place: the path may be a FIFO or /dev/fd/3. */
	_cleanup_close_ int fd =
		openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	r = fd < 0 ? -errno : cor_write_full(fd, text, strlen(text));
	return r < 0 ? cor_error_errno(err, r, "open %s", (const char *)path) : 0;
}
