/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's way to call a shim: flags as Go's flag package reads them, then a command. shim/v2.h has the table. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "rpc/shim_api.h"
#include "shim/v2.h"

#define NAME_PREFIX "containerd-shim-"

bool cor_v2_wanted(const char *argv0)
{
	const char *name = cor_path_base(argv0 ? argv0 : "");
	return strncmp(name, NAME_PREFIX, sizeof(NAME_PREFIX) - 1) == 0;
}

static int usage(void)
{
	static const char text[] = "usage: containerd-shim-coracle-v2 -namespace NS -id ID -address ADDRESS "
				   "[-publish-binary PATH]\n"
				   "           [-bundle DIR] [-socket PATH] [-debug] start|delete\n"
				   "       containerd-shim-coracle-v2 -v | -info\n"
				   "containerd calls it for containers of the runtime "
				   "io.containerd.coracle.v2; the working directory is\n"
				   "the bundle.\n";
	(void)cor_write_full(STDERR_FILENO, text, sizeof(text) - 1);
	return 2;
}

/* The flag's place in v: a text or a switch. False: there is no such flag. */
static bool find_flag(struct cor_v2 *v, const char *name, size_t n, const char ***text, bool **on)
{
	struct {
		const char *name;
		const char **text;
		bool *on;
	} flags[] = {{"namespace", &v->ns, NULL},
		     {"id", &v->id, NULL},
		     {"bundle", &v->bundle, NULL},
		     {"address", &v->address, NULL},
		     {"publish-binary", &v->publish_binary, NULL},
		     {"socket", &v->socket, NULL},
		     {"debug", NULL, &v->debug},
		     {"v", NULL, &v->version},
		     {"info", NULL, &v->info}};
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strlen(flags[i].name) == n && memcmp(flags[i].name, name, n) == 0) {
			*text = flags[i].text;
			*on = flags[i].on;
			return true;
		}
	}
	return false;
}

/* -name VALUE, -name=VALUE, --name …; the first word without a dash is the command. */
static bool parse(struct cor_v2 *v, int argc, char **argv)
{
	int i = 1;
	for (; i < argc && argv[i][0] == '-'; i++) {
		const char *a = argv[i] + (argv[i][1] == '-' ? 2 : 1);
		const char *eq = strchr(a, '=');
		const char **text;
		bool *on;
		if (!find_flag(v, a, eq ? (size_t)(eq - a) : strlen(a), &text, &on))
			return false;
		if (on && eq) {
			if (cor_parse_bool(eq + 1, on) < 0)
				return false;
		} else if (on) {
			*on = true;
		} else if (eq) {
			*text = eq + 1;
		} else if (++i < argc) {
			*text = argv[i];
		} else {
			return false;
		}
	}
	v->action = i < argc ? argv[i++] : "";
	return i >= argc;
}

static int print_version(const char *argv0)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "%s:\n  Version:  %s\n", cor_path_base(argv0), COR_VERSION);
	return cor_write_full(STDOUT_FILENO, text, (size_t)n);
}

/* Serving in the foreground: on a socket of this path, or one that was handed down. */
static int serve_here(const struct cor_v2 *v, struct cor_error *err)
{
	int fd = COR_SHIM_LISTEN_FD;
	if (!cor_empty(v->socket)) {
		_cleanup_free_ char *dir = strdup(v->socket);
		char *slash = dir ? strrchr(dir, '/') : NULL;
		if (!dir)
			return cor_error_oom(err);
		if (v->socket[0] != '/' || !slash[1])
			return cor_error_set(err, COR_INVALID_ARGUMENT, "socket \"%s\": not an absolute path",
					     v->socket);
		*slash = '\0';
		_cleanup_close_ int d = cor_open_dir(*dir ? dir : "/", err);
		if (d < 0)
			return d;
		(void)unlinkat(d, slash + 1, 0);
		fd = cor_unix_listen(d, slash + 1, err);
		if (fd < 0)
			return fd;
	} else if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		return cor_error_errno(err, errno, "socket (descriptor %d)", fd);
	}
	int nobody = -1;
	return cor_v2_serve(v, fd, &nobody, v->socket, err);
}

static int run(struct cor_v2 *v, struct cor_error *err)
{
	static char cwd[COR_V2_BUNDLE_MAX];
	if (v->info)
		return cor_v2_info(err);
	if (cor_empty(v->ns))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "shim namespace cannot be empty");
	if (cor_empty(v->id))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "shim id cannot be empty");
	if (strchr(v->ns, '/') || strchr(v->id, '/'))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "namespace and id must not contain a slash");
	if (cor_empty(v->bundle) || !streq(v->action, "delete")) {
		/* /proc is not asked: a bundle is where we are, whatever -bundle says. */
		if (!getcwd(cwd, sizeof(cwd)) || cwd[0] != '/')
			return cor_error_errno(err, errno ? errno : ENOENT, "working directory");
		v->bundle = cwd;
	}
	if (streq(v->action, "start"))
		return cor_v2_start(v, err);
	if (streq(v->action, "delete"))
		return cor_v2_delete(v, err);
	return serve_here(v, err);
}

int cor_v2_main(int argc, char **argv)
{
	static struct cor_v2 v;
	struct cor_error err = {0};
	if (!parse(&v, argc, argv) || (*v.action && !streq(v.action, "start") && !streq(v.action, "delete")))
		return usage();
	if (v.version)
		return print_version(argv[0]) < 0;
	int r = run(&v, &err);
	if (r < 0) {
		char line[COR_ERROR_MESSAGE_MAX + 64];
		int n = snprintf(line, sizeof(line), "%s: %s\n", cor_path_base(argv[0]), err.message);
		(void)cor_write_full(STDERR_FILENO, line, (size_t)n);
	}
	return r < 0;
}
