/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a container's runtime to the shim that drives it, as containerd resolves it: an absolute path is the shim's own, any
 * other name stands for a program ("io.containerd.runc.v2" for "containerd-shim-runc-v2"). Only our own shim is known yet:
 * it drives what io.containerd.runc.v2 does. Foreign ones are told apart from names that are wrong or not installed.
 */
#include "engine/task_internal.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/process.h"

#define FAILED "failed to start shim: failed to resolve runtime path: "

static int foreign(const char *runtime, struct cor_error *err)
{
	return cor_error_set(
		err, COR_UNIMPLEMENTED,
		"runtime \"%s\": its shim is not coracle's own, and others cannot be used yet: not "
		"implemented",
		runtime);
}

static int bad_name(const char *runtime, struct cor_error *err)
{
	return cor_error_set(err, COR_INVALID_ARGUMENT,
			     FAILED
			     "invalid runtime name %s, correct runtime name should be either format like "
			     "`io.containerd.runc.v2` or a full path to the binary",
			     runtime);
}

static int check_path(struct cor_engine *e, const char *path, struct cor_error *err)
{
	struct stat theirs, ours;
	if (stat(path, &theirs) < 0)
		return cor_error_errno(err, errno, FAILED "invalid custom binary path: stat %s", path);
	int r = cor_shim_program(e, err);
	if (r < 0)
		return r;
	if (stat(e->shim, &ours) < 0 || ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
		return foreign(path, err);
	return 0;
}

static int check_name(const char *runtime, struct cor_error *err)
{
	const char *version = strrchr(runtime, '.'), *name = version;
	while (name && name > runtime && name[-1] != '.')
		name--;
	if (!version || strchr(runtime, '/') || runtime[0] == '.')
		return bad_name(runtime, err);
	_cleanup_free_ char *program =
		cor_asprintf("containerd-shim-%.*s-%s", (int)(version - name), name, version + 1);
	_cleanup_free_ char *path = NULL;
	if (!program)
		return cor_error_oom(err);
	if (cor_find_program(program, NULL, &path) < 0)
		return cor_error_set(err, COR_NOT_FOUND,
				     FAILED "runtime \"%s\" binary not installed \"%s\": file does not exist",
				     runtime, program);
	return foreign(runtime, err);
}

int cor_task_shim_check(struct cor_engine *e, const char *runtime, struct cor_error *err)
{
	if (cor_empty(runtime) || streq(runtime, "io.containerd.runc.v2") ||
	    streq(runtime, "io.containerd.coracle.v2"))
		return 0;
	return runtime[0] == '/' ? check_path(e, runtime, err) : check_name(runtime, err);
}
