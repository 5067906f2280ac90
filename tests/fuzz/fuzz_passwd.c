/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user database of an image. Input: USER, a newline, /etc/passwd, a NUL byte, /etc/group. Checked besides memory:
 * whatever the files say, ids end up between 0 and 2147483647, the primary group leads or is among the groups, and a
 * USER that is a number is that uid.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "spec/internal.h"
#include "spec/passwd.h"

static char root_path[4096];

/* One directory for the whole run, below $TMPDIR. */
static int root_fd(void)
{
	static int fd = -1;
	const char *tmp = getenv("TMPDIR");

	if (fd < 0) {
		snprintf(root_path, sizeof(root_path), "%s/fuzz-passwd-XXXXXX", tmp ? tmp : "/tmp");
		if (!mkdtemp(root_path))
			abort();
		fd = openat(AT_FDCWD, root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || mkdirat(fd, "etc", 0755) < 0)
			abort();
	}
	return fd;
}

static void remove_root(void)
{
	unlinkat(root_fd(), "etc/passwd", 0);
	unlinkat(root_fd(), "etc/group", 0);
	unlinkat(root_fd(), "etc", AT_REMOVEDIR);
	unlinkat(AT_FDCWD, root_path, AT_REMOVEDIR);
}

static void put(const char *name, struct cor_text text)
{
	int fd = openat(root_fd(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || cor_write_full(fd, text.p, text.n) < 0)
		abort();
	cor_close(fd);
}

static void check_id(json_t *user, const char *key)
{
	json_int_t id = json_integer_value(json_object_get(user, key));

	if (id < 0 || id > COR_USER_ID_MAX)
		abort();
}

static void check_process(json_t *process)
{
	json_t *user = json_object_get(process, "user"), *gids = json_object_get(user, "additionalGids"),
	       *gid;
	bool primary = false;
	size_t i;

	check_id(user, "uid");
	check_id(user, "gid");
	json_array_foreach(gids, i, gid)
	{
		if (json_integer_value(gid) < 0 || json_integer_value(gid) > COR_USER_ID_MAX)
			abort();
		primary = primary ||
			  json_integer_value(gid) == json_integer_value(json_object_get(user, "gid"));
	}
	if (!primary)
		abort();
}

static void look_up(const char *name)
{
	_cleanup_json_ json_t *process = json_object();
	struct cor_error err = {0};
	uint32_t uid;

	if (cor_spec_user_set(process, root_fd(), name, &err) >= 0) {
		check_process(process);
		if (cor_parse_u32(name, &uid) == 0 &&
		    json_integer_value(json_object_get(json_object_get(process, "user"), "uid")) != uid)
			abort();
	} else if (err.code == COR_OK || strchr(err.message, '\n')) {
		abort();
	}
	cor_error_clear(&err);
	if (cor_spec_user_set_groups(process, root_fd(), name, &err) >= 0)
		check_process(process);
	else if (err.code == COR_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool registered;
	const char *text = (const char *)data, *end = text + size;
	const char *newline = size ? memchr(text, '\n', size) : NULL;
	_cleanup_free_ char *user = NULL;
	const char *nul;

	if (!registered) {
		registered = true;
		(void)root_fd();
		atexit(remove_root);
	}
	if (!newline)
		return 0;
	user = strndup(text, (size_t)(newline - text));
	nul = memchr(newline, '\0', (size_t)(end - newline));
	if (!nul)
		nul = end;
	put("etc/passwd", (struct cor_text){newline + 1, (size_t)(nul - newline - 1)});
	if (nul < end)
		nul++;
	put("etc/group", (struct cor_text){nul, (size_t)(end - nul)});
	if (user)
		look_up(user);
	return 0;
}
