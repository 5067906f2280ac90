/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coracle-shim: the parent of one container's processes. rpc/shim_api.h says how the embedded engine starts it and what it
 * answers; under the name containerd-shim-coracle-v2 it is what containerd starts (shim/v2.h).
 *
 * Being ready fast and holding little memory are what it is for: no library but libc is loaded, nothing is read from disk,
 * and no call here can be left out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/str.h"
#include "rpc/shim_api.h"
#include "shim/serve.h"
#include "shim/v2.h"

static int usage(void)
{
	static const char text[] =
		"usage: coracle-shim -namespace NS -id ID -bundle DIR [-debug]\n"
		"The monitor of one container; coracle starts it (descriptors 3 and 4 are its sockets).\n";
	(void)cor_write_full(STDERR_FILENO, text, sizeof(text) - 1);
	return 2;
}

static bool parse_args(struct cor_shim *s, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		const char **value = NULL;
		if (a[0] != '-')
			return false;
		a += a[1] == '-' ? 2 : 1;
		if (streq(a, "debug")) {
			s->debug = true;
			continue;
		}
		value = streq(a, "namespace") ? &s->ns
			: streq(a, "id")      ? &s->id
			: streq(a, "bundle")  ? &s->bundle
					      : NULL;
		if (!value || ++i >= argc)
			return false;
		*value = argv[i];
	}
	return !cor_empty(s->ns) && !cor_empty(s->id) && !cor_empty(s->bundle) && s->bundle[0] == '/';
}

/* The sockets came without close-on-exec; nothing else should have come. */
static int claim_fds(struct cor_error *err)
{
	for (int fd = COR_SHIM_LISTEN_FD; fd <= COR_SHIM_FIRST_FD; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			return cor_error_errno(err, errno, "descriptor %d", fd);
	(void)syscall(SYS_close_range, (unsigned)COR_SHIM_FIRST_FD + 1, ~0u, 0u);
	return 0;
}

static int serve(struct cor_shim *s, struct cor_error *err)
{
	int r = claim_fds(err);
	if (r == 0)
		r = cor_shim_set_up(s, COR_SHIM_LISTEN_FD, COR_SHIM_FIRST_FD, err);
	return r < 0 ? r : cor_shim_loop(s, err);
}

int main(int argc, char **argv)
{
	static struct cor_shim shim = {.bundle_fd = -1};
	struct cor_error err = {0};
	if (cor_v2_wanted(argv[0]))
		return cor_v2_main(argc, argv);
	if (!parse_args(&shim, argc, argv))
		return usage();
	cor_shim_prepare_process(&shim);
	int r = serve(&shim, &err);
	if (r < 0) {
		char line[COR_ERROR_MESSAGE_MAX + 32];
		int n = snprintf(line, sizeof(line), "coracle-shim: %s\n", err.message);
		(void)cor_write_full(STDERR_FILENO, line, (size_t)n);
	}
	/* The socket stays: it is what a bundle is known by. Whoever connects is refused. */
	cor_shim_tear_down(&shim);
	return r < 0;
}
