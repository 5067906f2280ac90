/* SPDX-License-Identifier: Apache-2.0 */
/* Reading passwd(5) and group(5) files of an image; see passwd.h for what is defended against. */
#include "spec/passwd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"

bool cor_text_equal(struct cor_text t, const char *s)
{
	return strlen(s) == t.n && memcmp(t.p, s, t.n) == 0;
}

/* Up to the separator, which is consumed; the whole rest when there is none. */
static struct cor_text cut(struct cor_text *rest, char separator)
{
	const char *end = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
	struct cor_text head = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
	size_t used = end ? head.n + 1 : head.n;

	rest->p += used;
	rest->n -= used;
	return head;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct cor_text trim(struct cor_text t)
{
	for (; t.n && is_blank(t.p[0]); t.n--)
		t.p++;
	while (t.n && is_blank(t.p[t.n - 1]))
		t.n--;
	return t;
}

static int64_t number(struct cor_text t)
{
	int64_t value = 0;

	if (t.n == 0)
		return -1;
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] < '0' || t.p[i] > '9')
			return -1;
		value = value * 10 + (t.p[i] - '0');
		if (value > COR_USER_ID_MAX)
			return -1;
	}
	return value;
}

/* The next line that is not blank. */
static bool next_line(struct cor_text *text, bool comments, struct cor_text *ret)
{
	while (text->n) {
		struct cor_text line = trim(cut(text, '\n'));

		if (line.n == 0 || (comments && line.p[0] == '#'))
			continue;
		*ret = line;
		return true;
	}
	return false;
}

/* name:password:UID:GID:GECOS:directory:shell */
bool cor_passwd_next(struct cor_text *text, struct cor_passwd_entry *ret)
{
	struct cor_text line;

	if (!next_line(text, false, &line))
		return false;
	ret->name = cut(&line, ':');
	cut(&line, ':');
	ret->uid = number(cut(&line, ':'));
	ret->gid = number(cut(&line, ':'));
	return true;
}

/* name:password:GID:member,member */
bool cor_group_next(struct cor_text *text, struct cor_group_entry *ret)
{
	struct cor_text line;

	if (!next_line(text, true, &line))
		return false;
	ret->name = cut(&line, ':');
	cut(&line, ':');
	ret->gid = number(cut(&line, ':'));
	ret->members = cut(&line, ':');
	return true;
}

bool cor_group_has_member(const struct cor_group_entry *g, const char *user)
{
	struct cor_text rest = g->members;

	while (rest.n)
		if (cor_text_equal(cut(&rest, ','), user))
			return true;
	return false;
}

/* The file is looked at before it is opened for reading: a fifo would block, a device could do anything. */
int cor_passwd_read(int rootfd, const char *path, char **ret, size_t *ret_len, struct cor_error *err)
{
	char magic[sizeof("/proc/self/fd/") + 12];
	_cleanup_close_ int node = -1, fd = -1;
	struct stat st;
	int r;

	node = cor_open_in_root(rootfd, path, O_PATH, 0);
	if (node < 0)
		return cor_error_errno(err, node, "stat /%s", path);
	if (fstat(node, &st) < 0)
		return cor_error_errno(err, errno, "stat /%s", path);
	if (!S_ISREG(st.st_mode))
		return cor_error_set(err, COR_INVALID_ARGUMENT, "%s is not a regular file", path);
	snprintf(magic, sizeof(magic), "/proc/self/fd/%d", node);
	fd = openat(AT_FDCWD, magic, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return cor_error_errno(err, errno, "open /%s", path);
	r = cor_read_fd(fd, COR_PASSWD_FILE_MAX, ret, ret_len, err);
	if (r == -EFBIG) {
		cor_error_clear(err);
		return cor_error_set(err, COR_RESOURCE_EXHAUSTED, "\"%s\" exceeds %u bytes", path,
				     COR_PASSWD_FILE_MAX);
	}
	return r < 0 ? cor_error_wrap(err, r, "read /%s", path) : 0;
}
