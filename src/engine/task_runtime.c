/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime of a container: our own shim drives runc and what looks like it. The OCI runtime is looked up here, before
 * anything is made, so that a missing one is a plain error; the shim gets an absolute path. The shim keeps what it uses in
 * the bundle (file "runtime", two lines: program, its state directory) before it uses it: whoever has to clean up
 * after a dead shim needs it.
 */
#include "engine/task_internal.h"

#include <errno.h>

#include "base/process.h"
#include "rpc/message.h"
#include "runc_options.pb-c.h"

#define RUNTIME_FILE "runtime"
#define RUNTIME_MAX  16384

void cor_task_runtime_done(struct cor_task_runtime *r)
{
	free(r->binary);
	free(r->root);
	free(r->options);
	*r = (struct cor_task_runtime){0};
}

/* "types.containerd.io/x.y.Z", "x.y.Z" */
static bool is_type(const char *url, const char *type)
{
	const char *slash = strrchr(url, '/');
	return streq(slash ? slash + 1 : url, type);
}

static int unpack_options(const struct cor_container *c, ProtobufCMessage **ret, struct cor_error *err)
{
	const struct cor_any *any = &c->runtime_options;
	if (!cor_empty(any->type_url) && !is_type(any->type_url, COR_RUNC_OPTIONS_TYPE))
		return cor_error_set(
			err, COR_INVALID_ARGUMENT,
			"runtime options of type \"%s\" are not for runtime \"%s\": invalid argument",
			any->type_url, c->runtime);
	int r = cor_message_unpack(&containerd__runc__v1__options__descriptor, any->value,
				   any->type_url ? any->len : 0, ret, err);
	return r < 0 ? cor_error_wrap(err, r, "runtime options") : 0;
}

/* name: an absolute path, a name, or "" for the first of runc and crun. */
static int find_binary(const char *name, char **ret, struct cor_error *err)
{
	static const char *const extra[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin",
					    NULL};
	static const char *const defaults[] = {"runc", "crun", NULL};
	const char *const given[] = {name, NULL};
	if (strchr(name, '/')) {
		if (name[0] != '/')
			return cor_error_set(err, COR_INVALID_ARGUMENT,
					     "OCI runtime \"%s\": give a name or an absolute path", name);
		if (faccessat(AT_FDCWD, name, X_OK, AT_EACCESS) < 0)
			return cor_error_errno(err, errno, "OCI runtime %s", name);
		*ret = strdup(name);
		return *ret ? 0 : cor_error_oom(err);
	}
	for (const char *const *n = *name ? given : defaults; *n; n++) {
		int r = cor_find_program(*n, extra, ret);
		if (r != -ENOENT)
			return r < 0 ? cor_error_errno(err, r, "OCI runtime %s", *n) : 0;
	}
	if (!*name)
		return cor_error_set(
			err, COR_NOT_FOUND,
			"no OCI runtime found: neither runc nor crun is in PATH: install one, or name one "
			"with --runc-binary");
	return cor_error_set(err, COR_NOT_FOUND, "OCI runtime \"%s\": executable file not found in PATH",
			     name);
}

static int fill(struct cor_engine *e, const Containerd__Runc__V1__Options *given,
		const struct cor_task_create *req, struct cor_task_runtime *r, struct cor_error *err)
{
	int k = find_binary(given->binary_name, &r->binary, err);
	if (k < 0)
		return k;
	if (given->root[0] && given->root[0] != '/')
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "root of the OCI runtime \"%s\": not an absolute path", given->root);
	r->root = given->root[0] ? strdup(given->root) : cor_asprintf("%s/" COR_RUNTIME_DIR, e->state);
	if (!r->root)
		return cor_error_oom(err);
	/* A copy that borrows: all but these goes on as it is. */
	Containerd__Runc__V1__Options m = *given;
	m.base.unknown_fields = given->base.unknown_fields;
	m.binary_name = r->binary;
	m.root = r->root;
	m.no_pivot_root = given->no_pivot_root || req->no_pivot;
	if (req->io_uid || req->io_gid) {
		m.io_uid = req->io_uid;
		m.io_gid = req->io_gid;
	}
	return cor_message_pack(&m.base, &r->options, &r->options_len) < 0 ? cor_error_oom(err) : 0;
}

int cor_task_runtime_resolve(struct cor_engine *e, const struct cor_task_create *req,
			     struct cor_task_runtime *ret, struct cor_error *err)
{
	const struct cor_container *c = req->container;
	struct cor_task_runtime out = {0};
	ProtobufCMessage *options = NULL;
	int r = cor_task_shim_check(e, c->runtime, err);
	if (r == 0)
		r = unpack_options(c, &options, err);
	if (r == 0)
		r = fill(e, (const Containerd__Runc__V1__Options *)(const void *)options, req, &out, err);
	cor_message_free(options);
	if (r >= 0)
		r = cor_task_features_check(out.binary, c->spec, err);
	if (r < 0) {
		cor_task_runtime_done(&out);
		return r;
	}
	*ret = out;
	return 0;
}

int cor_engine_check_runtime(struct cor_services *s, const struct cor_container *c, struct cor_error *err)
{
	ProtobufCMessage *options = NULL;
	int r = cor_task_shim_check(cor_engine_of(s), c->runtime, err);
	if (r == 0)
		r = unpack_options(c, &options, err);
	cor_message_free(options);
	return r;
}

int cor_task_runtime_load(int bundle_fd, struct cor_task_runtime *ret)
{
	_cleanup_free_ char *text = NULL;
	struct cor_task_runtime r = {0};
	if (cor_read_file_at(bundle_fd, RUNTIME_FILE, RUNTIME_MAX, &text, NULL, NULL) < 0)
		return -ENOENT;
	_cleanup_strv_ char **lines = cor_strv_split(text, '\n');
	if (!lines)
		return -ENOMEM;
	if (cor_strv_len(lines) < 2 || lines[0][0] != '/' || lines[1][0] != '/')
		return -ENOENT;
	r.binary = strdup(lines[0]);
	r.root = strdup(lines[1]);
	if (!r.binary || !r.root) {
		cor_task_runtime_done(&r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}
