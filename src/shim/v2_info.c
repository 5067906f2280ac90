/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `-info`: containerd.types.RuntimeInfo {name 1, version 2 {version 1, revision 2}, options 3, features 4} on stdout. Features are
 * what the runtime's `features` command prints, as an Any whose value is that JSON; a runtime without the command has none.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/process.h"
#include "base/str.h"
#include "rpc/message.h"
#include "rpc/wire.h"
#include "shim/runtime.h"
#include "shim/v2.h"
#include "shim/v2_options.h"

#define FEATURES_TYPE "types.containerd.io/opencontainers/runtime-spec/1/features/Features"
#define FEATURES_MAX  (1u << 20)

/* The JSON, or NULL. */
static char *ask_features(const char *binary)
{
	const char *const argv[] = {binary, "features", NULL};
	_cleanup_close_ int out = memfd_create("features", MFD_CLOEXEC);
	struct cor_spawn spawn = {.path = binary,
				  .argv = (char *const *)(uintptr_t)argv,
				  .cwd_fd = -1,
				  .fds = {-1, out, -1},
				  .nfds = 3,
				  .default_signals = true};
	pid_t pid;
	int status;
	char *text = NULL;
	if (out < 0 || cor_spawn(&spawn, &pid, NULL, NULL) < 0)
		return NULL;
	if (cor_wait_exit(pid, &status) < 0 || status != 0 || lseek(out, 0, SEEK_SET) < 0)
		return NULL;
	return cor_read_fd(out, FEATURES_MAX, &text, NULL, NULL) < 0 ? NULL : text;
}

static void put_any(struct cor_buf *b, uint32_t field, const char *type, const void *data, size_t n)
{
	_cleanup_buf_ struct cor_buf any = {0};
	cor_wire_put_string(&any, 1, type);
	cor_wire_put_bytes(&any, 2, data, n);
	cor_wire_put_bytes(b, field, any.data, any.len);
	b->failed = b->failed || any.failed;
}

static int put_options(struct cor_buf *b, const runc_options *o, struct cor_error *err)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t n;
	if (!o)
		return 0;
	if (cor_message_pack(&o->base, &data, &n) < 0)
		return cor_error_oom(err);
	put_any(b, 3, "containerd.runc.v1.Options", data, n);
	return 0;
}

static int write_info(const runc_options *o, struct cor_error *err)
{
	_cleanup_free_ char *binary = NULL, *features = NULL;
	_cleanup_buf_ struct cor_buf info = {0}, version = {0};
	int r = cor_runtime_find(o ? o->binary_name : NULL, &binary, err);
	if (r < 0)
		return r;
	cor_wire_put_string(&info, 1, COR_V2_RUNTIME_NAME);
	cor_wire_put_string(&version, 1, COR_VERSION);
	cor_wire_put_bytes(&info, 2, version.data, version.len);
	r = put_options(&info, o, err);
	if (r < 0)
		return r;
	features = ask_features(binary);
	if (features)
		put_any(&info, 4, FEATURES_TYPE, features, strlen(features));
	if (info.failed || version.failed)
		return cor_error_oom(err);
	r = cor_write_full(STDOUT_FILENO, info.data, info.len);
	return r < 0 ? cor_error_errno(err, r, "stdout") : 0;
}

int cor_v2_info(struct cor_error *err)
{
	runc_options *o;
	int r = cor_v2_read_options(STDIN_FILENO, &o, err);
	if (r < 0)
		return r;
	r = write_info(o, err);
	cor_message_free(o ? &o->base : NULL);
	return r;
}
