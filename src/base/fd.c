/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, writing and copying through descriptors. */
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/str.h"

int cor_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;
		(void)close(fd);
		errno = saved;
	}
	return -1;
}

ssize_t cor_read_full(int fd, void *buf, size_t n)
{
	size_t done = 0;
	while (done < n) {
		ssize_t r = read(fd, (char *)buf + done, n - done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

int cor_write_full(int fd, const void *buf, size_t n)
{
	size_t done = 0;
	while (done < n) {
		ssize_t r = write(fd, (const char *)buf + done, n - done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		done += (size_t)r;
	}
	return 0;
}

int cor_pwrite_full(int fd, const void *buf, size_t n, off_t off)
{
	size_t done = 0;
	while (done < n) {
		ssize_t r = pwrite(fd, (const char *)buf + done, n - done, off + (off_t)done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		done += (size_t)r;
	}
	return 0;
}

int cor_read_fd(int fd, size_t max, char **ret, size_t *ret_len, struct cor_error *err)
{
	struct stat st;
	size_t cap = 4096;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		cap = MIN((size_t)st.st_size, max) + 1;
	_cleanup_free_ char *buf = NULL;
	size_t have = 0, len = 0;
	for (;;) {
		if (len + 1 >= have) {
			size_t want = have ? have * 2 : cap + 1;
			char *p = realloc(buf, want);
			if (!p)
				return cor_error_oom(err);
			buf = p;
			have = want;
		}
		ssize_t r = cor_read_full(fd, buf + len, have - len - 1);
		if (r < 0)
			return cor_error_errno(err, (int)r, "read");
		if (r == 0)
			break;
		len += (size_t)r;
		if (len > max)
			return cor_error_errno(err, EFBIG, "read (limit %zu bytes)", max);
	}
	buf[len] = '\0';
	*ret = TAKE_PTR(buf);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int cor_read_file_at(int dirfd, const char *name, size_t max, char **ret, size_t *ret_len,
		     struct cor_error *err)
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return cor_error_errno(err, errno, "open %s", name);
	int r = cor_read_fd(fd, max, ret, ret_len, err);
	return r < 0 ? cor_error_wrap(err, r, "%s", name) : 0;
}

int cor_write_file_at(int dirfd, const char *name, const void *data, size_t n, mode_t mode, bool durable,
		      struct cor_error *err)
{
	char tmp[300], suffix[13];
	cor_random_hex(suffix, 12);
	if (snprintf(tmp, sizeof(tmp), ".%s.%s", name, suffix) >= (int)sizeof(tmp))
		return cor_error_errno(err, ENAMETOOLONG, "write %s", name);
	_cleanup_close_ int fd =
		openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return cor_error_errno(err, errno, "create %s", name);
	int r = cor_write_full(fd, data, n);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, tmp, 0);
		return cor_error_errno(err, r, "write %s", name);
	}
	if (durable && fsync(dirfd) < 0)
		return cor_error_errno(err, errno, "sync directory of %s", name);
	return 0;
}

int cor_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	int want = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return want == flags || fcntl(fd, F_SETFL, want) == 0 ? 0 : -errno;
}

int cor_pipe(int ret_fds[2])
{
	return pipe2(ret_fds, O_CLOEXEC) < 0 ? -errno : 0;
}

int64_t cor_copy_fd(int in, int out)
{
	int64_t total = 0;
	bool fast = true;
	static const size_t chunk = 1u << 20;
	_cleanup_free_ char *buf = NULL;
	for (;;) {
		ssize_t n;
		if (fast) {
			n = copy_file_range(in, NULL, out, NULL, chunk * 64, 0);
			/* Other file systems, pipes, procfs (says 0): the plain way. */
			if ((n < 0 && errno != ENOSPC && errno != EIO) || (n == 0 && total == 0)) {
				fast = false;
				continue;
			}
			if (n < 0)
				return -errno;
			if (n == 0)
				return total;
			total += n;
			continue;
		}
		if (!buf && !(buf = malloc(chunk)))
			return -ENOMEM;
		n = read(in, buf, chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return total;
		int r = cor_write_full(out, buf, (size_t)n);
		if (r < 0)
			return r;
		total += n;
	}
}
