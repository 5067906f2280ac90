/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a logging binary with containerd's conventions: environment, descriptors 3 to 5, arguments from the query. */
#include "shim/logger.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/process.h"

extern char **environ;

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Percent-decoding (and + for a blank, in the query) of n bytes; NULL: malformed, a NUL in it, or no memory. */
static char *decode(const char *s, size_t n, bool query)
{
	char *out = malloc(n + 1), *o = out;
	for (size_t i = 0; out && i < n; i++) {
		char c = s[i];
		if (c == '+' && query) {
			c = ' ';
		} else if (c == '%') {
			int a = i + 2 < n ? hex(s[i + 1]) : -1, b = i + 2 < n ? hex(s[i + 2]) : -1;
			if (a < 0 || b < 0 || (a == 0 && b == 0)) {
				free(out);
				return NULL;
			}
			c = (char)(a << 4 | b);
			i += 2;
		}
		*o++ = c;
	}
	if (out)
		*o = '\0';
	return out;
}

static int push_decoded(char ***v, const char *s, size_t n, struct cor_error *err)
{
	char *d = decode(s, n, true);
	if (!d)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "log URI: \"%.*s\" is malformed", (int)n, s);
	return cor_strv_push_take(v, d) < 0 ? cor_error_oom(err) : 0;
}

int cor_logger_parse(const char *uri, char ***ret, struct cor_error *err)
{
	_cleanup_strv_ char **argv = NULL;
	const char *path = cor_after(uri, "binary://");
	if (!path || path[0] != '/')
		return cor_error_set(err, COR_INVALID_ARGUMENT,
				     "log URI \"%s\": the binary's path must be absolute", uri);
	size_t n = strcspn(path, "?#");
	char *program = decode(path, n, false);
	if (!program)
		return cor_error_set(err, COR_INVALID_ARGUMENT, "log URI \"%s\" is malformed", uri);
	if (cor_strv_push_take(&argv, program) < 0)
		return cor_error_oom(err);
	for (const char *p = path + n; *p == '?' || *p == '&'; p += n) {
		n = strcspn(++p, "&#");
		const char *eq = memchr(p, '=', n);
		size_t key = eq ? (size_t)(eq - p) : n;
		if (n == 0)
			continue;
		int r = push_decoded(&argv, p, key, err);
		if (r == 0)
			r = push_decoded(&argv, eq ? eq + 1 : "", eq ? n - key - 1 : 0, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(argv);
	return 0;
}

static int make_env(const struct cor_io_request *req, char ***ret)
{
	_cleanup_strv_ char **env = cor_strv_copy(environ);
	int r = cor_strv_push_take(&env, cor_asprintf("CONTAINER_ID=%s", req->id));
	if (r == 0)
		r = cor_strv_push_take(&env, cor_asprintf("CONTAINER_NAMESPACE=%s", req->ns));
	if (r == 0)
		*ret = TAKE_PTR(env);
	return r;
}

static int spawn(char **argv, char **env, int out, int errfd, int ready, pid_t *ret, struct cor_error *err)
{
	struct cor_spawn s = {.path = argv[0],
			      .argv = argv,
			      .env = env,
			      .cwd_fd = -1,
			      .fds = {-1, -1, -1, out, errfd, ready},
			      .nfds = 6,
			      .default_signals = true};
	int r = cor_spawn(&s, ret, NULL, err);
	return r < 0 ? cor_error_wrap(err, r, "logging binary") : 0;
}

int cor_logger_start(struct cor_io *io, const struct cor_io_request *req, const char *uri,
		     struct cor_error *err)
{
	_cleanup_strv_ char **argv = NULL, **env = NULL;
	int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	int r = cor_logger_parse(uri, &argv, err);
	if (r < 0)
		return r;
	if (make_env(req, &env) < 0)
		return cor_error_oom(err);
	for (int i = 0; i < 3 && r == 0; i++)
		r = cor_pipe(pipes[i]);
	if (r < 0)
		(void)cor_error_errno(err, r, "logging binary");
	else
		r = spawn(argv, env, pipes[0][0], pipes[1][0], pipes[2][1], &io->logger, err);
	if (r == 0) {
		io->ready = TAKE_FD(pipes[2][0]);
		if (io->terminal) {
			io->sink.fd = TAKE_FD(pipes[0][1]);
			(void)cor_set_nonblock(io->sink.fd, true);
		} else {
			io->child[1] = TAKE_FD(pipes[0][1]);
			if (!cor_empty(req->err) && streq(req->err, uri))
				io->child[2] = TAKE_FD(pipes[1][1]);
		}
	}
	for (int i = 0; i < 3; i++) {
		cor_close(pipes[i][0]);
		cor_close(pipes[i][1]);
	}
	return r;
}
